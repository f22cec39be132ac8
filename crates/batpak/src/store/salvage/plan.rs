//! What can be saved, and what stands in the place of the rest.

use super::{LOST, Lost};
use crate::store::error::in_one_line;
use crate::store::kinds::{Table, description_in};
use crate::store::read::decode_at;
use crate::store::{StoreConfig, StoreError};
use batpak_core::{Chain, ChainError, EventHash, EventRef, KindDescription};
use batpak_segment::{Inspection, LogError, Position, Step};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::ops::ControlFlow::Continue;
use std::rc::Rc;

/// What stands in the place of a lost event.
#[derive(Clone, Debug)]
pub(super) struct Stub {
    pub(super) entity: Rc<str>,
    pub(super) revision: u64,
    /// What its event hash was, if that is proven.
    pub(super) hash: Option<EventHash>,
}

/// What is to be done.
pub(super) struct Plan {
    /// By sequence, one for each lost event before `end`.
    pub(super) stubs: BTreeMap<u64, Stub>,
    /// Events that are saved though their checksum is wrong.
    pub(super) proven: BTreeSet<u64>,
    /// What describes the kinds.
    pub(super) described: Vec<KindDescription>,
    /// One past the last event that is saved.
    pub(super) end: u64,
    pub(super) lost: Vec<Lost>,
}

pub(super) fn plan(from: &StoreConfig) -> Result<Plan, StoreError> {
    let inspection = Inspection::open(&from.environment, &from.data_dir)?;
    let mut planner = Planner::default();
    inspection.run(|step| {
        planner.step(step);
        Continue(())
    });
    planner.finish()
}

/// The end of an entity's stream.
#[derive(Debug)]
struct Stream {
    name: Rc<str>,
    chain: Chain,
    /// Sequence of its last event that is saved, or 0.
    last: u64,
    /// Number of events that were lost before it.
    lost_before: u64,
    /// What stands in the file in the place of a lost event behind it.
    claims: Vec<Claim>,
}

/// What a record that cannot be trusted says of itself.
#[derive(Clone, Copy, Debug)]
struct Claim {
    sequence: u64,
    revision: u64,
    hash: EventHash,
}

/// An event that is missing in an entity: it was one of those that are lost between two sequences.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Missing {
    before: u64,
    entity: Rc<str>,
    revision: u64,
    after: u64,
}

/// The most events that may be lost: there is a stub for each, which is planned in memory.
const LOST_MAX: u64 = 1 << 28;

#[derive(Default)]
struct Planner {
    streams: HashMap<Rc<str>, Stream, foldhash::fast::RandomState>,
    /// The sequence of the next event.
    next: u64,
    /// Number of lost events before it.
    lost_events: u64,
    lost: Vec<Lost>,
    missing: Vec<Missing>,
    /// Those of which the hash is proven.
    known: BTreeMap<u64, Stub>,
    /// Events with a wrong checksum whose hash follows.
    proven: BTreeSet<u64>,
    kinds: Table,
    segment: Option<u64>,
    /// Where something was wrong last.
    defect: Option<Lost>,
    /// Whether all that was wrong there is behind.
    is_behind: bool,
}

impl Planner {
    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Segment(number) => self.segment = Some(number),
            Step::Record(position, bytes) => self.record(position, bytes),
            Step::Broken(position, bytes) => self.broken(position, bytes),
            Step::Defect(error) => self.defect(error),
            Step::FrameRecord(position, record_type, body) => {
                // One that cannot be read is as one that is not there: the next typed event of the kind describes it.
                if let Ok(Some(described)) = description_in(position, record_type, body) {
                    self.kinds.add(described);
                }
            }
        }
    }

    fn defect(&mut self, error: LogError) {
        let error = StoreError::from(error);
        let (segment, offset) = match &error {
            StoreError::Corrupt { segment, offset, .. } => (*segment, *offset),
            _ => (self.segment, None),
        };
        if self.defect.is_none() || self.is_behind {
            self.defect = Some(Lost { first: 0, count: None, segment, offset, reason: in_one_line(&error) });
            self.is_behind = false;
        }
    }

    fn record(&mut self, position: Position, bytes: &[u8]) {
        // What stands behind a later event is a copy or a forgery, and the later one is saved.
        if position.sequence < self.next {
            return;
        }
        self.pass_to(position.sequence);
        self.is_behind = true;
        self.next = position.sequence + 1;
        let result = decode_at(position, bytes).and_then(|event| self.event(&event, true));
        if let Err(error) = result {
            let reason = in_one_line(&error);
            self.lose(
                1,
                Lost {
                    first: position.sequence,
                    segment: self.segment,
                    offset: Some(position.offset),
                    count: None,
                    reason,
                },
            );
        }
    }

    /// What has a wrong checksum is taken only if its hash follows.
    fn broken(&mut self, position: Position, bytes: &[u8]) {
        if position.sequence < self.next {
            return;
        }
        self.is_behind = false;
        let Ok(event) = decode_at(position, bytes) else { return };
        if self.follows(&event) {
            self.pass_to(position.sequence);
            self.next = position.sequence + 1;
            self.is_behind = true;
            let taken = self.event(&event, false);
            self.proven.extend(taken.ok().map(|()| position.sequence));
        } else {
            self.claim(&event);
        }
    }

    /// Whether an event is proven to be as it was written.
    fn follows(&self, event: &EventRef<'_>) -> bool {
        let mut chain = self.streams.get(event.entity()).map_or_else(Chain::new, |stream| stream.chain);
        event.content().payload().is_some() && chain.link(event).is_ok()
    }

    /// The events up to `end` are lost.
    fn pass_to(&mut self, end: u64) {
        let Some(count) = end.checked_sub(self.next).filter(|count| *count > 0) else { return };
        let unknown = || Lost {
            first: 0,
            count: None,
            segment: self.segment,
            offset: None,
            reason: "they are not there".to_owned(),
        };
        let lost = self.defect.clone().unwrap_or_else(unknown);
        self.lose(count, Lost { first: self.next, ..lost });
    }

    fn lose(&mut self, count: u64, lost: Lost) {
        self.lost_events += count;
        self.lost.push(Lost { count: Some(count), ..lost });
    }

    /// Takes an event, if it follows.
    fn event(&mut self, event: &EventRef<'_>, may_follow_lost: bool) -> Result<(), StoreError> {
        let lost_events = self.lost_events;
        let stream = stream_of(&mut self.streams, event.entity());
        if let Err(source) = stream.chain.link(event) {
            let gap = event.revision().saturating_sub(stream.chain.next_revision());
            let is_gap = matches!(source, ChainError::Revision { .. }) && gap > 0;
            if !is_gap || !may_follow_lost || gap > lost_events - stream.lost_before {
                let (sequence, entity) = (event.sequence(), event.entity().to_owned());
                self.claim(event);
                return Err(StoreError::Chain { sequence, entity, source: Box::new(source) });
            }
            self.follow_lost(event);
        }
        let stream = stream_of(&mut self.streams, event.entity());
        stream.chain = Chain::after(event.revision(), event.event_hash());
        (stream.last, stream.lost_before) = (event.sequence(), lost_events);
        stream.claims.clear();
        Ok(())
    }

    /// Remembers what a record says that cannot be trusted.
    fn claim(&mut self, event: &EventRef<'_>) {
        let claim = Claim { sequence: event.sequence(), revision: event.revision(), hash: event.event_hash() };
        if let Some(stream) = self.streams.get_mut(event.entity()) {
            stream.claims.push(claim);
        } else if claim.revision == 0 {
            stream_of(&mut self.streams, event.entity()).claims.push(claim);
        }
    }

    /// The events of this entity before `event` are missing. The last of them is known if its hash makes that of `event`.
    fn follow_lost(&mut self, event: &EventRef<'_>) {
        let Some(stream) = self.streams.get(event.entity()) else { return };
        let before = event.revision().checked_sub(1);
        let is_followed = |claim: &&Claim| Some(claim.revision) == before && event.verify(&claim.hash).is_ok();
        let proven = stream.claims.iter().find(is_followed).copied();
        let end = proven.map_or(event.revision(), |claim| claim.revision);
        let after = if stream.chain == Chain::new() { None } else { Some(stream.last) };
        let name = &stream.name;
        let before = proven.map_or(event.sequence(), |claim| claim.sequence);
        self.missing.extend((stream.chain.next_revision()..end).map(|revision| Missing {
            before,
            entity: Rc::clone(name),
            revision,
            after: after.map_or(0, |last| last + 1),
        }));
        if let Some(Claim { sequence, revision, hash }) = proven {
            self.known.insert(sequence, Stub { entity: Rc::clone(name), revision, hash: Some(hash) });
        }
    }

    fn finish(mut self) -> Result<Plan, StoreError> {
        if let Some(lost) = self.defect.take().filter(|_| !self.is_behind) {
            self.lost.push(Lost { first: self.next, ..lost });
        }
        let stubs = self.place()?;
        let described = self.kinds.before(u64::MAX).map(|described| described.description.clone()).collect();
        Ok(Plan { stubs, proven: self.proven, described, end: self.next, lost: self.lost })
    }

    /// Finds a place for each missing event among those that are lost. Where there is a way to place them all, taking at
    /// each place the one that must come first is one.
    fn place(&mut self) -> Result<BTreeMap<u64, Stub>, StoreError> {
        if self.lost_events > LOST_MAX {
            return Err(StoreError::TooLarge { field: "lost events", limit: LOST_MAX, value: self.lost_events });
        }
        let mut known = std::mem::take(&mut self.known);
        let mut stubs = BTreeMap::new();
        let mut missing = std::mem::take(&mut self.missing);
        missing.sort_unstable_by_key(|missing| Reverse(missing.after));
        let mut ready = BinaryHeap::new();
        let (unknown, mut unknown_events) = (self.name_of_unknown(), 0);
        let lost = self.lost.iter().flat_map(|lost| lost.first..lost.first + lost.count.unwrap_or(0));
        for sequence in lost {
            while let Some(next) = missing.pop_if(|missing| missing.after <= sequence) {
                ready.push(Reverse(next));
            }
            if let Some(stub) = known.remove(&sequence) {
                stubs.insert(sequence, stub);
                continue;
            }
            let stub = match ready.pop() {
                Some(Reverse(Missing { entity, revision, before, .. })) if sequence < before => {
                    Stub { entity, revision, hash: None }
                }
                Some(Reverse(missing)) => return Err(no_place(&missing)),
                None => {
                    unknown_events += 1;
                    Stub { entity: Rc::clone(&unknown), revision: unknown_events - 1, hash: None }
                }
            };
            stubs.insert(sequence, stub);
        }
        if let Some((sequence, _)) = known.pop_first() {
            let reason = format!("event {sequence} is there twice");
            return Err(StoreError::Corrupt { segment: None, offset: None, reason });
        }
        match ready.pop().map(|Reverse(missing)| missing).or(missing.pop()) {
            Some(missing) => Err(no_place(&missing)),
            None => Ok(stubs),
        }
    }

    /// The entity of events of which the entity is not known: one that there is not, as there is in a store that was
    /// salvaged before.
    fn name_of_unknown(&self) -> Rc<str> {
        let mut name = Rc::<str>::from(LOST);
        for number in 1_u64.. {
            if !self.streams.contains_key(&name) {
                break;
            }
            name = format!("{LOST}.{number}").into();
        }
        name
    }
}

fn stream_of<'s>(
    streams: &'s mut HashMap<Rc<str>, Stream, foldhash::fast::RandomState>,
    entity: &str,
) -> &'s mut Stream {
    let name = streams.get_key_value(entity).map_or_else(|| entity.into(), |(name, _)| Rc::clone(name));
    let new = |name: &Rc<str>| Stream {
        name: Rc::clone(name),
        chain: Chain::new(),
        last: 0,
        lost_before: 0,
        claims: Vec::new(),
    };
    streams.entry(name).or_insert_with_key(new)
}

fn no_place(missing: &Missing) -> StoreError {
    let Missing { entity, revision, after, before } = missing;
    let reason =
        format!("revision {revision} of {entity} is missing, and no event between {after} and {before} is lost");
    StoreError::Corrupt { segment: None, offset: None, reason }
}
