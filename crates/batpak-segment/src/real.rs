//! The real file system, clock and randomness. `std::fs` occurs in no other file.

use crate::file_system::{
    Clock, DirectoryEntry, Entropy, EntryKind, Environment, File, FileSystem, Lock, Mapping, OpenMode, SharedMapping,
};
use std::fs;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFileSystem;

impl FileSystem for RealFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(DirectoryEntry { name, kind: kind_of(entry.file_type()?) });
            }
        }
        Ok(entries)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read).create_new(mode == OpenMode::CreateNew);
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    /// Windows cannot sync a directory; its file systems journal entries in order.
    #[cfg(not(unix))]
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(e)) => return Err(e),
        }
        file.set_len(0)?;
        file.write_all(holder.as_bytes())?;
        Ok(Some(Box::new(RealLock(file))))
    }

    #[cfg(target_os = "linux")]
    fn boot_id(&self) -> io::Result<Option<[u8; 16]>> {
        Ok(parse_uuid(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end()))
    }
}

/// The bytes of 32 hexadecimal digits, with hyphens between them.
#[cfg(target_os = "linux")]
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Option<Vec<u32>> = text.chars().filter(|c| *c != '-').map(|c| c.to_digit(16)).collect();
    let bytes: Option<Vec<u8>> = digits?.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair.get(1)?).ok()).collect();
    bytes?.try_into().ok()
}

fn kind_of(file_type: fs::FileType) -> EntryKind {
    if file_type.is_file() {
        EntryKind::File
    } else if file_type.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}

/// An advisory lock on an open file; the system releases it when the process dies.
#[derive(Debug)]
struct RealLock(fs::File);

impl Lock for RealLock {}

impl Drop for RealLock {
    /// Closing the file would not suffice: a process that is being started by another thread holds a copy of it until
    /// it runs its own program.
    fn drop(&mut self) {
        // What is not released here is released by closing.
        let _ = self.0.unlock();
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    #[cfg(unix)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, buf, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, buf, offset)
    }

    #[cfg(unix)]
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(&self.0, buf, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(&self.0, buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        // Quicker than asking for all that the system knows of it. Nobody reads or writes from where this leaves the file.
        (&self.0).seek(io::SeekFrom::End(0))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        // Touching what is mapped beyond the end would end the process.
        if self.len()? < len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        crate::mapping::map(&self.0, len).map(Some)
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, len: u64) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::empty();
        // A signal of the program's own is no reason to refuse an append.
        let allocated = rustix::io::retry_on_intr(|| rustix::fs::fallocate(&self.0, flags, 0, len));
        allocated.map_err(|errno| match errno {
            rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS => io::ErrorKind::Unsupported.into(),
            other => other.into(),
        })
    }

    /// It keeps what somebody maps.
    #[cfg(target_os = "linux")]
    fn forget_cached(&self, from: u64) {
        let _ = rustix::fs::fadvise(&self.0, from, None, rustix::fs::Advice::DontNeed);
    }

    #[cfg(unix)]
    fn map_shared(&self, len: u64) -> io::Result<Option<Box<dyn SharedMapping>>> {
        crate::mapping::map_shared(&self.0, len).map(Some)
    }

    fn sync(&self) -> io::Result<()> {
        // fdatasync: writes the length too whenever reading back what was written depends on it.
        self.0.sync_data()
    }
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall_ns(&self) -> i64 {
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The operating system's random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buf: &mut [u8]) -> io::Result<()> {
        getrandom::fill(buf).map_err(io::Error::other)
    }
}

impl Default for Environment {
    /// The real one.
    fn default() -> Self {
        Self {
            file_system: Arc::new(RealFileSystem),
            clock: Arc::new(SystemClock::default()),
            entropy: Arc::new(SystemEntropy),
        }
    }
}
