//! A clock that stands still until it is set.

use batpak::store::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug)]
struct Wall {
    ns: i64,
    readings: u64,
}

#[derive(Debug)]
pub(crate) struct TestClock {
    wall: Mutex<Wall>,
    read: Condvar,
    monotonic_ns: AtomicU64,
}

impl Default for TestClock {
    fn default() -> Self {
        let wall = Wall { ns: 1_700_000_000_000_000_000, readings: 0 };
        Self { wall: Mutex::new(wall), read: Condvar::new(), monotonic_ns: AtomicU64::new(0) }
    }
}

impl TestClock {
    fn wall(&self) -> MutexGuard<'_, Wall> {
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_wall_ns(&self, ns: i64) {
        self.wall().ns = ns;
    }

    /// How often the wall clock was read: once by each append, while no other append can be decided.
    pub(crate) fn readings(&self) -> u64 {
        self.wall().readings
    }

    #[track_caller]
    pub(crate) fn wait_for_readings(&self, count: u64) {
        let waited = self.read.wait_timeout_while(self.wall(), super::PATIENCE, |wall| wall.readings < count);
        let (wall, result) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "it was read {} times only", wall.readings);
    }

    pub(crate) fn advance(&self, by: Duration) {
        let ns = u64::try_from(by.as_nanos()).expect("a short time");
        self.monotonic_ns.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall_ns(&self) -> i64 {
        let mut wall = self.wall();
        wall.readings += 1;
        self.read.notify_all();
        wall.ns
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic_ns.load(Ordering::SeqCst))
    }
}
