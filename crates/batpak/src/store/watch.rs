//! Watching the state of an entity.

use crate::store::projection::Projected;
use crate::store::shared::Shared;
use crate::store::{EventSourced, Store, StoreError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How threads learn that more is visible, at next to no cost while none waits.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Whether somebody waits for the next change. It is said under the commit lock before it is looked whether
    /// something is new, and read under that lock after something has become visible, so no change is missed.
    awaited: AtomicBool,
    /// How often somebody was told, and whether the store was closed.
    told: Mutex<(u64, bool)>,
    condition: Condvar,
}

impl Changes {
    /// More is visible. Called under the commit lock.
    #[inline]
    pub(crate) fn tell(&self) {
        // Relaxed: the commit lock orders it.
        if self.awaited.load(Ordering::Relaxed) {
            self.wake(false);
        }
    }

    /// There will be nothing more.
    pub(crate) fn end(&self) {
        self.wake(true);
    }

    #[cold]
    fn wake(&self, is_closed: bool) {
        self.awaited.store(false, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.0 += 1;
        told.1 |= is_closed;
        drop(told);
        self.condition.notify_all();
    }

    fn told(&self) -> u64 {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until somebody is told more often than `seen`, or the store is closed, or for this time.
    fn wait(&self, seen: u64, timeout: Duration) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing_new = |told: &mut (u64, bool)| told.0 == seen && !told.1;
        let _ = self.condition.wait_timeout_while(told, timeout, nothing_new).unwrap_or_else(PoisonError::into_inner);
    }
}

/// How often a store that is open for reading only looks for more.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl Shared {
    /// Waits until more is visible than `visible`, or for this time.
    fn wait_for_more(&self, store: &Store, visible: u64, timeout: Duration) -> Result<(), StoreError> {
        let Some(writing) = self.writing_or_none() else {
            thread::sleep(LOOK_AGAIN.min(timeout));
            return store.refresh().map(drop);
        };
        let seen = self.changes.told();
        let commit = writing.commit();
        self.changes.awaited.store(true, Ordering::Relaxed);
        let is_new = self.visible() > visible;
        drop(commit);
        if !is_new {
            self.changes.wait(seen, timeout);
        }
        Ok(())
    }
}

/// The state of an entity, told again whenever it has changed.
#[derive(Debug)]
pub struct Watch<T> {
    store: Store,
    projected: Projected<T>,
}

impl Store {
    /// Watches the state of an entity.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    /// use std::time::Duration;
    ///
    /// #[derive(Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1, type_id = 1, name = "account.paid")]
    /// struct Paid(i64);
    ///
    /// #[derive(Debug, Default, PartialEq)]
    /// struct Balance(i64);
    ///
    /// impl Projection for Balance {
    ///     type Event = Paid;
    ///
    ///     fn apply(&mut self, event: &Event<Paid>) {
    ///         self.0 += event.payload().0;
    ///     }
    /// }
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let account = Coordinate::new("account:7", "bank")?;
    /// let mut balance = store.watch::<Balance>("account:7");
    /// let paying = std::thread::spawn({
    ///     let store = store.clone();
    ///     move || store.append_typed(&account, &Paid(500))
    /// });
    /// assert_eq!(balance.next(Duration::from_secs(60))?, Some(&Balance(500)));
    /// assert_eq!(balance.next(Duration::ZERO)?, None);
    /// paying.join().expect("a thread")?;
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch<T: EventSourced>(&self, entity: &str) -> Watch<T> {
        Watch { store: self.clone(), projected: self.projected(entity) }
    }
}

impl<T: EventSourced> Watch<T> {
    /// The newest state, once an event that matters has come since the last call; the first call tells what is there.
    /// Several changes since then are told as one. `None` if there was none within `timeout`.
    ///
    /// The thread sleeps meanwhile; of a store that is open for reading only it looks for more each millisecond.
    ///
    /// # Errors
    /// As [`Store::project`]; `Closed` once the store is closed.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<&T>, StoreError> {
        let start = Instant::now();
        let shared = self.store.shared();
        loop {
            let visible = shared.visible();
            if self.projected.advance(visible)? {
                return Ok(self.projected.state());
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            shared.wait_for_more(&self.store, visible, left)?;
        }
    }
}
