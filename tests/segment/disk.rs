//! What a machine holds: bytes that a power cut leaves, and bytes that it may take.
//!
//! Until a sync returns, any 512-byte sector written since the last one holds old or new bytes, and a new length, a new
//! file and a directory entry may be lost. A sync that fails leaves its sectors clean in memory and undecided on the
//! disk: a later sync does not write them, unless they are written again.

use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;
type Bytes = [u8; SECTOR];

/// A file's content, under whatever names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inode {
    /// What programs read.
    live: Vec<u8>,
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
    pub(crate) fn live(&self) -> &[u8] {
        &self.live
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if end > self.live.len() {
            self.set_len(end);
        }
        self.live[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let now = sector_of(&self.live, sector);
            self.maybe.entry(sector).or_default().push(now);
            self.dirty.insert(sector);
        }
    }

    pub(crate) fn set_len(&mut self, len: usize) {
        if len == self.live.len() {
            return;
        }
        self.live.resize(len, 0);
        self.maybe_len.push(len);
        self.dirty_len = true;
    }

    pub(crate) fn sync(&mut self) {
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

/// All files and directories.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) inodes: Vec<Inode>,
    live: Names,
    durable: Names,
    pending: BTreeMap<PathBuf, Vec<Change>>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let mut names = Names::default();
        names.directories.insert(PathBuf::from("/"));
        Self { inodes: Vec::new(), live: names.clone(), durable: names, pending: BTreeMap::new() }
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
        let inodes = self.inodes.iter().map(|inode| inode.after_power_cut(random, keep)).collect();
        Self { inodes, live: names.clone(), durable: names, pending: BTreeMap::new() }
    }
}
