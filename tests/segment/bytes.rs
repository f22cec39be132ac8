//! Every byte of a small log changed, every file of it cut at every length.

use crate::store::{append, config, end_of_frames, environment, open_in, segment};
use batpak_segment::{LogError, MemoryFileSystem, Repair};

const RECORDS: usize = 12;

fn record(index: usize) -> Vec<u8> {
    format!("record {index:02} of a log").into_bytes()
}

/// Three segments, each record synced but the last three.
fn small_log(closed: bool) -> MemoryFileSystem {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), config(800)).unwrap();
    for index in 0..RECORDS {
        append(&log, &[&record(index)]);
        if index < RECORDS - 3 {
            log.sync().unwrap();
        }
    }
    assert_eq!(log.reader().segment_count(), 3);
    let copy = fs.deep_clone();
    if !closed {
        return copy;
    }
    log.close().unwrap();
    fs
}

fn files(fs: &MemoryFileSystem) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let names = fs.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "fbat"));
    names.map(|path| (path.clone(), fs.read(&path).unwrap())).collect()
}

fn names_a_place(error: &LogError) -> bool {
    let text = error.to_string();
    text.contains("segment ") || text.contains(".fbat")
}

/// Opens what was changed and says how many records are right, and whether anything was reported.
#[track_caller]
fn check(fs: &MemoryFileSystem, what: &str) -> (usize, Option<Repair>) {
    let before = files(fs);
    match open_in(&environment(fs), config(800)) {
        Err(error) => {
            assert!(names_a_place(&error), "{what}: {error}");
            assert_eq!(files(fs), before, "{what}: changed although refused");
            (0, None)
        }
        Ok((log, repair)) => {
            let mut right = 0;
            for found in log.records(0) {
                match found {
                    Ok(found) => assert_eq!(found.bytes, record(right), "{what}"),
                    Err(error) => {
                        assert!(error.is_corruption() && names_a_place(&error), "{what}: {error}");
                        return (right, None);
                    }
                }
                right += 1;
            }
            (right, Some(repair))
        }
    }
}

fn changes(byte: u8, at: usize) -> impl Iterator<Item = u8> {
    [0, 0xFF, byte ^ (1 << (at % 8))].into_iter().filter(move |new| *new != byte)
}

#[test]
fn every_changed_byte_of_a_closed_log_is_an_error_or_reported() {
    let good = small_log(true);
    assert_eq!(check(&good.deep_clone(), "unchanged").0, RECORDS);
    for (path, bytes) in files(&good) {
        for (at, byte) in bytes.iter().enumerate() {
            for new in changes(*byte, at) {
                let fs = good.deep_clone();
                let mut changed = bytes.clone();
                changed[at] = new;
                fs.write(&path, changed);
                let what = format!("{} byte {at} set to {new:#x}", path.display());
                if let (right, Some(repair)) = check(&fs, &what) {
                    // Only the mark itself is not covered by a mark.
                    assert_eq!(right, RECORDS, "{what}");
                    assert!(repair.torn.is_some(), "{what}: not noticed");
                }
            }
        }
    }
}

#[test]
fn every_changed_byte_of_a_log_that_was_not_closed_is_an_error_or_torn_past_the_last_mark() {
    let good = small_log(false);
    for (path, bytes) in files(&good) {
        let is_last = path == segment(2);
        for (at, byte) in bytes.iter().enumerate() {
            for new in changes(*byte, at) {
                let fs = good.deep_clone();
                let mut changed = bytes.clone();
                changed[at] = new;
                fs.write(&path, changed);
                let what = format!("{} byte {at} set to {new:#x}", path.display());
                if let (right, Some(repair)) = check(&fs, &what) {
                    assert!(is_last && repair.torn.is_some(), "{what}: not noticed");
                    assert!(right >= RECORDS - 4, "{what}: only {right} records");
                }
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error_or_leaves_whole_records_of_the_last_segment() {
    for closed in [true, false] {
        let good = small_log(closed);
        for (path, bytes) in files(&good) {
            let end = if path == segment(2) { end_of_frames(&bytes) } else { bytes.len() };
            for len in 0..end {
                let fs = good.deep_clone();
                fs.write(&path, &bytes[..len]);
                let what = format!("{} cut to {len}", path.display());
                if let (_, Some(repair)) = check(&fs, &what) {
                    assert_eq!(path, segment(2), "{what}: not noticed");
                    assert!(!repair.closed_cleanly, "{what}");
                }
            }
        }
    }
}

#[test]
fn every_removed_file_is_an_error_that_names_it() {
    let good = small_log(true);
    for number in 0..3 {
        let fs = MemoryFileSystem::new();
        for (path, bytes) in files(&good).into_iter().filter(|(path, _)| *path != segment(number)) {
            fs.write(&path, bytes);
        }
        let before = files(&fs);
        let error = open_in(&environment(&fs), config(800)).unwrap_err();
        assert!(matches!(error, LogError::MissingSegment { number: n } if n == number), "{error}");
        assert_eq!(files(&fs), before);
    }
}
