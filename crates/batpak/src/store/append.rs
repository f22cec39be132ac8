//! Appending: encode and hash, commit under the lock, wait if the durability asks for it.

use crate::store::commit::{Outcome, Proposed};
use crate::store::receipt::SamePayload;
use crate::store::shared::{Shared, Writing};
use crate::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Durability, Store, StoreError, SyncConfig, payload,
};
use batpak_core::{Content, Coordinate, EventId, EventKind, Fields, OpenRecord, RecordDraft, Timestamp};
use batpak_index::Extras;
use batpak_segment::{Frame, Position, Unsynced};
use serde::Serialize;
use std::cell::Cell;
use std::sync::PoisonError;
use std::time::Duration;

thread_local! {
    /// The frame of this thread's last append, whose memory is used again. It is taken out while it is in use, so a
    /// payload that appends to a store while it is serialized gets another one.
    static FRAME: Cell<Option<Frame>> = const { Cell::new(None) };
}

/// Frames that grew larger than this are not kept.
const KEPT_FRAME_BYTES: u64 = 1 << 20;

/// Runs `append` with a frame that is empty.
fn with_frame<T>(append: impl FnOnce(&mut Frame) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut frame = FRAME.take().unwrap_or_default();
    frame.clear();
    let result = append(&mut frame);
    // Of a frame that was refused it is not known how large it had become.
    if result.is_ok() && frame.encoded_len() <= KEPT_FRAME_BYTES {
        FRAME.set(Some(frame));
    }
    result
}

impl Store {
    /// Appends an event with the store's default durability. The payload is encoded as MessagePack, structs with
    /// their field names.
    ///
    /// # Errors
    /// See [`append_with_options`](Self::append_with_options).
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let coordinate = Coordinate::new("account:7", "bank")?;
    /// let receipt = store.append(&coordinate, EventKind::custom(1, 1), &serde_json::json!({"cents": 500}))?;
    /// assert_eq!((receipt.sequence, receipt.revision), (0, 0));
    /// assert_eq!(store.get(receipt.event_id)?.event.payload()["cents"], 500);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append(
        &self,
        coordinate: &Coordinate,
        kind: EventKind,
        payload: &impl Serialize,
    ) -> Result<AppendReceipt, StoreError> {
        self.append_with_options(coordinate, kind, payload, AppendOptions::default())
    }

    /// Appends an event with a condition, an idempotency key, tags and the like.
    ///
    /// A key that is known goes before every condition: the first receipt is returned and nothing is appended. What is
    /// past a limit is refused before that.
    ///
    /// # Errors
    /// `Conflict` if the condition does not hold; `KeyReused`; `ReservedKind`, `Field`, `TooLarge` and `Encode` for
    /// what cannot be stored; `Io` if there is no room for a new segment. All of them change nothing. `Failed` if a
    /// write or sync failed, now or before. `ReadOnly`; `Closed`.
    pub fn append_with_options(
        &self,
        coordinate: &Coordinate,
        kind: EventKind,
        payload: &impl Serialize,
        options: AppendOptions<'_>,
    ) -> Result<AppendReceipt, StoreError> {
        let fields = Fields {
            correlation_id: options.correlation_id,
            causation_id: options.causation_id,
            idempotency_key: options.idempotency_key,
            occurred_at: options.occurred_at,
            metadata: options.metadata,
            tags: options.tags,
            ..Fields::new(coordinate, kind)
        };
        let durability = options.durability.unwrap_or(self.shared().config.durability());
        let writing = self.shared().writing()?;
        with_frame(|frame| {
            let mut proposed = self.propose(writing, frame, &fields, |open| Ok(payload::encode(payload, open)?))?;
            proposed.expected = options.expected_sequence;
            let receipts = self.commit(writing, frame, &mut [proposed], durability)?;
            receipts.into_iter().next().ok_or(StoreError::Closed)
        })
    }

    /// Appends several events as one commit: all of them or, after a failure or a crash, none. Its durability is the
    /// highest that an item asks for. Returns a receipt for each item, in order; of no items, an empty list.
    ///
    /// Conditions are checked in the order of the items, and earlier items count. A batch whose keys are all known is
    /// a repetition if the items are those of the first time, in the same order.
    ///
    /// # Errors
    /// As [`append_with_options`](Self::append_with_options); besides, `PartialReplay`, `RepeatedKey` and
    /// `CauseNotBefore`.
    pub fn append_batch(
        &self,
        items: impl IntoIterator<Item = BatchAppendItem>,
    ) -> Result<Vec<AppendReceipt>, StoreError> {
        let items: Vec<BatchAppendItem> = items.into_iter().collect();
        let shared = self.shared();
        let writing = shared.writing()?;
        if items.is_empty() {
            return Ok(Vec::new());
        }
        check_batch(&items, shared.config.batch_max_events)?;
        let asked = items.iter().filter_map(|item| item.durability).max();
        let unsaid = items.iter().any(|item| item.durability.is_none());
        let default = unsaid.then(|| shared.config.durability());
        let durability = asked.max(default).unwrap_or_default();
        with_frame(|frame| {
            let mut proposed = Vec::with_capacity(items.len());
            for item in &items {
                proposed.push(self.propose_item(writing, frame, item)?);
            }
            let (limit, value) = (shared.config.batch_max_bytes, frame.encoded_len());
            if items.len() > 1 && value > limit {
                return Err(StoreError::TooLarge { field: "batch bytes", limit, value });
            }
            self.commit(writing, frame, &mut proposed, durability)
        })
    }

    fn propose_item<'a>(
        &self,
        writing: &Writing,
        frame: &mut Frame,
        item: &'a BatchAppendItem,
    ) -> Result<Proposed<'a>, StoreError> {
        let tags: Vec<&str> = item.tags.iter().map(String::as_str).collect();
        let in_batch = matches!(item.cause, CausationRef::Item(_));
        // Ids that are known only under the lock are put in there.
        let unknown = in_batch.then_some(EventId::from_u128(0));
        let causation_id = match item.cause {
            CausationRef::Event(id) => Some(id),
            CausationRef::Item(_) | CausationRef::None => unknown.or(item.causation_id),
        };
        let fields = Fields {
            correlation_id: item.correlation_id.or(unknown),
            causation_id,
            idempotency_key: item.idempotency_key,
            occurred_at: item.occurred_at,
            metadata: &item.metadata,
            tags: &tags,
            ..Fields::new(&item.coordinate, item.kind)
        };
        let proposed = self.propose(writing, frame, &fields, |open| {
            open.extend_from_slice(&item.payload);
            Ok(())
        })?;
        let cause = match item.cause {
            CausationRef::Item(cause) => Some(cause),
            CausationRef::Event(_) | CausationRef::None => None,
        };
        Ok(Proposed {
            coordinate: &item.coordinate,
            expected: item.expected_sequence,
            correlation: item.correlation_id,
            cause,
            ..proposed_at(&item.coordinate, proposed)
        })
    }

    /// Encodes and hashes an event into the frame: all that needs no lock.
    fn propose<'a>(
        &self,
        writing: &Writing,
        frame: &mut Frame,
        fields: &Fields<'a>,
        write: impl FnOnce(&mut OpenRecord<'_>) -> Result<(), StoreError>,
    ) -> Result<Proposed<'a>, StoreError> {
        if fields.kind.is_reserved() {
            return Err(StoreError::ReservedKind { kind: fields.kind });
        }
        let limit = self.shared().config.payload_max_bytes;
        let salt = writing.salts.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (draft, payload_len) = frame.push_with(|buffer| {
            let mut open = RecordDraft::begin(buffer, fields, salt)?;
            write(&mut open)?;
            let len = open.payload().len();
            if len as u64 > limit {
                return Err(StoreError::TooLarge { field: "payload bytes", limit, value: len as u64 });
            }
            Ok::<_, StoreError>((open.finish(), len))
        })?;
        Ok(Proposed {
            coordinate: fields.coordinate,
            known: self.shared().live.find(fields.coordinate),
            kind: fields.kind,
            draft: Some(draft),
            payload_len,
            expected: None,
            key: fields.idempotency_key,
            extras: Extras::new(
                !fields.tags.is_empty(),
                fields.correlation_id.is_some(),
                fields.causation_id.is_some(),
            ),
            correlation: fields.correlation_id,
            cause: None,
        })
    }

    /// Commits what was proposed and returns when it is visible and as durable as asked.
    fn commit(
        &self,
        writing: &Writing,
        frame: &mut Frame,
        proposed: &mut [Proposed<'_>],
        durability: Durability,
    ) -> Result<Vec<AppendReceipt>, StoreError> {
        let shared = self.shared();
        if durability == Durability::Written {
            self.inner.background.ensure(&self.inner.shared)?;
        }
        let clock = &shared.config.environment.clock;
        let mut commit = writing.commit();
        let time = Timestamp::from_nanos(clock.wall_ns());
        let outcome = commit.append(&writing.log, proposed, frame, time, durability)?;
        match outcome {
            Outcome::Appended { receipts, wait_for, unsynced } => {
                let end = receipts.last().map_or(0, |last| last.sequence + 1);
                let begun = receipts.first().map_or(0, |first| first.sequence);
                let now = clock.monotonic();
                let newly_exposed = commit.exposure.note(begun, now, shared.config.sync.interval);
                let exposed_for = commit.exposure.since().map_or(Duration::ZERO, |since| now.saturating_sub(since));
                if wait_for.is_none() {
                    shared.set_visible(end);
                }
                drop(commit);
                let exposed = Exposed { unsynced, exposed_for };
                let wait_for = if exposed.is_over(&shared.config.sync) { Some(end) } else { wait_for };
                match wait_for {
                    Some(sequence) => shared.make_durable(writing, sequence).map_err(StoreError::in_flight)?,
                    None if newly_exposed => writing.signal.work(),
                    None => {}
                }
                Ok(receipts)
            }
            Outcome::Replayed { first } => {
                drop(commit);
                replay(shared, writing, frame, proposed, first, durability)
            }
            Outcome::Conflict { entity, expected, actual, newest } => {
                drop(commit);
                if let Some(sequence) = newest.filter(|sequence| *sequence >= shared.visible()) {
                    shared.make_durable(writing, sequence + 1)?;
                }
                let newest = newest.and_then(|sequence| shared.live.row(sequence)).map(|row| row.id);
                Err(StoreError::Conflict { entity, expected, actual, newest })
            }
        }
    }
}

/// The same proposal, its coordinate borrowed from where it lives longer.
fn proposed_at<'a>(coordinate: &'a Coordinate, proposed: Proposed<'_>) -> Proposed<'a> {
    let Proposed { known, kind, draft, payload_len, expected, key, extras, correlation, cause, .. } = proposed;
    Proposed { coordinate, known, kind, draft, payload_len, expected, key, extras, correlation, cause }
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

/// What can be told of a batch without encoding it.
fn check_batch(items: &[BatchAppendItem], max: usize) -> Result<(), StoreError> {
    if items.len() > max {
        return Err(StoreError::TooLarge { field: "batch events", limit: max as u64, value: items.len() as u64 });
    }
    for (item, event) in items.iter().enumerate() {
        if let CausationRef::Item(cause) = event.cause
            && cause >= item
        {
            return Err(StoreError::CauseNotBefore { item, cause });
        }
    }
    let mut keys: Vec<(u128, usize)> =
        items.iter().enumerate().filter_map(|(item, event)| Some((event.idempotency_key?, item))).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(StoreError::RepeatedKey { first: pair[0].1, second: pair[1].1 }),
        None => Ok(()),
    }
}

/// The receipts of the first time.
fn replay(
    shared: &Shared,
    writing: &Writing,
    frame: &mut Frame,
    proposed: &[Proposed<'_>],
    first: u64,
    durability: Durability,
) -> Result<Vec<AppendReceipt>, StoreError> {
    let end = first + proposed.len() as u64;
    if durability == Durability::Synced || end > shared.visible() {
        shared.make_durable(writing, end).map_err(StoreError::in_flight)?;
    }
    let by_place = proposed.iter().any(|event| event.key.is_none());
    let first_keyed = proposed.iter().position(|event| event.key.is_some()).unwrap_or_default();
    let overhead = overhead_of_item(frame, proposed.len());
    let mut next_in_commit = None;
    let mut buffer = Vec::new();
    let mut receipts = Vec::with_capacity(proposed.len());
    for (item, event) in proposed.iter().enumerate() {
        let sequence = first + item as u64;
        let row = shared.live.row(sequence).ok_or(StoreError::NotFound { sequence })?;
        let stored = shared.read_record(Position { sequence, offset: row.offset }, &mut buffer)?;
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
