//! How the thread of a store is told that there is something to do, at next to no cost while it is awake.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(loom)]
use loom::sync::{Condvar, Mutex, MutexGuard};
use std::sync::PoisonError;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How the thread is woken and stopped.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    stop: Mutex<bool>,
    wake: Condvar,
    /// Whether the thread waits without a time limit. It says so before it looks for work under the commit lock, so
    /// whoever adds work under that lock afterwards sees it.
    idle: AtomicBool,
    /// There is something to be done at once. The thread takes it back before it looks what that is.
    due: AtomicBool,
    /// Everything below this was submitted and is to be durable.
    wanted: AtomicU64,
}

/// What the thread finds when it looks for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next<W> {
    Now(W),
    /// Something, after this time.
    In(Duration),
    Nothing,
}

impl Signal {
    /// There is work again. Costs nothing while the thread is awake.
    pub(crate) fn work(&self) {
        if self.idle.load(Ordering::Acquire) {
            self.wake();
        }
    }

    /// There is something to be done at once, which was added under the commit lock. Costs little while the thread has
    /// not taken notice of the last call.
    pub(crate) fn now(&self) {
        if !self.due.load(Ordering::Relaxed) && !self.due.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// Everything below `sequence` is to be durable soon.
    pub(crate) fn sync_to(&self, sequence: u64) {
        self.wanted.fetch_max(sequence, Ordering::AcqRel);
        // Unlike in `now`, no lock orders this and the look of the thread, so it is not enough to have read that the
        // flag is set: either the thread takes it back after this, and sees the sequence, or this wakes it.
        if !self.due.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// Everything below this is to be durable soon.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// The thread is to end.
    pub(crate) fn stop(&self) {
        *self.stopped() = true;
        self.wake.notify_all();
    }

    /// Waits until `look` finds work, and returns it; `None` if the thread is to end.
    pub(crate) fn next<W>(&self, look: impl Fn() -> Next<W>) -> Option<W> {
        loop {
            let stop = self.stopped();
            if *stop {
                return None;
            }
            self.idle.store(true, Ordering::Release);
            // Acquire: what was said to be due before is seen.
            self.due.swap(false, Ordering::AcqRel);
            let next = look();
            if !matches!(next, Next::Nothing) {
                self.idle.store(false, Ordering::Release);
            }
            match next {
                Next::Now(work) => return Some(work),
                Next::In(left) => drop(self.wake.wait_timeout(stop, left).unwrap_or_else(PoisonError::into_inner)),
                Next::Nothing => {
                    drop(self.wake.wait(stop).unwrap_or_else(PoisonError::into_inner));
                    self.idle.store(false, Ordering::Release);
                }
            }
        }
    }

    fn stopped(&self) -> MutexGuard<'_, bool> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        drop(self.stopped());
        self.wake.notify_all();
    }
}

/// Work that nobody tells the thread of in vain: the model ends when all threads wait. A wait with a limit counts as one
/// without, because what is due must not wait for the end of an interval.
#[cfg(all(test, loom))]
mod interleavings {
    use super::{Next, Signal};
    use loom::sync::Mutex;
    use loom::sync::atomic::{AtomicU64, Ordering};
    use loom::thread;
    use std::sync::Arc;
    use std::time::Duration;

    #[derive(Default)]
    struct Store {
        signal: Signal,
        /// How many events were written. Behind the commit lock.
        written: Mutex<u64>,
        /// How many are durable. Only the thread of the store changes it.
        settled: AtomicU64,
    }

    impl Store {
        fn settled(&self) -> u64 {
            self.settled.load(Ordering::Acquire)
        }

        fn written(&self) -> u64 {
            *self.written.lock().expect("no panic")
        }

        fn append(&self) -> u64 {
            let mut written = self.written.lock().expect("no panic");
            *written += 1;
            *written
        }

        fn submit(&self) {
            self.signal.sync_to(self.append());
        }

        /// What the thread of a store does until `events` are durable.
        fn run_until(&self, events: u64, look: impl Fn(&Self) -> Next<()>) {
            while self.settled() < events {
                self.signal.next(|| look(self)).expect("nobody stops it");
                self.settled.store(self.written(), Ordering::Release);
            }
        }

        /// What was appended has time, what was submitted has not.
        fn look(&self) -> Next<()> {
            let is_exposed = self.written() > self.settled();
            match self.signal.wanted() > self.settled() {
                true => Next::Now(()),
                false if is_exposed => Next::In(Duration::MAX),
                false => Next::Nothing,
            }
        }

        fn look_for_any(&self) -> Next<()> {
            if self.written() > self.settled() { Next::Now(()) } else { Next::Nothing }
        }
    }

    #[test]
    fn what_is_appended_while_the_thread_falls_asleep_wakes_it() {
        loom::model(|| {
            let store = Arc::new(Store::default());
            let thread = thread::spawn({
                let store = Arc::clone(&store);
                move || store.run_until(2, Store::look_for_any)
            });
            for _ in 0..2 {
                store.append();
                store.signal.work();
            }
            thread.join().expect("ends");
        });
    }

    #[test]
    fn what_is_submitted_is_synced_at_once() {
        loom::model(|| {
            let store = Arc::new(Store::default());
            let thread = thread::spawn({
                let store = Arc::clone(&store);
                move || store.run_until(2, Store::look)
            });
            let other = thread::spawn({
                let store = Arc::clone(&store);
                move || store.submit()
            });
            store.submit();
            other.join().expect("ends");
            thread.join().expect("ends");
        });
    }

    #[test]
    fn a_thread_that_is_stopped_ends() {
        loom::model(|| {
            let store = Arc::new(Store::default());
            let thread = thread::spawn({
                let store = Arc::clone(&store);
                move || while store.signal.next(|| store.look()).is_some() {}
            });
            store.signal.stop();
            thread.join().expect("ends");
        });
    }
}
