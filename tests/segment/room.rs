//! A full disk, and file systems that cannot reserve room or map files.

use crate::store::{DIR, append, assert_failed, by, contents, open, read, reopened};
use batpak_segment::testing::{Fault, FaultyFileSystem, Operation, When};
use batpak_segment::{Log, LogConfig, LogError, WritePath};
use std::io::ErrorKind;
use std::path::Path;

const PATHS: [WritePath; 2] = [WritePath::Direct, WritePath::Tail];

/// Lengths that need a new segment, a larger reservation or nothing, in turn.
fn record(n: u64) -> Vec<u8> {
    let len = [10, 900, 100, 6000, 40, 70_000][usize::try_from(n % 6).unwrap()];
    vec![u8::try_from(n % 251).unwrap(); len]
}

fn records(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(record).collect()
}

fn has_tail(fs: &FaultyFileSystem) -> bool {
    fs.contents().iter().any(|(path, _)| path.to_string_lossy().contains("batpak.tail"))
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, LogError>, kind: ErrorKind) {
    match result {
        Err(LogError::Io { source, .. }) => assert_eq!(source.kind(), kind),
        other => panic!("not refused: {other:?}"),
    }
}

/// Appends until something is refused, and says with what.
fn fill(log: &Log) -> LogError {
    loop {
        if let Err(error) = log.append(&record(log.next_sequence())) {
            return error;
        }
    }
}

/// What was appended is there if the process dies now, and after a sync if the power fails.
#[track_caller]
fn check(fs: &FaultyFileSystem, log: &Log, config: LogConfig) {
    let expected = contents(log.reader());
    assert_eq!(reopened(&fs.after_kill(), config).0, expected);
    log.sync().unwrap();
    for seed in 0..10 {
        assert_eq!(reopened(&fs.after_power_cut(seed), config).0, expected, "seed {seed}");
    }
}

#[test]
fn a_full_disk_refuses_an_append_and_changes_nothing() {
    for path in PATHS {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, by(path));
        append(&log, &[&record(0)]);
        fs.set_room(0);
        assert_refused(Err::<(), _>(fill(&log)), ErrorKind::StorageFull);
        assert_eq!(has_tail(&fs), path == WritePath::Tail);
        let (before, accepted) = (fs.contents(), log.next_sequence());
        assert_refused(log.append(&record(accepted)), ErrorKind::StorageFull);
        assert_eq!((fs.contents(), log.next_sequence()), (before, accepted));
        assert_eq!(contents(log.reader()), records(accepted));
        check(&fs, &log, by(path));
        fs.set_room(1000);
        append(&log, &[&record(accepted)]);
        assert_eq!(contents(log.reader()), records(accepted + 1));
        check(&fs, &log, by(path));
    }
}

/// Whatever the disk becomes full with, a record, the header of a segment or a tail: it is a refusal.
#[test]
fn a_disk_that_becomes_full_anywhere_never_ends_the_log() {
    for (room, path, segment_max_bytes) in
        (0..40).flat_map(|room| PATHS.map(|path| [512, 5000, 100_000].map(|max| (room, path, max)))).flatten()
    {
        let config = LogConfig { segment_max_bytes, ..by(path) };
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, config);
        fs.set_room(room);
        for _ in 0..3 {
            assert_refused(Err::<(), _>(fill(&log)), ErrorKind::StorageFull);
            fs.set_room(1);
        }
        let accepted = log.next_sequence();
        assert_eq!(contents(log.reader()), records(accepted), "{room} blocks, {config:?}");
        check(&fs, &log, config);
        fs.set_room(1000);
        append(&log, &[&record(accepted)]);
        fs.set_room(0);
        log.close().unwrap();
        fs.set_room(1000);
        let (found, repair) = reopened(&fs, config);
        assert!(repair.closed_cleanly);
        assert_eq!(found, records(accepted + 1));
    }
}

#[test]
fn without_reservations_a_log_works_and_a_full_disk_ends_it() {
    for path in PATHS {
        let fs = FaultyFileSystem::new();
        fs.set_abilities(false, true);
        let (log, _) = open(&fs, by(path));
        for n in 0..30 {
            append(&log, &[&record(n)]);
        }
        check(&fs, &log, by(path));
        fs.set_room(1);
        let Err(LogError::Failed { cause }) = Err::<(), _>(fill(&log)) else { panic!("room that nobody reserved") };
        assert_eq!((cause.operation, cause.kind), ("write", ErrorKind::StorageFull));
        assert_failed(log.append(b"more"), "write");
        let accepted = log.next_sequence();
        assert!(accepted >= 30);
        fs.set_room(1000);
        assert_eq!(reopened(&fs.after_kill(), by(path)).0, records(accepted));
    }
}

#[test]
fn a_reservation_that_fails_refuses_one_append() {
    for (path, kind) in
        PATHS.into_iter().flat_map(|path| [(path, ErrorKind::Other), (path, ErrorKind::PermissionDenied)])
    {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, by(path));
        let mut planned = 0;
        for n in 0..20 {
            // Room is reserved for many records at once.
            if planned == fs.hits() {
                fs.plan(When::Next(Operation::Allocate), Fault::Once(kind));
                planned += 1;
            }
            if let Err(error) = log.append(&record(n)) {
                assert!(error.to_string().starts_with("cannot reserve room in"), "{error}");
                assert_refused(Err::<(), _>(error), kind);
                append(&log, &[&record(n)]);
            }
        }
        assert!(fs.hits() > 3);
        assert_eq!(contents(log.reader()), records(20));
        check(&fs, &log, by(path));
    }
}

#[test]
fn a_reservation_that_fails_half_way_is_asked_for_less() {
    for path in PATHS {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, by(path));
        fs.plan(When::Next(Operation::Allocate), Fault::Short);
        append(&log, &[&record(0)]);
        assert_eq!(fs.hits(), 1);
        check(&fs, &log, by(path));
    }
}

#[test]
fn where_files_cannot_be_mapped_a_tail_is_not_missed() {
    let fs = FaultyFileSystem::new();
    fs.set_abilities(true, false);
    let (log, _) = open(&fs, by(WritePath::Tail));
    for n in 0..30 {
        append(&log, &[&record(n)]);
        assert!(!has_tail(&fs), "nothing is left of it");
    }
    check(&fs, &log, by(WritePath::Tail));
}

#[test]
fn a_tail_that_cannot_be_made_is_not_missed() {
    let once = Fault::Once(ErrorKind::Other);
    let cases =
        [(Operation::Create, once), (Operation::Map, once), (Operation::Map, Fault::Short), (Operation::Rename, once)];
    for (operation, fault) in cases {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, by(WritePath::Tail));
        fs.plan(When::Next(operation), fault);
        for n in 0..30 {
            append(&log, &[&record(n)]);
        }
        assert_eq!(fs.hits(), 1);
        assert!(!fs.contents().iter().any(|(path, _)| path.ends_with("batpak.tail")));
        check(&fs, &log, by(WritePath::Tail));
    }
}

/// What the process before left in its tail is taken, also by one that cannot have a tail of its own.
#[test]
fn a_tail_is_taken_where_no_new_one_can_be_made() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, by(WritePath::Tail));
    append(&log, &[b"only in the tail"]);
    let fs = fs.after_kill();
    fs.set_abilities(false, false);
    let (log, repair) = open(&fs, by(WritePath::Tail));
    assert_eq!(repair.from_tail, 1);
    assert!(!has_tail(&fs));
    append(&log, &[b"behind it"]);
    assert_eq!(contents(log.reader()), [&b"only in the tail"[..], b"behind it"]);
    check(&fs, &log, by(WritePath::Tail));
}

#[test]
fn a_larger_tail_that_cannot_be_made_leaves_the_small_one() {
    let once = Fault::Once(ErrorKind::Other);
    let cases =
        [Some((Operation::Map, once)), Some((Operation::Map, Fault::Short)), Some((Operation::Create, once)), None];
    for case in cases {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, by(WritePath::Tail));
        for n in 0..200 {
            match case {
                _ if log.unsynced().bytes < 1_000_000 => {}
                Some((operation, fault)) if fs.hits() == 0 => fs.plan(When::Next(operation), fault),
                Some(_) => {}
                // Enough for the segment, too little for a tail of 1 MiB.
                None => fs.set_room(200),
            }
            append(&log, &[&record(n)]);
        }
        assert_eq!(read(&fs, &Path::new(DIR).join("batpak.tail")).len(), 64 << 10, "{case:?}");
        assert_eq!(contents(log.reader()), records(200));
        check(&fs, &log, by(WritePath::Tail));
    }
}
