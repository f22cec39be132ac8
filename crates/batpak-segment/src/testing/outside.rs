//! Time and randomness that do as they are told.

use crate::file_system::{Clock, Entropy};
use crate::testing::faulty::FaultyFileSystem;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct ManualClock {
    wall_ns: AtomicI64,
    monotonic_ns: AtomicU64,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// Some day in 2023, and no time since the start.
    pub fn new() -> Self {
        Self { wall_ns: AtomicI64::new(1_700_000_000_000_000_000), monotonic_ns: AtomicU64::new(0) }
    }

    /// Both clocks go on.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.monotonic_ns.fetch_add(nanos, Ordering::Relaxed);
        self.wall_ns.fetch_add(i64::try_from(nanos).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// The wall clock: nanoseconds since 1970-01-01 UTC.
    pub fn wall_ns(&self) -> i64 {
        self.wall_ns.load(Ordering::Relaxed)
    }

    /// The wall clock is set, to nanoseconds since 1970-01-01 UTC.
    pub fn set_wall_ns(&self, nanos: i64) {
        self.wall_ns.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn wall_ns(&self) -> i64 {
        Self::wall_ns(self)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic_ns.load(Ordering::Relaxed))
    }
}

/// Bytes that the seed of a machine decides.
#[derive(Debug)]
pub(crate) struct MachineEntropy(pub(crate) FaultyFileSystem);

impl Entropy for MachineEntropy {
    fn fill(&self, buf: &mut [u8]) -> io::Result<()> {
        self.0.machine().entropy.fill(buf);
        Ok(())
    }
}
