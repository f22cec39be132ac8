//! Comparing the files of the index with the events that they are about, in the order of the events.

use crate::store::part_file::{load, path_of, stamp_of};
use crate::store::verify::{Finding, Subject};
use crate::store::{StoreConfig, StoreError};
use batpak_core::EventRef;
use batpak_index::{Part, Row};
use batpak_segment::{Position, SegmentInfo};
use std::collections::VecDeque;
use std::fmt::Display;
use std::hash::BuildHasher;
use std::ops::Range;

/// The files of a store's index.
pub(crate) struct PartChecks<'c> {
    config: &'c StoreConfig,
    store_id: [u8; 16],
    /// Those that were not reached yet.
    files: VecDeque<Range<u64>>,
    /// Those whose events are being read. There is more than one only where one stands in the place of others that
    /// were not removed.
    open: Vec<PartCheck>,
    /// Those that agree with their events, with what they say of the segments.
    compared: Vec<(Range<u64>, u64)>,
    /// Those that do not.
    failed: u64,
}

/// Rows that are read at once.
const ROWS: u64 = 64;

struct PartCheck {
    part: Part,
    events: Range<u64>,
    /// Rows from this number on.
    first_row: u64,
    rows: Vec<Row>,
    /// What each of its coordinates was the first time.
    coordinates: Vec<Option<u64>>,
    hasher: foldhash::fast::FixedState,
}

impl<'c> PartChecks<'c> {
    /// Files of events that are not to be looked at are left out.
    pub(crate) fn new(config: &'c StoreConfig, store_id: [u8; 16], mut files: Vec<Range<u64>>, limit: u64) -> Self {
        files.retain(|events| limit == u64::MAX || events.end <= limit);
        Self { config, store_id, files: files.into(), open: Vec::new(), compared: Vec::new(), failed: 0 }
    }

    /// Number of files that were looked at.
    pub(crate) fn compared(&self) -> u64 {
        self.compared.len() as u64 + self.failed
    }

    /// Compares an event with its row in each file that has one. The first file that is wrong is told.
    #[inline]
    pub(crate) fn compare(&mut self, position: Position, event: &EventRef<'_>) -> Option<Finding> {
        let sequence = position.sequence;
        if self.open.is_empty() && self.files.front().is_none_or(|events| sequence < events.start) {
            return None;
        }
        let refused = self.open_files(sequence);
        refused.or_else(|| self.compare_open(position, event))
    }

    fn open_files(&mut self, sequence: u64) -> Option<Finding> {
        while let Some(events) = self.files.pop_front_if(|events| events.start <= sequence) {
            match self.open_file(&events) {
                Ok(Some(check)) => self.open.push(check),
                Ok(None) => {}
                Err(reason) => return Some(self.fail(&events, &reason)),
            }
        }
        None
    }

    /// Opens a file and checks every block of it; nothing if it was removed meanwhile, because another one has its
    /// rows.
    fn open_file(&self, events: &Range<u64>) -> Result<Option<PartCheck>, String> {
        let part = match load(self.config, self.store_id, events) {
            Ok((part, _)) => part,
            Err(_) if self.is_gone(events) => return Ok(None),
            Err(refused) => return Err(refused.to_string()),
        };
        part.check().map_err(|damaged| damaged.to_string())?;
        let hasher = foldhash::fast::FixedState::with_seed(0);
        let (events, rows, coordinates) = (events.clone(), Vec::new(), Vec::new());
        Ok(Some(PartCheck { part, events, first_row: 0, rows, coordinates, hasher }))
    }

    fn is_gone(&self, events: &Range<u64>) -> bool {
        let fs = &self.config.environment.file_system;
        let opened = fs.open(&path_of(self.config, events), crate::store::OpenMode::Read);
        matches!(opened, Err(error) if error.kind() == std::io::ErrorKind::NotFound)
    }

    #[inline]
    fn compare_open(&mut self, position: Position, event: &EventRef<'_>) -> Option<Finding> {
        let mut at = 0;
        while let Some(check) = self.open.get_mut(at) {
            let result = check.compare(position, event);
            let (is_last, is_behind) =
                (position.sequence + 1 == check.events.end, position.sequence >= check.events.end);
            match result {
                Ok(()) if is_last || is_behind => {
                    let check = self.open.swap_remove(at);
                    self.compared.push((check.events, check.part.stamp()));
                }
                Ok(()) => at += 1,
                Err(reason) => {
                    let check = self.open.swap_remove(at);
                    return Some(self.fail(&check.events, &reason));
                }
            }
        }
        None
    }

    /// What is wrong with the files once all events were read: there are `end` of them.
    pub(crate) fn finish(&mut self, segments: &[SegmentInfo], end: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        let open = self.open.drain(..).map(|check| check.events);
        for events in open.chain(self.files.drain(..)).collect::<Vec<_>>() {
            let reason = format!("it is of events up to {}, and there are {end}", events.end);
            findings.push(self.fail(&events, &reason));
        }
        for (events, stamp) in std::mem::take(&mut self.compared) {
            if stamp == stamp_of(segments, &events) {
                self.compared.push((events, stamp));
            } else {
                findings.push(self.fail(&events, &"it is of other segments"));
            }
        }
        findings
    }

    fn fail(&mut self, events: &Range<u64>, reason: &impl Display) -> Finding {
        self.failed += 1;
        let path = path_of(self.config, events);
        let reason = format!("{}: {reason}", path.display());
        let error = StoreError::Corrupt { segment: None, offset: None, reason };
        Finding { events: events.clone(), file: Some(path), ..Finding::of(Subject::Index, error) }
    }
}

impl PartCheck {
    #[inline]
    fn compare(&mut self, position: Position, event: &EventRef<'_>) -> Result<(), String> {
        let Some(number) =
            position.sequence.checked_sub(self.events.start).filter(|_| position.sequence < self.events.end)
        else {
            return Ok(());
        };
        let row = self.row(number)?;
        let is_same = row.id == event.event_id()
            && u64::from(row.offset) == position.offset
            && row.revision == event.revision()
            && row.kind == event.kind()
            && row.time == event.time()
            && self.has_coordinate(&row, event)?;
        if !is_same {
            return Err(format!("its row of event {} is not that of the event", position.sequence));
        }
        if position.sequence + 1 == self.events.end && self.part.last_hash() != event.event_hash() {
            return Err("it is of another history".to_owned());
        }
        Ok(())
    }

    /// The row with a number that is within those of the file.
    #[inline]
    fn row(&mut self, number: u64) -> Result<Row, String> {
        let in_rows = |first: u64| number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(row) = in_rows(self.first_row).and_then(|at| self.rows.get(at)) {
            return Ok(*row);
        }
        let end = (number + ROWS).min(self.events.end - self.events.start);
        let [first, end] = [number, end].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        self.rows.clear();
        self.part.read_rows(first..end, &mut self.rows).map_err(|damaged| damaged.to_string())?;
        self.first_row = number;
        self.rows.first().copied().ok_or_else(|| format!("it has no row {number}"))
    }

    /// Whether the row names the coordinate of the event. Its text is compared the first time, later its hash.
    #[inline]
    fn has_coordinate(&mut self, row: &Row, event: &EventRef<'_>) -> Result<bool, String> {
        let hash = self.hasher.hash_one((event.entity(), event.scope()));
        let number = row.coordinate as usize;
        if let Some(Some(known)) = self.coordinates.get(number) {
            return Ok(*known == hash);
        }
        let coordinate = self.part.coordinate(row.coordinate).map_err(|damaged| damaged.to_string())?;
        if self.coordinates.len() <= number {
            self.coordinates.resize(number + 1, None);
        }
        self.coordinates[number] = Some(hash);
        Ok((coordinate.entity(), coordinate.scope()) == (event.entity(), event.scope()))
    }
}
