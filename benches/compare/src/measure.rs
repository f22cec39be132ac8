//! Running appends and reads against the clock. A read is a commit, too, where both are counted.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::engine::Failure;

/// The latencies of appends in nanoseconds, to three significant digits.
pub(crate) type Latencies = Histogram<u64>;

const LONGEST_NS: u64 = 600 * 1_000_000_000;

pub(crate) fn latencies() -> Result<Latencies, Failure> {
    Ok(Latencies::new_with_bounds(1, LONGEST_NS, 3)?)
}

/// How long a turn lasts: whichever ends first.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) commits: u64,
    pub(crate) time: Duration,
}

/// What a turn came to.
pub(crate) struct Turn {
    pub(crate) commits: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Latencies,
}

impl Turn {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self { commits: 0, elapsed: Duration::ZERO, latencies: latencies()? })
    }

    /// Measures one commit.
    pub(crate) fn time<T>(&mut self, commit: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let start = Instant::now();
        let done = commit()?;
        let elapsed = start.elapsed();
        self.commits += 1;
        self.elapsed += elapsed;
        self.latencies.saturating_record(nanos(elapsed));
        Ok(done)
    }

    /// Goes on with commit number `self.commits`. The clock is read once for each commit.
    pub(crate) fn run(
        &mut self,
        limit: Limit,
        mut commit: impl FnMut(u64) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let mut last = start;
        for _ in 0..limit.commits {
            commit(self.commits)?;
            let now = Instant::now();
            self.commits += 1;
            self.latencies.saturating_record(nanos(now - last));
            last = now;
            if now - start >= limit.time {
                break;
            }
        }
        self.elapsed += last - start;
        Ok(())
    }
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
