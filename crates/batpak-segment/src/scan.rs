//! A segment's bytes, read from front to back: which frames continue each other, and how it ends. Opens nothing,
//! repairs nothing.

use crate::error::{Damage, LogError};
use crate::frame::{FrameRef, Item, frame_len};
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
    /// Where it stands.
    pub(crate) previous_at: u64,
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
            previous_at: layout::HEADER_CRC_OFFSET,
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
        self.follow(&frame)?;
        Ok(frame)
    }

    /// The same for a frame whose records were checked before.
    pub(crate) fn take_seen<'a>(&mut self, bytes: &'a [u8], segment_id: &Id) -> Result<FrameRef<'a>, Stop> {
        let frame = FrameRef::parse_outside(bytes, segment_id, self.at).map_err(Stop::Bad)?;
        self.follow(&frame)?;
        Ok(frame)
    }

    /// Goes on with a frame that is valid where this chain ends, if it continues it.
    fn follow(&mut self, frame: &FrameRef<'_>) -> Result<(), Stop> {
        let header = &frame.header;
        if header.previous != self.previous {
            return Err(Stop::Bad(Damage::Previous { found: header.previous, expected: self.previous }));
        }
        if let Some(expected) = self.sequence.filter(|s| *s != header.first_sequence) {
            return Err(Stop::Bad(Damage::Sequence { found: header.first_sequence, expected }));
        }
        if header.typed > 0 || self.last != Last::Commit {
            let facts = self.frame_records(frame)?;
            self.link = self.link.or(facts.link);
            self.last = facts.last;
        }
        self.mark = self.mark.max(header.durable_mark);
        self.previous = header.crc;
        self.previous_at = layout::frame_crc_offset(self.at);
        self.sequence = Some(frame.end_sequence());
        self.at += frame.len() as u64;
        Ok(())
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
                Item::Malformed { .. } => return Err(misplaced(0)),
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

/// Reads the frames of a segment as its bytes come, from front to back.
///
/// What is known to be durable is let go, the rest is kept.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    segment_id: &'a Id,
    chain: Chain,
    /// Why the frames have ended, if not because there are no more bytes.
    stop: Option<Stop>,
    /// Room for all of it; what was never filled takes no memory.
    bytes: Vec<u8>,
    filled: usize,
    /// Offset in the segment of the first byte.
    base: u64,
}

/// How much is asked for at once: so little that it is still near when it is looked at.
const CHUNK: usize = 256 << 10;

/// A segment as it was read.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The frames that continue each other.
    pub(crate) chain: Chain,
    /// How the bytes end after them.
    pub(crate) end: End,
    /// What stands up to the end of those frames, from the durable mark on or from before it.
    pub(crate) kept: Vec<u8>,
    /// Length of the file.
    pub(crate) len: u64,
}

impl<'a> Scanner<'a> {
    /// For a file of `len` bytes.
    pub(crate) fn new(segment_id: &'a Id, header_crc: u32, len: usize) -> Self {
        let chain = Chain::new(header_crc);
        let bytes = vec![0; len.saturating_sub(SEGMENT_HEADER_LEN)];
        Self { segment_id, chain, stop: None, bytes, filled: 0, base: chain.at }
    }

    /// Where the next bytes go, and the offset at which they stand in the file. Nothing goes there after the last ones.
    pub(crate) fn space(&mut self) -> (&mut [u8], u64) {
        let at = self.base + self.filled as u64;
        let left = &mut self.bytes[self.filled..];
        let len = left.len().min(CHUNK);
        (&mut left[..len], at)
    }

    /// Takes the first `n` bytes that were put there.
    pub(crate) fn advance(&mut self, n: usize) {
        self.filled += n;
        while self.stop.is_none() && frame_len(&self.bytes[self.index(self.chain.at)..self.filled]).is_ok() {
            self.take();
        }
        self.let_go();
    }

    fn take(&mut self) {
        let from = self.index(self.chain.at);
        self.stop = self.chain.take(&self.bytes[from..self.filled], self.segment_id).err();
    }

    /// Where the byte at an offset stands, which is not below the base.
    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset - self.base).unwrap_or(usize::MAX)
    }

    /// Forgets what stands below the mark, once that is more than what has to be moved for it.
    fn let_go(&mut self) {
        let durable = self.index(self.chain.mark.min(self.chain.at));
        if durable > self.filled / 2 {
            self.bytes.copy_within(durable..self.filled, 0);
            self.filled -= durable;
            self.bytes.truncate(self.bytes.len() - durable);
            self.base += durable as u64;
        }
    }

    /// There are no more bytes.
    pub(crate) fn finish(mut self) -> Scan {
        let stop = loop {
            match self.stop {
                Some(stop) => break stop,
                None => self.take(),
            }
        };
        let mut chain = self.chain;
        let to = self.index(chain.at);
        let end = match stop {
            Stop::Unknown(record_type) => End::Unknown(record_type),
            Stop::Bad(damage) => judge(&self.bytes[to..self.filled], self.segment_id, &mut chain, damage),
        };
        let len = self.base + self.filled as u64;
        self.bytes.truncate(to);
        Scan { chain, end, kept: self.bytes, len }
    }
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

/// What stands from offset `at` on.
pub(crate) fn rest(bytes: &[u8], at: u64) -> &[u8] {
    usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or(&[])
}

/// Torn or damaged: decided by the highest durable mark of any valid frame, those after the bad place included. `after`
/// is what stands from there on.
fn judge(after: &[u8], segment_id: &Id, chain: &mut Chain, damage: Damage) -> End {
    let Some(last) = last_nonzero(after) else {
        return if chain.mark > chain.at { End::Damaged(damage) } else { End::Clean };
    };
    let mut frames = 0;
    let mut at = 0;
    while at <= last {
        match FrameRef::parse(&after[at..], segment_id, chain.at + at as u64) {
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

/// The last byte that is not zero. What was reserved is long and zero, so whole blocks of it are passed over.
fn last_nonzero(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 4096;
    let is_zero = |block: &&[u8]| block.iter().fold(0, |all, byte| all | byte) == 0;
    let zeros: usize = bytes.rchunks(BLOCK).take_while(is_zero).map(<[u8]>::len).sum();
    bytes[..bytes.len() - zeros].iter().rposition(|byte| *byte != 0)
}
