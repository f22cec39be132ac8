//! Batches: all or nothing, in order, one commit.

use crate::support::{
    Fault, KIND, Operation, World, append, at, check_usable, item, item_of, synced, visible, written,
};
use batpak::prelude::*;
use batpak::store::StoreError;
use serde_json::json;

fn caused(entity: &str, options: AppendOptions<'_>, cause: CausationRef) -> BatchAppendItem {
    BatchAppendItem::new(at(entity), KIND, &entity, options, cause).expect("encodes")
}

#[test]
fn an_empty_batch_returns_nothing_and_burns_no_sequence() {
    let world = World::new();
    let store = world.open();
    let writes = world.files.writes();
    assert!(store.append_batch([]).expect("it is no error").is_empty());
    assert_eq!(world.files.writes(), writes);
    check_usable(&store, 0);
    store.clone().close().expect("closes");
    assert!(matches!(store.append_batch([]), Err(StoreError::Closed)));
}

#[test]
fn events_of_one_entity_in_one_batch_chain_one_to_the_next() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    let entities = ["a", "b", "a", "a", "b", "c"];
    let receipts = store.append_batch(entities.map(|entity| item(entity, written()))).expect("appends");
    let revisions: Vec<_> = receipts.iter().map(|receipt| receipt.revision).collect();
    assert_eq!(revisions, [1, 0, 2, 3, 1, 0]);
    assert!(receipts.iter().zip(1..).all(|(receipt, sequence)| receipt.sequence == sequence));
    assert!(receipts.is_sorted_by(|a, b| a.event_id < b.event_id));
    check_usable(&store, 7);
    let rows = |store: &Store| store.stream("a").iter().map(|row| (row.sequence, row.revision)).collect::<Vec<_>>();
    assert_eq!(rows(&store), [(0, 0), (1, 1), (3, 2), (4, 3)]);
    let killed = world.after_kill().open();
    assert_eq!(rows(&killed), rows(&store));
    for receipt in receipts {
        assert_eq!(killed.get(receipt.event_id).expect("is there").event.event_hash(), receipt.event_hash);
    }
}

#[test]
fn a_batch_is_one_commit_and_one_sync() {
    let world = World::new();
    let store = world.open();
    let (writes, syncs) = (world.files.writes(), world.files.syncs());
    store.append_batch((0..500).map(|_| item("a", synced()))).expect("appends");
    assert_eq!((world.files.writes() - writes, world.files.syncs() - syncs), (1, 1));
}

#[test]
fn a_batch_is_visible_as_a_whole() {
    let world = World::new();
    let store = world.open();
    for durability in [written(), synced()] {
        store.append_batch((0..3).map(|_| item("a", durability))).expect("appends");
    }
    let mut shown = world.files.shown();
    shown.dedup();
    assert_eq!(shown, [0, 3, 6]);
}

#[test]
fn the_durability_of_a_batch_is_the_highest_of_its_items() {
    let plain = AppendOptions::default();
    let check = |default_synced: bool, items: &[AppendOptions<'_>], expected: Durability| {
        let world = World::new();
        let config = world.config().with_sync_every_n_events(if default_synced { 1 } else { 1000 });
        let store = Store::open(config).expect("opens");
        if expected == Durability::Written {
            world.files.hold_syncs();
        }
        let receipts = store.append_batch(items.iter().map(|options| item("a", *options))).expect("appends");
        assert!(receipts.iter().all(|receipt| receipt.durability == expected), "{items:?}");
        let durable = if expected == Durability::Synced { items.len() as u64 } else { 0 };
        assert_eq!(world.events_after_power_cut(), durable, "{items:?}");
        world.files.let_syncs_go();
    };
    check(false, &[plain, plain], Durability::Written);
    check(false, &[written(), plain], Durability::Written);
    check(false, &[plain, synced()], Durability::Synced);
    check(false, &[synced(), written()], Durability::Synced);
    check(true, &[plain, plain], Durability::Synced);
    check(true, &[written(), plain], Durability::Synced);
    check(true, &[written()], Durability::Written);
}

#[test]
fn an_item_can_name_an_earlier_one_as_its_cause() {
    let world = World::new();
    let store = world.open();
    let outside = append(&store, "outside", AppendOptions::default()).event_id;
    let correlation = EventId::from_u128(77);
    let with_both = AppendOptions::default().with_causation_id(outside).with_correlation_id(correlation);
    let items = [
        caused("a", AppendOptions::default(), CausationRef::None),
        caused("b", AppendOptions::default(), CausationRef::Item(0)),
        caused("c", with_both, CausationRef::Item(1)),
        caused("d", AppendOptions::default(), CausationRef::Item(1)),
        caused("e", AppendOptions::default(), CausationRef::Item(2)),
        caused("f", AppendOptions::default(), CausationRef::Event(outside)),
        caused("g", with_both, CausationRef::None),
    ];
    let receipts = store.append_batch(items).expect("appends");
    let id = |item: usize| Some(receipts[item].event_id);
    let links: Vec<_> = receipts
        .iter()
        .map(|receipt| store.get(receipt.event_id).expect("is there").event)
        .map(|event| (event.causation_id(), event.correlation_id()))
        .collect();
    let expected = [
        (None, None),
        (id(0), id(0)),
        (id(1), Some(correlation)),
        (id(1), id(0)),
        (id(2), Some(correlation)),
        (Some(outside), None),
        (Some(outside), Some(correlation)),
    ];
    assert_eq!(links, expected);
    check_usable(&store, 8);
}

#[test]
fn a_cause_that_is_not_an_earlier_item_is_refused() {
    let world = World::new();
    let store = world.open();
    for named in [1, 2, usize::MAX] {
        let items = [caused("a", written(), CausationRef::None), caused("b", written(), CausationRef::Item(named))];
        match store.append_batch(items).expect_err("it is not before") {
            StoreError::CauseNotBefore { item, cause } => assert_eq!((item, cause), (1, named)),
            other => panic!("{other}"),
        }
    }
    check_usable(&store, 0);
}

#[test]
fn a_batch_refused_at_any_item_leaves_nothing() {
    let world = World::new();
    let store = Store::open(world.config().with_payload_max_bytes(100)).expect("opens");
    append(&store, "a", AppendOptions::default());
    let metadata = vec![0; 5000];
    let large = "x".repeat(200);
    let bad = || {
        [
            item("a", AppendOptions::default().expect_len(50)),
            item("new", AppendOptions::default().expect_len(50)),
            item("a", AppendOptions::default().with_metadata(&metadata)),
            item("a", AppendOptions::default().with_tags(&["same", "same"])),
            item_of("a", KIND, &large, AppendOptions::default()),
            item_of("a", EventKind::from_u16(0), &1, AppendOptions::default()),
        ]
    };
    let writes = world.files.writes();
    for at in 0..4 {
        for bad in bad() {
            let mut items: Vec<_> = ["a", "b", "a", "c"].map(|entity| item(entity, synced())).into();
            items.insert(at, bad);
            let refused = store.append_batch(items).expect_err("one of them is bad");
            assert!(!refused.is_outcome_unknown());
        }
    }
    assert_eq!((world.files.writes(), visible(&store)), (writes, 1));
    let receipts = store.append_batch(["a", "b"].map(|entity| item(entity, written()))).expect("appends");
    assert_eq!((receipts[0].sequence, receipts[0].revision, receipts[1].revision), (1, 1, 0));
    check_usable(&store, 3);
    check_usable(&world.after_kill().open(), 4);
    store.close().expect("closes");
    check_usable(&world.open(), 4);
}

#[test]
fn a_batch_whose_write_failed_is_wholly_there_or_not() {
    for fault in [Fault::Half, Fault::Error(std::io::ErrorKind::StorageFull)] {
        let world = World::new();
        let store = world.open_direct();
        append(&store, "a", AppendOptions::default());
        world.files.plan(Operation::Write, 1, fault);
        let failed = store.append_batch((0..20).map(|_| item("a", written()))).expect_err("the write fails");
        assert!(failed.is_outcome_unknown(), "{failed}");
        assert_eq!(visible(&store), 1);
        check_usable(&world.after_kill().open(), 1);
    }
}

#[test]
fn a_batch_whose_sync_failed_is_wholly_there_or_not() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    world.files.plan(Operation::Sync, 1, Fault::Error(std::io::ErrorKind::Other));
    let failed = store.append_batch((0..20).map(|_| item("a", synced()))).expect_err("the sync fails");
    assert!(failed.is_outcome_unknown(), "{failed}");
    assert_eq!(visible(&store), 1);
    check_usable(&world.after_kill().open(), 21);
    check_usable(&world.with_files(world.files.after_power_cut()).open(), 0);
}

#[test]
fn a_batch_that_is_larger_than_a_segment_is_whole() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(512)).expect("opens");
    for n in 0..5 {
        append(&store, "a", AppendOptions::default());
        store.append_batch((0..50).map(|m| item_of("b", KIND, &json!([n, m]), written()))).expect("appends");
    }
    check_usable(&store, 255);
    check_usable(&world.after_kill().open(), 256);
}
