//! The thread that syncs so that appends need not: when a quarter of the sync policy is used up, or half of its
//! interval, and for what was submitted.
//! It exists from the first append or submission that does not wait for its sync.

use crate::store::StoreError;
use crate::store::place::is_due;
use crate::store::shared::{Shared, Writing};
use crate::store::signal::Next;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

#[derive(Debug, Default)]
pub(crate) struct Background {
    started: OnceLock<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts the thread if it does not run.
    pub(crate) fn ensure(&self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        if self.started.get().is_some() || !shared.config.has_threads() {
            return Ok(());
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let shared = Arc::clone(shared);
            let path = shared.config.data_dir.clone();
            let spawned = thread::Builder::new().name("batpak-sync".to_owned()).spawn(move || run(&shared));
            *thread = Some(spawned.map_err(|source| StoreError::Io {
                operation: "start the sync thread of",
                path,
                source,
            })?);
            let _ = self.started.set(());
        }
        Ok(())
    }

    /// Ends the thread and waits for it.
    pub(crate) fn stop(&self, shared: &Shared) {
        if let Some(writing) = shared.writing_or_none() {
            writing.signal.stop();
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread returns errors through the store; a panic in it has been reported by then.
            let _ = thread.join();
        }
    }
}

/// When the thread ends, be it by a panic of the file system, nobody waits for it in vain.
struct Ended<'a>(&'a Shared, &'a Writing);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let Self(shared, writing) = self;
        // After a failure everything is refused without touching a file.
        if writing.log.failure().is_some() {
            shared.work_off(writing);
            writing.wakers.wake(u64::MAX);
        }
    }
}

fn run(shared: &Shared) {
    let Some(writing) = shared.writing_or_none() else { return };
    let _ended = Ended(shared, writing);
    while let Some(work) = writing.signal.next(|| next_work(shared, writing)) {
        match work {
            Work::Backlog => shared.work_off(writing),
            Work::Sync => {
                if sync(shared, writing).is_err() {
                    return;
                }
            }
        }
    }
}

fn sync(shared: &Shared, writing: &Writing) -> Result<(), StoreError> {
    shared.make_durable(writing, writing.log.next_sequence())?;
    // If it cannot be made ahead, the append that needs it tries again and tells why.
    let _ = writing.log.prepare_next();
    Ok(())
}

/// What the thread would do now; false if that is nothing.
#[cfg(feature = "testing")]
pub(crate) fn step(shared: &Shared, writing: &Writing) -> Result<bool, StoreError> {
    match next_work(shared, writing) {
        Next::Nothing | Next::In(_) => return Ok(false),
        Next::Now(Work::Backlog) => shared.work_off(writing),
        Next::Now(Work::Sync) => sync(shared, writing)?,
    }
    Ok(true)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Sync,
    /// Commits that are queued.
    Backlog,
}

fn next_work(shared: &Shared, writing: &Writing) -> Next<Work> {
    let commit = writing.commit();
    let is_empty = commit.backlog.is_empty();
    let since = commit.exposure.since();
    drop(commit);
    if !is_empty {
        return Next::Now(Work::Backlog);
    }
    if writing.signal.wanted() > shared.settled() {
        return Next::Now(Work::Sync);
    }
    let Some(since) = since else { return Next::Nothing };
    let policy = &shared.config.sync;
    if is_due(writing.log.unsynced(), policy) {
        return Next::Now(Work::Sync);
    }
    // When half of the interval has gone, so that the sync ends within the whole.
    let left = (since + policy.interval / 2).saturating_sub(shared.config.environment.clock.monotonic());
    if left.is_zero() { Next::Now(Work::Sync) } else { Next::In(left) }
}
