//! The sync policy: what a power cut may take at most.

use crate::support::{KIND, World, append, at, item, synced, visible, written};
use batpak::prelude::*;
use batpak::store::SyncConfig;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

#[test]
fn a_power_cut_takes_at_most_so_many_events() {
    for bound in [2, 3, 10, 64] {
        let world = World::new();
        let store = Store::open(world.config().with_sync_every_n_events(bound)).expect("opens");
        let before = world.files.syncs();
        for events in 1..=200 {
            append(&store, "a", AppendOptions::default());
            let left = world.events_after_power_cut();
            assert!(events - left <= bound, "of {events} events {left} are left, the bound is {bound}");
        }
        let syncs = world.files.syncs() - before;
        assert!((200 / (bound + 1)..200).contains(&syncs), "{syncs} syncs, the bound is {bound}");
    }
}

#[test]
fn the_default_is_a_thousand_events() {
    let world = World::new();
    let store = world.open();
    let before = world.files.syncs();
    for _ in 0..249 {
        append(&store, "a", AppendOptions::default());
    }
    assert_eq!(world.files.syncs(), before, "less than a quarter of the bound");
    append(&store, "a", AppendOptions::default());
    world.files.wait_for_syncs(before + 1);
    assert_eq!(world.events_after_power_cut(), 250, "a quarter of the bound is synced, so that no append has to wait");
    world.files.hold_syncs();
    for _ in 0..1000 {
        append(&store, "a", AppendOptions::default());
    }
    assert_eq!(world.events_after_power_cut(), 250, "the disk hangs, and a thousand events are at risk");
    world.files.let_syncs_go();
    append(&store, "a", AppendOptions::default());
    assert!(world.events_after_power_cut() > 250);
    let defaults = SyncConfig { every_n_events: 1000, max_bytes: 8 << 20, interval: Duration::from_millis(100) };
    assert_eq!(StoreConfig::new("x").sync, defaults);
}

/// A sync that began in time suffices: nobody who passes the bound waits for another one of its own.
#[test]
fn an_append_past_the_bound_waits_for_the_sync_that_is_under_way() {
    let world = World::new();
    let store = Store::open(world.config().with_sync_every_n_events(8)).expect("opens");
    let before = world.files.syncs();
    world.files.hold_syncs();
    append(&store, "a", written());
    append(&store, "a", written());
    world.files.wait_for_blocked_syncs(1);
    for _ in 2..8 {
        append(&store, "a", written());
    }
    thread::scope(|scope| {
        let ninth = scope.spawn(|| append(&store, "a", written()));
        while visible(&store) < 9 {
            thread::yield_now();
        }
        assert_eq!(world.events_after_power_cut(), 0);
        assert!(!ninth.is_finished(), "nine events would be at risk");
        world.files.let_one_sync_go();
        ninth.join().expect("appends");
        assert_eq!(world.files.syncs(), before + 1);
        world.files.let_syncs_go();
    });
}

#[test]
fn a_power_cut_takes_at_most_so_many_bytes() {
    for bound in [4096, 20_000] {
        let world = World::new();
        let store = Store::open(world.config().with_sync_max_bytes(bound)).expect("opens");
        let before = world.files.syncs();
        let payload = "x".repeat(500);
        for events in 1..=100 {
            store.append(&at("a"), KIND, &payload).expect("appends");
            let lost = events - world.events_after_power_cut();
            assert!(lost * 500 <= bound, "{lost} events of 500 bytes are lost, the bound is {bound}");
        }
        let syncs = world.files.syncs() - before;
        assert!((1..100).contains(&syncs), "{syncs} syncs");
    }
}

#[test]
fn a_commit_that_is_larger_than_the_bound_is_synced_before_its_receipt() {
    let world = World::new();
    let store = Store::open(world.config().with_sync_every_n_events(21)).expect("opens");
    store.append_batch((0..5).map(|_| item("a", written()))).expect("appends");
    assert_eq!(world.events_after_power_cut(), 0);
    store.append_batch((0..22).map(|_| item("a", written()))).expect("appends");
    assert_eq!(world.events_after_power_cut(), 27);

    let world = World::new();
    let store = Store::open(world.config().with_sync_max_bytes(4096)).expect("opens");
    store.append(&at("a"), KIND, &"x".repeat(500)).expect("appends");
    assert_eq!(world.events_after_power_cut(), 0);
    store.append(&at("a"), KIND, &"x".repeat(5000)).expect("appends");
    assert_eq!(world.events_after_power_cut(), 2);
}

#[test]
fn an_append_after_the_interval_is_over_waits_for_a_sync() {
    let interval = Duration::from_mins(10);
    let world = World::new();
    let store = Store::open(world.config().with_sync_interval(interval)).expect("opens");
    append(&store, "a", written());
    world.clock.advance(interval / 3);
    append(&store, "a", written());
    assert_eq!(world.events_after_power_cut(), 0);
    world.clock.advance(interval / 3);
    append(&store, "a", written());
    world.clock.advance(interval / 3 + Duration::from_nanos(1));
    append(&store, "a", written());
    assert!(world.events_after_power_cut() >= 3, "the first is older than the interval, so all are synced");
    append(&store, "a", written());
    world.clock.advance(interval / 3);
    append(&store, "a", written());
    assert!(world.events_after_power_cut() >= 4);
}

#[test]
fn an_append_after_a_long_pause_waits_for_nothing() {
    let interval = Duration::from_mins(10);
    let world = World::new();
    let store = Store::open(world.config().with_sync_interval(interval)).expect("opens");
    for round in 0..5 {
        append(&store, "a", written());
        store.sync().expect("syncs");
        let syncs = world.files.syncs();
        world.clock.advance(interval * 100);
        append(&store, "a", written());
        assert_eq!(world.files.syncs(), syncs, "nothing is old");
        assert_eq!(world.events_after_power_cut(), 2 * round + 1);
    }
}

#[test]
fn the_interval_is_kept_without_further_appends() {
    for interval in [Duration::from_millis(1), Duration::from_millis(5)] {
        let world = World::new();
        let store = Store::open(world.config().with_sync_interval(interval)).expect("opens");
        for round in 1..=10 {
            let syncs = world.files.syncs();
            append(&store, "a", written());
            assert_eq!(visible(&store), round);
            world.clock.advance(interval);
            world.files.wait_for_syncs(syncs + 1);
            assert_eq!(world.events_after_power_cut(), round);
        }
    }
}

#[test]
fn nothing_is_synced_while_nothing_is_appended() {
    let interval = Duration::from_millis(1);
    let world = World::new();
    let store = Store::open(world.config().with_sync_interval(interval)).expect("opens");
    let before = world.files.syncs();
    append(&store, "a", written());
    world.clock.advance(interval);
    world.files.wait_for_syncs(before + 1);
    world.clock.advance(interval * 100);
    append(&store, "a", synced());
    let syncs = world.files.syncs();
    assert_eq!(syncs, before + 2);
    world.clock.advance(interval * 100);
    store.wait_durable(1).expect("it is");
    store.close().expect("closes");
    assert_eq!(world.files.syncs(), syncs + 1, "the mark of the close");
}

/// Threads append as they like; at any moment the events that were acknowledged and that a power cut would take are
/// within the bound.
#[test]
fn the_bound_holds_at_any_moment_for_many_threads() {
    const BOUND: u64 = 8;
    let world = World::new();
    let config = world.config().with_sync_every_n_events(BOUND).with_segment_max_bytes(8192);
    let store = Store::open(config).expect("opens");
    let acknowledged = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let append = |thread: u32| {
            let (store, acknowledged) = (&store, &acknowledged);
            scope.spawn(move || {
                for n in 0..150_u32 {
                    if (n + thread).is_multiple_of(10) {
                        let receipts = store.append_batch((0..4).map(|_| item("b", written()))).expect("appends");
                        acknowledged.lock().expect("whole").extend(receipts.iter().map(|r| r.sequence));
                    } else {
                        let receipt = append(store, "a", written());
                        acknowledged.lock().expect("whole").push(receipt.sequence);
                    }
                }
            })
        };
        let threads: Vec<_> = (0..3).map(append).collect();
        while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
            let before = acknowledged.lock().expect("whole").clone();
            let left = world.events_after_power_cut();
            let lost = before.iter().filter(|sequence| **sequence >= left).count() as u64;
            assert!(lost <= BOUND, "{lost} of {} are lost", before.len());
        }
    });
}
