//! What the segments of a directory are, found without changing anything.

use crate::catalog::Segment;
use crate::directory::{self, SegmentFile, TAIL_NAME};
use crate::ends::last_mark;
use crate::error::{Damage, LogError};
use crate::file_system::{Environment, File, FileSystem, OpenMode, read_full};
use crate::following::take_tail;
use crate::frame::frame_len;
use crate::header::{Link, SegmentHeader};
use crate::layout::{LINK_END, MARK_FRAME_LEN};
use crate::links::{Complete, Expected};
use crate::recover::{Repair, Torn};
use crate::scan::{Chain, End, Last, Scan, Scanner};
use crate::tail::FoundTail;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the segments of a directory are.
pub(crate) struct Found {
    pub(crate) sealed: Vec<Segment>,
    pub(crate) active: Active,
    /// The segment before, if nothing says that its end was ever synced: its writer may have died, or failed, before
    /// the seal was.
    pub(crate) unsynced: Option<(SegmentFile, Scan)>,
    /// A next segment that was made ahead and holds nothing.
    pub(crate) spare: Option<SegmentFile>,
}

/// The segment that appends go to.
pub(crate) struct Active {
    pub(crate) file: SegmentFile,
    pub(crate) handle: Arc<dyn File>,
    /// What it holds, and what continues it in the tail.
    pub(crate) chain: Chain,
    pub(crate) scan: Scan,
    /// Frames that continue the segment and are only in the tail, one after the other.
    pub(crate) tail: Vec<u8>,
    /// What the segment before says of it.
    pub(crate) expected: Expected,
}

/// Finds the active segment, reads it as far as need be, and checks that the sealed ones lead to it.
///
/// Of a segment that was closed only the ends are read, as of one that is sealed: the mark of the close says that what
/// stands before it was durable, and whoever reads that checks it.
pub(crate) fn examine(
    env: &Environment,
    dir: &Path,
    segments: &[SegmentFile],
    expected: &Expected,
) -> Result<Found, LogError> {
    let [before @ .., last] = segments else {
        return Err(LogError::NoLog { path: dir.to_owned() });
    };
    let reading = Reading::begin(env, dir);
    let (handle, newest) = reading.read(last)?;
    if newest.chain.seal().is_some() {
        return Err(LogError::MissingSegment { number: last.header.last_number + 1 });
    }
    let begun = newest.chain.last != Last::Nothing || matches!(newest.end, End::Damaged(_) | End::Unknown(_));
    let mut unsynced = None;
    if let ([sealed @ .., previous], false) = (before, begun) {
        let (previous_handle, scan) = reading.read(previous)?;
        // Nothing is written to a segment before the seal of its predecessor is durable.
        if scan.chain.seal().is_none() && matches!(newest.end, End::Clean) {
            let (sealed, expected) = check_sealed(env, sealed, expected)?;
            let active = reading.active(previous, previous_handle, scan, &expected)?;
            return Ok(Found { sealed, active, unsynced: None, spare: Some(last.clone()) });
        }
        // It is rewritten as it was read.
        whole(previous, &scan)?;
        unsynced = Some((previous.clone(), scan));
    }
    let (sealed, expected) = check_sealed(env, before, expected)?;
    let active = reading.active(last, handle, newest, &expected)?;
    Ok(Found { sealed, active, unsynced, spare: None })
}

/// What stands before the segments that are looked for: nothing, if it is all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    pub(crate) header: Option<SegmentHeader>,
    /// What the segment after it has to say.
    pub(crate) expected: Expected,
}

/// How often examining beside a live writer is tried when the files change meanwhile.
const ATTEMPTS: usize = 8;

/// Lists and examines the segments behind `before`, which somebody may be writing.
pub(crate) fn examine_beside(env: &Environment, dir: &Path, before: &Before) -> Result<Found, LogError> {
    let (mut attempt, mut segments) = (1, 0);
    loop {
        let listing = directory::list_after(&*env.file_system, dir, before.header.as_ref());
        // As long as the writer makes segments the attempts begin anew.
        let seen = listing.as_ref().map_or(segments, |listing| listing.segments.len());
        if seen > segments {
            (attempt, segments) = (1, seen);
        }
        match listing.and_then(|listing| examine(env, dir, &listing.segments, &before.expected)) {
            Err(e) if attempt < ATTEMPTS && may_be_a_race(&e) => attempt += 1,
            Err(LogError::Io { operation: "list", source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(LogError::NoLog { path: dir.to_owned() });
            }
            result => return result,
        }
    }
}

/// Whether an error may only mean that the writer replaced or finished a file meanwhile.
fn may_be_a_race(error: &LogError) -> bool {
    match error {
        LogError::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        other => other.is_corruption(),
    }
}

/// Reads the segments in which a log may go on.
struct Reading<'a> {
    env: &'a Environment,
    tail: PathBuf,
    /// Whether there was no tail. This is found out before segments are read: what a writer appends meanwhile may be
    /// in a tail, but not what it had appended before.
    may_be_closed: bool,
}

impl<'a> Reading<'a> {
    fn begin(env: &'a Environment, dir: &Path) -> Self {
        let tail = dir.join(TAIL_NAME);
        let may_be_closed = is_missing(&*env.file_system, &tail);
        Self { env, tail, may_be_closed }
    }

    fn read(&self, segment: &SegmentFile) -> Result<(Arc<dyn File>, Scan), LogError> {
        let path = &segment.path;
        let file = self.env.file_system.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
        let closed = if self.may_be_closed { closed(&*file, segment) } else { Ok(None) };
        let scan = match closed.map_err(LogError::io("read", path))? {
            Some(scan) => scan,
            None => scan(&*file, segment)?,
        };
        Ok((file, scan))
    }

    fn active(
        &self,
        file: &SegmentFile,
        handle: Arc<dyn File>,
        scan: Scan,
        expected: &Expected,
    ) -> Result<Active, LogError> {
        let (chain, number) = (scan.chain, file.header.number);
        match scan.end {
            End::Damaged(damage) => return Err(LogError::Damaged { segment: number, offset: chain.at, damage }),
            End::Unknown(record_type) => return Err(unknown_frame_record(&file.path, record_type)),
            End::Clean | End::Torn { .. } => {}
        }
        expected.check(&file.header, chain.link.as_ref())?;
        let (file, expected) = (file.clone(), *expected);
        let mut active = Active { file, handle, chain, scan, tail: Vec::new(), expected };
        active.take_tail(self.env, &self.tail)?;
        Ok(active)
    }
}

pub(crate) fn is_missing(fs: &dyn FileSystem, path: &Path) -> bool {
    matches!(fs.open(path, OpenMode::Read), Err(e) if e.kind() == io::ErrorKind::NotFound)
}

/// The quick way: a mark at the very end.
fn closed(file: &dyn File, segment: &SegmentFile) -> io::Result<Option<Scan>> {
    let mut mark = [0; MARK_FRAME_LEN];
    let (Some(link), Some(chain)) = (segment.ends.link, last_mark(file, &segment.header.segment_id, &mut mark)?) else {
        return Ok(None);
    };
    let chain = Chain { link: Some(link), ..chain };
    Ok(Some(Scan { chain, end: End::Clean, kept: mark.to_vec(), len: chain.at }))
}

/// The slow way: everything.
fn scan(file: &dyn File, segment: &SegmentFile) -> Result<Scan, LogError> {
    let len = len_of(file, &segment.path)?;
    let mut scanner = Scanner::new(&segment.header.segment_id, segment.header_crc, len);
    loop {
        let (space, at) = scanner.space();
        let wanted = space.len();
        let n = read_full(file, space, at).map_err(LogError::io("read", &segment.path))?;
        scanner.advance(n);
        if n < wanted || wanted == 0 {
            return Ok(scanner.finish());
        }
    }
}

pub(crate) fn read_all(env: &Environment, path: &Path) -> Result<Vec<u8>, LogError> {
    let file = env.file_system.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
    let mut bytes = vec![0; len_of(&*file, path)?];
    let n = read_full(&*file, &mut bytes, 0).map_err(LogError::io("read", path))?;
    bytes.truncate(n);
    Ok(bytes)
}

/// Length of a file, which has to fit into memory.
fn len_of(file: &dyn File, path: &Path) -> Result<usize, LogError> {
    let value = file.len().map_err(LogError::io("read", path))?;
    let limit = usize::MAX as u64;
    usize::try_from(value).map_err(|_| LogError::TooLarge { field: "file bytes", limit, value })
}

fn unknown_frame_record(path: &Path, record_type: u16) -> LogError {
    LogError::UnsupportedFeature { path: path.to_owned(), what: "frame record", value: record_type.into() }
}

impl Active {
    /// What its first frame says, or has to say if there is none yet.
    pub(crate) fn link(&self) -> Link {
        self.chain.link.unwrap_or(self.expected.link)
    }

    /// What is to be mended in it.
    pub(crate) fn report(&self, segments: u64) -> Repair {
        let at = self.chain.at;
        let torn = match self.scan.end {
            End::Torn { until, frames } if until > at => {
                Some(Torn { segment: self.file.header.number, offset: at, bytes: until - at, frames })
            }
            _ => None,
        };
        Repair { closed_cleanly: self.is_closed(), torn, from_tail: self.tail_frames(), removed: Vec::new(), segments }
    }

    fn tail_frames(&self) -> u64 {
        let frames = std::iter::successors(Some(&self.tail[..]), |rest| frame_len(rest).ok().map(|len| &rest[len..]));
        frames.skip(1).count() as u64
    }

    /// Takes the frames of the tail that go on where the segment ends.
    fn take_tail(&mut self, env: &Environment, path: &Path) -> Result<(), LogError> {
        let tail = FoundTail::open(&*env.file_system, path, self.chain.at).map_err(LogError::io("read", path))?;
        if let Some(tail) = tail {
            let segment = Segment::active(&self.file, self.link());
            (self.chain, self.tail) = take_tail(&tail, path, &segment, self.chain)?;
        }
        Ok(())
    }

    /// Whether the writer before had closed it, or never appended anything.
    fn is_closed(&self) -> bool {
        let untouched = self.file.header.number == 0 && self.chain.at == LINK_END;
        let marked = self.chain.last == Last::Close || untouched;
        marked && matches!(self.scan.end, End::Clean) && self.tail.is_empty()
    }
}

/// Checks links and seals of the sealed segments, from the first to the last, and returns what the segment after them
/// has to say.
fn check_sealed(
    env: &Environment,
    segments: &[SegmentFile],
    expected: &Expected,
) -> Result<(Vec<Segment>, Expected), LogError> {
    let mut expected = *expected;
    let mut sealed = Vec::with_capacity(segments.len());
    for file in segments {
        let complete = complete(env, file)?;
        expected = expected.followed_by(&file.header, &complete)?;
        sealed.push(Segment::sealed(file, &complete));
    }
    Ok((sealed, expected))
}

fn complete(env: &Environment, file: &SegmentFile) -> Result<Complete, LogError> {
    match (file.ends.link, file.ends.seal) {
        (Some(link), Some((seal, seal_crc))) => Ok(Complete { link, seal, seal_crc, len: file.ends.len }),
        _ => scan_complete(env, file),
    }
}

/// The slow way, when the quick one did not find a seal: read everything and say what is wrong.
fn scan_complete(env: &Environment, segment: &SegmentFile) -> Result<Complete, LogError> {
    let path = &segment.path;
    let file = env.file_system.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
    whole(segment, &scan(&*file, segment)?)
}

/// What a segment says that was read and has to end in a seal, with nothing behind it.
fn whole(segment: &SegmentFile, scan: &Scan) -> Result<Complete, LogError> {
    let chain = &scan.chain;
    let damage = match scan.end {
        End::Clean => Damage::NoSeal,
        End::Damaged(damage) => damage,
        End::Torn { .. } => Damage::NoFrame,
        End::Unknown(record_type) => return Err(unknown_frame_record(&segment.path, record_type)),
    };
    match (chain.link, chain.seal(), scan.end) {
        (Some(link), Some((seal, seal_crc)), End::Clean) => Ok(Complete { link, seal, seal_crc, len: chain.at }),
        _ => Err(LogError::Damaged { segment: segment.header.number, offset: chain.at, damage }),
    }
}
