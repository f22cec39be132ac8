//! The door to files, time and randomness: everything from outside comes through these traits.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, for reading and writing; it is an error if it exists.
    CreateNew,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, device, socket or the like.
    Other,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// File name without the directory; names that are not UTF-8 are left out by implementations.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// A file system: all that a log needs of one.
pub trait FileSystem: Debug + Send + Sync {
    /// Makes a directory and those above it; it is no error if it exists.
    ///
    /// # Errors
    /// What the system reports.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Lists a directory, in any order.
    ///
    /// # Errors
    /// What the system reports; `NotFound` if there is no such directory.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>>;
    /// Opens a file.
    ///
    /// # Errors
    /// What the system reports.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Renames a file within a directory, replacing what has the new name.
    ///
    /// # Errors
    /// What the system reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// What the system reports.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// What the system reports; nothing may then be assumed about what is durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the lock that `path` stands for, creating the file if need be, and writes `holder` into it. `None` if
    /// somebody else has it. The lock ends when the value is dropped or its process dies.
    ///
    /// # Errors
    /// What the system reports.
    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>>;

    /// What tells one start of the machine from another: as long as it is the same, nothing that was written before was
    /// lost to a power cut. `None` where that is not known.
    ///
    /// # Errors
    /// What the system reports.
    fn boot_id(&self) -> io::Result<Option<[u8; 16]>> {
        Ok(None)
    }
}

/// A lock that is held for as long as this value lives.
pub trait Lock: Debug + Send + Sync {}

/// An open file, read and written at offsets.
pub trait File: Debug + Send + Sync {
    /// Reads at most `buf.len()` bytes; 0 at the end of the file.
    ///
    /// # Errors
    /// What the system reports.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at most `buf.len()` bytes and says how many.
    ///
    /// # Errors
    /// What the system reports.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// Length in bytes.
    ///
    /// # Errors
    /// What the system reports.
    fn len(&self) -> io::Result<u64>;
    /// Sets the length in bytes; what is added reads as zeros.
    ///
    /// # Errors
    /// What the system reports.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes content and length durable.
    ///
    /// # Errors
    /// What the system reports; after one, nothing may be assumed about what is durable.
    fn sync(&self) -> io::Result<()>;

    /// Forgets what is cached of the file from offset `from` on, as far as the system can, so that it is read from the
    /// disk again. What was not written there yet is kept.
    fn forget_cached(&self, from: u64) {
        let _ = from;
    }

    /// Maps the first `len` bytes for reading. They must not be changed or cut off from then on, while the file may
    /// grow behind them. `None` where the file system cannot.
    ///
    /// # Errors
    /// `InvalidInput` if there are not so many; what the system reports.
    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        let _ = len;
        Ok(None)
    }

    /// Reserves room for the first `len` bytes, so that writing there does not fail for lack of it; the file gets at
    /// least this length, and what was not written reads as zeros.
    ///
    /// # Errors
    /// `Unsupported` where the file system cannot, `StorageFull` if there is no room; what the system reports.
    fn allocate(&self, len: u64) -> io::Result<()> {
        let _ = len;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Maps the first `len` bytes, a multiple of 8, for reading and writing; all of them are allocated. `None` where
    /// the file system cannot.
    ///
    /// # Errors
    /// What the system reports.
    fn map_shared(&self, len: u64) -> io::Result<Option<Box<dyn SharedMapping>>> {
        let _ = len;
        Ok(None)
    }

    /// Whether the file is empty.
    ///
    /// # Errors
    /// What the system reports.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// The bytes of a file that is mapped, all that were asked for.
///
/// The system ends a process that touches a page which the disk cannot read, so a file system on which that is to be
/// an error must not map.
pub trait Mapping: Debug + Send + Sync + AsRef<[u8]> {}

/// The bytes of a file that is mapped for reading and writing. They outlive the process.
pub trait SharedMapping: Debug + Send + Sync {
    /// The bytes as words, in the byte order of the machine.
    fn words(&self) -> &[AtomicU64];
}

/// Fills `buf` from `offset` on, as far as the file goes, and says how far.
///
/// # Errors
/// What the file reports; interruptions are not errors.
pub fn read_full(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Writes all of `buf` at `offset`, going on after short writes and interruptions.
///
/// # Errors
/// What the file reports, `WriteZero` if it takes nothing; a part may have been written.
pub fn write_full(file: &dyn File, buf: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match file.write_at(&buf[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Source of time.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock: nanoseconds since 1970-01-01 UTC. It may go back.
    fn wall_ns(&self) -> i64;
    /// Time since some fixed moment; it never goes back.
    fn monotonic(&self) -> Duration;
}

/// Source of random bytes, good enough for secrets.
pub trait Entropy: Debug + Send + Sync {
    /// Fills `buf`.
    ///
    /// # Errors
    /// What the system reports.
    fn fill(&self, buf: &mut [u8]) -> io::Result<()>;
}

/// Everything from outside that a log uses.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Files.
    pub file_system: Arc<dyn FileSystem>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
