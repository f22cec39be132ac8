//! The log on a real disk, used as a write-ahead log.

use crate::store::{append, contents};
use batpak_segment::{Environment, Log, LogConfig, LogReader};

#[test]
fn what_was_appended_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_max_bytes: 1024, ..LogConfig::default() };
    let (log, repair) = Log::open(dir.path().join("a/b"), config).unwrap();
    assert!(repair.closed_cleanly);
    let records: Vec<String> = (0..100).map(|i| format!("record {i}")).collect();
    let mut buffer = Vec::new();
    for (i, record) in records.iter().enumerate() {
        let at = log.append(record.as_bytes()).unwrap();
        assert_eq!(at.sequence, i as u64);
        assert_eq!(log.read(at, &mut buffer).unwrap(), record.as_bytes());
    }
    let copy = dir.path().join("copy");
    log.snapshot(&copy).unwrap();
    log.close().unwrap();
    for dir in [dir.path().join("a/b"), copy] {
        let reader = LogReader::open(&Environment::default(), &dir, 2).unwrap();
        assert!(contents(&reader).iter().eq(records.iter().map(String::as_bytes)));
        let (log, repair) = Log::open(&dir, config).unwrap();
        assert!(repair.closed_cleanly, "{repair:?}");
        append(&log, &[b"more"]);
        assert_eq!(log.next_sequence(), 101);
    }
}

#[test]
fn a_log_whose_process_ended_without_closing_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), LogConfig::default()).unwrap();
    append(&log, &[b"0", b"1"]);
    let left = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), left.path().join(entry.file_name())).unwrap();
    }
    let (log, repair) = Log::open(left.path(), LogConfig::default()).unwrap();
    assert!(!repair.closed_cleanly);
    assert_eq!(contents(log.reader()), [b"0", b"1"]);
}
