//! Group sync: of the threads that wait for durability one leads, and one sync serves all that was written before it
//! began.
//!
//! Waking a thread takes as long as a good part of a sync, and a lock that each of them has to take after it was woken
//! makes them wake one after the other. So they wait for a number to change, all of them at once, and look at atomics.
//! Threads that were served together also come back together: a leader lingers until as many wait as last time, at most
//! half as long as the last sync took.

use crate::error::{Failure, LogError};
use crate::file_system::{Clock, File};
use crate::waiting::{AtomicBool, AtomicU32, AtomicU64, OnceLock, Ordering, wait, wake_all, yield_now};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A leader that lingers gives way to other threads so often at most, should its clock stand still.
const LINGER_YIELDS: u32 = 1000;

/// How far a log was written, or is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// Number of frames since the log was opened.
    pub(crate) frames: u64,
    /// One past the last record.
    pub(crate) sequence: u64,
    /// End of the last frame in its segment, in bytes.
    pub(crate) offset: u64,
    /// Number of that segment.
    pub(crate) segment: u64,
}

#[derive(Debug)]
pub(crate) struct GroupSync {
    clock: Arc<dyn Clock>,
    /// Somebody leads. Whoever does is the only one who changes what follows up to `took`.
    syncing: AtomicBool,
    durable_frames: AtomicU64,
    durable_sequence: AtomicU64,
    durable_segment: AtomicU64,
    durable_offset: AtomicU64,
    /// How many threads the last sync served. Relaxed, as is all that is only there to guess by.
    served: AtomicU64,
    took_ns: AtomicU64,
    /// How many threads have begun to wait since the last sync began.
    waiting: AtomicU64,
    /// Counts the ends of leaderships, and failures: changed after all that those who wait look at.
    ended: AtomicU32,
    failure: OnceLock<Arc<Failure>>,
}

impl GroupSync {
    pub(crate) fn new(durable: &Written, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            syncing: AtomicBool::new(false),
            durable_frames: AtomicU64::new(durable.frames),
            durable_sequence: AtomicU64::new(durable.sequence),
            durable_segment: AtomicU64::new(durable.segment),
            durable_offset: AtomicU64::new(durable.offset),
            served: AtomicU64::new(0),
            took_ns: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            ended: AtomicU32::new(0),
            failure: OnceLock::new(),
        }
    }

    /// Every frame before this one, counted since the log was opened, is durable.
    pub(crate) fn durable_frames(&self) -> u64 {
        self.durable_frames.load(Ordering::Acquire)
    }

    pub(crate) fn durable_sequence(&self) -> u64 {
        self.durable_sequence.load(Ordering::Acquire)
    }

    /// How far segment `number` is known to be durable, 0 if that is not known.
    pub(crate) fn durable_offset(&self, number: u64) -> u64 {
        // The offset is stored before the segment and loaded after it (Release and Acquire): a stale pair can only
        // name the segment with an offset that it had, or that a later one has, which the caller excludes by holding
        // the writer's lock, under which segments change.
        if self.durable_segment.load(Ordering::Acquire) == number {
            self.durable_offset.load(Ordering::Acquire)
        } else {
            0
        }
    }

    pub(crate) fn failure(&self) -> Option<&Arc<Failure>> {
        self.failure.get()
    }

    /// Ends the log. The first failure stays, and is returned.
    pub(crate) fn fail(&self, failure: Failure) -> Arc<Failure> {
        let first = Arc::clone(self.failure.get_or_init(|| Arc::new(failure)));
        self.wake();
        first
    }

    /// Waits until `reached` says that what is durable suffices. Whoever finds no sync under way does one, and runs
    /// `shown` after it, before those who wait for it go on.
    pub(crate) fn wait(
        &self,
        reached: impl Fn(&Self) -> bool,
        written: impl Fn() -> (Written, Arc<dyn File>),
        shown: impl Fn(),
    ) -> Result<(), LogError> {
        let mut is_counted = false;
        loop {
            // Before looking: what is changed after this changes the number too.
            let ended = self.ended.load(Ordering::Acquire);
            if reached(self) {
                return Ok(());
            }
            if let Some(cause) = self.failure.get() {
                return Err(LogError::Failed { cause: Arc::clone(cause) });
            }
            if !is_counted {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                is_counted = true;
            }
            match self.try_lead() {
                Some(leading) => self.lead(&leading, &written, &shown),
                None => wait(&self.ended, ended),
            }
        }
    }

    /// Waits until no sync is under way and keeps others from beginning one: two at once on one file are not safe,
    /// because the system tells only one of them that writing has failed. Taken before the writer's lock, as a leader
    /// takes it.
    pub(crate) fn lead_alone(&self) -> Leading<'_> {
        loop {
            let ended = self.ended.load(Ordering::Acquire);
            match self.try_lead() {
                Some(leading) => return leading,
                None => wait(&self.ended, ended),
            }
        }
    }

    fn try_lead(&self) -> Option<Leading<'_>> {
        // Acquire: pairs with the Release at the end of the last leadership, so that what it changed is seen.
        let taken = self.syncing.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then(|| Leading(self))
    }

    /// Runs what changes files. If it panics, nobody knows what they hold: the log ends.
    pub(crate) fn attempt<T>(&self, operation: &'static str, change: impl FnOnce() -> T) -> T {
        let unwinding = Unwinding { sync: self, operation };
        let result = change();
        std::mem::forget(unwinding);
        result
    }

    /// One sync, for all that was written before it begins.
    fn lead(&self, leading: &Leading<'_>, written: &impl Fn() -> (Written, Arc<dyn File>), shown: &impl Fn()) {
        self.linger();
        self.served.store(self.waiting.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        let (target, file) = written();
        let begun = self.clock.monotonic();
        match self.attempt("sync", || file.sync()) {
            Ok(()) => {
                let took = self.clock.monotonic().saturating_sub(begun);
                self.took_ns.store(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
                leading.advance(&target);
                shown();
            }
            Err(error) => {
                let reason = error.to_string();
                self.fail(Failure { operation: "sync", reason, kind: error.kind() });
            }
        }
    }

    /// Gives way until as many threads wait as last time, or for half as long as a sync takes.
    fn linger(&self) {
        let limit = Duration::from_nanos(self.took_ns.load(Ordering::Relaxed)) / 2;
        let served = self.served.load(Ordering::Relaxed);
        let begun = self.clock.monotonic();
        for _ in 0..LINGER_YIELDS {
            let is_over = self.clock.monotonic().saturating_sub(begun) >= limit;
            if is_over || self.waiting.load(Ordering::Relaxed) >= served || self.failure.get().is_some() {
                return;
            }
            yield_now();
        }
    }

    fn wake(&self) {
        // Release: whoever sees the new number sees what was changed before.
        self.ended.fetch_add(1, Ordering::Release);
        wake_all(&self.ended);
    }
}

/// Leadership. It ends when this is dropped, also when the file system panics, and the others are woken.
#[derive(Debug)]
pub(crate) struct Leading<'a>(&'a GroupSync);

impl Leading<'_> {
    /// Everything up to `target` is durable. After a failure that is not said any more: the system may report success
    /// for a sync that follows a failed one.
    pub(crate) fn advance(&self, target: &Written) {
        let sync = self.0;
        if sync.failure.get().is_some() || target.frames < sync.durable_frames.load(Ordering::Relaxed) {
            return;
        }
        sync.durable_offset.store(target.offset, Ordering::Release);
        sync.durable_segment.store(target.segment, Ordering::Release);
        sync.durable_frames.store(target.frames, Ordering::Release);
        sync.durable_sequence.store(target.sequence, Ordering::Release);
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.syncing.store(false, Ordering::Release);
        self.0.wake();
    }
}

/// Ends the log when it is dropped, which only a panic does.
struct Unwinding<'a> {
    sync: &'a GroupSync,
    operation: &'static str,
}

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        let reason = "the file system panicked".to_owned();
        self.sync.fail(Failure { operation: self.operation, reason, kind: io::ErrorKind::Other });
    }
}
