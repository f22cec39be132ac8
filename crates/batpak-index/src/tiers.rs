//! All of the index: parts that do not change, one behind the other, and behind them what is live.

use crate::blocks::Damaged;
use crate::cursor::Cursor;
use crate::hash::Seed;
use crate::live::{Added, EntityHead, Known, Live, LiveWriter, Marks};
use crate::matches::Matches;
use crate::part::Part;
use crate::row::{Direction, Extras, Row};
use crate::sync::{ArcSwap, Guard};
use batpak_core::{Clause, Coordinate, EventId, EventRef, Region};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The tiers of an index at one moment. They follow each other from the first event on.
#[derive(Debug)]
pub struct Tiers {
    tiers: Vec<Tier>,
    /// How many of them are parts; they come first.
    parts: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Tier {
    Part(Arc<Part>),
    Live(Arc<Live>),
}

impl Tier {
    pub(crate) fn events(&self) -> Range<u64> {
        match self {
            Self::Part(part) => part.events(),
            Self::Live(live) => live.events(),
        }
    }

    fn new_entities(&self) -> u64 {
        match self {
            Self::Part(part) => part.new_entities(),
            Self::Live(live) => live.new_entities(),
        }
    }

    fn row(&self, sequence: u64) -> Result<Option<Row>, Damaged> {
        match self {
            Self::Live(live) => Ok(live.row(sequence).copied()),
            Self::Part(part) => {
                let number = sequence.checked_sub(part.events().start).and_then(|row| u32::try_from(row).ok());
                number.filter(|row| *row < part.rows()).map(|row| part.row(row)).transpose()
            }
        }
    }
}

impl Tiers {
    fn new(tiers: Vec<Tier>) -> Self {
        let parts = tiers.iter().take_while(|tier| matches!(tier, Tier::Part(_))).count();
        Self { tiers, parts }
    }

    pub(crate) fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &Arc<Part>> {
        self.tiers[..self.parts].iter().filter_map(|tier| match tier {
            Tier::Part(part) => Some(part),
            Tier::Live(_) => None,
        })
    }

    /// One past the last event that is in a part.
    #[inline]
    pub fn frozen_end(&self) -> u64 {
        self.parts().next_back().map_or(0, |part| part.events().end)
    }

    /// The live parts, in order: the last one grows, the others wait to be frozen.
    pub fn live(&self) -> impl DoubleEndedIterator<Item = &Arc<Live>> {
        self.tiers[self.parts..].iter().filter_map(|tier| match tier {
            Tier::Live(live) => Some(live),
            Tier::Part(_) => None,
        })
    }

    /// One past the last event.
    pub fn end(&self) -> u64 {
        self.tiers.last().map_or(0, |tier| tier.events().end)
    }

    /// Number of entities that have an event, also such that may not be seen yet.
    pub fn entity_count(&self) -> u64 {
        self.tiers.iter().map(Tier::new_entities).sum()
    }

    /// Which tier holds an event, if it may.
    pub(crate) fn tier_of(&self, sequence: u64) -> Option<usize> {
        let live = self.tiers[self.parts..].iter().rposition(|tier| tier.events().start <= sequence);
        let tier = match live {
            Some(live) => self.parts + live,
            None => self.tiers[..self.parts].partition_point(|tier| tier.events().end <= sequence),
        };
        self.tiers.get(tier).filter(|tier| tier.events().contains(&sequence)).map(|_| tier)
    }

    /// The row of an event; `None` if there is no such event.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn row(&self, sequence: u64) -> Result<Option<Row>, Damaged> {
        self.tier_of(sequence).map_or(Ok(None), |tier| self.tiers[tier].row(sequence))
    }

    /// The coordinate of an event; `None` if there is no such event.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn coordinate(&self, sequence: u64) -> Result<Option<Coordinate>, Damaged> {
        let Some(tier) = self.tier_of(sequence) else { return Ok(None) };
        let Some(row) = self.tiers[tier].row(sequence)? else { return Ok(None) };
        match &self.tiers[tier] {
            Tier::Live(live) => Ok(live.coordinate(row.coordinate).cloned()),
            Tier::Part(part) => part.coordinate(row.coordinate).map(Some),
        }
    }

    /// The rows within `range` that may belong to `region`.
    pub fn matches(self: &Arc<Self>, region: &Region, range: Range<u64>, direction: Direction) -> Matches {
        Matches::new(Arc::clone(self), region, range, direction)
    }

    /// The newest row of an entity in any part, what is live left out.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn newest_frozen(&self, entity: &str) -> Result<Option<Row>, Damaged> {
        let Some(hash) = self.parts().next().map(|part| part.seed().entity(entity)) else { return Ok(None) };
        self.touch(hash);
        for part in self.parts().rev() {
            let postings = part.find(hash)?;
            let mut rows = Cursor::new(part, postings, &(0..part.rows()))?;
            while let Some(number) = rows.next(part, Direction::Backward)? {
                let row = part.row(number)?;
                if part.name(row.coordinate)?.0 == entity {
                    return Ok(Some(row));
                }
            }
        }
        Ok(None)
    }

    /// Looks at where a hash is looked up in all parts: one after the other would wait for the memory in each.
    fn touch(&self, hash: u64) {
        if self.parts > 1 {
            self.parts().for_each(|part| part.touch_bucket(hash));
            self.parts().for_each(|part| part.touch_entries(hash));
        }
    }

    /// The rows in all parts that may have an idempotency key: their records tell.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn frozen_with_key(&self, key: u128) -> Result<Vec<Row>, Damaged> {
        let mut found = Vec::new();
        let Some(hash) = self.parts().next().map(|part| part.seed().key(key)) else { return Ok(found) };
        self.touch(hash);
        for part in self.parts().rev() {
            let postings = part.find(hash)?;
            let mut rows = Cursor::new(part, postings, &(0..part.rows()))?;
            while let Some(number) = rows.next(part, Direction::Forward)? {
                found.push(part.row(number)?);
            }
        }
        Ok(found)
    }
}

impl Live {
    /// The first of the marks that every row of a clause has, if there is one.
    pub(crate) fn mark_of(&self, clause: &Clause) -> Option<u64> {
        let seed = self.seed();
        let tag = clause.tags().first().map(|tag| seed.tag(tag));
        let correlation = || clause.correlation_id().map(|id| seed.correlation(id));
        let causation = || clause.causation_id().map(|id| seed.causation(id));
        causation().or_else(correlation).or(tag)
    }
}

/// An index that is read by any number of threads.
#[derive(Debug)]
pub struct Index {
    seed: Seed,
    tiers: ArcSwap<Tiers>,
    /// Held by who makes new tiers of those that there are.
    changing: Mutex<()>,
}

impl Index {
    /// An index of these parts, which follow each other from the first event on, and of nothing that is live, and the
    /// side that adds to it.
    pub fn new(store_id: [u8; 16], parts: Vec<Arc<Part>>) -> (Arc<Self>, IndexWriter) {
        let tiers = ArcSwap::from_pointee(Tiers::new(Vec::new()));
        let index = Arc::new(Self { seed: Seed::of(store_id), tiers, changing: Mutex::default() });
        let writer = index.reset(parts);
        (index, writer)
    }

    /// What there is now, for a moment.
    #[inline]
    pub fn tiers(&self) -> Guard<Arc<Tiers>> {
        self.tiers.load()
    }

    /// What there is now, to keep.
    pub fn snapshot(&self) -> Arc<Tiers> {
        self.tiers.load_full()
    }

    /// Looks a coordinate up in the live part that grows.
    #[inline]
    pub fn find(&self, coordinate: &Coordinate) -> Option<Known> {
        self.tiers().live().next_back().and_then(|live| live.find(coordinate))
    }

    /// What an event can be found by besides coordinate and kind.
    pub fn marks<'t>(
        &self,
        tags: impl Iterator<Item = &'t str>,
        correlation: Option<EventId>,
        causation: Option<EventId>,
        key: Option<u128>,
    ) -> Marks {
        let seed = self.seed;
        let ids = [
            correlation.map(|id| seed.correlation(id)),
            causation.map(|id| seed.causation(id)),
            key.map(|key| seed.key(key)),
        ];
        ids.into_iter().flatten().chain(tags.map(|tag| seed.tag(tag))).collect()
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `by` in the place of the tiers that hold exactly the same events. False if there are none, because they
    /// were replaced meanwhile.
    pub fn replace(&self, by: &[Arc<Part>]) -> bool {
        let (Some(first), Some(last)) = (by.first(), by.last()) else { return false };
        let (start, end) = (first.events().start, last.events().end);
        let _changing = self.changing();
        let tiers = self.tiers.load();
        let from = tiers.tiers.iter().position(|tier| tier.events().start == start);
        // What grows is not replaced.
        let ended = tiers.tiers.len() - 1;
        let to = tiers.tiers[..ended].iter().rposition(|tier| tier.events().end == end);
        let (Some(from), Some(to)) = (from, to.map(|to| to + 1)) else { return false };
        let parts = by.iter().cloned().map(Tier::Part);
        let rest = &tiers.tiers[to..];
        let new = tiers.tiers[..from].iter().cloned().chain(parts).chain(rest.iter().cloned()).collect();
        self.tiers.store(Arc::new(Tiers::new(new)));
        true
    }

    /// Puts other parts, which hold as much or more, in the place of everything, and returns the side that adds behind
    /// them. The side that did before must not be used any more.
    pub fn reset(self: &Arc<Self>, parts: Vec<Arc<Part>>) -> IndexWriter {
        let _changing = self.changing();
        let first = parts.last().map_or(0, |part| part.events().end);
        let live = Arc::new(Live::new(self.seed, first));
        let tiers = parts.into_iter().map(Tier::Part).chain([Tier::Live(Arc::clone(&live))]).collect();
        self.tiers.store(Arc::new(Tiers::new(tiers)));
        IndexWriter { index: Arc::clone(self), current: LiveWriter::new(live), before: Vec::new() }
    }

    fn push(&self, live: Arc<Live>) {
        let _changing = self.changing();
        let mut tiers = self.tiers.load().tiers.clone();
        tiers.push(Tier::Live(live));
        self.tiers.store(Arc::new(Tiers::new(tiers)));
    }
}

/// The side that adds to an index, the only one of it.
#[derive(Debug)]
pub struct IndexWriter {
    index: Arc<Index>,
    current: LiveWriter,
    /// Those of live parts that were not frozen when it was asked last.
    before: Vec<LiveWriter>,
}

impl IndexWriter {
    /// The side that can be shared.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// One past the last event.
    pub fn end(&self) -> u64 {
        self.current.live().events().end
    }

    /// Ends the live part, which can be frozen then, and begins another one. One without events goes on: what is known
    /// of it is told from what is known of others by its first event.
    pub fn begin_live(&mut self) {
        if self.current.live().events().is_empty() {
            return;
        }
        let live = Arc::new(Live::new(self.index.seed, self.end()));
        self.index.push(Arc::clone(&live));
        let before = std::mem::replace(&mut self.current, LiveWriter::new(live));
        self.before.push(before);
        self.forget_frozen();
    }

    /// Lets go of what is in parts by now.
    pub fn forget_frozen(&mut self) {
        let end = self.index.tiers().frozen_end();
        self.before.retain(|writer| writer.live().events().start >= end);
    }

    /// One past the last event that is in a part.
    #[inline]
    pub fn frozen_end(&self) -> u64 {
        self.index.tiers().frozen_end()
    }

    /// Makes a coordinate known.
    #[inline]
    pub fn intern(&mut self, coordinate: &Coordinate) -> Known {
        self.current.intern(coordinate)
    }

    /// Whether the coordinate is one of the live part that grows now.
    #[inline]
    pub fn is_current(&self, known: &Known) -> bool {
        known.first == self.current.live().events().start
    }

    /// The coordinate as the live part knows it that grows now.
    #[inline]
    pub fn renew(&mut self, known: &Known) -> Known {
        if self.is_current(known) { known.clone() } else { self.intern(known.coordinate()) }
    }

    /// How far the entity of a coordinate has come, if it has an event that is in no part. The coordinate is one of
    /// the live part that grows.
    #[inline]
    pub fn head(&self, known: &Known) -> Option<EntityHead> {
        self.current.head(known).or_else(|| self.head_before(known))
    }

    fn head_before(&self, known: &Known) -> Option<EntityHead> {
        self.before.iter().rev().find_map(|writer| writer.head_of(known.coordinate().entity()))
    }

    /// Says how far the entity of a coordinate has come; `None` if nothing was appended to it since the live part
    /// began.
    #[inline]
    pub fn set_head(&mut self, known: &Known, head: Option<EntityHead>) {
        self.current.set_head(known, head);
    }

    /// How far the entity has come within the live part that grows.
    #[inline]
    pub fn own_head(&self, known: &Known) -> Option<EntityHead> {
        self.current.head(known)
    }

    /// The event with this idempotency key, if there is one that is in no part.
    #[inline]
    pub fn key(&self, key: u128) -> Option<u64> {
        self.current.key(key).or_else(|| self.before.iter().rev().find_map(|writer| writer.key(key)))
    }

    /// Adds the event of a record that was read at `offset`, to be found but not appended to.
    pub fn add_record(&mut self, event: &EventRef<'_>, offset: u32) {
        let (correlation, causation) = (event.correlation_id(), event.causation_id());
        let marks = self.index.marks(event.tags(), correlation, causation, event.idempotency_key());
        let added = Added {
            id: event.event_id(),
            offset,
            revision: event.revision(),
            time: event.time(),
            kind: event.kind(),
            extras: Extras::of(event),
            marks: &marks,
            key: None,
        };
        let known = self.intern(&event.coordinate());
        self.add(&known, &added);
    }

    /// Adds the row of an event. Its entity's head is set by itself, with [`set_head`](Self::set_head).
    #[inline]
    pub fn add(&mut self, known: &Known, added: &Added<'_>) {
        self.current.add(known, added);
    }
}
