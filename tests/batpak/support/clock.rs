//! A clock that stands still until it is set.

use batpak::store::Clock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct TestClock {
    wall_ns: AtomicI64,
    monotonic_ns: AtomicU64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { wall_ns: AtomicI64::new(1_700_000_000_000_000_000), monotonic_ns: AtomicU64::new(0) }
    }
}

impl TestClock {
    pub(crate) fn set_wall_ns(&self, ns: i64) {
        self.wall_ns.store(ns, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, by: Duration) {
        let ns = u64::try_from(by.as_nanos()).expect("a short time");
        self.monotonic_ns.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall_ns(&self) -> i64 {
        self.wall_ns.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic_ns.load(Ordering::SeqCst))
    }
}
