//! A file system in memory: the same behaviour without a disk, for tests.

use crate::file_system::{DirectoryEntry, EntryKind, File, FileSystem, Lock, Mapping, OpenMode, SharedMapping};
use crate::layout;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files in memory. Clones share them; what is written is gone with the last clone.
#[derive(Clone, Debug, Default)]
pub struct MemoryFileSystem {
    tree: Arc<Mutex<Tree>>,
}

#[derive(Debug)]
struct Tree {
    boot_id: [u8; 16],
    directories: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Arc<MemoryFile>>,
    locked: BTreeSet<PathBuf>,
    read_only: bool,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            boot_id: next_boot_id(),
            directories: BTreeSet::new(),
            files: BTreeMap::new(),
            locked: BTreeSet::new(),
            read_only: false,
        }
    }
}

/// Another one each time, and the same ones in each process.
fn next_boot_id() -> [u8; 16] {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let halves = [made.wrapping_mul(0x9E37_79B9_7F4A_7C15), made.wrapping_mul(0xBF58_476D_1CE4_E5B9)];
    let mut id = [0; 16];
    for (bytes, half) in id.chunks_exact_mut(8).zip(halves) {
        bytes.copy_from_slice(&layout::word_bytes(half));
    }
    id
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
        Ok(lock(&self.file(path.as_ref())?.content).to_bytes())
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
        copy.tree().boot_id = source.boot_id;
        copy.tree().directories.clone_from(&source.directories);
        for (path, file) in &source.files {
            copy.write(path, lock(&file.content).to_bytes());
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
        *lock(&file.content) = Content::Bytes(holder.as_bytes().to_vec());
        drop(tree);
        Ok(Some(Box::new(MemoryLock { path: path.to_owned(), file_system: self.clone() })))
    }

    fn boot_id(&self) -> io::Result<Option<[u8; 16]>> {
        Ok(Some(self.tree().boot_id))
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
    content: Mutex<Content>,
}

impl MemoryFile {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { content: Mutex::new(Content::Bytes(bytes)) }
    }
}

/// What a file holds. From when it is mapped on, its length stays.
#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    Words(Arc<[AtomicU64]>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Words(words) => words.len() * size_of::<AtomicU64>(),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Words(words) => bytes_of(words),
        }
    }

    fn set_len(&mut self, len: usize) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => bytes.resize(len, 0),
            Self::Words(_) if len == self.len() => {}
            Self::Words(_) => return Err(io::ErrorKind::ResourceBusy.into()),
        }
        Ok(())
    }

    /// Fills `buf` with what stands at `from`; all of it is there.
    fn read(&self, buf: &mut [u8], from: usize) {
        let end = from + buf.len();
        match self {
            Self::Bytes(bytes) => buf.copy_from_slice(&bytes[from..end]),
            Self::Words(words) => {
                let bytes = bytes_of(&words[from / 8..end.div_ceil(8)]);
                buf.copy_from_slice(&bytes[from % 8..][..buf.len()]);
            }
        }
    }

    /// Puts `buf` at `from`, where there is room for all of it.
    fn write(&mut self, buf: &[u8], from: usize) {
        match self {
            Self::Bytes(bytes) => bytes[from..from + buf.len()].copy_from_slice(buf),
            Self::Words(words) => {
                for (at, byte) in (from..).zip(buf) {
                    let mut bytes = layout::word_bytes(words[at / 8].load(Ordering::Relaxed));
                    bytes[at % 8] = *byte;
                    words[at / 8].store(layout::word(&bytes), Ordering::Relaxed);
                }
            }
        }
    }

    /// The words of the whole file, if that is `len` long.
    fn map_shared(&mut self, len: usize) -> io::Result<Arc<[AtomicU64]>> {
        if len != self.len() || !len.is_multiple_of(8) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let words = match self {
            Self::Bytes(bytes) => bytes.chunks(8).map(|bytes| AtomicU64::new(layout::word(bytes))).collect(),
            Self::Words(words) => Arc::clone(words),
        };
        *self = Self::Words(Arc::clone(&words));
        Ok(words)
    }
}

fn bytes_of(words: &[AtomicU64]) -> Vec<u8> {
    words.iter().flat_map(|word| layout::word_bytes(word.load(Ordering::Relaxed))).collect()
}

#[derive(Debug)]
struct SharedMemoryMapping(Arc<[AtomicU64]>);

impl SharedMapping for SharedMemoryMapping {
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

/// A copy, which differs in nothing from the file as long as that is not changed.
#[derive(Debug)]
struct MemoryMapping(Vec<u8>);

impl AsRef<[u8]> for MemoryMapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Mapping for MemoryMapping {}

/// An offset of a file in memory as an index; a file cannot be larger than memory.
fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = lock(&self.content);
        let from = index(offset)?.min(content.len());
        let n = buf.len().min(content.len() - from);
        content.read(&mut buf[..n], from);
        Ok(n)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut content = lock(&self.content);
        let from = index(offset)?;
        let len = content.len().max(from + buf.len());
        content.set_len(len)?;
        content.write(buf, from);
        Ok(buf.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.content).len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.content).set_len(index(len)?)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut content = lock(&self.content);
        let len = content.len().max(index(len)?);
        content.set_len(len)
    }

    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        let content = lock(&self.content);
        let mut bytes = vec![0; index(len)?];
        if content.len() < bytes.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        content.read(&mut bytes, 0);
        Ok(Some(Box::new(MemoryMapping(bytes))))
    }

    fn map_shared(&self, len: u64) -> io::Result<Option<Box<dyn SharedMapping>>> {
        let words = lock(&self.content).map_shared(index(len)?)?;
        Ok(Some(Box::new(SharedMemoryMapping(words))))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
