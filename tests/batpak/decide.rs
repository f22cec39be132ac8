//! Deciding on a state: what was overtaken is decided again, and kept states are those of the store.

use crate::random::Random;
use crate::support::{KIND, OTHER_KIND, PATIENCE, World, append, at, check_usable, receive, synced};
use batpak::prelude::*;
use batpak::store::DecideError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// An amount that is paid in or out.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "account.paid")]
struct Paid(i64);

#[derive(Clone, Debug, Default, PartialEq)]
struct Balance {
    cents: i64,
    payments: u64,
}

impl Projection for Balance {
    type Event = Paid;

    fn apply(&mut self, event: &Event<Paid>) {
        self.cents += event.payload().0;
        self.payments += 1;
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("it would come to {0}")]
struct Overdrawn(i64);

/// Pays, if that leaves nothing below zero.
fn pay(store: &Store, account: &str, cents: i64) -> Result<Vec<AppendReceipt>, DecideError<Overdrawn>> {
    store.decide(&at(account), |balance: &Balance| {
        let left = balance.cents + cents;
        if left < 0 { Err(Overdrawn(left)) } else { Ok([Paid(cents)]) }
    })
}

#[track_caller]
fn state(store: &Store, account: &str) -> Option<Balance> {
    store.state(account, &Freshness::Consistent).expect("reads").map(|balance: Arc<Balance>| (*balance).clone())
}

#[test]
fn what_is_decided_rests_on_the_state() {
    let world = World::new();
    let store = world.open();
    assert_eq!(pay(&store, "a", 500).expect("paid").len(), 1);
    let refused = pay(&store, "a", -501).expect_err("too much");
    assert!(matches!(refused, DecideError::Refused(Overdrawn(-1))), "{refused:?}");
    assert_eq!(refused.to_string(), "it would come to -1");
    assert_eq!(state(&store, "a"), Some(Balance { cents: 500, payments: 1 }));
    pay(&store, "a", -500).expect("paid");
    assert_eq!(store.project::<Balance>("a", &Freshness::Consistent).expect("reads"), state(&store, "a"));
    let nothing = store.decide(&at("a"), |_: &Balance| Ok::<_, ()>([])).expect("decided");
    assert_eq!(nothing, []);
    check_usable(&store, 2);
}

#[test]
fn what_comes_while_it_is_decided_is_taken_into_account() {
    let store = World::new().open();
    pay(&store, "a", 100).expect("paid");
    let mut seen = Vec::new();
    let receipts = store.decide(&at("a"), |balance: &Balance| {
        seen.push(balance.cents);
        if seen.len() == 1 {
            store.append(&at("a"), KIND, &-90).expect("overtakes");
            store.append(&at("a"), OTHER_KIND, &"matters to nobody").expect("appends");
        }
        Ok::<_, ()>([Paid(-balance.cents)])
    });
    assert_eq!((seen, receipts.expect("decided")[0].revision), (vec![100, 10], 3));
    assert_eq!(state(&store, "a").expect("has events").cents, 0);
}

#[test]
fn an_event_of_another_kind_overtakes_nobody() {
    let store = World::new().open();
    let mut decided = 0;
    let receipts = store.decide(&at("a"), |_: &Balance| {
        decided += 1;
        store.append(&at("a"), OTHER_KIND, &"matters to nobody").expect("appends");
        Ok::<_, ()>([Paid(1)])
    });
    assert_eq!((decided, receipts.expect("decided")[0].revision), (1, 1));
}

#[test]
fn it_is_given_up_after_a_bound() {
    let store = World::new().open();
    let mut decided = 0;
    let overtaken = store.decide(&at("a"), |_: &Balance| {
        decided += 1;
        store.append(&at("a"), KIND, &1).expect("overtakes");
        Ok::<_, ()>([Paid(1)])
    });
    match overtaken.expect_err("it is always overtaken") {
        DecideError::Overtaken { attempts, last } => assert!(attempts == decided && last.is_conflict(), "{last}"),
        other => panic!("{other:?}"),
    }
    check_usable(&store, u64::from(decided));
}

#[test]
fn a_decision_may_decide_something_else_and_the_same() {
    let store = World::new().open();
    let mut once = false;
    let outer = store.decide(&at("a"), |_: &Balance| {
        pay(&store, "b", 1).expect("another account");
        if !std::mem::replace(&mut once, true) {
            pay(&store, "a", 1).expect("the same account");
        }
        Ok::<_, ()>([Paid(1)])
    });
    outer.expect("decided");
    assert_eq!(state(&store, "a").expect("has events").cents, 2);
    assert_eq!(state(&store, "b").expect("has events").cents, 2);
}

#[test]
fn of_many_threads_none_is_lost_and_nothing_is_overdrawn() {
    const THREADS: i64 = 8;
    const ROUNDS: i64 = 200;
    let world = World::new();
    let store = world.open();
    pay(&store, "a", 300).expect("paid");
    let paid: i64 = thread::scope(|scope| {
        let payers: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| (0..ROUNDS).filter(|_| pay(&store, "a", -1).is_ok()).count()))
            .collect();
        payers.into_iter().map(|payer| i64::try_from(payer.join().expect("a payer")).expect("few")).sum()
    });
    assert_eq!(paid, 300);
    assert_eq!(state(&store, "a"), Some(Balance { cents: 0, payments: 301 }));
    check_usable(&store, 301);
}

#[test]
fn a_region_is_decided_on_as_a_whole() {
    let store = World::new().open();
    let scope = Region::scope("tests");
    let transfer = |cents: i64| {
        store.decide_over(&scope, |all: &Balance| {
            if all.payments >= 4 { Err("enough") } else { Ok([(at("a"), Paid(-cents)), (at("b"), Paid(cents))]) }
        })
    };
    assert_eq!(transfer(3).expect("decided").len(), 2);
    transfer(4).expect("decided");
    assert!(matches!(transfer(5), Err(DecideError::Refused("enough"))));
    let all = store.state_over::<Balance>(&scope, &Freshness::Consistent).expect("reads").expect("has events");
    assert_eq!(*all, Balance { cents: 0, payments: 4 });
}

#[test]
fn a_kept_state_is_what_a_new_projection_is() {
    let world = World::new();
    let config = world.config().with_segment_max_bytes(4096);
    let store = Store::open(config).expect("opens");
    let mut random = Random::new(3);
    for _ in 0..600 {
        let account = format!("account:{}", random.below(7));
        let kind = if random.below(4) == 0 { OTHER_KIND } else { KIND };
        let cents = i64::try_from(random.below(9)).expect("small");
        store.append(&at(&account), kind, &cents).expect("appends");
        let asked = format!("account:{}", random.below(8));
        assert_eq!(store.project::<Balance>(&asked, &Freshness::Consistent).expect("reads"), state(&store, &asked));
    }
}

#[test]
fn what_was_kept_is_as_new_as_was_asked() {
    let world = World::new();
    let store = world.open();
    pay(&store, "a", 1).expect("paid");
    let stale = |max| {
        let freshness = Freshness::MaybeStale { max_stale: Duration::from_secs(max) };
        store.state::<Balance>("a", &freshness).expect("reads").expect("has events").cents
    };
    assert_eq!(state(&store, "a").expect("has events").cents, 1);
    store.append(&at("a"), KIND, &1).expect("appends");
    assert_eq!(stale(10), 1, "it is new enough");
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(stale(12), 1);
    assert_eq!(stale(10), 2, "it was too old");
}

#[test]
fn more_states_than_are_kept_are_all_right() {
    let store = World::new().open();
    for round in 1..=2 {
        for account in 0..18_000 {
            pay(&store, &format!("account:{account}"), 1).expect("paid");
        }
        for account in [0, 17_999, 5000] {
            assert_eq!(state(&store, &format!("account:{account}")).map(|balance| balance.cents), Some(round));
        }
    }
}

#[test]
fn a_decision_that_is_to_survive_a_power_cut_does() {
    let world = World::new();
    let store = Store::open(world.config().with_sync_every_n_events(1)).expect("opens");
    pay(&store, "a", 5).expect("paid");
    assert_eq!(world.events_after_power_cut(), 1);
}

#[test]
fn a_state_can_be_asked_for_as_it_was() {
    let store = World::new().open();
    let receipts: Vec<_> = (1..=3).map(|cents| pay(&store, "a", cents).expect("paid")[0]).collect();
    append(&store, "b", AppendOptions::default());
    let at_sequence = |sequence| store.project_at::<Balance>("a", sequence).map(|state| state.map(|it| it.cents));
    assert_eq!(at_sequence(receipts[1].sequence).expect("reads"), Some(3));
    assert_eq!(at_sequence(3).expect("reads"), Some(6), "an event of another entity");
    assert!(matches!(at_sequence(4), Err(StoreError::NotFound { sequence: 4 })));
    let since = |revision| store.project_since::<Balance>("a", revision).expect("reads");
    assert_eq!(since(0), Some((Balance { cents: 6, payments: 3 }, 3)));
    assert_eq!(since(2).map(|(_, next)| next), Some(3));
    assert_eq!(since(3), None);
    assert_eq!(store.project_since::<Balance>("nobody", 0).expect("reads"), None);
}

#[test]
fn who_watches_is_told_the_newest_state_once() {
    let world = World::new();
    let store = world.open();
    let mut watch = store.watch::<Balance>("a");
    assert_eq!(watch.next(Duration::ZERO).expect("reads"), None);
    for _ in 0..3 {
        pay(&store, "a", 1).expect("paid");
    }
    assert_eq!(watch.next(Duration::ZERO).expect("reads"), Some(&Balance { cents: 3, payments: 3 }));
    assert_eq!(watch.next(Duration::ZERO).expect("reads"), None, "it was told");
    store.append(&at("a"), OTHER_KIND, &1).expect("appends");
    append(&store, "b", AppendOptions::default());
    assert_eq!(watch.next(Duration::from_millis(5)).expect("reads"), None, "nothing that matters");
}

#[test]
fn who_watches_sleeps_until_something_comes_that_is_visible() {
    let world = World::new();
    let store = world.open();
    let (sender, states) = mpsc::channel();
    thread::scope(|scope| {
        let mut watch = store.watch::<Balance>("a");
        scope.spawn(move || {
            while let Ok(Some(balance)) = watch.next(PATIENCE) {
                sender.send(balance.cents).expect("somebody listens");
            }
        });
        for cents in 1..=50 {
            store.append_with_options(&at("a"), KIND, &1, synced()).expect("appends");
            assert_eq!(receive(&states), cents);
        }
        store.clone().close().expect("closes");
        assert!(states.recv_timeout(PATIENCE).is_err(), "the end is told");
    });
}

#[test]
fn a_reader_of_another_process_watches_too() {
    let world = World::new();
    let store = world.open();
    let reader = Store::open_read_only(world.config()).expect("opens");
    let mut watch = reader.watch::<Balance>("a");
    assert_eq!(watch.next(Duration::from_millis(3)).expect("reads"), None);
    pay(&store, "a", 7).expect("paid");
    assert_eq!(watch.next(PATIENCE).expect("reads").map(|balance| balance.cents), Some(7));
}
