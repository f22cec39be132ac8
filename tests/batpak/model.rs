//! A store against a plain list of events: whatever is done to both, they give the same answers.
//!
//! A case that fails is shrunk: it is told as the fewest steps that fail. Each step has a seed of its own, so that it does
//! the same without those before it, as far as it can.
//!
//! `BATPAK_MODEL_CASES` sets how many cases are run, `BATPAK_MODEL_SEED` which one is the first. What a seed decides is
//! everything but the pace of the store's own threads.

mod appending;
mod draft;
mod found;
mod plan;
mod reading;
mod reopening;

use crate::filters::{Facts, Filter};
use crate::fixtures::Machine;
use crate::random::Random;
use batpak::store::{Cursor, Store, StoreConfig};
use draft::Known;
use plan::{Action, Failed, Plan, check};
use reopening::random_config;
use std::collections::BTreeMap;
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
    if let Some((seed, Failed { reason, plan })) = run(first, number("BATPAK_MODEL_CASES", CASES)) {
        eprintln!("seed {seed} failed: {reason}");
        eprintln!("{plan:#?}");
        eprintln!("again with: cargo xtask model --cases 1 --seed {seed}");
        panic!("or: BATPAK_MODEL_SEED={seed} BATPAK_MODEL_CASES=1 cargo test -p batpak --test batpak model::");
    }
}

/// Runs cases on all processors until one fails, which is returned with its seed.
fn run(first: u64, cases: u64) -> Option<(u64, Failed)> {
    let (next, failed) = (AtomicU64::new(first), OnceLock::new());
    let work = || {
        while failed.get().is_none() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + cases {
                return;
            }
            if let Err(error) = check(seed, |plan| Case::new(plan).run(plan)) {
                // Of several the first counts.
                let _ = failed.set((seed, error));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner()
}

struct Case {
    /// That of the step.
    random: Random,
    /// The most events of a batch.
    largest_batch: u64,
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
    fn new(plan: &Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let machine = Machine::new();
        let store = Store::open(random_config(machine.config(), &mut random)).expect("open");
        Self {
            random,
            largest_batch: plan.largest_batch,
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

    fn run(mut self, plan: &Plan) {
        for step in &plan.steps {
            self.random = Random::new(step.seed);
            self.perform(step.action);
        }
        self.random = Random::new(plan.seed);
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

    fn perform(&mut self, action: Action) {
        match action {
            Action::Append => self.append(),
            Action::AppendBatch => self.append_batch(),
            Action::Repeat => self.repeat(),
            Action::RepeatBatch => self.repeat_batch(),
            Action::RepeatSome => self.repeat_some(),
            Action::Query => self.query(),
            Action::Read => self.read(),
            Action::Project => self.project(),
            Action::Poll => self.poll(),
            Action::Verify => self.verify(),
            Action::LookInReadOnly => self.look_in_read_only(),
            Action::Snapshot => self.snapshot(),
            Action::Sync => self.sync(),
            Action::Settle => self.settle(),
            Action::Reopen => self.reopen(),
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
