//! What a machine holds: bytes that a power cut leaves, and bytes that it may take.
//!
//! Until a sync returns, any 512-byte sector written since the last one holds old or new bytes, and a new length, a new
//! file and a directory entry may be lost. A sync that fails leaves its sectors clean in memory and undecided on the
//! disk: a later sync does not write them, unless they are written again.
//!
//! A file that is mapped for writing holds what was stored in it when its process dies. It is not synced: when the power
//! fails, any sector holds what it held before or what was stored last. Bytes that are mapped for reading must stay as
//! they are, which is checked.

#![expect(clippy::host_endian_bytes, reason = "the words of a mapping are the bytes of its file")]

use crate::random::Random;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

const SECTOR: usize = 512;
type Bytes = [u8; SECTOR];

/// A file's content, under whatever names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inode {
    /// What programs read; of a file that is mapped, what they read before.
    live: Vec<u8>,
    /// What stands for `live` while a process has it mapped.
    mapped: Option<Arc<[AtomicU64]>>,
    /// What processes have mapped for reading.
    read: Vec<Weak<[u8]>>,
    /// What the disk holds for certain.
    durable: Vec<u8>,
    /// What the disk may hold instead, sector by sector.
    maybe: BTreeMap<usize, Vec<Bytes>>,
    /// Lengths that the disk may hold instead.
    maybe_len: Vec<usize>,
    /// Sectors that the next sync writes.
    dirty: BTreeSet<usize>,
    dirty_len: bool,
}

impl Inode {
    pub(crate) fn live(&self) -> Cow<'_, [u8]> {
        self.mapped.as_ref().map_or(Cow::Borrowed(&self.live), |words| Cow::Owned(bytes_of(words)))
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// The first `len` bytes, which must not change as long as somebody has them.
    pub(crate) fn map(&mut self, len: usize) -> Arc<[u8]> {
        assert!(self.mapped.is_none(), "what is mapped for reading stays as it is");
        let bytes: Arc<[u8]> = self.live[..len].into();
        self.read.retain(|mapped| mapped.strong_count() > 0);
        self.read.push(Arc::downgrade(&bytes));
        bytes
    }

    fn check_mappings(&self) {
        for mapped in self.read.iter().filter_map(Weak::upgrade) {
            assert!(self.live.starts_with(&mapped), "bytes were changed that somebody has mapped for reading");
        }
    }

    /// The words of the whole file, `len` bytes.
    pub(crate) fn map_shared(&mut self, len: usize) -> Arc<[AtomicU64]> {
        assert!(self.mapped.is_none() && len == self.live.len(), "a file is mapped once and as a whole");
        let words =
            self.live.chunks_exact(8).map(|bytes| AtomicU64::new(u64::from_ne_bytes(*bytes.first_chunk().unwrap())));
        Arc::clone(self.mapped.insert(words.collect()))
    }

    /// The process is dead: what it stores from now on goes nowhere.
    fn unmap(&mut self) {
        self.write_back();
        self.mapped = None;
        self.read.clear();
    }

    /// What stands in the mapping may be on the disk from now on.
    fn write_back(&mut self) {
        let Some(words) = &self.mapped else { return };
        let now = bytes_of(words);
        for sector in 0..now.len().div_ceil(SECTOR) {
            let content = sector_of(&now, sector);
            if content != sector_of(&self.live, sector) {
                self.maybe.entry(sector).or_default().push(content);
                self.dirty.insert(sector);
            }
        }
        self.live = now;
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: usize) {
        assert!(self.mapped.is_none(), "what is mapped is not written");
        let end = offset + bytes.len();
        if end > self.live.len() {
            self.set_len(end);
        }
        self.live[offset..end].copy_from_slice(bytes);
        self.check_mappings();
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let now = sector_of(&self.live, sector);
            self.maybe.entry(sector).or_default().push(now);
            self.dirty.insert(sector);
        }
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        assert!(self.mapped.is_none(), "what is mapped keeps its length");
        if len == self.live.len() {
            return;
        }
        self.live.resize(len, 0);
        self.check_mappings();
        self.maybe_len.push(len);
        self.dirty_len = true;
    }

    pub(crate) fn sync(&mut self) {
        assert!(self.mapped.is_none(), "what is mapped is not synced");
        let reaches_end = self.dirty.last().is_some_and(|last| (last + 1) * SECTOR >= self.live.len());
        if self.dirty_len || reaches_end {
            self.durable.resize(self.live.len(), 0);
            self.maybe_len.clear();
            self.dirty_len = false;
        }
        for sector in std::mem::take(&mut self.dirty) {
            let now = sector_of(&self.live, sector);
            put_sector(&mut self.durable, sector, &now);
            self.maybe.remove(&sector);
        }
    }

    /// A sync that failed: what it was to write counts as written and may be nowhere.
    pub(crate) fn lose_sync(&mut self) {
        self.dirty.clear();
        self.dirty_len = false;
    }

    fn after_power_cut(&self, random: &mut Random, keep_percent: u64) -> Self {
        let mut bytes = self.durable.clone();
        let longest = self.maybe_len.iter().copied().max().unwrap_or(0).max(bytes.len());
        let len = match self.maybe_len.as_slice() {
            [] => bytes.len(),
            _ if !random.chance(keep_percent) => bytes.len(),
            lengths => *random.pick(lengths),
        };
        bytes.resize(longest, 0);
        for (sector, versions) in &self.maybe {
            if random.chance(keep_percent) {
                put_sector(&mut bytes, *sector, random.pick(versions));
            }
        }
        bytes.truncate(len);
        Self { live: bytes.clone(), durable: bytes, ..Self::default() }
    }
}

fn bytes_of(words: &[AtomicU64]) -> Vec<u8> {
    let mut bytes = vec![0; words.len() * 8];
    for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    bytes
}

fn sector_of(bytes: &[u8], sector: usize) -> Bytes {
    let mut out = [0; SECTOR];
    let from = (sector * SECTOR).min(bytes.len());
    let to = (from + SECTOR).min(bytes.len());
    out[..to - from].copy_from_slice(&bytes[from..to]);
    out
}

fn put_sector(bytes: &mut [u8], sector: usize, content: &Bytes) {
    let from = (sector * SECTOR).min(bytes.len());
    let to = (from + SECTOR).min(bytes.len());
    bytes[from..to].copy_from_slice(&content[..to - from]);
}

/// A change of a directory that was not synced yet.
#[derive(Clone, Debug)]
enum Change {
    Link { name: PathBuf, inode: usize },
    Rename { from: PathBuf, to: PathBuf, inode: usize },
    Unlink { name: PathBuf },
    Directory { name: PathBuf },
}

#[derive(Clone, Debug, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    directories: BTreeSet<PathBuf>,
}

impl Names {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Link { name, inode } => {
                self.files.insert(name.clone(), *inode);
            }
            Change::Rename { from, to, inode } => {
                self.files.remove(from);
                self.files.insert(to.clone(), *inode);
            }
            Change::Unlink { name } => {
                self.files.remove(name);
            }
            Change::Directory { name } => {
                self.directories.insert(name.clone());
            }
        }
    }
}

/// The unit in which room is counted.
const BLOCK: usize = 4096;

/// All files and directories.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// Another one after each power cut.
    pub(crate) boot_id: [u8; 16],
    pub(crate) inodes: Vec<Inode>,
    /// How many blocks files may take.
    pub(crate) blocks: usize,
    /// Whether room can be reserved.
    pub(crate) allocates: bool,
    /// Whether files can be mapped.
    pub(crate) maps: bool,
    live: Names,
    durable: Names,
    pending: BTreeMap<PathBuf, Vec<Change>>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let mut names = Names::default();
        names.directories.insert(PathBuf::from("/"));
        Self {
            boot_id: [1; 16],
            inodes: Vec::new(),
            blocks: usize::MAX,
            allocates: true,
            maps: true,
            live: names.clone(),
            durable: names,
            pending: BTreeMap::new(),
        }
    }

    /// How many blocks the files take that have a name.
    pub(crate) fn blocks_taken(&self) -> usize {
        self.live.files.values().map(|inode| self.inodes[*inode].len().div_ceil(BLOCK)).sum()
    }

    /// How long a file can become for which `wanted` bytes are asked.
    pub(crate) fn room(&self, inode: usize, wanted: usize) -> usize {
        let len = self.inodes[inode].len();
        if wanted <= len || self.blocks == usize::MAX {
            return wanted;
        }
        let free = self.blocks.saturating_sub(self.blocks_taken());
        wanted.min((len.div_ceil(BLOCK) + free) * BLOCK)
    }

    /// The process dies.
    pub(crate) fn unmap(&mut self) {
        self.inodes.iter_mut().for_each(Inode::unmap);
    }

    /// Everything that is mapped may be written to the disk now.
    pub(crate) fn write_back(&mut self) {
        self.inodes.iter_mut().for_each(Inode::write_back);
    }

    /// What is left when the process dies.
    pub(crate) fn after_kill(&self) -> Self {
        let mut left = self.clone();
        left.unmap();
        left
    }

    pub(crate) fn find(&self, path: &Path) -> Option<usize> {
        self.live.files.get(path).copied()
    }

    pub(crate) fn is_directory(&self, path: &Path) -> bool {
        self.live.directories.contains(path)
    }

    /// The names in a directory, and whether each is a directory itself.
    pub(crate) fn list(&self, path: &Path) -> Vec<(String, bool)> {
        let child = |p: &PathBuf| {
            (p.parent() == Some(path)).then(|| p.file_name().unwrap_or_default().to_string_lossy().into_owned())
        };
        let files = self.live.files.keys().filter_map(|p| child(p).map(|name| (name, false)));
        let directories = self.live.directories.iter().filter_map(|p| child(p).map(|name| (name, true)));
        files.chain(directories).collect()
    }

    fn change(&mut self, change: Change) {
        let name = match &change {
            Change::Link { name, .. } | Change::Unlink { name } | Change::Directory { name } => name,
            Change::Rename { to, .. } => to,
        };
        let parent = name.parent().unwrap_or(Path::new("/")).to_owned();
        self.live.apply(&change);
        self.pending.entry(parent).or_default().push(change);
    }

    pub(crate) fn create(&mut self, path: &Path) -> usize {
        let inode = self.inodes.len();
        self.inodes.push(Inode::default());
        self.change(Change::Link { name: path.to_owned(), inode });
        inode
    }

    pub(crate) fn create_directories(&mut self, path: &Path) {
        let missing: Vec<_> = path.ancestors().filter(|p| !self.is_directory(p)).map(Path::to_owned).collect();
        for name in missing.into_iter().rev() {
            self.change(Change::Directory { name });
        }
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> bool {
        let Some(inode) = self.find(from) else { return false };
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        true
    }

    pub(crate) fn remove(&mut self, path: &Path) -> bool {
        let found = self.find(path).is_some();
        if found {
            self.change(Change::Unlink { name: path.to_owned() });
        }
        found
    }

    pub(crate) fn sync_dir(&mut self, path: &Path) {
        for change in self.pending.remove(path).unwrap_or_default() {
            self.durable.apply(&change);
        }
    }

    /// What is left when the power fails.
    pub(crate) fn after_power_cut(&self, random: &mut Random) -> Self {
        self.after_kill().without_power(random)
    }

    fn without_power(self, random: &mut Random) -> Self {
        let mut names = self.durable.clone();
        let keep = *random.pick(&[0, 20, 50, 80, 100]);
        for change in self.pending.values().flatten() {
            if random.chance(keep) {
                names.apply(change);
            }
        }
        let directories = names.directories.clone();
        names.files.retain(|path, _| path.ancestors().skip(1).all(|parent| directories.contains(parent)));
        let keep = *random.pick(&[0, 20, 50, 80, 100]);
        let reachable: BTreeSet<_> = names.files.values().copied().collect();
        let inodes = self.inodes.iter().enumerate().map(|(number, inode)| {
            // Nobody can open what has no name.
            if reachable.contains(&number) { inode.after_power_cut(random, keep) } else { Inode::default() }
        });
        let inodes = inodes.collect();
        let mut boot_id = self.boot_id;
        boot_id.fill_with(|| u8::try_from(random.below(256)).unwrap());
        Self { boot_id, inodes, live: names.clone(), durable: names, pending: BTreeMap::new(), ..self }
    }
}
