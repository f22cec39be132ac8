//! What a store says about itself.

use crate::store::read::decode_at;
use crate::store::shared::Shared;
use crate::store::{OpenIndexReport, RefusedFile, Store, StoreError};
use batpak_core::{Frontier, Timestamp, TreeHash};
use batpak_index::Live;
use batpak_segment::LogHead;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Counts of what is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Number of events.
    pub events: u64,
    /// Number of entities; one whose first event waits for its sync counts already.
    pub entities: u64,
    /// Number of segments.
    pub segments: u64,
    /// Bytes in segments.
    pub segment_bytes: u64,
}

/// How a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostics {
    /// What opening it found.
    pub open_report: Option<OpenIndexReport>,
    /// Every event below this sequence can be read.
    pub visible: u64,
    /// Every event below this sequence survives a power cut. A store that is open for reading only cannot know what its
    /// writer has synced: there it is every event that it sees.
    pub durable: u64,
    /// Why nothing is accepted any more, if a write or sync failed or damage was met.
    pub failure: Option<String>,
    /// Whether it is open for reading only.
    pub read_only: bool,
    /// Sealed segments that are open now, as mappings or files; at most the `fd_budget`.
    pub open_files: usize,
    /// Payloads that were [read where they stand](Store::get_raw) and hold a mapping, beside the `fd_budget`.
    pub pinned: usize,
    /// Parts of the index that are frozen: files, unless the options want none.
    pub index_parts: u64,
    /// Events whose index is in memory only: those of the active segment, and those that wait to be frozen.
    pub events_live: u64,
    /// Events of those that a thread of the store is about to freeze, because their segment has ended.
    pub events_to_freeze: u64,
    /// Parts of the index that turned out to be damaged when they were used, and were made anew from the segments.
    pub index_parts_rebuilt: u64,
    /// The file of kinds, if it was needed and not used, and why. It was made again from the segments.
    pub kinds_refused: Option<RefusedFile>,
}

/// Size and root of the Merkle tree (RFC 6962) over the hashes of all events in order. Kept elsewhere, it shows later
/// whether the end of a store or a whole entity is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Number of events.
    pub size: u64,
    /// Root over their hashes.
    pub root: TreeHash,
}

impl Head {
    pub(crate) fn of(frontier: &Frontier) -> Self {
        Self { size: frontier.size(), root: frontier.root() }
    }
}

impl Store {
    /// The wall clock of the store's [environment](crate::store::Environment), by which events get their time. It may go
    /// back. A command that decides on the time asks here, so that a test can turn the clock.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use batpak::testing::TestStore;
    /// use std::time::Duration;
    ///
    /// fn is_sale_open(store: &Store, opened: &EventRow) -> bool {
    ///     store.now().as_nanos() - opened.time.as_nanos() < 3_600_000_000_000
    /// }
    ///
    /// let hall = Coordinate::new("hall", "tickets")?;
    /// let test = TestStore::new().given_by(|store| store.append(&hall, EventKind::custom(1, 1), &"opened"));
    /// let opened = test.store().events(&Region::entity("hall")).rows().next().expect("one event")?;
    /// assert_eq!(test.store().now(), opened.time);
    /// assert!(is_sale_open(test.store(), &opened));
    /// let test = test.after(Duration::from_hours(1));
    /// assert!(!is_sale_open(test.store(), &opened));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.shared().config.environment.clock.wall_ns())
    }

    /// How the store is. Also of a closed one.
    pub fn diagnostics(&self) -> Diagnostics {
        let shared = self.shared();
        let writing = shared.writing_or_none();
        let tiers = shared.index.snapshot();
        let live = |live: &Arc<Live>| live.events().end - live.events().start;
        let failure = writing.and_then(|writing| writing.log.failure().map(ToString::to_string));
        Diagnostics {
            open_report: Some(shared.report.clone()),
            visible: shared.visible(),
            durable: writing.map_or(shared.visible(), |writing| writing.log.durable_sequence()),
            failure,
            read_only: shared.is_read_only(),
            open_files: shared.reader.open_files(),
            pinned: shared.reader.pinned(),
            index_parts: tiers.parts().count() as u64,
            events_live: tiers.live().map(live).sum(),
            events_to_freeze: tiers.live().rev().skip(1).map(live).sum(),
            index_parts_rebuilt: shared.damaged_parts.load(Ordering::Relaxed),
            kinds_refused: shared.kinds.refused(),
        }
    }

    /// Counts of what is visible.
    ///
    /// # Errors
    /// `Io` if the size of a file cannot be read; `Closed`.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        Ok(Stats {
            events: shared.visible(),
            entities: shared.index.tiers().entity_count(),
            segments: shared.reader.segment_count() as u64,
            segment_bytes: shared.reader.size_bytes()?,
        })
    }

    /// The head over all events that are [durable](Diagnostics::durable). The first call reads the hashes of all of them, later ones those
    /// that have come since.
    ///
    /// # Errors
    /// `Corrupt` and `Record`; `Io`; `Closed`.
    pub fn head(&self) -> Result<Head, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        let durable = self.diagnostics().durable.min(shared.visible());
        let mut frontier = shared.head.lock().unwrap_or_else(PoisonError::into_inner);
        advance(shared, &mut frontier, durable)?;
        let head = Head::of(&frontier);
        if let Some(writing) = shared.writing_or_none() {
            writing.log.set_head(LogHead { size: head.size, root: *head.root.as_bytes() });
        }
        Ok(head)
    }
}

/// How many event hashes are gathered before they are put into a tree.
pub(crate) const LEAVES: usize = 64;

fn advance(shared: &Shared, frontier: &mut Frontier, to: u64) -> Result<(), StoreError> {
    let mut records = shared.reader.records(frontier.size());
    let mut leaves = Vec::with_capacity(LEAVES);
    for sequence in frontier.size()..to {
        let next = records.next_record().map_err(|error| shared.damaged(error))?;
        let Some((position, bytes)) = next else { return Err(StoreError::NotFound { sequence }) };
        leaves.push(decode_at(position, bytes)?.event_hash());
        if leaves.len() == LEAVES || sequence + 1 == to {
            frontier.push_all(&leaves);
            leaves.clear();
        }
    }
    Ok(())
}
