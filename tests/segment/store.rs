//! Logs to test with.

use batpak_segment::testing::FaultyFileSystem;
use batpak_segment::{
    Environment, Log, LogConfig, LogError, LogReader, MemoryFileSystem, Repair, Unrecovered, WritePath,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const DIR: &str = "/log";
/// Length of the header of a segment and of the frame with its link.
pub(crate) const LINK_END: u64 = 256 + 104;

/// A log with segments of `segment_max_bytes` that is written directly.
pub(crate) fn config(segment_max_bytes: u64) -> LogConfig {
    LogConfig { segment_max_bytes, ..DIRECT }
}

/// For tests that count on each append being written to its segment.
pub(crate) const DIRECT: LogConfig =
    LogConfig { segment_max_bytes: 64 << 20, frame_max_bytes: 65 << 20, fd_budget: 64, write_path: WritePath::Direct };

/// A log whose appends take this path.
pub(crate) fn by(write_path: WritePath) -> LogConfig {
    LogConfig { write_path, ..LogConfig::default() }
}

/// Everything outside a log, with this file system.
pub(crate) fn environment(file_system: &MemoryFileSystem) -> Environment {
    Environment { file_system: Arc::new(file_system.clone()), ..Environment::default() }
}

pub(crate) fn open_in(env: &Environment, config: LogConfig) -> Result<(Log, Repair), LogError> {
    Unrecovered::open(env.clone(), Path::new(DIR), config)?.recover()
}

#[track_caller]
pub(crate) fn open(fs: &FaultyFileSystem, config: LogConfig) -> (Log, Repair) {
    open_in(&fs.environment(), config).unwrap()
}

/// Opens a log and says what it holds.
#[track_caller]
pub(crate) fn reopened(fs: &FaultyFileSystem, config: LogConfig) -> (Vec<Vec<u8>>, Repair) {
    let (log, repair) = open(fs, config);
    let all = contents(log.reader());
    (all, repair)
}

#[track_caller]
pub(crate) fn append(log: &Log, records: &[&[u8]]) {
    for record in records {
        log.append(record).unwrap();
    }
}

/// All records, in order.
#[track_caller]
pub(crate) fn contents(reader: &LogReader) -> Vec<Vec<u8>> {
    let all: Vec<_> = reader.records(0).map(Result::unwrap).collect();
    for (sequence, record) in all.iter().enumerate() {
        assert_eq!(record.position.sequence, sequence as u64);
    }
    all.into_iter().map(|record| record.bytes).collect()
}

/// The path of a segment.
pub(crate) fn segment(number: u64) -> PathBuf {
    Path::new(DIR).join(format!("{number:010}.0000.fbat"))
}

/// Where the zeros begin that were reserved behind the last frame.
pub(crate) fn end_of_frames(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| (last + 1).next_multiple_of(8))
}

/// Changes one file's bytes, durably.
pub(crate) fn edit(fs: &FaultyFileSystem, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = read(fs, path);
    change(&mut bytes);
    fs.put(path, &bytes);
}

#[track_caller]
pub(crate) fn read(fs: &FaultyFileSystem, path: &Path) -> Vec<u8> {
    let found = fs.contents().into_iter().find(|(name, _)| name == path);
    found.unwrap_or_else(|| panic!("no file {}", path.display())).1
}

/// The cause of a failed log.
#[track_caller]
pub(crate) fn assert_failed<T: std::fmt::Debug>(result: Result<T, LogError>, operation: &str) {
    match result {
        Err(LogError::Failed { cause }) => assert_eq!(cause.operation, operation, "{cause}"),
        other => panic!("not failed: {other:?}"),
    }
}
