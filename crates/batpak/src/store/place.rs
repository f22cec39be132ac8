//! A commit gets its place: what happens under the commit lock, and what follows from it.

use crate::store::commit::{Commit, Outcome, Proposed};
use crate::store::receipt::{AppendReceipt, Receipts, SamePayload};
use crate::store::shared::{Shared, Writing};
use crate::store::{Durability, StoreError, SyncConfig};
use batpak_core::{Content, Timestamp};
use batpak_segment::{Frame, Position, Unsynced};
use std::sync::MutexGuard;
use std::time::Duration;

/// What a commit came to. It counts once everything below `wait_for` is durable.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) told: Told,
    pub(crate) wait_for: Option<u64>,
}

#[derive(Debug)]
pub(crate) enum Told {
    Appended(Receipts),
    /// It repeats the commit that begins with this event.
    Replayed {
        first: u64,
    },
    Refused(StoreError),
}

impl Settled {
    /// What it means that `wait_for` cannot be made durable.
    pub(crate) fn fails(&self, error: StoreError) -> StoreError {
        match self.told {
            Told::Appended(_) | Told::Replayed { .. } => error.in_flight(),
            Told::Refused(_) => error,
        }
    }
}

impl Shared {
    /// Commits what was proposed, unless there is no room for it or others are queued before it: then `None`, and
    /// nothing was done.
    pub(crate) fn place_in_turn(
        &self,
        writing: &Writing,
        frame: &mut Frame,
        proposed: &mut [Proposed],
        durability: Durability,
    ) -> Result<Option<Settled>, StoreError> {
        let commit = writing.commit();
        // After a failure nobody works off what is queued.
        if commit.backlog.is_busy() && writing.log.failure().is_none() {
            return Ok(None);
        }
        self.place(writing, commit, frame, proposed, durability)
    }

    /// Commits what was proposed. `None` if there is no room for it: nothing was done then.
    pub(crate) fn place(
        &self,
        writing: &Writing,
        mut commit: MutexGuard<'_, Commit>,
        frame: &mut Frame,
        proposed: &mut [Proposed],
        durability: Durability,
    ) -> Result<Option<Settled>, StoreError> {
        let clock = &*self.config.environment.clock;
        let time = Timestamp::from_nanos(clock.wall_ns());
        let (receipts, wait_for, unsynced) = match commit.append(&writing.log, proposed, frame, time, durability)? {
            Outcome::Appended { receipts, wait_for, unsynced } => (receipts, wait_for, unsynced),
            Outcome::NoRoom => return Ok(None),
            Outcome::Replayed { first } => {
                drop(commit);
                let end = first + proposed.len() as u64;
                let waits = durability == Durability::Synced || end > self.visible();
                return Ok(Some(Settled { told: Told::Replayed { first }, wait_for: waits.then_some(end) }));
            }
            Outcome::Conflict { entity, expected, actual, newest } => {
                drop(commit);
                let unseen = newest.filter(|sequence| *sequence >= self.visible());
                let newest = newest.and_then(|sequence| self.live.row(sequence)).map(|row| row.id);
                let told = Told::Refused(StoreError::Conflict { entity, expected, actual, newest });
                return Ok(Some(Settled { told, wait_for: unseen.map(|sequence| sequence + 1) }));
            }
        };
        let end = receipts.last().map_or(0, |last| last.sequence + 1);
        let begun = receipts.first().map_or(0, |first| first.sequence);
        let now = clock.monotonic();
        let newly_exposed = commit.exposure.note(begun, now, self.config.sync.interval);
        let exposed_for = commit.exposure.since().map_or(Duration::ZERO, |since| now.saturating_sub(since));
        if wait_for.is_none() {
            self.set_visible(end);
        }
        drop(commit);
        let exposed = Exposed { unsynced, exposed_for };
        let wait_for = if exposed.is_over(&self.config.sync) { Some(end) } else { wait_for };
        if wait_for.is_none() {
            if is_half(unsynced, &self.config.sync) {
                writing.signal.now();
            } else if newly_exposed {
                writing.signal.work();
            }
        }
        Ok(Some(Settled { told: Told::Appended(receipts), wait_for }))
    }

    /// Waits until what a commit came to counts, and returns it.
    pub(crate) fn conclude(
        &self,
        writing: &Writing,
        settled: Settled,
        frame: &mut Frame,
        proposed: &[Proposed],
    ) -> Result<Receipts, StoreError> {
        if let Some(sequence) = settled.wait_for {
            self.make_durable(writing, sequence).map_err(|error| settled.fails(error))?;
        }
        self.tell(writing, settled.told, frame, proposed)
    }

    /// The receipts of a commit that counts.
    pub(crate) fn tell(
        &self,
        writing: &Writing,
        told: Told,
        frame: &mut Frame,
        proposed: &[Proposed],
    ) -> Result<Receipts, StoreError> {
        match told {
            Told::Appended(receipts) => Ok(receipts),
            Told::Refused(error) => Err(error),
            Told::Replayed { first } => self.replay(writing, first, frame, proposed),
        }
    }

    /// The receipts of the first time.
    fn replay(
        &self,
        writing: &Writing,
        first: u64,
        frame: &mut Frame,
        proposed: &[Proposed],
    ) -> Result<Receipts, StoreError> {
        let by_place = proposed.iter().any(|event| event.key.is_none());
        let first_keyed = proposed.iter().position(|event| event.key.is_some()).unwrap_or_default();
        let overhead = overhead_of_item(frame, proposed.len());
        let mut next_in_commit = None;
        let mut buffer = Vec::new();
        let mut receipts = Receipts::with_capacity(proposed.len());
        for (item, event) in proposed.iter().enumerate() {
            let sequence = first + item as u64;
            let row = self.live.row(sequence).ok_or(StoreError::NotFound { sequence })?;
            let stored = self.read_record(Position { sequence, offset: row.offset }, &mut buffer)?;
            // Nothing but its commit tells the event of an item without a key from any other of its entity and kind.
            if by_place && next_in_commit.is_some_and(|offset| offset != row.offset) {
                let item = if item <= first_keyed { item - 1 } else { item };
                return Err(StoreError::PartialReplay { first: first_keyed, item });
            }
            next_in_commit = Some(row.offset + overhead + stored.record().len() as u64);
            let same = match stored.content() {
                Content::Payload { bytes, .. } => bytes == payload_of(frame.record_mut(item), event.payload_len),
                // Nothing is left to compare with.
                Content::Erased { .. } | Content::Dropped { .. } => true,
            };
            let durable = writing.log.durable_sequence() > sequence;
            receipts.push(AppendReceipt {
                event_id: row.id,
                sequence,
                revision: row.revision,
                event_hash: stored.event_hash(),
                durability: if durable { Durability::Synced } else { Durability::Written },
                replay: Some(SamePayload(same)),
            });
        }
        Ok(receipts)
    }
}

/// What a power cut could take.
struct Exposed {
    unsynced: Unsynced,
    exposed_for: Duration,
}

impl Exposed {
    /// Whether that is more than the sync policy allows.
    fn is_over(&self, policy: &SyncConfig) -> bool {
        self.unsynced.records > policy.every_n_events
            || self.unsynced.bytes > policy.max_bytes
            || self.exposed_for > policy.interval
    }
}

/// Whether half of what the sync policy allows is exposed: a sync that begins now ends before an append has to wait.
pub(crate) fn is_half(unsynced: Unsynced, policy: &SyncConfig) -> bool {
    unsynced.records >= policy.every_n_events.div_ceil(2) || unsynced.bytes >= policy.max_bytes / 2
}

/// What a frame has beside each record, in bytes, if there are several: those of one commit stand one behind the other
/// with nothing else between them.
fn overhead_of_item(frame: &mut Frame, records: usize) -> u64 {
    if records < 2 {
        return 0;
    }
    frame.record_offset(1) - frame.record_offset(0) - frame.record_mut(0).len() as u64
}

/// The payload of a record that has no place yet: what stands before its last 64 bytes.
fn payload_of(record: &[u8], len: usize) -> &[u8] {
    let end = record.len() - 64;
    &record[end - len..end]
}
