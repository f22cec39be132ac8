//! Sealed segments that are open: mapped, or as files where they cannot be mapped, as many as the budget allows.
//!
//! A read of a segment that is open takes no lock and writes to no memory that other threads read.

use crate::catalog::Segment;
use crate::error::LogError;
use crate::file_system::{FileSystem, OpenMode};
use crate::source::Source;
use arc_swap::ArcSwapOption;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A segment, and what it is read through while it is open.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) segment: Segment,
    source: ArcSwapOption<Source>,
    /// The epoch in which it was read last.
    used: AtomicU64,
}

impl Slot {
    pub(crate) fn new(segment: Segment) -> Self {
        Self { segment, source: ArcSwapOption::empty(), used: AtomicU64::new(0) }
    }
}

/// The slots that are open.
#[derive(Debug)]
pub(crate) struct Opened {
    file_system: Arc<dyn FileSystem>,
    budget: usize,
    /// Advances whenever a segment is opened. Relaxed: it only says what was not read for long.
    epoch: AtomicU64,
    slots: Mutex<Vec<Arc<Slot>>>,
}

impl Opened {
    pub(crate) fn new(file_system: Arc<dyn FileSystem>, budget: usize) -> Self {
        Self { file_system, budget: budget.max(1), epoch: AtomicU64::new(1), slots: Mutex::default() }
    }

    /// Reads a sealed segment. It is opened if need be; the least recently used one makes room.
    pub(crate) fn with<T>(&self, slot: &Arc<Slot>, read: impl FnOnce(&Arc<Source>) -> T) -> Result<T, LogError> {
        let found = slot.source.load();
        let Some(source) = &*found else { return Ok(read(&self.open(slot)?)) };
        let epoch = self.epoch.load(Ordering::Relaxed);
        // Most reads find that somebody has written it, and leave the memory shared.
        if slot.used.load(Ordering::Relaxed) != epoch {
            slot.used.store(epoch, Ordering::Relaxed);
        }
        Ok(read(source))
    }

    fn open(&self, slot: &Arc<Slot>) -> Result<Arc<Source>, LogError> {
        let mut slots = self.slots();
        if let Some(source) = slot.source.load_full() {
            return Ok(source);
        }
        while slots.len() >= self.budget {
            let least = slots.iter().enumerate().min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed));
            let Some((index, _)) = least else { break };
            slots.swap_remove(index).source.store(None);
        }
        let path = &slot.segment.path;
        let file = self.file_system.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
        // Not the length of the file: its writer may be about to cut off what was reserved behind the seal.
        let len = slot.segment.sealed_len.unwrap_or(0);
        let source = Arc::new(Source::sealed(file, len));
        // In the epoch that ends: what is read from now on was read later.
        slot.used.store(self.epoch.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        slot.source.store(Some(Arc::clone(&source)));
        slots.push(Arc::clone(slot));
        Ok(source)
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.slots().len()
    }

    /// Whole after a panic of the file system too: a slot is in the list if and only if it was opened.
    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
