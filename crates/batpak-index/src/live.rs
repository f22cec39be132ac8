//! The index in memory: append-only rows, read without locks while one writer adds to them.

use crate::layout::SavedRow;
use crate::matches::{Direction, Matches};
use crate::names::{Name, Names};
use crate::row::{Extras, Link, Row};
use batpak_core::{Coordinate, EventHash, EventId, EventKind, EventRef, Region, Timestamp};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The readers' side. What of it may be seen is for the caller to say: each read names the sequences it is about.
#[derive(Debug, Default)]
pub struct Live {
    rows: boxcar::Vec<Row>,
    names: Names,
    /// Entities that have an event. Relaxed: a count that nothing else depends on.
    entities: AtomicU64,
}

/// An event that is added.
#[derive(Clone, Copy, Debug)]
pub struct Added {
    /// Its id; its sequence is one more than that of the event before.
    pub id: EventId,
    /// Offset of its record in the file of its segment, in bytes.
    pub offset: u64,
    /// Position in its entity's stream.
    pub revision: u64,
    /// The wall clock when it was appended.
    pub time: Timestamp,
    /// Kind of event.
    pub kind: EventKind,
    /// What its record has beyond what stands here.
    pub extras: Extras,
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

/// A coordinate that the index knows: saves looking it up again.
#[derive(Clone, Debug)]
pub struct Known(Arc<Name>);

impl Known {
    /// The coordinate.
    #[inline]
    pub fn coordinate(&self) -> &Coordinate {
        &self.0.coordinate
    }
}

/// The writer's side, the only one of its index.
#[derive(Debug, Default)]
pub struct LiveWriter {
    live: Arc<Live>,
    heads: Vec<EntityHead>,
    keys: HashMap<u128, u64, foldhash::quality::RandomState>,
}

impl Live {
    /// The row of the event with this sequence, if it was added.
    #[inline]
    pub fn row(&self, sequence: u64) -> Option<&Row> {
        self.rows.get(usize::try_from(sequence).ok()?)
    }

    /// Number of rows.
    pub fn len(&self) -> u64 {
        self.rows.count() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of entities that have an event.
    pub fn entity_count(&self) -> u64 {
        self.entities.load(Ordering::Relaxed)
    }

    fn push(&self, row: Row) {
        if row.revision == 0 {
            self.entities.fetch_add(1, Ordering::Relaxed);
        }
        self.rows.push(row);
    }

    /// The coordinate with this number.
    pub fn coordinate(&self, number: u32) -> Option<&Coordinate> {
        self.names.by_number(number).map(|name| &name.coordinate)
    }

    /// Looks a coordinate up.
    #[inline]
    pub fn find(&self, coordinate: &Coordinate) -> Option<Known> {
        self.names.get(coordinate).map(Known)
    }

    /// The rows within `range` that may belong to `region`, in the order of their sequence or against it. Where
    /// [`Matches::needs_record`] says so the record has to be asked too.
    pub fn matches(self: &Arc<Self>, region: &Region, range: Range<u64>, direction: Direction) -> Matches {
        Matches::new(Arc::clone(self), region, range, direction)
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().map(|(_, row)| row)
    }
}

impl LiveWriter {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// The side that can be shared with readers.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// How far the entity of a coordinate has come.
    #[inline]
    pub fn head(&self, known: &Known) -> EntityHead {
        self.heads.get(known.0.entity.number as usize).copied().unwrap_or_default()
    }

    /// Says how far the entity of a coordinate has come. A commit that is refused after all puts the old head back.
    #[inline]
    pub fn set_head(&mut self, known: &Known, head: EntityHead) {
        let number = known.0.entity.number as usize;
        if self.heads.len() <= number {
            self.heads.resize(number + 1, EntityHead::default());
        }
        self.heads[number] = head;
    }

    /// The event that has this idempotency key.
    #[inline]
    pub fn key(&self, key: u128) -> Option<u64> {
        self.keys.get(&key).copied()
    }

    /// Makes a coordinate known.
    pub fn intern(&mut self, coordinate: &Coordinate) -> Known {
        Known(self.live.names.intern(coordinate))
    }

    /// Adds the row of an event. Its entity's head is set by itself, with [`set_head`](Self::set_head).
    #[inline]
    pub fn add(&mut self, known: &Known, added: &Added) {
        let name = &known.0;
        let sequence = added.id.sequence();
        debug_assert_eq!(sequence, self.live.len(), "rows are added in order");
        self.live.push(Row {
            id: added.id,
            offset: added.offset,
            revision: added.revision,
            time: added.time,
            coordinate: name.number,
            kind: added.kind,
            extras: added.extras,
            previous_in_entity: name.entity.newest(),
            previous_in_scope: name.scope.newest(),
        });
        name.entity.set_newest(Link::to(sequence));
        name.scope.set_newest(Link::to(sequence));
        if let Some(key) = added.key {
            self.keys.insert(key, sequence);
        }
    }

    /// Adds the event of a record that was read at `offset`.
    pub fn add_record(&mut self, event: &EventRef<'_>, offset: u64) {
        let known = self.intern(&event.coordinate());
        let added = Added {
            id: event.event_id(),
            offset,
            revision: event.revision(),
            time: event.time(),
            kind: event.kind(),
            extras: Extras::of(event),
            key: event.idempotency_key(),
        };
        self.add(&known, &added);
        let (len, newest, hash) = (event.revision() + 1, Some(event.sequence()), event.event_hash());
        self.set_head(&known, EntityHead { len, newest, hash });
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (u128, u64)> {
        self.keys.iter().map(|(key, sequence)| (*key, *sequence))
    }

    pub(crate) fn heads(&self) -> &[EntityHead] {
        &self.heads
    }

    /// Puts back a coordinate, before any row, and the hash of its entity's newest event.
    pub(crate) fn restore_name(&mut self, coordinate: &Coordinate, hash: EventHash) {
        let known = self.intern(coordinate);
        self.set_head(&known, EntityHead { hash, ..EntityHead::default() });
    }

    /// Puts back a row behind those that are there. False if it does not belong there.
    pub(crate) fn restore_row(&mut self, row: &SavedRow) -> bool {
        let Some(name) = self.live.names.by_number(row.coordinate) else { return false };
        let known = Known(Arc::clone(name));
        let head = self.head(&known);
        let sequence = row.id.sequence();
        if sequence != self.live.len() || row.revision != head.len {
            return false;
        }
        let SavedRow { id, offset, revision, time, kind, extras, .. } = *row;
        self.add(&known, &Added { id, offset, revision, time, kind, extras, key: None });
        self.set_head(&known, EntityHead { len: revision + 1, newest: Some(sequence), hash: head.hash });
        true
    }

    pub(crate) fn restore_keys(&mut self, keys: impl Iterator<Item = (u128, u64)>) {
        self.keys.extend(keys);
    }
}
