//! Tests of the segment log, through its public API.

use batpak_segment::{Environment, Log, LogConfig, LogReader};

#[test]
fn what_was_appended_is_there_after_reopening() {
    let dir = tempfile::tempdir().expect("directory");
    let config = LogConfig { segment_max_bytes: 1024, ..LogConfig::default() };
    let (log, repair) = Log::open(dir.path(), config).expect("open");
    assert!(repair.closed_cleanly);
    for i in 0..100_u32 {
        let at = log.append(format!("record {i}").as_bytes()).expect("append");
        assert_eq!(at.sequence, u64::from(i));
        let mut buf = Vec::new();
        assert_eq!(log.read(at, &mut buf).expect("read"), format!("record {i}").as_bytes());
    }
    let copy = dir.path().join("copy");
    log.snapshot(&copy).expect("snapshot");
    log.close().expect("close");
    let reader = LogReader::open(&Environment::default(), dir.path(), 2).expect("reader");
    assert_eq!(reader.records(0).count(), 100);
    for d in [dir.path(), &copy] {
        let (log, repair) = Log::open(d, config).expect("reopen");
        assert!(repair.closed_cleanly, "{repair:?}");
        assert_eq!(log.next_sequence(), 100);
        let all: Vec<_> = log.records(0).map(|r| r.expect("record").bytes).collect();
        assert_eq!(all.len(), 100);
        assert_eq!(all[42], b"record 42");
        log.append(b"more").expect("append");
    }
}
