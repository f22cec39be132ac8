//! What stands beside the records of commits is found again: in order, from a sequence on, past damage.

use crate::store::{DIR, LINK_END, config, environment, open_in, segment};
use batpak_segment::{Frame, FrameRecord, Inspection, Log, LogError, LogReader, MemoryFileSystem, Position, Step};
use std::ops::ControlFlow::Continue;
use std::path::Path;

/// Twelve commits of two records in several segments; every third one has two frame records.
fn filled(fs: &MemoryFileSystem) -> Log {
    let (log, _) = open_in(&environment(fs), config(LINK_END + 500)).unwrap();
    for n in 0..12_u8 {
        let mut frame = Frame::new();
        frame.push(&[n; 30]);
        frame.push(&[n; 7]);
        if n % 3 == 0 {
            frame.push_frame_record(300, &[n; 5]).unwrap();
            frame.push_frame_record(301, b"").unwrap();
        }
        log.append_frame(&mut frame).unwrap();
    }
    log
}

fn told(records: impl Iterator<Item = Result<FrameRecord, LogError>>) -> Vec<(u64, u16, Vec<u8>)> {
    let all: Result<Vec<_>, _> = records.collect();
    all.unwrap().into_iter().map(|found| (found.position.sequence, found.record_type, found.body)).collect()
}

fn expected(from: u64) -> Vec<(u64, u16, Vec<u8>)> {
    let frames = (0..12_u8).step_by(3).filter(|n| u64::from(*n) * 2 + 2 > from);
    frames.flat_map(|n| [(u64::from(n) * 2, 300, vec![n; 5]), (u64::from(n) * 2, 301, Vec::new())]).collect()
}

#[test]
fn they_are_found_in_order_from_any_sequence_on() {
    let fs = MemoryFileSystem::new();
    let log = filled(&fs);
    assert!(log.reader().segment_count() > 2);
    for from in 0..26 {
        assert_eq!(told(log.reader().frame_records(from..u64::MAX)), expected(from), "from {from}");
    }
    let beside = LogReader::open(&environment(&fs), Path::new(DIR), 1).unwrap();
    assert_eq!(told(beside.frame_records(0..u64::MAX)), expected(0));
    log.close().unwrap();
    let (log, _) = open_in(&environment(&fs), config(LINK_END + 500)).unwrap();
    assert_eq!(told(log.reader().frame_records(0..u64::MAX)), expected(0));
}

/// A log of one segment with one commit, and where its frame record stands.
fn one() -> (MemoryFileSystem, Position) {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), config(1 << 20)).unwrap();
    let mut frame = Frame::new();
    frame.push(b"the record");
    frame.push_frame_record(300, b"what stands beside it").unwrap();
    log.append_frame(&mut frame).unwrap();
    log.append(b"the next one").unwrap();
    let position = log.reader().frame_records(0..u64::MAX).next().unwrap().unwrap().position;
    log.close().unwrap();
    (fs, position)
}

fn changed(fs: &MemoryFileSystem, offset: u64) {
    let mut bytes = fs.read(segment(0)).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 1;
    fs.write(segment(0), bytes);
}

#[test]
fn their_own_bytes_are_checked_and_those_of_the_records_are_not_read() {
    let (fs, position) = one();
    // Magic, length, crc, and the header of the first item stand before its content.
    changed(&fs, LINK_END + 40 + 8);
    let reader = LogReader::open(&environment(&fs), Path::new(DIR), 1).unwrap();
    assert_eq!(told(reader.frame_records(0..u64::MAX)).len(), 1);

    changed(&fs, position.offset + 12);
    let reader = LogReader::open(&environment(&fs), Path::new(DIR), 1).unwrap();
    let mut found = reader.frame_records(0..u64::MAX);
    assert!(matches!(found.next(), Some(Err(LogError::Damaged { segment: 0, offset: LINK_END, .. }))));
    assert!(found.next().is_none());
}

/// The frame records that an inspection gives.
fn inspected(fs: &MemoryFileSystem) -> Vec<(u64, u16, Vec<u8>)> {
    let mut seen = Vec::new();
    let inspection = Inspection::open(&environment(fs), Path::new(DIR)).unwrap();
    inspection.run(|step| {
        if let Step::FrameRecord(position, record_type, body) = step {
            seen.push((position.sequence, record_type, body.to_vec()));
        }
        Continue(())
    });
    seen
}

#[test]
fn an_inspection_gives_them_also_of_a_frame_that_is_damaged_elsewhere() {
    let fs = MemoryFileSystem::new();
    drop(filled(&fs));
    assert_eq!(inspected(&fs), expected(0));

    let (fs, position) = one();
    let whole = vec![(0, 300, b"what stands beside it".to_vec())];
    for offset in [LINK_END + 8, LINK_END + 33] {
        changed(&fs, offset);
        assert_eq!(inspected(&fs), whole, "changed at {offset}");
        changed(&fs, offset);
    }
    changed(&fs, position.offset + 12);
    assert_eq!(inspected(&fs), []);
}
