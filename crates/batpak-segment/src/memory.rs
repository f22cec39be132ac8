//! A file system in memory: the same behaviour without a disk, for tests.

use crate::file_system::{DirectoryEntry, EntryKind, File, FileSystem, Lock, OpenMode};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files in memory. Clones share them; what is written is gone with the last clone.
#[derive(Clone, Debug, Default)]
pub struct MemoryFileSystem {
    tree: Arc<Mutex<Tree>>,
}

#[derive(Debug, Default)]
struct Tree {
    directories: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Arc<MemoryFile>>,
    locked: BTreeSet<PathBuf>,
    read_only: bool,
}

impl MemoryFileSystem {
    /// An empty file system.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every change is refused with `ReadOnlyFilesystem`, or allowed again.
    pub fn set_read_only(&self, read_only: bool) {
        self.tree().read_only = read_only;
    }

    /// The content of a file.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        Ok(lock(&self.file(path.as_ref())?.bytes).clone())
    }

    /// Replaces the content of a file, or makes one and the directories above it.
    pub fn write(&self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        let path = path.as_ref();
        let file = Arc::new(MemoryFile::new(bytes.into()));
        let mut tree = self.tree();
        tree.directories.extend(path.ancestors().skip(1).map(Path::to_owned));
        tree.files.insert(path.to_owned(), file);
    }

    /// The paths of all files, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        self.tree().files.keys().cloned().collect()
    }

    /// An independent copy of everything but the locks, as if the machine were cloned.
    #[must_use]
    pub fn deep_clone(&self) -> Self {
        let source = self.tree();
        let copy = Self::new();
        copy.tree().directories.clone_from(&source.directories);
        for (path, file) in &source.files {
            copy.write(path, lock(&file.bytes).clone());
        }
        drop(source);
        copy
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }

    fn file(&self, path: &Path) -> io::Result<Arc<MemoryFile>> {
        self.tree().files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn writable_tree(&self) -> io::Result<MutexGuard<'_, Tree>> {
        let tree = self.tree();
        if tree.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(tree)
    }
}

/// A poisoned lock holds whole values here: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FileSystem for MemoryFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if self.tree().directories.contains(path) {
            return Ok(());
        }
        let mut tree = self.writable_tree()?;
        tree.directories.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        let tree = self.tree();
        if !tree.directories.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let child = |p: &PathBuf, kind| {
            let name = p.strip_prefix(path).ok()?.to_str()?;
            let direct = !name.is_empty() && p.parent() == Some(path);
            direct.then(|| DirectoryEntry { name: name.to_owned(), kind })
        };
        let files = tree.files.keys().filter_map(|p| child(p, EntryKind::File));
        let directories = tree.directories.iter().filter_map(|p| child(p, EntryKind::Directory));
        Ok(files.chain(directories).collect())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode == OpenMode::Read {
            return Ok(self.file(path)?);
        }
        let mut tree = self.writable_tree()?;
        if mode == OpenMode::Write {
            return match tree.files.get(path) {
                Some(file) => Ok(Arc::clone(file) as Arc<dyn File>),
                None => Err(io::ErrorKind::NotFound.into()),
            };
        }
        if tree.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|parent| tree.directories.contains(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = Arc::new(MemoryFile::default());
        tree.files.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.writable_tree()?;
        let file = tree.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        tree.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut tree = self.writable_tree()?;
        tree.files.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        let mut tree = self.writable_tree()?;
        if !tree.locked.insert(path.to_owned()) {
            return Ok(None);
        }
        let file = tree.files.entry(path.to_owned()).or_default();
        *lock(&file.bytes) = holder.as_bytes().to_vec();
        drop(tree);
        Ok(Some(Box::new(MemoryLock { path: path.to_owned(), file_system: self.clone() })))
    }
}

#[derive(Debug)]
struct MemoryLock {
    path: PathBuf,
    file_system: MemoryFileSystem,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.file_system.tree().locked.remove(&self.path);
    }
}

/// One file in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryFile {
    bytes: Mutex<Vec<u8>>,
}

impl MemoryFile {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Mutex::new(bytes) }
    }
}

/// An offset of a file in memory as an index; a file cannot be larger than memory.
fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = lock(&self.bytes);
        let from = index(offset)?.min(bytes.len());
        let n = buf.len().min(bytes.len() - from);
        buf[..n].copy_from_slice(&bytes[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut bytes = lock(&self.bytes);
        let from = index(offset)?;
        let end = from + buf.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[from..end].copy_from_slice(buf);
        Ok(buf.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.bytes).len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.bytes).resize(index(len)?, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
