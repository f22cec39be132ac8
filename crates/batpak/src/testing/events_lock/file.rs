//! The lock file: a text, so that a change of it can be read where it is committed.

use super::EventsLockError;
use super::shape::{Shape, shown};
use batpak_core::EventKind;
use batpak_segment::{FileSystem, OpenMode, RealFileSystem};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::path::Path;

const HEAD: &str =
    "# The payloads of events, as they are stored. `events_lock!` reads and writes this file; it is committed.\n";

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
}

#[derive(Debug, Default)]
pub(super) struct LockFile(pub(super) Vec<Entry>);

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
        self.0.iter().find(|entry| entry.kind == kind && entry.version == version)
    }

    /// These entries in place of those of the same kind and version; payloads are added to what was there.
    pub(super) fn with(mut self, current: Vec<Entry>) -> Self {
        for mut entry in current {
            match self.0.iter_mut().find(|old| (old.kind, old.version) == (entry.kind, entry.version)) {
                Some(old) => {
                    entry.samples.append(&mut old.samples);
                    *old = entry;
                }
                None => self.0.push(entry),
            }
        }
        self.0.sort_by_key(|entry| (entry.kind, entry.version));
        self
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for Entry { kind, version, name, shape, samples, .. } in &self.0 {
            let _ = writeln!(text, "\nkind {kind} version {version} name {name}");
            for (path, what) in shape {
                let _ = writeln!(text, "  {}: {what}", shown(path));
            }
            for sample in samples {
                text.push_str("  = ");
                for byte in sample {
                    let _ = write!(text, "{byte:02x}");
                }
                text.push('\n');
            }
        }
        text
    }

    /// The number of the first line that is not one of a lock file, if there is one.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut entries = Vec::new();
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim_end();
            if !line.is_empty() && !line.starts_with('#') {
                parse_line(&mut entries, line).ok_or(number)?;
            }
        }
        Ok(Self(entries))
    }
}

fn parse_line(entries: &mut Vec<Entry>, line: &str) -> Option<()> {
    if let Some(head) = line.strip_prefix("kind ") {
        let (kind, rest) = head.split_once(" version ")?;
        let (version, name) = rest.split_once(" name ")?;
        let (category, type_id) = kind.split_once(':')?;
        let (category, type_id) = (u8::from_str_radix(category, 16).ok()?, u16::from_str_radix(type_id, 16).ok()?);
        entries.push(Entry {
            kind: EventKind::try_custom(category, type_id).ok()?,
            version: version.parse().ok()?,
            name: name.to_owned(),
            shape: Shape::new(),
            aliases: BTreeSet::new(),
            samples: BTreeSet::new(),
        });
        return Some(());
    }
    let (entry, line) = (entries.last_mut()?, line.strip_prefix("  ")?);
    if let Some(sample) = line.strip_prefix("= ") {
        entry.samples.insert(bytes_of(sample)?);
    } else {
        let (path, what) = line.rsplit_once(": ")?;
        let path = if path == shown("") { "" } else { path };
        entry.shape.insert(path.to_owned(), what.to_owned());
    }
    Some(())
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
