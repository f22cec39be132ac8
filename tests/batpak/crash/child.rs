//! The process that dies: it appends until it is killed or the store accepts nothing more.

use super::report::{Known, Report};
use super::workload::{Habits, append_commit};
use crate::random::Random;
use batpak::prelude::*;
use batpak::store::StoreError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;

pub(super) const NAME: &str = "crash::child::the_process_that_dies";
pub(super) const DIRECTORY: &str = "BATPAK_CRASH_DIR";
pub(super) const HABITS: &str = "BATPAK_CRASH_HABITS";
const THREADS: u32 = 4;

/// Not a test of its own: what the tests beside it start.
#[test]
fn the_process_that_dies() {
    let (Ok(dir), Ok(seed)) = (std::env::var(DIRECTORY), std::env::var(HABITS)) else { return };
    let seed: u64 = seed.parse().expect("a number");
    let last = open_and_append(Path::new(&dir), seed);
    Report::say(&[last]);
    loop {
        thread::park();
    }
}

/// Appends until nothing is accepted, and returns why.
fn open_and_append(dir: &Path, seed: u64) -> Report {
    let habits = Habits::new(seed);
    let store = match Store::open(habits.config(dir)) {
        Ok(store) => store,
        Err(error) => return Report::Refused { why: error.to_string() },
    };
    Report::say(&[Report::Opened { events: store.diagnostics().visible }]);
    let ends: Vec<_> = thread::scope(|scope| {
        let append = |thread| {
            let (store, random) = (&store, Random::new(seed ^ u64::from(thread) << 56));
            scope.spawn(move || append_until_refused(store, dir, habits, random))
        };
        let threads: Vec<_> = (0..THREADS).map(append).collect();
        threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
    });
    match store.diagnostics().failure {
        None => Report::Refused { why: ends[0].clone() },
        Some(why) => {
            check_refuses(&store, habits, &why, &mut Random::new(seed));
            Report::Failed { why, second_sync_succeeds: second_sync_succeeds(dir) }
        }
    }
}

fn append_until_refused(store: &Store, dir: &Path, habits: Habits, mut random: Random) -> String {
    loop {
        let commit = random.next();
        let reports = append_commit(store, habits, commit, &mut random).and_then(|receipts| {
            let durable = make_durable(store, &receipts, &mut random)?;
            let is_reported = habits.reports_all || random.below(50) == 0;
            Ok(if is_reported { reports(&receipts, commit, durable) } else { Vec::new() })
        });
        match reports {
            Ok(reports) if reports.is_empty() => {}
            Ok(reports) if has_power(dir) => Report::say(&reports),
            Ok(_) => return "the power is gone".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Whether what was returned before this call was returned before the power was cut. What is returned after it is no
/// promise: nobody would have learned of it. A file system that was shut down opens no file.
fn has_power(dir: &Path) -> bool {
    File::open(dir.join("batpak.lock")).is_ok()
}

/// Now and then asks for durability afterwards. Returns what is durable then.
fn make_durable(store: &Store, receipts: &[AppendReceipt], random: &mut Random) -> Result<u64, StoreError> {
    let last = receipts.last().expect("no batch is empty");
    let synced = receipts.iter().any(|receipt| receipt.durability == Durability::Synced);
    match random.below(200) {
        0 => store.sync()?,
        1 => store.wait_durable(last.sequence)?,
        2 => return Ok(store.diagnostics().durable),
        _ if synced => {}
        _ => return Ok(0),
    }
    Ok(last.sequence + 1)
}

fn reports(receipts: &[AppendReceipt], commit: u64, durable: u64) -> Vec<Report> {
    let items = u32::try_from(receipts.len()).expect("small");
    let appended = receipts.iter().zip(0..).map(|(receipt, item)| {
        let event = Known { id: receipt.event_id, commit, item, items };
        Report::Appended { sequence: receipt.sequence, event }
    });
    appended.chain((durable > 0).then_some(Report::Durable { below: durable })).collect()
}

/// After a failure every call that writes says so, and nothing becomes durable any more.
fn check_refuses(store: &Store, habits: Habits, why: &str, random: &mut Random) {
    let before = store.diagnostics();
    for _ in 0..20 {
        let commit = random.next();
        check_failed(append_commit(store, habits, commit, random), why);
        check_failed(store.sync(), why);
    }
    let after = store.diagnostics();
    assert_eq!((after.visible, after.durable), (before.visible, before.durable));
}

#[track_caller]
fn check_failed<T: std::fmt::Debug>(result: Result<T, StoreError>, why: &str) {
    match result.expect_err("it has failed") {
        StoreError::Failed { reason, .. } => assert_eq!(reason, why),
        other => panic!("{other}"),
    }
}

fn second_sync_succeeds(dir: &Path) -> bool {
    newest_segment(dir).is_some_and(|path| {
        let file = File::options().write(true).open(path);
        file.is_ok_and(|file| file.sync_data().is_ok())
    })
}

fn newest_segment(dir: &Path) -> Option<PathBuf> {
    let paths = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "fbat")).max()
}
