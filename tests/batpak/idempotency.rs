//! Idempotency keys: a retry gets the first receipt, and nothing is appended.

use crate::support::{
    Fault, KIND, OTHER_KIND, Operation, World, append, at, check_usable, item, item_of, keyed, receive, settle, synced,
    visible, written,
};
use batpak::prelude::*;
use batpak::store::StoreError;
use std::sync::mpsc;
use std::thread;

/// A replay is the first receipt but for what it says of itself.
#[track_caller]
fn check_replay(replay: &AppendReceipt, first: &AppendReceipt, payload_differs: bool) {
    assert!(replay.replayed());
    assert_eq!(replay.payload_differs(), payload_differs);
    assert_eq!((replay.event_id, replay.sequence), (first.event_id, first.sequence));
    assert_eq!((replay.revision, replay.event_hash), (first.revision, first.event_hash));
}

#[track_caller]
fn check_partial(result: Result<Vec<AppendReceipt>, StoreError>, expected: (usize, usize)) {
    match result.expect_err("a part of it is known") {
        StoreError::PartialReplay { first, item } => assert_eq!((first, item), expected),
        other => panic!("{other}"),
    }
}

#[test]
fn a_retry_returns_the_first_receipt_though_its_condition_no_longer_holds() {
    let world = World::new();
    let store = world.open();
    let options = keyed(1).expect_new();
    let first = append(&store, "a", options);
    append(&store, "a", AppendOptions::default());
    check_replay(&append(&store, "a", options), &first, false);
    let batch = store.append_batch([item("a", options)]).expect("it repeats");
    check_replay(&batch[0], &first, false);
    check_usable(&store, 2);
}

#[test]
fn a_retry_with_another_payload_says_so() {
    let world = World::new();
    let store = world.open();
    let first = store.append_with_options(&at("a"), KIND, &"one", keyed(1)).expect("appends");
    for (payload, differs) in [("one", false), ("two", true), ("on", true), ("", true), ("one one", true)] {
        let replay = store.append_with_options(&at("a"), KIND, &payload, keyed(1)).expect("it repeats");
        check_replay(&replay, &first, differs);
    }
    assert_eq!(store.read(0).expect("reads").event.payload(), "one");
    let other = keyed(1).with_metadata(b"other").with_tags(&["other"]);
    check_replay(&store.append_with_options(&at("a"), KIND, &"one", other).expect("it repeats"), &first, false);
}

#[test]
fn a_key_of_another_entity_scope_or_kind_is_an_error() {
    let world = World::new();
    let store = world.open();
    let first = append(&store, "a", keyed(1));
    let elsewhere = Coordinate::new("a", "elsewhere").expect("valid");
    for (coordinate, kind) in [(at("b"), KIND), (elsewhere, KIND), (at("a"), OTHER_KIND)] {
        let batch = item_of("b", KIND, &1, keyed(1));
        let refusals = [
            store.append_with_options(&coordinate, kind, &"a", keyed(1)).map(drop),
            store.append_batch([batch.clone()]).map(drop),
            store.append_batch([batch, item("a", written())]).map(drop),
        ];
        for refusal in refusals {
            match refusal.expect_err("the key is taken") {
                StoreError::KeyReused { key, event } => assert_eq!((key, event), (1, first.event_id)),
                other => panic!("{other}"),
            }
        }
    }
    check_usable(&store, 1);
}

#[test]
fn a_batch_is_repeated_as_a_whole() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    let items = || [item("a", keyed(1).expect_len(1)), item("b", written()), item("a", keyed(2)), item("c", written())];
    let first = store.append_batch(items()).expect("appends");
    append(&store, "a", AppendOptions::default());
    let again = store.append_batch(items()).expect("it repeats");
    assert_eq!(again.len(), 4);
    for (replay, first) in again.iter().zip(&first) {
        check_replay(replay, first, false);
    }
    let mut other = items();
    other[1] = item_of("b", KIND, &"other", written());
    let replays = store.append_batch(other).expect("it repeats with another payload");
    assert_eq!(replays.iter().map(AppendReceipt::payload_differs).collect::<Vec<_>>(), [false, true, false, false]);
    check_usable(&store, 6);
}

#[test]
fn a_batch_of_which_a_part_is_known_writes_nothing() {
    let world = World::new();
    let store = world.open();
    store.append_batch([item("a", keyed(1)), item("a", keyed(2)), item("a", written())]).expect("appends");
    append(&store, "a", keyed(3));
    append(&store, "b", AppendOptions::default());
    let plain = || item("a", AppendOptions::default());
    check_partial(store.append_batch([item("a", keyed(9)), item("a", keyed(1))]), (1, 0));
    check_partial(store.append_batch([item("a", keyed(1)), item("a", keyed(9))]), (0, 1));
    check_partial(store.append_batch([item("a", keyed(2)), item("a", keyed(1))]), (0, 1));
    check_partial(store.append_batch([item("a", keyed(1)), item("a", keyed(3))]), (0, 1));
    check_partial(store.append_batch([plain(), item("a", keyed(1))]), (1, 0));
    check_partial(store.append_batch([item("a", keyed(3)), plain()]), (0, 1));
    let repeated = store.append_batch([item("a", keyed(8)), plain(), item("a", keyed(8))]);
    match repeated.expect_err("a key occurs twice") {
        StoreError::RepeatedKey { first, second } => assert_eq!((first, second), (0, 2)),
        other => panic!("{other}"),
    }
    check_usable(&store, 5);
    assert!(!append(&store, "a", keyed(9)).replayed(), "no key was taken");
}

/// If an item without a key, beside one whose key is known from another commit, were taken for whatever event follows
/// that one, the caller would get that event's receipt, and its own would never be written.
#[test]
fn an_item_without_a_key_is_no_repetition_of_an_event_of_another_commit() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(512)).expect("opens");
    let mut events = 0;
    for key in 0..20 {
        append(&store, "a", AppendOptions::default());
        append(&store, "a", keyed(key));
        append(&store, "a", AppendOptions::default());
        events += 3;
        let plain = || item("a", AppendOptions::default());
        check_partial(store.append_batch([item("a", keyed(key)), plain()]), (0, 1));
        check_partial(store.append_batch([plain(), item("a", keyed(key))]), (1, 0));
        check_partial(store.append_batch([plain(), item("a", keyed(key)), plain()]), (1, 0));
    }
    check_usable(&store, events);
}

#[test]
fn keys_are_known_after_reopening_rebuilding_and_in_a_snapshot() {
    let world = World::new();
    let store = world.open();
    let mut first = vec![append(&store, "a", keyed(1).with_durability(Durability::Synced))];
    first.extend(store.append_batch([item("b", keyed(2)), item("c", keyed(u128::MAX))]).expect("appends"));
    let replays = |store: &Store| {
        check_replay(&append(store, "a", keyed(1)), &first[0], false);
        let batch = store.append_batch([item("b", keyed(2)), item("c", keyed(u128::MAX))]).expect("it repeats");
        check_replay(&batch[0], &first[1], false);
        check_replay(&batch[1], &first[2], false);
        assert_eq!(store.stats().expect("open").events, 3);
    };
    replays(&store);
    store.snapshot("/copy").expect("copies");
    replays(&world.after_kill().open());
    store.close().expect("closes");
    for index in [true, false] {
        for dir in ["/store", "/copy"] {
            let mut config = world.config().with_enable_checkpoint(index).with_enable_mmap_index(index);
            config.data_dir = dir.into();
            replays(&Store::open(config).expect("opens"));
        }
    }
}

#[test]
fn a_replay_of_an_event_that_is_not_visible_yet_waits_for_it() {
    let world = World::new();
    let store = world.open();
    let (sender, results) = mpsc::channel();
    world.files.hold_syncs();
    thread::scope(|scope| {
        scope.spawn(|| append(&store, "a", keyed(1).with_durability(Durability::Synced)));
        world.files.wait_for_blocked_syncs(1);
        let readings = world.clock.readings();
        scope.spawn(|| {
            let replay = append(&store, "a", keyed(1).with_durability(Durability::Written));
            let seen = store.get(replay.event_id).is_ok();
            sender.send((replay, seen, world.files.syncs())).expect("somebody listens");
        });
        world.clock.wait_for_readings(readings + 1);
        settle(&store);
        assert_eq!(visible(&store), 0);
        let before = world.files.syncs();
        world.files.let_syncs_go();
        let (replay, seen, syncs) = receive(&results);
        assert!(replay.replayed() && seen && syncs > before);
        assert_eq!(replay.durability, Durability::Synced, "it was synced by then");
    });
    check_usable(&store, 1);
}

/// A caller that is told which event has its key looks at it, and must not be told then that there is none.
#[test]
fn a_key_of_an_event_that_is_not_visible_yet_is_refused_once_it_is() {
    let world = World::new();
    let store = world.open();
    let (sender, results) = mpsc::channel();
    world.files.hold_syncs();
    thread::scope(|scope| {
        scope.spawn(|| append(&store, "a", keyed(1).with_durability(Durability::Synced)));
        world.files.wait_for_blocked_syncs(1);
        let readings = world.clock.readings();
        scope.spawn(|| {
            let error = store.append_with_options(&at("b"), KIND, &1, keyed(1)).expect_err("it is that of another");
            let StoreError::KeyReused { event, .. } = error else { panic!("{error}") };
            sender.send(store.get(event).is_ok()).expect("somebody listens");
        });
        scope.spawn(|| {
            check_partial(store.append_batch([item("a", keyed(1)), item("a", keyed(2))]), (0, 1));
            sender.send(visible(&store) == 1).expect("somebody listens");
        });
        world.clock.wait_for_readings(readings + 2);
        settle(&store);
        assert_eq!(visible(&store), 0);
        assert!(results.try_recv().is_err(), "nobody is refused because of what nobody can see");
        world.files.let_syncs_go();
        assert!(receive(&results) && receive(&results), "what they were told of can be seen");
    });
    check_usable(&store, 1);
}

#[test]
fn a_refusal_of_a_key_whose_event_is_lost_is_that_loss() {
    let world = World::new();
    let store = world.open();
    world.files.hold_syncs();
    thread::scope(|scope| {
        scope.spawn(|| store.append_with_options(&at("a"), KIND, &1, synced().with_idempotency_key(1)));
        world.files.wait_for_blocked_syncs(1);
        let readings = world.clock.readings();
        let refused = scope.spawn(|| store.append_with_options(&at("b"), KIND, &1, keyed(1)));
        world.clock.wait_for_readings(readings + 1);
        settle(&store);
        world.files.plan(Operation::Sync, 1, Fault::Error(std::io::ErrorKind::Other));
        world.files.let_syncs_go();
        let error = refused.join().expect("ends").expect_err("nothing can be appended");
        assert!(matches!(error, StoreError::Failed { outcome_unknown: false, .. }), "{error}");
    });
}

/// Otherwise the caller is told that an event does not exist of which it has said nothing.
#[test]
fn a_batch_that_goes_on_behind_the_last_event_repeats_in_part() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", keyed(1));
    check_partial(store.append_batch([item("a", keyed(1)), item("a", written())]), (0, 1));
    check_usable(&store, 1);
}

#[test]
fn a_replay_that_asks_for_synced_is_synced_before_its_receipt() {
    let world = World::new();
    let store = world.open();
    let first = append(&store, "a", keyed(1));
    assert_eq!(world.events_after_power_cut(), 0);
    let written = append(&store, "a", keyed(1));
    assert_eq!(written.durability, Durability::Written, "as durable as the event is");
    let replay = append(&store, "a", keyed(1).with_durability(Durability::Synced));
    check_replay(&replay, &first, false);
    assert_eq!(replay.durability, Durability::Synced);
    assert_eq!(world.events_after_power_cut(), 1);
    let syncs = world.files.syncs();
    append(&store, "a", synced().with_idempotency_key(1));
    assert_eq!(world.files.syncs(), syncs, "it is durable already");
}

#[test]
fn of_threads_with_one_key_exactly_one_appends() {
    let world = World::new();
    let store = world.open();
    for key in 0..50 {
        let receipts: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| append(&store, "a", keyed(key)))).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        assert_eq!(receipts.iter().filter(|receipt| !receipt.replayed()).count(), 1);
        assert!(receipts.iter().all(|receipt| receipt.event_id == receipts[0].event_id));
    }
    check_usable(&store, 50);
}
