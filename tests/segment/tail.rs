//! The tail: frames in a mapped file, until a sync moves them. On the real file system, because it needs mapping.

use batpak_segment::{Environment, Log, LogConfig, LogReader, Position, WritePath};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn config() -> LogConfig {
    LogConfig { segment_max_bytes: 3 << 20, write_path: WritePath::Tail, ..LogConfig::default() }
}

fn open(dir: &Path) -> Log {
    Log::open(dir, config()).expect("open").0
}

/// Lengths that leave the items unaligned, some of them beyond half of a small tail.
fn record(n: u64) -> Vec<u8> {
    let len = if n.is_multiple_of(97) { 40_000 } else { 1 + n * 37 % 700 };
    (0..len).map(|i| u8::try_from((n + i) % 251).expect("a byte")).collect()
}

fn check(log: &Log, position: Position) {
    let mut buffer = Vec::new();
    assert_eq!(log.read(position, &mut buffer).expect("read"), record(position.sequence), "{position:?}");
}

/// What a process leaves that dies now.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("list") {
        let path = entry.expect("entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copy");
    }
}

#[test]
fn what_was_appended_is_read_before_and_after_it_was_moved() {
    let dir = tempfile::tempdir().expect("directory");
    let log = open(dir.path());
    let positions: Vec<_> = (0..12_000).map(|n| log.append(&record(n)).expect("append")).collect();
    assert!(log.reader().segment_count() > 1, "rotation is part of it");
    for position in &positions {
        check(&log, *position);
    }
    log.sync().expect("sync");
    for position in &positions {
        check(&log, *position);
    }
    log.close().expect("close");
    assert!(!dir.path().join("batpak.tail").exists(), "nothing is only in the tail");
    let log = open(dir.path());
    for position in positions {
        check(&log, position);
    }
}

#[test]
fn the_death_of_the_process_loses_nothing_that_was_only_in_the_tail() {
    for appended in [1, 3, 96, 98, 500, 2000, 9000] {
        let (dir, left) = (tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory"));
        let log = open(dir.path());
        for n in 0..appended {
            log.append(&record(n)).expect("append");
            if n == appended / 2 {
                log.sync().expect("sync");
            }
        }
        copy(dir.path(), left.path());
        let reader = LogReader::open(&Environment::default(), left.path(), 4).expect("open for reading");
        assert_eq!(reader.end_sequence(), appended);
        let (log, repair) = Log::open(left.path(), config()).expect("open");
        assert!(repair.torn.is_none() && !repair.closed_cleanly, "{repair:?}");
        assert_eq!(log.next_sequence(), appended);
        for (n, found) in (0..).zip(log.records(0)) {
            assert_eq!(found.expect("a record").bytes, record(n));
        }
    }
}

#[test]
fn readers_beside_the_writer_never_see_what_was_overwritten() {
    let dir = tempfile::tempdir().expect("directory");
    let log = open(dir.path());
    let newest = AtomicU64::new(0);
    let count = 40_000;
    let first = log.append(&record(0)).expect("append");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // The newest record is the one that the writer is about to overtake.
                let mut seen = 0;
                while seen + 1 < count {
                    seen = newest.load(Ordering::Acquire);
                    for found in log.records(seen.saturating_sub(20)) {
                        let found = found.expect("a record");
                        assert_eq!(found.bytes, record(found.position.sequence));
                    }
                    check(&log, first);
                }
            });
        }
        for n in 1..count {
            let position = log.append(&record(n)).expect("append");
            newest.store(position.sequence, Ordering::Release);
            if n.is_multiple_of(1000) {
                log.sync().expect("sync");
            }
        }
    });
}

/// Of these the small tail holds two or three, so that each is soon overwritten, maybe in the midst of its reading.
#[test]
fn readers_of_large_records_never_see_what_was_overwritten() {
    let large = |n: u64| vec![u8::try_from(n % 251).expect("a byte"); 20_000 + usize::from(n.is_multiple_of(2))];
    let dir = tempfile::tempdir().expect("directory");
    let config = LogConfig { segment_max_bytes: 1 << 19, ..config() };
    let (log, _) = Log::open(dir.path(), config).expect("open");
    let is_ended = AtomicBool::new(false);
    let newest = Mutex::new(log.append(&large(0)).expect("append"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = Vec::new();
            while !is_ended.load(Ordering::Relaxed) {
                let position = *newest.lock().expect("nobody panics with it");
                let found = log.read(position, &mut buffer).expect("read");
                assert!(found == large(position.sequence), "{position:?}");
            }
        });
        for n in 1..3_000 {
            let position = log.append(&large(n)).expect("append");
            *newest.lock().expect("nobody panics with it") = position;
        }
        is_ended.store(true, Ordering::Relaxed);
    });
}
