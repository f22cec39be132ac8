//! From what a crash left to a log that can be written: the only module that repairs.

use crate::catalog::Segment;
use crate::directory::{self, LOCK_NAME, Listing, SegmentFile, TAIL_NAME};
use crate::error::{Damage, LogError};
use crate::file_system::{Environment, File, FileSystem, Lock, OpenMode, read_full, write_full};
use crate::frame::{Frame, Place};
use crate::header::{Id, Link, Seal, SegmentHeader};
use crate::layout::{FRAME_HEADER_LEN, LINK_FRAME_LEN, SEAL_FRAME_LEN, SEGMENT_HEADER_LEN};
use crate::log::{Log, LogConfig, Start};
use crate::reader::LogReader;
use crate::scan::{Chain, End, Last, Scan, scan};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What opening a log found and mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// Whether the last writer closed it, so that nothing had to be mended.
    pub closed_cleanly: bool,
    /// What was cut from the end, if anything was.
    pub torn: Option<Torn>,
    /// Frames that were only in the tail.
    pub from_tail: u64,
    /// Files that were removed: replaced segments and files that were never finished.
    pub removed: Vec<PathBuf>,
    /// Number of segments.
    pub segments: u64,
}

/// What was cut from the end of the active segment: it had been written and never known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Number of the segment.
    pub segment: u64,
    /// Offset in its file, in bytes.
    pub offset: u64,
    /// Number of bytes up to the last one that was not zero.
    pub bytes: u64,
    /// Number of whole frames in them.
    pub frames: u64,
}

/// A log's directory, locked and listed, before anything in it may be changed.
///
/// # Examples
/// ```
/// use batpak_segment::{Environment, LogConfig, MemoryFileSystem, Unrecovered};
/// use std::path::Path;
/// use std::sync::Arc;
///
/// let files = MemoryFileSystem::new();
/// let env = Environment { file_system: Arc::new(files.clone()), ..Environment::default() };
/// let (log, _) = Unrecovered::open(env, Path::new("/log"), LogConfig::default())?.recover()?;
/// log.append(b"in memory")?;
/// assert!(files.files().iter().any(|path| path.ends_with("0000000000.0000.fbat")));
/// # Ok::<(), batpak_segment::LogError>(())
/// ```
#[derive(Debug)]
pub struct Unrecovered {
    env: Environment,
    dir: PathBuf,
    config: LogConfig,
    lock: Box<dyn Lock>,
    listing: Listing,
}

impl Unrecovered {
    /// Locks `dir`, making it if need be, and reads the headers of its segments.
    ///
    /// # Errors
    /// `Locked`, `ReadOnly`, everything that is wrong with the directory as a whole, and I/O errors.
    pub fn open(env: Environment, dir: &Path, config: LogConfig) -> Result<Self, LogError> {
        config.check()?;
        let fs = &*env.file_system;
        fs.create_dir_all(dir).map_err(|e| refused(dir, "create", e))?;
        if is_missing(fs, &dir.join(LOCK_NAME)) {
            // Not a log of ours yet: what is refused is left as it is, without a lock file.
            directory::list(fs, dir)?;
        }
        let lock = take_lock(&env, dir)?;
        let listing = directory::list(fs, dir)?;
        Ok(Self { env, dir: dir.to_owned(), config, lock, listing })
    }

    /// Makes the log writable: cuts what is torn, takes what is only in the tail, and syncs what it keeps.
    ///
    /// # Errors
    /// `Damaged` and the like if something durable is missing or changed: nothing is changed then. I/O errors.
    pub fn recover(self) -> Result<(Log, Repair), LogError> {
        let (log, repair, _) = self.recover_after(|_, _| Ok::<_, LogError>(()))?;
        Ok((log, repair))
    }

    /// The same, after `look` has read what will be kept and was told what will be mended. If it refuses, nothing is
    /// changed. It is not called for a log that is new.
    ///
    /// # Errors
    /// Those of `look`, and those of [`recover`](Self::recover).
    pub fn recover_after<T, E: From<LogError>>(
        self,
        look: impl FnOnce(&LogReader, &Repair) -> Result<T, E>,
    ) -> Result<(Log, Repair, Option<T>), E> {
        let found = match self.listing.segments.as_slice() {
            [] => None,
            segments => Some(examine(&self.env, &self.dir, segments)?),
        };
        let seen = match &found {
            None => None,
            Some(found) => {
                let (reader, repair) = LogReader::of_found(&self.env, self.config.fd_budget, found)?;
                Some(look(&reader, &repair)?)
            }
        };
        // The writer before may have died between a rename and the sync of the directory: nothing may rest on an entry,
        // and nothing that it replaces be removed, before that entry is durable.
        self.sync_dir()?;
        self.remove_leftovers()?;
        let (start, mut repair) = match found {
            None => (new_log(&self.env, &self.dir)?, Repair { closed_cleanly: true, segments: 1, ..Repair::default() }),
            Some(found) => mend(&self.env, found)?,
        };
        self.remove_tail()?;
        repair.removed = self.listing.leftovers;
        Ok((Log::start(self.env, self.dir, self.config, self.lock, start), repair, seen))
    }

    fn remove_leftovers(&self) -> Result<(), LogError> {
        for path in &self.listing.leftovers {
            self.env.file_system.remove_file(path).map_err(LogError::io("remove", path))?;
        }
        if self.listing.leftovers.is_empty() { Ok(()) } else { self.sync_dir() }
    }

    /// What the tail held is in the segment, or was cut: a frame that is appended now must not be followed by an old one.
    fn remove_tail(&self) -> Result<(), LogError> {
        let path = self.dir.join(TAIL_NAME);
        match self.env.file_system.remove_file(&path) {
            Ok(()) => self.sync_dir(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(LogError::io("remove", &path)(e)),
        }
    }

    fn sync_dir(&self) -> Result<(), LogError> {
        self.env.file_system.sync_dir(&self.dir).map_err(LogError::io("sync", &self.dir))
    }
}

fn is_missing(fs: &dyn FileSystem, path: &Path) -> bool {
    matches!(fs.open(path, OpenMode::Read), Err(e) if e.kind() == io::ErrorKind::NotFound)
}

pub(crate) fn take_lock(env: &Environment, dir: &Path) -> Result<Box<dyn Lock>, LogError> {
    let path = dir.join(LOCK_NAME);
    let holder = format!("process {}", std::process::id());
    match env.file_system.try_lock(&path, &holder) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => {
            let holder = Some(read_holder(env, &path)).filter(|found| *found != holder);
            let holder = holder.unwrap_or_else(|| "this process".to_owned());
            Err(LogError::Locked { path: dir.to_owned(), holder })
        }
        Err(e) => Err(refused(dir, "lock", e)),
    }
}

fn read_holder(env: &Environment, path: &Path) -> String {
    let mut bytes = [0; 64];
    let n = env.file_system.open(path, OpenMode::Read).and_then(|file| read_full(&*file, &mut bytes, 0)).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

fn refused(dir: &Path, operation: &'static str, source: io::Error) -> LogError {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            LogError::ReadOnly { path: dir.to_owned(), source }
        }
        _ => LogError::Io { operation, path: dir.to_owned(), source },
    }
}

/// What the segments of a directory are, before anything is changed.
pub(crate) struct Found {
    pub(crate) sealed: Vec<Segment>,
    pub(crate) active: Active,
    /// The segment before, if nothing says that its end was ever synced.
    pub(crate) unsynced: Option<Predecessor>,
    /// A next segment that was made ahead and holds nothing.
    pub(crate) spare: Option<SegmentFile>,
}

/// A sealed segment whose successor holds nothing yet: its writer may have died, or failed, before the seal was synced.
pub(crate) struct Predecessor {
    path: PathBuf,
    bytes: Vec<u8>,
    chain: Chain,
}

/// The segment that appends go to.
pub(crate) struct Active {
    pub(crate) file: SegmentFile,
    pub(crate) bytes: Vec<u8>,
    pub(crate) chain: Chain,
    pub(crate) end: End,
    /// Frames that continue the segment and are only in the tail, one after the other.
    pub(crate) tail: Vec<u8>,
    pub(crate) tail_frames: u64,
    /// What the first frame has to say, if there is none yet.
    pub(crate) link: Link,
}

/// Finds the active segment, reads it, and checks that the sealed ones lead to it.
pub(crate) fn examine(env: &Environment, dir: &Path, segments: &[SegmentFile]) -> Result<Found, LogError> {
    let [before @ .., last] = segments else {
        return Err(LogError::NoLog { path: dir.to_owned() });
    };
    let (bytes, newest) = read_and_scan(env, last)?;
    if newest.chain.seal().is_some() {
        return Err(LogError::MissingSegment { number: last.header.last_number + 1 });
    }
    let begun = newest.chain.last != Last::Nothing || matches!(newest.end, End::Damaged(_) | End::Unknown(_));
    let mut unsynced = None;
    if let ([sealed @ .., previous], false) = (before, begun) {
        let (bytes, scanned) = read_and_scan(env, previous)?;
        // Nothing is written to a segment before the seal of its predecessor is durable.
        if scanned.chain.seal().is_none() && matches!(newest.end, End::Clean) {
            let (sealed, expected) = check_sealed(env, sealed)?;
            let active = Active::new(env, dir, previous, bytes, scanned, &expected)?;
            return Ok(Found { sealed, active, unsynced: None, spare: Some(last.clone()) });
        }
        unsynced = Some(Predecessor { path: previous.path.clone(), bytes, chain: scanned.chain });
    }
    let (sealed, expected) = check_sealed(env, before)?;
    let active = Active::new(env, dir, last, bytes, newest, &expected)?;
    Ok(Found { sealed, active, unsynced, spare: None })
}

fn read_and_scan(env: &Environment, segment: &SegmentFile) -> Result<(Vec<u8>, Scan), LogError> {
    let bytes = read_all(env, &segment.path)?;
    let scanned = scan(&bytes, &segment.header.segment_id, segment.header_crc);
    Ok((bytes, scanned))
}

pub(crate) fn read_all(env: &Environment, path: &Path) -> Result<Vec<u8>, LogError> {
    let file = env.file_system.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
    let len = file.len().map_err(LogError::io("read", path))?;
    let len = usize::try_from(len).map_err(|_| LogError::TooLarge {
        field: "segment bytes",
        limit: usize::MAX as u64,
        value: len,
    })?;
    let mut bytes = vec![0; len];
    let n = read_full(&*file, &mut bytes, 0).map_err(LogError::io("read", path))?;
    bytes.truncate(n);
    Ok(bytes)
}

impl Active {
    fn new(
        env: &Environment,
        dir: &Path,
        file: &SegmentFile,
        bytes: Vec<u8>,
        scanned: Scan,
        expected: &Expected,
    ) -> Result<Self, LogError> {
        let Scan { chain, end } = scanned;
        let number = file.header.number;
        match end {
            End::Damaged(damage) => return Err(LogError::Damaged { segment: number, offset: chain.at, damage }),
            End::Unknown(record_type) => {
                let value = record_type.into();
                return Err(LogError::UnsupportedFeature { path: file.path.clone(), what: "frame record", value });
            }
            End::Clean | End::Torn { .. } => {}
        }
        expected.check(&file.header, chain.link.as_ref())?;
        let link = expected.link;
        let mut active = Self { file: file.clone(), bytes, chain, end, tail: Vec::new(), tail_frames: 0, link };
        active.take_tail(env, &dir.join(TAIL_NAME))?;
        Ok(active)
    }

    /// What is to be mended in it.
    pub(crate) fn report(&self, segments: u64) -> Repair {
        let at = self.chain.at;
        let torn = match self.end {
            End::Torn { until, frames } if until > at => {
                Some(Torn { segment: self.file.header.number, offset: at, bytes: until - at, frames })
            }
            _ => None,
        };
        Repair { closed_cleanly: self.is_closed(), torn, from_tail: self.tail_frames, removed: Vec::new(), segments }
    }

    /// Takes the frames of the tail that go on where the segment ends.
    fn take_tail(&mut self, env: &Environment, path: &Path) -> Result<(), LogError> {
        let ring = match read_all(env, path) {
            Ok(ring) => ring,
            Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        if !ring.len().is_power_of_two() || ring.len() < 65536 {
            return Ok(());
        }
        while let Some(frame) = self.next_in_tail(&ring) {
            self.tail.extend_from_slice(&frame);
            self.tail_frames += 1;
        }
        Ok(())
    }

    /// Whether the writer before had closed it, or never appended anything.
    fn is_closed(&self) -> bool {
        let untouched = self.file.header.number == 0 && self.chain.at == (SEGMENT_HEADER_LEN + LINK_FRAME_LEN) as u64;
        let marked = self.chain.last == Last::Close || untouched;
        marked && matches!(self.end, End::Clean) && self.tail.is_empty()
    }

    fn next_in_tail(&mut self, ring: &[u8]) -> Option<Vec<u8>> {
        let header = from_ring(ring, self.chain.at, FRAME_HEADER_LEN);
        let len = crate::layout::decode_frame_header(&header).len as usize;
        if len > ring.len() {
            return None;
        }
        let bytes = from_ring(ring, self.chain.at, len);
        let mut chain = self.chain;
        chain.take(&bytes, &self.file.header.segment_id).ok()?;
        // A seal that never reached its segment is not missed: the next one holds nothing.
        if chain.seal().is_some() {
            return None;
        }
        self.chain = chain;
        Some(bytes)
    }
}

/// `len` bytes of the tail that stand for the segment's offset `at`.
fn from_ring(ring: &[u8], at: u64, len: usize) -> Vec<u8> {
    let start = at % ring.len() as u64;
    let start = usize::try_from(start).unwrap_or(0);
    ring.iter().cycle().skip(start).take(len).copied().collect()
}

/// What a segment has to say, by the one before.
#[derive(Default)]
pub(crate) struct Expected {
    /// Its link.
    link: Link,
    /// Its first link id; unknown for the first segment.
    first_link: Option<Id>,
    /// Whether the crc in its link is that of the seal that is there.
    original_seal: bool,
    /// Whether the file before stands for several segments, of which its link knows the last one only.
    merged: bool,
}

impl Expected {
    fn after(header: &SegmentHeader, ends: &Ends) -> Self {
        let link = Link {
            first_sequence: ends.seal.end_sequence,
            previous: header.last_link,
            previous_end: ends.seal.end_sequence,
            previous_count: ends.seal.count,
            previous_seal_crc: ends.seal_crc,
        };
        Self {
            link,
            first_link: Some(ends.seal.next_link),
            original_seal: header.has_original_seal(),
            merged: header.number < header.last_number,
        }
    }

    /// Checks a segment's header, and its link if it has one.
    fn check(&self, header: &SegmentHeader, link: Option<&Link>) -> Result<(), LogError> {
        let broken = |reason| Err(LogError::BrokenLink { number: header.number, reason });
        if self.first_link.is_some_and(|id| id != header.first_link) {
            return broken("the seal of the one before names another");
        }
        if link.is_some_and(|link| !self.is_said_by(link)) {
            return broken("its link is not the seal of the one before");
        }
        Ok(())
    }

    fn is_said_by(&self, link: &Link) -> bool {
        self.comparable(link) == self.comparable(&self.link)
    }

    /// Without what compaction changes: the crc of a seal, and the count where one file stands for several segments.
    fn comparable(&self, link: &Link) -> Link {
        let previous_seal_crc = if self.original_seal { link.previous_seal_crc } else { 0 };
        let previous_count = if self.merged { 0 } else { link.previous_count };
        Link { previous_count, previous_seal_crc, ..*link }
    }
}

/// Checks links and seals of the sealed segments, from the first to the last, and returns what the segment after them
/// has to say.
fn check_sealed(env: &Environment, segments: &[SegmentFile]) -> Result<(Vec<Segment>, Expected), LogError> {
    let mut expected = Expected::default();
    let mut sealed = Vec::with_capacity(segments.len());
    for file in segments {
        let ends = read_ends(env, file)?;
        expected.check(&file.header, Some(&ends.link))?;
        if ends.link.first_sequence.checked_add(ends.seal.count) != Some(ends.seal.end_sequence) {
            let number = file.header.number;
            return Err(LogError::BrokenLink { number, reason: "its seal counts other records than it holds" });
        }
        sealed.push(Segment::new(file, ends.link));
        expected = Expected::after(&file.header, &ends);
    }
    Ok((sealed, expected))
}

/// The first and the last frame of a sealed segment.
struct Ends {
    link: Link,
    seal: Seal,
    seal_crc: u32,
}

fn read_ends(env: &Environment, file: &SegmentFile) -> Result<Ends, LogError> {
    let handle = env.file_system.open(&file.path, OpenMode::Read).map_err(LogError::io("open", &file.path))?;
    match ends_of(&*handle, file).map_err(LogError::io("read", &file.path))? {
        Some(ends) => Ok(ends),
        None => scan_ends(env, file),
    }
}

/// The quick way: the link stands first, and the seal at the very end.
fn ends_of(handle: &dyn File, file: &SegmentFile) -> io::Result<Option<Ends>> {
    let id = &file.header.segment_id;
    let mut first = [0; LINK_FRAME_LEN];
    let n = read_full(handle, &mut first, SEGMENT_HEADER_LEN as u64)?;
    let mut chain = Chain::new(file.header_crc);
    let Ok(_) = chain.take(&first[..n], id) else { return Ok(None) };
    let Some(at) = handle.len()?.checked_sub(SEAL_FRAME_LEN as u64) else { return Ok(None) };
    let mut last = [0; SEAL_FRAME_LEN];
    let n = read_full(handle, &mut last, at)?;
    let Some(seal) = seal_at(&last[..n], id, at) else { return Ok(None) };
    Ok(chain.link.map(|link| Ends { link, seal: seal.0, seal_crc: seal.1 }))
}

fn seal_at(bytes: &[u8], id: &Id, at: u64) -> Option<(Seal, u32)> {
    let frame = crate::frame::FrameRef::parse(bytes, id, at).ok()?;
    let mut chain = Chain::new(frame.header.previous);
    chain.at = at;
    chain.last = Last::Commit;
    chain.take(bytes, id).ok()?;
    chain.seal()
}

/// The slow way, when the quick one did not find a seal: read everything and say what is wrong.
fn scan_ends(env: &Environment, file: &SegmentFile) -> Result<Ends, LogError> {
    let (_, Scan { chain, end }) = read_and_scan(env, file)?;
    let damage = match end {
        End::Clean => Damage::NoSeal,
        End::Damaged(damage) => damage,
        End::Torn { .. } => Damage::NoFrame,
        End::Unknown(record_type) => {
            let value = record_type.into();
            return Err(LogError::UnsupportedFeature { path: file.path.clone(), what: "frame record", value });
        }
    };
    match (chain.link, chain.seal(), end) {
        (Some(link), Some((seal, seal_crc)), End::Clean) => Ok(Ends { link, seal, seal_crc }),
        _ => Err(LogError::Damaged { segment: file.header.number, offset: chain.at, damage }),
    }
}

/// Starts a log in a directory that has none.
fn new_log(env: &Environment, dir: &Path) -> Result<Start, LogError> {
    let id = directory::random_id(env)?;
    let mut header = SegmentHeader::new(0, id, directory::random_id(env)?, [0; 16]);
    header.created_ns = env.clock.wall_ns();
    let header_crc = crate::layout::header_crc(&crate::layout::encode_header(&header));
    let mut frame = Frame::link(&Link::default());
    let mark = SEGMENT_HEADER_LEN as u64;
    let place = Place { segment_id: &id, offset: mark, previous: header_crc, first_sequence: 0, durable_mark: mark };
    let (bytes, crc) = frame.finish(&place);
    let at = mark + bytes.len() as u64;
    let fs = &*env.file_system;
    directory::sync_parents(fs, dir)?;
    let (file, handle) = directory::create_segment(fs, dir, &header, bytes)?;
    fs.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    let active = Segment::new(&file, Link::default());
    Ok(Start { sealed: Vec::new(), active, file: handle, at, previous: crc, sequence: 0, spare: None, marked: true })
}

/// Makes what was found durable and cuts what is torn.
fn mend(env: &Environment, found: Found) -> Result<(Start, Repair), LogError> {
    let Found { sealed, mut active, unsynced, spare } = found;
    if let Some(Predecessor { path, bytes, chain }) = unsynced {
        rewrite(env, &path, &bytes, chain.mark, chain.at, &[])?;
    }
    let repair = active.report(sealed.len() as u64 + 1);
    let in_file = active.chain.at - active.tail.len() as u64;
    let mark = active.chain.mark;
    let mut new = std::mem::take(&mut active.tail);
    if active.chain.last == Last::Nothing {
        new.extend(first_frame(&mut active)?);
    }
    let file = rewrite(env, &active.file.path, &active.bytes, mark, in_file, &new)?;
    let sequence = active.chain.sequence.unwrap_or(active.link.first_sequence);
    let link = active.chain.link.unwrap_or(active.link);
    let start = Start {
        sealed,
        active: Segment::new(&active.file, link),
        file,
        at: active.chain.at,
        previous: active.chain.previous,
        sequence,
        spare,
        marked: repair.closed_cleanly,
    };
    Ok((start, repair))
}

/// Makes a segment durable as it is to be: what stands in `bytes` up to `end`, then `new`, then zeros.
///
/// What was not known to be durable is written again, because the page cache may hold what the disk never got. For the
/// same reason zeros are written up to the end of the file, also where zeros were read.
fn rewrite(
    env: &Environment,
    path: &Path,
    bytes: &[u8],
    mark: u64,
    end: u64,
    new: &[u8],
) -> Result<Arc<dyn File>, LogError> {
    let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    let kept = bytes.get(index(mark)..index(end)).unwrap_or(&[]);
    let zeros = bytes.len().saturating_sub(index(end) + new.len());
    let changed = [kept, new, &vec![0; zeros]].concat();
    let file = env.file_system.open(path, OpenMode::Write).map_err(LogError::io("open", path))?;
    write_full(&*file, &changed, end - kept.len() as u64).map_err(LogError::io("write", path))?;
    file.sync().map_err(LogError::io("sync", path))?;
    Ok(file)
}

/// The link of a segment that was made and never begun.
fn first_frame(active: &mut Active) -> Result<Vec<u8>, LogError> {
    let mark = SEGMENT_HEADER_LEN as u64;
    let id = active.file.header.segment_id;
    let place = Place {
        segment_id: &id,
        offset: mark,
        previous: active.chain.previous,
        first_sequence: active.link.first_sequence,
        durable_mark: mark,
    };
    let mut frame = Frame::link(&active.link);
    let bytes = frame.finish(&place).0.to_vec();
    active.chain.take(&bytes, &id).map_err(|_| LogError::BrokenLink {
        number: active.file.header.number,
        reason: "its first frame cannot be written",
    })?;
    Ok(bytes)
}
