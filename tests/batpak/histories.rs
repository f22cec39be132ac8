//! Several threads at once see the store as if one thing happened after the other: each of its operations takes effect
//! at one moment between its call and its return.
//!
//! Random threads write down what they ask and what they are told, and when. Each such history is searched for an order
//! that explains it (`search.rs`), by what a store does when one thread uses it (`specification.rs`).
//!
//! In some histories the store is closed and opened again, and in some a sync fails, after which it is opened again
//! (`recording.rs`). What is acknowledged is there then. What was under way when the sync failed has happened as a whole
//! or not at all, at some moment before the store was opened again.
//!
//! `BATPAK_HISTORIES_RUNS` sets how many histories there are, `BATPAK_HISTORIES_SEED` the first of their seeds. A seed
//! decides what the threads try, not how they meet: a history that fails is printed, and may need many runs to happen
//! again.

mod checking;
mod history;
mod recording;
mod search;
mod specification;
mod tally;
mod worker;

use recording::record;
use search::linearize;
use tally::Tally;

const RUNS: u64 = 1000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn what_several_threads_do_happens_in_one_order() {
    let (first, runs) = (number("BATPAK_HISTORIES_SEED", 1), number("BATPAK_HISTORIES_RUNS", RUNS));
    let mut tally = Tally::default();
    for seed in first..first + runs {
        let recorded = record(seed);
        match linearize(&recorded.operations) {
            Ok(places) => tally.add(&recorded, places),
            Err(error) => {
                eprintln!("{error}");
                panic!("seed {seed} failed, perhaps again with: cargo xtask histories --runs 1 --seed {seed}");
            }
        }
    }
    eprintln!("seeds {first} to {}: {tally}", first + runs - 1);
    assert!(runs < RUNS || tally.is_enough(), "too little has happened");
}
