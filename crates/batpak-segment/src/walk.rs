//! One segment, read from front to back past whatever is wrong in it.
//!
//! It is read with calls and not through a mapping: a sector that the disk cannot read is then an error that has a place,
//! not the end of the process, and a segment may be cut by its writer meanwhile.

use crate::catalog::Segment;
use crate::error::{Damage, LogError};
use crate::file_system::File;
use crate::frame::FrameRef;
use crate::header::Id;
use crate::inspect::Step;
use crate::layout::{self, FRAME_ALIGN, FRAME_HEADER_LEN, ITEM_HEADER_LEN, NO_SEQUENCE, SEGMENT_HEADER_LEN};
use crate::reader::Position;
use crate::recover::Torn;
use crate::scan::{Chain, Last, Stop};
use crate::window::Window;
use std::io;
use std::ops::ControlFlow::{self, Continue};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A file of which what cannot be read reads as zeros.
#[derive(Debug)]
pub(crate) struct PastErrors {
    file: Arc<dyn File>,
    first: Mutex<Option<io::Error>>,
}

/// What is read as zeros if it cannot be read: what a disk hands out at once.
const BLOCK: u64 = 4096;

pub(crate) fn past_errors(file: Arc<dyn File>) -> Arc<PastErrors> {
    Arc::new(PastErrors { file, first: Mutex::default() })
}

impl PastErrors {
    /// The first error since the last call.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl File for PastErrors {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let whole = self.file.read_at(buf, offset);
        if !matches!(&whole, Err(error) if error.kind() != io::ErrorKind::Interrupted) {
            return whole;
        }
        let block = usize::try_from(BLOCK - offset % BLOCK).unwrap_or(1);
        let left = usize::try_from(self.file.len()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buf.len().min(block).min(left);
        self.file.read_at(&mut buf[..len], offset).or_else(|error| {
            buf[..len].fill(0);
            self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            Ok(len)
        })
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whether a file has frames of the segment with this id.
pub(crate) fn holds_frames(file: &Arc<PastErrors>, id: &Id) -> bool {
    let mut reading = Reading::new(Arc::clone(file));
    reading.next_frame(SEGMENT_HEADER_LEN as u64, id).is_ok_and(|found| found.is_some())
}

/// A file that is gone through.
struct Reading {
    file: Arc<PastErrors>,
    window: Window,
}

impl Reading {
    fn new(file: Arc<PastErrors>) -> Self {
        Self { file, window: Window::default() }
    }

    /// The bytes from `at` on: the whole of a frame that begins there, if it fits the file.
    fn frame_at(&mut self, at: u64) -> io::Result<&[u8]> {
        self.window.frame_or_rest(&*self.file, at)
    }

    /// The bytes from `at` on, at least `len` if the file has them.
    fn bytes_at(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        self.window.fill(&*self.file, at, len)?;
        Ok(self.window.from(at))
    }

    /// The next frame from `from` on that is valid at its place: where it is and where it ends.
    fn next_frame(&mut self, from: u64, id: &Id) -> io::Result<Option<Range<u64>>> {
        let end = self.file.len()?;
        let mut at = from;
        while at + FRAME_HEADER_LEN as u64 <= end {
            let bytes = self.bytes_at(at, FRAME_HEADER_LEN)?;
            let steps = bytes.chunks_exact(FRAME_ALIGN).position(layout::begins_like_frame);
            let Some(steps) = steps else {
                at += (bytes.len() - bytes.len() % FRAME_ALIGN).max(FRAME_ALIGN) as u64;
                continue;
            };
            at += (steps * FRAME_ALIGN) as u64;
            let bytes = self.frame_at(at)?;
            if let Ok(frame) = FrameRef::parse(bytes, id, at) {
                return Ok(Some(at..at + frame.len() as u64));
            }
            at += FRAME_ALIGN as u64;
        }
        Ok(None)
    }

    /// One past the last byte from `from` on that is not zero.
    fn end_of_content(&mut self, from: u64) -> io::Result<Option<u64>> {
        let (mut at, mut last) = (from, None);
        loop {
            let bytes = self.bytes_at(at, 1)?;
            if bytes.is_empty() {
                return Ok(last);
            }
            let found = bytes.iter().rposition(|byte| *byte != 0);
            last = found.map(|found| at + found as u64 + 1).or(last);
            at += bytes.len() as u64;
        }
    }

    fn forget(&mut self) {
        self.window = Window::default();
    }
}

/// A segment that is gone through.
pub(crate) struct Walk<'s> {
    segment: &'s Segment,
    pub(crate) chain: Chain,
    reading: Reading,
    pub(crate) frames: u64,
    /// Whether anything in it is not as it was written.
    pub(crate) is_damaged: bool,
    /// The highest mark of all frames behind a bad place, once one was met.
    mark: Option<u64>,
    /// Where it was looked a second time, because a writer may have been about to write there.
    looked_again: u64,
}

/// How a segment ends.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    /// With a seal.
    Sealed,
    /// With nothing behind its last frame, or with what was never known to be durable.
    Open(Option<Torn>),
    /// In damage behind which nothing can be read.
    Damaged,
}

/// What follows a broken item.
#[derive(Clone, Copy)]
enum Behind {
    /// An item that begins at this offset.
    Item(u64),
    /// Nothing that can be told apart.
    Nothing,
}

/// The longest item that is looked for behind one whose length may be wrong: what is no item mostly claims to be longer.
const SOUGHT_MAX: u32 = 1 << 20;

type Flow<T = ()> = ControlFlow<(), T>;

impl<'s> Walk<'s> {
    pub(crate) fn new(segment: &'s Segment, file: Arc<PastErrors>) -> Self {
        let chain = Chain::new(segment.header_crc);
        Self { segment, chain, reading: Reading::new(file), frames: 0, is_damaged: false, mark: None, looked_again: 0 }
    }

    /// Whether a segment holds nothing but its header.
    pub(crate) fn is_empty(file: Arc<PastErrors>) -> bool {
        matches!(Reading::new(file).end_of_content(SEGMENT_HEADER_LEN as u64), Ok(None))
    }

    /// What could not be read since the last call.
    pub(crate) fn take_error(&self) -> Option<LogError> {
        self.reading.file.take_error().map(|error| self.io(error))
    }

    fn id(&self) -> &'s Id {
        &self.segment.header.segment_id
    }

    /// Goes through the frames. `may_be_open` says whether it may be the one that is written to; then what is wrong
    /// behind every durable mark is no damage.
    pub(crate) fn run<F: FnMut(Step<'_>) -> Flow>(
        &mut self,
        may_be_open: bool,
        expected: Option<u64>,
        each: &mut F,
    ) -> Flow<Result<Ending, LogError>> {
        loop {
            let stop = match self.take_frames(each)? {
                Ok(None) => return self.after_seal(each).map_continue(|done| done.map(|()| Ending::Sealed)),
                Ok(Some(stop)) => stop,
                Err(error) => return Continue(Err(self.io(error))),
            };
            match self.judge(may_be_open) {
                Err(error) => return Continue(Err(self.io(error))),
                Ok(Some(ending)) => return Continue(Ok(ending)),
                Ok(None) if may_be_open && self.looked_again < self.chain.at => {
                    self.looked_again = self.chain.at;
                    self.reading.forget();
                    continue;
                }
                Ok(None) => {}
            }
            match self.pass_damage(stop, expected, each)? {
                Ok(true) => {}
                Ok(false) => return Continue(Ok(Ending::Damaged)),
                Err(error) => return Continue(Err(self.io(error))),
            }
        }
    }

    /// Takes frames up to a seal, or to what is none.
    fn take_frames<F: FnMut(Step<'_>) -> Flow>(&mut self, each: &mut F) -> Flow<io::Result<Option<Stop>>> {
        while self.chain.seal().is_none() {
            let at = self.chain.at;
            let bytes = match self.reading.frame_at(at) {
                Ok(bytes) => bytes,
                Err(error) => return Continue(Err(error)),
            };
            let frame = match self.chain.take(bytes, &self.segment.header.segment_id) {
                Ok(frame) => frame,
                Err(stop) => return Continue(Ok(Some(stop))),
            };
            self.frames += 1;
            give_frame(&frame, at, each)?;
        }
        Continue(Ok(None))
    }

    /// Forgets what was read of the file and not taken: it may have changed.
    pub(crate) fn read_anew(&mut self) {
        self.reading.forget();
    }

    /// Takes frames that continue the segment and are elsewhere.
    pub(crate) fn take_copies<F: FnMut(Step<'_>) -> Flow>(&mut self, frames: &[u8], each: &mut F) -> Flow<u64> {
        let (mut left, before) = (frames, self.frames);
        while let (false, Ok(frame)) = (left.is_empty(), self.chain.take(left, &self.segment.header.segment_id)) {
            self.frames += 1;
            let at = self.chain.at - frame.len() as u64;
            give_frame(&frame, at, each)?;
            left = &left[frame.len()..];
        }
        self.reading.forget();
        Continue(self.frames - before)
    }

    /// How the segment ends where its frames do; nothing if it has to go on.
    fn judge(&mut self, may_be_open: bool) -> io::Result<Option<Ending>> {
        if !may_be_open {
            return Ok(None);
        }
        let (at, id) = (self.chain.at, self.id());
        let Some(until) = self.reading.end_of_content(at)? else {
            return Ok((self.chain.mark <= at).then_some(Ending::Open(None)));
        };
        let (mut frames, mut mark, mut from) = (0, self.chain.mark, at);
        if self.mark.is_none() {
            while let Some(found) = self.reading.next_frame(from, id)? {
                let header = layout::decode_frame_header(self.reading.bytes_at(found.start, FRAME_HEADER_LEN)?);
                (frames, mark, from) = (frames + 1, mark.max(header.durable_mark), found.end);
            }
        }
        let mark = *self.mark.get_or_insert(mark);
        let torn = Torn { segment: self.segment.header.number, offset: at, bytes: until - at, frames };
        Ok((mark <= at).then_some(Ending::Open(Some(torn))))
    }

    /// Says what is wrong where the frames end, gives what can be read there, and finds where they go on, if they do.
    fn pass_damage<F: FnMut(Step<'_>) -> Flow>(
        &mut self,
        stop: Stop,
        expected: Option<u64>,
        each: &mut F,
    ) -> Flow<io::Result<bool>> {
        let at = self.chain.at;
        self.is_damaged = true;
        let (next, stop) = match self.go_on().and_then(|next| Ok((next, self.named(stop)?))) {
            Ok(found) => found,
            Err(error) => return Continue(Err(error)),
        };
        if let Some(error) = self.take_error() {
            each(Step::Defect(error))?;
        }
        each(Step::Defect(stop.into_error(&self.segment.path, self.segment.header.number, at)))?;
        let sequences = self.chain.sequence.or(expected).map(|from| {
            let to = next.as_ref().and_then(|next| next.sequence).unwrap_or(u64::MAX);
            from..to
        });
        // A frame that is whole and only continues something else is taken as it is.
        let is_here = next.as_ref().is_some_and(|next| next.previous_at == layout::frame_crc_offset(at));
        if let (Some(sequences), false) = (sequences, is_here) {
            let limit = next.as_ref().map_or(u64::MAX, |next| next.at);
            match self.give_items(at, limit, sequences, each)? {
                Ok(()) => {}
                Err(error) => return Continue(Err(error)),
            }
        }
        let Some(next) = next else { return Continue(Ok(false)) };
        self.chain = next;
        Continue(Ok(true))
    }

    /// What is wrong where nothing stands any more is that there should be a seal.
    fn named(&mut self, stop: Stop) -> io::Result<Stop> {
        let is_end = self.reading.end_of_content(self.chain.at)?.is_none();
        Ok(if is_end { Stop::Bad(Damage::NoSeal) } else { stop })
    }

    /// The chain before the next frame that can be taken.
    fn go_on(&mut self) -> io::Result<Option<Chain>> {
        let id = self.id();
        let mut from = self.chain.at;
        while let Some(found) = self.reading.next_frame(from, id)? {
            let bytes = self.reading.bytes_at(found.start, FRAME_HEADER_LEN)?;
            let header = layout::decode_frame_header(bytes);
            let is_behind = self.chain.sequence.is_none_or(|sequence| sequence <= header.first_sequence);
            let begins = [Last::Nothing, Last::Commit];
            let chains = begins.into_iter().filter(|last| *last == Last::Commit || self.chain.last == *last);
            for last in chains.filter(|_| is_behind) {
                let (at, previous) = (found.start, header.previous);
                let sequence = Some(header.first_sequence);
                let chain = Chain { at, previous, sequence, last, ..self.chain };
                if chain.clone().take(self.reading.frame_at(at)?, id).is_ok() {
                    return Ok(Some(chain));
                }
            }
            from = found.start + FRAME_ALIGN as u64;
        }
        Ok(None)
    }

    /// Gives the records of a frame that is not valid, as far as its items can be told apart. Each has a crc of its own.
    fn give_items<F: FnMut(Step<'_>) -> Flow>(
        &mut self,
        frame: u64,
        limit: u64,
        sequences: Range<u64>,
        each: &mut F,
    ) -> Flow<io::Result<()>> {
        let mut offset = frame + FRAME_HEADER_LEN as u64;
        let first = sequences.start;
        for sequence in sequences {
            let position = Position { sequence, offset };
            let next = match self.is_whole(position, limit) {
                Ok(true) => None,
                Ok(false) => match self.behind_broken(position, limit) {
                    Ok(Some(next)) => Some(next),
                    Ok(None) => break,
                    Err(error) => return Continue(Err(error)),
                },
                Err(error) => return Continue(Err(error)),
            };
            let content = match self.content_of(offset, limit, next) {
                Ok(content) => content,
                Err(error) => return Continue(Err(error)),
            };
            let end = offset + (ITEM_HEADER_LEN + content.len()) as u64;
            each(if next.is_none() { Step::Record(position, content) } else { Step::Broken(position, content) })?;
            offset = match next {
                None => end,
                Some(Behind::Item(next)) => next,
                Some(Behind::Nothing) => break,
            };
        }
        self.give_frame_records(Position { sequence: first, offset }, limit, each)
    }

    /// Gives the frame records that stand from an offset on, one behind the other.
    fn give_frame_records<F: FnMut(Step<'_>) -> Flow>(
        &mut self,
        mut at: Position,
        limit: u64,
        each: &mut F,
    ) -> Flow<io::Result<()>> {
        let id = self.id();
        loop {
            let item = match self.item_at(at.offset, limit) {
                Ok(item) => item,
                Err(error) => return Continue(Err(error)),
            };
            let is_whole =
                |(len, crc, content): &(u32, u32, &[u8])| layout::item_crc(*len, content, NO_SEQUENCE, id) == *crc;
            let Some((len, _, content)) = item.filter(is_whole) else { return Continue(Ok(())) };
            if let Some((record_type, _, body)) = layout::decode_typed(content)
                && record_type >= layout::FIRST_USER_TYPE
            {
                each(Step::FrameRecord(at, record_type, body))?;
            }
            at.offset += ITEM_HEADER_LEN as u64 + u64::from(len);
        }
    }

    /// Whether the item at a position is the record with its sequence.
    fn is_whole(&mut self, Position { sequence, offset }: Position, limit: u64) -> io::Result<bool> {
        let id = self.id();
        let item = self.item_at(offset, limit)?;
        Ok(item.is_some_and(|(len, crc, content)| layout::item_crc(len, content, sequence, id) == crc))
    }

    /// What follows an item that is not whole; nothing if there is none, because the records have ended.
    fn behind_broken(&mut self, at: Position, limit: u64) -> io::Result<Option<Behind>> {
        if self.is_whole(Position { sequence: NO_SEQUENCE, ..at }, limit)? {
            return Ok(None);
        }
        let end = self.reading.end_of_content(at.offset)?.unwrap_or(at.offset).min(limit);
        if end < at.offset + FRAME_ALIGN as u64 {
            return Ok(None);
        }
        // Its length may be what is wrong: the next one is where its crc is right.
        let mut offset = at.offset + ITEM_HEADER_LEN as u64;
        while offset < end {
            let head = self.reading.bytes_at(offset, ITEM_HEADER_LEN)?;
            let may_begin = head.len() >= ITEM_HEADER_LEN && layout::decode_item_header(head).0 <= SOUGHT_MAX;
            if may_begin && self.is_whole(Position { sequence: at.sequence + 1, offset }, limit)? {
                return Ok(Some(Behind::Item(offset)));
            }
            offset += 1;
        }
        Ok(Some(Behind::Nothing))
    }

    /// The content of the item at `at`, which ends where the one behind it begins, if there is one.
    fn content_of(&mut self, at: u64, limit: u64, behind: Option<Behind>) -> io::Result<&[u8]> {
        if let Some(Behind::Item(next)) = behind {
            let len = usize::try_from(next - at).unwrap_or(usize::MAX);
            let item = self.reading.bytes_at(at, len)?;
            return Ok(item.get(ITEM_HEADER_LEN..len).unwrap_or(&[]));
        }
        Ok(self.item_at(at, limit)?.map_or(&[], |(_, _, content)| content))
    }

    /// The length, the crc and the content of an item, if it ends before `limit`.
    fn item_at(&mut self, at: u64, limit: u64) -> io::Result<Option<(u32, u32, &[u8])>> {
        let limit = limit.min(self.reading.file.len()?);
        let head = self.reading.bytes_at(at, ITEM_HEADER_LEN)?;
        if head.len() < ITEM_HEADER_LEN {
            return Ok(None);
        }
        let (len, crc) = layout::decode_item_header(head);
        let end = at + ITEM_HEADER_LEN as u64 + u64::from(len);
        if len == 0 || end > limit {
            return Ok(None);
        }
        let need = ITEM_HEADER_LEN + len as usize;
        let bytes = self.reading.bytes_at(at, need)?;
        Ok(bytes.get(ITEM_HEADER_LEN..need).map(|content| (len, crc, content)))
    }

    /// Only zeros stand behind a seal.
    fn after_seal<F: FnMut(Step<'_>) -> Flow>(&mut self, each: &mut F) -> Flow<Result<(), LogError>> {
        let offset = self.chain.at;
        match self.reading.end_of_content(offset) {
            Ok(None) => Continue(Ok(())),
            Ok(Some(_)) => {
                let segment = self.segment.header.number;
                self.is_damaged = true;
                each(Step::Defect(LogError::Damaged { segment, offset, damage: Damage::NotZero })).map_continue(Ok)
            }
            Err(error) => Continue(Err(self.io(error))),
        }
    }

    fn io(&self, source: io::Error) -> LogError {
        LogError::io("read", &self.segment.path)(source)
    }
}

/// Gives the records of a frame that stands at `at`, then what stands beside them.
#[inline]
fn give_frame<F: FnMut(Step<'_>) -> Flow>(frame: &FrameRef<'_>, at: u64, each: &mut F) -> Flow {
    let mut offset = at + FRAME_HEADER_LEN as u64;
    for (sequence, bytes) in (frame.header.first_sequence..).zip(frame.records()) {
        each(Step::Record(Position { sequence, offset }, bytes))?;
        offset += (ITEM_HEADER_LEN + bytes.len()) as u64;
    }
    if frame.header.typed > 0 {
        for (item, record_type, body) in frame.user_records() {
            let position = Position { sequence: frame.header.first_sequence, offset: at + item as u64 };
            each(Step::FrameRecord(position, record_type, body))?;
        }
    }
    Continue(())
}
