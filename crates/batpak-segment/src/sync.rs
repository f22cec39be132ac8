//! Group sync: of the threads that wait for durability one leads, and one sync serves all that was written before it
//! began. Threads that were served together come back one by one, so a leader lingers until as many wait as last time,
//! at most half as long as the last sync took.

use crate::error::{Failure, LogError};
use crate::file_system::{Clock, File};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

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
    state: Mutex<State>,
    wake: Condvar,
    /// Wakes a leader that lingers.
    gathered: Condvar,
    /// Copies of the state's fields for those who only look. Relaxed loads suffice: they publish nothing else, and a
    /// value that is too old only makes a mark weaker or a wait take the lock.
    durable_sequence: AtomicU64,
    durable_segment: AtomicU64,
    durable_offset: AtomicU64,
    failure: OnceLock<Arc<Failure>>,
}

#[derive(Debug)]
struct State {
    durable: Written,
    /// Somebody syncs, or lingers before that.
    syncing: bool,
    lingering: bool,
    /// Number of group syncs that have begun.
    turn: u64,
    /// How many threads wait for the next one to begin, and how many did so for the last one.
    waiting: usize,
    served: usize,
    /// How long the last one took.
    took: Duration,
}

impl State {
    /// Counts a thread among those that wait for the next turn, which is returned.
    fn join(&mut self) -> u64 {
        self.waiting += 1;
        self.turn
    }

    /// A thread that was counted for `turn` waits no longer.
    fn leave(&mut self, turn: Option<u64>) {
        if turn == Some(self.turn) {
            self.waiting -= 1;
        }
    }

    fn begin_turn(&mut self) {
        self.served = std::mem::take(&mut self.waiting);
        self.turn += 1;
    }
}

impl GroupSync {
    pub(crate) fn new(durable: &Written, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            durable: *durable,
            syncing: false,
            lingering: false,
            turn: 0,
            waiting: 0,
            served: 0,
            took: Duration::ZERO,
        };
        Self {
            clock,
            state: Mutex::new(state),
            wake: Condvar::new(),
            gathered: Condvar::new(),
            durable_sequence: AtomicU64::new(durable.sequence),
            durable_segment: AtomicU64::new(durable.segment),
            durable_offset: AtomicU64::new(durable.offset),
            failure: OnceLock::new(),
        }
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
        let guard = self.state();
        let first = Arc::clone(self.failure.get_or_init(|| Arc::new(failure)));
        drop(guard);
        self.wake.notify_all();
        first
    }

    /// Waits until `reached` says that what is durable suffices. Whoever finds no sync under way does one.
    pub(crate) fn wait(
        &self,
        reached: impl Fn(&Written) -> bool,
        written: impl Fn() -> (Written, Arc<dyn File>),
    ) -> Result<(), LogError> {
        let mut state = self.state();
        let mut joined = None;
        loop {
            if reached(&state.durable) {
                state.leave(joined);
                return Ok(());
            }
            if let Some(cause) = self.failure.get() {
                state.leave(joined);
                return Err(LogError::Failed { cause: Arc::clone(cause) });
            }
            if joined.is_none() {
                joined = Some(state.join());
            }
            if state.syncing {
                if state.lingering && state.waiting >= state.served {
                    self.gathered.notify_one();
                }
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                state.syncing = true;
                self.linger(state).begin_turn();
                self.lead(&written);
                state = self.state();
            }
        }
    }

    /// Waits until as many threads wait as last time, or half as long as a sync takes.
    fn linger<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let limit = state.took / 2;
        if limit.is_zero() || state.waiting >= state.served {
            return state;
        }
        state.lingering = true;
        let missing = |state: &mut State| state.waiting < state.served && self.failure.get().is_none();
        let waited = self.gathered.wait_timeout_while(state, limit, missing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.lingering = false;
        state
    }

    /// Waits until no sync is under way and keeps others from beginning one: two at once on one file are not safe,
    /// because the system tells only one of them that writing has failed. Taken before the writer's lock, as a leader
    /// takes it.
    pub(crate) fn lead_alone(&self) -> Leading<'_> {
        let mut state = self.state();
        while state.syncing {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.syncing = true;
        drop(state);
        Leading(self)
    }

    /// Runs what changes files. If it panics, nobody knows what they hold: the log ends.
    pub(crate) fn attempt<T>(&self, operation: &'static str, change: impl FnOnce() -> T) -> T {
        let unwinding = Unwinding { sync: self, operation };
        let result = change();
        std::mem::forget(unwinding);
        result
    }

    /// One sync, for all that was written before it begins.
    fn lead(&self, written: &impl Fn() -> (Written, Arc<dyn File>)) {
        let leading = Leading(self);
        let (target, file) = written();
        let begun = self.clock.monotonic();
        match self.attempt("sync", || file.sync()) {
            Ok(()) => {
                self.advance(&target);
                self.state().took = self.clock.monotonic().saturating_sub(begun);
            }
            Err(error) => {
                let reason = error.to_string();
                self.fail(Failure { operation: "sync", reason, kind: error.kind() });
            }
        }
        drop(leading);
    }

    /// Everything up to `target` is durable. After a failure that is not said any more: the system may report success
    /// for a sync that follows a failed one.
    pub(crate) fn advance(&self, target: &Written) {
        let mut state = self.state();
        if self.failure.get().is_some() || target.frames < state.durable.frames {
            return;
        }
        state.durable = *target;
        self.durable_offset.store(target.offset, Ordering::Release);
        self.durable_segment.store(target.segment, Ordering::Release);
        self.durable_sequence.store(target.sequence, Ordering::Release);
    }

    /// A panic cannot leave the state half changed: it is replaced as a whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the leadership and wakes the others, also when the file system panics.
pub(crate) struct Leading<'a>(&'a GroupSync);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.state().syncing = false;
        self.0.wake.notify_all();
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
