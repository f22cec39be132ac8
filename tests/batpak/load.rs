//! The promises at full speed: several threads on the real file system, through rotations, with a reader beside them.

use batpak::prelude::*;
use batpak::store::{StoreError, WritePath};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const KIND: EventKind = EventKind::custom(3, 1);
const THREADS: u128 = 4;
const EACH: u128 = 400;

fn at(entity: &str) -> Coordinate {
    Coordinate::new(entity, "load").expect("valid")
}

/// Appends to an entity that all threads append to, until the condition holds. The key makes it happen once.
fn append_to_hot(store: &Store, key: u128, durability: Durability) -> AppendReceipt {
    let mut len = 0;
    loop {
        let options = AppendOptions::default().with_idempotency_key(key).expect_len(len).with_durability(durability);
        match store.append_with_options(&at("hot"), KIND, &key.to_string(), options) {
            Ok(receipt) => return receipt,
            Err(StoreError::Conflict { actual, newest, .. }) => {
                assert_ne!(actual, len, "only another length is a conflict");
                // What stands against it can be seen.
                let newest = newest.expect("there is an event");
                assert!(store.get(newest).expect("it is visible").event.revision() < actual);
                len = actual;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What one thread does. Every receipt is checked when it comes.
fn work(store: &Store, thread: u128) -> Vec<AppendReceipt> {
    let mut receipts = Vec::new();
    for n in 0..EACH {
        let key = thread << 64 | n;
        let durability = if n % 8 == 0 { Durability::Synced } else { Durability::Written };
        let receipt = append_to_hot(store, key, durability);
        let diagnostics = store.diagnostics();
        assert!(diagnostics.visible > receipt.sequence, "a receipt implies visibility");
        if durability == Durability::Synced {
            assert!(diagnostics.durable > receipt.sequence, "it says that it is synced");
        }
        // The key goes before the condition, whatever has happened since.
        let again = AppendOptions::default().with_idempotency_key(key).expect_new();
        let replayed = store.append_with_options(&at("hot"), KIND, &key.to_string(), again).expect("replayed");
        assert!(replayed.replayed() && !replayed.payload_differs());
        assert_eq!((replayed.event_id, replayed.event_hash), (receipt.event_id, receipt.event_hash));
        receipts.push(receipt);
        let own = at(&format!("own-{thread}"));
        let ticket = store.submit(&own, KIND, &n.to_string(), AppendOptions::default()).expect("submits");
        assert_eq!(u128::from(ticket.wait().expect("appended").revision), n);
    }
    receipts
}

/// Sees a prefix that only grows, in which every event can be read.
fn watch(store: &Store, is_over: &AtomicBool) {
    let mut seen = 0;
    while !is_over.load(Ordering::Relaxed) {
        let visible = store.diagnostics().visible;
        assert!(visible >= seen);
        for sequence in [seen, u64::midpoint(seen, visible), visible.saturating_sub(1)] {
            if sequence < visible {
                assert_eq!(store.read(sequence).expect("it is visible").event.sequence(), sequence);
            }
        }
        seen = visible;
    }
}

#[test]
fn the_promises_hold_under_load_by_several_threads() {
    for path in [WritePath::Tail, WritePath::Direct] {
        let dir = tempfile::tempdir().expect("makes a directory");
        let config = || StoreConfig::new(dir.path()).with_segment_max_bytes(128 << 10).with_write_path(path);
        let store = Store::open(config().with_sync_every_n_events(64)).expect("opens");
        let is_over = AtomicBool::new(false);
        let mut receipts: Vec<AppendReceipt> = thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&store, &is_over));
            let store = &store;
            let working: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(store, thread))).collect();
            let joined: Vec<_> = working.into_iter().map(thread::ScopedJoinHandle::join).collect();
            is_over.store(true, Ordering::Relaxed);
            watching.join().expect("sees a prefix");
            joined.into_iter().flat_map(|receipts| receipts.expect("keeps its promises")).collect()
        });
        receipts.sort_by_key(|receipt| receipt.sequence);
        let in_turn = receipts.iter().zip(0..).all(|(receipt, turn)| receipt.revision == turn);
        assert!(in_turn, "each took its turn on the hot entity");
        assert!(store.stats().expect("counts").segments > 2, "segments were sealed meanwhile");
        let events = u64::try_from(2 * THREADS * EACH).expect("few");
        assert_eq!(store.verify_chain().expect("verifies").events, events);
        store.close().expect("closes");
        assert_eq!(Store::open(config()).expect("opens").verify_chain().expect("verifies").events, events);
    }
}
