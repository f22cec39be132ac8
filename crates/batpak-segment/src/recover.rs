//! From what a crash left to a log that can be written: the only module that repairs.

use crate::catalog::Segment;
use crate::directory::{self, LOCK_NAME, Listing, TAIL_NAME};
use crate::error::LogError;
use crate::examine::{Active, Found, examine, is_missing};
use crate::file_system::{Environment, File, Lock, OpenMode, read_full, write_full};
use crate::frame::{Frame, Place};
use crate::header::{Link, SegmentHeader};
use crate::layout::SEGMENT_HEADER_LEN;
use crate::links::Expected;
use crate::log::{Log, LogConfig, Start};
use crate::reader::LogReader;
use crate::scan::{Last, Scan};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// As much of a file as a system keeps or forgets as one piece, which begins at a multiple of its length.
const CACHED_TOGETHER: u64 = 8 << 20;

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
    /// After a close only the ends of the segments are looked at, and the mark of the close is written again.
    ///
    /// # Errors
    /// `Damaged` and the like if it finds that something durable is missing or changed: nothing is changed then. What
    /// is damaged within a segment that is complete or was closed is found by reading it. I/O errors.
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
            segments => Some(examine(&self.env, &self.dir, segments, &Expected::default())?),
        };
        let seen = match &found {
            None => None,
            Some(found) => {
                let (reader, repair) = LogReader::of_found(&self.env, &self.dir, self.config.fd_budget, found);
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
    let active = Segment::active(&file, Link::default());
    Ok(Start { sealed: Vec::new(), active, file: handle, at, previous: crc, sequence: 0, spare: None, marked: true })
}

/// Makes what was found durable and cuts what is torn.
fn mend(env: &Environment, found: Found) -> Result<(Start, Repair), LogError> {
    let Found { sealed, mut active, unsynced, spare } = found;
    if let Some((file, scan)) = unsynced {
        rewrite(env, &file.path, &scan, &[])?;
    }
    let repair = active.report(sealed.len() as u64 + 1);
    let mut new = std::mem::take(&mut active.tail);
    if active.chain.last == Last::Nothing {
        new.extend(first_frame(&mut active)?);
    }
    let file = rewrite(env, &active.file.path, &active.scan, &new)?;
    let sequence = active.chain.sequence.unwrap_or(active.link().first_sequence);
    let start = Start {
        sealed,
        active: Segment::active(&active.file, active.link()),
        file,
        at: active.chain.at,
        previous: active.chain.previous,
        sequence,
        spare,
        marked: repair.closed_cleanly,
    };
    Ok((start, repair))
}

/// Makes a segment durable as it is to be: the frames that were found, then `new`, then zeros.
///
/// What was not known to be durable is written again, because the page cache may hold what the disk never got. For the
/// same reason zeros are written up to the end of the file, also where zeros were read.
fn rewrite(env: &Environment, path: &Path, scan: &Scan, new: &[u8]) -> Result<Arc<dyn File>, LogError> {
    let Scan { chain, kept, len, .. } = scan;
    let index = |len: u64| usize::try_from(len).unwrap_or(0);
    let kept = &kept[kept.len() - index(chain.at - chain.mark).min(kept.len())..];
    let zeros = vec![0; index(len.saturating_sub(chain.at + new.len() as u64))];
    let file = env.file_system.open(path, OpenMode::Write).map_err(LogError::io("open", path))?;
    let mut at = chain.at - kept.len() as u64;
    forget_cached(&*file, at, chain.last);
    for part in [kept, new, &zeros] {
        write_full(&*file, part, at).map_err(LogError::io("write", path))?;
        at += part.len() as u64;
    }
    file.sync().map_err(LogError::io("sync", path))?;
    Ok(file)
}

/// Forgets what is cached of a file that is to be rewritten from offset `from` on.
///
/// Where a write to a block that was only reserved has failed, ext4 leaves the block reserved on the disk and keeps a
/// page in its cache that says it was written. What is then written over that page is synced, and reads as zeros after
/// a power cut. Only a page that was read anew is written in full.
fn forget_cached(file: &dyn File, from: u64, last: Last) {
    // Only what is clean is forgotten. Whether this succeeds says nothing; all of it is written again. What a close has
    // synced is clean.
    if last != Last::Close {
        let _ = file.sync();
    }
    file.forget_cached(from - from % CACHED_TOGETHER);
}

/// The link of a segment that was made and never begun.
fn first_frame(active: &mut Active) -> Result<Vec<u8>, LogError> {
    let mark = SEGMENT_HEADER_LEN as u64;
    let id = active.file.header.segment_id;
    let place = Place {
        segment_id: &id,
        offset: mark,
        previous: active.chain.previous,
        first_sequence: active.link().first_sequence,
        durable_mark: mark,
    };
    let mut frame = Frame::link(&active.link());
    let bytes = frame.finish(&place).0.to_vec();
    active.chain.take(&bytes, &id).map_err(|_| LogError::BrokenLink {
        number: active.file.header.number,
        reason: "its first frame cannot be written",
    })?;
    Ok(bytes)
}
