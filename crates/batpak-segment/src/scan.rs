//! A segment's bytes, read from front to back: which frames continue each other, and how it ends. Opens nothing,
//! repairs nothing.

use crate::error::{Damage, LogError};
use crate::frame::{FrameRef, Item};
use crate::header::{Id, Link, Seal};
use crate::layout::{self, CRITICAL, FRAME_ALIGN, LINK_TYPE, MARK_TYPE, SEAL_TYPE, SEGMENT_HEADER_LEN};
use std::path::Path;

/// What the frames of a segment add up to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    /// Where the next frame begins.
    pub(crate) at: u64,
    /// The crc of the last frame, or of the header.
    pub(crate) previous: u32,
    /// The sequence of the next record; unknown before the first frame.
    pub(crate) sequence: Option<u64>,
    /// The link in the first frame.
    pub(crate) link: Option<Link>,
    /// The highest durable mark.
    pub(crate) mark: u64,
    /// What the last frame was.
    pub(crate) last: Last,
}

/// What the last frame of a segment was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// There is none.
    Nothing,
    /// Records, or frame records of the user.
    Commit,
    /// The mark of a close that covers all before it.
    Close,
    /// The seal, and the crc of its frame.
    Seal(Seal, u32),
}

/// Why a frame does not go on where a chain ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// It is not valid here, or continues something else.
    Bad(Damage),
    /// It is valid and needs something unknown: a critical frame record of this type.
    Unknown(u16),
}

impl Stop {
    /// The error of a frame at `offset` that has to be a good one.
    pub(crate) fn into_error(self, path: &Path, segment: u64, offset: u64) -> LogError {
        match self {
            Self::Bad(damage) => LogError::Damaged { segment, offset, damage },
            Self::Unknown(record_type) => {
                LogError::UnsupportedFeature { path: path.to_owned(), what: "frame record", value: record_type.into() }
            }
        }
    }
}

impl Chain {
    /// A segment of which nothing but the header was read.
    pub(crate) fn new(header_crc: u32) -> Self {
        Self {
            at: SEGMENT_HEADER_LEN as u64,
            previous: header_crc,
            sequence: None,
            link: None,
            mark: SEGMENT_HEADER_LEN as u64,
            last: Last::Nothing,
        }
    }

    /// Whether the last frame is a seal.
    pub(crate) fn seal(&self) -> Option<(Seal, u32)> {
        match self.last {
            Last::Seal(seal, crc) => Some((seal, crc)),
            _ => None,
        }
    }

    /// Takes the frame at the beginning of `bytes`, which stands where this chain ends.
    pub(crate) fn take<'a>(&mut self, bytes: &'a [u8], segment_id: &Id) -> Result<FrameRef<'a>, Stop> {
        let frame = FrameRef::parse(bytes, segment_id, self.at).map_err(Stop::Bad)?;
        let header = &frame.header;
        if header.previous != self.previous {
            return Err(Stop::Bad(Damage::Previous { found: header.previous, expected: self.previous }));
        }
        if let Some(expected) = self.sequence.filter(|s| *s != header.first_sequence) {
            return Err(Stop::Bad(Damage::Sequence { found: header.first_sequence, expected }));
        }
        let facts = self.frame_records(&frame)?;
        self.link = self.link.or(facts.link);
        self.last = facts.last;
        self.mark = self.mark.max(header.durable_mark);
        self.previous = header.crc;
        self.sequence = Some(frame.end_sequence());
        self.at += frame.len() as u64;
        Ok(frame)
    }

    /// Reads the log's own frame records and checks that they are where they belong.
    fn frame_records(&self, frame: &FrameRef<'_>) -> Result<Facts, Stop> {
        let misplaced = |record_type| Stop::Bad(Damage::FrameRecord { record_type });
        let first = self.last == Last::Nothing;
        if matches!(self.last, Last::Seal(..)) {
            return Err(misplaced(SEAL_TYPE));
        }
        let alone = frame.header.records == 0 && frame.header.typed == 1;
        let mut facts = Facts { link: None, last: Last::Commit };
        for item in frame.items() {
            let (record_type, flags, body) = match item {
                Item::Record { .. } => continue,
                Item::Typed { record_type, flags, body } => (record_type, flags, body),
                Item::Malformed => return Err(misplaced(0)),
            };
            match record_type {
                LINK_TYPE if first && alone => {
                    facts.link =
                        layout::decode_link(body).filter(|link| link.first_sequence == frame.header.first_sequence);
                }
                SEAL_TYPE if alone => {
                    let seal =
                        layout::decode_seal(body).filter(|seal| seal.end_sequence == frame.header.first_sequence);
                    facts.last = Last::Seal(seal.ok_or(misplaced(SEAL_TYPE))?, frame.header.crc);
                }
                LINK_TYPE | SEAL_TYPE => return Err(misplaced(record_type)),
                MARK_TYPE if alone && frame.header.durable_mark == self.at => facts.last = Last::Close,
                unknown if flags & CRITICAL != 0 => return Err(Stop::Unknown(unknown)),
                _ => {}
            }
        }
        if first && facts.link.is_none() {
            return Err(misplaced(LINK_TYPE));
        }
        Ok(facts)
    }
}

struct Facts {
    link: Option<Link>,
    last: Last,
}

/// A segment's bytes as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    /// The frames that continue each other.
    pub(crate) chain: Chain,
    /// How the bytes end after them.
    pub(crate) end: End,
}

/// What stands after the last frame that continues the others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Nothing, or zeros.
    Clean,
    /// Something that was never known to be durable; `until` is one past its last byte that is not zero, `frames` the
    /// number of valid frames in it.
    Torn { until: u64, frames: u64 },
    /// Something is wrong below a durable mark.
    Damaged(Damage),
    /// A frame that is valid and needs something unknown.
    Unknown(u16),
}

/// Reads a whole segment: `bytes` from the start of the file.
pub(crate) fn scan(bytes: &[u8], segment_id: &Id, header_crc: u32) -> Scan {
    let mut chain = Chain::new(header_crc);
    let stop = loop {
        if let Err(stop) = chain.take(rest(bytes, chain.at), segment_id) {
            break stop;
        }
    };
    let end = match stop {
        Stop::Unknown(record_type) => End::Unknown(record_type),
        Stop::Bad(damage) => judge(bytes, segment_id, &mut chain, damage),
    };
    Scan { chain, end }
}

/// What stands from offset `at` on.
pub(crate) fn rest(bytes: &[u8], at: u64) -> &[u8] {
    usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or(&[])
}

/// Torn or damaged: decided by the highest durable mark of any valid frame, those after the bad place included.
fn judge(bytes: &[u8], segment_id: &Id, chain: &mut Chain, damage: Damage) -> End {
    let tail = rest(bytes, chain.at);
    let Some(last) = tail.iter().rposition(|b| *b != 0) else {
        return if chain.mark > chain.at { End::Damaged(damage) } else { End::Clean };
    };
    let mut frames = 0;
    let mut at = 0;
    while at <= last {
        match FrameRef::parse(&tail[at..], segment_id, chain.at + at as u64) {
            Ok(frame) => {
                frames += 1;
                chain.mark = chain.mark.max(frame.header.durable_mark);
                at += frame.len();
            }
            Err(_) => at += FRAME_ALIGN,
        }
    }
    if chain.mark > chain.at {
        return End::Damaged(damage);
    }
    End::Torn { until: chain.at + last as u64 + 1, frames }
}
