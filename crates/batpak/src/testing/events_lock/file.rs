//! The lock file: a text, so that a change of it can be read where it is committed.

use super::EventsLockError;
use super::readings::Reading;
use super::shape::{Shape, shown};
use crate::EventPayload;
use batpak_core::EventKind;
use batpak_segment::{FileSystem, OpenMode, RealFileSystem};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::path::Path;

const HEAD: &str =
    "# The payloads of events, as they are stored. `events_lock!` reads and writes this file; it is committed.\n";
/// Stands in files that say what payloads are read as.
const FORMAT: &str = "format 2";

/// A version of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: EventKind,
    pub(super) version: u16,
    pub(super) name: String,
    pub(super) shape: Shape,
    /// Fields that are another name of a field; not in the file.
    pub(super) aliases: BTreeSet<String>,
    pub(super) samples: BTreeSet<Vec<u8>>,
    /// What samples are read as that are read as something else.
    pub(super) readings: BTreeMap<Vec<u8>, Reading>,
}

impl Entry {
    /// What the file says a sample is read as.
    pub(super) fn reading(&self, sample: &[u8]) -> Reading {
        self.readings.get(sample).cloned().unwrap_or_else(|| Reading(sample.to_vec()))
    }

    fn read_anew<T: EventPayload>(&mut self) {
        let reads = self.samples.iter().filter_map(|sample| {
            let reading = Reading::of::<T>(self, sample).ok()?;
            (reading.0 != *sample).then(|| (sample.clone(), reading))
        });
        self.readings = reads.collect();
    }
}

#[derive(Debug, Default)]
pub(super) struct LockFile {
    pub(super) entries: Vec<Entry>,
    /// Whether it says what samples are read as. Files of before do not.
    pub(super) says_readings: bool,
}

impl LockFile {
    /// The file, if there is one.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, EventsLockError> {
        match read(path) {
            Ok(text) => Self::parse(&text).map(Some).map_err(|line| EventsLockError::Syntax { line }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let files = RealFileSystem;
        let opened = files.open(path, OpenMode::Write);
        let file = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => files.open(path, OpenMode::CreateNew)?,
            opened => opened?,
        };
        file.set_len(0)?;
        let text = self.text();
        let mut written = 0;
        while written < text.len() {
            written += file.write_at(&text.as_bytes()[written..], written as u64)?;
        }
        Ok(())
    }

    pub(super) fn entry(&self, kind: EventKind, version: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == kind && entry.version == version)
    }

    /// The newest version of a kind that was locked; 0 if there is none.
    pub(super) fn newest(&self, kind: EventKind) -> u16 {
        let entries = self.entries.iter().filter(|entry| entry.kind == kind);
        entries.map(|entry| entry.version).max().unwrap_or(0)
    }

    /// These entries in place of those of the same kind and version; payloads are added to what was there. What all of
    /// them are read as is said anew.
    pub(super) fn with<T: EventPayload>(mut self, current: Vec<Entry>) -> Self {
        for mut entry in current {
            match self.entries.iter_mut().find(|old| (old.kind, old.version) == (entry.kind, entry.version)) {
                Some(old) => {
                    entry.samples.append(&mut old.samples);
                    *old = entry;
                }
                None => self.entries.push(entry),
            }
        }
        self.entries.sort_by_key(|entry| (entry.kind, entry.version));
        self.entries.iter_mut().for_each(Entry::read_anew::<T>);
        Self { says_readings: true, ..self }
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}\n{FORMAT}\n");
        for entry in &self.entries {
            let Entry { kind, version, name, shape, samples, .. } = entry;
            let _ = writeln!(text, "\nkind {kind} version {version} name {name}");
            for (path, what) in shape {
                let _ = writeln!(text, "  {}: {what}", shown(path));
            }
            for sample in samples {
                let _ = writeln!(text, "  = {}", digits_of(sample));
                if let Some(Reading(payload)) = entry.readings.get(sample) {
                    let _ = writeln!(text, "  > {}", digits_of(payload));
                }
            }
        }
        text
    }

    /// The number of the first line that is not one of a lock file, if there is one.
    fn parse(text: &str) -> Result<Self, usize> {
        let (mut file, mut last) = (Self::default(), Vec::new());
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim_end();
            if line == FORMAT {
                file.says_readings = true;
            } else if !line.is_empty() && !line.starts_with('#') {
                parse_line(&mut file.entries, &mut last, line).ok_or(number)?;
            }
        }
        Ok(file)
    }
}

/// Takes a line. `last` is the payload that was read last.
fn parse_line(entries: &mut Vec<Entry>, last: &mut Vec<u8>, line: &str) -> Option<()> {
    if let Some(head) = line.strip_prefix("kind ") {
        entries.push(parse_head(head)?);
        return Some(());
    }
    let (entry, line) = (entries.last_mut()?, line.strip_prefix("  ")?);
    if let Some(sample) = line.strip_prefix("= ") {
        *last = bytes_of(sample)?;
        entry.samples.insert(last.clone());
    } else if let Some(reading) = line.strip_prefix("> ") {
        entry.samples.get(last)?;
        entry.readings.insert(last.clone(), Reading(bytes_of(reading)?));
    } else {
        let (path, what) = line.rsplit_once(": ")?;
        let path = if path == shown("") { "" } else { path };
        entry.shape.insert(path.to_owned(), what.to_owned());
    }
    Some(())
}

fn parse_head(head: &str) -> Option<Entry> {
    let (kind, rest) = head.split_once(" version ")?;
    let (version, name) = rest.split_once(" name ")?;
    Some(Entry {
        kind: kind_of(kind)?,
        version: version.parse().ok()?,
        name: name.to_owned(),
        shape: Shape::new(),
        aliases: BTreeSet::new(),
        samples: BTreeSet::new(),
        readings: BTreeMap::new(),
    })
}

fn kind_of(text: &str) -> Option<EventKind> {
    let (category, type_id) = text.split_once(':')?;
    let (category, type_id) = (u8::from_str_radix(category, 16).ok()?, u16::from_str_radix(type_id, 16).ok()?);
    EventKind::try_custom(category, type_id).ok()
}

fn digits_of(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn read(path: &Path) -> io::Result<String> {
    let file = RealFileSystem.open(path, OpenMode::Read)?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let len = file.read_at(&mut buffer, bytes.len() as u64)?;
        if len == 0 {
            return String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error));
        }
        bytes.extend_from_slice(&buffer[..len]);
    }
}
