//! A machine that does the same each time: files in memory, a clock that is set, randomness that is counted.

use batpak::store::{Clock, Entropy, Environment, MemoryFileSystem, StoreConfig};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

pub(super) const DIR: &str = "/store";

#[derive(Debug)]
pub(super) struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn wall_ns(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[derive(Debug)]
pub(super) struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, buf: &mut [u8]) -> io::Result<()> {
        for chunk in buf.chunks_mut(8) {
            let bits = mix(self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst));
            let bytes = (0..8).map(|byte| u8::try_from(bits >> (8 * byte) & 0xFF).expect("8 bits"));
            chunk.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        }
        Ok(())
    }
}

/// The last step of `SplitMix64`.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) files: MemoryFileSystem,
    pub(super) clock: Arc<SetClock>,
    pub(super) entropy: Arc<Counted>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let clock = SetClock(AtomicI64::new(1_700_000_000_000_000_000));
        let entropy = Counted(AtomicU64::new(mix(seed + 1)));
        Self { files: MemoryFileSystem::new(), clock: Arc::new(clock), entropy: Arc::new(entropy) }
    }

    /// The same machine with a copy of its files: what the death of all processes leaves.
    pub(super) fn after_kill(&self) -> Self {
        Self { files: self.files.deep_clone(), ..self.clone() }
    }

    pub(super) fn set_time(&self, nanos: i64) {
        self.clock.0.store(nanos, Ordering::SeqCst);
    }

    pub(super) fn environment(&self) -> Environment {
        Environment {
            file_system: Arc::new(self.files.clone()),
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::clone(&self.entropy) as _,
        }
    }

    /// Options with which nothing is synced by the passing of time.
    pub(super) fn config(&self) -> StoreConfig {
        let config = StoreConfig::new(DIR).with_environment(self.environment());
        config.with_sync_interval(Duration::from_hours(1))
    }
}
