//! The files of the index: which there are, when one is used, how one is written.

use crate::store::kinds_file;
use crate::store::open::OpenIndexPath;
use crate::store::{File, OpenMode, StoreConfig, StoreError};
use batpak_core::{EventHash, EventRef};
use batpak_index::{About, Bytes, Output, Part, Refused};
use batpak_segment::{LogReader, Position, SegmentInfo, read_full, write_full};
use sha2::{Digest, Sha256};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

const EXTENSION: &str = ".index";
/// A file that is being written: of each part its own, because some may be written at once.
const TEMPORARY: &str = ".index.tmp";

/// The files of the index of one store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartFiles<'s> {
    pub(crate) config: &'s StoreConfig,
    pub(crate) log: &'s LogReader,
    /// All records from this one on were read and checked a moment ago.
    pub(crate) seen_from: Option<u64>,
}

/// The name of a part's file says which events it is about.
pub(crate) fn name_of(events: &Range<u64>) -> String {
    format!("{:013}-{:013}{EXTENSION}", events.start, events.end)
}

fn events_of(name: &str) -> Option<Range<u64>> {
    let (start, end) = name.strip_suffix(EXTENSION)?.split_once('-')?;
    let events = start.parse().ok()?..end.parse().ok()?;
    (name_of(&events) == name && !events.is_empty()).then_some(events)
}

/// What the files of a store say of themselves, in the order of their first events, those that say the most first.
pub(crate) fn listed(config: &StoreConfig) -> io::Result<Vec<Range<u64>>> {
    let entries = config.environment.file_system.read_dir(&config.data_dir)?;
    let mut found: Vec<Range<u64>> = entries.iter().filter_map(|entry| events_of(&entry.name)).collect();
    found.sort_unstable_by_key(|events| (events.start, u64::MAX - events.end));
    Ok(found)
}

pub(crate) fn path_of(config: &StoreConfig, events: &Range<u64>) -> PathBuf {
    config.data_dir.join(name_of(events))
}

/// Loads a part the way that the options prefer. Whether it is of this history is not looked at.
pub(crate) fn load(
    config: &StoreConfig,
    store_id: [u8; 16],
    events: &Range<u64>,
) -> Result<(Part, OpenIndexPath), Refused> {
    let file = config.environment.file_system.open(&path_of(config, events), OpenMode::Read);
    let (bytes, path) = read(config, &*file.map_err(Refused::new)?).map_err(Refused::new)?;
    let part = Part::open(bytes, store_id)?;
    if part.events() == *events { Ok((part, path)) } else { Err(Refused::new("its name is that of another")) }
}

/// Where a file cannot be mapped it is read.
fn read(config: &StoreConfig, file: &dyn File) -> io::Result<(Bytes, OpenIndexPath)> {
    let len = file.len()?;
    if config.enable_mmap_index
        && let Ok(Some(mapping)) = file.map(len)
    {
        return Ok((mapping, OpenIndexPath::Mmap));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    let n = read_full(file, &mut bytes, 0)?;
    bytes.truncate(n);
    Ok((Box::new(bytes), OpenIndexPath::Checkpoint))
}

/// What tells the segments that hold these events from those that take their place.
pub(crate) fn stamp_of(segments: &[SegmentInfo], events: &Range<u64>) -> u64 {
    let mut hasher = Sha256::new();
    for segment in segments {
        let end = segment.end_sequence.unwrap_or(u64::MAX);
        if segment.first_sequence < events.end && end > events.start {
            hasher.update(segment.id);
        }
    }
    hasher.finalize().iter().take(8).fold(0, |stamp, byte| stamp << 8 | u64::from(*byte))
}

impl PartFiles<'_> {
    /// Whether the records of these events were read and checked a moment ago.
    pub(crate) fn were_seen(&self, events: &Range<u64>) -> bool {
        self.seen_from.is_some_and(|from| from <= events.start)
    }

    /// Whether the options want any.
    pub(crate) fn are_wanted(&self) -> bool {
        self.config.enable_mmap_index || self.config.enable_checkpoint
    }

    /// What the files that there are say of themselves, those that say the most first.
    pub(crate) fn list(&self) -> io::Result<Vec<Range<u64>>> {
        listed(self.config)
    }

    fn path(&self, events: &Range<u64>) -> PathBuf {
        path_of(self.config, events)
    }

    /// Loads a part the way that the options prefer, and sees that it is of this history.
    pub(crate) fn load(&self, events: &Range<u64>) -> Result<(Part, OpenIndexPath), Refused> {
        let (part, path) = load(self.config, self.log.store_id(), events)?;
        if part.stamp() != self.stamp(events) {
            return Err(Refused::new("it is of other segments"));
        }
        let last = part.row(part.rows() - 1).map_err(Refused::new)?;
        let position = Position { sequence: last.sequence(), offset: last.offset.into() };
        let is_same = self.hash_at(position).map_err(Refused::new)? == part.last_hash();
        if is_same { Ok((part, path)) } else { Err(Refused::new("it is of another history")) }
    }

    pub(crate) fn hash_at(&self, position: Position) -> Result<EventHash, StoreError> {
        let hash = |bytes: &[u8]| EventRef::decode_unchecked_extensions(bytes).map(|event| event.event_hash());
        let sequence = position.sequence;
        self.log.with_record(position, hash)?.map_err(|source| StoreError::Record { sequence, source })
    }

    fn stamp(&self, events: &Range<u64>) -> u64 {
        stamp_of(&self.log.segments(), events)
    }

    /// What is to be said of a part of these events, the last of which stands at `last`.
    pub(crate) fn about(&self, events: &Range<u64>, last: Position) -> Result<About, StoreError> {
        let (store_id, stamp) = (self.log.store_id(), self.stamp(events));
        Ok(About { store_id, stamp, last_hash: self.hash_at(last)? })
    }

    /// A part from its bytes, in a file if the options want that and it can be written, otherwise in memory.
    pub(crate) fn keep(&self, events: &Range<u64>, bytes: Vec<u8>) -> Result<Part, StoreError> {
        if self.are_wanted() {
            let written = self.write(events, |out| Ok(out.put(0, &bytes)?));
            if written.is_ok_and(|()| self.config.enable_mmap_index)
                && let Ok((part, _)) = self.load(events)
            {
                return Ok(part);
            }
        }
        self.in_memory(bytes)
    }

    /// A part from its bytes, which are in no file.
    pub(crate) fn in_memory(&self, bytes: Vec<u8>) -> Result<Part, StoreError> {
        Part::open(Box::new(bytes), self.log.store_id()).map_err(|refused| unreadable(&refused))
    }

    /// Writes a part into its file, which has its name once it is complete. It need not survive a power cut: what is
    /// not as it was written is noticed.
    pub(crate) fn write(
        &self,
        events: &Range<u64>,
        write: impl FnOnce(&mut ToFile) -> Result<(), batpak_index::WriteError>,
    ) -> Result<(), batpak_index::WriteError> {
        let fs = &self.config.environment.file_system;
        let temporary = self.path(events).with_extension(TEMPORARY.trim_start_matches('.'));
        // A leftover of a part that was not completed.
        let _ = fs.remove_file(&temporary);
        write(&mut ToFile(fs.open(&temporary, OpenMode::CreateNew)?))?;
        Ok(fs.rename(&temporary, &self.path(events))?)
    }

    /// Removes what a process left that died while it wrote a part, or the file of kinds.
    pub(crate) fn remove_incomplete(&self) {
        let fs = &self.config.environment.file_system;
        let entries = fs.read_dir(&self.config.data_dir).unwrap_or_default();
        let is_incomplete = |name: &str| name.ends_with(TEMPORARY) || name == kinds_file::TEMPORARY;
        for entry in entries.iter().filter(|entry| is_incomplete(&entry.name)) {
            let _ = fs.remove_file(&self.config.data_dir.join(&entry.name));
        }
    }

    /// Removes files that nobody needs any more. What cannot be removed is only in the way.
    pub(crate) fn remove(&self, events: impl IntoIterator<Item = Range<u64>>) {
        for events in events {
            let _ = self.config.environment.file_system.remove_file(&self.path(&events));
        }
    }
}

/// The index that was just made in memory is not one: a defect of this crate, which must not become a wrong answer.
fn unreadable(refused: &Refused) -> StoreError {
    StoreError::Corrupt { segment: None, offset: None, reason: format!("the index cannot be made: {refused}") }
}

/// A file that a part is written to.
#[derive(Debug)]
pub(crate) struct ToFile(Arc<dyn File>);

impl Output for ToFile {
    fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        write_full(&*self.0, bytes, at as u64)
    }
}
