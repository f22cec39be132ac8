//! A store whose bytes are the same each time: files in memory, a clock that is set, and entropy that counts.

use crate::directory::Files;
use batpak::store::{Clock, Entropy, Environment, MemoryFileSystem, Store, StoreConfig, StoreError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

pub(crate) const DIR: &str = "/store";

/// A wall clock that stands until it is set.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn set(&self, wall_ns: i64) {
        self.0.store(wall_ns, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn wall_ns(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Bytes that follow from how many there have been.
#[derive(Debug, Default)]
pub(crate) struct CountingEntropy(AtomicU64);

impl Entropy for CountingEntropy {
    fn fill(&self, buf: &mut [u8]) -> io::Result<()> {
        for part in buf.chunks_mut(8) {
            let mixed = mix(self.0.fetch_add(1, Ordering::Relaxed));
            part.copy_from_slice(&mixed.to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

/// The output function of `SplitMix64`.
fn mix(count: u64) -> u64 {
    let x = (count + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

/// A machine in memory.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) files: MemoryFileSystem,
    pub(crate) clock: Arc<SetClock>,
    entropy: Arc<CountingEntropy>,
}

impl Machine {
    /// One with these files in the directory of its store.
    pub(crate) fn new(files: &Files) -> Self {
        let machine = Self {
            files: MemoryFileSystem::new(),
            clock: Arc::new(SetClock(AtomicI64::new(1_700_000_000_000_000_000))),
            entropy: Arc::default(),
        };
        for (name, bytes) in files {
            machine.files.write(format!("{DIR}/{name}"), bytes.as_slice());
        }
        machine
    }

    /// Every append is synced, nothing is derived, and no thread decides when anything happens.
    pub(crate) fn config(&self) -> StoreConfig {
        let environment = Environment {
            file_system: Arc::new(self.files.clone()),
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::clone(&self.entropy) as _,
        };
        let config = StoreConfig::synced(DIR).with_environment(environment).with_sync_interval(Duration::from_hours(1));
        config.with_enable_checkpoint(false).with_enable_mmap_index(false)
    }

    pub(crate) fn open(&self) -> Result<Store, StoreError> {
        Store::open(self.config())
    }

    pub(crate) fn open_read_only(&self) -> Result<Store, StoreError> {
        Store::open_read_only(self.config())
    }

    /// The files that are truth: segments and tail.
    pub(crate) fn truth(&self) -> Files {
        self.files_of(DIR)
    }

    pub(crate) fn files_of(&self, dir: &str) -> Files {
        let paths = self
            .files
            .files()
            .into_iter()
            .filter(|path| path.parent().is_some_and(|parent| parent.ends_with(&dir[1..])));
        let named = paths.map(|path| (path.file_name().expect("a name").to_str().expect("in UTF-8").to_owned(), path));
        let truth = named.filter(|(name, _)| name.ends_with(".fbat") || name == "batpak.tail");
        truth.map(|(name, path)| (name, self.files.read(path).expect("it was listed"))).collect()
    }
}
