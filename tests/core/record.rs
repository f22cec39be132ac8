//! That a record is what the format says, and gives back the event.

use batpak_core::{
    Assigned, Content, Coordinate, EventHash, EventId, EventRef, FieldError, Fields, MAX_REVISION, PayloadHash,
    RecordDraft, Timestamp,
};
use proptest::{collection, prelude::*};
use sha2::{Digest, Sha256};

use crate::samples::{self, KIND, Owned, SALT, any_owned, any_place, decoded, place};

// Written down from the format, field by field.
const GOLDEN_HEAD: &str = concat!(
    "7f00",                             // flags: every optional field, content 0
    "01f0",                             // kind f:001
    "0300",                             // payload version
    "0900",                             // length of the entity
    "0500",                             // length of the scope
    "6163636f756e743a37",               // account:7
    "62c3a46e6b",                       // bänk
    "018bcfe5680070008000000400000002", // correlation id: sequence 1
    "018bcfe5680070008000000800000003", // causation id: sequence 2
    "100f0e0d0c0b0a090807060504030201", // idempotency key
    "fbffffffffffffff",                 // occurred at -5
    "0300",                             // length of the metadata
    "00ff6d",                           // metadata
    "02",                               // number of tags
    "0700",                             // length of a tag
    "6f776e65723a33",                   // owner:3
    "0300",                             // length of a tag
    "c3a921",                           // é!
    "0e000000",                         // length of the extensions
    "0100",                             // type
    "02000000",                         // length
    "aabb",                             // bytes
    "ff7f",                             // type
    "00000000",                         // length
);
const GOLDEN_SALT: &str = "000102030405060708090a0b0c0d0e0f";
const GOLDEN_PAYLOAD: &str = "81a16101";
const GOLDEN_PLACE: &str = concat!(
    "018bcfe5680571239159e26aabcdef01", // event id: sequence 0x123456789a
    "0700000000000000",                 // revision
    "15cd853dfe9c9717",                 // time
);
const GOLDEN_PAYLOAD_HASH: &str = "d479b6555d1245dd46e0d0a9eaa8109547a0195f6560d3c0f3395ffe61e6f96b";
const GOLDEN_EVENT_HASH: &str = "568d48cca812d560b6bfd68c753c50e46245162bb317617b54f85a728393ca5f";
const GOLDEN_PREVIOUS: [u8; 32] = [0x11; 32];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn golden_record() -> Vec<u8> {
    bytes(&[GOLDEN_HEAD, GOLDEN_SALT, GOLDEN_PAYLOAD, GOLDEN_PLACE, GOLDEN_EVENT_HASH].concat())
}

fn golden_place() -> Assigned {
    Assigned {
        id: EventId::compose(1_700_000_000_005, 0x12_3456_789A, 0x2_ABCD_EF01).unwrap(),
        revision: 7,
        time: Timestamp::from_nanos(1_700_000_000_123_456_789),
        previous: EventHash::from_bytes(GOLDEN_PREVIOUS),
    }
}

#[test]
fn the_golden_record_is_what_is_written() {
    let salt = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let record = Owned::full().salted_record(salt, &bytes(GOLDEN_PAYLOAD), &golden_place());
    assert_eq!(record, golden_record());
}

#[test]
fn the_golden_hashes_follow_from_the_format() {
    let payload_hash = Sha256::new()
        .chain_update(b"batpak:p")
        .chain_update(bytes(GOLDEN_SALT))
        .chain_update(bytes(GOLDEN_PAYLOAD))
        .finalize();
    let event_hash = Sha256::new()
        .chain_update(b"batpak:e")
        .chain_update(bytes(GOLDEN_HEAD))
        .chain_update(payload_hash)
        .chain_update(bytes(GOLDEN_PLACE))
        .chain_update(GOLDEN_PREVIOUS)
        .finalize();
    assert_eq!(payload_hash[..], bytes(GOLDEN_PAYLOAD_HASH));
    assert_eq!(event_hash[..], bytes(GOLDEN_EVENT_HASH));
}

#[test]
fn the_golden_record_is_read() {
    let record = golden_record();
    let event = decoded(&record);
    assert_eq!((event.entity(), event.scope()), ("account:7", "bänk"));
    assert_eq!(event.coordinate(), Coordinate::new("account:7", "bänk").unwrap());
    assert_eq!((event.kind(), event.payload_version()), (KIND, 3));
    assert_eq!(event.correlation_id(), Some(samples::id(1)));
    assert_eq!(event.causation_id(), Some(samples::id(2)));
    assert_eq!(event.idempotency_key(), Some(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10));
    assert_eq!(event.occurred_at(), Some(Timestamp::from_nanos(-5)));
    assert_eq!(event.metadata(), [0, 0xFF, b'm']);
    assert_eq!((event.tags().collect::<Vec<_>>(), event.tags().len()), (vec!["owner:3", "é!"], 2));
    assert_eq!(event.extensions().collect::<Vec<_>>(), [(1, &[0xAA, 0xBB][..]), (0x7FFF, &[][..])]);
    assert_eq!(event.content().payload(), Some(&bytes(GOLDEN_PAYLOAD)[..]));
    assert_eq!((event.event_id(), event.sequence()), (golden_place().id, 0x12_3456_789A));
    assert_eq!((event.revision(), event.time()), (7, golden_place().time));
    assert_eq!(event.event_hash().to_string(), GOLDEN_EVENT_HASH);
    assert_eq!(event.payload_hash().to_string(), GOLDEN_PAYLOAD_HASH);
    assert_eq!(event.compute_event_hash(&golden_place().previous), Some(event.event_hash()));
    assert_eq!(event.record(), record);
}

#[test]
fn an_event_with_nothing_optional_takes_ninety_bytes_and_its_names() {
    let record = Owned::plain("e", "s").record(b"", &place(0, 0, EventHash::GENESIS));
    assert_eq!(record.len(), 10 + 2 + 16 + 64);
    let event = decoded(&record);
    assert_eq!(event.content(), Content::Payload { salt: SALT, bytes: b"" });
    assert_eq!((event.correlation_id(), event.causation_id(), event.idempotency_key()), (None, None, None));
    assert_eq!((event.occurred_at(), event.metadata()), (None, &[][..]));
    assert_eq!((event.tags().len(), event.extensions().count()), (0, 0));
}

#[test]
fn one_buffer_takes_many_records() {
    let (one, other) = (Owned::plain("a", "s"), Owned::full());
    let mut buffer = b"frame header".to_vec();
    let mut begin = |owned: &Owned, payload: &[u8]| {
        owned.with(|fields| {
            buffer.extend_from_slice(b"item header");
            let mut open = RecordDraft::begin(&mut buffer, fields, SALT).unwrap();
            open.extend_from_slice(payload);
            open.finish()
        })
    };
    let (first, second) = (begin(&one, b"first"), begin(&other, b"second"));
    let (at, next) = (first.range(), second.range());
    let hash = first.assign(&mut buffer[at.clone()], &place(0, 0, EventHash::GENESIS));
    second.assign(&mut buffer[next.clone()], &place(1, 1, hash));

    assert!(buffer.starts_with(b"frame headeritem header"));
    assert_eq!(buffer[at], one.record(b"first", &place(0, 0, EventHash::GENESIS)));
    assert_eq!(buffer[next], other.record(b"second", &place(1, 1, hash)));
}

#[test]
fn a_record_that_is_not_finished_leaves_nothing() {
    let coordinate = Coordinate::new("a", "b").unwrap();
    let mut buffer = vec![1, 2, 3];
    let mut open = RecordDraft::begin(&mut buffer, &Fields::new(&coordinate, KIND), SALT).unwrap();
    open.extend_from_slice(b"half a pay");
    drop(open);
    assert_eq!(buffer, [1, 2, 3]);
}

#[test]
fn a_payload_is_seen_while_it_is_written() {
    let coordinate = Coordinate::new("a", "b").unwrap();
    let mut buffer = vec![1, 2, 3];
    let mut open = RecordDraft::begin(&mut buffer, &Fields::new(&coordinate, KIND), SALT).unwrap();
    assert_eq!(open.payload(), b"");
    open.extend_from_slice(b"one");
    open.extend_from_slice(b" two");
    assert_eq!(open.payload(), b"one two");
    assert_eq!(open.finish().payload_hash(), PayloadHash::of(SALT, b"one two"));
}

#[cfg(feature = "std")]
#[test]
fn a_payload_can_be_written_as_to_a_file() {
    use std::io::Write;

    let coordinate = Coordinate::new("a", "b").unwrap();
    let mut buffer = Vec::new();
    let mut open = RecordDraft::begin(&mut buffer, &Fields::new(&coordinate, KIND), SALT).unwrap();
    assert_eq!(open.write(b"one").unwrap(), 3);
    open.write_all(b" two").unwrap();
    open.flush().unwrap();
    assert_eq!(open.payload(), b"one two");
}

#[test]
fn an_assigned_record_may_have_moved() {
    let owned = Owned::full();
    let mut buffer = Vec::new();
    let draft = owned.with(|fields| RecordDraft::begin(&mut buffer, fields, SALT).unwrap().finish());
    let mut copy = buffer.clone();
    draft.assign(&mut copy, &place(5, 5, EventHash::GENESIS));
    assert_eq!(copy, owned.record(b"", &place(5, 5, EventHash::GENESIS)));
}

#[test]
fn a_cause_that_is_set_later_is_as_if_it_had_been_there_from_the_start() {
    let (late, place) = (Owned::full(), place(5, 5, EventHash::GENESIS));
    let mut buffer = b"before".to_vec();
    let mut draft = late.with(|fields| RecordDraft::begin(&mut buffer, fields, SALT).unwrap().finish());
    let range = draft.range();
    draft.set_cause(&mut buffer[range.clone()], samples::id(3), samples::id(4));
    draft.assign(&mut buffer[range.clone()], &place);

    let correlation_id = Some(samples::id(3));
    let early = Owned { correlation_id, causation_id: Some(samples::id(4)), ..Owned::full() };
    assert_eq!(buffer[range], early.record(b"", &place));
}

fn set_cause_of(owned: &Owned, cut: usize) {
    let mut buffer = Vec::new();
    let mut draft = owned.with(|fields| RecordDraft::begin(&mut buffer, fields, SALT).unwrap().finish());
    let length = buffer.len() - cut;
    draft.set_cause(&mut buffer[..length], samples::id(3), samples::id(4));
}

#[test]
#[should_panic(expected = "the record has no place for a correlation and a causation id")]
fn a_cause_needs_the_place_of_both_ids() {
    set_cause_of(&Owned { causation_id: None, ..Owned::full() }, 0);
}

#[test]
#[should_panic(expected = "the record is not that of the draft")]
fn a_cause_is_not_set_in_another_record() {
    set_cause_of(&Owned::full(), 1);
}

fn assign_to_empty(length: usize, change: impl FnOnce(&mut Assigned)) {
    let mut buffer = Vec::new();
    let draft = Owned::plain("a", "b").with(|fields| RecordDraft::begin(&mut buffer, fields, SALT).unwrap().finish());
    let mut place = place(0, 0, EventHash::GENESIS);
    change(&mut place);
    draft.assign(&mut buffer[..length], &place);
}

#[test]
#[should_panic(expected = "the record is not that of the draft")]
fn another_record_than_that_of_the_draft_is_refused() {
    assign_to_empty(91, |_| ());
}

#[test]
fn the_last_revision_passes() {
    let record = Owned::plain("a", "b").record(b"", &place(0, MAX_REVISION, EventHash::GENESIS));
    assert_eq!(decoded(&record).revision(), (1 << 40) - 1);
}

#[test]
#[should_panic(expected = "the revision is past its limit")]
fn a_revision_past_the_last_is_refused() {
    assign_to_empty(92, |place| place.revision = MAX_REVISION + 1);
}

#[test]
#[should_panic(expected = "the event id has not the layout of this store")]
fn an_id_from_elsewhere_is_no_id_of_an_event() {
    assign_to_empty(92, |place| place.id = EventId::from_u128(1));
}

#[test]
fn every_field_at_its_limit_comes_back() {
    let (longest, payload) = ("x".repeat(1024), vec![1; 100_000]);
    let owned = Owned {
        metadata: vec![9; 4096],
        tags: (0..16_u8).map(|tag| format!("{tag:0256}")).collect(),
        ..Owned::plain(&longest, &longest)
    };
    let record = owned.record(&payload, &place(0, 0, EventHash::GENESIS));
    let event = decoded(&record);
    assert_eq!((event.entity(), event.scope()), (&*longest, &*longest));
    assert_eq!(event.metadata(), owned.metadata);
    assert!(event.tags().eq(&owned.tags));
    assert_eq!(event.content().payload(), Some(&*payload));
}

#[test]
fn a_refused_field_names_itself_when_encoding() {
    let owned = Owned { metadata: vec![0; 5000], ..Owned::plain("a", "b") };
    let refused = owned.with(|fields| RecordDraft::begin(&mut Vec::new(), fields, SALT).map(drop));
    assert_eq!(refused, Err(FieldError::Metadata { bytes: 5000 }));
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(
        owned in any_owned(),
        place in any_place(),
        salt: [u8; 16],
        payload in collection::vec(any::<u8>(), 0..200),
    ) {
        let record = owned.salted_record(salt, &payload, &place);
        let event = EventRef::decode(&record).unwrap();
        prop_assert_eq!(format!("{:?}", Owned::of(&event)), format!("{owned:?}"));
        prop_assert_eq!(event.content(), Content::Payload { salt, bytes: &payload });
        prop_assert_eq!((event.event_id(), event.revision(), event.time()), (place.id, place.revision, place.time));
        prop_assert_eq!(event.payload_hash(), PayloadHash::of(salt, &payload));
        prop_assert_eq!(event.verify(&place.previous), Ok(()));
    }
}
