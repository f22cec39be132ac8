//! The store of users' tests: given events, when a command, then events, or a denial, or an error.

use crate::support::{KIND, OTHER_KIND, at};
use batpak::guard::gate_fn;
use batpak::prelude::*;
use batpak::testing::TestStore;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[derive(Debug, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
enum Seat {
    #[batpak(type_id = 1, name = "seat.taken")]
    Taken(String),
    #[batpak(type_id = 2, name = "seat.left")]
    Left,
}

fn taken(name: &str) -> Seat {
    Seat::Taken(name.to_owned())
}

/// What a failed expectation says.
#[track_caller]
fn failure(expectation: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(expectation)).expect_err("it is not as expected");
    *panic.downcast::<String>().expect("text")
}

/// Somebody takes the seat of who has it, if anybody.
fn replace(store: &Store, seat: &Coordinate, name: &str) -> Result<u64, StoreError> {
    let mut transaction = store.transaction();
    if transaction.len_of(seat.entity())? > 0 {
        transaction.append_typed(seat, &Seat::Left)?;
    }
    transaction.append_typed(seat, &taken(name))?;
    transaction.commit()?;
    Ok(7)
}

#[test]
fn what_was_appended_is_compared() {
    let (seat, other) = (at("seat:4"), at("seat:5"));
    let kit = TestStore::new().given(&other, &taken("eve"));
    let returned = kit.when(|store| replace(store, &seat, "ann")).then_events(&[(&seat, taken("ann"))]);
    assert_eq!(returned, 7);
    kit.when(|store| replace(store, &seat, "bob")).then_events(&[(&seat, Seat::Left), (&seat, taken("bob"))]);
    kit.when(|store| replace(store, &seat, "eve"))
        .then_json(&[(&seat, OTHER_KIND, json!([])), (&seat, KIND, json!("eve"))]);
    kit.when(|store| store.try_stream("seat:4")).then_nothing();
    assert_eq!(kit.store().stream("seat:4").len(), 5);
}

#[test]
fn a_difference_is_shown() {
    let (seat, other) = (at("seat:4"), at("seat:5"));
    let kit = TestStore::new();
    let text = failure(|| {
        kit.when(|store| replace(store, &seat, "ann")).then_events(&[(&seat, Seat::Left), (&seat, taken("ann"))]);
    });
    assert_eq!(
        text,
        "expected: the events\n    seat:4@tests  Left\n    seat:4@tests  Taken(\"ann\")\n\
         found: the events\n    seat:4@tests  Taken(\"ann\")"
    );
    for (coordinate, event) in [(&other, taken("bob")), (&seat, taken("eve"))] {
        failure(|| {
            kit.when(|store| store.append(&seat, KIND, &"bob")).then_events(&[(coordinate, event)]);
        });
    }
    let text = failure(|| {
        let unknown = EventKind::custom(9, 9);
        kit.when(|store| store.append(&seat, unknown, &1)).then_events(&[(&seat, taken("bob"))]);
    });
    assert!(
        text.contains("found: the events\n    seat:4@tests  9:009  1, which is not expected: kind 9:009"),
        "{text}"
    );
    let text = failure(|| {
        kit.when(|store| store.append(&seat, KIND, &1)).then_json(&[(&seat, OTHER_KIND, json!(1))]);
    });
    assert!(text.ends_with("found: the events\n    seat:4@tests  1:001  1"), "{text}");
    let text = failure(|| {
        kit.when(|store| store.append(&seat, KIND, &1)).then_nothing();
    });
    assert_eq!(text, "expected: the events\nfound: the events\n    seat:4@tests  1:001  1");
    let text = failure(|| {
        kit.when(|store| store.read(99)).then_nothing();
    });
    assert!(text.contains("found: the error NotFound { sequence: 99 }"), "{text}");
}

#[test]
fn an_error_is_expected() {
    let seat = at("seat:4");
    let kit = TestStore::new().given(&seat, &taken("ann"));
    let new = AppendOptions::default().expect_new();
    let take = |store: &Store| store.append_with_options(&seat, KIND, &"bob", new);
    let error = kit.when(take).then_error(StoreError::is_conflict);
    assert!(matches!(error, StoreError::Conflict { actual: 1, .. }));
    let text = failure(|| drop(kit.when(take).then_error(StoreError::is_corruption)));
    assert!(text.starts_with("expected: another error\nfound: Conflict {"), "{text}");
    failure(|| drop(kit.when(|store| store.append(&seat, KIND, &1)).then_error(StoreError::is_conflict)));
    let text = failure(|| {
        let half = |store: &Store| store.append(&seat, KIND, &2).and(take(store));
        kit.when(half).then_error(StoreError::is_conflict);
    });
    assert_eq!(text, "expected: an error and no events\nfound: the events\n    seat:4@tests  1:001  2");
}

#[derive(Debug, thiserror::Error)]
#[error("no seat")]
struct NoSeat(#[from] GateError);

#[test]
fn a_denial_is_expected_wherever_it_stands_in_the_error() {
    let mut gates = WriteGates::new();
    gates.push(gate_fn("taken", |write: &WriteContext<'_>| match write.len_of("seat:4")? {
        0 => Ok(()),
        _ => Err(Denial::new("taken", "somebody has it").with_code("TAKEN")),
    }));
    let gates = WritePipeline::new(gates);
    let (seat, denials) = (at("seat:4"), at("denials"));
    let take = |store: &Store| {
        let mut transaction = store.transaction();
        transaction.record_at(&denials);
        transaction.append_typed(&seat, &taken("bob")).map_err(GateError::from)?;
        Ok::<_, NoSeat>(transaction.commit_through(&gates)?)
    };
    let kit = TestStore::new().given(&seat, &taken("ann"));
    let denial = kit.when(take).then_denied("TAKEN");
    assert_eq!((denial.gate, &*denial.message), ("taken", "somebody has it"));
    assert_eq!(kit.store().stream("denials").len(), 1, "the record is no event of the command");
    assert!(
        failure(|| drop(kit.when(take).then_denied("OTHER"))).starts_with("expected: a denial with the code OTHER")
    );
    assert!(failure(|| drop(kit.when(|_| Ok::<_, NoSeat>(())).then_denied("TAKEN"))).contains("found: no error"));
    TestStore::new().when(take).then_events(&[(&seat, taken("bob"))]);
}

#[test]
fn the_clock_is_turned() {
    let seat = at("seat:4");
    let hour = Duration::from_hours(1);
    let kit = TestStore::new().given(&seat, &taken("ann")).after(hour).given(&seat, &Seat::Left);
    kit.clock().advance(hour);
    let third = kit.when(|store| store.append(&seat, KIND, &"bob")).then_events(&[(&seat, taken("bob"))]);
    let rows = kit.store().stream("seat:4");
    let passed = |row: usize| rows[row].time.as_nanos() - rows[0].time.as_nanos();
    assert_eq!([passed(1), passed(2)], [3_600_000_000_000, 7_200_000_000_000]);
    assert_eq!(third.sequence, 2);
}

#[test]
fn what_is_given_has_to_happen() {
    let seat = at("seat:4");
    let given = || TestStore::new().given_by(|store| store.read(1)).given(&seat, &Seat::Left);
    let text = failure(|| drop(given()));
    assert_eq!(text, "what is given happens: NotFound { sequence: 1 }");
}
