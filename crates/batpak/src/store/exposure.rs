//! Since when something may be lost that was acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

/// How many samples cover one interval.
const SAMPLES: u32 = 16;

/// The times of commits that are not durable yet, coarsely: each sample stands for the events from its sequence on.
#[derive(Debug, Default)]
pub(crate) struct Exposure {
    samples: VecDeque<(u64, Duration)>,
}

impl Exposure {
    /// The event `sequence` was committed at `now`. Returns whether nothing was exposed before.
    pub(crate) fn note(&mut self, sequence: u64, now: Duration, interval: Duration) -> bool {
        let last = self.samples.back().map(|(_, time)| *time);
        if last.is_none_or(|last| now.saturating_sub(last) * SAMPLES >= interval) {
            self.samples.push_back((sequence, now));
        }
        last.is_none()
    }

    /// Everything below `durable` cannot be lost any more; `written` is one past the last event.
    pub(crate) fn settle(&mut self, durable: u64, written: u64) {
        if durable >= written {
            self.samples.clear();
        }
        while self.samples.get(1).is_some_and(|(sequence, _)| *sequence <= durable) {
            self.samples.pop_front();
        }
    }

    /// A time not after that of the oldest event that may be lost; `None` if there is none.
    pub(crate) fn since(&self) -> Option<Duration> {
        self.samples.front().map(|(_, time)| *time)
    }
}
