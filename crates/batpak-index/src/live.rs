//! The live part: append-only rows in memory, read without locks while one writer adds to them.

use crate::build::Builder;
use crate::hash::Seed;
use crate::names::{Link, Name, Names};
use crate::row::{Extras, Row};
use crate::sync::{AtomicU64, Ordering};
use batpak_core::{Coordinate, EventHash, EventId, EventKind, Timestamp};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The readers' side of the live part. What of it may be seen is for the caller to say: each read names the sequences
/// that it is about.
#[derive(Debug)]
pub struct Live {
    seed: Seed,
    first: u64,
    rows: boxcar::Vec<LiveRow>,
    names: Names,
    /// Hashes of tags, ids and keys with their rows, in the order of the rows.
    marks: boxcar::Vec<(u64, u32)>,
    /// Entities that begin here.
    new_entities: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct LiveRow {
    pub(crate) row: Row,
    pub(crate) previous_in_entity: Link,
    pub(crate) previous_in_scope: Link,
}

/// What an event can be found by besides its coordinate and kind, as numbers.
pub type Marks = SmallVec<[u64; 2]>;

/// An event that is added.
#[derive(Clone, Copy, Debug)]
pub struct Added<'a> {
    /// Its id; its sequence is one more than that of the event before.
    pub id: EventId,
    /// Offset of its record in the file of its segment, in bytes.
    pub offset: u32,
    /// Position in its entity's stream.
    pub revision: u64,
    /// The wall clock when it was appended.
    pub time: Timestamp,
    /// Kind of event.
    pub kind: EventKind,
    /// What its record has beyond what stands here.
    pub extras: Extras,
    /// Its tags, ids and key, see [`Index::marks`](crate::Index::marks).
    pub marks: &'a [u64],
    /// Its idempotency key.
    pub key: Option<u128>,
}

/// How far an entity has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityHead {
    /// Number of events ever appended to it: the revision of the next one.
    pub len: u64,
    /// Sequence of the newest one, if there is one.
    pub newest: Option<u64>,
    /// Its hash, or zeros.
    pub hash: EventHash,
}

impl Default for EntityHead {
    /// An entity that nothing was ever appended to.
    fn default() -> Self {
        Self { len: 0, newest: None, hash: EventHash::GENESIS }
    }
}

/// A coordinate that a live part knows: saves looking it up again.
#[derive(Clone, Debug)]
pub struct Known {
    pub(crate) name: Arc<Name>,
    /// The first sequence of the part.
    pub(crate) first: u64,
}

impl Known {
    /// The coordinate.
    #[inline]
    pub fn coordinate(&self) -> &Coordinate {
        &self.name.coordinate
    }

    /// Whether its entity has an event in the live part that knows it.
    #[inline]
    pub fn has_events(&self) -> bool {
        self.name.entity.newest() != Link::NONE
    }
}

impl Live {
    pub(crate) fn new(seed: Seed, first: u64) -> Self {
        Self {
            seed,
            first,
            rows: boxcar::Vec::new(),
            names: Names::default(),
            marks: boxcar::Vec::new(),
            new_entities: AtomicU64::new(0),
        }
    }

    /// The sequences of its events.
    pub fn events(&self) -> Range<u64> {
        self.first..self.first + self.rows.count() as u64
    }

    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    pub(crate) fn new_entities(&self) -> u64 {
        // Relaxed, here and where it rises: a count that nothing else depends on.
        self.new_entities.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn live_row(&self, row: u32) -> Option<&LiveRow> {
        self.rows.get(row as usize)
    }

    /// The row of the event with this sequence, if it was added.
    #[inline]
    pub(crate) fn row(&self, sequence: u64) -> Option<&Row> {
        let number = u32::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.live_row(number).map(|live| &live.row)
    }

    /// The coordinate with this number.
    pub(crate) fn coordinate(&self, number: u32) -> Option<&Coordinate> {
        self.names.by_number(number).map(|name| &name.coordinate)
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The rows within `rows` that have a mark.
    pub(crate) fn marked(&self, hash: u64, rows: &Range<u32>) -> Vec<u32> {
        let (mut low, mut high) = (0, self.marks.count());
        while low < high {
            let middle = low.midpoint(high);
            let before = self.marks.get(middle).is_some_and(|(_, row)| *row < rows.start);
            if before { low = middle + 1 } else { high = middle }
        }
        let from = (low..).map_while(|item| self.marks.get(item)).take_while(|(_, row)| *row < rows.end);
        let mut found: Vec<u32> = from.filter(|(mark, _)| *mark == hash).map(|(_, row)| *row).collect();
        found.dedup();
        found
    }

    /// Looks a coordinate up.
    #[inline]
    pub fn find(&self, coordinate: &Coordinate) -> Option<Known> {
        self.names.get(coordinate).map(|name| Known { name, first: self.first })
    }

    /// The rows of a part that takes its place, once nothing is added any more.
    pub fn to_builder(&self) -> Builder {
        let mut builder = Builder::with_seed(self.seed, self.first);
        builder.names = self.names.iter().map(|name| name.coordinate.clone()).collect();
        builder.rows = self.rows.iter().map(|(_, live)| live.row).collect();
        builder.marks = self.marks.iter().map(|(_, mark)| *mark).collect();
        builder
    }
}

/// The writer's side of a live part, the only one of it.
#[derive(Debug)]
pub(crate) struct LiveWriter {
    live: Arc<Live>,
    /// By the numbers of entities; `None` as long as the entity has no event here.
    heads: Vec<Option<EntityHead>>,
    keys: HashMap<u128, u64, foldhash::quality::RandomState>,
}

impl LiveWriter {
    pub(crate) fn new(live: Arc<Live>) -> Self {
        Self { live, heads: Vec::new(), keys: HashMap::default() }
    }

    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    #[inline]
    pub(crate) fn head(&self, known: &Known) -> Option<EntityHead> {
        self.heads.get(known.name.entity.number as usize).copied().flatten()
    }

    pub(crate) fn head_of(&self, entity: &str) -> Option<EntityHead> {
        let chain = self.live.names.entity(entity)?;
        self.heads.get(chain.number as usize).copied().flatten()
    }

    #[inline]
    pub(crate) fn set_head(&mut self, known: &Known, head: Option<EntityHead>) {
        let number = known.name.entity.number as usize;
        if self.heads.len() <= number {
            self.heads.resize(number + 1, None);
        }
        self.heads[number] = head;
    }

    #[inline]
    pub(crate) fn key(&self, key: u128) -> Option<u64> {
        self.keys.get(&key).copied()
    }

    pub(crate) fn intern(&self, coordinate: &Coordinate) -> Known {
        Known { name: self.live.names.intern(coordinate), first: self.live.first }
    }

    #[inline]
    pub(crate) fn add(&mut self, known: &Known, added: &Added<'_>) {
        let (name, live) = (&known.name, &self.live);
        let number = u32::try_from(live.rows.count()).unwrap_or(u32::MAX);
        let sequence = added.id.sequence();
        debug_assert_eq!(sequence, live.first + u64::from(number), "rows are added in order");
        let row = Row {
            id: added.id,
            revision: added.revision,
            time: added.time,
            offset: added.offset,
            coordinate: name.number,
            kind: added.kind,
            extras: added.extras,
        };
        for mark in added.marks {
            live.marks.push((*mark, number));
        }
        if added.revision == 0 {
            // Relaxed: see `new_entities`.
            live.new_entities.fetch_add(1, Ordering::Relaxed);
        }
        let (previous_in_entity, previous_in_scope) = (name.entity.newest(), name.scope.newest());
        live.rows.push(LiveRow { row, previous_in_entity, previous_in_scope });
        name.entity.set_newest(Link::to(number));
        name.scope.set_newest(Link::to(number));
        if let Some(key) = added.key {
            self.keys.insert(key, sequence);
        }
    }
}
