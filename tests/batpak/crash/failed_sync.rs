//! A disk that has no room for what a sync writes. The system says so once, and takes the pages for clean from then on:
//! another sync succeeds, and reading shows what the disk never got.

use super::disk::{Disk, Format};
use super::history::{Death, History};
use super::process::Process;
use super::report::Report;
use super::{rounds, say, seed};
use crate::random::Random;

/// For an image of 64 MiB.
const MEMORY_MIB: u64 = 56;
/// What has a fixed place: the journal of 4 MiB, inodes, bitmaps.
const FIXED_MIB: u64 = 8;
/// A store that appended so much after its disk was full has not noticed it.
const PATIENCE_REPORTS: usize = 500_000;
/// Of so many failed syncs one at least has to be followed by one that succeeds.
const ENOUGH: u32 = 5;

#[test]
#[ignore = "needs root and loop devices: cargo xtask crash"]
fn after_a_failed_sync_nothing_is_accepted_and_what_was_durable_is_there() {
    let (rounds, seed) = (rounds(10), seed());
    say(format_args!("failed syncs: {rounds} rounds, seed {seed}"));
    let mut random = Random::new(seed);
    let mut counts = Counts::default();
    while counts.failed < rounds {
        fail_one_sync(&mut random, &mut counts);
        assert!(counts.refused <= 4 * (counts.failed + ENOUGH), "no sync is ever tried: {counts:?}");
    }
    let Counts { failed, forgotten, refused, took, lost } = counts;
    say(format_args!(
        "failed syncs: {failed} stores failed, after {forgotten} of them another sync succeeded, {refused} more refused \
         appends only, {took} lost unsynced events, {lost} in all"
    ));
    assert!(rounds < ENOUGH || forgotten > 0, "no sync succeeded after one that failed: it shows nothing");
}

#[derive(Debug, Default)]
struct Counts {
    failed: u32,
    /// How many times another sync succeeded after the failed one.
    forgotten: u32,
    /// How many times the disk was full when nothing was to be synced.
    refused: u32,
    took: u32,
    lost: u64,
}

impl Counts {
    fn take(&mut self, last: Option<&Report>) {
        match last {
            Some(Report::Failed { second_sync_succeeds, .. }) => {
                self.failed += 1;
                self.forgotten += u32::from(*second_sync_succeeds);
            }
            Some(Report::Refused { .. }) => self.refused += 1,
            other => panic!("the disk is full and the store has not noticed: {other:?}"),
        }
    }
}

fn fail_one_sync(random: &mut Random, counts: &mut Counts) {
    let disk = Disk::new(Format::Ext4, MEMORY_MIB);
    disk.reserve_fixed(FIXED_MIB);
    disk.write_single_blocks();
    let dir = disk.root().join("store");
    let mut history = History::default();
    let mut process = Process::start(&dir, random.next());
    process.run_to_any_moment(random);
    disk.fill();
    process.run_to_its_end(PATIENCE_REPORTS);
    counts.take(process.received.last());
    disk.free();
    if random.below(2) == 0 {
        history.end(process, Death::Power);
        disk.mount_anew();
    } else {
        // The page cache is there still, with what the disk never got. What is seen in it has to stay.
        history.end(process, Death::Process);
        history.check(&dir);
        disk.cut_power();
        disk.mount_anew();
    }
    history.check(&dir);
    counts.took += u32::from(history.lost > 0);
    counts.lost += history.lost;
}
