//! Transactions: several entities in one commit, which rests on what was read and required.

use crate::random::Random;
use crate::support::{
    KIND, OTHER_KIND, World, append, at, check_usable, item, keyed, receive, settle, synced, visible, written,
};
use batpak::prelude::*;
use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;

/// What a refused condition says.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (Condition, Option<EventId>) {
    let error = result.expect_err("a refusal");
    assert!(error.is_conflict() && !error.is_outcome_unknown() && !error.is_retryable(), "{error}");
    match error {
        StoreError::Condition { condition, event } => (*condition, event),
        other => panic!("{other}"),
    }
}

/// Commits one event of `entity` under these conditions.
fn commit(store: &Store, entity: &str, conditions: &[Condition]) -> Result<AppendReceipt, StoreError> {
    let mut transaction = store.transaction();
    for condition in conditions {
        transaction.require(condition.clone());
    }
    transaction.append(&at(entity), KIND, &entity)?;
    Ok(transaction.commit()?[0])
}

#[test]
fn events_of_several_entities_are_one_commit() {
    let world = World::new();
    let store = world.open();
    let mut transaction = store.transaction();
    let first = transaction.append(&at("a"), KIND, &1).expect("encodes");
    let options = AppendOptions::default();
    let second = transaction.push(BatchAppendItem::new(at("b"), KIND, &2, options, first.into()).expect("encodes"));
    let third = transaction.push(BatchAppendItem::new(at("c"), KIND, &3, options, second.into()).expect("encodes"));
    assert_eq!((first.index(), third.index()), (0, 2));
    assert_eq!(visible(&store), 0, "nothing is appended before the commit");
    let receipts = transaction.commit().expect("commits");
    let third = store.get(receipts[2].event_id).expect("is there").event;
    assert_eq!(third.causation_id(), Some(receipts[1].event_id));
    assert_eq!(third.correlation_id(), Some(receipts[0].event_id));
    assert_eq!(store.verify(|_| std::ops::ControlFlow::Continue(())).expect("verifies").commits, 2, "the link and one");
    check_usable(&store, 3);
    check_usable(&world.after_kill().open(), 4);
}

#[test]
fn each_condition_holds_exactly_when_it_says_so() {
    let world = World::new();
    let store = world.open();
    let first = append(&store, "a", AppendOptions::default());
    let second = append(&store, "a", AppendOptions::default());
    let none = |entity: &str, from| Condition::none_since(Region::entity(entity), from);
    for holds in [
        Condition::len("a", 2),
        Condition::len("b", 0),
        Condition::exists("a"),
        Condition::is_new("b"),
        none("a", 2),
        none("a", 900),
        none("b", 0),
    ] {
        commit(&store, "c", std::slice::from_ref(&holds)).expect("it holds");
    }
    let newest = Some(second.event_id);
    for (fails, event) in [
        (Condition::len("a", 1), newest),
        (Condition::len("a", 3), newest),
        (Condition::len("b", 1), None),
        (Condition::exists("b"), None),
        (Condition::is_new("a"), newest),
        (none("a", 0), newest),
        (none("a", 1), newest),
        (Condition::none_since(Region::entity("b").or(Region::entity("a")), first.sequence), newest),
    ] {
        let before = store.diagnostics();
        assert_eq!(refused(commit(&store, "c", std::slice::from_ref(&fails))), (fails, event));
        assert_eq!(store.diagnostics(), before, "a refusal changes nothing");
    }
    check_usable(&store, 9);
}

#[test]
fn the_first_condition_that_fails_is_told() {
    let store = World::new().open();
    let newest = append(&store, "a", AppendOptions::default()).event_id;
    let conditions = [Condition::exists("a"), Condition::len("a", 7), Condition::is_new("a")];
    let error = commit(&store, "b", &conditions).expect_err("the second fails").to_string();
    let expected = format!("the commit requires that a has had exactly 7 events, event {newest} stands against it");
    assert_eq!(error, expected);
    let region = Region::entity("a").with_kinds([KIND, OTHER_KIND]).or(Region::tag("x"));
    let error = commit(&store, "b", &[Condition::none_since(region, 0)]).expect_err("it fails").to_string();
    assert!(
        error.contains("no event since sequence 0 is one of entity a, kind 1:001, kind 1:002, or of tag x"),
        "{error}"
    );
}

type Read = fn(&mut Transaction);

#[test]
fn a_read_is_a_condition_of_what_it_would_have_found() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    // Each reads something, and names an event that this read would have found, and one that it would not.
    let reads: [(Read, &str, &str); 3] = [
        (|tx| drop(tx.query(&Region::entity("a")).expect("reads")), "a", "b"),
        (|tx| drop(tx.events(&Region::entity_prefix("b")).next()), "bb", "ab"),
        (|tx| assert!(tx.project_over::<Count>(&Region::scope("tests")).expect("reads").is_some()), "x", ""),
    ];
    for (read, found, not_found) in reads {
        let mut transaction = store.transaction();
        read(&mut transaction);
        transaction.append(&at("result"), KIND, &()).expect("encodes");
        if not_found.is_empty() {
            let elsewhere = Coordinate::new("elsewhere", "elsewhere").expect("valid");
            store.append(&elsewhere, KIND, &()).expect("appends");
        } else {
            append(&store, not_found, AppendOptions::default());
        }
        transaction.commit().expect("nothing that it would have found has come");

        let mut transaction = store.transaction();
        read(&mut transaction);
        transaction.append(&at("result"), KIND, &()).expect("encodes");
        let against = append(&store, found, AppendOptions::default());
        assert_eq!(refused(transaction.commit()).1, Some(against.event_id));
    }
}

/// Counts events of the first kind.
#[derive(Clone, Default)]
struct Count(u64);

impl EventSourced for Count {
    type Input = RawMsgpackInput;

    fn from_events(events: &[Event<&[u8]>]) -> Option<Self> {
        (!events.is_empty()).then_some(Self(events.len() as u64))
    }

    fn apply_event(&mut self, _: &Event<&[u8]>) {
        self.0 += 1;
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[KIND]
    }
}

#[test]
fn a_projection_that_was_read_is_a_condition_of_its_kinds_alone() {
    let store = World::new().open();
    append(&store, "a", AppendOptions::default());
    let mut transaction = store.transaction();
    assert_eq!(transaction.project::<Count>("a").expect("reads").map(|count| count.0), Some(1));
    transaction.append(&at("b"), KIND, &1).expect("encodes");
    store.append(&at("a"), OTHER_KIND, &1).expect("another kind");
    transaction.commit().expect("the state is as it was");
}

#[test]
fn a_transaction_reads_what_was_there_when_it_began() {
    let store = World::new().open();
    append(&store, "a", AppendOptions::default());
    let mut transaction = store.transaction();
    append(&store, "a", AppendOptions::default());
    assert_eq!(transaction.end(), 1);
    assert_eq!(transaction.query(&Region::all()).expect("reads").len(), 1);
    assert_eq!(transaction.events(&Region::all()).count(), 1);
    assert_eq!(transaction.project::<Count>("a").expect("reads").map(|count| count.0), Some(1));
    refused(transaction.commit());
}

#[test]
fn a_commit_of_nothing_checks_its_conditions() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    let mut transaction = store.transaction();
    transaction.require(Condition::exists("a"));
    assert_eq!(transaction.commit().expect("it holds"), []);
    let mut transaction = store.transaction();
    transaction.require(Condition::is_new("a"));
    refused(transaction.commit());
    check_usable(&store, 1);
}

#[test]
fn a_key_goes_before_every_condition() {
    let store = World::new().open();
    let sale = || {
        let mut transaction = store.transaction();
        transaction.require(Condition::is_new("a"));
        transaction.push(item("a", keyed(7)));
        transaction.commit()
    };
    let first = sale().expect("it is new")[0];
    let again = sale().expect("it is a repetition")[0];
    assert!(again.replayed() && again.event_id == first.event_id);
}

#[test]
fn events_of_the_commit_do_not_count_for_its_conditions_and_do_for_their_own() {
    let store = World::new().open();
    let mut transaction = store.transaction();
    transaction.require(Condition::is_new("a"));
    transaction.push(item("a", AppendOptions::default().expect_len(0)));
    transaction.push(item("a", AppendOptions::default().expect_len(1)));
    assert_eq!(transaction.commit().expect("commits").len(), 2);
}

#[test]
fn a_condition_sees_an_event_that_is_not_visible_yet_and_waits_for_it() {
    for condition in [
        Condition::is_new("a"),
        Condition::len("a", 0),
        Condition::none_since(Region::entity("a"), 0),
        Condition::none_since(Region::tag("seat"), 0),
    ] {
        let world = World::new();
        let store = world.open();
        let (sender, results) = mpsc::channel();
        world.files.hold_syncs();
        thread::scope(|scope| {
            scope.spawn(|| append(&store, "a", synced().with_tags(&["seat"])));
            world.files.wait_for_blocked_syncs(1);
            let readings = world.clock.readings();
            scope.spawn(|| {
                let (_, event) = refused(commit(&store, "b", std::slice::from_ref(&condition)));
                let seen = store.get(event.expect("there is one")).is_ok();
                sender.send(seen).expect("somebody listens");
            });
            world.clock.wait_for_readings(readings + 1);
            settle(&store);
            assert_eq!(visible(&store), 0);
            world.files.let_syncs_go();
            assert!(receive(&results), "what stands against it can be read");
        });
        check_usable(&store, 1);
    }
}

#[test]
fn conditions_look_at_what_is_frozen_and_at_what_is_live() {
    let world = World::new();
    let config = || world.config().with_segment_max_bytes(4096).with_sync_every_n_events(1000);
    let store = Store::open(config()).expect("opens");
    let mut random = Random::new(7);
    let mut events: Vec<(String, bool)> = Vec::new();
    for step in 0..400_u64 {
        let entity = format!("e{}", random.below(9));
        let tagged = random.below(5) == 0;
        let tags: &[&str] = if tagged { &["t"] } else { &[] };
        append(&store, &entity, written().with_tags(tags));
        events.push((entity, tagged));
        let asked = format!("e{}", random.below(10));
        let from = random.below(step + 3);
        let since = |matches: &dyn Fn(&(String, bool)) -> bool| {
            let from = usize::try_from(from).expect("an index").min(events.len());
            events[from..].iter().rposition(matches).map(|at| (from + at) as u64)
        };
        let cases = [
            (Region::entity(&asked), since(&|event| event.0 == asked)),
            (Region::tag("t").with_entity(&asked), since(&|event| event.1 && event.0 == asked)),
            (Region::tag("t").or(Region::entity(&asked)), since(&|event| event.1 || event.0 == asked)),
        ];
        for (region, expected) in cases {
            let mut transaction = store.transaction();
            transaction.require(Condition::none_since(region.clone(), from));
            let stands = match transaction.commit() {
                Ok(_) => None,
                Err(StoreError::Condition { event, .. }) => event.map(EventId::sequence),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(stands, expected, "step {step}: {region:?} since {from}");
        }
        let len = events.iter().filter(|event| event.0 == asked).count() as u64;
        let mut transaction = store.transaction();
        transaction.require(Condition::len(&asked, len));
        transaction.commit().expect("that many");
        if step % 97 == 0 {
            store.sync().expect("syncs");
        }
    }
    assert!(store.stats().expect("open").segments > 3);
    store.close().expect("closes");
}

/// Every thread wants each seat; each seat is sold once, to whoever was first.
#[test]
fn no_seat_is_sold_twice() {
    const SEATS: u32 = 50;
    const THREADS: u32 = 6;
    let world = World::new();
    let store = world.open();
    let sold = thread::scope(|scope| {
        let buyers: Vec<_> = (0..THREADS)
            .map(|buyer| {
                scope.spawn({
                    let store = &store;
                    move || {
                        let mut mine = Vec::new();
                        for seat in 0..SEATS {
                            let seat = format!("seat:{seat}");
                            let durability = if buyer == 0 { Durability::Synced } else { Durability::Written };
                            let bought = store
                                .transact(|tx| {
                                    if !tx.query(&Region::entity(&seat))?.is_empty() {
                                        return Ok(false);
                                    }
                                    tx.push(BatchAppendItem::new(
                                        at(&seat),
                                        KIND,
                                        &buyer,
                                        AppendOptions::default().with_durability(durability),
                                        CausationRef::None,
                                    )?);
                                    tx.append(&at(&format!("buyer:{buyer}")), KIND, &seat)?;
                                    Ok::<_, StoreError>(true)
                                })
                                .expect("decided");
                            assert_eq!(bought.receipts.len(), if bought.value { 2 } else { 0 });
                            if bought.value {
                                mine.push(seat);
                            }
                        }
                        mine
                    }
                })
            })
            .collect();
        buyers.into_iter().flat_map(|buyer| buyer.join().expect("a buyer")).collect::<Vec<_>>()
    });
    assert_eq!(sold.len(), SEATS as usize);
    assert_eq!(sold.iter().collect::<BTreeSet<_>>().len(), SEATS as usize);
    for seat in 0..SEATS {
        assert_eq!(store.stream(&format!("seat:{seat}")).len(), 1);
    }
    check_usable(&store, u64::from(SEATS) * 2);
}
