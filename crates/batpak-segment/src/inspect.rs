//! Reading a log past damage: for who has to know all that is wrong with it, or to save what is left.

use crate::catalog::{Segment, SegmentInfo};
use crate::directory::{SegmentFile, TAIL_NAME, survey};
use crate::error::LogError;
use crate::file_system::{Environment, File, OpenMode};
use crate::following::take_tail;
use crate::header::{Link, LogHead, SegmentHeader};
use crate::layout::LINK_END;
use crate::links::{Complete, Expected};
use crate::reader::Position;
use crate::recover::Repair;
use crate::scan::Last;
use crate::tail::FoundTail;
use crate::walk::{Ending, Walk, past_errors};
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow::{self, Continue};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is met by who goes through a log past damage.
#[derive(Debug)]
pub enum Step<'a> {
    /// The segment with this number comes next.
    Segment(u64),
    /// A record that is as it was written: its crc says so.
    Record(Position, &'a [u8]),
    /// A frame record that is as it was written, and not one of the log's own: its type and its body. Its position has
    /// the sequence of the first record of its frame, or of the next one if there is none.
    FrameRecord(Position, u16, &'a [u8]),
    /// What stands where a record should be, which is not as it was written: nothing if no length can be right. It is
    /// about the defect before it.
    Broken(Position, &'a [u8]),
    /// What is wrong, and where. Records behind it may be missing: their sequences are.
    Defect(LogError),
}

/// What going through a log came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspected {
    /// The segments that were read, in order.
    pub segments: Vec<SegmentInfo>,
    /// Number of whole frames in them.
    pub frames: u64,
    /// Length of their files in bytes.
    pub bytes: u64,
    /// What opening it would find and mend at its end.
    pub repair: Repair,
}

/// A directory whose log is to be read past damage. Nothing in it is changed, and no lock is taken.
///
/// # Consistency
/// Beside a writer it sees everything that had been appended before, and some of what is appended meanwhile: it ends where
/// the segments do that were there when it was opened.
///
/// # Examples
/// ```
/// use batpak_segment::{Environment, Inspection, Log, LogConfig, Step};
/// use std::ops::ControlFlow::Continue;
///
/// let dir = tempfile::tempdir()?;
/// let (log, _) = Log::open(dir.path(), LogConfig::default())?;
/// let records = [&b"one"[..], b"two", b"three"];
/// let places: Vec<_> = records.iter().map(|record| log.append(record)).collect::<Result<_, _>>()?;
/// log.close()?;
///
/// let segment = dir.path().join("0000000000.0000.fbat");
/// let mut bytes = std::fs::read(&segment)?;
/// bytes[usize::try_from(places[1].offset)? + 9] ^= 1;
/// std::fs::write(&segment, bytes)?;
///
/// let (mut whole, mut defects) = (Vec::new(), 0);
/// Inspection::open(&Environment::default(), dir.path())?.run(|step| {
///     match step {
///         Step::Record(position, _) => whole.push(position.sequence),
///         Step::Defect(_) => defects += 1,
///         _ => {}
///     }
///     Continue(())
/// });
/// assert_eq!((whole, defects), (vec![0, 2], 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Inspection {
    env: Environment,
    dir: PathBuf,
    segments: Vec<SegmentFile>,
    /// What is wrong with the directory as a whole.
    defects: Vec<LogError>,
}

type Flow<T = ()> = ControlFlow<(), T>;

impl Inspection {
    /// Lists the segments in `dir`.
    ///
    /// # Errors
    /// `NoLog` if there is nothing that is named like a segment; I/O errors of the directory.
    pub fn open(env: &Environment, dir: &Path) -> Result<Self, LogError> {
        let (mut segments, mut defects) = match survey(&*env.file_system, dir) {
            Err(error) if is_no_directory(&error) => return Err(LogError::NoLog { path: dir.to_owned() }),
            listed => listed?,
        };
        if segments.is_empty() && defects.is_empty() {
            return Err(LogError::NoLog { path: dir.to_owned() });
        }
        let store = most_frequent(&segments);
        segments.retain(|file| {
            let is_ours = !file.is_whole || file.header.store_id == store;
            if !is_ours {
                defects.push(LogError::BrokenLink { number: file.header.number, reason: "it is of another store" });
            }
            is_ours
        });
        Ok(Self { env: env.clone(), dir: dir.to_owned(), segments, defects })
    }

    /// The random identifier that most of its segments carry.
    pub fn store_id(&self) -> [u8; 16] {
        most_frequent(&self.segments)
    }

    /// The heads that stand in its segments, in order, each with the number of its segment.
    pub fn heads(&self) -> Vec<(u64, LogHead)> {
        let whole = self.segments.iter().filter(|file| file.is_whole && file.header.head.size > 0);
        whole.map(|file| (file.header.number, file.header.head)).collect()
    }

    /// Goes through all segments in order. Returns nothing if `each` has broken off.
    pub fn run(self, mut each: impl FnMut(Step<'_>) -> Flow) -> Option<Inspected> {
        self.run_all(&mut each).continue_value()
    }

    fn run_all<F: FnMut(Step<'_>) -> Flow>(mut self, each: &mut F) -> Flow<Inspected> {
        for defect in std::mem::take(&mut self.defects) {
            each(Step::Defect(defect))?;
        }
        let mut so_far = SoFar::default();
        for (index, file) in self.segments.iter().enumerate() {
            if let Some(defect) = so_far.order_of(file) {
                each(Step::Defect(defect))?;
            }
            each(Step::Segment(file.header.number))?;
            self.run_segment(index, &mut so_far, each)?;
        }
        if let (true, Some(header)) = (so_far.is_sealed, so_far.before)
            && !self.goes_on_behind(&header)
        {
            each(Step::Defect(LogError::MissingSegment { number: header.last_number + 1 }))?;
        }
        so_far.inspected.repair.segments = so_far.inspected.segments.len() as u64;
        Continue(so_far.inspected)
    }

    /// Whether there is a segment behind the last one that was listed: a writer may have begun it meanwhile.
    fn goes_on_behind(&self, last: &SegmentHeader) -> bool {
        let found = survey(&*self.env.file_system, &self.dir).map_or(Vec::new(), |(segments, _)| segments);
        let store = self.store_id();
        let is_next = |file: &SegmentFile| file.header.number > last.last_number && file.header.store_id == store;
        found.iter().any(is_next)
    }

    /// Whether a segment may be the one that is written to: the last one, or the one before one that holds nothing. If
    /// the one behind cannot be read, that is no damage of this one.
    fn may_be_open(&self, index: usize) -> Result<bool, LogError> {
        match &self.segments[index + 1..] {
            [] => Ok(true),
            [next] if next.is_whole => {
                let opened = self.env.file_system.open(&next.path, OpenMode::Read);
                opened.map(|opened| Walk::is_empty(past_errors(opened))).map_err(LogError::io("open", &next.path))
            }
            _ => Ok(false),
        }
    }

    fn run_segment<F: FnMut(Step<'_>) -> Flow>(&self, index: usize, so_far: &mut SoFar, each: &mut F) -> Flow {
        let file = &self.segments[index];
        let opened = match self.env.file_system.open(&file.path, OpenMode::Read) {
            Ok(opened) => past_errors(opened),
            Err(error) => {
                so_far.skip(file);
                return each(Step::Defect(LogError::io("open", &file.path)(error)));
            }
        };
        let len = opened.len().unwrap_or(0);
        let is_spare = index > 0 && !so_far.is_sealed && so_far.is_open && Walk::is_empty(Arc::clone(&opened));
        if is_spare {
            return Continue(());
        }
        let segment = Segment::active(file, Link::default());
        let mut walk = Walk::new(&segment, opened);
        let may_be_open = match self.may_be_open(index) {
            Ok(may_be_open) => may_be_open,
            Err(error) => {
                each(Step::Defect(error))?;
                true
            }
        };
        let (mut looked_again, mut first_look) = (false, None);
        let ending = loop {
            let ending = match walk.run(may_be_open, so_far.sequence, each)? {
                Ok(ending) => ending,
                Err(error) => {
                    each(Step::Defect(error))?;
                    Ending::Damaged
                }
            };
            match first_look.take() {
                Some((at, ending)) if at == walk.chain.at => break ending,
                _ => {}
            }
            if !may_be_open || !matches!(ending, Ending::Open(_)) {
                break ending;
            }
            match self.tail_behind(&segment, &walk) {
                // What was in the tail may have been moved into the file since that was read.
                Ok(frames) if frames.is_empty() && !looked_again => {
                    (looked_again, first_look) = (true, Some((walk.chain.at, ending)));
                    walk.read_anew();
                }
                Ok(frames) if frames.is_empty() => break ending,
                Ok(frames) => {
                    so_far.inspected.repair.from_tail += walk.take_copies(&frames, each)?;
                }
                Err(error) => {
                    each(Step::Defect(error))?;
                    break ending;
                }
            }
        };
        if let Some(error) = walk.take_error() {
            each(Step::Defect(error))?;
        }
        so_far.inspected.bytes += len;
        so_far.inspected.frames += walk.frames;
        so_far.end(file, &walk, ending, each)
    }

    /// The frames in the tail that continue a segment.
    fn tail_behind(&self, segment: &Segment, walk: &Walk<'_>) -> Result<Vec<u8>, LogError> {
        let path = self.dir.join(TAIL_NAME);
        let found = FoundTail::open(&*self.env.file_system, &path, walk.chain.at);
        let Some(tail) = found.map_err(LogError::io("read", &path))? else { return Ok(Vec::new()) };
        take_tail(&tail, &path, segment, walk.chain).map(|(_, frames)| frames)
    }
}

/// What the segments so far add up to.
#[derive(Default)]
struct SoFar {
    inspected: Inspected,
    /// The header of the last one.
    before: Option<SegmentHeader>,
    /// What the next one has to say; unknown behind damage.
    expected: Option<Expected>,
    /// The sequence that comes next, as far as it is known.
    sequence: Option<u64>,
    is_sealed: bool,
    is_open: bool,
}

impl SoFar {
    /// What is wrong with a segment's place behind the one before.
    fn order_of(&mut self, file: &SegmentFile) -> Option<LogError> {
        let header = &file.header;
        let next = self.before.as_ref().map_or(0, |before| before.last_number + 1);
        if self.before.is_none() {
            (self.expected, self.sequence) = (Some(Expected::default()), Some(0));
        }
        if header.number != next {
            (self.expected, self.sequence) = (None, None);
            return Some(LogError::MissingSegment { number: next });
        }
        if !file.is_whole {
            self.expected = None;
            return None;
        }
        let previous = self.before.as_ref().map_or([0; 16], |before| before.last_link);
        let is_linked = previous == header.previous_link || self.expected.is_none();
        let reason = "it names another one as previous";
        (!is_linked).then_some(LogError::BrokenLink { number: header.number, reason })
    }

    /// A segment that cannot be read.
    fn skip(&mut self, file: &SegmentFile) {
        self.before = Some(file.header);
        (self.expected, self.sequence) = (None, None);
        (self.is_sealed, self.is_open) = (false, false);
    }

    fn end<F: FnMut(Step<'_>) -> Flow>(
        &mut self,
        file: &SegmentFile,
        walk: &Walk<'_>,
        ending: Ending,
        each: &mut F,
    ) -> Flow {
        let (header, chain) = (&file.header, &walk.chain);
        let first_sequence = chain.link.map_or(self.sequence.unwrap_or(0), |link| link.first_sequence);
        self.inspected.segments.push(SegmentInfo {
            number: header.number,
            last_number: header.last_number,
            generation: header.generation,
            id: header.segment_id,
            first_sequence,
            end_sequence: chain.seal().map(|(seal, _)| seal.end_sequence),
        });
        self.is_sealed = matches!(ending, Ending::Sealed);
        self.is_open = matches!(ending, Ending::Open(_));
        if let Ending::Open(torn) = ending {
            let repair = &mut self.inspected.repair;
            let untouched = header.number == 0 && chain.at == LINK_END;
            let marked = chain.last == Last::Close || untouched;
            repair.closed_cleanly = marked && torn.is_none() && repair.from_tail == 0 && !walk.is_damaged;
            repair.torn = torn;
        }
        let defect = self.follow(file, walk);
        self.before = Some(*header);
        match defect {
            Some(defect) => each(Step::Defect(defect)),
            None => Continue(()),
        }
    }

    /// Checks the links of a segment, and learns what the next one has to say.
    fn follow(&mut self, file: &SegmentFile, walk: &Walk<'_>) -> Option<LogError> {
        let chain = &walk.chain;
        let expected = self.expected.take();
        self.sequence = chain.seal().map(|(seal, _)| seal.end_sequence);
        let (Some(link), Some((seal, seal_crc))) = (chain.link, chain.seal()) else {
            let link = chain.link.as_ref().filter(|_| file.is_whole);
            return link.and_then(|link| expected?.check(&file.header, Some(link)).err());
        };
        if !file.is_whole {
            return None;
        }
        let complete = Complete { link, seal, seal_crc, len: chain.at };
        // Of a segment with a bad place the crc of its seal follows from what it had been.
        match expected.unwrap_or_else(|| Expected::by(&link)).followed_by(&file.header, &complete) {
            Ok(next) => {
                self.expected = Some(next);
                None
            }
            Err(error) => Some(error),
        }
    }
}

fn is_no_directory(error: &LogError) -> bool {
    matches!(error, LogError::Io { operation: "list", source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// The store id of most segments; of those that are as frequent, the one of the first.
fn most_frequent(segments: &[SegmentFile]) -> [u8; 16] {
    let mut counts = BTreeMap::<[u8; 16], (usize, std::cmp::Reverse<u64>)>::new();
    for file in segments.iter().filter(|file| file.is_whole) {
        let count = counts.entry(file.header.store_id).or_insert((0, std::cmp::Reverse(file.header.number)));
        count.0 += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or([0; 16], |(id, _)| id)
}
