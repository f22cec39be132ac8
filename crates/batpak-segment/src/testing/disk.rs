//! What a machine holds: all its files and directories.

use crate::testing::inode::Inode;
use crate::testing::names::{Change, Names};
use crate::testing::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The unit in which room is counted, in bytes.
const BLOCK: usize = 4096;

/// How much of what was not synced a power cut leaves, in percent.
const KEPT: [u64; 5] = [0, 20, 50, 80, 100];

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
    /// Changes that were not synced yet, by directory.
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

    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, usize)> {
        self.live.files.iter().map(|(path, inode)| (path.as_path(), *inode))
    }

    pub(crate) fn is_directory(&self, path: &Path) -> bool {
        self.live.directories.contains(path)
    }

    /// The names in a directory, and whether each is a directory itself.
    pub(crate) fn list(&self, path: &Path) -> Vec<(String, bool)> {
        self.live.list(path)
    }

    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.pending.entry(change.directory()).or_default().push(change);
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
        let killed = self.after_kill();
        let names = killed.names_after_power_cut(random);
        let keep = some_of(random);
        let reachable: BTreeSet<_> = names.files.values().copied().collect();
        let inodes = killed.inodes.iter().enumerate().map(|(number, inode)| {
            // Nobody can open what has no name.
            if reachable.contains(&number) { inode.after_power_cut(random, keep) } else { Inode::default() }
        });
        let inodes = inodes.collect();
        let mut boot_id = [0; 16];
        random.fill(&mut boot_id);
        Self { boot_id, inodes, live: names.clone(), durable: names, pending: BTreeMap::new(), ..killed }
    }

    fn names_after_power_cut(&self, random: &mut Random) -> Names {
        let mut names = self.durable.clone();
        let keep = some_of(random);
        for change in self.pending.values().flatten() {
            if random.chance(keep) {
                names.apply(change);
            }
        }
        names.forget_unreachable();
        names
    }
}

fn some_of(random: &mut Random) -> u64 {
    random.pick(&KEPT).copied().unwrap_or_default()
}
