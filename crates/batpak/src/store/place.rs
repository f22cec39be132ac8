//! A commit gets its place: what happens under the commit lock, and what follows from it.

use crate::store::commit::{Commit, Outcome, Proposed};
use crate::store::job::Job;
use crate::store::receipt::{AppendReceipt, SamePayload};
use crate::store::shared::{Shared, Writing};
use crate::store::{Durability, StoreError, SyncConfig};
use batpak_core::{Content, EventRef, Timestamp};
use batpak_index::Row;
use batpak_segment::{Frame, Unsynced};
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
    Appended,
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
            Told::Appended | Told::Replayed { .. } => error.in_flight(),
            Told::Refused(_) => error,
        }
    }
}

impl Shared {
    /// Commits what was proposed, unless there is no room for it or others are queued before it: then `None`, and
    /// nothing was done.
    pub(crate) fn place_in_turn(&self, writing: &Writing, job: &mut Job) -> Result<Option<Settled>, StoreError> {
        let commit = writing.commit();
        // After a failure nobody works off what is queued.
        if commit.backlog.is_busy() && writing.log.failure().is_none() {
            return Ok(None);
        }
        self.place(writing, commit, job)
    }

    /// Commits what was proposed. `None` if there is no room for it: nothing was done then.
    pub(crate) fn place<'w>(
        &self,
        writing: &'w Writing,
        mut commit: MutexGuard<'w, Commit>,
        job: &mut Job,
    ) -> Result<Option<Settled>, StoreError> {
        let clock = &*self.config.environment.clock;
        let time = Timestamp::from_nanos(clock.wall_ns());
        let outcome = loop {
            self.kinds.check(&job.descriptions)?;
            match commit.append(self, &writing.log, job, time)? {
                Outcome::Unknown => {
                    drop(commit);
                    self.look_up(job, true)?;
                    commit = writing.commit();
                }
                outcome => break outcome,
            }
        };
        let (first, wait_for, unsynced) = match outcome {
            Outcome::Appended { first, wait_for, unsynced } => (first, wait_for, unsynced),
            Outcome::NoRoom | Outcome::Unknown => return Ok(None),
            Outcome::Nothing => {
                job.receipts.clear();
                return Ok(Some(Settled { told: Told::Appended, wait_for: None }));
            }
            Outcome::Stands { guard } => {
                drop(commit);
                let guard = &job.guards[guard];
                let newest = guard.newest();
                let event = newest.map(|sequence| self.row(sequence)).transpose()?.map(|row| row.id);
                let refusal = StoreError::Condition { condition: Box::new(guard.condition.clone()), event };
                return Ok(Some(self.refused(refusal, newest)));
            }
            Outcome::Replayed { first } => {
                drop(commit);
                let end = first + job.proposed.len() as u64;
                if let Some((refusal, newest)) = self.different_event(&job.proposed, first)? {
                    return Ok(Some(self.refused(refusal, Some(newest))));
                }
                let waits = job.durability == Durability::Synced || end > self.visible();
                return Ok(Some(Settled { told: Told::Replayed { first }, wait_for: waits.then_some(end) }));
            }
            Outcome::PartialReplay { first, item, newest } => {
                drop(commit);
                return Ok(Some(self.refused(StoreError::PartialReplay { first, item }, newest)));
            }
            Outcome::Conflict { entity, expected, actual, newest } => {
                drop(commit);
                let id = newest.map(|sequence| self.row(sequence)).transpose()?.map(|row| row.id);
                let refusal = StoreError::Conflict { entity, expected, actual, newest: id };
                return Ok(Some(self.refused(refusal, newest)));
            }
        };
        if !job.descriptions.is_empty() {
            self.kinds.add(first, &mut job.descriptions);
        }
        let end = first + job.receipts.len() as u64;
        let now = clock.monotonic();
        let newly_exposed = commit.exposure.note(first, now, self.config.sync.interval);
        let age = commit.exposure.since().map_or(Duration::ZERO, |since| now.saturating_sub(since));
        if wait_for.is_none() {
            self.set_visible(end);
        }
        drop(commit);
        let exposed = Exposed { end, unsynced, age };
        let wait_for = wait_for.max(exposed.wait_for(&self.config.sync));
        if wait_for.is_none() {
            if is_due(unsynced, &self.config.sync) {
                writing.signal.now();
            } else if newly_exposed {
                writing.signal.work();
            }
        }
        Ok(Some(Settled { told: Told::Appended, wait_for }))
    }

    /// Waits until what a commit came to counts; its receipts are in the job then.
    pub(crate) fn conclude(&self, writing: &Writing, settled: Settled, job: &mut Job) -> Result<(), StoreError> {
        if let Some(sequence) = settled.wait_for {
            self.make_durable(writing, sequence).map_err(|error| settled.fails(error))?;
        }
        match settled.told {
            Told::Appended => Ok(()),
            Told::Refused(error) => Err(error),
            Told::Replayed { first } => self.replay(writing, first, job),
        }
    }

    /// A refusal that rests on the events up to `newest`, which its caller is to see: it waits for them.
    fn refused(&self, error: StoreError, newest: Option<u64>) -> Settled {
        let unseen = newest.filter(|sequence| *sequence >= self.visible());
        Settled { told: Told::Refused(error), wait_for: unseen.map(|sequence| sequence + 1) }
    }

    /// Entity, scope and kind of repeated events are those of the first time; otherwise what is wrong, and the newest
    /// event that says so.
    fn different_event(&self, proposed: &[Proposed], first: u64) -> Result<Option<(StoreError, u64)>, StoreError> {
        let first_keyed = proposed.iter().position(|event| event.key.is_some()).unwrap_or_default();
        let keyed = first + first_keyed as u64;
        for (item, event) in proposed.iter().enumerate() {
            let sequence = first + item as u64;
            let row = match self.row(sequence) {
                // Its first try would have been behind the last event.
                Err(StoreError::NotFound { .. }) if item > first_keyed => {
                    return Ok(Some((StoreError::PartialReplay { first: first_keyed, item }, sequence - 1)));
                }
                row => row?,
            };
            let coordinate = self.coordinate_of(sequence)?;
            if row.kind == event.kind && coordinate == *event.stream.coordinate() {
                continue;
            }
            let refusal = match event.key {
                Some(key) => StoreError::KeyReused { key, event: row.id },
                None => StoreError::PartialReplay { first: first_keyed, item },
            };
            return Ok(Some((refusal, keyed.max(sequence))));
        }
        Ok(None)
    }

    /// The receipts of the first time.
    fn replay(&self, writing: &Writing, first: u64, job: &mut Job) -> Result<(), StoreError> {
        let Job { frame, proposed, receipts, .. } = job;
        let by_place = proposed.iter().any(|event| event.key.is_none());
        let first_keyed = proposed.iter().position(|event| event.key.is_some()).unwrap_or_default();
        let overhead = overhead_of_item(frame, proposed.len());
        let mut next_in_commit = None;
        receipts.clear();
        for (item, event) in proposed.iter().enumerate() {
            let row = self.row(first + item as u64)?;
            // Nothing but its commit tells the event of an item without a key from any other of its entity and kind.
            if by_place && next_in_commit.is_some_and(|offset| offset != u64::from(row.offset)) {
                let item = if item <= first_keyed { item - 1 } else { item };
                return Err(StoreError::PartialReplay { first: first_keyed, item });
            }
            let payload = payload_of(frame.record_mut(item), event.payload_len);
            let (receipt, len) = self.with_row(&row, |stored| {
                Ok((receipt_of(&row, stored, payload, writing.log.durable_sequence()), stored.record().len() as u64))
            })?;
            next_in_commit = Some(u64::from(row.offset) + overhead + len);
            receipts.push(receipt);
        }
        Ok(())
    }
}

/// The receipt of an event that was there before, which `payload` was to be the payload of.
fn receipt_of(row: &Row, stored: &EventRef<'_>, payload: &[u8], durable: u64) -> AppendReceipt {
    let same = match stored.content() {
        Content::Payload { bytes, .. } => bytes == payload,
        // Nothing is left to compare with.
        Content::Erased { .. } | Content::Dropped { .. } => true,
    };
    AppendReceipt {
        event_id: row.id,
        sequence: row.sequence(),
        revision: row.revision,
        event_hash: stored.event_hash(),
        durability: if durable > row.sequence() { Durability::Synced } else { Durability::Written },
        replay: Some(SamePayload(same)),
    }
}

/// What a power cut could take: events before `end`.
struct Exposed {
    end: u64,
    unsynced: Unsynced,
    age: Duration,
}

impl Exposed {
    /// Below which sequence all has to be durable, so that it is no more than the sync policy allows.
    fn wait_for(&self, policy: &SyncConfig) -> Option<u64> {
        if self.unsynced.bytes > policy.max_bytes || self.age > policy.interval {
            return Some(self.end);
        }
        // Not all of it: a sync that is under way may suffice. A commit is durable as a whole.
        (self.unsynced.records > policy.every_n_events).then(|| self.end - policy.every_n_events)
    }
}

/// Whether a quarter of what the sync policy allows is exposed. A sync that begins now ends before an append has to
/// wait, also if it takes three times as long as the appends took to come that far.
pub(crate) fn is_due(unsynced: Unsynced, policy: &SyncConfig) -> bool {
    unsynced.records >= policy.every_n_events.div_ceil(4) || unsynced.bytes >= policy.max_bytes / 4
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
