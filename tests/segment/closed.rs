//! Logs that were closed are opened by the mark at the end of their last segment, without reading the rest of it.

use crate::store::{DIR, DIRECT, LINK_END, append, by, contents, edit, open, open_in, read, reopened, segment};
use batpak_segment::testing::{FaultyFileSystem, Operation};
use batpak_segment::{Log, LogError, LogReader, Position, WritePath};
use std::path::Path;

const MARK_LEN: usize = 56;
const RECORDS: usize = 1000;

fn record(n: usize) -> Vec<u8> {
    format!("record {n} ").repeat(20).into_bytes()
}

fn records(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(record).collect()
}

fn fill(log: &Log, from: usize) -> Vec<Position> {
    (from..RECORDS).map(|n| log.append(&record(n)).unwrap()).collect()
}

/// A log with one segment of some 250 KB, and where its records are.
fn closed() -> (FaultyFileSystem, Vec<Position>) {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let at = fill(&log, 0);
    log.close().unwrap();
    (fs.after_kill(), at)
}

/// How much opening it reads, for reading and for writing.
#[track_caller]
fn bytes_read(fs: &FaultyFileSystem) -> [u64; 2] {
    let fs = fs.after_kill();
    let reader = LogReader::open(&fs.environment(), Path::new(DIR), 1).unwrap();
    let by_reader = fs.bytes_read();
    let (log, _) = open(&fs, DIRECT);
    assert_eq!(reader.end_sequence(), log.next_sequence());
    [by_reader, fs.bytes_read() - by_reader]
}

#[track_caller]
fn assert_quick(fs: &FaultyFileSystem) {
    let bytes = bytes_read(fs);
    assert!(bytes.iter().all(|bytes| *bytes < 4096), "{bytes:?} were read");
}

#[track_caller]
fn assert_full(fs: &FaultyFileSystem) {
    let (bytes, len) = (bytes_read(fs), read(fs, &segment(0)).len() as u64);
    assert!(bytes.iter().all(|bytes| *bytes > len), "{bytes:?} of {len} were read");
}

#[test]
fn little_is_read_and_written_whatever_the_segment_holds() {
    let (fs, _) = closed();
    let before = fs.contents();
    assert_quick(&fs);
    assert_eq!(fs.contents(), before);
    let calls = fs.calls();
    let (found, repair) = reopened(&fs, DIRECT);
    assert_eq!((found, repair.closed_cleanly, repair.torn), (records(RECORDS), true, None));
    let calls = fs.operations_since(calls);
    assert_eq!(calls.iter().filter(|call| **call == Operation::Write).count(), 1, "the mark");
}

#[test]
fn what_was_opened_the_quick_way_goes_on_and_survives_a_power_cut() {
    let (fs, _) = closed();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[&record(RECORDS)]);
    log.sync().unwrap();
    append(&log, &[&record(RECORDS + 1)]);
    assert_eq!(contents(log.reader()), records(RECORDS + 2));
    for seed in 0..20 {
        assert!(reopened(&fs.after_power_cut(seed), DIRECT).0.starts_with(&records(RECORDS + 1)), "seed {seed}");
    }
    log.close().unwrap();
    drop(log);
    assert_quick(&fs);
    assert_eq!(reopened(&fs, DIRECT).0, records(RECORDS + 2));
}

#[test]
fn a_segment_that_was_made_ahead_does_not_change_that() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, batpak_segment::LogConfig { segment_max_bytes: 300_000, ..DIRECT });
    fill(&log, 0);
    log.prepare_next().unwrap();
    log.close().unwrap();
    drop(log);
    assert_eq!(fs.contents().len(), 2);
    assert_quick(&fs);
    assert_eq!(reopened(&fs, DIRECT).0, records(RECORDS));
}

/// Whoever reads what was damaged meets the damage, and so does whoever opens the log when it was not closed.
#[test]
fn damage_below_the_mark_is_met_when_it_is_read() {
    let (fs, at) = closed();
    edit(&fs, &segment(0), |bytes| bytes[usize::try_from(at[500].offset).unwrap() + 9] ^= 1);
    let (log, repair) = open(&fs, DIRECT);
    assert!(repair.closed_cleanly);
    let mut buffer = Vec::new();
    assert!(matches!(log.read(at[500], &mut buffer), Err(LogError::Damaged { segment: 0, .. })));
    assert_eq!(log.read(at[501], &mut buffer).unwrap(), record(501));
    let found: Vec<_> = log.records(0).collect();
    assert!((0..500).all(|n| found[n].as_ref().unwrap().bytes == record(n)));
    assert!(matches!(found[500..], [Err(LogError::Damaged { segment: 0, .. })]));
    append(&log, &[b"behind it"]);
    let left = fs.after_kill();
    let before = left.contents();
    let error = open_in(&left.environment(), DIRECT).unwrap_err();
    let frame = at[500].offset - 40;
    assert!(matches!(error, LogError::Damaged { segment: 0, offset, .. } if offset == frame), "{error}");
    assert_eq!(left.contents(), before);
}

#[test]
fn every_changed_byte_of_the_mark_makes_it_a_torn_end() {
    let (good, _) = closed();
    let mark = read(&good, &segment(0)).len() - MARK_LEN;
    for byte in mark..mark + MARK_LEN {
        let fs = good.after_kill();
        edit(&fs, &segment(0), |bytes| bytes[byte] ^= 1);
        assert_full(&fs);
        let (found, repair) = reopened(&fs, DIRECT);
        assert_eq!((found.len(), repair.closed_cleanly), (RECORDS, false), "byte {byte}");
        assert_eq!(repair.torn.map(|torn| torn.offset), Some(mark as u64), "byte {byte}");
    }
}

#[test]
fn a_mark_with_zeros_behind_it_is_found_by_reading_everything() {
    for zeros in [1, 8, 56, 5000] {
        let (fs, _) = closed();
        edit(&fs, &segment(0), |bytes| bytes.resize(bytes.len() + zeros, 0));
        assert_full(&fs);
        let (found, repair) = reopened(&fs, DIRECT);
        assert_eq!((found.len(), repair.closed_cleanly, repair.torn), (RECORDS, true, None));
    }
}

#[test]
fn what_stands_behind_a_mark_is_not_forgotten() {
    let (fs, _) = closed();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[&record(RECORDS)]);
    let fs = fs.after_kill();
    assert_full(&fs);
    assert_eq!(reopened(&fs, DIRECT).0, records(RECORDS + 1));
}

/// The crc of a mark binds it to its segment and its place.
#[test]
fn a_mark_from_elsewhere_closes_nothing() {
    let (fs, _) = closed();
    let old = read(&fs, &segment(0));
    let mark = old[old.len() - MARK_LEN..].to_vec();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[&record(RECORDS)]);
    let other = FaultyFileSystem::new();
    let (foreign, _) = open(&other, DIRECT);
    fill(&foreign, 0);
    for left in [fs.after_kill(), other.after_kill()] {
        edit(&left, &segment(0), |bytes| {
            bytes.truncate(crate::store::end_of_frames(bytes));
            bytes.extend_from_slice(&mark);
        });
        assert_full(&left);
        let (found, repair) = reopened(&left, DIRECT);
        assert!(found.len() >= RECORDS && !repair.closed_cleanly);
        assert_eq!(repair.torn.map(|torn| torn.bytes), Some(49), "up to its type");
    }
}

/// It has the length of a mark.
#[test]
fn a_commit_at_the_very_end_closes_nothing() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    fill(&log, 0);
    append(&log, &[b"8 bytes."]);
    let left = fs.after_kill();
    edit(&left, &segment(0), |bytes| bytes.truncate(crate::store::end_of_frames(bytes)));
    assert_full(&left);
    assert!(!reopened(&left, DIRECT).1.closed_cleanly);
}

#[test]
fn a_mark_without_a_link_before_it_closes_nothing() {
    let (fs, _) = closed();
    edit(&fs, &segment(0), |bytes| bytes[usize::try_from(LINK_END).unwrap() - 50] ^= 1);
    assert!(matches!(open_in(&fs.environment(), DIRECT), Err(LogError::Damaged { segment: 0, offset: 256, .. })));
}

/// Its writer had appended to it since, and what it appended had only reached the tail.
#[test]
fn a_tail_behind_a_mark_is_not_forgotten() {
    let (fs, _) = closed();
    let len = read(&fs, &segment(0)).len();
    let (log, _) = open(&fs, by(WritePath::Tail));
    append(&log, &[&record(RECORDS), &record(RECORDS + 1)]);
    let left = fs.after_kill();
    edit(&left, &segment(0), |bytes| bytes.truncate(len));
    assert_full(&left);
    let (found, repair) = reopened(&left, DIRECT);
    assert_eq!((found, repair.from_tail, repair.closed_cleanly), (records(RECORDS + 2), 2, false));
    drop(log);
}
