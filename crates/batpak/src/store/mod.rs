//! The store: open a directory, append events at coordinates, read them back.

mod append;
mod background;
mod cache;
mod causation;
mod commit;
mod condition;
mod config;
mod cursor;
mod decide;
mod error;
mod events;
mod exposure;
mod follow;
mod freeze;
mod gates;
mod job;
mod json;
mod kinds;
mod kinds_check;
mod kinds_file;
mod look_up;
mod lost;
mod open;
mod options;
mod part_check;
mod part_file;
pub(crate) mod payload;
mod place;
mod projection;
mod random;
mod read;
mod rebuild;
mod receipt;
mod records;
mod room;
mod salvage;
mod shared;
mod signal;
mod status;
#[cfg(feature = "testing")]
mod stepping;
mod submit;
mod transaction;
mod typed;
mod verify;
mod wakers;
mod watch;
mod watermark;
mod write_context;

pub use batpak_segment::{
    Clock, DirectoryEntry, Entropy, EntryKind, Environment, File, FileSystem, Lock, Mapping, MemoryFileSystem,
    OpenMode, RealFileSystem, SharedMapping, SystemClock, SystemEntropy, WritePath,
};
pub use causation::{Causes, CausesEnd, CorrelationNode, CorrelationTree};
pub use condition::Condition;
#[cfg(feature = "testing")]
pub use config::Threads;
pub use config::{Durability, StoreConfig, SyncConfig};
pub use cursor::Cursor;
pub use decide::{Committed, DecideError};
pub use error::StoreError;
pub use events::{EventRows, Events};
pub use gates::{BypassError, Bypassed, GateError, Gated};
pub use json::{payload_from_json, payload_to_json};
pub use open::{OpenIndexPath, OpenIndexReport, RefusedFile, TornEnd};
pub use options::{AppendOptions, BatchAppendItem, CausationRef, idempotency_key};
pub use projection::{
    EventSourced, Freshness, Projected, Projection, ProjectionInput, RawMsgpackInput, TypedInput, ValueInput,
};
pub use read::{EventRow, RawPayload, Rows};
pub use receipt::AppendReceipt;
pub use records::{BYPASSED, BypassRecord, DenialRecord, RefusedEvent};
pub use salvage::{LOST, Lost, Rehashed, SalvageReport, salvage};
pub use status::{Diagnostics, Head, Stats};
pub use submit::Ticket;
pub use transaction::{Staged, Transaction};
pub use verify::{ChainReport, Finding, Subject, VerifyReport, verify};
pub use watch::Watch;
pub use write_context::{READ_FAILED, StagedEvent, WriteContext, WriteGates, WritePipeline, Writes};

use background::Background;
use shared::Shared;
use std::fmt;
use std::sync::Arc;

/// An event store in a directory. Clones are handles of the same store; it can be shared between threads. The
/// destructor of a thread-local value must not use it: what it keeps per thread may be gone by then, and it panics.
///
/// One process writes a directory at a time, with [`open`](Self::open); any number read it with
/// [`open_read_only`](Self::open_read_only).
///
/// # Durability
/// An append returns when its event is as durable as its [`Durability`] says. The default,
/// [`Written`](Durability::Written), survives the death of the process; a power cut then takes at most what
/// [`SyncConfig`] allows. [`Synced`](Durability::Synced) survives a power cut. [`sync`](Self::sync) and
/// [`close`](Self::close) make everything durable.
///
/// # Consistency
/// Events are in one order, that of their sequence. Every read sees a prefix of it, in which an event appears when it
/// is as durable as its writer asked; a receipt implies that the event is visible.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared();
        let dir = &shared.config.data_dir;
        f.debug_struct("Store").field("data_dir", dir).field("visible", &shared.visible()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    background: Background,
}

impl Store {
    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Makes everything that was appended before the call durable.
    ///
    /// # Errors
    /// `Failed` if a write or sync failed, now or before; `ReadOnly`; `Closed`.
    pub fn sync(&self) -> Result<(), StoreError> {
        let shared = self.shared();
        let writing = shared.writing()?;
        writing.log.sync()?;
        shared.publish(writing);
        Ok(())
    }

    /// Waits until the event `sequence`, and with it every one before, is durable, and makes it so if nobody else does.
    ///
    /// # Errors
    /// `NotFound` if there is no such event; `Failed` if a write or sync failed, now or before; `ReadOnly`; `Closed`.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let receipt = store.append(&Coordinate::new("account:7", "bank")?, EventKind::custom(1, 1), &500)?;
    /// store.wait_durable(receipt.sequence)?;
    /// assert_eq!(store.diagnostics().durable, 1);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_durable(&self, sequence: u64) -> Result<(), StoreError> {
        let shared = self.shared();
        let writing = shared.writing()?;
        if sequence >= writing.log.next_sequence() {
            return Err(StoreError::NotFound { sequence });
        }
        shared.make_durable(writing, sequence + 1)
    }

    /// Syncs, writes the index, and releases the directory, for every clone of this store: their later calls say
    /// `Closed`.
    ///
    /// # Errors
    /// `Failed` if a write or sync failed, now or before: the directory is released nevertheless. `Closed` if it was
    /// closed before.
    pub fn close(self) -> Result<(), StoreError> {
        self.inner.stop();
        self.shared().close()
    }

    /// Copies all events that were appended before the call into `dir`, which becomes a store of its own with the same
    /// sequences, ids and hashes. Appends go on meanwhile. The directory is made if need be; what else is in it is left
    /// alone.
    ///
    /// # Errors
    /// `NotEmpty` if there is a store in `dir`; `ReadOnly`; `Closed`; `Failed`; what the file system reports. What was
    /// copied then does not open as a store.
    pub fn snapshot(&self, dir: impl AsRef<std::path::Path>) -> Result<(), StoreError> {
        let shared = self.shared();
        let writing = shared.writing()?;
        writing.log.snapshot(dir.as_ref())?;
        shared.publish(writing);
        Ok(())
    }
}

impl Inner {
    /// Ends the threads of the store.
    fn stop(&self) {
        self.background.stop(&self.shared);
        if let Some(writing) = self.shared.writing_or_none() {
            writing.freezing.stop();
        }
    }
}

impl Drop for Inner {
    /// Closes the store if that was not done; errors are lost, so call [`Store::close`].
    fn drop(&mut self) {
        self.stop();
        let _ = self.shared.close();
    }
}
