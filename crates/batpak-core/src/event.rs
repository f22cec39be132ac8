//! An event that owns what it says.

use alloc::boxed::Box;

use crate::{
    coordinate::Coordinate, decode::EventRef, hash::EventHash, id::EventId, kind::EventKind, layout::Flags,
    time::Timestamp,
};

/// What an event says besides its payload and its coordinate. It holds 80 bytes, and has more only for an event with
/// ids of others, a key, a time of its own, metadata or tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHeader {
    id: EventId,
    revision: u64,
    time: Timestamp,
    event_hash: EventHash,
    kind: EventKind,
    payload_version: u16,
    // Most events have none of it, and then nothing is allocated.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rare {
    correlation_id: Option<EventId>,
    causation_id: Option<EventId>,
    idempotency_key: Option<u128>,
    occurred_at: Option<Timestamp>,
    metadata: Box<[u8]>,
    tags: Box<[Box<str>]>,
}

impl From<&EventRef<'_>> for EventHeader {
    /// Allocates nothing if the event has only what every event has.
    fn from(event: &EventRef<'_>) -> Self {
        Self {
            id: event.event_id(),
            revision: event.revision(),
            time: event.time(),
            event_hash: event.event_hash(),
            kind: event.kind(),
            payload_version: event.payload_version(),
            rare: (event.head().flags.fields() != Flags::NONE).then(|| Box::new(Rare::from(event))),
        }
    }
}

impl From<&EventRef<'_>> for Rare {
    fn from(event: &EventRef<'_>) -> Self {
        Self {
            correlation_id: event.correlation_id(),
            causation_id: event.causation_id(),
            idempotency_key: event.idempotency_key(),
            occurred_at: event.occurred_at(),
            metadata: event.metadata().into(),
            tags: event.tags().map(Box::from).collect(),
        }
    }
}

impl EventHeader {
    /// The event's id.
    pub fn event_id(&self) -> EventId {
        self.id
    }

    /// Its position in the store, from 0; it stands in the id.
    pub fn sequence(&self) -> u64 {
        self.id.sequence()
    }

    /// Its position in its entity's stream, from 0.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What sort of event it is.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The version of the payload's type, 0 for an untyped one.
    pub fn payload_version(&self) -> u16 {
        self.payload_version
    }

    /// The wall clock when it was appended.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Its hash.
    pub fn event_hash(&self) -> EventHash {
        self.event_hash
    }

    /// What links the events of one undertaking.
    pub fn correlation_id(&self) -> Option<EventId> {
        self.rare.as_ref()?.correlation_id
    }

    /// The event that brought this one about.
    pub fn causation_id(&self) -> Option<EventId> {
        self.rare.as_ref()?.causation_id
    }

    /// What makes a second append of the same event a repetition of the first.
    pub fn idempotency_key(&self) -> Option<u128> {
        self.rare.as_ref()?.idempotency_key
    }

    /// When it happened, if that is not when it was appended.
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.rare.as_ref()?.occurred_at
    }

    /// The bytes of the application, empty if there are none.
    pub fn metadata(&self) -> &[u8] {
        self.rare.as_ref().map_or(&[], |rare| &rare.metadata)
    }

    /// What else the event concerns, in the order in which it was given.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        let tags: &[Box<str>] = self.rare.as_ref().map_or(&[], |rare| &rare.tags);
        tags.iter().map(|tag| &**tag)
    }
}

/// An event with its payload, without its coordinate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<P> {
    /// What it says besides its payload.
    pub header: EventHeader,
    /// Its payload.
    pub payload: P,
}

/// An event as it is stored: with its coordinate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent<P> {
    /// The entity that it belongs to, and its scope.
    pub coordinate: Coordinate,
    /// The event.
    pub event: Event<P>,
}

impl<P> Event<P> {
    /// An event of these parts.
    pub const fn new(header: EventHeader, payload: P) -> Self {
        Self { header, payload }
    }

    /// Its id.
    pub fn event_id(&self) -> EventId {
        self.header.event_id()
    }

    /// Its position in the store, from 0.
    pub fn sequence(&self) -> u64 {
        self.header.sequence()
    }

    /// Its position in its entity's stream, from 0.
    pub fn revision(&self) -> u64 {
        self.header.revision()
    }

    /// What sort of event it is.
    pub fn kind(&self) -> EventKind {
        self.header.kind()
    }

    /// The version of the payload's type, 0 for an untyped one.
    pub fn payload_version(&self) -> u16 {
        self.header.payload_version()
    }

    /// The wall clock when it was appended.
    pub fn time(&self) -> Timestamp {
        self.header.time()
    }

    /// Its hash.
    pub fn event_hash(&self) -> EventHash {
        self.header.event_hash()
    }

    /// What links the events of one undertaking.
    pub fn correlation_id(&self) -> Option<EventId> {
        self.header.correlation_id()
    }

    /// The event that brought this one about.
    pub fn causation_id(&self) -> Option<EventId> {
        self.header.causation_id()
    }

    /// What makes a second append of the same event a repetition of the first.
    pub fn idempotency_key(&self) -> Option<u128> {
        self.header.idempotency_key()
    }

    /// When it happened, if that is not when it was appended.
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.header.occurred_at()
    }

    /// The bytes of the application, empty if there are none.
    pub fn metadata(&self) -> &[u8] {
        self.header.metadata()
    }

    /// What else the event concerns.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.header.tags()
    }

    /// Its payload.
    pub const fn payload(&self) -> &P {
        &self.payload
    }

    /// Its payload, without the rest.
    pub fn into_payload(self) -> P {
        self.payload
    }

    /// The same event with another payload.
    pub fn with_payload<Q>(self, payload: Q) -> Event<Q> {
        Event { header: self.header, payload }
    }

    /// The same event with what `map` makes of its payload.
    pub fn map_payload<Q>(self, map: impl FnOnce(P) -> Q) -> Event<Q> {
        Event { header: self.header, payload: map(self.payload) }
    }
}
