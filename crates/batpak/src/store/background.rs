//! The thread that keeps the sync interval. It exists from the first append that is not synced at once.

use crate::store::StoreError;
use crate::store::shared::{Shared, Writing};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How the thread is woken and stopped.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    stop: Mutex<bool>,
    wake: Condvar,
    /// Whether the thread waits without a time limit. It says so before it looks for work under the commit lock, so
    /// whoever adds work under that lock afterwards sees it.
    idle: AtomicBool,
}

impl Signal {
    /// There is work again. Costs nothing while the thread is awake.
    pub(crate) fn work(&self) {
        if self.idle.load(Ordering::Acquire) {
            drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Background {
    started: OnceLock<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts the thread if it does not run.
    pub(crate) fn ensure(&self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        if self.started.get().is_some() {
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
            *writing.signal.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
            writing.signal.wake.notify_all();
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread returns errors through the store; a panic in it has been reported by then.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared) {
    let Some(writing) = shared.writing_or_none() else { return };
    let signal = &writing.signal;
    loop {
        let stop = signal.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if *stop {
            return;
        }
        signal.idle.store(true, Ordering::Release);
        match until_due(shared, writing) {
            None => {
                drop(signal.wake.wait(stop).unwrap_or_else(PoisonError::into_inner));
                signal.idle.store(false, Ordering::Release);
            }
            Some(Duration::ZERO) => {
                signal.idle.store(false, Ordering::Release);
                drop(stop);
                if shared.make_durable(writing, writing.log.next_sequence()).is_err() {
                    return;
                }
            }
            Some(left) => {
                signal.idle.store(false, Ordering::Release);
                drop(signal.wake.wait_timeout(stop, left).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

/// How long until a sync is due: when half of the interval has gone, so that it ends within the whole. `None` if
/// nothing may be lost.
fn until_due(shared: &Shared, writing: &Writing) -> Option<Duration> {
    let since = writing.commit().exposure.since()?;
    let due = since + shared.config.sync.interval / 2;
    Some(due.saturating_sub(shared.config.environment.clock.monotonic()))
}
