//! Opening: recover the log, then the index, from its file as far as that goes and from the segments for the rest.

use crate::store::background::Background;
use crate::store::commit::Commit;
use crate::store::follow::{Following, shown_by, watermark_of};
use crate::store::kinds::Kinds;
use crate::store::part_file::{PartFiles, name_of};
use crate::store::random::RandomPool;
use crate::store::rebuild::rebuilt;
use crate::store::shared::{Shared, Side, Writing};
use crate::store::{Environment, Inner, Store, StoreConfig, StoreError};
use batpak_index::{Damaged, Index, Part, Refused};
use batpak_segment::{LogReader, Repair, SharedWatermark, Torn, Unrecovered};
use std::ops::Range;
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

impl From<Torn> for TornEnd {
    fn from(torn: Torn) -> Self {
        Self { segment: torn.segment, offset: torn.offset, bytes: torn.bytes, commits: torn.frames }
    }
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
    /// durable is missing or changed, with segment and offset: nothing is changed then. `KindHasOtherName` and
    /// `NameHasOtherKind` if an event that was named by [`with_events`](StoreConfig::with_events) means something else in the
    /// store: nothing is changed either. `OlderCrate`, `ForeignFile`, `Unsupported`; `Io`.
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
        let look = |reader: &LogReader, repair: &Repair| {
            let kinds = Kinds::open(&config, reader)?;
            Ok::<_, StoreError>((kinds, restore(&config, reader, repair)?))
        };
        let (log, repair, found) = unrecovered.recover_after(look)?;
        let reader = log.reader().clone();
        let (kinds, restored) = match found {
            Some(found) => found,
            None => look(&reader, &repair)?,
        };
        let Restored { parts, mut report, unused } = restored;
        let files = PartFiles { config: &config, log: &reader, seen_from: None };
        files.remove(unused);
        files.remove_incomplete();
        let (index, writer) = Index::new(reader.store_id(), parts);
        let last_millis = last_millis(&index)?;
        let commit = Commit::new(writer, RandomPool::new(Arc::clone(&env.entropy)), last_millis);
        let watermark = publish(&config, log.next_sequence())?;
        let writing = Writing::new(log, commit, RandomPool::new(Arc::clone(&env.entropy)), watermark);
        report.elapsed = env.clock.monotonic().saturating_sub(start);
        Ok(Self::from_shared(Shared::new(config, reader, index, kinds, report, Side::Writing(Box::new(writing)))))
    }

    /// Opens the store in a directory for reading, also beside a process that writes it. It takes no lock, changes
    /// nothing, and sees what was visible when it was opened; more with [`refresh`](Self::refresh) and
    /// [`wait_visible`](Self::wait_visible).
    ///
    /// # Errors
    /// `NoStore` if there is none, neither `Locked` nor `ReadOnlyDirectory`; otherwise as [`open`](Self::open).
    ///
    /// # Consistency
    /// It sees a prefix of the store, and nothing that its writer does not show to its own readers yet. If nobody has
    /// written the store since the machine has started, or the system does not tell one start from another, it sees all
    /// that is in the files.
    pub fn open_read_only(config: impl Into<StoreConfig>) -> Result<Self, StoreError> {
        let config: StoreConfig = config.into();
        config.check()?;
        let env = config.environment.clone();
        let start = env.clock.monotonic();
        refuse_lost_segments(&env, &config)?;
        // Before the log is looked at: what may be seen is there then.
        let watermark = watermark_of(&config)?;
        let shown = shown_by(watermark.as_ref(), &config)?;
        let (reader, repair) = LogReader::open_with_report(&env, &config.data_dir, config.fd_budget)?;
        // What was closed is durable, all of it: an older watermark that stands beside it hides nothing.
        let shown = if repair.closed_cleanly { u64::MAX } else { shown };
        let kinds = Kinds::open(&config, &reader)?;
        let Restored { parts, mut report, .. } = restore(&config, &reader, &repair)?;
        let (index, writer) = Index::new(reader.store_id(), parts);
        report.elapsed = env.clock.monotonic().saturating_sub(start);
        let side = Side::Following { following: Following::new(writer, watermark, &reader), shown };
        Ok(Self::from_shared(Shared::new(config, reader, index, kinds, report, side)))
    }

    fn from_shared(shared: Shared) -> Self {
        let inner = Inner { shared: Arc::new(shared), background: Background::default() };
        Self { inner: Arc::new(inner) }
    }
}

/// A directory with an index and without a segment has lost its events: a new store there would hide that.
fn refuse_lost_segments(env: &Environment, config: &StoreConfig) -> Result<(), StoreError> {
    let Ok(entries) = env.file_system.read_dir(&config.data_dir) else { return Ok(()) };
    let is_index = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "index");
    let has_index = entries.iter().any(|entry| is_index(&entry.name));
    let is_segment = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "fbat");
    let has_segment = entries.iter().any(|entry| is_segment(&entry.name));
    if has_index && !has_segment {
        let reason = format!("segment 0 is missing: there is only an index in {}", config.data_dir.display());
        return Err(StoreError::Corrupt { segment: Some(0), offset: None, reason });
    }
    Ok(())
}

/// Tells readers in other processes what may be seen.
fn publish(config: &StoreConfig, sequence: u64) -> Result<Option<SharedWatermark>, StoreError> {
    SharedWatermark::publish(&config.environment, &config.data_dir, sequence).map_err(|source| StoreError::Io {
        operation: "write the watermark in",
        path: config.data_dir.clone(),
        source,
    })
}

/// The millisecond in the newest id.
fn last_millis(index: &Index) -> Result<u64, StoreError> {
    let tiers = index.tiers();
    let Some(last) = tiers.end().checked_sub(1) else { return Ok(0) };
    let row = tiers.row(last).map_err(|damaged| index_damaged(&damaged))?;
    Ok(row.map_or(0, |row| row.id.millis()))
}

/// Damage in a part that was found right a moment ago.
fn index_damaged(damaged: &Damaged) -> StoreError {
    StoreError::Corrupt { segment: None, offset: None, reason: damaged.to_string() }
}

/// The parts of the index, and where they came from.
pub(crate) struct Restored {
    pub(crate) parts: Vec<Arc<Part>>,
    report: OpenIndexReport,
    /// Files that are of no use.
    unused: Vec<Range<u64>>,
}

/// The index: from its files as far as they can be used, and from the segments.
pub(crate) fn restore(config: &StoreConfig, reader: &LogReader, repair: &Repair) -> Result<Restored, StoreError> {
    // Of a log that was not closed all of the active segment was read.
    let active = reader.segments().last().map(|active| active.first_sequence);
    let files = PartFiles { config, log: reader, seen_from: active.filter(|_| !repair.closed_cleanly) };
    let listed = if files.are_wanted() { files.list().unwrap_or_default() } else { Vec::new() };
    let torn = repair.torn.map(TornEnd::from);
    let mut report = OpenIndexReport {
        path: OpenIndexPath::Rebuild,
        events_restored: 0,
        events_scanned: 0,
        segments: reader.segment_count() as u64,
        refused: Vec::new(),
        closed_cleanly: repair.closed_cleanly,
        torn,
        commits_from_tail: repair.from_tail,
        elapsed: Duration::ZERO,
    };
    let (mut parts, mut used): (Vec<Arc<Part>>, Vec<Range<u64>>) = (Vec::new(), Vec::new());
    let (mut at, end) = (0, reader.end_sequence());
    while at < end {
        if let Some((part, path)) = next_in_file(&files, &listed, at, &mut report.refused) {
            report.path = path;
            report.events_restored += u64::from(part.rows());
            at = part.events().end;
            used.push(part.events());
            parts.push(Arc::new(part));
            continue;
        }
        // Up to the next file that may be of use.
        let next = listed.iter().map(|events| events.start).filter(|start| *start > at).min();
        let events = at..next.unwrap_or(end).min(end);
        if files.are_wanted() && is_missed(&listed, at, repair, reader) {
            let reason = format!("there is no index file for events {} to {}", events.start, events.end);
            report.refused.push(RefusedFile { name: name_of(&events), reason });
        }
        report.events_scanned += events.end - events.start;
        at = events.end;
        parts.extend(rebuilt(&files, parts.clone(), events, true)?);
    }
    for events in listed.iter().filter(|events| events.end > end) {
        let name = name_of(events);
        if !report.refused.iter().any(|refused| refused.name == name) {
            report.refused.push(RefusedFile { name, reason: beyond(events, end).to_string() });
        }
    }
    let unused = listed.into_iter().filter(|events| !used.contains(events)).collect();
    Ok(Restored { parts, report, unused })
}

fn beyond(events: &Range<u64>, end: u64) -> Refused {
    Refused::new(format!("it is of events up to {}, and there are {end}", events.end))
}

/// Whether there should be a file that begins at an event: of what was sealed, and of everything once it was closed.
fn is_missed(listed: &[Range<u64>], at: u64, repair: &Repair, reader: &LogReader) -> bool {
    let sealed = reader.segments().last().is_some_and(|active| at < active.first_sequence);
    (sealed || repair.closed_cleanly) && !listed.iter().any(|events| events.start == at)
}

/// The largest part that begins at an event and can be used.
fn next_in_file(
    files: &PartFiles<'_>,
    listed: &[Range<u64>],
    at: u64,
    refused: &mut Vec<RefusedFile>,
) -> Option<(Part, OpenIndexPath)> {
    let end = files.log.end_sequence();
    for events in listed.iter().filter(|events| events.start == at) {
        let loaded = if events.end > end { Err(beyond(events, end)) } else { files.load(events) };
        match loaded {
            Ok(loaded) => return Some(loaded),
            Err(reason) => refused.push(RefusedFile { name: name_of(events), reason: reason.to_string() }),
        }
    }
    None
}
