//! A key-value map that survives crashes, with the log as its write-ahead log and nothing else.
//!
//! `cargo run -p batpak-segment --example wal`

use batpak_segment::{Frame, Log, LogConfig, LogError, Repair};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

/// A map whose changes stand in a log before they are made.
struct DurableMap {
    log: Log,
    values: BTreeMap<String, String>,
}

impl DurableMap {
    fn open(dir: &Path) -> Result<(Self, Repair), LogError> {
        let config = LogConfig { segment_max_bytes: 4096, ..LogConfig::default() };
        let (log, repair) = Log::open(dir, config)?;
        let mut map = Self { log, values: BTreeMap::new() };
        let mut records = map.log.records(0);
        while let Some((_, record)) = records.next_record()? {
            apply(&mut map.values, record);
        }
        Ok((map, repair))
    }

    /// Sets all of these or, if the power fails, none.
    fn set(&mut self, pairs: &[(&str, &str)]) -> Result<(), LogError> {
        let mut frame = Frame::new();
        for (key, value) in pairs {
            frame.push(format!("{key}={value}").as_bytes());
        }
        let appended = self.log.append_frame(&mut frame)?;
        self.log.sync_to(appended.first_sequence + pairs.len() as u64)?;
        self.values.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Ok(())
    }
}

fn apply(values: &mut BTreeMap<String, String>, record: &[u8]) {
    let text = String::from_utf8_lossy(record);
    if let Some((key, value)) = text.split_once('=') {
        values.insert(key.to_owned(), value.to_owned());
    }
}

/// What the disk holds when the process dies now: a copy of the files, without closing anything.
fn kill(dir: &Path, left: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(left)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        std::fs::copy(entry.path(), left.join(entry.file_name()))?;
    }
    Ok(())
}

/// Cuts the newest segment in the middle of its last commit, as a power cut may.
fn tear(left: &Path) -> Result<(), Box<dyn Error>> {
    let segments = std::fs::read_dir(left)?.map(|entry| entry.map(|entry| entry.path()));
    let mut segments = segments.collect::<Result<Vec<_>, _>>()?;
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "fbat"));
    segments.sort();
    let newest = segments.last().ok_or("no segment")?;
    let file = std::fs::OpenOptions::new().write(true).open(newest)?;
    Ok(file.set_len(file.metadata()?.len() - 20)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = tempfile::tempdir()?;
    let (dir, left) = (root.path().join("map"), root.path().join("left"));

    let (mut map, _) = DurableMap::open(&dir)?;
    for i in 0..100 {
        map.set(&[(&format!("key {i}"), "old"), ("newest", &i.to_string())])?;
    }

    // Bytes at a position, and the next segment when we like.
    let at = map.log.append(b"alone=yes")?;
    map.log.rotate()?;
    let mut buffer = Vec::new();
    assert_eq!(map.log.read(at, &mut buffer)?, b"alone=yes");

    // Not synced: a power cut may take both of these, and never one of them.
    let mut last = Frame::new();
    last.push(b"left=1");
    last.push(b"right=1");
    map.log.append_frame(&mut last)?;

    kill(&dir, &left)?;
    tear(&left)?;
    let (map, repair) = DurableMap::open(&left)?;
    assert!(!repair.closed_cleanly);
    assert!(repair.torn.is_some(), "what was cut is told");
    assert_eq!(map.values["newest"], "99");
    assert_eq!(map.values["alone"], "yes");
    assert_eq!(map.values.len(), 102);
    map.log.close()?;

    let (map, repair) = DurableMap::open(&left)?;
    assert!(repair.closed_cleanly);
    assert_eq!(map.values.len(), 102);
    Ok(())
}
