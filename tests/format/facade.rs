//! What the store says about its events, and what this reader says, in the same form.

use crate::bytes::hex;
use crate::chain::Head;
use crate::encode::uuid;
use crate::messagepack;
use crate::record::{Content, Event};
use batpak::store::{Store, StoreError};
use batpak::{EventHeader, EventId, Region, StoredEvent};
use serde_json::{Value as Json, json};
use std::error::Error;

/// What the store says about everything in it.
pub(crate) fn facts_of_store(store: &Store) -> Json {
    let raw = store.events(&Region::all()).raw().map(|event| event.expect("an event"));
    let shown = store.events(&Region::all()).map(|event| event.expect("an event").event.into_payload());
    let head = store.head().expect("a head");
    let events: Vec<Json> = raw.zip(shown).map(|(event, payload)| facts(&event, &payload)).collect();
    json!({"events": events, "head": {"size": head.size, "root": hex(head.root.as_bytes())}})
}

fn facts(stored: &StoredEvent<Vec<u8>>, payload: &Json) -> Json {
    let header: &EventHeader = &stored.event.header;
    json!({
        "event_id": header.event_id().to_string(),
        "sequence": header.sequence(),
        "revision": header.revision(),
        "entity": stored.coordinate.entity(),
        "scope": stored.coordinate.scope(),
        "kind": header.kind().as_u16(),
        "payload_version": header.payload_version(),
        "time": header.time().as_nanos(),
        "event_hash": hex(header.event_hash().as_bytes()),
        "correlation_id": header.correlation_id().as_ref().map(EventId::to_string),
        "causation_id": header.causation_id().as_ref().map(EventId::to_string),
        "idempotency_key": header.idempotency_key().map(|key| format!("{key:032x}")),
        "occurred_at": header.occurred_at().map(batpak::Timestamp::as_nanos),
        "metadata": hex(header.metadata()),
        "tags": header.tags().collect::<Vec<_>>(),
        "payload_bytes": hex(stored.event.payload()),
        "payload": payload,
    })
}

/// What this reader says about the same.
pub(crate) fn facts_read(events: &[Event], head: Head) -> Json {
    let events: Vec<Json> = events.iter().zip(0_u64..).map(|(event, sequence)| read_facts(event, sequence)).collect();
    json!({"events": events, "head": {"size": head.size, "root": hex(&head.root)}})
}

fn read_facts(event: &Event, sequence: u64) -> Json {
    let Content::Payload { payload, .. } = &event.content else { panic!("event {sequence} has no payload") };
    json!({
        "event_id": uuid(event.id),
        "sequence": sequence,
        "revision": event.revision,
        "entity": event.entity,
        "scope": event.scope,
        "kind": event.kind,
        "payload_version": event.payload_version,
        "time": event.time,
        "event_hash": hex(&event.hash),
        "correlation_id": event.correlation_id.map(uuid),
        "causation_id": event.causation_id.map(uuid),
        "idempotency_key": event.key.map(|key| format!("{key:032x}")),
        "occurred_at": event.occurred_at,
        "metadata": hex(&event.metadata),
        "tags": event.tags,
        "payload_bytes": hex(payload),
        "payload": messagepack::to_json(payload).expect("a payload"),
    })
}

/// An error and its causes, in one line.
pub(crate) fn said(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", said(cause)),
        None => error.to_string(),
    }
}

/// The error must name all of these.
#[track_caller]
pub(crate) fn check_refused<T>(result: Result<T, StoreError>, names: &[&str]) {
    let error = result.err().expect("a refusal");
    let said = said(&error);
    assert!(names.iter().all(|name| said.contains(name)), "{said:?} does not name {names:?}");
}
