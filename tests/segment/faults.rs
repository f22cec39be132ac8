//! A fault at every single call, and errors in the middle of things.

use crate::store::{DIRECT, append, assert_failed, by, config, contents, open, open_in, reopened};
use batpak_segment::testing::{Fault, FaultyFileSystem, Operation, When};
use batpak_segment::{Log, LogError, WritePath};
use std::io::ErrorKind;

fn record(index: usize) -> Vec<u8> {
    format!("{index:04}").repeat(1 + index * 37 % 60).into_bytes()
}

/// What a session of the script was told.
#[derive(Default)]
struct Told {
    accepted: usize,
    durable: usize,
}

/// Opens, appends with rotations, syncs, closes; stops at the first error.
fn script(fs: &FaultyFileSystem, told: &mut Told) -> Result<(), LogError> {
    let (log, _) = open_in(&fs.environment(), config(700))?;
    told.accepted = usize::try_from(log.next_sequence()).unwrap();
    told.durable = told.accepted;
    let result = steps(&log, told);
    told.durable = told.durable.max(usize::try_from(log.durable_sequence()).unwrap());
    result
}

fn steps(log: &Log, told: &mut Told) -> Result<(), LogError> {
    for step in 0..8 {
        log.append(&record(told.accepted))?;
        told.accepted += 1;
        if step % 3 == 1 {
            log.sync()?;
            told.durable = told.accepted;
        }
    }
    log.rotate()?;
    log.close()?;
    told.durable = told.accepted;
    Ok(())
}

/// Opens what is left and compares; the commit that was in flight may be there.
#[track_caller]
fn check(fs: &FaultyFileSystem, at_least: usize, accepted: usize, what: &str) {
    let found = match open_in(&fs.environment(), config(700)) {
        Ok((log, _)) => contents(log.reader()),
        Err(error) => panic!("{what}: {error}"),
    };
    assert!((at_least..=accepted + 1).contains(&found.len()), "{what}: {} of {at_least} to {accepted}", found.len());
    for (index, bytes) in found.iter().enumerate() {
        assert_eq!(*bytes, record(index), "{what}");
    }
}

fn calls_of_script(fs: &FaultyFileSystem) -> u64 {
    let fs = fs.after_kill();
    script(&fs, &mut Told::default()).unwrap();
    fs.calls()
}

fn calls_of_opening(fs: &FaultyFileSystem) -> u64 {
    let fs = fs.after_kill();
    let log = open(&fs, config(700)).0;
    let calls = fs.calls();
    drop(log);
    calls
}

#[test]
fn a_power_cut_at_every_call_and_two_more_while_recovering_lose_nothing_that_was_promised() {
    let first = FaultyFileSystem::new();
    script(&first, &mut Told::default()).unwrap();
    for (start, records) in [(FaultyFileSystem::new(), 0), (first, 8)] {
        for call in 1..=calls_of_script(&start) {
            let fs = start.after_kill();
            let mut told = Told { accepted: records, durable: records };
            fs.plan(When::Call(call), Fault::Crash);
            let _ = script(&fs, &mut told);
            for seed in 0..3 {
                let crashed = fs.after_power_cut(seed);
                check(&crashed.after_kill(), told.durable, told.accepted, &format!("call {call} seed {seed}"));
                if seed == 0 {
                    crash_while_recovering(&crashed, &told, 2, &format!("call {call}"));
                }
            }
        }
    }
}

fn crash_while_recovering(left: &FaultyFileSystem, told: &Told, depth: u32, what: &str) {
    let step = if depth == 2 { 2 } else { 5 };
    for call in (1 + told.accepted as u64 % 2..=calls_of_opening(left)).step_by(step) {
        let fs = left.after_kill();
        fs.plan(When::Call(call), Fault::Crash);
        assert!(open_in(&fs.environment(), config(700)).is_err());
        let crashed = fs.after_power_cut(call);
        let what = format!("{what}, then call {call}");
        check(&crashed.after_kill(), told.durable, told.accepted, &what);
        if depth > 1 && call % 3 == 0 {
            crash_while_recovering(&crashed, told, depth - 1, &what);
        }
    }
}

#[test]
fn a_kill_at_every_call_loses_nothing_that_was_accepted() {
    for call in 1..=calls_of_script(&FaultyFileSystem::new()) {
        let fs = FaultyFileSystem::new();
        let mut told = Told::default();
        fs.plan(When::Call(call), Fault::Crash);
        let _ = script(&fs, &mut told);
        check(&fs.after_kill(), told.accepted, told.accepted, &format!("call {call}"));
    }
}

/// A log that has outgrown its tail, with records that are only there.
fn before_a_larger_tail() -> (FaultyFileSystem, Log) {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, by(WritePath::Tail));
    while log.unsynced().bytes < 1 << 20 {
        append(&log, &[&vec![1; 30_000]]);
    }
    (fs, log)
}

/// If the new tail took the place of the old one before what the old one holds is moved, accepted records would be lost.
#[test]
fn a_kill_at_every_call_that_makes_a_larger_tail_loses_nothing_that_was_accepted() {
    let (fs, log) = before_a_larger_tail();
    let before = fs.calls();
    append(&log, &[b"behind a larger tail"]);
    let calls = fs.operations_since(before);
    assert!(calls.contains(&Operation::Map), "{calls:?}");
    for call in 1..=calls.len() as u64 {
        let (fs, log) = before_a_larger_tail();
        let accepted = log.next_sequence();
        fs.plan(When::Call(fs.calls() + call), Fault::Crash);
        let _ = log.append(b"in flight");
        let (log, _) = open(&fs.after_kill(), by(WritePath::Tail));
        assert!(log.next_sequence() >= accepted, "call {call}: {} of {accepted}", log.next_sequence());
    }
}

#[test]
fn an_error_at_every_call_leaves_what_was_accepted_after_reopening() {
    let kinds = [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::Interrupted];
    let once = kinds.map(Fault::Once);
    let others = [Fault::ForGood(ErrorKind::StorageFull), Fault::Short, Fault::ShortThenFull];
    for fault in once.into_iter().chain(others) {
        for call in 1..=calls_of_script(&FaultyFileSystem::new()) {
            let fs = FaultyFileSystem::new();
            let mut told = Told::default();
            fs.plan(When::Call(call), fault);
            let _ = script(&fs, &mut told);
            let what = format!("{fault:?} at call {call}");
            check(&fs.after_kill(), told.accepted, told.accepted, &what);
            for seed in 0..3 {
                check(&fs.after_power_cut(seed), told.durable, told.accepted, &format!("{what} seed {seed}"));
            }
        }
    }
}

#[test]
fn a_panic_of_the_file_system_at_every_call_ends_the_log_and_loses_nothing() {
    for call in 1..=calls_of_script(&FaultyFileSystem::new()) {
        let fs = FaultyFileSystem::new();
        let mut told = Told::default();
        fs.plan(When::Call(call), Fault::Panic);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| script(&fs, &mut told)));
        let what = format!("call {call}");
        check(&fs.after_kill(), told.accepted, told.accepted, &what);
        for seed in 0..3 {
            check(&fs.after_power_cut(seed), told.durable, told.accepted, &what);
        }
    }
}

#[test]
fn after_a_panic_in_a_write_a_sync_or_a_rotation_nothing_more_is_accepted() {
    let cases = [(Operation::Write, "write"), (Operation::Sync, "sync"), (Operation::Rename, "rotate")];
    for (operation, name) in cases {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, DIRECT);
        append(&log, &[b"accepted"]);
        fs.plan(When::Next(operation), Fault::Panic);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match operation {
            Operation::Write => drop(log.append(b"unknown")),
            Operation::Sync => drop(log.sync()),
            _ => drop(log.rotate()),
        }));
        assert!(unwound.is_err());
        assert_failed(log.append(b"more"), name);
        assert_failed(log.sync(), name);
        assert_eq!(contents(log.reader()), [b"accepted"]);
        assert_eq!(log.durable_sequence(), 0);
        assert_failed(log.close(), name);
    }
}

#[test]
fn a_short_write_is_gone_on_with() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    fs.plan(When::Next(Operation::Write), Fault::Short);
    append(&log, &[&[1; 1000], b"next"]);
    assert_eq!(reopened(&fs.after_kill(), DIRECT).0, [&[1; 1000][..], b"next"]);
}

#[test]
fn an_interrupted_write_is_tried_again() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    fs.plan(When::Next(Operation::Write), Fault::Once(ErrorKind::Interrupted));
    append(&log, &[b"there"]);
    assert_eq!(contents(log.reader()), [b"there"]);
}

#[test]
fn a_full_disk_in_the_middle_of_a_frame_fails_the_log_and_reads_go_on() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"accepted"]);
    fs.plan(When::Next(Operation::Write), Fault::ShortThenFull);
    assert_failed(log.append(&[1; 1000]), "write");
    assert_eq!(log.failure().unwrap().kind, ErrorKind::StorageFull);
    assert_failed(log.append(b"more"), "write");
    assert_failed(log.rotate(), "write");
    assert_failed(log.snapshot("/copy".as_ref()), "write");
    assert_eq!(contents(log.reader()), [b"accepted"]);
    assert_failed(log.close(), "write");
    let (found, repair) = reopened(&fs.after_kill(), DIRECT);
    assert_eq!(found, [b"accepted"]);
    assert!(repair.torn.is_some());
}
