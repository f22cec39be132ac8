//! What is done in a case: drawn from a seed, and made smaller where it fails.

use crate::random::Random;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::ops::RangeInclusive;

#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Decides how the store is opened first, and how it is looked at in the end.
    pub(super) seed: u64,
    /// The most events of a batch.
    pub(super) largest_batch: u64,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) action: Action,
    /// Decides what is appended, read, spoiled.
    pub(super) seed: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Append,
    AppendBatch,
    Repeat,
    RepeatBatch,
    RepeatSome,
    Query,
    Read,
    Project,
    Poll,
    Verify,
    LookInReadOnly,
    Snapshot,
    Sync,
    Settle,
    Reopen,
}

/// Of 200 steps so many. One that is not needed for a failure becomes an append, or is left out.
fn action() -> impl Strategy<Value = Action> {
    // In two halves: there is a limit for how many there may be in one.
    let reading = prop_oneof![
        20 => Just(Action::Query),
        12 => Just(Action::Read),
        8 => Just(Action::Project),
        12 => Just(Action::Poll),
        3 => Just(Action::Verify),
        5 => Just(Action::LookInReadOnly),
        3 => Just(Action::Snapshot),
    ];
    prop_oneof![
        60 => Just(Action::Append),
        30 => Just(Action::AppendBatch),
        10 => Just(Action::Repeat),
        6 => Just(Action::RepeatBatch),
        2 => Just(Action::RepeatSome),
        3 => Just(Action::Sync),
        10 => Just(Action::Settle),
        26 => Just(Action::Reopen),
        63 => reading,
    ]
}

/// How many steps there are, and the most events of a batch.
fn size(seed: u64) -> (RangeInclusive<usize>, u64) {
    match seed {
        // Parts of the index have several blocks, lists and zones.
        _ if seed.is_multiple_of(2000) => (0..=100, 600),
        _ if seed.is_multiple_of(200) => (0..=600, 20),
        _ => (0..=48, 6),
    }
}

fn plan(seed: u64) -> impl Strategy<Value = Plan> {
    let (steps, largest_batch) = size(seed);
    // Another seed is not a smaller one.
    let seeds = || any::<u64>().no_shrink();
    let step = (action(), seeds()).prop_map(|(action, seed)| Step { action, seed });
    (seeds(), vec(step, steps)).prop_map(move |(seed, steps)| Plan { seed, largest_batch, steps })
}

/// A case that fails, made as small as could be.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) reason: String,
    pub(super) plan: Plan,
}

/// Runs the case of a seed, and if it panics, smaller and smaller ones that do.
pub(super) fn check(seed: u64, run: impl Fn(&Plan)) -> Result<(), Failed> {
    let config =
        Config { failure_persistence: None, max_shrink_iters: 2000, max_shrink_time: 60_000, ..Config::default() };
    let mut random = Random::new(seed);
    let bytes: [u8; 32] = std::array::from_fn(|_| u8::try_from(random.below(256)).expect("a byte"));
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let case = plan(seed).new_tree(&mut runner).expect("every plan is one");
    let result = runner.run_one(case, |plan| {
        run(&plan);
        Ok(())
    });
    match result {
        Ok(_) => Ok(()),
        Err(TestError::Fail(reason, plan)) => Err(Failed { reason: reason.to_string(), plan }),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
