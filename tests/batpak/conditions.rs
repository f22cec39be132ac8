//! Conditions: what an append expects of its entity.

use crate::support::{KIND, World, append, at, check_usable, item, keyed, receive, settle, synced, visible, written};
use batpak::prelude::*;
use batpak::store::StoreError;
use std::sync::{Barrier, mpsc};
use std::thread;

/// What a conflict says.
#[track_caller]
fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (String, u64, u64, Option<EventId>) {
    let error = result.expect_err("a conflict");
    assert!(error.is_conflict() && !error.is_outcome_unknown() && !error.is_retryable());
    match error {
        StoreError::Conflict { entity, expected, actual, newest } => (entity, expected, actual, newest),
        other => panic!("{other}"),
    }
}

fn try_append(store: &Store, entity: &str, expected: u64) -> Result<AppendReceipt, StoreError> {
    store.append_with_options(&at(entity), KIND, &entity, AppendOptions::default().expect_len(expected))
}

#[test]
fn a_condition_counts_the_events_of_its_entity_alone() {
    let world = World::new();
    let store = world.open();
    append(&store, "b", AppendOptions::default());
    let first = try_append(&store, "a", 0).expect("it is new");
    let refused = conflict(try_append(&store, "a", 0));
    assert_eq!(refused, ("a".to_owned(), 0, 1, Some(first.event_id)));
    assert_eq!(conflict(try_append(&store, "a", 2)), ("a".to_owned(), 2, 1, Some(first.event_id)));
    assert_eq!(conflict(try_append(&store, "c", 1)), ("c".to_owned(), 1, 0, None));
    assert_eq!(try_append(&store, "a", 1).expect("it has one").revision, 1);
    let other_scope = Coordinate::new("a", "elsewhere").expect("valid");
    let options = AppendOptions::default().expect_len(2);
    assert_eq!(store.append_with_options(&other_scope, KIND, &1, options).expect("the same entity").revision, 2);
    check_usable(&store, 4);
}

#[test]
fn conditions_hold_after_reopening() {
    for index in [true, false] {
        let world = World::new();
        let config = || world.config().with_enable_checkpoint(index).with_enable_mmap_index(index);
        let store = Store::open(config()).expect("opens");
        append(&store, "a", AppendOptions::default());
        conflict(try_append(&store, "never", 3));
        append(&store, "b", AppendOptions::default());
        store.close().expect("closes");
        let store = Store::open(config()).expect("opens");
        assert_eq!(conflict(try_append(&store, "a", 0)).2, 1);
        assert_eq!(try_append(&store, "never", 0).expect("it is new").revision, 0);
        assert_eq!(try_append(&store, "a", 1).expect("it has one").revision, 1);
        assert_eq!(store.stats().expect("open").entities, 3);
        check_usable(&store, 4);
    }
}

#[test]
fn of_threads_that_expect_the_same_exactly_one_wins() {
    const THREADS: usize = 8;
    let world = World::new();
    let store = world.open();
    for round in 0..100 {
        let barrier = Barrier::new(THREADS);
        let options = AppendOptions::default().expect_len(round);
        let results: Vec<_> = thread::scope(|scope| {
            let race = |thread: usize| {
                let (store, barrier) = (&store, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let durability = if thread == 0 { Durability::Synced } else { Durability::Written };
                    let batch = thread.is_multiple_of(3);
                    let options = options.with_durability(durability);
                    if batch {
                        return store.append_batch([item("a", options)]).map(|receipts| receipts[0]);
                    }
                    store.append_with_options(&at("a"), KIND, &thread, options)
                })
            };
            let threads: Vec<_> = (0..THREADS).map(race).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        let winner = won.into_iter().next().expect("one").expect("it won");
        assert_eq!(winner.revision, round);
        for loser in lost {
            assert_eq!(conflict(loser), ("a".to_owned(), round, round + 1, Some(winner.event_id)));
        }
    }
    check_usable(&store, 100);
}

#[test]
fn earlier_items_of_a_batch_count() {
    let world = World::new();
    let store = world.open();
    let expects = |entity, len| item(entity, AppendOptions::default().expect_len(len));
    let receipts = store.append_batch([expects("a", 0), expects("b", 0), expects("a", 1)]).expect("appends");
    assert_eq!(receipts.iter().map(|r| r.revision).collect::<Vec<_>>(), [0, 0, 1]);
    check_usable(&store, 3);
}

/// The earlier item will never be an event: a conflict that names it would give the caller the id of somebody else's
/// event, or of none.
#[test]
fn an_item_that_conflicts_with_an_earlier_one_is_a_conflict_with_what_is_there() {
    let world = World::new();
    let store = world.open();
    let new = |entity| item(entity, AppendOptions::default().expect_new());
    assert_eq!(conflict(store.append_batch([new("a"), new("a")])), ("a".to_owned(), 0, 1, None));
    let first = append(&store, "a", AppendOptions::default());
    append(&store, "b", AppendOptions::default());
    let second = item("a", AppendOptions::default().expect_len(1));
    let refused = conflict(store.append_batch([item("b", written()), second.clone(), second]));
    assert_eq!(refused, ("a".to_owned(), 1, 2, Some(first.event_id)));
    check_usable(&store, 2);
}

#[test]
fn a_conflict_with_an_event_that_is_not_visible_yet_waits_for_it() {
    let world = World::new();
    let store = world.open();
    let (sender, results) = mpsc::channel();
    world.files.hold_syncs();
    thread::scope(|scope| {
        scope.spawn(|| append(&store, "a", synced()));
        world.files.wait_for_blocked_syncs(1);
        let readings = world.clock.readings();
        scope.spawn(|| {
            let refused = conflict(try_append(&store, "a", 0));
            let newest = refused.3.expect("there is one");
            let seen = store.get(newest).is_ok();
            sender.send((refused.2, seen, world.files.syncs())).expect("somebody listens");
        });
        world.clock.wait_for_readings(readings + 1);
        settle(&store);
        assert_eq!(visible(&store), 0);
        let before = world.files.syncs();
        world.files.let_syncs_go();
        let (actual, seen, syncs) = receive(&results);
        assert_eq!((actual, seen), (1, true), "what stands against it can be read");
        assert!(syncs > before, "it waited for the sync");
    });
    check_usable(&store, 1);
}

#[test]
fn a_refused_append_changes_nothing() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    let before = (world.files.writes(), store.diagnostics());
    let refusals = [
        try_append(&store, "a", 7).map(drop),
        store.append_with_options(&at("new"), KIND, &1, keyed(3).expect_len(1)).map(drop),
        store.append_batch([item("a", keyed(4)), item("new", keyed(5)), item("a", written().expect_len(9))]).map(drop),
    ];
    for refusal in refusals {
        conflict(refusal);
    }
    assert_eq!((world.files.writes(), store.diagnostics()), before);
    for key in [3, 4, 5] {
        assert!(!append(&store, "b", keyed(key)).replayed(), "no key was taken");
    }
    check_usable(&store, 4);
    for world in [world.after_kill(), world.with_files(world.files.after_kill())] {
        check_usable(&world.open(), 5);
    }
}
