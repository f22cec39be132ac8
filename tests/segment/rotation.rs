//! From one segment to the next.

use crate::store::{
    DIR, DIRECT, append, assert_failed, config, contents, environment, open, open_in, read, reopened, segment,
};
use batpak_segment::testing::{Fault, FaultyFileSystem, Operation, When};
use batpak_segment::{Frame, LogConfig, LogError, LogHead, LogReader, MemoryFileSystem};
use std::io::ErrorKind;
use std::path::Path;

#[test]
fn a_frame_larger_than_a_segment_gets_one_of_its_own() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(512));
    append(&log, &[b"small", &[1; 5000], b"small again"]);
    assert_eq!(log.reader().segment_count(), 3);
    log.close().unwrap();
    assert_eq!(reopened(&fs, config(512)).0, [&b"small"[..], &[1; 5000], b"small again"]);
}

#[test]
fn no_segment_with_more_than_one_commit_is_larger_than_its_limit() {
    for limit in [512, 513, 600, 1024, 4096] {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, config(limit));
        for len in 0..100 {
            append(&log, &[&vec![1; len]]);
        }
        assert!(log.reader().segment_count() > 2);
        for (path, bytes) in fs.contents() {
            let one_commit = 256 + 104 + 40 + 8 + 104 + 88;
            assert!(bytes.len() as u64 <= limit.max(one_commit), "{} has {}", path.display(), bytes.len());
        }
    }
}

#[test]
fn rotating_a_segment_that_holds_nothing_does_nothing() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let before = fs.contents();
    log.rotate().unwrap();
    assert_eq!(fs.contents(), before);
    append(&log, &[b"one"]);
    log.rotate().unwrap();
    log.rotate().unwrap();
    assert_eq!(log.reader().segment_count(), 2);
    assert_eq!(log.durable_sequence(), 1);
}

#[test]
fn a_segment_that_was_made_ahead_is_used() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(4096));
    log.prepare_next().unwrap();
    assert_eq!(fs.contents().len(), 1, "the active one is not three quarters full");
    while fs.contents().len() == 1 {
        append(&log, &[&[7; 300]]);
        log.prepare_next().unwrap();
    }
    assert_eq!(log.reader().segment_count(), 1, "it is not active yet");
    let calls = fs.calls();
    log.prepare_next().unwrap();
    assert_eq!(fs.calls(), calls, "there is one");
    while log.reader().segment_count() == 1 {
        append(&log, &[&[7; 300]]);
    }
    let made = fs.operations_since(calls).into_iter().filter(|call| *call == Operation::Create).count();
    assert_eq!((made, fs.contents().len()), (0, 2));
    let all = contents(log.reader());
    for found in [reopened(&fs.after_kill(), config(4096)).0, reopened(&fs.after_power_cut(1), config(4096)).0] {
        assert!(all.starts_with(&found));
    }
}

#[test]
fn a_segment_that_was_made_ahead_is_used_by_the_next_process() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(4096));
    while fs.contents().len() == 1 {
        append(&log, &[&[7; 300]]);
        log.prepare_next().unwrap();
    }
    log.close().unwrap();
    assert!(matches!(log.prepare_next(), Err(LogError::Closed)));
    let (log, repair) = open(&fs, config(4096));
    assert!(repair.closed_cleanly);
    let calls = fs.calls();
    log.rotate().unwrap();
    assert!(!fs.operations_since(calls).contains(&Operation::Create));
    append(&log, &[b"on"]);
    log.close().unwrap();
    assert_eq!(reopened(&fs, config(4096)).0.last().unwrap(), b"on");
}

/// Whatever fails while it is made, nothing is lost. The log goes on, unless it is the sync of the directory that has
/// failed: the segment has its name then, which must not be given again and may be gone after a power cut.
#[test]
fn a_segment_that_cannot_be_made_ahead_is_made_when_it_is_needed() {
    for fault in [Fault::Once(ErrorKind::StorageFull), Fault::Short, Fault::Crash] {
        for nth in 1..20 {
            let fs = FaultyFileSystem::new();
            let (log, _) = open(&fs, config(4096));
            append(&log, &[[7; 300].as_slice(); 9]);
            log.sync().unwrap();
            let calls = fs.calls();
            fs.plan(When::Call(calls + nth), fault);
            let prepared = log.prepare_next();
            if fs.hits() == 0 {
                prepared.unwrap();
                assert!(nth > 5, "it takes a file with a name, and syncs of both");
                break;
            }
            if let Fault::Once(_) = fault {
                let failed = fs.operations_since(calls)[usize::try_from(nth - 1).unwrap()];
                assert_eq!(log.failure().is_some(), failed == Operation::SyncDirectory, "{failed:?}");
            }
            let mut appended = 9;
            if let (Fault::Once(_) | Fault::Short, None) = (fault, log.failure()) {
                while log.reader().segment_count() == 1 {
                    append(&log, &[&[7; 300]]);
                    appended += 1;
                }
            }
            let left = if fault == Fault::Crash { fs.after_power_cut(nth) } else { fs.after_kill() };
            assert_eq!(reopened(&left, config(4096)).0.len(), appended, "{fault:?} at {nth}");
        }
    }
}

#[test]
fn a_segment_of_frame_records_alone_hides_no_record() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    log.rotate().unwrap();
    let mut frame = Frame::new();
    frame.push_frame_record(256, b"alone").unwrap();
    log.append_frame(&mut frame).unwrap();
    log.rotate().unwrap();
    let at = log.append(b"1").unwrap();
    let mut buffer = Vec::new();
    assert_eq!(log.read(at, &mut buffer).unwrap(), b"1");
    drop(log);
    assert_eq!(reopened(&fs, DIRECT).0, [b"0", b"1"]);
}

#[test]
fn thousands_of_segments_need_no_more_open_files_than_allowed() {
    let fs = MemoryFileSystem::new();
    let config = LogConfig { segment_max_bytes: 512, fd_budget: 2, ..DIRECT };
    let (log, _) = open_in(&environment(&fs), config).unwrap();
    let at: Vec<_> = (0..3000_u32).map(|i| log.append(format!("{i:>40}").as_bytes()).unwrap()).collect();
    assert!(log.reader().segment_count() >= 2999);
    log.close().unwrap();
    drop(log);
    let (log, repair) = open_in(&environment(&fs), config).unwrap();
    assert!(repair.closed_cleanly);
    assert_eq!(contents(log.reader()).len(), 3000);
    let mut buffer = Vec::new();
    for (i, at) in at.iter().enumerate().rev().step_by(7) {
        assert_eq!(log.read(*at, &mut buffer).unwrap(), format!("{i:>40}").as_bytes());
        assert!(log.reader().open_files() <= 2);
    }
}

/// Each call of a rotation fails once: before the next segment has its name the log stays usable, afterwards not.
#[test]
fn a_rotation_that_fails_leaves_the_log_usable_or_failed() {
    let rotation = {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, DIRECT);
        append(&log, &[b"0"]);
        let before = fs.calls();
        log.rotate().unwrap();
        fs.operations_since(before)
    };
    let renamed = rotation.iter().position(|operation| *operation == Operation::Rename).unwrap();
    assert!(rotation.len() > renamed + 3);
    for index in 0..rotation.len() {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, DIRECT);
        append(&log, &[b"0"]);
        fs.plan(When::Call(fs.calls() + 1 + index as u64), Fault::Once(ErrorKind::Other));
        let error = log.rotate().unwrap_err();
        if index <= renamed {
            assert!(matches!(error, LogError::Io { .. }), "call {index}: {error}");
            append(&log, &[b"1"]);
            log.rotate().unwrap();
            assert_eq!(contents(log.reader()), [b"0", b"1"]);
        } else {
            assert!(matches!(error, LogError::Failed { .. }), "call {index}: {error}");
            assert!(matches!(log.append(b"1"), Err(LogError::Failed { .. })), "call {index}");
            assert_eq!(contents(log.reader()), [b"0"]);
        }
        let accepted = log.next_sequence();
        drop(log);
        for seed in 0..20 {
            let (found, _) = reopened(&fs.after_power_cut(seed), DIRECT);
            assert!(found.len() as u64 <= accepted);
        }
        assert_eq!(reopened(&fs.after_kill(), DIRECT).0.len() as u64, accepted);
    }
}

/// A log with an empty successor, which a writer left that failed between the two.
fn with_spare() -> FaultyFileSystem {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    fs.plan(When::Next(Operation::SyncDirectory), Fault::Once(ErrorKind::Other));
    assert_failed(log.rotate(), "sync");
    fs.after_kill()
}

#[test]
fn an_empty_successor_is_used_by_the_next_rotation() {
    let fs = with_spare();
    let spare = read(&fs, &segment(1));
    let (log, repair) = open(&fs, DIRECT);
    assert_eq!(repair.segments, 1);
    append(&log, &[b"1"]);
    log.rotate().unwrap();
    append(&log, &[b"2"]);
    assert_eq!(read(&fs, &segment(1))[..256], spare);
    assert_eq!(contents(log.reader()), [b"0", b"1", b"2"]);
}

/// Were it forgotten, the next rotation would make a second segment of the same name.
#[test]
fn an_empty_successor_that_cannot_be_opened_is_not_forgotten() {
    let fs = with_spare();
    let spare = read(&fs, &segment(1));
    let (log, _) = open(&fs, DIRECT);
    fs.plan(When::Next(Operation::Open), Fault::Once(ErrorKind::Other));
    assert!(matches!(log.rotate(), Err(LogError::Io { .. })));
    append(&log, &[b"1"]);
    log.rotate().unwrap();
    assert_eq!(read(&fs, &segment(1))[..256], spare);
    assert_eq!(contents(log.reader()), [b"0", b"1"]);
}

#[test]
fn an_empty_successor_is_no_segment_for_readers() {
    let fs = with_spare();
    let reader = LogReader::open(&fs.environment(), Path::new(DIR), 1).unwrap();
    assert_eq!(reader.segment_count(), 1);
    assert_eq!(contents(&reader), [b"0"]);
}

#[test]
fn the_newest_head_stands_in_the_next_segment() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    log.set_head(LogHead { size: 0x0102_0304, root: [9; 32] });
    log.rotate().unwrap();
    let bytes = read(&fs, &segment(1));
    assert_eq!(bytes[128..136], [4, 3, 2, 1, 0, 0, 0, 0]);
    assert_eq!(bytes[136..168], [9; 32]);
}

#[test]
fn a_name_is_synced_before_its_predecessor_is_sealed() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    let before = fs.calls();
    log.rotate().unwrap();
    let expected = [
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::Rename,
        Operation::SyncDirectory,
        Operation::Write,
        Operation::SetLength,
        Operation::Sync,
        Operation::Write,
    ];
    assert_eq!(fs.operations_since(before), expected);
}
