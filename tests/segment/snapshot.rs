//! Copies of a log that is in use.

use crate::store::{DIR, append, config, contents, edit, environment, open, open_in, segment};
use batpak_segment::testing::{Fault, FaultyFileSystem, When};
use batpak_segment::{Environment, Frame, Log, LogConfig, LogError, LogReader, MemoryFileSystem, Unrecovered};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn open_copy(env: &Environment, dir: &str) -> Log {
    let (log, repair) = Unrecovered::open(env.clone(), Path::new(dir), config(600)).unwrap().recover().unwrap();
    assert!(repair.closed_cleanly);
    log
}

#[test]
fn a_copy_is_a_log_of_its_own_that_goes_on_by_itself() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(600));
    append(&log, &[&[1_u8; 100][..]; 7]);
    log.snapshot("/copy".as_ref()).unwrap();
    append(&log, &[b"only in the source"]);
    let copy = open_copy(&fs.environment(), "/copy");
    assert_eq!(contents(copy.reader()), vec![vec![1; 100]; 7]);
    assert_eq!(copy.reader().store_id(), log.reader().store_id());
    assert_ne!(copy.reader().active_id(), log.reader().active_id());
    append(&copy, &[&[2_u8; 100][..]; 7]);
    copy.snapshot("/copy of the copy".as_ref()).unwrap();
    let second = open_copy(&fs.environment(), "/copy of the copy");
    assert_eq!(contents(second.reader()).len(), 14);
    assert_eq!(contents(log.reader()).len(), 8);
}

#[test]
fn a_copy_has_the_frame_records_that_follow_the_last_record() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, LogConfig::default());
    append(&log, &[b"a record"]);
    let mut frame = Frame::new();
    frame.push_frame_record(256, b"where a consumer stands").unwrap();
    log.append_frame(&mut frame).unwrap();
    log.snapshot("/copy".as_ref()).unwrap();
    let copied = fs.contents().into_iter().find(|(path, _)| path.starts_with("/copy")).unwrap().1;
    assert!(copied.windows(23).any(|window| window == b"where a consumer stands"));
}

#[test]
fn copies_taken_under_load_are_prefixes() {
    let fs = MemoryFileSystem::new();
    let env = environment(&fs);
    let (log, _) = open_in(&env, config(700)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..2000_u32 {
                let mut frame = Frame::new();
                for part in 0..=i % 3 {
                    frame.push(format!("{i} {part}").as_bytes());
                }
                log.append_frame(&mut frame).unwrap();
            }
            done.store(true, Ordering::Release);
        });
        let mut copies = 0;
        while !done.load(Ordering::Acquire) || copies < 3 {
            let dir = format!("/copy {copies}");
            let before = log.reader().end_sequence();
            log.snapshot(dir.as_ref()).unwrap();
            let copy = open_copy(&env, &dir);
            assert!(copy.next_sequence() >= before);
            let same = copy
                .records(0)
                .map(Result::unwrap)
                .eq(log.records(0).map(Result::unwrap).take_while(|r| r.position.sequence < copy.next_sequence()));
            assert!(same);
            copies += 1;
        }
    });
}

#[test]
fn a_copy_into_the_source_or_another_log_is_refused() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, LogConfig::default());
    log.snapshot("/copy".as_ref()).unwrap();
    fs.put("/foreign/notes.fbat", b"");
    for dir in [DIR, "/copy", "/foreign"] {
        let before = fs.contents();
        assert!(matches!(log.snapshot(dir.as_ref()), Err(LogError::NotEmpty { .. })), "{dir}");
        assert_eq!(fs.contents(), before);
    }
}

#[test]
fn a_copy_that_fails_at_any_call_leaves_no_half_of_a_log() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(600));
    append(&log, &[&[1_u8; 100][..]; 7]);
    log.sync().unwrap();
    let before = fs.calls();
    log.snapshot("/whole".as_ref()).unwrap();
    let calls = fs.calls() - before;
    for call in 1..=calls {
        fs.plan(When::Call(fs.calls() + call), Fault::Once(ErrorKind::StorageFull));
        let dir = format!("/copy {call}");
        let error = log.snapshot(dir.as_ref()).unwrap_err();
        assert!(matches!(error, LogError::Io { .. } | LogError::ReadOnly { .. }), "call {call}: {error}");
        log.snapshot(dir.as_ref()).unwrap();
        assert_eq!(contents(open_copy(&fs.environment(), &dir).reader()).len(), 7);
    }
}

#[test]
fn a_damaged_segment_is_not_copied() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, LogConfig::default());
    let at = log.append(b"sealed").unwrap();
    log.rotate().unwrap();
    log.close().unwrap();
    edit(&fs, &segment(0), |bytes| bytes[usize::try_from(at.offset).unwrap() + 8] ^= 1);
    let (log, _) = open(&fs, LogConfig::default());
    let error = log.snapshot("/copy".as_ref()).unwrap_err();
    assert!(matches!(error, LogError::Damaged { segment: 0, .. }), "{error}");
    assert!(LogReader::open(&fs.environment(), Path::new("/copy"), 1).is_err());
}

#[test]
fn a_finished_copy_survives_a_power_cut() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(600));
    append(&log, &[&[1_u8; 100][..]; 7]);
    log.snapshot("/backups/today".as_ref()).unwrap();
    for seed in 0..50 {
        let fs = fs.after_power_cut(seed);
        let reader = LogReader::open(&fs.environment(), Path::new("/backups/today"), 1).unwrap();
        assert_eq!(contents(&reader).len(), 7, "seed {seed}");
    }
}
