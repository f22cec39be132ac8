//! A crash at each call to files that a piece of work makes.

use crate::store::{Store, StoreConfig, StoreError};
use crate::testing::{Death, Fault, FaultyFileSystem, When};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use thiserror::Error;

/// What was wrong before anything could be checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Crashed {
    /// The work failed, though nothing went wrong.
    #[error("the work fails without a crash")]
    Work(#[source] StoreError),
    /// The work makes other calls each time, so there is no telling where the crash was to be.
    #[error("the work does not come to call {call} as it did the first time: it must do the same each time")]
    NotTheSame {
        /// Number of the call, from 1 on.
        call: u64,
    },
    /// The store does not open after a crash: a defect of this crate.
    #[error("the store does not open after a crash at call {call}")]
    Open {
        /// Number of the call, from 1 on.
        call: u64,
        /// Why.
        source: StoreError,
    },
}

/// Has the power fail at each call to files that `work` makes with a new store, one after the other, opens what the
/// disk may hold then, and has `check` look at it. Returns how often it did.
///
/// `work` is run once for each call, and must do the same each time. Where the power fails it ends, by unwinding. What it
/// has been told until then has to be kept outside of it, and forgotten when it begins again: an event whose append has
/// returned is there if it was [`Synced`](crate::store::Durability::Synced), or if [`Store::sync`] has returned after it.
/// The store has small segments, and no threads: what they would do is done when it is closed, after `work`.
///
/// # Errors
/// If the work fails by itself, or differs from one time to the other; if the store does not open after a crash.
///
/// # Panics
/// If `work` or `check` does.
///
/// # Examples
/// ```
/// use batpak::prelude::*;
/// use batpak::testing::every_crash;
/// use std::cell::Cell;
///
/// let seat = Coordinate::new("seat:4", "hall")?;
/// let paid = Cell::new(false);
/// let crashes = every_crash(
///     |store| {
///         paid.set(false);
///         store.append(&seat, EventKind::custom(1, 1), &"taken")?;
///         store.append(&seat, EventKind::custom(1, 2), &"paid")?;
///         store.sync()?;
///         paid.set(true);
///         Ok(())
///     },
///     |reopened| {
///         let events = reopened.stream("seat:4").len();
///         assert!(events == 2 || !paid.get(), "who has paid has the seat");
///     },
/// )?;
/// assert!(crashes > 50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn every_crash(
    work: impl FnMut(&Store) -> Result<(), StoreError>,
    check: impl FnMut(&Store),
) -> Result<u64, Crashed> {
    let cuts = |files: &FaultyFileSystem, call: u64| (0..3).map(|n| files.after_power_cut(call * 3 + n)).collect();
    Run { work, check, left: cuts, checked: 0 }.every_call()
}

/// As [`every_crash`], but only the process dies, and nothing that was written is lost: each event whose append has
/// returned is there.
///
/// # Errors
/// As [`every_crash`].
///
/// # Panics
/// As [`every_crash`].
pub fn every_kill(
    work: impl FnMut(&Store) -> Result<(), StoreError>,
    check: impl FnMut(&Store),
) -> Result<u64, Crashed> {
    let kill = |files: &FaultyFileSystem, _| vec![files.after_kill()];
    Run { work, check, left: kill, checked: 0 }.every_call()
}

/// Some work, and what is left of a machine when it crashes.
struct Run<W, C, L> {
    work: W,
    check: C,
    left: L,
    checked: u64,
}

fn open(files: &FaultyFileSystem) -> Result<Store, StoreError> {
    let config = StoreConfig::new("/data/store").with_environment(files.environment());
    Store::open(config.with_segment_max_bytes(4096).without_threads())
}

impl<W, C, L> Run<W, C, L>
where
    W: FnMut(&Store) -> Result<(), StoreError>,
    C: FnMut(&Store),
    L: Fn(&FaultyFileSystem, u64) -> Vec<FaultyFileSystem>,
{
    fn every_call(mut self) -> Result<u64, Crashed> {
        let files = FaultyFileSystem::seeded(1);
        let store = open(&files).map_err(Crashed::Work)?;
        // Before that nothing was told, and `work` cannot have forgotten what it was told the last time.
        let first = files.calls() + 1;
        self.work_with(store).map_err(Crashed::Work)?;
        for call in first..=files.calls() {
            self.crash_at(call)?;
        }
        Ok(self.checked)
    }

    fn work_with(&mut self, store: Store) -> Result<(), StoreError> {
        (self.work)(&store)?;
        store.close()
    }

    fn crash_at(&mut self, call: u64) -> Result<(), Crashed> {
        let files = FaultyFileSystem::seeded(1);
        files.plan(When::Call(call), Fault::Death);
        if let Err(unwound) = catch_unwind(AssertUnwindSafe(|| self.work_with(open(&files)?)))
            && !unwound.is::<Death>()
        {
            resume_unwind(unwound);
        }
        if !files.has_crashed() {
            return Err(Crashed::NotTheSame { call });
        }
        for left in (self.left)(&files, call) {
            self.look_at(&left.after_kill(), call)?;
            self.crash_while_opening(&left, call)?;
        }
        Ok(())
    }

    fn look_at(&mut self, files: &FaultyFileSystem, call: u64) -> Result<(), Crashed> {
        let store = open(files).map_err(|source| Crashed::Open { call, source })?;
        (self.check)(&store);
        self.checked += 1;
        Ok(())
    }

    /// It crashes once more, at some call while it is opened.
    fn crash_while_opening(&mut self, files: &FaultyFileSystem, call: u64) -> Result<(), Crashed> {
        files.plan(When::Call(1 + call % 64), Fault::Crash);
        drop(open(files));
        match (self.left)(files, call).first() {
            Some(left) if files.has_crashed() => self.look_at(left, call),
            _ => Ok(()),
        }
    }
}
