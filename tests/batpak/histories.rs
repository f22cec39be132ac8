//! Several threads at once see the store as if one thing happened after the other: each of its operations takes effect
//! at one moment between its call and its return.
//!
//! Random threads write down what they ask and what they are told, and when. Each such history is searched for an order
//! that explains it (`search.rs`), by what a store does when one thread uses it (`specification.rs`).
//!
//! `BATPAK_HISTORIES_RUNS` sets how many histories there are, `BATPAK_HISTORIES_SEED` the first of their seeds. A seed
//! decides what the threads try, not how they meet: a history that fails is printed, and may need many runs to happen
//! again.

mod checking;
mod history;
mod search;
mod specification;
mod tally;
mod worker;

use crate::random::Random;
use batpak::store::{Clock, Environment, MemoryFileSystem, Store, StoreConfig, WritePath};
use history::Operation;
use search::linearize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tally::Tally;
use worker::{Worker, pause};

const RUNS: u64 = 1000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn what_several_threads_do_happens_in_one_order() {
    let (first, runs) = (number("BATPAK_HISTORIES_SEED", 1), number("BATPAK_HISTORIES_RUNS", RUNS));
    let mut tally = Tally::default();
    for seed in first..first + runs {
        let history = record(seed);
        match linearize(&history) {
            Ok(places) => tally.add(&history, places),
            Err(error) => {
                eprintln!("{error}");
                panic!("seed {seed} failed, perhaps again with: cargo xtask histories --runs 1 --seed {seed}");
            }
        }
    }
    eprintln!("seeds {first} to {}: {tally}", first + runs - 1);
    assert!(runs < RUNS || tally.is_enough(), "too little has happened");
}

/// A clock that is slow at random. The store reads it where it matters who comes first: under the commit lock, before
/// and after it appends; before and after a sync.
#[derive(Debug)]
struct SlowClock {
    start: Instant,
    readings: AtomicU64,
    seed: u64,
}

impl SlowClock {
    fn pause(&self) {
        let reading = self.readings.fetch_add(1, Ordering::Relaxed);
        pause(&mut Random::new(self.seed ^ reading << 32));
    }
}

impl Clock for SlowClock {
    fn wall_ns(&self) -> i64 {
        self.pause();
        1_700_000_000_000_000_000
    }

    fn monotonic(&self) -> Duration {
        self.pause();
        self.start.elapsed()
    }
}

fn open(seed: u64, random: &mut Random) -> Store {
    let environment = Environment {
        file_system: Arc::new(MemoryFileSystem::new()),
        clock: Arc::new(SlowClock { start: Instant::now(), readings: AtomicU64::new(0), seed }),
        ..Environment::default()
    };
    let config = StoreConfig::new("/store")
        .with_environment(environment)
        .with_segment_max_bytes(*random.pick(&[1000, 3000, 1 << 20]))
        .with_sync_every_n_events(*random.pick(&[2, 1000, 1000]))
        .with_write_path(*random.pick(&[WritePath::Tail, WritePath::Direct]));
    Store::open(config).expect("opens")
}

/// What several threads did with a new store.
fn record(seed: u64) -> Vec<Operation> {
    let mut random = Random::new(seed);
    let store = open(seed, &mut random);
    let threads = 3 + random.index(2);
    let (moments, ready) = (AtomicU64::new(0), AtomicUsize::new(0));
    let work = |number: usize, seed: u64, steps: u64| {
        let worker = Worker::new(number, seed, &store, &moments);
        ready.fetch_add(1, Ordering::SeqCst);
        while ready.load(Ordering::SeqCst) < threads {
            thread::yield_now();
        }
        worker.run(steps)
    };
    let history = thread::scope(|scope| {
        let begin = |number| {
            let (seed, steps) = (random.next(), 6 + random.below(5));
            let work = &work;
            scope.spawn(move || work(number, seed, steps))
        };
        let working: Vec<_> = (0..threads).map(begin).collect();
        working.into_iter().flat_map(|thread| thread.join().expect("ends")).collect()
    });
    store.close().expect("closes");
    history
}
