//! What can be set about a store.

use crate::event_payload::{EventPayload, KindInfo};
use crate::store::StoreError;
use crate::store::kinds::check_program;
use batpak_core::KIND_DESCRIPTION_MAX_BYTES;
use batpak_segment::{Environment, LogConfig, WritePath};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What an acknowledged event survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// The death of the process. A power cut takes at most what [`SyncConfig`] allows.
    #[default]
    Written,
    /// A power cut.
    Synced,
}

/// At most how much of what is only [`Written`](Durability::Written) a power cut may take: whichever of the three is
/// the least. A thread of the store syncs when a quarter of the events or bytes, or half of the time, is used up; an
/// append waits rather than break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncConfig {
    /// Number of events, at least 1; 1000 by default. With 1 the store's default durability is
    /// [`Synced`](Durability::Synced).
    pub every_n_events: u64,
    /// Bytes on disk, at least 4096; 8 MiB by default.
    pub max_bytes: u64,
    /// What came after the last sync that began within this time, from 1 ms to 1 hour; 100 ms by default.
    pub interval: Duration,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self { every_n_events: 1000, max_bytes: 8 << 20, interval: Duration::from_millis(100) }
    }
}

/// Options of a store. Each has a builder of the same name; those that are out of bounds are refused by
/// [`Store::open`](crate::store::Store::open), which names the field.
///
/// # Examples
/// ```
/// use batpak::store::StoreConfig;
///
/// let config = StoreConfig::new("events").with_sync_every_n_events(100);
/// assert_eq!(config.sync.every_n_events, 100);
/// ```
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The directory of the store. It is made if need be.
    pub data_dir: PathBuf,
    /// A segment is left for the next one before it grows beyond this, in bytes, from 512 to 1 GiB; 64 MiB by default.
    pub segment_max_bytes: u64,
    /// How many files of sealed segments may be open at once, from 1 to 65536; 64 by default.
    pub fd_budget: usize,
    /// When what is only written is synced.
    pub sync: SyncConfig,
    /// The largest payload in encoded bytes, from 1 to 256 MiB; 16 MiB by default.
    pub payload_max_bytes: u64,
    /// The most events in one batch, from 1 to 1,048,576; 65,536 by default.
    pub batch_max_events: usize,
    /// The largest batch, in bytes on disk with all that the format adds, from 1 KiB to 1 GiB; 64 MiB by default. A
    /// single event is bounded by `payload_max_bytes` alone.
    pub batch_max_bytes: u64,
    /// Whether a close writes the index and an open reads it into memory; true by default.
    pub enable_checkpoint: bool,
    /// Whether a close writes the index and an open maps it, or reads it where files cannot be mapped; true by default,
    /// and preferred over a checkpoint.
    pub enable_mmap_index: bool,
    /// How appends reach the disk; through the tail by default.
    pub write_path: WritePath,
    /// The kinds of events that the program knows by name; none by default. A store in which one of them means something
    /// else is not opened. [`with_events`](Self::with_events) adds those of a type.
    pub events: Vec<KindInfo>,
    /// Whether states and typed reads go on without events that a [salvage](crate::store::salvage) could not save; false
    /// by default: what may be wrong without one is refused as [`Lost`](crate::store::StoreError::Lost).
    pub accept_lost_events: bool,
    /// Files, time and randomness: the real ones by default.
    pub environment: Environment,
    /// Who does what is done off the way of an append: the store's own threads by default.
    #[cfg(feature = "testing")]
    pub threads: Threads,
}

/// Who syncs ahead of appends, freezes and merges.
#[cfg(feature = "testing")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// Threads of the store.
    Own,
    /// Whoever calls for it, on the thread that calls: the same calls then have the same effects in the same order.
    None,
}

/// What a record and its frame add to a payload, at most: names, metadata, tags and the format's own fields.
const RECORD_OVERHEAD_MAX: u64 = 16 << 10;

/// What a frame has beside the first event of a kind, at most.
const DESCRIPTION_MAX: u64 = KIND_DESCRIPTION_MAX_BYTES as u64 + 64;

impl StoreConfig {
    /// The defaults, for the store in `data_dir`.
    pub fn new(data_dir: impl AsRef<Path>) -> Self {
        Self {
            data_dir: data_dir.as_ref().to_path_buf(),
            segment_max_bytes: 64 << 20,
            fd_budget: 64,
            sync: SyncConfig::default(),
            payload_max_bytes: 16 << 20,
            batch_max_events: 65_536,
            batch_max_bytes: 64 << 20,
            enable_checkpoint: true,
            enable_mmap_index: true,
            write_path: WritePath::default(),
            events: Vec::new(),
            accept_lost_events: false,
            environment: Environment::default(),
            #[cfg(feature = "testing")]
            threads: Threads::Own,
        }
    }

    /// The defaults, but every append is [`Synced`](Durability::Synced) unless it says otherwise.
    pub fn synced(data_dir: impl AsRef<Path>) -> Self {
        Self::new(data_dir).with_sync_every_n_events(1)
    }

    /// Sets [`segment_max_bytes`](Self::segment_max_bytes).
    #[must_use]
    pub fn with_segment_max_bytes(mut self, bytes: u64) -> Self {
        self.segment_max_bytes = bytes;
        self
    }

    /// Sets [`fd_budget`](Self::fd_budget).
    #[must_use]
    pub fn with_fd_budget(mut self, files: usize) -> Self {
        self.fd_budget = files;
        self
    }

    /// Sets [`SyncConfig::every_n_events`].
    #[must_use]
    pub fn with_sync_every_n_events(mut self, events: u64) -> Self {
        self.sync.every_n_events = events;
        self
    }

    /// Sets [`SyncConfig::max_bytes`].
    #[must_use]
    pub fn with_sync_max_bytes(mut self, bytes: u64) -> Self {
        self.sync.max_bytes = bytes;
        self
    }

    /// Sets [`SyncConfig::interval`].
    #[must_use]
    pub fn with_sync_interval(mut self, interval: Duration) -> Self {
        self.sync.interval = interval;
        self
    }

    /// Sets [`payload_max_bytes`](Self::payload_max_bytes).
    #[must_use]
    pub fn with_payload_max_bytes(mut self, bytes: u64) -> Self {
        self.payload_max_bytes = bytes;
        self
    }

    /// Sets [`batch_max_events`](Self::batch_max_events).
    #[must_use]
    pub fn with_batch_max_events(mut self, events: usize) -> Self {
        self.batch_max_events = events;
        self
    }

    /// Sets [`batch_max_bytes`](Self::batch_max_bytes).
    #[must_use]
    pub fn with_batch_max_bytes(mut self, bytes: u64) -> Self {
        self.batch_max_bytes = bytes;
        self
    }

    /// Sets [`enable_checkpoint`](Self::enable_checkpoint).
    #[must_use]
    pub fn with_enable_checkpoint(mut self, enable: bool) -> Self {
        self.enable_checkpoint = enable;
        self
    }

    /// Sets [`enable_mmap_index`](Self::enable_mmap_index).
    #[must_use]
    pub fn with_enable_mmap_index(mut self, enable: bool) -> Self {
        self.enable_mmap_index = enable;
        self
    }

    /// Sets [`write_path`](Self::write_path).
    #[must_use]
    pub fn with_write_path(mut self, path: WritePath) -> Self {
        self.write_path = path;
        self
    }

    /// Adds the kinds of a type to [`events`](Self::events).
    #[must_use]
    pub fn with_events<T: EventPayload>(mut self) -> Self {
        self.events.extend(T::KINDS);
        self
    }

    /// Sets [`accept_lost_events`](Self::accept_lost_events).
    #[must_use]
    pub fn with_accept_lost_events(mut self, accept: bool) -> Self {
        self.accept_lost_events = accept;
        self
    }

    /// Sets [`environment`](Self::environment).
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Whether the store has threads of its own.
    #[cfg_attr(not(feature = "testing"), expect(clippy::unused_self, reason = "nobody can say otherwise then"))]
    pub(crate) fn has_threads(&self) -> bool {
        #[cfg(feature = "testing")]
        let own = self.threads == Threads::Own;
        #[cfg(not(feature = "testing"))]
        let own = true;
        own
    }

    /// The store has no threads: what they would do is done when [`Store::sync_as_due`](crate::store::Store::sync_as_due)
    /// and [`Store::freeze_as_due`](crate::store::Store::freeze_as_due) are called, so that a test decides when.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn without_threads(mut self) -> Self {
        self.threads = Threads::None;
        self
    }

    /// The durability of an append that does not say its own.
    pub fn durability(&self) -> Durability {
        if self.sync.every_n_events == 1 { Durability::Synced } else { Durability::Written }
    }

    /// Checks every bound, also those that only a writer needs: options are right or wrong however a store is opened.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let interval_ms = u64::try_from(self.sync.interval.as_millis()).unwrap_or(u64::MAX);
        within("segment_max_bytes", 512, 1 << 30, self.segment_max_bytes)?;
        within("fd_budget", 1, 65536, self.fd_budget as u64)?;
        within("sync.every_n_events", 1, u64::MAX, self.sync.every_n_events)?;
        within("sync.max_bytes", 4096, u64::MAX, self.sync.max_bytes)?;
        within("sync.interval_ms", 1, 3_600_000, interval_ms)?;
        within("payload_max_bytes", 1, 256 << 20, self.payload_max_bytes)?;
        within("batch_max_events", 1, 1 << 20, self.batch_max_events as u64)?;
        within("batch_max_bytes", 1 << 10, 1 << 30, self.batch_max_bytes)?;
        check_program(&self.events)
    }

    pub(crate) fn log_config(&self) -> LogConfig {
        LogConfig {
            segment_max_bytes: self.segment_max_bytes,
            frame_max_bytes: self.batch_max_bytes.max(self.payload_max_bytes + RECORD_OVERHEAD_MAX + DESCRIPTION_MAX),
            fd_budget: self.fd_budget,
            write_path: self.write_path,
        }
    }
}

fn within(field: &'static str, min: u64, max: u64, value: u64) -> Result<(), StoreError> {
    let ok = (min..=max).contains(&value);
    if ok { Ok(()) } else { Err(StoreError::InvalidOption { field, min, max, value }) }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for StoreConfig {
    fn from(data_dir: &P) -> Self {
        Self::new(data_dir)
    }
}

impl From<PathBuf> for StoreConfig {
    fn from(data_dir: PathBuf) -> Self {
        Self::new(data_dir)
    }
}

impl From<String> for StoreConfig {
    fn from(data_dir: String) -> Self {
        Self::new(data_dir)
    }
}
