//! A file system that loses its power at any moment while a process appends: every event that was durable is there, and
//! of the others at most as many are lost, from the end, as the sync policy allows.

use super::disk::{Disk, Format};
use super::history::{Death, History};
use super::process::Process;
use super::{rounds, say, seed};
use crate::random::Random;
use std::fs;

const ROUNDS_PER_DIRECTORY: u32 = 10;
/// Of so many power cuts one at least has to take something. A test in which nothing is lost shows nothing.
const ENOUGH: u32 = 40;

#[test]
#[ignore = "needs root and loop devices: cargo xtask crash"]
fn a_power_cut_on_ext4_takes_nothing_that_was_durable() {
    check(Format::Ext4);
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask crash"]
fn a_power_cut_on_xfs_takes_nothing_that_was_durable() {
    check(Format::Xfs);
}

fn check(format: Format) {
    let (rounds, seed) = (rounds(10), seed());
    say(format_args!("{format:?}: {rounds} power cuts, seed {seed}"));
    let disk = Disk::with_room(format);
    let mut random = Random::new(seed);
    let mut losses = Losses::default();
    for first in (0..rounds).step_by(ROUNDS_PER_DIRECTORY as usize) {
        let rounds = ROUNDS_PER_DIRECTORY.min(rounds - first);
        check_one_directory(&disk, rounds, &mut random, &mut losses);
    }
    let Losses { rounds: took, lost, reported } = losses;
    say(format_args!(
        "{format:?}: {rounds} power cuts, {took} of them took unsynced events, {lost} of {reported} acknowledged ones"
    ));
    assert!(rounds < ENOUGH || took > 0, "nothing was lost in {rounds} power cuts: they were none");
}

/// What was reported, and how much of it was lost in how many rounds.
#[derive(Debug, Default)]
struct Losses {
    rounds: u32,
    lost: u64,
    reported: u64,
}

impl Losses {
    fn count(&mut self, history: &mut History) {
        let lost = std::mem::take(&mut history.lost);
        self.rounds += u32::from(lost > 0);
        self.lost += lost;
    }
}

fn check_one_directory(disk: &Disk, rounds: u32, random: &mut Random, losses: &mut Losses) {
    let dir = disk.root().join("store");
    let mut history = History::default();
    for _ in 0..rounds {
        let mut process = Process::start(&dir, random.next());
        process.run_to_any_moment(random);
        process.check_goes_on();
        disk.cut_power();
        losses.reported += history.end(process, Death::Power);
        // That which the opening of this process had found lost.
        losses.count(&mut history);
        disk.mount_anew();
        // Now and then the next process finds what the power cut left.
        if random.below(3) > 0 {
            history.check(&dir);
            losses.count(&mut history);
        }
    }
    history.check(&dir);
    losses.count(&mut history);
    fs::remove_dir_all(&dir).expect("removes");
}
