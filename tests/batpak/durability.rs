//! What a receipt promises, and who sees an event when.

use crate::support::{KIND, World, append, at, check_usable, receive, settle, synced, visible, written};
use batpak::prelude::*;
use batpak::store::StoreError;
use batpak::store::WritePath;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[test]
fn what_is_written_survives_the_process_and_what_is_synced_a_power_cut() {
    let world = World::new();
    let store = world.open();
    assert_eq!(append(&store, "a", AppendOptions::default()).durability, Durability::Written);
    assert_eq!(world.after_kill().open().stats().expect("open").events, 1);
    assert_eq!(world.events_after_power_cut(), 0);
    assert_eq!(append(&store, "a", synced()).durability, Durability::Synced);
    assert_eq!(world.events_after_power_cut(), 2, "and what came before");
    assert_eq!(append(&store, "a", written()).durability, Durability::Written);
    assert_eq!(world.events_after_power_cut(), 2);
    check_usable(&store, 3);
}

#[test]
fn a_store_can_be_synced_unless_an_append_says_otherwise() {
    let world = World::new();
    let store = Store::open(world.config().with_sync_every_n_events(1)).expect("opens");
    assert_eq!(append(&store, "a", AppendOptions::default()).durability, Durability::Synced);
    assert_eq!(world.events_after_power_cut(), 1);
    assert_eq!(append(&store, "a", written()).durability, Durability::Written);
    assert_eq!(world.events_after_power_cut(), 1);
    assert_eq!(StoreConfig::synced("x").durability(), Durability::Synced);
    assert_eq!(StoreConfig::new("x").durability(), Durability::Written);
}

/// Checks by every way to read that so many events can be seen.
#[track_caller]
fn check_seen(store: &Store, events: u64) {
    let count = usize::try_from(events).expect("few");
    assert_eq!(visible(store), events);
    assert_eq!(store.stats().expect("open").events, events);
    assert_eq!(store.query(&Region::all()).expect("reads").len(), count);
    assert_eq!(store.stream("a").len(), count);
    assert_eq!(store.events(&Region::all()).count(), count);
    assert_eq!(store.verify_chain().expect("verifies").events, events);
    let mut cursor = store.cursor_guaranteed(&Region::all());
    assert_eq!(std::iter::from_fn(|| cursor.poll()).count(), count);
    let unseen = store.read(events).expect_err("it is not visible");
    assert!(matches!(unseen, StoreError::NotFound { sequence } if sequence == events), "{unseen}");
}

#[test]
fn nobody_sees_a_synced_event_before_its_sync() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    let (sender, results) = mpsc::channel();
    world.files.hold_syncs();
    thread::scope(|scope| {
        scope.spawn(|| {
            let receipt = append(&store, "a", synced());
            sender.send((receipt, store.get(receipt.event_id).is_ok(), world.files.syncs())).expect("listens");
        });
        world.files.wait_for_blocked_syncs(1);
        check_seen(&store, 1);
        let before = world.files.syncs();
        world.files.let_syncs_go();
        let (receipt, seen, syncs) = receive(&results);
        assert_eq!(receipt.sequence, 1);
        assert!(seen, "a receipt implies that the event is visible");
        assert!(syncs > before, "the receipt comes after the sync");
    });
    check_seen(&store, 2);
}

#[test]
fn a_written_append_behind_a_pending_synced_one_waits_for_it() {
    let world = World::new();
    let store = world.open_direct();
    world.files.hold_syncs();
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        let start = |options| {
            let (sender, store, files) = (sender.clone(), &store, &world.files);
            scope.spawn(move || {
                let receipt = append(store, "a", options);
                let seen = store.get(receipt.event_id).is_ok();
                sender.send((receipt.sequence, seen, files.syncs())).expect("listens");
            });
        };
        let (writes, syncs) = (world.files.writes(), world.files.syncs());
        start(synced());
        world.files.wait_for_blocked_syncs(1);
        start(written());
        world.files.wait_for_writes(writes + 2);
        settle(&store);
        check_seen(&store, 0);
        start(synced());
        world.files.wait_for_writes(writes + 3);
        settle(&store);
        world.files.let_one_sync_go();
        let mut first = [receive(&results), receive(&results)];
        first.sort_unstable();
        assert_eq!(first.map(|(sequence, seen, _)| (sequence, seen)), [(0, true), (1, true)]);
        assert!(first.iter().all(|(_, _, at)| *at > syncs), "both waited for the sync");
        world.files.wait_for_blocked_syncs(1);
        check_seen(&store, 2);
        assert_eq!(store.diagnostics().durable, 1, "the written one is not synced itself");
        world.files.let_syncs_go();
        assert_eq!(receive(&results).0, 2);
    });
    check_seen(&store, 3);
}

#[test]
fn a_written_append_waits_for_no_sync() {
    let world = World::new();
    let store = world.open();
    world.files.hold_syncs();
    for sequence in 0..100 {
        assert_eq!(append(&store, "a", written()).sequence, sequence);
    }
    check_seen(&store, 100);
    world.files.let_syncs_go();
}

#[test]
fn those_who_wait_share_one_sync_and_others_write_meanwhile() {
    const THREADS: u64 = 16;
    let world = World::new();
    let store = world.open_direct();
    let (writes, syncs) = (world.files.writes(), world.files.syncs());
    world.files.hold_syncs();
    thread::scope(|scope| {
        scope.spawn(|| append(&store, "a", synced()));
        world.files.wait_for_blocked_syncs(1);
        for _ in 0..THREADS {
            scope.spawn(|| append(&store, "a", synced()));
        }
        world.files.wait_for_writes(writes + 1 + THREADS);
        settle(&store);
        world.files.let_syncs_go();
    });
    assert_eq!(world.files.syncs() - syncs, 2, "one for the first, one for all others");
    check_seen(&store, 1 + THREADS);
}

#[test]
fn sync_wait_durable_and_close_make_the_rest_durable() {
    let world = World::new();
    let store = world.open();
    for _ in 0..3 {
        append(&store, "a", written());
    }
    assert_eq!(store.diagnostics().durable, 0);
    assert_eq!(world.events_after_power_cut(), 0);
    store.wait_durable(0).expect("syncs");
    assert!(world.events_after_power_cut() >= 1);
    let beyond = store.wait_durable(3).expect_err("there is no such event");
    assert!(matches!(beyond, StoreError::NotFound { sequence: 3 }), "{beyond}");
    append(&store, "a", written());
    store.sync().expect("syncs");
    assert_eq!((world.events_after_power_cut(), store.diagnostics().durable), (4, 4));
    append(&store, "a", written());
    store.clone().close().expect("closes");
    assert_eq!(world.events_after_power_cut(), 5);
    for refused in [store.sync(), store.wait_durable(0), store.clone().close()] {
        assert!(matches!(refused, Err(StoreError::Closed)));
    }
    assert!(matches!(store.append(&at("a"), KIND, &1), Err(StoreError::Closed)));
}

type Call<'a> = &'a (dyn Fn(&Store) -> Result<(), StoreError> + Sync);

#[test]
fn a_sync_of_somebody_else_shows_a_pending_event() {
    let by_sync = |store: &Store| store.sync();
    let by_wait = |store: &Store| store.wait_durable(0);
    let by_copy = |store: &Store| store.snapshot("/copy");
    let calls: [Call<'_>; 3] = [&by_sync, &by_wait, &by_copy];
    // Mostly the one who appends is faster to show its own event.
    for call in calls.repeat(30) {
        let world = World::new();
        let store = world.open();
        world.files.hold_syncs();
        thread::scope(|scope| {
            scope.spawn(|| append(&store, "a", synced()));
            world.files.wait_for_blocked_syncs(1);
            let seen = scope.spawn(|| call(&store).map(|()| visible(&store)));
            world.files.let_syncs_go();
            assert_eq!(seen.join().expect("ends").expect("syncs"), 1);
        });
    }
}

/// If an event that is written while somebody else's sync is under way were left for the next append or close to sync,
/// a power cut an hour later would take an event of an hour ago.
#[test]
fn the_interval_is_kept_for_an_event_that_waited_for_the_sync_of_another() {
    let interval = Duration::from_millis(2);
    for _ in 0..20 {
        let world = World::new();
        let config = world.config().with_sync_interval(interval).with_write_path(WritePath::Direct);
        let store = Store::open(config).expect("opens");
        let syncs = world.files.syncs();
        append(&store, "a", written());
        world.clock.advance(interval);
        world.files.wait_for_syncs(syncs + 1);
        store.wait_durable(0).expect("it is");
        // The thread that keeps the interval has nothing to do now.
        world.files.hold_syncs();
        let writes = world.files.writes();
        thread::scope(|scope| {
            scope.spawn(|| append(&store, "a", synced()));
            world.files.wait_for_blocked_syncs(1);
            scope.spawn(|| append(&store, "a", written()));
            world.files.wait_for_writes(writes + 2);
            settle(&store);
            world.files.let_one_sync_go();
        });
        let syncs = world.files.syncs();
        assert_eq!((visible(&store), world.events_after_power_cut()), (3, 2));
        world.files.let_syncs_go();
        world.clock.advance(interval);
        world.files.wait_for_syncs(syncs + 1);
        assert_eq!(world.events_after_power_cut(), 3);
    }
}

#[test]
fn readers_see_a_prefix_that_only_grows_while_threads_append() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(4096).with_sync_every_n_events(50)).expect("opens");
    let (sender, done) = mpsc::channel();
    thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (sender, store) = (sender.clone(), &store);
            scope.spawn(move || {
                for n in 0..300_u32 {
                    let options = if (n + thread).is_multiple_of(7) { synced() } else { written() };
                    let receipt = append(store, "a", options);
                    assert!(store.get(receipt.event_id).is_ok(), "a receipt implies that the event is visible");
                }
                sender.send(()).expect("listens");
            });
        }
        drop(sender);
        let mut cursor = store.cursor_guaranteed(&Region::all());
        let (mut next, mut seen) = (0, 0);
        loop {
            let over = done.recv_timeout(Duration::ZERO) == Err(mpsc::RecvTimeoutError::Disconnected);
            let now = visible(&store);
            assert!(now >= seen);
            seen = now;
            while let Some(row) = cursor.poll() {
                assert_eq!(row.sequence, next);
                next += 1;
            }
            assert!(next >= seen);
            if over {
                break;
            }
        }
        assert_eq!(next, 1200);
    });
    check_usable(&store, 1200);
}
