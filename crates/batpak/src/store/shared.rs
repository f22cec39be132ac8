//! What all clones of a store and its background thread share.

use crate::store::cache::States;
use crate::store::commit::Commit;
use crate::store::decide::Turns;
use crate::store::follow::Following;
use crate::store::freeze::Freezing;
use crate::store::kinds::Kinds;
use crate::store::open::OpenIndexReport;
use crate::store::random::RandomPool;
use crate::store::signal::Signal;
use crate::store::wakers::Wakers;
use crate::store::watch::Changes;
use crate::store::watermark::Watermark;
use crate::store::{StoreConfig, StoreError};
use batpak_core::Frontier;
use batpak_index::Index;
use batpak_segment::{Log, LogError, LogReader, Position, SharedWatermark};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: StoreConfig,
    pub(crate) reader: LogReader,
    pub(crate) index: Arc<Index>,
    pub(crate) kinds: Kinds,
    /// Held while a damaged part of the index is made anew.
    pub(crate) rebuilding: Mutex<()>,
    /// How many were. Relaxed: nothing follows from it.
    pub(crate) damaged_parts: AtomicU64,
    /// Every sequence below it can be read: set after the rows below it and the tiers that they are in.
    visible: Watermark,
    /// Every event below it is known to be durable, and visible: set after `visible`.
    settled: Watermark,
    closed: AtomicBool,
    pub(crate) report: OpenIndexReport,
    pub(crate) head: Mutex<Frontier>,
    pub(crate) states: States,
    /// Whether there are events that a salvage could not save, once somebody has looked.
    pub(crate) has_lost: OnceLock<bool>,
    pub(crate) changes: Changes,
    pub(crate) turns: Turns,
    writing: Option<Writing>,
    /// Of a store that is open for reading only.
    pub(crate) following: Option<Mutex<Following>>,
}

/// What only a store that is open for writing has.
#[derive(Debug)]
pub(crate) struct Writing {
    pub(crate) log: Log,
    commit: Mutex<Commit>,
    pub(crate) salts: Mutex<RandomPool>,
    pub(crate) signal: Signal,
    pub(crate) wakers: Wakers,
    pub(crate) freezing: Freezing,
    /// What readers in other processes may see; none where one start of the machine cannot be told from another.
    watermark: Option<SharedWatermark>,
    /// Held by who makes room in the log. Taken before the commit lock.
    room: Mutex<()>,
}

impl Writing {
    pub(crate) fn new(log: Log, commit: Commit, salts: RandomPool, watermark: Option<SharedWatermark>) -> Self {
        Self {
            log,
            commit: Mutex::new(commit),
            salts: Mutex::new(salts),
            signal: Signal::default(),
            wakers: Wakers::default(),
            freezing: Freezing::default(),
            watermark,
            room: Mutex::default(),
        }
    }

    pub(crate) fn room(&self) -> MutexGuard<'_, ()> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic under the lock cannot happen between the log's write and the rows that follow it: nothing there calls
    /// anybody else's code.
    pub(crate) fn commit(&self) -> MutexGuard<'_, Commit> {
        self.commit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a store is open for.
pub(crate) enum Side {
    Writing(Box<Writing>),
    /// Reading what another one writes, up to what that shows.
    Following {
        following: Following,
        shown: u64,
    },
}

impl Shared {
    pub(crate) fn new(
        config: StoreConfig,
        reader: LogReader,
        index: Arc<Index>,
        kinds: Kinds,
        report: OpenIndexReport,
        side: Side,
    ) -> Self {
        let end = index.tiers().end();
        let (visible, writing, following) = match side {
            Side::Writing(writing) => (end, Some(*writing), None),
            Side::Following { following, shown } => (shown.min(end), None, Some(Mutex::new(following))),
        };
        Self {
            config,
            reader,
            index,
            kinds,
            rebuilding: Mutex::default(),
            damaged_parts: AtomicU64::new(0),
            visible: Watermark::new(visible),
            settled: Watermark::new(visible),
            closed: AtomicBool::new(false),
            report,
            head: Mutex::default(),
            states: States::default(),
            has_lost: OnceLock::new(),
            changes: Changes::default(),
            turns: Turns::default(),
            writing,
            following,
        }
    }

    pub(crate) fn visible(&self) -> u64 {
        self.visible.get()
    }

    /// Called under the commit lock, so that it only rises.
    pub(crate) fn set_visible(&self, sequence: u64) {
        self.visible.set(sequence);
        // Other processes see it after this one.
        if let Some(watermark) = self.writing.as_ref().and_then(|writing| writing.watermark.as_ref()) {
            watermark.set(sequence);
        }
        self.changes.tell();
    }

    pub(crate) fn check_open(&self) -> Result<(), StoreError> {
        // Acquire: pairs with the swap in `close`, so that who is refused also sees what closed the store.
        if self.closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }

    pub(crate) fn writing(&self) -> Result<&Writing, StoreError> {
        self.check_open()?;
        self.writing.as_ref().ok_or(StoreError::ReadOnly)
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.writing.is_none()
    }

    /// The writing side, also of a closed store.
    pub(crate) fn writing_or_none(&self) -> Option<&Writing> {
        self.writing.as_ref()
    }

    /// Every event below it is durable, and visible.
    pub(crate) fn settled(&self) -> u64 {
        self.settled.get()
    }

    /// Makes everything below `sequence` durable and shows what may be shown then.
    pub(crate) fn make_durable(&self, writing: &Writing, sequence: u64) -> Result<(), StoreError> {
        let has_shown = Cell::new(false);
        let show = || {
            self.show(writing);
            has_shown.set(true);
        };
        let synced = writing.log.sync_to_then(sequence, show);
        // The end of a segment makes durable too, and shows nothing by itself.
        if synced.is_ok() && self.settled() < sequence {
            show();
        }
        if synced.is_err() || has_shown.get() {
            writing.wakers.wake(synced.as_ref().map_or(u64::MAX, |()| self.settled()));
        }
        Ok(synced?)
    }

    /// Shows what is as durable as its writer asked, and tells who waits for it.
    pub(crate) fn publish(&self, writing: &Writing) {
        self.show(writing);
        writing.wakers.wake(self.settled());
    }

    /// Shows what is as durable as its writer asked. Wakers are not called here, because this may run before others
    /// are woken that wait for the same sync, and a waker may do what it likes.
    fn show(&self, writing: &Writing) {
        let mut commit = writing.commit();
        let durable = writing.log.durable_sequence();
        let visible = commit.settle(durable);
        if visible > self.visible() {
            self.set_visible(visible);
        }
        self.settled.set(durable);
        let exposed = commit.exposure.since().is_some();
        drop(commit);
        // What was written behind a commit that waited for its own sync is not covered by that sync, and found the
        // exposure begun by that commit, so nobody has told the thread that keeps the interval.
        if exposed {
            writing.signal.work();
        }
    }

    /// Shows the record of an event, where it stands if it is mapped. Damage that is met ends writing.
    #[inline]
    pub(crate) fn with_record<T>(
        &self,
        position: Position,
        look: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.reader.with_record(position, look).map_err(|error| self.damaged(error))?
    }

    /// Once damage is known nothing more is written.
    pub(crate) fn damaged(&self, error: LogError) -> StoreError {
        if let (true, Some(writing)) = (error.is_corruption(), &self.writing) {
            writing.log.fail("read", &error);
        }
        error.into()
    }

    /// An error that was met off the way of a reader: if it tells of damage, writing ends.
    pub(crate) fn known(&self, error: StoreError) -> StoreError {
        if let (StoreError::Corrupt { .. }, Some(writing)) = (&error, &self.writing) {
            writing.log.fail("read", &error);
        }
        error
    }

    /// Ends the store for every clone. Whoever comes first does it.
    pub(crate) fn close(&self) -> Result<(), StoreError> {
        // AcqRel: pairs with the load in `check_open`, and of several calls with one another, of which one is the first.
        if self.closed.swap(true, Ordering::AcqRel) {
            return Err(StoreError::Closed);
        }
        self.changes.end();
        let Some(writing) = &self.writing else { return Ok(()) };
        self.close_backlog(writing);
        let synced = writing.log.sync();
        self.publish(writing);
        if synced.is_ok() {
            // Derived: without it the next open reads the segments, and says why.
            let _ = self.save_index(writing);
            let _ = self.save_kinds();
        }
        let closed = writing.log.close();
        // That has synced what came in the last moment.
        self.publish(writing);
        // Whoever waits for what will never be durable now is told.
        writing.wakers.wake(u64::MAX);
        Ok(synced.and(closed)?)
    }
}
