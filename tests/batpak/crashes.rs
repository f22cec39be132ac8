//! A crash at each call to the files of a store.

use crate::support::{KIND, at, item, keyed, synced, written};
use batpak::prelude::*;
use batpak::store::{Store, StoreError};
use batpak::testing::{Crashed, every_crash, every_kill};
use std::cell::{Cell, RefCell};

/// Events of several segments, one by one and in batches, of which some are synced.
fn work(store: &Store, told: &RefCell<Vec<AppendReceipt>>) -> Result<(), StoreError> {
    told.borrow_mut().clear();
    for n in 0..12_u128 {
        let options = if n % 3 == 0 { synced() } else { written() };
        let options = options.with_idempotency_key(n + 1).expect_len(u64::try_from(n).expect("small"));
        let receipt = store.append_with_options(&at("a"), KIND, &"x".repeat(500), options)?;
        told.borrow_mut().push(receipt);
        let batch = store.append_batch([item("b", keyed(100 + n)), item("b", keyed(200 + n)), item("c", written())])?;
        told.borrow_mut().extend(batch);
    }
    Ok(())
}

/// What is there are the first events, whole batches of them, with the ids that were told.
fn check(store: &Store, told: &[AppendReceipt], at_least: usize) {
    let report = store.verify_chain().expect("a whole chain");
    let there = usize::try_from(report.events).expect("a number of events");
    assert!(there >= at_least, "{there} of {at_least} events");
    assert!(matches!(there % 4, 0 | 1), "half of a batch: {there}");
    for receipt in told.iter().take(there) {
        assert_eq!(store.read(receipt.sequence).expect("it is there").event.event_id(), receipt.event_id);
    }
    let retried = told.first().map(|_| store.append_with_options(&at("a"), KIND, &"x".repeat(500), keyed(1)));
    if let Some(retried) = retried.filter(|_| there > 0) {
        assert!(retried.expect("a replay").replayed(), "its key is known");
    }
}

#[test]
fn what_was_synced_is_there_after_a_power_cut_at_every_call() {
    let told = RefCell::new(Vec::new());
    let checks = every_crash(
        |store| work(store, &told),
        |reopened| {
            let told = told.borrow();
            let last = told.iter().rposition(|receipt| receipt.durability == Durability::Synced);
            check(reopened, &told, last.map_or(0, |last| last + 1));
        },
    );
    let checks = checks.expect("it opens");
    assert!(checks > 500, "{checks}");
}

#[test]
fn what_was_written_is_there_after_a_kill_at_every_call() {
    let told = RefCell::new(Vec::new());
    let checks = every_kill(
        |store| work(store, &told),
        |reopened| {
            let told = told.borrow();
            check(reopened, &told, told.len());
        },
    );
    let checks = checks.expect("it opens");
    assert!(checks > 150, "{checks}");
}

#[test]
fn a_power_cut_takes_what_was_only_written() {
    let (told, lost) = (Cell::new(0), Cell::new(0));
    let checks = every_crash(
        |store| {
            told.set(0);
            for n in 0..5 {
                store.append_with_options(&at("a"), KIND, &n, written())?;
                told.set(n + 1);
            }
            store.sync()
        },
        |reopened| lost.set(lost.get().max(told.get() - reopened.stream("a").len().min(told.get()))),
    );
    checks.expect("it opens");
    assert_eq!(lost.get(), 5);
}

#[test]
fn work_that_fails_or_differs_is_told() {
    let refused = every_crash(|store| store.wait_durable(7), |_| ());
    assert!(matches!(refused, Err(Crashed::Work(StoreError::NotFound { sequence: 7 }))), "{refused:?}");
    let runs = Cell::new(0);
    let once = every_kill(
        |store| {
            runs.set(runs.get() + 1);
            if runs.get() > 1 { Ok(()) } else { (0..9).try_for_each(|n| store.append(&at("a"), KIND, &n).map(drop)) }
        },
        |_| (),
    );
    assert!(matches!(once, Err(Crashed::NotTheSame { call }) if call > 10), "{once:?}");
}

#[test]
#[should_panic(expected = "the work itself")]
fn a_panic_of_the_work_is_passed_on() {
    let _ = every_kill(|_| panic!("the work itself"), |_| ());
}
