//! A store and a machine that fails, against a plain list of events: many short lives of a store, each decided by a seed.
//!
//! A life is a row of sessions. In each a process opens the store, works, and ends: by a power cut or a kill at some call
//! to its files, by an error that it meets there, or well. Then the next process opens what is left, perhaps to crash
//! while it recovers, and what it finds is compared with what the receipts have promised.
//!
//! `BATPAK_SIM_RUNS` sets the number of lives, `BATPAK_SIM_SEED` the first of their seeds. A life that fails names its
//! seed; `cargo xtask sim --seed N --runs 1` lives it again, and tells each step.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and says which life it was"
)]

mod appending;
mod checking;
mod config;
mod deciding;
mod draft;
mod faults;
mod life;
mod model;
#[path = "../random.rs"]
mod random;
mod session;
mod tally;
mod trace;
mod verifying;

use life::live;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use tally::Tally;

/// As many that there are more than 20,000 crashes and 5,000 errors.
const RUNS: u64 = 4000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn what_was_promised_survives_crashes_and_errors_at_random_calls() {
    let (first, runs) = (setting("BATPAK_SIM_SEED", 1), setting("BATPAK_SIM_RUNS", RUNS));
    match run(first, runs) {
        Ok(tally) => {
            eprintln!("{tally}");
            assert!(runs < RUNS || tally.is_enough(), "too little has happened");
        }
        Err(seed) => panic!("seed {seed} failed, again with: cargo xtask sim --seed {seed} --runs 1"),
    }
}

/// Lives on all processors until one fails, whose seed is returned.
fn run(first: u64, runs: u64) -> Result<Tally, u64> {
    let (next, failed, all) = (AtomicU64::new(first), OnceLock::new(), Mutex::new(Tally::default()));
    let work = || {
        while failed.get().is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + runs {
                return;
            }
            match catch_unwind(|| live(seed)) {
                Ok(tally) => *all.lock().unwrap_or_else(PoisonError::into_inner) += tally,
                // Of several the first counts.
                Err(_) => drop(failed.set(seed)),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    match failed.get() {
        Some(seed) => Err(*seed),
        None => Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

#[test]
fn the_same_seed_is_the_same_life_call_by_call() {
    let first = setting("BATPAK_SIM_SEED", 1);
    for seed in first..first + 100 {
        let (once, again) = (live(seed), live(seed));
        assert_eq!(once, again, "seed {seed}");
        assert_ne!(once.digest, live(seed + 1).digest, "seeds {seed} and the next");
    }
}
