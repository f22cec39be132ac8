//! The content of one file, under whatever names: what programs read, and what the disk may hold of it.

use crate::layout;
use crate::testing::random::Random;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The unit in which a disk writes, in bytes.
const SECTOR: usize = 512;
type Bytes = [u8; SECTOR];

#[derive(Clone, Debug, Default)]
pub(crate) struct Inode {
    /// What programs read; of a file that is mapped, what they read before.
    live: Vec<u8>,
    /// What stands for `live` while a process has it mapped for writing.
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
    /// All that programs read.
    pub(crate) fn live(&self) -> Cow<'_, [u8]> {
        self.mapped.as_ref().map_or(Cow::Borrowed(&self.live), |words| Cow::Owned(bytes_of(words)))
    }

    /// Fills `buf` with what stands at `from`; all of it is there.
    pub(crate) fn read(&self, buf: &mut [u8], from: usize) {
        let end = from + buf.len();
        match &self.mapped {
            None => buf.copy_from_slice(&self.live[from..end]),
            Some(words) => {
                let bytes = bytes_of(&words[from / 8..end.div_ceil(8)]);
                buf.copy_from_slice(&bytes[from % 8..][..buf.len()]);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// The first `len` bytes, which must not change as long as somebody has them.
    pub(crate) fn map(&mut self, len: usize) -> Arc<[u8]> {
        self.end_mapping();
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
        self.end_mapping();
        assert!(self.mapped.is_none() && len == self.live.len(), "a file is mapped once and as a whole");
        let words = self.live.chunks(8).map(|bytes| AtomicU64::new(layout::word(bytes)));
        Arc::clone(self.mapped.insert(words.collect()))
    }

    /// A mapping that nobody has any more has ended.
    fn end_mapping(&mut self) {
        if self.mapped.as_ref().is_some_and(|words| Arc::strong_count(words) == 1) {
            self.write_back();
            self.mapped = None;
        }
    }

    /// The process is dead: what it stores from now on goes nowhere.
    pub(crate) fn unmap(&mut self) {
        self.write_back();
        self.mapped = None;
        self.read.clear();
    }

    /// What stands in the mapping may be on the disk from now on.
    pub(crate) fn write_back(&mut self) {
        let Some(words) = &self.mapped else { return };
        let now = bytes_of(words);
        for sector in 0..now.len().div_ceil(SECTOR) {
            let (from, to) = (sector * SECTOR, (sector * SECTOR + SECTOR).min(now.len()));
            if now[from..to] != self.live[from..to] {
                self.maybe.entry(sector).or_default().push(sector_of(&now, sector));
                self.dirty.insert(sector);
            }
        }
        self.live = now;
    }

    pub(crate) fn write(&mut self, bytes: &[u8], offset: usize) {
        self.end_mapping();
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
        self.end_mapping();
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
        self.end_mapping();
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

    /// What the disk holds when the power fails, if it has kept about so much of what was not synced.
    pub(crate) fn after_power_cut(&self, random: &mut Random, keep_percent: u64) -> Self {
        let mut bytes = self.durable.clone();
        let longest = self.maybe_len.iter().copied().max().unwrap_or(0).max(bytes.len());
        let kept_len = random.chance(keep_percent).then(|| random.pick(&self.maybe_len)).flatten();
        let len = kept_len.copied().unwrap_or(bytes.len());
        bytes.resize(longest, 0);
        for (sector, versions) in &self.maybe {
            if random.chance(keep_percent)
                && let Some(version) = random.pick(versions)
            {
                put_sector(&mut bytes, *sector, version);
            }
        }
        bytes.truncate(len);
        Self { live: bytes.clone(), durable: bytes, ..Self::default() }
    }
}

fn bytes_of(words: &[AtomicU64]) -> Vec<u8> {
    let mut bytes = vec![0; words.len() * 8];
    for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&layout::word_bytes(word.load(Ordering::Relaxed)));
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
