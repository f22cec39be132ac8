//! All records of a log in order, or what stands beside them.

use crate::catalog::{Catalog, Segment};
use crate::error::{Damage, LogError};
use crate::frame::FrameRef;
use crate::layout::{self, FRAME_HEADER_LEN, ITEM_HEADER_LEN, SEGMENT_HEADER_LEN};
use crate::reader::{LogReader, Position, Record};
use crate::scan::{Chain, Last, Stop, rest};
use crate::source::Source;
use crate::window::Window;
use std::sync::Arc;

/// The segment that is gone through.
#[derive(Debug)]
struct Open {
    source: Arc<Source>,
    chain: Chain,
}

/// The frames of a log in order, those that begin and end segments left out.
#[derive(Debug)]
struct Frames {
    reader: LogReader,
    catalog: Arc<Catalog>,
    index: usize,
    end: u64,
    /// Whether the records were checked before.
    seen: bool,
    open: Option<Open>,
    /// Whether an error was met: what follows it is not known.
    failed: bool,
    window: Window,
}

impl Frames {
    /// The offset of the next frame. Nothing comes after an error.
    fn advance(&mut self) -> Result<Option<u64>, LogError> {
        if self.failed {
            return Ok(None);
        }
        let result = self.next_frame();
        self.failed = result.is_err();
        result
    }

    fn next_frame(&mut self) -> Result<Option<u64>, LogError> {
        loop {
            let Some(slot) = self.catalog.slots.get(self.index) else { return Ok(None) };
            let segment = &slot.segment;
            if segment.first_sequence() >= self.end {
                return Ok(None);
            }
            if self.open.is_none() {
                self.window = Window::default();
                let source = self.reader.source_of(&self.catalog, self.index)?;
                self.open = Some(Open { source, chain: Chain::new(segment.header_crc) });
            }
            let Some(Open { source, chain }) = &mut self.open else { return Ok(None) };
            if chain.sequence.is_some_and(|sequence| sequence >= self.end) {
                return Ok(None);
            }
            let at = chain.at;
            let bytes = match source.file_at(at) {
                Some(file) => self.window.frame_at(file, segment, at)?,
                None => rest(source.mapped(), at),
            };
            let id = &segment.header.segment_id;
            let taken = if self.seen { chain.take_seen(bytes, id) } else { chain.take(bytes, id) };
            taken.map_err(|stop| stop.into_error(&segment.path, segment.header.number, at))?;
            if let Last::Seal(..) = chain.last {
                check_end(segment, chain, at)?;
                self.index += 1;
                self.open = None;
            } else if at > SEGMENT_HEADER_LEN as u64 {
                return Ok(Some(at));
            }
        }
    }

    /// The frame records of the user in the frame that was found last, which stands at `at`.
    fn user_records(&self, at: u64) -> Result<Vec<FrameRecord>, LogError> {
        let Some(slot) = self.catalog.slots.get(self.index) else { return Ok(Vec::new()) };
        let (segment, id) = (&slot.segment, &slot.segment.header.segment_id);
        let frame = FrameRef::parse_outside(self.bytes(at), id, at).and_then(|frame| {
            frame.check_frame_records(id)?;
            Ok(frame)
        });
        let frame = frame.map_err(|damage| Stop::Bad(damage).into_error(&segment.path, segment.header.number, at))?;
        let sequence = frame.header.first_sequence;
        let record = |(item, record_type, body): (usize, u16, &[u8])| FrameRecord {
            position: Position { sequence, offset: at + item as u64 },
            record_type,
            body: body.to_vec(),
        };
        Ok(frame.user_records().map(record).collect())
    }

    /// What stands at an offset of the frame that was found last, and all of that frame behind it.
    fn bytes(&self, at: u64) -> &[u8] {
        match &self.open {
            Some(open) if open.source.file_at(at).is_none() => rest(open.source.mapped(), at),
            _ => self.window.from(at),
        }
    }
}

/// A seal ends its segment: what stands behind another one would be left out.
fn check_end(segment: &Segment, chain: &Chain, offset: u64) -> Result<(), LogError> {
    if segment.sealed_len == Some(chain.at) {
        return Ok(());
    }
    let damage = Damage::FrameRecord { record_type: layout::SEAL_TYPE };
    Err(LogError::Damaged { segment: segment.header.number, offset, damage })
}

/// The records of a log in order.
///
/// As an iterator it gives each record in memory of its own; [`next_record`](Self::next_record) lends it.
#[derive(Debug)]
pub struct Records {
    frames: Frames,
    from: u64,
    /// Records of the current frame that were not given yet.
    items: u32,
    /// The sequence of the next one.
    next: u64,
    /// Offset of its item in the segment.
    at: u64,
}

impl Records {
    /// The records from `from` on, up to the one before `end`.
    pub(crate) fn new(reader: LogReader, catalog: Arc<Catalog>, from: u64, end: u64) -> Self {
        let index = catalog.index_of(from).unwrap_or(0);
        let window = Window::default();
        let frames = Frames { reader, catalog, index, end, seen: false, open: None, failed: false, window };
        Self { frames, from, items: 0, next: 0, at: 0 }
    }

    /// The same without checking the crcs of the records again, for who knows that they were checked a moment ago: at
    /// an opening that was not [`closed_cleanly`](crate::Repair::closed_cleanly) those of the active segment were.
    #[must_use]
    pub fn seen(mut self) -> Self {
        self.frames.seen = true;
        self
    }

    /// The next record: its position and bytes.
    ///
    /// # Errors
    /// `Damaged` at a place that is not what was written; I/O errors. It has ended then.
    pub fn next_record(&mut self) -> Result<Option<(Position, &[u8])>, LogError> {
        loop {
            if self.items == 0 {
                let Some(at) = self.frames.advance()? else { return Ok(None) };
                let header = layout::decode_frame_header(self.frames.bytes(at));
                self.items = header.records;
                self.next = header.first_sequence;
                self.at = at + FRAME_HEADER_LEN as u64;
                continue;
            }
            let position = Position { sequence: self.next, offset: self.at };
            let (len, _) = layout::decode_item_header(self.frames.bytes(position.offset));
            self.items -= 1;
            self.next += 1;
            self.at += ITEM_HEADER_LEN as u64 + u64::from(len);
            if position.sequence >= self.from {
                let item = self.frames.bytes(position.offset);
                return Ok(Some((position, &item[ITEM_HEADER_LEN..ITEM_HEADER_LEN + len as usize])));
            }
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next =
            self.next_record().map(|found| found.map(|(position, bytes)| Record { position, bytes: bytes.to_vec() }));
        next.transpose()
    }
}

/// What stands beside the records of a commit: it has no sequence of its own. See
/// [`Frame::push_frame_record`](crate::Frame::push_frame_record).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRecord {
    /// Where it is: the sequence of the first record of its frame, or of the next one if there is none, and the offset of
    /// its item in the file of its segment.
    pub position: Position,
    /// Its type.
    pub record_type: u16,
    /// What was pushed.
    pub body: Vec<u8>,
}

/// The frame records of a log in order, those left out that are the log's own. Made by
/// [`LogReader::frame_records`](crate::LogReader::frame_records).
#[derive(Debug)]
pub struct FrameRecords {
    frames: Frames,
    from: u64,
    /// Those of the current frame that were not given yet.
    found: std::vec::IntoIter<FrameRecord>,
}

impl FrameRecords {
    /// Those of the frames with records from `from` on, up to the one before `end`.
    pub(crate) fn new(reader: LogReader, catalog: Arc<Catalog>, from: u64, end: u64) -> Self {
        let mut frames = Records::new(reader, catalog, from, end).seen().frames;
        if from >= end {
            frames.index = frames.catalog.slots.len();
        }
        Self { frames, from, found: Vec::new().into_iter() }
    }

    fn next_record(&mut self) -> Result<Option<FrameRecord>, LogError> {
        loop {
            if let Some(record) = self.found.next() {
                return Ok(Some(record));
            }
            let Some(at) = self.frames.advance()? else { return Ok(None) };
            let header = layout::decode_frame_header(self.frames.bytes(at));
            let end = header.first_sequence.saturating_add(header.records.into());
            if header.typed > 0 && end.max(header.first_sequence + 1) > self.from {
                let found = self.frames.user_records(at);
                self.frames.failed = found.is_err();
                self.found = found?.into_iter();
            }
        }
    }
}

impl Iterator for FrameRecords {
    type Item = Result<FrameRecord, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record().transpose()
    }
}
