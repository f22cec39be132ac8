//! The active segment for readers: what is in its file is mapped, in steps that grow with it.

use crate::file_system::File;
use crate::source::Source;
use arc_swap::{ArcSwap, Guard};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The steps in which the mapping grows: an eighth of what is mapped, within these bounds.
const STEP_MIN: u64 = 64 << 10;
const STEP_MAX: u64 = 8 << 20;

/// A segment that is appended to. Reading it gives everything that was appended.
pub(crate) trait Growing: File {
    /// End of the frames that are in the file, where they do not change any more: so much of it can be mapped.
    fn in_file(&self) -> u64;
}

/// What the active segment is read through.
#[derive(Debug)]
pub(crate) struct ActiveSource {
    bytes: Arc<dyn Growing>,
    source: ArcSwap<Source>,
    /// As soon as so much is in the file it is mapped again. Changed under `mapping`.
    next_len: AtomicU64,
    mapping: Mutex<()>,
}

impl ActiveSource {
    pub(crate) fn new(bytes: Arc<dyn Growing>) -> Self {
        let source = Source::growing(None, Arc::clone(&bytes) as Arc<dyn File>);
        let next_len = AtomicU64::new(STEP_MIN);
        Self { bytes, source: ArcSwap::from_pointee(source), next_len, mapping: Mutex::new(()) }
    }

    /// What to read the bytes at `offset` through. They are mapped before if a step has been reached.
    pub(crate) fn source_at(&self, offset: u64) -> Guard<Arc<Source>> {
        let source = self.source.load();
        if offset < source.mapped().len() as u64 || self.bytes.in_file() < self.next_len.load(Ordering::Relaxed) {
            return source;
        }
        self.map();
        self.source.load()
    }

    /// Length of what was appended, in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    /// What to read all of it through.
    pub(crate) fn source(&self) -> Arc<Source> {
        Guard::into_inner(self.source_at(u64::MAX))
    }

    fn map(&self) {
        // Whoever finds that another thread maps it reads from the file.
        let Ok(_mapping) = self.mapping.try_lock() else { return };
        let len = self.bytes.in_file();
        if len < self.next_len.load(Ordering::Relaxed) {
            return;
        }
        match self.bytes.map(len) {
            Ok(Some(mapping)) => {
                let bytes = Arc::clone(&self.bytes) as Arc<dyn File>;
                self.source.store(Arc::new(Source::growing(Some(mapping), bytes)));
                self.next_len.store(len + (len / 8).clamp(STEP_MIN, STEP_MAX), Ordering::Relaxed);
            }
            // What cannot be mapped is read.
            Ok(None) | Err(_) => self.next_len.store(u64::MAX, Ordering::Relaxed),
        }
    }
}
