//! Reading at positions and in order, with and without a writer.

use crate::store::{DIR, DIRECT, append, config, contents, edit, end_of_frames, environment, open, open_in, segment};
use batpak_segment::testing::FaultyFileSystem;
use batpak_segment::{LogError, LogReader, MemoryFileSystem, Position};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn every_position_reads_what_was_appended_there() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(2000));
    let records: Vec<Vec<u8>> = (0..60).map(|i| vec![u8::try_from(i).unwrap(); i * 31 % 1700]).collect();
    let at: Vec<_> = records.iter().map(|record| log.append(record).unwrap()).collect();
    let mut buffer = Vec::new();
    for (record, at) in records.iter().zip(&at) {
        assert_eq!(log.read(*at, &mut buffer).unwrap(), record);
    }
    let positions: Vec<_> = log.records(0).map(|found| found.unwrap().position).collect();
    assert_eq!(positions, at);
    for from in [0, 1, 30, 59, 60, 1000] {
        let found = log.records(from).map(|found| found.unwrap().bytes);
        assert!(found.eq(records.iter().skip(usize::try_from(from).unwrap()).cloned()), "from {from}");
    }
}

#[test]
fn a_record_longer_than_what_is_read_ahead_is_read_whole() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let large = vec![7; 1 << 20];
    append(&log, &[b"before", &large, b"after"]);
    assert_eq!(contents(log.reader()), [&b"before"[..], &large, b"after"]);
}

#[test]
fn a_position_where_no_record_is_says_so_or_that_it_is_not_the_record() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let at = log.append(b"here").unwrap();
    append(&log, &[b"there"]);
    let mut buffer = Vec::new();
    let mut read = |sequence, offset| log.read(Position { sequence, offset }, &mut buffer).map(drop).unwrap_err();
    assert!(matches!(read(2, at.offset), LogError::NotFound { sequence: 2, .. }));
    assert!(matches!(read(u64::MAX, at.offset), LogError::NotFound { .. }));
    for (sequence, offset) in [(1, at.offset), (0, at.offset + 1), (0, 0), (0, 1 << 40), (0, u64::MAX)] {
        let error = read(sequence, offset);
        assert!(matches!(error, LogError::Damaged { segment: 0, .. }), "{sequence} at {offset}: {error}");
    }
}

/// Were it to begin anew after an error, a loop that skips errors would never end and see records twice.
#[test]
fn records_end_at_the_first_damaged_place() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let at: Vec<_> = [b"0", b"1", b"2"].map(|record| log.append(record).unwrap()).into();
    log.rotate().unwrap();
    drop(log);
    edit(&fs, &segment(0), |bytes| bytes[usize::try_from(at[1].offset).unwrap() + 8] ^= 1);
    let (log, _) = open(&fs, DIRECT);
    let found: Vec<_> = log.records(0).take(10).collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].as_ref().unwrap().bytes, b"0");
    let error = found[1].as_ref().unwrap_err();
    assert!(matches!(error, LogError::Damaged { segment: 0, offset, .. } if *offset == at[1].offset - 40), "{error}");
    let mut buffer = Vec::new();
    assert_eq!(log.read(at[2], &mut buffer).unwrap(), b"2");
    assert!(matches!(log.read(at[1], &mut buffer), Err(LogError::Damaged { .. })));
}

#[test]
fn a_reader_of_a_log_sees_what_is_appended_later_and_its_records_do_not() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(512));
    let reader = log.reader().clone();
    append(&log, &[b"0"]);
    let records = reader.records(0);
    append(&log, &[&[1; 400], b"2"]);
    assert_eq!(records.count(), 1);
    assert_eq!(reader.end_sequence(), 3);
    drop(log);
    assert_eq!(contents(&reader).len(), 3);
}

#[test]
fn a_reader_opened_beside_a_writer_sees_a_prefix_that_only_grows() {
    let fs = MemoryFileSystem::new();
    let env = environment(&fs);
    let (log, _) = open_in(&env, config(700)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..3000_u32 {
                log.append(format!("record {i}").as_bytes()).unwrap();
                if i % 10 == 0 {
                    log.sync().unwrap();
                }
            }
            done.store(true, Ordering::Release);
        });
        let mut seen = 0;
        loop {
            let last = done.load(Ordering::Acquire);
            let before = log.reader().end_sequence();
            let found = contents(&LogReader::open(&env, Path::new(DIR), 3).unwrap());
            assert!(found.len() as u64 >= before && found.len() >= seen);
            for (i, record) in found.iter().enumerate() {
                assert_eq!(*record, format!("record {i}").into_bytes());
            }
            seen = found.len();
            if last {
                break;
            }
        }
        assert_eq!(seen, 3000);
    });
}

#[test]
fn readers_in_threads_see_every_record_below_the_end() {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), config(900)).unwrap();
    let (log, done) = (&log, &AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let end = log.reader().end_sequence();
                    let from = end.saturating_sub(20);
                    let found = log.records(from).map(Result::unwrap).filter(|r| r.position.sequence < end);
                    assert_eq!(found.count() as u64, end - from);
                }
            });
        }
        for i in 0..5000_u32 {
            log.append(&i.to_string().into_bytes()).unwrap();
        }
        done.store(true, Ordering::Release);
    });
}

#[test]
fn reading_changes_nothing_and_tells_what_a_writer_would_mend() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    let fs = fs.after_kill();
    edit(&fs, &segment(0), |bytes| {
        bytes.truncate(end_of_frames(bytes));
        bytes.extend_from_slice(b"torn");
    });
    let before = fs.contents();
    let (reader, report) = LogReader::open_with_report(&fs.environment(), Path::new(DIR), 1).unwrap();
    assert_eq!(contents(&reader), [b"0"]);
    assert_eq!(report.torn.map(|torn| torn.bytes), Some(4));
    assert_eq!(fs.contents(), before);
}

#[test]
fn sizes_and_identifiers_are_those_of_the_files() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(600));
    append(&log, &[&[1_u8; 100][..]; 9]);
    log.rotate().unwrap();
    let sum: usize = fs.contents().iter().map(|(_, bytes)| bytes.len()).sum();
    let reader = log.reader();
    assert_eq!(reader.size_bytes().unwrap(), sum as u64);
    let last = fs.contents().pop().unwrap().1;
    assert_eq!((&reader.active_id()[..], &reader.store_id()[..]), (&last[16..32], &last[32..48]));
}
