//! What stays of an event that was erased or dropped.

use batpak_core::{Content, EventHash, EventRef, Timestamp};
use proptest::{collection, prelude::*};

use crate::samples::{Owned, any_owned, any_place, decoded, place};

const SECRET: &[u8] = b"a secret that must be gone";

fn erased(event: &EventRef<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    event.write_erased(&mut out);
    out
}

fn dropped(event: &EventRef<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    event.write_dropped(&mut out);
    out
}

fn holds(record: &[u8], bytes: &[u8]) -> bool {
    record.windows(bytes.len()).any(|window| window == bytes)
}

proptest! {
    #[test]
    fn an_erased_event_keeps_all_fields_and_its_hash_verifies(
        owned in any_owned(), place in any_place(), payload in collection::vec(any::<u8>(), 0..100),
    ) {
        let record = owned.record(&payload, &place);
        let (before, stub) = (decoded(&record), erased(&decoded(&record)));
        let after = decoded(&stub);
        prop_assert_eq!(after.content(), Content::Erased { payload_hash: before.payload_hash() });
        prop_assert_eq!(format!("{:?}", Owned::of(&after)), format!("{owned:?}"));
        prop_assert_eq!((after.event_id(), after.revision(), after.time()), (place.id, place.revision, place.time));
        prop_assert_eq!(after.event_hash(), before.event_hash());
        prop_assert_eq!(after.verify(&place.previous), Ok(()));
    }

    #[test]
    fn a_dropped_event_keeps_its_place_its_key_and_its_hashes(owned in any_owned(), place in any_place()) {
        let record = owned.record(SECRET, &place);
        let (before, stub) = (decoded(&record), dropped(&decoded(&record)));
        let after = decoded(&stub);
        prop_assert_eq!(after.content(), Content::Dropped { payload_hash: before.payload_hash() });
        prop_assert_eq!((after.entity(), after.scope()), (before.entity(), before.scope()));
        prop_assert_eq!(after.idempotency_key(), owned.idempotency_key);
        prop_assert_eq!((after.event_id(), after.revision()), (place.id, place.revision));
        prop_assert_eq!(after.event_hash(), before.event_hash());
        prop_assert_eq!((after.kind().as_u16(), after.payload_version(), after.time()), (0, 0, Timestamp::from_nanos(0)));
        prop_assert_eq!(after.compute_event_hash(&place.previous), None);
        prop_assert_eq!(after.verify(&EventHash::GENESIS), Ok(()));
    }
}

proptest! {
    #[test]
    fn a_relinked_event_differs_in_its_hash_alone(
        owned in any_owned(), place in any_place(), payload in collection::vec(any::<u8>(), 0..100), hash in any::<[u8; 32]>(),
    ) {
        let record = owned.record(&payload, &place);
        let previous = EventHash::from_bytes(hash);
        let mut relinked = Vec::new();
        let found = decoded(&record).write_relinked(&previous, &mut relinked);
        let after = decoded(&relinked);
        prop_assert_eq!((after.event_hash(), after.verify(&previous)), (found, Ok(())));
        prop_assert_eq!(&relinked[..relinked.len() - 32], &record[..record.len() - 32]);
        let stub = dropped(&decoded(&record));
        let mut copied = Vec::new();
        prop_assert_eq!(decoded(&stub).write_relinked(&previous, &mut copied), place_hash(&record));
        prop_assert_eq!(copied, stub);
    }
}

fn place_hash(record: &[u8]) -> EventHash {
    decoded(record).event_hash()
}

#[test]
fn nothing_of_payload_and_salt_is_left() {
    let salt = *b"0123456789abcdef";
    let record = Owned::full().salted_record(salt, SECRET, &place(1, 0, EventHash::GENESIS));
    assert!(holds(&record, SECRET) && holds(&record, &salt));
    for stub in [erased(&decoded(&record)), dropped(&decoded(&record))] {
        assert!(!holds(&stub, &SECRET[..8]) && !holds(&stub, &salt[..8]));
    }
}

#[test]
fn a_change_of_an_erased_event_shows() {
    let stub = erased(&decoded(&Owned::full().record(SECRET, &place(1, 0, EventHash::GENESIS))));
    for at in 0..stub.len() {
        let mut changed = stub.clone();
        changed[at] ^= 1;
        let verified = EventRef::decode(&changed).is_ok_and(|event| event.verify(&EventHash::GENESIS).is_ok());
        // A dropped one cannot be verified, and says so.
        assert!(!verified, "byte {at}");
    }
}

#[test]
fn stubs_are_made_of_stubs() {
    let record = Owned::full().record(SECRET, &place(1, 0, EventHash::GENESIS));
    let (once, gone) = (erased(&decoded(&record)), dropped(&decoded(&record)));
    assert_eq!(erased(&decoded(&once)), once);
    assert_eq!(dropped(&decoded(&once)), gone);
    assert_eq!(dropped(&decoded(&gone)), gone);
    assert_eq!(erased(&decoded(&gone)), gone);
}

#[test]
fn a_stub_is_appended() {
    let record = Owned::full().record(SECRET, &place(1, 0, EventHash::GENESIS));
    let mut out = b"before".to_vec();
    decoded(&record).write_erased(&mut out);
    decoded(&record).write_dropped(&mut out);
    assert_eq!(out, [b"before", &erased(&decoded(&record))[..], &dropped(&decoded(&record))].concat());
}
