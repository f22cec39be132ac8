//! Events to test with.

use batpak_core::{Assigned, Coordinate, EventHash, EventId, EventKind, EventRef, Fields, RecordDraft, Timestamp};
use proptest::{collection, option, prelude::*};

pub(crate) const KIND: EventKind = EventKind::custom(0xF, 1);
pub(crate) const SALT: [u8; 16] = [7; 16];

/// What [`Fields`] borrows.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) coordinate: Coordinate,
    pub(crate) kind: EventKind,
    pub(crate) payload_version: u16,
    pub(crate) correlation_id: Option<EventId>,
    pub(crate) causation_id: Option<EventId>,
    pub(crate) idempotency_key: Option<u128>,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) tags: Vec<String>,
    pub(crate) extensions: Vec<(u16, Vec<u8>)>,
}

impl Owned {
    pub(crate) fn plain(entity: &str, scope: &str) -> Self {
        Self {
            coordinate: Coordinate::new(entity, scope).unwrap(),
            kind: KIND,
            payload_version: 0,
            correlation_id: None,
            causation_id: None,
            idempotency_key: None,
            occurred_at: None,
            metadata: Vec::new(),
            tags: Vec::new(),
            extensions: Vec::new(),
        }
    }

    pub(crate) fn full() -> Self {
        Self {
            payload_version: 3,
            correlation_id: Some(id(1)),
            causation_id: Some(id(2)),
            idempotency_key: Some(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            occurred_at: Some(Timestamp::from_nanos(-5)),
            metadata: vec![0, 0xFF, b'm'],
            tags: vec!["owner:3".into(), "é!".into()],
            extensions: vec![(1, vec![0xAA, 0xBB]), (0x7FFF, Vec::new())],
            ..Self::plain("account:7", "bänk")
        }
    }

    pub(crate) fn of(event: &EventRef<'_>) -> Self {
        Self {
            coordinate: event.coordinate(),
            kind: event.kind(),
            payload_version: event.payload_version(),
            correlation_id: event.correlation_id(),
            causation_id: event.causation_id(),
            idempotency_key: event.idempotency_key(),
            occurred_at: event.occurred_at(),
            metadata: event.metadata().into(),
            tags: event.tags().map(String::from).collect(),
            extensions: event.extensions().map(|(extension, bytes)| (extension, bytes.into())).collect(),
        }
    }

    pub(crate) fn with<R>(&self, run: impl FnOnce(&Fields<'_>) -> R) -> R {
        let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        let extensions: Vec<(u16, &[u8])> = self.extensions.iter().map(|(e, bytes)| (*e, &bytes[..])).collect();
        run(&Fields {
            coordinate: &self.coordinate,
            kind: self.kind,
            payload_version: self.payload_version,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            idempotency_key: self.idempotency_key,
            occurred_at: self.occurred_at,
            metadata: &self.metadata,
            tags: &tags,
            extensions: &extensions,
        })
    }

    pub(crate) fn record(&self, payload: &[u8], place: &Assigned) -> Vec<u8> {
        self.salted_record(SALT, payload, place)
    }

    pub(crate) fn salted_record(&self, salt: [u8; 16], payload: &[u8], place: &Assigned) -> Vec<u8> {
        self.with(|fields| {
            let mut buffer = Vec::new();
            let mut open = RecordDraft::begin(&mut buffer, fields, salt).unwrap();
            open.extend_from_slice(payload);
            open.finish().assign(&mut buffer, place);
            buffer
        })
    }
}

pub(crate) fn id(sequence: u64) -> EventId {
    EventId::compose(1_700_000_000_000, sequence, sequence + 1).unwrap()
}

pub(crate) fn place(sequence: u64, revision: u64, previous: EventHash) -> Assigned {
    Assigned { id: id(sequence), revision, time: Timestamp::from_nanos(1_700_000_000_000_000_000), previous }
}

/// The records of the first `count` events of an entity.
pub(crate) fn stream(entity: &str, count: u64) -> Vec<Vec<u8>> {
    let owned = Owned::plain(entity, "bank");
    let mut previous = EventHash::GENESIS;
    let mut records = Vec::new();
    for revision in 0..count {
        let record = owned.record(format!("payload {revision}").as_bytes(), &place(10 + revision, revision, previous));
        previous = decoded(&record).event_hash();
        records.push(record);
    }
    records
}

#[track_caller]
pub(crate) fn decoded(record: &[u8]) -> EventRef<'_> {
    EventRef::decode(record).unwrap()
}

fn name() -> impl Strategy<Value = String> {
    "[a-zäß中🦀:0-9 ]{1,24}"
}

pub(crate) fn any_id() -> impl Strategy<Value = EventId> {
    any::<u128>().prop_map(EventId::from_u128)
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    collection::hash_set(name(), 0..=16).prop_map(|tags| tags.into_iter().collect())
}

fn extensions() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    collection::btree_map(0..0x8000_u16, collection::vec(any::<u8>(), 0..40), 0..4)
        .prop_map(|extensions| extensions.into_iter().collect())
}

prop_compose! {
    pub(crate) fn any_owned()(
        (entity, scope) in (name(), name()),
        (kind, payload_version) in any::<(u16, u16)>(),
        correlation_id in option::of(any_id()),
        causation_id in option::of(any_id()),
        idempotency_key in any::<Option<u128>>(),
        occurred_at in any::<Option<i64>>(),
        metadata in collection::vec(any::<u8>(), 0..100),
        tags in tags(),
        extensions in extensions(),
    ) -> Owned {
        Owned {
            coordinate: Coordinate::new(entity, scope).unwrap(),
            kind: EventKind::from_u16(kind),
            payload_version,
            correlation_id,
            causation_id,
            idempotency_key,
            occurred_at: occurred_at.map(Timestamp::from_nanos),
            metadata,
            tags,
            extensions,
        }
    }
}

prop_compose! {
    pub(crate) fn any_place()(
        millis in 0..1_u64 << 48,
        sequence in 0..=batpak_core::MAX_SEQUENCE,
        random in any::<u64>(),
        revision in 0..=batpak_core::MAX_REVISION,
        time in any::<i64>(),
        previous in any::<[u8; 32]>(),
    ) -> Assigned {
        Assigned {
            id: EventId::compose(millis, sequence, random).unwrap(),
            revision,
            time: Timestamp::from_nanos(time),
            previous: EventHash::from_bytes(previous),
        }
    }
}
