//! A store against a plain list of events: whatever is done to both, they give the same answers.
//!
//! `BATPAK_MODEL_CASES` sets how many cases are run, `BATPAK_MODEL_SEED` which one is the first. What a seed decides is
//! everything but the pace of the store's own threads.

mod appending;
mod draft;
mod found;
mod reading;
mod reopening;

use crate::filters::{Facts, Filter};
use crate::fixtures::Machine;
use crate::random::Random;
use batpak::store::{Cursor, Store, StoreConfig};
use draft::Known;
use reopening::random_config;
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const CASES: u64 = 10_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn a_store_is_a_list_of_events() {
    let first = number("BATPAK_MODEL_SEED", 1);
    if let Some(seed) = run(first, number("BATPAK_MODEL_CASES", CASES)) {
        eprintln!("seed {seed} failed, again with: cargo xtask model --cases 1 --seed {seed}");
        panic!("or: BATPAK_MODEL_SEED={seed} BATPAK_MODEL_CASES=1 cargo test -p batpak --test batpak model::");
    }
}

/// Runs cases on all processors until one fails, whose seed is returned.
fn run(first: u64, cases: u64) -> Option<u64> {
    let (next, failed) = (AtomicU64::new(first), OnceLock::new());
    let work = || {
        while failed.get().is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + cases {
                return;
            }
            if catch_unwind(|| Case::new(seed).run()).is_err() {
                // Of several the first counts.
                let _ = failed.set(seed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner()
}

/// How much is done in a case.
#[derive(Clone, Copy, Debug)]
struct Size {
    steps: u64,
    /// The most events of a batch.
    batch: u64,
}

impl Size {
    fn of(seed: u64, random: &mut Random) -> Self {
        match seed {
            // Parts of the index have several blocks, lists and zones.
            _ if seed.is_multiple_of(2000) => Self { steps: 50, batch: 600 },
            _ if seed.is_multiple_of(200) => Self { steps: 300, batch: 20 },
            _ => Self { steps: 8 + random.below(32), batch: 6 },
        }
    }
}

struct Case {
    random: Random,
    size: Size,
    machine: Machine,
    store: Store,
    events: Vec<Known>,
    facts: Vec<Facts>,
    lens: BTreeMap<String, u64>,
    time: i64,
    cursors: Vec<(Vec<Filter>, Cursor, u64)>,
    next_key: u128,
    /// Whether a file of the index was spoiled by now.
    has_spoiled: bool,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let size = Size::of(seed, &mut random);
        let machine = Machine::new();
        let store = Store::open(random_config(machine.config(), &mut random)).expect("open");
        Self {
            random,
            size,
            machine,
            store,
            events: Vec::new(),
            facts: Vec::new(),
            lens: BTreeMap::new(),
            time: 0,
            cursors: Vec::new(),
            next_key: 0,
            has_spoiled: false,
        }
    }

    fn run(mut self) {
        for _ in 0..self.size.steps {
            match self.random.below(200) {
                0..60 => self.append(),
                60..90 => self.append_batch(),
                90..100 => self.repeat(),
                100..106 => self.repeat_batch(),
                106..108 => self.repeat_some(),
                108..128 => self.query(),
                128..140 => self.read(),
                140..148 => self.project(),
                148..160 => self.poll(),
                160..163 => self.verify(),
                163..168 => self.look_in_read_only(),
                168..171 => self.snapshot(),
                171..174 => self.sync(),
                174..184 => self.settle(),
                _ => self.reopen(),
            }
        }
        self.reopen();
        for _ in 0..5 {
            self.query();
        }
        self.repeat();
        self.read_all();
        self.verify();
        if self.random.chance(10) && self.events.len() < 100 {
            self.compare_paths();
        }
    }

    fn config(&mut self) -> StoreConfig {
        random_config(self.machine.config(), &mut self.random)
    }

    fn len_of(&self, entity: &str) -> u64 {
        self.lens.get(entity).copied().unwrap_or_default()
    }

    /// Some event, new ones and old ones alike.
    fn some_event(&mut self) -> Option<&Known> {
        if self.events.is_empty() { None } else { Some(self.random.pick(&self.events)) }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("an index")
}
