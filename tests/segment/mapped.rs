//! Segments that are mapped: which of them, when, and for how long.

use crate::random::Random;
use crate::store::{DIRECT, append, by, config, contents, edit, open, segment};
use batpak_segment::testing::{FaultyFileSystem, Operation};
use batpak_segment::{Log, LogConfig, LogError, Position, SegmentInfo, WritePath};
use std::sync::atomic::{AtomicBool, Ordering};

fn record(n: u64) -> Vec<u8> {
    format!("record {n} ").repeat(1 + usize::try_from(n % 40).unwrap()).into_bytes()
}

/// A log of sealed segments with one record each, and where they are.
fn sealed(fs: &FaultyFileSystem, segments: u64, fd_budget: usize) -> (Log, Vec<Position>) {
    let (log, _) = open(fs, LogConfig { fd_budget, ..DIRECT });
    let at = (0..segments).map(|n| {
        let at = log.append(&record(n)).unwrap();
        log.rotate().unwrap();
        at
    });
    let at = at.collect();
    (log, at)
}

#[track_caller]
fn check(log: &Log, at: Position) {
    let same = log.reader().with_record(at, |bytes| bytes == record(at.sequence)).unwrap();
    assert!(same, "{at:?}");
}

#[track_caller]
fn check_all(log: &Log, at: &[Position]) {
    for at in at {
        check(log, *at);
    }
}

fn count(calls: &[Operation], operation: Operation) -> usize {
    calls.iter().filter(|call| **call == operation).count()
}

#[test]
fn a_sealed_segment_is_mapped_once_and_then_read_without_the_file_system() {
    let fs = FaultyFileSystem::new();
    let (log, at) = sealed(&fs, 3, 3);
    let before = fs.calls();
    check_all(&log, &at);
    let calls = fs.operations_since(before);
    assert_eq!((count(&calls, Operation::Map), count(&calls, Operation::Read)), (3, 0));
    let before = fs.calls();
    for _ in 0..10 {
        check_all(&log, &at);
        assert_eq!(log.records(0).map(|found| found.unwrap().bytes).collect::<Vec<_>>(), [0, 1, 2].map(record));
    }
    assert_eq!(fs.operations_since(before), []);
    assert_eq!(log.reader().open_files(), 3);
}

#[test]
fn where_files_cannot_be_mapped_they_stay_open_within_the_same_budget() {
    let fs = FaultyFileSystem::new();
    fs.set_abilities(true, false);
    let (log, at) = sealed(&fs, 5, 2);
    for at in at.iter().chain(&at) {
        check(&log, *at);
        assert!(log.reader().open_files() <= 2);
    }
    let before = fs.calls();
    check(&log, at[4]);
    assert_eq!(count(&fs.operations_since(before), Operation::Open), 0);
    assert_eq!(contents(log.reader()).len(), 5);
    assert_eq!((&*log.reader().pin(at[0]).unwrap(), log.reader().pinned()), (&*record(0), 0));
}

#[test]
fn the_segment_that_was_not_read_for_longest_makes_room() {
    let fs = FaultyFileSystem::new();
    let (log, at) = sealed(&fs, 4, 3);
    let opens = |n: usize| {
        let before = fs.calls();
        check(&log, at[n]);
        count(&fs.operations_since(before), Operation::Open)
    };
    assert_eq!([0, 1, 2].map(opens), [1, 1, 1]);
    assert_eq!([0, 1].map(opens), [0, 0]);
    assert_eq!(opens(3), 1, "in place of 2");
    assert_eq!([0, 1, 3].map(opens), [0, 0, 0]);
    assert_eq!(opens(2), 1);
    assert_eq!(log.reader().open_files(), 3);
}

/// Frames that were moved into the file of the active segment are mapped, and mapped again when there are many more.
#[test]
fn the_active_segment_is_mapped_in_steps_and_read_beyond() {
    for path in [WritePath::Direct, WritePath::Tail] {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, by(path));
        let (before, mut at) = (fs.calls(), Vec::new());
        for n in 0..5000 {
            at.push(log.append(&record(n)).unwrap());
            if n % 100 == 0 {
                log.sync().unwrap();
            }
            check(&log, at[usize::try_from(n).unwrap()]);
            check(&log, at[usize::try_from(n * 7919 % (n + 1)).unwrap()]);
        }
        let maps = count(&fs.operations_since(before), Operation::Map);
        assert!((8..32).contains(&maps), "{path:?}: mapped {maps} times");
        log.sync().unwrap();
        check(&log, at[4999]);
        let before = fs.calls();
        check_all(&log, &at[..4000]);
        assert_eq!(fs.operations_since(before), [], "{path:?}");
        let read: Vec<_> = log.records(0).map(|found| found.unwrap().bytes).collect();
        assert_eq!(read, (0..5000).map(record).collect::<Vec<_>>());
    }
}

#[test]
fn an_active_segment_that_cannot_be_mapped_is_asked_once() {
    let fs = FaultyFileSystem::new();
    fs.set_abilities(true, false);
    let (log, _) = open(&fs, DIRECT);
    let at: Vec<_> = (0..3000).map(|n| log.append(&record(n)).unwrap()).collect();
    let before = fs.calls();
    check_all(&log, &at);
    assert_eq!(count(&fs.operations_since(before), Operation::Map), 1);
}

#[test]
fn a_pinned_record_outlives_the_place_of_its_segment_in_the_budget() {
    let fs = FaultyFileSystem::new();
    let (log, at) = sealed(&fs, 4, 1);
    let reader = log.reader();
    let pinned: Vec<_> = at.iter().map(|at| reader.pin(*at).unwrap()).collect();
    assert_eq!((reader.pinned(), reader.open_files()), (4, 1));
    for (n, bytes) in (0..).zip(&pinned) {
        assert_eq!(**bytes, record(n));
    }
    drop(pinned);
    assert_eq!(reader.pinned(), 0);
    let active = log.append(b"not in the mapping").unwrap();
    let pinned = reader.pin(active).unwrap();
    log.rotate().unwrap();
    log.close().unwrap();
    assert_eq!((pinned.as_ref(), reader.pinned()), (&b"not in the mapping"[..], 0));
    assert!(matches!(reader.pin(Position { sequence: 9, ..active }), Err(LogError::NotFound { .. })));
    assert!(matches!(reader.pin(Position { offset: active.offset + 8, ..active }), Err(LogError::Damaged { .. })));
}

#[test]
fn a_view_reads_its_segment_alone_and_looks_up_nothing() {
    let fs = FaultyFileSystem::new();
    let (log, at) = sealed(&fs, 3, 1);
    let newest = log.append(b"newest").unwrap();
    let (view, active) = (log.reader().view(1).unwrap(), log.reader().view(3).unwrap());
    assert_eq!((view.covers(), active.covers()), (1..2, 3..4));
    check_all(&log, &at);
    let (before, mut buffer) = (fs.calls(), Vec::new());
    assert_eq!(view.read(at[1], &mut buffer).unwrap(), record(1));
    assert_eq!(fs.operations_since(before), []);
    for other in [at[0], at[2]] {
        assert!(matches!(view.read(other, &mut buffer), Err(LogError::NotFound { .. })));
    }
    let later = log.append(b"later").unwrap();
    assert!(matches!(active.read(later, &mut buffer), Err(LogError::NotFound { .. })));
    log.rotate().unwrap();
    assert_eq!(active.read(newest, &mut buffer).unwrap(), b"newest");
    let wrong = Position { offset: newest.offset + 8, ..newest };
    assert!(matches!(active.read(wrong, &mut buffer), Err(LogError::Damaged { segment: 3, .. })));
    assert!(matches!(log.reader().view(5), Err(LogError::NotFound { sequence: 5, .. })));
}

#[test]
fn every_way_of_reading_checks_the_crc_of_a_mapped_record() {
    let fs = FaultyFileSystem::new();
    let (log, at) = sealed(&fs, 2, 1);
    log.close().unwrap();
    drop(log);
    edit(&fs, &segment(1), |bytes| bytes[usize::try_from(at[1].offset).unwrap() + 9] ^= 1);
    let (log, _) = open(&fs, DIRECT);
    let (reader, mut buffer) = (log.reader(), Vec::new());
    for _ in 0..2 {
        let results = [
            reader.with_record(at[1], |_| ()),
            reader.read(at[1], &mut buffer).map(drop),
            reader.pin(at[1]).map(drop),
            reader.view(1).unwrap().read(at[1], &mut buffer).map(drop),
            reader.records(1).next().unwrap().map(drop),
        ];
        for result in results {
            assert!(matches!(result, Err(LogError::Damaged { segment: 1, .. })), "{result:?}");
        }
    }
}

#[test]
fn threads_that_evict_each_others_segments_read_what_was_appended() {
    let fs = FaultyFileSystem::new();
    let (log, at) = sealed(&fs, 6, 1);
    let (log, at, done) = (&log, &at, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in 0..3 {
            scope.spawn(move || {
                let random = &mut Random::new(seed);
                while !done.load(Ordering::Acquire) {
                    check(log, *random.pick(at));
                    assert!(log.reader().open_files() <= 1);
                }
            });
        }
        for n in 6..2000 {
            append(log, &[&record(n)]);
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_log_tells_what_its_segments_hold() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(600));
    let mut frame = batpak_segment::Frame::new();
    let mut of_segment = Vec::new();
    for n in 0..8 {
        frame.clear();
        frame.push(&[n; 100]);
        of_segment.push(log.append_frame(&mut frame).unwrap().segment);
    }
    let infos = log.reader().segments();
    assert_eq!(infos.len(), log.reader().segment_count());
    for (number, info) in (0..).zip(&infos) {
        let held: Vec<_> = (0..8).filter(|n| of_segment[*n] == number).map(|n| n as u64).collect();
        let next = infos.get(usize::try_from(number).unwrap() + 1).map(|next| next.first_sequence);
        let expected = SegmentInfo {
            number,
            last_number: number,
            generation: 0,
            id: info.id,
            first_sequence: held[0],
            end_sequence: next,
        };
        assert_eq!(*info, expected);
        assert!(next.is_none_or(|end| end == held[held.len() - 1] + 1));
    }
    assert_eq!(infos.last().unwrap().id, log.reader().active_id());
}
