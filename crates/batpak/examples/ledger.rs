//! A bank: accounts that are never overdrawn, transfers, and what stood in an account at any time before.
//!
//! `cargo run --release -p batpak --example ledger`. The page `docs/guide/ledger.md` writes it step by step.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use batpak::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::thread;

#[derive(Debug, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 2)]
enum BankEvent {
    #[batpak(type_id = 1, name = "money.deposited")]
    Deposited { account: String, cents: i64 },
    #[batpak(type_id = 2, name = "money.withdrawn")]
    Withdrawn { account: String, cents: i64 },
    #[batpak(type_id = 3, name = "money.sent")]
    Sent { account: String, cents: i64, to: String },
    #[batpak(type_id = 4, name = "money.received")]
    Received { account: String, cents: i64, from: String },
}

impl BankEvent {
    /// Whose balance it changes, and by how much.
    fn change(&self) -> (&str, i64) {
        match self {
            Self::Deposited { account, cents } | Self::Received { account, cents, .. } => (account, *cents),
            Self::Withdrawn { account, cents } | Self::Sent { account, cents, .. } => (account, -cents),
        }
    }
}

/// Of one account, in cents.
#[derive(Clone, Debug, Default, PartialEq)]
struct Balance(i64);

impl Projection for Balance {
    type Event = BankEvent;

    fn apply(&mut self, event: &Event<BankEvent>) {
        self.0 += event.payload().change().1;
    }
}

/// Of several accounts, in cents.
#[derive(Clone, Debug, Default)]
struct Balances(BTreeMap<String, i64>);

impl Projection for Balances {
    type Event = BankEvent;

    fn apply(&mut self, event: &Event<BankEvent>) {
        let (account, cents) = event.payload().change();
        *self.0.entry(account.to_owned()).or_default() += cents;
    }
}

/// A sum of several million of them still fits into a balance.
const AMOUNT_MAX_CENTS: i64 = 1_000_000_000_000;

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0} cents: at least 1 and at most {AMOUNT_MAX_CENTS} are an amount")]
    Amount(i64),
    #[error("there are {balance} cents, {cents} are wanted")]
    Overdrawn { balance: i64, cents: i64 },
}

type Done = Result<Vec<AppendReceipt>, DecideError<Refusal>>;

fn covered(balance: i64, cents: i64) -> Result<(), Refusal> {
    match cents {
        1..=AMOUNT_MAX_CENTS if cents <= balance => Ok(()),
        1..=AMOUNT_MAX_CENTS => Err(Refusal::Overdrawn { balance, cents }),
        _ => Err(Refusal::Amount(cents)),
    }
}

fn deposit(store: &Store, at: &Coordinate, cents: i64) -> Done {
    store.decide(at, |_: &Balance| {
        covered(i64::MAX, cents)?;
        Ok([BankEvent::Deposited { account: at.entity().to_owned(), cents }])
    })
}

fn withdraw(store: &Store, at: &Coordinate, cents: i64) -> Done {
    store.decide(at, |balance: &Balance| {
        covered(balance.0, cents)?;
        Ok([BankEvent::Withdrawn { account: at.entity().to_owned(), cents }])
    })
}

fn transfer(store: &Store, from: &Coordinate, to: &Coordinate, cents: i64) -> Done {
    store.decide_over(&Region::entity(from.entity()), |balance: &Balance| {
        covered(balance.0, cents)?;
        let (sender, recipient) = (from.entity().to_owned(), to.entity().to_owned());
        let sent = BankEvent::Sent { account: sender.clone(), cents, to: recipient.clone() };
        let received = BankEvent::Received { account: recipient, cents, from: sender };
        Ok([(from.clone(), sent), (to.clone(), received)])
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?; // a path of yours
    let store = Store::open(StoreConfig::synced(dir.path()).with_events::<BankEvent>())?;
    let (ann, bob) = (Coordinate::new("account:ann", "bank")?, Coordinate::new("account:bob", "bank")?);

    deposit(&store, &ann, 500)?;
    let withdrawn = withdraw(&store, &ann, 200)?;
    let moved = transfer(&store, &ann, &bob, 300)?;
    assert!(matches!(deposit(&store, &ann, -5), Err(DecideError::Refused(Refusal::Amount(-5)))));
    let refused = withdraw(&store, &ann, 1);
    assert!(matches!(refused, Err(DecideError::Refused(Refusal::Overdrawn { balance: 0, cents: 1 }))));

    // Before the transfer, within it, and after it.
    assert_eq!(store.project_at::<Balance>("account:ann", withdrawn[0].sequence)?, Some(Balance(300)));
    assert_eq!(store.project_at::<Balance>("account:bob", moved[0].sequence)?, None);
    assert_eq!(store.project_at::<Balance>("account:bob", moved[1].sequence)?, Some(Balance(300)));
    print_statement(&store, &ann)?;

    let refusals = move_money_about(&store, &[&ann, &bob])?;
    println!("\n{refusals} of 800 withdrawals and transfers were refused, no account was ever overdrawn");
    check(&store)?;
    Ok(store.close()?)
}

/// Each event of an account, and what stood in it then.
fn print_statement(store: &Store, at: &Coordinate) -> Result<(), StoreError> {
    println!("{at}");
    for event in store.events(&Region::entity(at.entity())).typed::<BankEvent>() {
        let event = event?.event;
        let balance: Balance = store.project_at(at.entity(), event.sequence())?.unwrap_or_default();
        println!("{:>6}. {:>+6} {:>6}", event.sequence(), event.payload().change().1, balance.0);
    }
    Ok(())
}

/// Four threads that deposit, withdraw and transfer at the same time. Returns how often they were refused.
fn move_money_about(store: &Store, accounts: &[&Coordinate; 2]) -> Result<usize, Box<dyn Error>> {
    let work = |thread: i64| -> Result<usize, DecideError<Refusal>> {
        let mut refusals = 0;
        for n in 0..100 {
            let (from, to) =
                if (n + thread) % 2 == 0 { (accounts[0], accounts[1]) } else { (accounts[1], accounts[0]) };
            deposit(store, from, 10 + n)?;
            for done in [transfer(store, from, to, 3 * n + 1), withdraw(store, to, 2 * n + thread + 1)] {
                match done {
                    Ok(_) => {}
                    Err(DecideError::Refused(Refusal::Overdrawn { .. })) => refusals += 1,
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(refusals)
    };
    thread::scope(|scope| {
        let working: Vec<_> = (0..4).map(|thread| scope.spawn(move || work(thread))).collect();
        let mut refusals = 0;
        for worker in working {
            refusals += worker.join().map_err(|_| "a thread panicked")??;
        }
        Ok(refusals)
    })
}

/// At no sequence is a balance below zero, and what is there in the end is what was deposited less what was withdrawn.
fn check(store: &Store) -> Result<(), Box<dyn Error>> {
    let mut balances = Balances::default();
    let mut total = 0;
    for event in store.events(&Region::scope("bank")).typed::<BankEvent>() {
        let event = event?.event;
        balances.apply(&event);
        assert!(balances.0.values().all(|balance| *balance >= 0), "overdrawn at event {}", event.sequence());
        if let BankEvent::Deposited { .. } | BankEvent::Withdrawn { .. } = event.payload() {
            total += event.payload().change().1;
        }
    }
    let kept = store.state_over::<Balances>(&Region::scope("bank"), &Freshness::Consistent)?;
    let kept = kept.ok_or("there are events")?;
    assert_eq!(kept.0, balances.0);
    assert_eq!(kept.0.values().sum::<i64>(), total);
    println!("{:?}", kept.0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use batpak::testing::TestStore;
    use std::time::Duration;

    fn ann() -> Coordinate {
        Coordinate::new("account:ann", "bank").expect("valid names")
    }

    fn deposited(cents: i64) -> BankEvent {
        BankEvent::Deposited { account: ann().entity().to_owned(), cents }
    }

    fn withdrawn(cents: i64) -> BankEvent {
        BankEvent::Withdrawn { account: ann().entity().to_owned(), cents }
    }

    #[test]
    fn what_is_there_can_be_withdrawn() {
        TestStore::new()
            .given(&ann(), &deposited(500))
            .when(|store| withdraw(store, &ann(), 500))
            .then_events(&[(&ann(), withdrawn(500))]);
    }

    #[test]
    fn more_than_that_is_refused() {
        let overdrawn = |error: &_| matches!(error, DecideError::Refused(Refusal::Overdrawn { balance: 300, .. }));
        TestStore::new()
            .given(&ann(), &deposited(500))
            .given(&ann(), &withdrawn(200))
            .when(|store| withdraw(store, &ann(), 301))
            .then_error(overdrawn);
    }

    #[test]
    fn the_balance_of_an_evening_is_without_the_next_day() {
        let test = TestStore::new().given(&ann(), &deposited(500));
        let evening = test.store().now();
        let test = test.after(Duration::from_hours(24)).given(&ann(), &withdrawn(200));
        let until_then = Region::scope("bank").with_time(..=evening);
        let last = test.store().events(&until_then).backward().rows().next().expect("one event").expect("a row");
        let balance = test.store().project_at("account:ann", last.sequence).expect("a balance");
        assert_eq!(balance, Some(Balance(500)));
    }
}
