//! Failed writes and syncs: the first cause to all, nothing accepted any more, reads go on.

use crate::support::{
    Fault, KIND, Operation, World, append, at, check_usable, item, keyed, settle, synced, visible, written,
};
use batpak::prelude::*;
use batpak::store::{FileSystem, StoreError, WritePath};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;

/// The failure that a call returned: its reason, and whether its outcome is unknown.
#[track_caller]
fn failure<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (String, bool) {
    let error = result.expect_err("a failure");
    let unknown = error.is_outcome_unknown();
    match error {
        StoreError::Failed { reason, .. } => (reason, unknown),
        other => panic!("{other}"),
    }
}

fn try_append(store: &Store, options: AppendOptions<'_>) -> Result<AppendReceipt, StoreError> {
    store.append_with_options(&at("a"), KIND, &"a", options)
}

/// Everything that writes returns the first cause, reads go on, and closing ends.
#[track_caller]
fn check_failed(store: Store, reason: &str, events: u64) {
    let durable = store.diagnostics().durable;
    for _ in 0..2 {
        assert_eq!(failure(try_append(&store, written())), (reason.to_owned(), false));
        assert_eq!(failure(try_append(&store, synced())), (reason.to_owned(), false));
        assert_eq!(failure(store.append_batch([item("a", written())])), (reason.to_owned(), false));
        assert_eq!(failure(store.sync()).0, reason);
        if durable < events {
            assert_eq!(failure(store.wait_durable(events - 1)).0, reason);
        }
        assert_eq!(failure(store.snapshot("/copy")).0, reason);
        if let Some(newest) = durable.checked_sub(1) {
            store.wait_durable(newest).expect("what is durable stays so");
        }
        let diagnostics = store.diagnostics();
        assert_eq!((diagnostics.durable, diagnostics.visible), (durable, events));
        assert_eq!(diagnostics.failure.as_deref(), Some(reason));
        assert_eq!(store.verify_chain().expect("reads go on").events, events);
        assert_eq!(store.query(&Region::all()).expect("reads go on").len() as u64, events);
        let read: Result<Vec<_>, _> = store.events(&Region::all()).collect();
        assert_eq!(read.expect("reads go on").len() as u64, events);
    }
    let other = store.clone();
    assert_eq!(failure(store.close()).0, reason);
    assert!(matches!(other.close(), Err(StoreError::Closed)));
}

#[test]
fn one_failed_sync_ends_writing() {
    for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
        let world = World::new();
        let store = world.open();
        append(&store, "a", synced());
        append(&store, "a", written());
        world.files.plan(Operation::Sync, 1, Fault::Error(kind));
        let (reason, unknown) = failure(try_append(&store, synced()));
        assert!(unknown && reason.starts_with("sync failed"), "{reason}");
        let syncs = world.files.syncs();
        check_failed(store, &reason, 2);
        assert_eq!(world.files.syncs(), syncs, "a sync is never tried again");
        check_usable(&world.with_files(world.files.after_power_cut()).open(), 1);
        check_usable(&world.open(), 3);
    }
}

/// Whoever opened a store after a failed sync would have lost what it showed, and all that was synced behind it.
#[test]
fn what_a_store_shows_after_a_failed_sync_survives_a_power_cut() {
    let world = World::new();
    let store = world.open_direct();
    append(&store, "a", synced());
    append(&store, "a", written());
    world.files.plan(Operation::Sync, 1, Fault::Error(io::ErrorKind::Other));
    failure(store.sync());
    drop(store);
    let store = world.open_direct();
    assert_eq!(visible(&store), 2);
    assert_eq!(world.events_after_power_cut(), 2);
    append(&store, "a", synced());
    assert_eq!(world.events_after_power_cut(), 3);
}

/// A disk that is gone cannot be read any more either.
#[test]
fn an_append_that_cannot_look_up_its_entity_after_a_failure_gets_the_first_cause() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(512)).expect("opens");
    for entity in ["a", "b", "c", "d", "e", "f"] {
        append(&store, entity, written());
    }
    store.close().expect("closes");
    let store = world.open();
    world.files.plan(Operation::Sync, 1, Fault::Error(io::ErrorKind::Other));
    let (reason, _) = failure(store.append_batch([item("f", synced())]));
    let memory = world.files.memory();
    for path in memory.files().iter().filter(|path| path.extension().is_some_and(|extension| extension == "fbat")) {
        memory.remove_file(path).expect("it is there");
    }
    assert_eq!(failure(try_append(&store, written())), (reason.clone(), false));
    let submitted = store.submit(&at("a"), KIND, &"a", written()).and_then(batpak::store::Ticket::wait);
    assert_eq!(failure(submitted), (reason, false));
}

#[test]
fn all_who_wait_get_the_first_cause() {
    let world = World::new();
    let store = world.open_direct();
    append(&store, "b", written());
    world.files.hold_syncs();
    let writes = world.files.writes();
    thread::scope(|scope| {
        let (store, readings) = (&store, world.clock.readings());
        let first = scope.spawn(|| try_append(store, synced().with_idempotency_key(1)));
        world.files.wait_for_blocked_syncs(1);
        let appends = [synced(), written(), synced(), written()];
        let appends = appends.map(|options| scope.spawn(move || try_append(store, options)));
        let batch = scope.spawn(|| store.append_batch([item("a", written()), item("a", written())]));
        let sync = scope.spawn(|| store.sync());
        let replay = scope.spawn(|| try_append(store, written().with_idempotency_key(1)));
        let conflict = scope.spawn(|| try_append(store, written().expect_new()));
        world.files.wait_for_writes(writes + 1 + 5);
        world.clock.wait_for_readings(readings + 1 + 7);
        settle(store);
        world.files.plan(Operation::Sync, 1, Fault::Error(io::ErrorKind::Other));
        world.files.let_syncs_go();
        let (reason, unknown) = failure(first.join().expect("ends"));
        assert!(unknown);
        for append in appends {
            assert_eq!(failure(append.join().expect("ends")), (reason.clone(), true));
        }
        assert_eq!(failure(batch.join().expect("ends")), (reason.clone(), true));
        assert_eq!(failure(sync.join().expect("ends")).0, reason);
        // Whether its event is there is as unknown as for the first one.
        assert_eq!(failure(replay.join().expect("ends")), (reason.clone(), true));
        assert_eq!(failure(conflict.join().expect("ends")), (reason, false));
    });
    assert_eq!(visible(&store), 1);
}

/// The first try may have written the event. A caller that is told by a retry that it is certainly not there, and goes
/// on without the key, would have it twice.
#[test]
fn a_retry_after_a_failure_is_as_unknown_as_the_first_try() {
    let world = World::new();
    let store = world.open();
    world.files.plan(Operation::Sync, 1, Fault::Error(io::ErrorKind::Other));
    assert!(failure(try_append(&store, synced().with_idempotency_key(1))).1);
    for options in [keyed(1), synced().with_idempotency_key(1)] {
        assert!(failure(try_append(&store, options)).1, "it may be there");
        assert!(failure(store.append_batch([item("a", options)])).1);
    }
    assert!(!failure(try_append(&store, keyed(2))).1, "it is not there");
    drop(store);
    let store = world.open();
    assert!(append(&store, "a", keyed(1)).replayed());
    check_usable(&store, 1);
}

#[test]
fn a_failed_write_ends_writing_and_what_was_acknowledged_is_there() {
    for fault in [Fault::Half, Fault::Error(io::ErrorKind::StorageFull), Fault::Error(io::ErrorKind::Other)] {
        let world = World::new();
        let store = world.open_direct();
        append(&store, "a", written());
        append(&store, "b", written());
        world.files.plan(Operation::Write, 1, fault);
        let (reason, unknown) = failure(try_append(&store, keyed(1).expect_len(1)));
        assert!(unknown && reason.starts_with("write failed"), "{reason}");
        check_failed(store, &reason, 2);
        let store = world.open();
        assert!(!append(&store, "a", keyed(1).expect_len(1)).replayed(), "it was not there");
        check_usable(&store, 3);
    }
}

/// Every write and every sync of a workload with rotations fails once.
#[test]
fn whatever_fails_what_was_acknowledged_is_there_and_nothing_else() {
    for operation in [Operation::Write, Operation::Sync, Operation::SyncDirectory, Operation::Create] {
        for fault in [Fault::Half, Fault::Error(io::ErrorKind::StorageFull), Fault::Panic] {
            if fault == Fault::Half && operation != Operation::Write {
                continue;
            }
            for path in [WritePath::Direct, WritePath::Tail] {
                let mut nth = 1;
                while check_fault(path, operation, nth, fault) {
                    nth += 1;
                }
                assert!(nth > 3, "{operation:?} occurs");
            }
        }
    }
}

/// Returns false if nothing went wrong.
fn check_fault(path: WritePath, operation: Operation, nth: u64, fault: Fault) -> bool {
    let at = format!("{path:?} {operation:?} {nth} {fault:?}");
    let world = World::new();
    let config = world.config().with_segment_max_bytes(1024).with_sync_every_n_events(4).with_write_path(path);
    let store = Store::open(config).expect("opens");
    world.files.plan(operation, nth, fault);
    let (mut acknowledged, mut synced_end) = (Vec::new(), 0);
    for n in 0..24_u32 {
        let call = || match n % 4 {
            0 => store.append_batch([item("a", written()), item("b", written())]),
            1 => store.append(&crate::support::at("a"), KIND, &n).map(|receipt| vec![receipt]),
            2 => store.append_with_options(&crate::support::at("b"), KIND, &n, synced()).map(|receipt| vec![receipt]),
            _ => store.append(&crate::support::at("c"), KIND, &"x".repeat(100)).map(|receipt| vec![receipt]),
        };
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(receipts)) => {
                if receipts[0].durability == Durability::Synced {
                    synced_end = receipts[0].sequence + 1;
                }
                acknowledged.extend(receipts);
            }
            Ok(Err(error)) => {
                assert!(matches!(error, StoreError::Failed { .. } | StoreError::Io { .. }), "{at}: {error}");
            }
            Err(_) => assert_eq!(fault, Fault::Panic, "{at}"),
        }
    }
    // The thread of the store may have met it.
    let failed = world.files.forget_plans();
    let visible = visible(&store);
    for receipt in &acknowledged {
        let event = store.get(receipt.event_id).unwrap_or_else(|error| panic!("{at}: {error}")).event;
        assert_eq!(event.event_hash(), receipt.event_hash, "{at}");
    }
    assert_eq!(store.verify_chain().expect("verifies").events, visible, "{at}");
    let killed = world.after_kill();
    let cut = world.with_files(world.files.after_power_cut());
    drop(store);
    for (world, survive) in [(&killed, u64::MAX), (&world, u64::MAX), (&cut, synced_end)] {
        let store =
            Store::open(world.config().with_segment_max_bytes(1024)).unwrap_or_else(|error| panic!("{at}: {error}"));
        for receipt in acknowledged.iter().filter(|receipt| receipt.sequence < survive) {
            let event = store.get(receipt.event_id).unwrap_or_else(|error| panic!("{at}: {error}")).event;
            assert_eq!(event.event_hash(), receipt.event_hash, "{at}");
        }
        check_usable(&store, store.stats().expect("open").events);
    }
    failed
}

#[test]
fn an_append_for_which_there_is_no_room_for_a_segment_changes_nothing() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(512)).expect("opens");
    append(&store, "a", written());
    world.files.plan(Operation::Create, 1, Fault::Error(io::ErrorKind::StorageFull));
    let large = "x".repeat(400);
    let refused = store.append_with_options(&at("a"), KIND, &large, keyed(1).expect_len(1)).expect_err("no room");
    assert!(refused.is_retryable() && !refused.is_outcome_unknown(), "{refused}");
    assert_eq!(store.diagnostics().failure, None);
    let retried = store.append_with_options(&at("a"), KIND, &large, keyed(1).expect_len(1)).expect("there is room");
    assert_eq!((retried.sequence, retried.revision, retried.replayed()), (1, 1, false));
    check_usable(&store, 2);
}

#[test]
fn files_that_panic_end_writing_and_nothing_else() {
    for operation in [Operation::Write, Operation::Sync] {
        let world = World::new();
        let store = world.open();
        append(&store, "a", synced());
        world.files.plan(operation, 1, Fault::Panic);
        let panics = || try_append(&store, synced());
        catch_unwind(AssertUnwindSafe(panics)).expect_err("it panics");
        let reason = store.diagnostics().failure.expect("it has failed");
        check_failed(store, &reason, 1);
        let store = world.open();
        check_usable(&store, store.stats().expect("open").events);
    }
}

#[test]
fn a_panic_of_the_one_who_syncs_reaches_all_who_wait() {
    let world = World::new();
    let store = world.open_direct();
    world.files.hold_syncs();
    let writes = world.files.writes();
    thread::scope(|scope| {
        let store = &store;
        let leader = scope.spawn(|| catch_unwind(AssertUnwindSafe(|| try_append(store, synced()))).is_err());
        world.files.wait_for_blocked_syncs(1);
        let others = [synced(), written()].map(|options| scope.spawn(move || try_append(store, options)));
        world.files.wait_for_writes(writes + 3);
        world.files.plan(Operation::Sync, 1, Fault::Panic);
        world.files.let_syncs_go();
        assert!(leader.join().expect("ends"));
        for other in others {
            assert!(failure(other.join().expect("ends")).1);
        }
    });
    assert_eq!(visible(&store), 0);
    assert!(store.close().is_err());
}

#[test]
fn a_store_dropped_without_close_is_synced_and_released() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", written());
    let mut cursor = store.cursor_guaranteed(&Region::all());
    let other = store.clone();
    drop(store);
    append(&other, "a", written());
    drop(other);
    assert!(matches!(Store::open(world.config()), Err(StoreError::Locked { .. })), "the cursor holds it");
    assert_eq!(cursor.poll().map(|row| row.sequence), Some(0));
    drop(cursor);
    assert_eq!(world.events_after_power_cut(), 2);
    let store = world.open();
    let report = store.diagnostics().open_report.expect("there is one");
    assert!(report.closed_cleanly);
    assert_eq!((report.events_restored, report.events_scanned), (2, 0), "the index was written");
    check_usable(&store, 2);
}

#[test]
fn a_failed_store_that_is_dropped_is_released() {
    let world = World::new();
    let store = world.open_direct();
    append(&store, "a", written());
    world.files.plan(Operation::Write, 1, Fault::Half);
    failure(try_append(&store, written()));
    drop(store);
    check_usable(&world.open(), 1);
}

#[test]
fn closing_waits_for_the_sync_under_way_and_all_who_wait_get_their_receipts() {
    let world = World::new();
    let store = world.open_direct();
    world.files.hold_syncs();
    let writes = world.files.writes();
    thread::scope(|scope| {
        let store = &store;
        let files = &world.files;
        let waiting = [synced(), written(), synced()].map(|options| {
            let appended = scope.spawn(move || try_append(store, options));
            files.wait_for_blocked_syncs(1);
            appended
        });
        files.wait_for_writes(writes + 3);
        settle(store);
        let closing = scope.spawn(|| store.clone().close());
        world.files.let_syncs_go();
        closing.join().expect("ends").expect("closes");
        for appended in waiting {
            appended.join().expect("ends").expect("it was written before");
        }
    });
    assert!(matches!(try_append(&store, written()), Err(StoreError::Closed)));
    check_usable(&world.open(), 3);
}

#[test]
fn what_was_acknowledged_while_the_store_was_being_closed_is_there() {
    for round in 0..40_usize {
        let world = World::new();
        let store =
            Store::open(world.config().with_segment_max_bytes(2048).with_sync_every_n_events(7)).expect("opens");
        let barrier = Barrier::new(4);
        let acknowledged: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..3_usize)
                .map(|thread| {
                    let (store, barrier) = (&store, &barrier);
                    scope.spawn(move || {
                        let options = if thread == 0 { synced() } else { written() };
                        let mut receipts = Vec::new();
                        barrier.wait();
                        loop {
                            match try_append(store, options) {
                                Ok(receipt) => receipts.push(receipt),
                                Err(StoreError::Closed) => return receipts,
                                Err(error) => panic!("{error}"),
                            }
                        }
                    })
                })
                .collect();
            barrier.wait();
            for _ in 0..round {
                append(&store, "b", written());
            }
            store.clone().close().expect("closes");
            threads.into_iter().flat_map(|thread| thread.join().expect("ends")).collect()
        });
        for world in [world.with_files(world.files.after_power_cut()), world.clone()] {
            let store = world.open();
            for receipt in &acknowledged {
                let event = store.get(receipt.event_id).expect("it is there").event;
                assert_eq!(event.event_hash(), receipt.event_hash);
            }
            let report = store.diagnostics().open_report.expect("there is one");
            assert!(report.closed_cleanly && report.torn.is_none());
            check_usable(&store, store.stats().expect("open").events);
        }
    }
}

#[test]
fn opening_many_times_adds_no_files_and_no_bytes() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(1024)).expect("opens");
    for _ in 0..50 {
        append(&store, "a", written());
    }
    store.close().expect("closes");
    let content = |world: &World| {
        let memory = world.files.memory();
        let files = memory.files().into_iter().filter(|path| path.extension().is_none_or(|e| e != "lock"));
        files.map(|path| (path.clone(), memory.read(&path).expect("it is there"))).collect::<Vec<_>>()
    };
    let first = content(&world);
    for round in 0..10 {
        let store = Store::open(world.config().with_segment_max_bytes(1024)).expect("opens");
        if round % 2 == 0 {
            store.close().expect("closes");
        } else {
            drop(store);
        }
        assert_eq!(content(&world), first, "round {round}");
    }
    let after_kill = world.after_kill();
    drop(after_kill.open());
    assert_eq!(content(&after_kill), first);
}
