//! Making parts of the index from the segments: at an opening, and where a file turns out to be damaged.

use crate::store::StoreError;
use crate::store::part_file::PartFiles;
use crate::store::read::decode_at;
use crate::store::shared::Shared;
use batpak_core::EventRef;
use batpak_index::{Builder, Damaged, Index, Part, Tiers};
use batpak_segment::Position;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// The most events of a part that is made at once: it is made in memory.
pub(crate) const EVENTS_MAX: u64 = 1 << 19;

/// The index of some events, from their records. `before` holds all events before them.
pub(crate) fn part_of_records(
    files: &PartFiles<'_>,
    before: Vec<Arc<Part>>,
    events: &Range<u64>,
) -> Result<Vec<u8>, StoreError> {
    let store_id = files.log.store_id();
    let mut builder = Builder::new(store_id, events.start);
    builder.reserve(events.end - events.start);
    let mut revisions = Revisions { before: Index::new(store_id, before).0.snapshot(), next: HashMap::default() };
    let mut last = None;
    let records = files.log.records(events.start);
    let mut records = if files.were_seen(events) { records.seen() } else { records };
    while let Some((position, bytes)) = records.next_record()?.filter(|(found, _)| found.sequence < events.end) {
        let event = decode_at(position, bytes)?;
        revisions.check(&event, position)?;
        builder.push(&event, offset_of(position)?);
        last = Some(position);
    }
    let Some(last) = last.filter(|last| last.sequence + 1 == events.end) else {
        return Err(StoreError::NotFound { sequence: last.map_or(events.start, |last| last.sequence + 1) });
    };
    let about = files.about(events, last)?;
    let mut bytes = Vec::new();
    builder.write(&about, &mut bytes).map_err(|error| {
        let reason = format!("the index cannot be made: {error}");
        StoreError::Corrupt { segment: None, offset: None, reason }
    })?;
    Ok(bytes)
}

/// Offsets are those of segments, which have at most 1 GiB, and one frame more.
pub(crate) fn offset_of(position: Position) -> Result<u32, StoreError> {
    u32::try_from(position.offset).map_err(|_| StoreError::TooLarge {
        field: "offset in a segment",
        limit: u32::MAX.into(),
        value: position.offset,
    })
}

/// The revision that the next event of each entity has.
struct Revisions {
    before: Arc<Tiers>,
    next: HashMap<String, u64, foldhash::fast::RandomState>,
}

impl Revisions {
    fn check(&mut self, event: &EventRef<'_>, position: Position) -> Result<(), StoreError> {
        let (sequence, revision) = (event.sequence(), event.revision());
        let follows = if let Some(next) = self.next.get_mut(event.entity()) {
            std::mem::replace(next, revision + 1)
        } else {
            self.next.insert(event.entity().to_owned(), revision + 1);
            // What is damaged there is found when it is asked for by a reader.
            let newest = self.before.newest_frozen(event.entity());
            newest.map_or(revision, |newest| newest.map_or(0, |row| row.revision + 1))
        };
        if revision == follows {
            return Ok(());
        }
        let reason = format!("event {sequence} has revision {revision} where revision {follows} belongs");
        Err(StoreError::Corrupt { segment: None, offset: Some(position.offset), reason })
    }
}

/// How often damage was met without getting further.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

/// Several parts may be damaged, and each file anew.
const ATTEMPTS_MAX: u32 = 64;

impl Attempts {
    /// Makes a damaged part anew, unless that has not helped before: a part that is wrong though every crc is right
    /// must not be asked for ever.
    pub(crate) fn rebuild(&mut self, shared: &Shared, damaged: &Damaged) -> Result<(), StoreError> {
        self.0 += 1;
        if self.0 <= ATTEMPTS_MAX {
            return shared.rebuild(damaged);
        }
        Err(StoreError::Corrupt { segment: None, offset: None, reason: damaged.to_string() })
    }
}

impl Shared {
    pub(crate) fn part_files(&self) -> PartFiles<'_> {
        PartFiles { config: &self.config, log: &self.reader, seen_from: None }
    }

    /// Asks the index. A part that turns out to be damaged is made anew.
    pub(crate) fn ask<T>(&self, ask: impl Fn(&Arc<Tiers>) -> Result<T, Damaged>) -> Result<T, StoreError> {
        let mut attempts = Attempts::default();
        loop {
            let asked = ask(&self.index.tiers());
            match asked {
                Ok(answer) => return Ok(answer),
                Err(damaged) => attempts.rebuild(self, &damaged)?,
            }
        }
    }

    /// Makes a damaged part anew, unless somebody else has.
    pub(crate) fn rebuild(&self, damaged: &Damaged) -> Result<(), StoreError> {
        let _one_at_a_time = self.rebuilding.lock().unwrap_or_else(PoisonError::into_inner);
        let tiers = self.index.snapshot();
        let is_there = tiers.parts().any(|part| part.events() == damaged.events && part.check().is_err());
        if !is_there {
            return Ok(());
        }
        self.damaged_parts.fetch_add(1, Ordering::Relaxed);
        let before: Vec<Arc<Part>> =
            tiers.parts().take_while(|part| part.events().end <= damaged.events.start).cloned().collect();
        let made = rebuilt(&self.part_files(), before, damaged.events.clone(), self.is_read_only());
        let made = made.map_err(|error| self.known(error))?;
        // What became several parts has several names: nothing was written over the damaged file.
        if self.index.replace(&made) && made.len() > 1 && !self.is_read_only() {
            self.part_files().remove([damaged.events.clone()]);
        }
        Ok(())
    }
}

/// Parts of a range of events, from their records; in files unless nothing may be written.
pub(crate) fn rebuilt(
    files: &PartFiles<'_>,
    mut before: Vec<Arc<Part>>,
    events: Range<u64>,
    in_memory: bool,
) -> Result<Vec<Arc<Part>>, StoreError> {
    let first = before.len();
    let mut from = events.start;
    while from < events.end {
        let some = from..events.end.min(from + EVENTS_MAX);
        let bytes = part_of_records(files, before.clone(), &some)?;
        let part = if in_memory { files.in_memory(bytes)? } else { files.keep(&some, bytes)? };
        before.push(Arc::new(part));
        from = some.end;
    }
    Ok(before.split_off(first))
}
