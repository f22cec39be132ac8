//! Submitting: nobody waits for the disk but who asks a ticket to.

use crate::support::{
    Fault, KIND, OTHER_KIND, Operation, PATIENCE, World, append, at, check_usable, item, keyed, synced, visible,
    written,
};
use batpak::prelude::*;
use std::future::Future;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

#[track_caller]
fn submit(store: &Store, entity: &str, options: AppendOptions<'_>) -> Ticket<AppendReceipt> {
    store.submit(&at(entity), KIND, &entity, options).expect("submits")
}

/// Tells through a channel that it was called.
struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Whoever listened may have gone.
        let _ = self.0.send(());
    }
}

fn bell() -> (Waker, Receiver<()>) {
    let (sender, receiver) = channel();
    (Waker::from(Arc::new(Bell(sender))), receiver)
}

/// Polls whenever the waker was called, as a runtime does.
#[track_caller]
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let (waker, rung) = bell();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => rung.recv_timeout(PATIENCE).expect("the waker is called"),
        }
    }
}

#[test]
fn a_ticket_tells_its_receipt_once_the_event_is_durable() {
    let world = World::new();
    let store = world.open();
    world.files.hold_syncs();
    let mut tickets: Vec<_> = (0..3).map(|_| submit(&store, "a", synced())).collect();
    world.files.wait_for_blocked_syncs(1);
    for ticket in &mut tickets {
        assert!(ticket.try_wait().is_none(), "nothing is durable");
    }
    assert_eq!(visible(&store), 0);
    world.files.let_syncs_go();
    for (ticket, sequence) in tickets.into_iter().zip(0..) {
        let receipt = ticket.wait().expect("appended");
        assert_eq!((receipt.sequence, receipt.revision, receipt.durability), (sequence, sequence, Durability::Synced));
        assert!(visible(&store) > sequence);
    }
    assert_eq!(world.events_after_power_cut(), 3);
}

#[test]
fn the_store_syncs_what_was_submitted_though_nobody_waits() {
    let world = World::new();
    let store = world.open();
    for events in 1..=5 {
        let syncs = world.files.syncs();
        drop(submit(&store, "a", synced()));
        world.files.wait_for_syncs(syncs + 1);
        assert_eq!(world.events_after_power_cut(), events);
    }
}

#[test]
fn what_is_only_written_counts_at_once_until_the_bound_is_reached() {
    let world = World::new();
    let store = Store::open(world.config().with_sync_every_n_events(4)).expect("opens");
    world.files.hold_syncs();
    let mut tickets: Vec<_> = (0..6).map(|_| submit(&store, "a", written())).collect();
    let counted: Vec<_> = tickets.iter_mut().map(|ticket| ticket.try_wait().is_some()).collect();
    assert_eq!(counted, [true, true, true, true, false, false], "a power cut takes at most four acknowledged events");
    assert_eq!(visible(&store), 6, "they are visible nevertheless");
    world.files.let_syncs_go();
    for ticket in tickets.split_off(4) {
        assert_eq!(ticket.wait().expect("appended").durability, Durability::Written);
    }
}

/// With segments of a few events and a disk that hangs, so that no next segment can be begun.
#[test]
fn a_submission_does_not_wait_for_the_disk_though_the_segment_is_full() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(2048)).expect("opens");
    world.files.hold_syncs();
    let mut tickets: Vec<_> = (0..100).map(|n| submit(&store, if n % 2 == 0 { "a" } else { "b" }, written())).collect();
    let counted = tickets.iter_mut().map(Ticket::try_wait).take_while(Option::is_some).count();
    assert!((1..100).contains(&counted), "{counted} fit the first segment");
    assert_eq!(visible(&store), counted as u64);
    world.files.let_syncs_go();
    for (ticket, sequence) in tickets.split_off(counted).into_iter().zip(counted as u64..) {
        assert_eq!(ticket.wait().expect("appended").sequence, sequence);
    }
    assert!(store.stats().expect("counts").segments > 5);
    check_usable(&store, 100);
    store.close().expect("closes");
    check_usable(&world.open(), 101);
}

/// The append would fit the segment, which what was submitted before does not.
#[test]
fn an_append_stands_behind_what_the_same_thread_submitted() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(2048)).expect("opens");
    world.files.hold_syncs();
    let large = "x".repeat(700);
    let submit = || store.submit(&at("a"), KIND, &large, written()).expect("submits");
    let tickets: Vec<_> = (0..50).map(|_| submit()).collect();
    let appending = thread::scope(|scope| {
        let appending = scope.spawn(|| append(&store, "a", AppendOptions::default().expect_len(50)));
        world.files.wait_for_blocked_syncs(1);
        world.files.let_syncs_go();
        appending.join().expect("appends")
    });
    assert_eq!((appending.sequence, appending.revision), (50, 50));
    for (ticket, sequence) in tickets.into_iter().zip(0..) {
        assert_eq!(ticket.wait().expect("appended").sequence, sequence);
    }
}

#[test]
fn conditions_and_keys_are_told_by_the_ticket() {
    let world = World::new();
    let store = world.open();
    let first = submit(&store, "a", keyed(7)).wait().expect("appended");
    let conflict = submit(&store, "a", AppendOptions::default().expect_new()).wait().expect_err("there is one");
    assert!(conflict.is_conflict(), "{conflict}");
    let again = submit(&store, "a", keyed(7)).wait().expect("replayed");
    assert!(again.replayed() && !again.payload_differs());
    assert_eq!((again.sequence, again.event_id), (first.sequence, first.event_id));
    let other = store.submit(&at("a"), OTHER_KIND, &1, keyed(7)).expect("submits").wait();
    assert!(matches!(other, Err(StoreError::KeyReused { key: 7, .. })), "{other:?}");
    assert_eq!(visible(&store), 1);
}

/// A refusal must not rest on an event that a power cut could still take.
#[test]
fn a_refusal_waits_until_the_event_that_stands_against_it_is_visible() {
    let world = World::new();
    let store = world.open();
    world.files.hold_syncs();
    let first = submit(&store, "a", synced());
    let mut refused = submit(&store, "a", AppendOptions::default().expect_new());
    world.files.wait_for_blocked_syncs(1);
    assert!(refused.try_wait().is_none());
    world.files.let_syncs_go();
    first.wait().expect("appended");
    assert!(refused.wait().expect_err("there is one").is_conflict());
}

#[test]
fn what_is_wrong_with_an_event_is_told_at_once() {
    let world = World::new();
    let store = Store::open(world.config().with_payload_max_bytes(10)).expect("opens");
    let submit = |kind, payload: &str| store.submit(&at("a"), kind, &payload, AppendOptions::default());
    assert!(matches!(submit(KIND, "more than ten"), Err(StoreError::TooLarge { field: "payload bytes", .. })));
    assert!(matches!(submit(EventKind::from_u16(1), ""), Err(StoreError::ReservedKind { .. })));
    let twice = [item("a", keyed(1)), item("b", keyed(1))];
    assert!(matches!(store.submit_batch(twice), Err(StoreError::RepeatedKey { first: 0, second: 1 })));
    let reader = Store::open_read_only(world.config()).expect("opens");
    assert!(matches!(reader.submit(&at("a"), KIND, &1, AppendOptions::default()), Err(StoreError::ReadOnly)));
    assert_eq!(visible(&store), 0);
}

#[test]
fn a_batch_is_submitted_as_one() {
    let world = World::new();
    let store = world.open();
    let receipts = store.submit_batch((0..3).map(|_| item("a", synced()))).expect("submits").wait().expect("appended");
    assert_eq!(receipts.iter().map(|receipt| receipt.sequence).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(world.events_after_power_cut(), 3);
    assert_eq!(store.submit_batch([]).expect("submits").wait().expect("nothing"), []);
    assert_eq!(visible(&store), 3);
}

#[test]
fn a_result_is_told_once() {
    let world = World::new();
    let store = world.open();
    let mut ticket = submit(&store, "a", written());
    assert_eq!(ticket.try_wait().expect("counts").expect("appended").sequence, 0);
    assert!(ticket.try_wait().is_none());
    assert!(matches!(ticket.wait(), Err(StoreError::Closed)));
}

#[test]
fn a_ticket_can_be_awaited() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(2048)).expect("opens");
    for round in 0..30 {
        let durability = if round % 3 == 0 { synced() } else { written() };
        assert_eq!(block_on(submit(&store, "a", durability)).expect("appended").sequence, round);
    }
}

#[test]
fn a_waker_is_called_when_the_event_is_durable() {
    let world = World::new();
    let store = world.open();
    world.files.hold_syncs();
    let mut ticket = pin!(submit(&store, "a", synced()));
    let (waker, rung) = bell();
    let mut context = Context::from_waker(&waker);
    assert!(ticket.as_mut().poll(&mut context).is_pending());
    world.files.wait_for_blocked_syncs(1);
    assert!(rung.try_recv().is_err());
    world.files.let_syncs_go();
    rung.recv_timeout(PATIENCE).expect("the waker is called");
    assert!(ticket.as_mut().poll(&mut context).is_ready());
    assert!(ticket.poll(&mut context).is_pending(), "it was told");
}

#[test]
fn a_failed_sync_is_told_to_all_tickets() {
    let world = World::new();
    let store = world.open();
    world.files.hold_syncs();
    let tickets: Vec<_> = (0..40).map(|_| submit(&store, "a", synced())).collect();
    world.files.wait_for_blocked_syncs(1);
    world.files.plan(Operation::Sync, 1, Fault::Error(ErrorKind::Other));
    let waiting: Vec<_> = tickets.into_iter().map(|ticket| thread::spawn(move || block_on(ticket))).collect();
    world.files.let_syncs_go();
    for waiting in waiting {
        let error = waiting.join().expect("told").expect_err("the sync failed");
        assert!(matches!(error, StoreError::Failed { outcome_unknown: true, .. }), "{error}");
    }
    let error = submit(&store, "a", written()).wait().expect_err("nothing is accepted any more");
    assert!(matches!(error, StoreError::Failed { outcome_unknown: false, .. }), "{error}");
    assert_eq!(world.events_after_power_cut(), 0);
}

/// The thread of the store dies with it; nobody must wait for it for ever.
#[test]
fn a_file_system_that_panics_is_told_to_all_tickets() {
    for (operation, nth) in [(Operation::Sync, 1), (Operation::Sync, 2), (Operation::Create, 1), (Operation::Write, 1)]
    {
        let world = World::new();
        let store = Store::open(world.config().with_segment_max_bytes(2048)).expect("opens");
        world.files.plan(operation, nth, Fault::Panic);
        let tickets: Vec<_> =
            (0..40).filter_map(|_| catch_unwind(AssertUnwindSafe(|| submit(&store, "a", synced()))).ok()).collect();
        let outcomes: Vec<_> = tickets.into_iter().map(|ticket| block_on(ticket).is_ok()).collect();
        assert!(outcomes.is_sorted_by(|before, after| before >= after), "{operation:?}: {outcomes:?}");
        assert!(outcomes.contains(&false), "{operation:?}");
        assert!(matches!(store.append(&at("a"), KIND, &1), Err(StoreError::Failed { .. })));
    }
}

#[test]
fn a_next_segment_that_cannot_be_made_is_told_and_loses_nothing() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(2048)).expect("opens");
    world.files.plan(Operation::Create, 1, Fault::Error(ErrorKind::StorageFull));
    let outcomes: Vec<_> = (0..40).map(|_| submit(&store, "a", written()).wait()).collect();
    let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert!((1..10).contains(&refused), "{refused} found the disk full");
    assert!(outcomes.iter().flatten().map(|receipt| receipt.sequence).eq(0..40 - refused as u64));
    check_usable(&store, 40 - refused as u64);
}

#[test]
fn closing_settles_what_was_submitted() {
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(2048)).expect("opens");
    let tickets: Vec<_> = (0..100).map(|_| submit(&store, "a", synced())).collect();
    store.close().expect("closes");
    for (ticket, sequence) in tickets.into_iter().zip(0..) {
        assert_eq!(ticket.wait().expect("appended").sequence, sequence);
    }
    assert_eq!(world.events_after_power_cut(), 100);
}

/// Threads submit, append, await and drop tickets while segments change.
#[test]
fn many_threads_submit_and_append() {
    const THREADS: u64 = 4;
    const EACH: u64 = 150;
    let world = World::new();
    let store = Store::open(world.config().with_segment_max_bytes(4096).with_sync_every_n_events(16)).expect("opens");
    let told = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, told) = (&store, &told);
            scope.spawn(move || {
                let entity = format!("entity-{thread}");
                let mut last = None;
                for n in 0..EACH {
                    let options = if n % 7 == 0 { synced() } else { written() };
                    let receipt = match n % 3 {
                        0 => append(store, &entity, options),
                        1 => submit(store, &entity, options).wait().expect("appended"),
                        _ => block_on(submit(store, &entity, options)).expect("appended"),
                    };
                    assert_eq!(receipt.revision, n);
                    assert!(last < Some(receipt.sequence), "in the order of the calls");
                    assert!(visible(store) > receipt.sequence);
                    last = Some(receipt.sequence);
                    told.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(told.into_inner(), THREADS * EACH);
    check_usable(&store, THREADS * EACH);
    let killed = world.after_kill();
    check_usable(&killed.open(), THREADS * EACH + 1);
}
