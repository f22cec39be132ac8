//! Opening: recover the log, then the index, from its file as far as that goes and from the segments for the rest.

use crate::store::background::Background;
use crate::store::commit::Commit;
use crate::store::random::RandomPool;
use crate::store::read::decode_at;
use crate::store::shared::{Shared, Writing};
use crate::store::{Environment, Inner, Store, StoreConfig, StoreError, index_file};
use batpak_index::LiveWriter;
use batpak_segment::{LogReader, Repair, Unrecovered};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where the index of an open store came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenIndexPath {
    /// The index file, mapped.
    Mmap,
    /// The index file, read into memory.
    Checkpoint,
    /// The segments: every event was read.
    Rebuild,
}

/// A derived file that was not used. It was rebuilt from the segments.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedFile {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What was cut from the end of the store: it had been written, but was never known to survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornEnd {
    /// Number of the segment.
    pub segment: u64,
    /// Offset in its file, in bytes.
    pub offset: u64,
    /// Number of bytes up to the last one that was not zero.
    pub bytes: u64,
    /// Number of whole commits in them, which followed a bad place.
    pub commits: u64,
}

/// What opening a store found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenIndexReport {
    /// Where the index came from.
    pub path: OpenIndexPath,
    /// Events that were restored from the index file.
    pub events_restored: u64,
    /// Events that were read from the segments.
    pub events_scanned: u64,
    /// Number of segments.
    pub segments: u64,
    /// Derived files that were not used, and why.
    pub refused: Vec<RefusedFile>,
    /// Whether the last writer closed the store; true for a new one.
    pub closed_cleanly: bool,
    /// What was cut from the end.
    pub torn: Option<TornEnd>,
    /// Commits that the last process had not yet moved into a segment.
    pub commits_from_tail: u64,
    /// Time that opening took.
    pub elapsed: Duration,
}

impl Store {
    /// Opens the store in a directory for writing, and makes one if there is none, with the directories above; other
    /// files in it are left alone. [`open_read_only`](Self::open_read_only) makes none. What a crash left is repaired, and
    /// the [report](crate::store::Diagnostics::open_report) says so.
    ///
    /// # Errors
    /// `Locked` if another writer holds it; `ReadOnlyDirectory`; `InvalidOption`; `Corrupt` if something that had been
    /// durable is missing or changed, with segment and offset: nothing is changed then. `OlderCrate`, `ForeignFile`,
    /// `Unsupported`; `Io`.
    ///
    /// # Examples
    /// ```
    /// use batpak::store::{Store, StoreConfig};
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(StoreConfig::synced(dir.path()))?;
    /// assert_eq!(store.stats()?.events, 0);
    /// store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(config: impl Into<StoreConfig>) -> Result<Self, StoreError> {
        let config: StoreConfig = config.into();
        config.check()?;
        let env = config.environment.clone();
        let start = env.clock.monotonic();
        refuse_lost_segments(&env, &config)?;
        let unrecovered = Unrecovered::open(env.clone(), &config.data_dir, config.log_config())?;
        // The index is made before anything is mended, so that an event that cannot be read refuses the store as it is.
        let restored = unrecovered.recover_after(|reader, repair| restore(&config, reader, repair))?;
        let (log, repair, restored) = restored;
        let reader = log.reader().clone();
        let (index, mut report) = match restored {
            Some(restored) => restored,
            None => restore(&config, &reader, &repair)?,
        };
        let next = log.next_sequence();
        let last_millis = next.checked_sub(1).and_then(|last| index.live().row(last)).map_or(0, |row| row.id.millis());
        let live = Arc::clone(index.live());
        let commit = Commit::new(index, RandomPool::new(Arc::clone(&env.entropy)), last_millis);
        let writing = Writing::new(log, commit, RandomPool::new(Arc::clone(&env.entropy)));
        report.elapsed = env.clock.monotonic().saturating_sub(start);
        Ok(Self::from_shared(Shared::new(config, reader, live, report, Some(writing))))
    }

    /// Opens the store in a directory for reading, also beside a process that writes it. It takes no lock, changes
    /// nothing, and sees what was there when it was opened.
    ///
    /// # Errors
    /// `NoStore` if there is none, neither `Locked` nor `ReadOnlyDirectory`; otherwise as [`open`](Self::open).
    ///
    /// # Consistency
    /// It sees a prefix of the store. Beside a live writer that may include events whose sync is still under way.
    pub fn open_read_only(config: impl Into<StoreConfig>) -> Result<Self, StoreError> {
        let config: StoreConfig = config.into();
        config.check()?;
        let env = config.environment.clone();
        let start = env.clock.monotonic();
        refuse_lost_segments(&env, &config)?;
        let (reader, repair) = LogReader::open_with_report(&env, &config.data_dir, config.fd_budget)?;
        let (index, mut report) = restore(&config, &reader, &repair)?;
        report.elapsed = env.clock.monotonic().saturating_sub(start);
        Ok(Self::from_shared(Shared::new(config, reader, Arc::clone(index.live()), report, None)))
    }

    fn from_shared(shared: Shared) -> Self {
        let inner = Inner { shared: Arc::new(shared), background: Background::default() };
        Self { inner: Arc::new(inner) }
    }
}

/// A directory with an index and without a segment has lost its events: a new store there would hide that.
fn refuse_lost_segments(env: &Environment, config: &StoreConfig) -> Result<(), StoreError> {
    let Ok(entries) = env.file_system.read_dir(&config.data_dir) else { return Ok(()) };
    let has_index = entries.iter().any(|entry| entry.name == index_file::NAME);
    let is_segment = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "fbat");
    let has_segment = entries.iter().any(|entry| is_segment(&entry.name));
    if has_index && !has_segment {
        let reason = format!("segment 0 is missing: there is only an index in {}", config.data_dir.display());
        return Err(StoreError::Corrupt { segment: Some(0), offset: None, reason });
    }
    Ok(())
}

/// The index: from its file as far as that can be used, and from the segments.
fn restore(
    config: &StoreConfig,
    reader: &LogReader,
    repair: &Repair,
) -> Result<(LiveWriter, OpenIndexReport), StoreError> {
    let (mut index, path, refused) = match index_file::load(config, reader) {
        Ok((index, path)) => (index, path, Vec::new()),
        Err(refused) => (LiveWriter::new(), OpenIndexPath::Rebuild, refused),
    };
    let events_restored = index.live().len();
    scan(&mut index, reader, events_restored)?;
    let torn = repair.torn.map(|torn| TornEnd {
        segment: torn.segment,
        offset: torn.offset,
        bytes: torn.bytes,
        commits: torn.frames,
    });
    let report = OpenIndexReport {
        path,
        events_restored,
        events_scanned: index.live().len() - events_restored,
        segments: reader.segment_count() as u64,
        refused,
        closed_cleanly: repair.closed_cleanly,
        torn,
        commits_from_tail: repair.from_tail,
        elapsed: Duration::ZERO,
    };
    Ok((index, report))
}

/// Adds every event from `from` on.
fn scan(index: &mut LiveWriter, reader: &LogReader, from: u64) -> Result<(), StoreError> {
    let mut records = reader.records(from);
    while let Some((position, bytes)) = records.next_record()? {
        let event = decode_at(position, bytes)?;
        let known = index.intern(&event.coordinate());
        let follows = index.head(&known).len;
        if event.revision() != follows {
            let (sequence, revision) = (event.sequence(), event.revision());
            let reason = format!("event {sequence} has revision {revision} where revision {follows} belongs");
            return Err(StoreError::Corrupt { segment: None, offset: Some(position.offset), reason });
        }
        index.add_record(&event, position.offset);
    }
    Ok(())
}
