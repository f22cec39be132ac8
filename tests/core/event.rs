//! That an owned event says what its record says.

use batpak_core::{Event, EventHash, EventHeader, StoredEvent};
use proptest::prelude::*;

use crate::samples::{Owned, any_owned, any_place, decoded, place};

proptest! {
    #[test]
    fn it_says_what_its_record_says(owned in any_owned(), place in any_place()) {
        let record = owned.record(b"payload", &place);
        let borrowed = decoded(&record);
        let event = Event::new(EventHeader::from(&borrowed), ());
        prop_assert_eq!(event.event_id(), borrowed.event_id());
        prop_assert_eq!(event.sequence(), borrowed.sequence());
        prop_assert_eq!(event.revision(), borrowed.revision());
        prop_assert_eq!(event.kind(), borrowed.kind());
        prop_assert_eq!(event.payload_version(), borrowed.payload_version());
        prop_assert_eq!(event.time(), borrowed.time());
        prop_assert_eq!(event.event_hash(), borrowed.event_hash());
        prop_assert_eq!(event.correlation_id(), borrowed.correlation_id());
        prop_assert_eq!(event.causation_id(), borrowed.causation_id());
        prop_assert_eq!(event.idempotency_key(), borrowed.idempotency_key());
        prop_assert_eq!(event.occurred_at(), borrowed.occurred_at());
        prop_assert_eq!(event.metadata(), borrowed.metadata());
        prop_assert!(event.tags().eq(borrowed.tags()));
    }
}

#[test]
fn a_header_stays_small() {
    assert!(size_of::<EventHeader>() <= 96);
    assert_eq!(size_of::<Event<()>>(), size_of::<EventHeader>());
}

#[test]
fn the_payload_can_be_replaced_and_taken() {
    let record = Owned::full().record(b"21", &place(3, 1, EventHash::GENESIS));
    let borrowed = decoded(&record);
    let event = Event::new(EventHeader::from(&borrowed), "21");
    let parsed = event.clone().map_payload(|text| text.parse::<u32>().unwrap());
    assert_eq!((parsed.payload(), &parsed.header), (&21, &event.header));
    let replaced = parsed.with_payload([1, 2]);
    assert_eq!(replaced.header, event.header);
    assert_eq!(replaced.into_payload(), [1, 2]);

    let stored = StoredEvent { coordinate: borrowed.coordinate(), event };
    assert_eq!((stored.coordinate.entity(), stored.event.payload), ("account:7", "21"));
}
