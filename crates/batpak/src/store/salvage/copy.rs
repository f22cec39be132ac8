//! Writing the new store: what was saved, and stubs.

use super::plan::{Plan, Stub};
use super::{LOST, Rehashed, SalvageReport};
use crate::store::kinds::push_description;
use crate::store::read::decode_at;
use crate::store::{StoreConfig, StoreError};
use batpak_core::{Coordinate, EventHash, EventId, EventRef, KindDescription, write_lost};
use batpak_segment::{Frame, Inspection, Log, LogConfig, Position, Step, Unrecovered};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::ops::ControlFlow::{Break, Continue};

/// A commit of the new store is written when it is as long as this, in bytes, or as an eighth of a segment.
const FRAME_BYTES: u64 = 1 << 20;

pub(super) fn copy(from: &StoreConfig, into: &StoreConfig, plan: Plan) -> Result<SalvageReport, StoreError> {
    let inspection = Inspection::open(&from.environment, &from.data_dir)?;
    // What stands in one segment of the old store is never too large for this one.
    let config = LogConfig { frame_max_bytes: 1 << 30, ..into.log_config() };
    let (log, _) = Unrecovered::open(into.environment.clone(), &into.data_dir, config)?.recover()?;
    let mut copier = Copier {
        log: &log,
        frame: Frame::new(),
        frame_bytes: FRAME_BYTES.min(into.segment_max_bytes / 8),
        stubs: plan.stubs,
        proven: plan.proven,
        described: plan.described,
        next: 0,
        end: plan.end,
        millis: 0,
        relinked: HashMap::default(),
        report: SalvageReport { lost: plan.lost, ..SalvageReport::default() },
    };
    let mut result = Ok(());
    inspection.run(|step| {
        result = copier.step(&step);
        if result.is_ok() { Continue(()) } else { Break(()) }
    });
    result?;
    let report = copier.finish()?;
    log.close()?;
    Ok(report)
}

struct Copier<'l> {
    log: &'l Log,
    frame: Frame,
    frame_bytes: u64,
    stubs: BTreeMap<u64, Stub>,
    proven: BTreeSet<u64>,
    /// What describes the kinds: it stands beside the first event.
    described: Vec<KindDescription>,
    next: u64,
    end: u64,
    /// The millisecond in the last id.
    millis: u64,
    /// The entities whose next event has to link to another hash than it did.
    relinked: HashMap<String, Relinked, foldhash::fast::RandomState>,
    report: SalvageReport,
}

/// An entity behind a stub of which the hash is not known.
struct Relinked {
    previous: EventHash,
    /// Whether the report tells of it.
    is_told: bool,
}

impl Copier<'_> {
    fn step(&mut self, step: &Step<'_>) -> Result<(), StoreError> {
        let (position, bytes) = match *step {
            Step::Record(position, bytes) => (position, bytes),
            Step::Broken(position, bytes) if self.proven.contains(&position.sequence) => (position, bytes),
            _ => return Ok(()),
        };
        let is_lost = self.stubs.contains_key(&position.sequence);
        if is_lost || position.sequence < self.next || position.sequence >= self.end {
            return Ok(());
        }
        self.fill(position.sequence)?;
        self.save(position, bytes)
    }

    fn finish(mut self) -> Result<SalvageReport, StoreError> {
        self.fill(self.end)?;
        self.write()?;
        Ok(self.report)
    }

    /// Puts stubs in the place of all events up to `end`.
    fn fill(&mut self, end: u64) -> Result<(), StoreError> {
        while self.next < end {
            let stub = self.stubs.remove(&self.next).ok_or_else(|| changed(self.next))?;
            self.put_stub(&stub)?;
        }
        Ok(())
    }

    fn put_stub(&mut self, stub: &Stub) -> Result<(), StoreError> {
        let id = EventId::compose(self.millis, self.next, 0).map_err(|error| of_id(&error))?;
        let hash = stub.hash.unwrap_or(EventHash::GENESIS);
        // An entity was a valid name in the old store.
        let coordinate = Coordinate::new(&*stub.entity, LOST).map_err(|error| of_id(&error))?;
        self.put(|out| write_lost(&coordinate, id, stub.revision, hash, out))?;
        if stub.hash.is_some() {
            self.relinked.remove(&*stub.entity);
        } else {
            let relinked = self.relinked.entry(String::from(&*stub.entity));
            relinked.or_insert(Relinked { previous: hash, is_told: false }).previous = hash;
        }
        Ok(())
    }

    fn save(&mut self, position: Position, bytes: &[u8]) -> Result<(), StoreError> {
        let event = decode_at(position, bytes)?;
        self.millis = event.event_id().millis();
        self.report.events += 1;
        let Some(relinked) = self.relinked.get_mut(event.entity()) else {
            return self.put(|out| out.extend_from_slice(bytes));
        };
        if event.compute_event_hash(&relinked.previous).is_none() {
            // Of a dropped event the hash is what it was, and what follows it too.
            self.relinked.remove(event.entity());
            return self.put(|out| out.extend_from_slice(bytes));
        }
        let previous = relinked.previous;
        if !std::mem::replace(&mut relinked.is_told, true) {
            let (entity, first) = (event.entity().to_owned(), event.sequence());
            self.report.rehashed.push(Rehashed { entity, first });
        }
        let hash = self.put(|out| event.write_relinked(&previous, out))?;
        self.relinked_to(&event, hash);
        Ok(())
    }

    fn relinked_to(&mut self, event: &EventRef<'_>, hash: EventHash) {
        if let Some(relinked) = self.relinked.get_mut(event.entity()) {
            relinked.previous = hash;
        }
    }

    /// Adds the record that `write` appends.
    fn put<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> Result<T, StoreError> {
        for description in self.described.drain(..) {
            push_description(&mut self.frame, &description)?;
        }
        let Ok(written) = self.frame.push_with(|out| Ok::<_, Infallible>(write(out)));
        self.next += 1;
        if self.frame.encoded_len() >= self.frame_bytes {
            self.write()?;
        }
        Ok(written)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        if !self.frame.is_empty() {
            self.log.append_frame(&mut self.frame)?;
            self.frame.clear();
        }
        Ok(())
    }
}

fn changed(sequence: u64) -> StoreError {
    let reason = format!("event {sequence} was there a moment ago: the store was changed while it was read");
    StoreError::Corrupt { segment: None, offset: None, reason }
}

/// What was read of an event is past a limit.
fn of_id(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { segment: None, offset: None, reason: error.to_string() }
}
