//! Appending one event: sequences, receipts, kinds, clocks, and what a caller's code may do meanwhile.

use crate::support::{Calls, KIND, World, append, at, check_usable, item_of, synced, written};
use batpak::prelude::*;
use batpak::store::StoreError;
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn the_first_sequence_is_0_and_a_cursor_delivers_it() {
    let world = World::new();
    let store = world.open();
    let mut before = store.cursor_guaranteed(&Region::entity("a"));
    assert!(before.poll().is_none());
    let receipt = append(&store, "a", AppendOptions::default());
    assert_eq!((receipt.sequence, receipt.revision), (0, 0));
    let mut after = store.cursor_guaranteed(&Region::entity("a"));
    for cursor in [&mut before, &mut after] {
        let row = cursor.poll().expect("the first event");
        assert_eq!((row.sequence, row.event_id), (0, receipt.event_id));
        assert!(cursor.poll().is_none());
    }
    assert_eq!(receipt.event_id.sequence(), 0);
}

#[test]
fn the_next_sequence_after_reopening_is_one_past_the_last() {
    let world = World::new();
    let store = world.open();
    let entities = ["a", "b", "a"];
    let first = entities.map(|entity| append(&store, entity, AppendOptions::default()));
    store.close().expect("closes");
    let store = world.open();
    let next = append(&store, "a", AppendOptions::default());
    assert_eq!((next.sequence, next.revision), (3, 2));
    assert!(next.event_id > first[2].event_id);
    drop(store);
    let store = world.open();
    assert_eq!(append(&store, "b", AppendOptions::default()).sequence, 4);
    check_usable(&store, 5);
}

#[test]
fn a_receipt_says_what_is_read_back() {
    let world = World::new();
    let store = world.open();
    for options in [written(), synced()] {
        let receipt = append(&store, "a", options);
        let stored = store.get(receipt.event_id).expect("it is visible");
        let event = stored.event;
        assert_eq!(event.event_id(), receipt.event_id);
        assert_eq!((event.sequence(), event.revision()), (receipt.sequence, receipt.revision));
        assert_eq!(event.event_hash(), receipt.event_hash);
        assert_eq!(Some(receipt.durability), options.durability);
        assert!(!receipt.replayed() && !receipt.payload_differs());
    }
}

#[test]
fn reserved_kinds_are_refused_on_every_way_to_write() {
    let world = World::new();
    let store = world.open();
    for number in [0x0000, 0x0001, 0x0FFF, 0xD000, 0xD001, 0xDFFF] {
        let kind = EventKind::from_u16(number);
        let item = item_of("a", kind, &1, AppendOptions::default());
        let good = item_of("a", KIND, &1, AppendOptions::default());
        let refusals = [
            store.append(&at("a"), kind, &1).map(drop),
            store.append_with_options(&at("a"), kind, &1, AppendOptions::default()).map(drop),
            store.append_batch([item.clone()]).map(drop),
            store.append_batch([good.clone(), item, good]).map(drop),
        ];
        for refusal in refusals {
            match refusal.expect_err("it is reserved") {
                StoreError::ReservedKind { kind: named } => assert_eq!(named, kind),
                other => panic!("{other}"),
            }
        }
    }
    for number in [0x1000, 0xCFFF, 0xE000, 0xFFFF] {
        store.append(&at("b"), EventKind::from_u16(number), &1).expect("it is the application's");
    }
    assert_eq!(store.stats().expect("is open").events, 4);
    check_usable(&store, 4);
}

#[test]
fn a_clock_that_jumps_changes_no_order_and_repeats_no_id() {
    let world = World::new();
    let times = [5_000_000_000, i64::MAX, 4_000_000_000, 0, -1, i64::MIN, 6_000_000_000];
    let mut receipts = Vec::new();
    for reopen in [false, true, true] {
        let store = world.open();
        for time in times {
            world.clock.set_wall_ns(time);
            receipts.push(append(&store, "a", AppendOptions::default()));
            let last = receipts.last().expect("one");
            let event = store.get(last.event_id).expect("is there").event;
            assert_eq!(event.time(), Timestamp::from_nanos(time), "the time is the clock's, reopened: {reopen}");
        }
        if reopen {
            drop(store);
        } else {
            store.close().expect("closes");
        }
    }
    assert!(receipts.is_sorted_by(|a, b| a.event_id < b.event_id && a.sequence + 1 == b.sequence));
    let store = Store::open(world.config().with_enable_checkpoint(false).with_enable_mmap_index(false)).expect("opens");
    let next = append(&store, "a", AppendOptions::default());
    assert!(next.event_id > receipts.last().expect("some").event_id);
    check_usable(&store, receipts.len() as u64 + 1);
}

#[test]
fn a_payload_that_panics_while_it_is_encoded_leaves_the_store_usable() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    for options in [written(), synced().with_idempotency_key(5).expect_len(1)] {
        let payload = Calls(|| panic!("in the payload"));
        let call = || store.append_with_options(&at("a"), KIND, &payload, options);
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    }
    let call = || item_of("a", KIND, &Calls(|| panic!("in the payload")), AppendOptions::default());
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    let items = std::iter::from_fn(|| panic!("in the items"));
    assert!(catch_unwind(AssertUnwindSafe(|| store.append_batch(items))).is_err());
    check_usable(&store, 1);
    assert_eq!(append(&store, "a", AppendOptions::default().with_idempotency_key(5)).revision, 1);
}

#[test]
fn a_payload_may_use_the_store_while_it_is_encoded() {
    let world = World::new();
    let store = world.open();
    let inner = Calls(|| {
        append(&store, "innermost", synced());
    });
    let payload = Calls(|| {
        store.append(&at("inner"), KIND, &inner).expect("appends");
        store.append_batch([item_of("inner", KIND, &json!([1, 2]), written())]).expect("appends");
        assert_eq!(store.stream("inner").len(), 2);
    });
    let outer = store.append(&at("outer"), KIND, &payload).expect("appends");
    assert_eq!(outer.sequence, 3);
    let payloads: Vec<_> = store.events(&Region::all()).map(|e| e.expect("reads").event.into_payload()).collect();
    assert_eq!(payloads, [json!("innermost"), json!(7), json!([1, 2]), json!(7)]);
    check_usable(&store, 4);
}

#[test]
fn a_payload_that_appends_to_its_own_entity_makes_the_condition_fail() {
    let world = World::new();
    let store = world.open();
    let payload = Calls(|| {
        append(&store, "a", written());
    });
    let refused = store.append_with_options(&at("a"), KIND, &payload, AppendOptions::default().expect_new());
    assert!(refused.expect_err("it exists by then").is_conflict());
    check_usable(&store, 1);
}

#[test]
fn a_payload_that_closes_the_store_gets_closed() {
    let world = World::new();
    let store = world.open();
    let payload = Calls(|| store.clone().close().expect("closes"));
    let refused = store.append(&at("a"), KIND, &payload).expect_err("it is closed by then");
    assert!(matches!(refused, StoreError::Closed), "{refused}");
    drop(store);
    check_usable(&world.open(), 0);
}

#[test]
fn a_payload_that_cannot_be_encoded_is_refused() {
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not this one"))
        }
    }
    let world = World::new();
    let store = world.open();
    let options = AppendOptions::default().with_idempotency_key(1);
    let refused = store.append_with_options(&at("a"), KIND, &(1, Refuses), options).expect_err("it refuses");
    assert!(matches!(refused, StoreError::Encode(_)), "{refused}");
    check_usable(&store, 0);
    assert!(!append(&store, "a", options).replayed());
}

/// If randomness that panics half-way through a batch left the entity with a length and a hash of events that are not
/// written, every event that follows would be on a chain that does not verify, and the store would not open.
#[test]
fn randomness_that_panics_or_fails_leaves_the_store_usable() {
    // Salts and ids are drawn that often for so many events.
    for nth in 1..=6 {
        for panics in [true, false] {
            let world = World::new();
            let store = world.open();
            append(&store, "a", AppendOptions::default());
            let batch = || (0..1200).map(|n| item_of("a", KIND, &n, AppendOptions::default()));
            let items: Vec<_> = batch().collect();
            if panics {
                world.entropy.panic_at(nth);
                catch_unwind(AssertUnwindSafe(|| store.append_batch(items))).expect_err("it panics");
            } else {
                world.entropy.fail_at(nth);
                let failed = store.append_batch(items).expect_err("it fails");
                assert!(matches!(failed, StoreError::Io { .. }), "{failed}");
            }
            let next = append(&store, "a", AppendOptions::default());
            assert_eq!((next.sequence, next.revision), (1, 1), "fill {nth}");
            store.append_batch(batch()).expect("appends");
            check_usable(&store, 1202);
            drop(store);
            check_usable(&world.open(), 1203);
        }
    }
}
