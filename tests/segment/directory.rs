//! What a directory may hold, and who may write it.

use crate::store::{DIR, append, config, contents, edit, environment, open, open_in, read, reopened, segment};
use batpak_segment::testing::FaultyFileSystem;
use batpak_segment::{Damage, Environment, Log, LogConfig, LogError, LogReader, MemoryFileSystem, Unrecovered};
use std::path::Path;

fn three_segments() -> FaultyFileSystem {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, LogConfig::default());
    for record in [b"0", b"1", b"2"] {
        append(&log, &[record]);
        if record != b"2" {
            log.rotate().unwrap();
        }
    }
    log.close().unwrap();
    fs
}

/// Opening for writing and for reading both refuse, and change nothing.
#[track_caller]
fn refused(fs: &FaultyFileSystem) -> LogError {
    let before = fs.contents();
    let error = open_in(&fs.environment(), LogConfig::default()).unwrap_err();
    let beside = LogReader::open(&fs.environment(), Path::new(DIR), 1).unwrap_err();
    assert_eq!(error.to_string(), beside.to_string());
    assert_eq!(fs.contents(), before);
    error
}

fn name(number: u64, generation: u32) -> std::path::PathBuf {
    Path::new(DIR).join(format!("{number:010}.{generation:04}.fbat"))
}

#[test]
fn a_missing_segment_is_named_wherever_it_was() {
    use batpak_segment::FileSystem;
    for missing in 0..3 {
        let fs = three_segments();
        fs.remove_file(&segment(missing)).unwrap();
        let error = refused(&fs);
        assert!(matches!(error, LogError::MissingSegment { number } if number == missing), "{error}");
    }
}

#[test]
fn a_file_that_is_no_segment_is_named() {
    for content in [&b""[..], b"hello", b"BATPAKSG", &[0; 300]] {
        let fs = three_segments();
        let path = Path::new(DIR).join("notes.fbat");
        fs.put(&path, content);
        let error = refused(&fs);
        assert!(matches!(&error, LogError::ForeignFile { path: p, .. } if *p == path), "{error}");
    }
}

#[test]
fn a_segment_under_another_name_is_refused() {
    let fs = three_segments();
    let bytes = read(&fs, &segment(1));
    fs.put(name(3, 0), &bytes);
    assert!(matches!(refused(&fs), LogError::ForeignFile { .. }));
    let fs = three_segments();
    fs.put(name(1, 1), &bytes);
    assert!(matches!(refused(&fs), LogError::ForeignFile { .. }));
}

#[test]
fn a_directory_in_place_of_a_segment_is_refused() {
    use batpak_segment::FileSystem;
    let fs = three_segments();
    fs.create_dir_all(&name(3, 0)).unwrap();
    assert!(matches!(refused(&fs), LogError::ForeignFile { reason: "not a regular file", .. }));
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_in_place_of_a_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path().join("log"), LogConfig::default()).unwrap();
    log.close().unwrap();
    let file = dir.path().join("log/0000000000.0000.fbat");
    let moved = dir.path().join("elsewhere");
    std::fs::rename(&file, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &file).unwrap();
    let error = Log::open(dir.path().join("log"), LogConfig::default()).unwrap_err();
    assert!(matches!(error, LogError::ForeignFile { reason: "not a regular file", .. }), "{error}");
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let (fs, other) = (three_segments(), three_segments());
    fs.put(segment(1), &read(&other, &segment(1)));
    let error = refused(&fs);
    assert!(matches!(error, LogError::BrokenLink { number: 1, .. }), "{error}");
}

/// Two stores that grew from one copy share their store id, their numbers and the end of what they had in common. The
/// crc of a seal does not tell them apart, because the copy of a segment has another seal than its original.
#[test]
fn stores_grown_from_one_copy_do_not_take_each_others_segments() {
    let fs = three_segments();
    let (log, _) = open(&fs, LogConfig::default());
    let path = Path::new("/copy");
    log.snapshot(path).unwrap();
    let twin = fs.after_kill();
    let grow = |fs: &FaultyFileSystem, record: &[u8]| {
        let copy = Unrecovered::open(fs.environment(), path, LogConfig::default()).unwrap();
        let (log, _) = copy.recover().unwrap();
        append(&log, &[record]);
        log.rotate().unwrap();
        append(&log, &[record]);
        log.close().unwrap();
    };
    grow(&fs, b"mine");
    grow(&twin, b"hers");
    let third = path.join("0000000003.0000.fbat");
    fs.put(&third, &read(&twin, &third));
    let copy = Unrecovered::open(fs.environment(), path, LogConfig::default()).unwrap();
    let error = copy.recover().unwrap_err();
    assert!(matches!(error, LogError::BrokenLink { number: 3, .. }), "{error}");
}

#[test]
fn a_header_that_was_changed_is_damage_because_no_crash_leaves_one() {
    let fs = three_segments();
    edit(&fs, &segment(1), |bytes| bytes[100] ^= 1);
    let error = refused(&fs);
    let is_header = matches!(error, LogError::Damaged { segment: 1, offset: 0, damage: Damage::HeaderCrc { .. } });
    assert!(is_header, "{error}");
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let fs = three_segments();
    edit(&fs, &segment(2), |bytes| bytes[8] = 7);
    let error = refused(&fs);
    assert!(matches!(error, LogError::UnsupportedFormat { found: 7, supported: 1, .. }), "{error}");
    assert!(error.to_string().contains('7') && error.to_string().contains('1'));
}

#[test]
fn a_directory_of_the_older_crate_is_refused_by_name_and_left_alone() {
    let fs = FaultyFileSystem::new();
    fs.put(Path::new(DIR).join("00000000000000000001.fbat"), b"FBAT and more");
    let error = refused(&fs);
    assert!(matches!(error, LogError::OlderCrate { .. }), "{error}");
    assert!(error.to_string().contains("older crate named batpak"));
}

#[test]
fn files_of_others_are_ignored_and_unfinished_ones_removed() {
    let fs = three_segments();
    let unfinished = Path::new(DIR).join("0000000003.0000.fbat.tmp");
    fs.put(&unfinished, b"half");
    fs.put(Path::new(DIR).join("README"), b"mine");
    let reader = LogReader::open(&fs.environment(), Path::new(DIR), 1).unwrap();
    assert_eq!(contents(&reader).len(), 3);
    assert_eq!(read(&fs, &unfinished), b"half");
    let (found, repair) = reopened(&fs, LogConfig::default());
    assert_eq!((found.len(), repair.removed), (3, vec![unfinished.clone()]));
    assert!(!fs.contents().iter().any(|(path, _)| *path == unfinished));
    assert_eq!(read(&fs, &Path::new(DIR).join("README")), b"mine");
}

#[test]
fn a_second_writer_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), LogConfig::default()).unwrap();
    append(&log, &[b"0"]);
    let error = Log::open(dir.path(), LogConfig::default()).unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("this process"), "{error}");
    let reader = LogReader::open(&Environment::default(), dir.path(), 1).unwrap();
    assert_eq!(contents(&reader), [b"0"]);
    log.close().unwrap();
    Log::open(dir.path(), LogConfig::default()).unwrap();
    assert!(dir.path().join("batpak.lock").exists());
}

#[test]
fn the_lock_of_a_dead_process_does_not_block() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, LogConfig::default());
    assert!(matches!(open_in(&fs.environment(), LogConfig::default()), Err(LogError::Locked { .. })));
    let left = fs.after_kill();
    drop(log);
    open(&left, LogConfig::default());
}

#[test]
fn a_failed_close_releases_the_directory() {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), LogConfig::default()).unwrap();
    log.fail("read", &LogError::Closed);
    assert!(matches!(log.close(), Err(LogError::Failed { .. })));
    open_in(&environment(&fs), LogConfig::default()).unwrap();
}

#[test]
fn a_read_only_directory_is_said_to_be_one_and_can_be_read() {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), LogConfig::default()).unwrap();
    append(&log, &[b"0"]);
    log.close().unwrap();
    fs.set_read_only(true);
    let error = open_in(&environment(&fs), LogConfig::default()).unwrap_err();
    assert!(matches!(error, LogError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("read-only"));
    let reader = LogReader::open(&environment(&fs), Path::new(DIR), 1).unwrap();
    assert_eq!(contents(&reader), [b"0"]);
}

#[test]
fn a_directory_without_a_log_is_made_by_a_writer_and_refused_by_a_reader() {
    let fs = FaultyFileSystem::new();
    let reader = LogReader::open(&fs.environment(), Path::new(DIR), 1);
    assert!(matches!(reader, Err(LogError::NoLog { .. })));
    let (log, repair) = open(&fs, config(1024));
    assert!(repair.closed_cleanly);
    assert_eq!((log.next_sequence(), log.durable_sequence(), log.reader().segment_count()), (0, 0, 1));
}
