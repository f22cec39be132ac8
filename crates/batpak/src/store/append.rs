//! Appending: encode and hash, commit under the lock, wait if the durability asks for it.

use crate::KindInfo;
use crate::store::commit::{Proposed, Stream};
use crate::store::job::Job;
use crate::store::look_up::Frozen;
use crate::store::shared::Writing;
use crate::store::typed::Written;
use crate::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Durability, Store, StoreError, payload,
};
use batpak_core::{Coordinate, EventId, EventKind, Fields, OpenRecord, RecordDraft};
use batpak_index::Extras;
use serde::Serialize;
use std::sync::PoisonError;

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
        self.append_written(coordinate, Written::untyped(kind), &options, |open| Ok(payload::encode(payload, open)?))
    }

    /// Appends an event whose payload is written by `write`.
    #[inline]
    pub(crate) fn append_written(
        &self,
        coordinate: &Coordinate,
        written: Written,
        options: &AppendOptions<'_>,
        write: impl FnOnce(&mut OpenRecord<'_>) -> Result<(), StoreError>,
    ) -> Result<AppendReceipt, StoreError> {
        let durability = options.durability.unwrap_or(self.shared().config.durability());
        let writing = self.shared().writing()?;
        let mut job = Job::begin();
        job.durability = durability;
        self.propose_written(writing, &mut job, coordinate, written, options, write)?;
        self.commit(writing, &mut job)?;
        let receipt = job.receipts.first().copied();
        job.end();
        receipt.ok_or(StoreError::Closed)
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
        let mut job = Job::begin();
        self.propose_batch(writing, &mut job, &items)?;
        self.commit(writing, &mut job)?;
        let receipts = std::mem::take(&mut job.receipts);
        job.end();
        Ok(receipts.into_vec())
    }

    /// Adds an event to a job, its payload written by `write`.
    pub(crate) fn propose_written(
        &self,
        writing: &Writing,
        job: &mut Job,
        coordinate: &Coordinate,
        written: Written,
        options: &AppendOptions<'_>,
        write: impl FnOnce(&mut OpenRecord<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let fields = Fields {
            payload_version: written.version,
            correlation_id: options.correlation_id,
            causation_id: options.causation_id,
            idempotency_key: options.idempotency_key,
            occurred_at: options.occurred_at,
            metadata: options.metadata,
            tags: options.tags,
            ..Fields::new(coordinate, written.kind)
        };
        self.admit(job, written.info)?;
        let proposed = self.propose(writing, job, &fields, write)?;
        proposed.expected = options.expected_sequence;
        Ok(())
    }

    #[inline]
    fn admit(&self, job: &mut Job, info: Option<&KindInfo>) -> Result<(), StoreError> {
        info.map_or(Ok(()), |info| self.admit_kind(job, info))
    }

    /// Adds all events of a batch to a job, and the durability that they ask for together.
    pub(crate) fn propose_batch(
        &self,
        writing: &Writing,
        job: &mut Job,
        items: &[BatchAppendItem],
    ) -> Result<(), StoreError> {
        let config = &self.shared().config;
        check_batch(items, config.batch_max_events)?;
        let asked = items.iter().filter_map(|item| item.durability).max();
        let unsaid = items.iter().any(|item| item.durability.is_none());
        let default = unsaid.then(|| config.durability());
        job.durability = asked.max(default).unwrap_or_default();
        for item in items {
            self.propose_item(writing, job, item)?;
        }
        let (limit, value) = (config.batch_max_bytes, job.frame.encoded_len());
        if items.len() > 1 && value > limit {
            return Err(StoreError::TooLarge { field: "batch bytes", limit, value });
        }
        Ok(())
    }

    fn propose_item(&self, writing: &Writing, job: &mut Job, item: &BatchAppendItem) -> Result<(), StoreError> {
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
            payload_version: item.version,
            idempotency_key: item.idempotency_key,
            occurred_at: item.occurred_at,
            metadata: &item.metadata,
            tags: &tags,
            ..Fields::new(&item.coordinate, item.kind)
        };
        let write = |open: &mut OpenRecord<'_>| {
            open.extend_from_slice(&item.payload);
            Ok(())
        };
        self.admit(job, item.info)?;
        let proposed = if item.by_store {
            self.propose_any(writing, job, &fields, write)?
        } else {
            self.propose(writing, job, &fields, write)?
        };
        proposed.expected = item.expected_sequence;
        proposed.correlation = item.correlation_id;
        if let CausationRef::Item(cause) = item.cause {
            proposed.cause = Some(cause);
        }
        Ok(())
    }

    /// Encodes and hashes an event of a user: all that needs no lock.
    fn propose<'j>(
        &self,
        writing: &Writing,
        job: &'j mut Job,
        fields: &Fields<'_>,
        write: impl FnOnce(&mut OpenRecord<'_>) -> Result<(), StoreError>,
    ) -> Result<&'j mut Proposed, StoreError> {
        if fields.kind.is_reserved() {
            return Err(StoreError::ReservedKind { kind: fields.kind });
        }
        self.propose_any(writing, job, fields, write)
    }

    /// The same of any event, also of a kind that is kept for the store.
    fn propose_any<'j>(
        &self,
        writing: &Writing,
        job: &'j mut Job,
        fields: &Fields<'_>,
        write: impl FnOnce(&mut OpenRecord<'_>) -> Result<(), StoreError>,
    ) -> Result<&'j mut Proposed, StoreError> {
        let limit = self.shared().config.payload_max_bytes;
        let salt = writing.salts.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (draft, payload_len) = job.frame.push_with(|buffer| {
            let mut open = RecordDraft::begin(buffer, fields, salt)?;
            write(&mut open)?;
            let len = open.payload().len();
            if len as u64 > limit {
                return Err(StoreError::TooLarge { field: "payload bytes", limit, value: len as u64 });
            }
            Ok::<_, StoreError>((open.finish(), len))
        })?;
        let index = &self.shared().index;
        let known = index.find(fields.coordinate);
        let (correlation, causation) = (fields.correlation_id, fields.causation_id);
        Ok(job.proposed.push_mut(Proposed {
            stream: known.map_or_else(|| Stream::New(fields.coordinate.clone()), Stream::Known),
            kind: fields.kind,
            draft: Some(draft),
            payload_len,
            expected: None,
            key: fields.idempotency_key,
            extras: Extras::new(!fields.tags.is_empty(), correlation.is_some(), causation.is_some()),
            marks: index.marks(fields.tags.iter().copied(), correlation, causation, fields.idempotency_key),
            frozen: Frozen::default(),
            correlation: fields.correlation_id,
            cause: None,
        }))
    }

    /// Commits a job and returns when its events are visible and as durable as asked.
    pub(crate) fn commit(&self, writing: &Writing, job: &mut Job) -> Result<(), StoreError> {
        let shared = self.shared();
        if job.durability == Durability::Written {
            self.inner.background.ensure(&self.inner.shared)?;
        }
        writing.freezing.ensure(&self.inner.shared);
        shared.look_up(job, false)?;
        loop {
            if let Some(settled) = shared.place_in_turn(writing, job)? {
                return shared.conclude(writing, settled, job);
            }
            shared.make_room(writing, &job.frame)?;
            writing.freezing.ensure(&self.inner.shared);
        }
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
