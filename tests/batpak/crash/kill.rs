//! A process that is killed at any moment while it appends: every event that it had acknowledged is there.

use super::history::{Death, History};
use super::process::Process;
use super::{rounds, say, seed};
use crate::random::Random;

/// Rounds in one directory: each goes on where the one before was killed.
const ROUNDS_PER_DIRECTORY: u32 = 5;

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let (rounds, seed) = (rounds(50), seed());
    say(format_args!("kills: {rounds} rounds, seed {seed}"));
    let mut random = Random::new(seed);
    let (mut round, mut reported) = (0, 0);
    while round < rounds {
        let dir = tempfile::tempdir().expect("makes a directory");
        let mut history = History::default();
        for _ in 0..ROUNDS_PER_DIRECTORY.min(rounds - round) {
            let mut process = Process::start(dir.path(), random.next());
            process.run_to_any_moment(&mut random);
            process.check_goes_on();
            reported += history.end(process, Death::Process);
            // Now and then the next process finds what the killed one left.
            if random.below(3) > 0 {
                history.check(dir.path());
            }
            round += 1;
        }
        history.check(dir.path());
    }
    say(format_args!("kills: {rounds} processes killed, {reported} events acknowledged, none lost"));
    assert!(reported > u64::from(rounds), "only {reported} events were acknowledged");
}
