//! A record of any bytes: it is refused, or it is what an encoder writes, and its getters agree. So it is with the
//! description of a kind.

use batpak_core::{
    Assigned, Content, EventHash, EventHeader, EventRef, Fields, KindDescription, RecordDraft, RecordError, Region,
};

const HASH_BYTES: usize = 32;

pub(super) fn run(data: &[u8]) {
    check_description(data);
    match (EventRef::decode(data), EventRef::decode_unchecked_extensions(data)) {
        (Ok(event), Ok(same)) => {
            assert_eq!(event, same);
            check_encoding(&event, data);
            check_getters(&event);
        }
        (Err(RecordError::UnsupportedExtension { extension }), Ok(event)) => {
            assert!(event.extensions().any(|(found, _)| found == extension));
            check_getters(&event);
        }
        (Err(error), Err(same)) => assert_eq!(error, same),
        (decoded, unchecked) => panic!("{decoded:?}, and without critical extensions {unchecked:?}"),
    }
}

/// There is one way to describe a kind.
fn check_description(data: &[u8]) {
    let Ok(description) = KindDescription::decode(data) else { return };
    let mut again = Vec::new();
    description.encode(&mut again);
    assert_eq!(again, data);
    let (kind, version, fields) = (description.kind(), description.version(), description.fields().to_vec());
    assert_eq!(KindDescription::new(kind, version, description.name(), fields), Ok(description));
}

/// There is one way to write a record.
fn check_encoding(event: &EventRef<'_>, data: &[u8]) {
    let again = encoded_again(event);
    assert_eq!(again.len(), data.len());
    // The hash of an event cannot be told from its record alone.
    let end = data.len() - HASH_BYTES;
    assert_eq!(again[..end], data[..end]);
}

fn encoded_again(event: &EventRef<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match event.content() {
        Content::Payload { salt, bytes } => encode(event, salt, bytes, &mut out),
        Content::Erased { .. } => event.write_erased(&mut out),
        Content::Dropped { .. } => event.write_dropped(&mut out),
    }
    out
}

fn encode(event: &EventRef<'_>, salt: [u8; 16], payload: &[u8], out: &mut Vec<u8>) {
    let coordinate = event.coordinate();
    let tags: Vec<&str> = event.tags().collect();
    let extensions: Vec<(u16, &[u8])> = event.extensions().collect();
    let fields = Fields {
        coordinate: &coordinate,
        kind: event.kind(),
        payload_version: event.payload_version(),
        correlation_id: event.correlation_id(),
        causation_id: event.causation_id(),
        idempotency_key: event.idempotency_key(),
        occurred_at: event.occurred_at(),
        metadata: event.metadata(),
        tags: &tags,
        extensions: &extensions,
    };
    let previous = EventHash::GENESIS;
    let place = Assigned { id: event.event_id(), revision: event.revision(), time: event.time(), previous };
    let mut draft = RecordDraft::begin(out, &fields, salt).expect("what was decoded is within its limits");
    draft.extend_from_slice(payload);
    let hash = draft.finish().assign(out, &place);
    assert_eq!(event.compute_event_hash(&previous), Some(hash));
    let again = EventRef::decode(out).expect("what was written");
    again.verify(&previous).expect("its own hash");
}

fn check_getters(event: &EventRef<'_>) {
    let header = EventHeader::from(event);
    assert_eq!(header.event_id(), event.event_id());
    assert_eq!((header.sequence(), header.revision()), (event.sequence(), event.revision()));
    assert_eq!((header.kind(), header.payload_version()), (event.kind(), event.payload_version()));
    assert_eq!((header.time(), header.occurred_at()), (event.time(), event.occurred_at()));
    assert_eq!(header.event_hash(), event.event_hash());
    assert_eq!((header.correlation_id(), header.causation_id()), (event.correlation_id(), event.causation_id()));
    assert_eq!((header.idempotency_key(), header.metadata()), (event.idempotency_key(), event.metadata()));
    assert!(header.tags().eq(event.tags()) && header.tags().len() == event.tags().count());
    assert_eq!((event.coordinate().entity(), event.coordinate().scope()), (event.entity(), event.scope()));
    assert!(Region::entity(event.entity()).with_scope(event.scope()).with_kind(event.kind()).matches(event));
    assert!(event.tags().all(|tag| Region::tag(tag).matches(event)));
    let _ = (format!("{event:?}"), event.verify(&EventHash::GENESIS));
    check_stubs(event);
}

/// What is left of an event has the same hash of its payload.
fn check_stubs(event: &EventRef<'_>) {
    let dropped = matches!(event.content(), Content::Dropped { .. });
    let (mut erased, mut stub) = (Vec::new(), Vec::new());
    if !dropped {
        event.write_erased(&mut erased);
        let erased = EventRef::decode_unchecked_extensions(&erased).expect("an erased event");
        assert_eq!(erased.payload_hash(), event.payload_hash());
        assert_eq!(erased.compute_event_hash(&EventHash::GENESIS), event.compute_event_hash(&EventHash::GENESIS));
    }
    event.write_dropped(&mut stub);
    let stub = EventRef::decode(&stub).expect("a dropped event");
    assert_eq!((stub.payload_hash(), stub.event_hash()), (event.payload_hash(), event.event_hash()));
    assert_eq!((stub.event_id(), stub.idempotency_key()), (event.event_id(), event.idempotency_key()));
}
