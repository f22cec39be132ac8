//! Indexes to test with, beside all that was put into them.

use batpak_core::{Coordinate, EventHash, EventId, EventKind, Region, RowFacts, Timestamp};
use batpak_index::{About, Added, Direction, EntityHead, Extras, Index, IndexWriter, Matches, Part, Row, Tiers, merge};
use std::ops::Range;
use std::sync::Arc;

#[path = "../random.rs"]
mod random;
pub(crate) use random::Random;

pub(crate) const KIND: EventKind = EventKind::custom(1, 1);
pub(crate) const KINDS: [EventKind; 3] = [KIND, EventKind::custom(1, 2), EventKind::custom(2, 1)];
pub(crate) const ENTITIES: [&str; 6] = ["a", "a:1", "a:10", "b", "c", "ä"];
pub(crate) const SCOPES: [&str; 3] = ["x", "y", "x:1"];
pub(crate) const TAGS: [&str; 3] = ["red", "green", "blue"];
pub(crate) const STORE: [u8; 16] = [7; 16];

/// One of a few that have many events, or of many that have a few.
pub(crate) fn random_entity(random: &mut Random) -> String {
    if random.chance(50) { (*random.pick(&ENTITIES)).to_owned() } else { format!("d:{}", random.below(40)) }
}

pub(crate) fn at(entity: &str, scope: &str) -> Coordinate {
    Coordinate::new(entity, scope).expect("a coordinate")
}

pub(crate) fn hash(sequence: u64) -> EventHash {
    let mut bytes = [9; 32];
    for (byte, shift) in bytes.iter_mut().zip([0, 8, 16]) {
        *byte = u8::try_from(sequence >> shift & 0xFF).expect("a byte");
    }
    EventHash::from_bytes(bytes)
}

pub(crate) fn about(end: u64) -> About {
    About { store_id: STORE, stamp: end, last_hash: hash(end - 1) }
}

pub(crate) fn open(bytes: Vec<u8>) -> Part {
    Part::open(Box::new(bytes), STORE).expect("a part")
}

/// What an event says that an index can be asked about.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) coordinate: Coordinate,
    pub(crate) kind: EventKind,
    pub(crate) time: Timestamp,
    pub(crate) revision: u64,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) correlation: Option<EventId>,
    pub(crate) causation: Option<EventId>,
    pub(crate) key: Option<u128>,
}

impl Fact {
    pub(crate) fn of(coordinate: Coordinate) -> Self {
        let time = Timestamp::from_nanos(1_700_000_000_000_000_000);
        let (revision, tags) = (0, Vec::new());
        Self { coordinate, kind: KIND, time, revision, tags, correlation: None, causation: None, key: None }
    }

    pub(crate) fn random(random: &mut Random) -> Self {
        let id = |random: &mut Random| (random.below(4) == 0).then(|| EventId::from_u128(random.below(5).into()));
        let mut fact = Self::of(at(&random_entity(random), random.pick::<&str>(&SCOPES)));
        fact.kind = *random.pick(&KINDS);
        // Now and then the clock is far off, before 1970 too.
        let base = *random.pick(&[1_700_000_000_000_000_000, 1_700_000_000_000_000_000, 0, i64::MIN, i64::MAX]);
        fact.time = Timestamp::from_nanos(i64::wrapping_add(base, i64::try_from(random.below(900)).expect("small")));
        fact.tags = TAGS.into_iter().filter(|_| random.below(6) == 0).collect();
        fact.correlation = id(random);
        fact.causation = id(random);
        fact.key = (random.below(3) == 0).then(|| random.below(40).into());
        fact
    }

    fn belongs(&self, region: &Region, sequence: u64) -> bool {
        region.clauses().iter().any(|clause| {
            let facts = RowFacts {
                entity: self.coordinate.entity(),
                scope: self.coordinate.scope(),
                kind: self.kind,
                time: self.time,
                revision: self.revision,
                sequence,
            };
            clause.matches_row(&facts)
                && clause.tags().iter().all(|tag| self.tags.contains(&tag.as_str()))
                && clause.correlation_id().is_none_or(|id| self.correlation == Some(id))
                && clause.causation_id().is_none_or(|id| self.causation == Some(id))
        })
    }
}

/// An index and what it should say.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) facts: Vec<Fact>,
    pub(crate) writer: IndexWriter,
    pub(crate) index: Arc<Index>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (index, writer) = Index::new(STORE, Vec::new());
        Self { facts: Vec::new(), writer, index }
    }

    pub(crate) fn of(random: &mut Random, events: u64) -> Self {
        let mut world = Self::new();
        (0..events).for_each(|_| world.append(Fact::random(random)));
        world
    }

    pub(crate) fn end(&self) -> u64 {
        self.facts.len() as u64
    }

    pub(crate) fn id(sequence: u64) -> EventId {
        EventId::compose(1_700_000_000_000 + sequence, sequence, sequence * 977).expect("an id")
    }

    pub(crate) fn row(&self, sequence: u64) -> Row {
        let row = self.index.tiers().row(sequence).expect("sound");
        row.expect("a row")
    }

    /// How far an entity has come, by what is live or else by the parts, as a store asks.
    pub(crate) fn head(&mut self, coordinate: &Coordinate) -> EntityHead {
        let known = self.writer.intern(coordinate);
        self.writer.head(&known).unwrap_or_else(|| {
            let newest = self.index.tiers().newest_frozen(coordinate.entity()).expect("sound");
            newest.map_or_else(EntityHead::default, |row| EntityHead {
                len: row.revision + 1,
                newest: Some(row.sequence()),
                hash: hash(row.sequence()),
            })
        })
    }

    /// Adds the next event, as a store does: the row, then the head.
    pub(crate) fn append(&mut self, mut fact: Fact) {
        let sequence = self.end();
        let head = self.head(&fact.coordinate);
        fact.revision = head.len;
        let known = self.writer.intern(&fact.coordinate);
        let marks = self.index.marks(fact.tags.iter().copied(), fact.correlation, fact.causation, fact.key);
        let extras = Extras::new(!fact.tags.is_empty(), fact.correlation.is_some(), fact.causation.is_some());
        let added = Added {
            id: Self::id(sequence),
            offset: u32::try_from(1000 + sequence * 100).expect("small"),
            revision: head.len,
            time: fact.time,
            kind: fact.kind,
            extras,
            marks: &marks,
            key: fact.key,
        };
        self.writer.add(&known, &added);
        let head = EntityHead { len: head.len + 1, newest: Some(sequence), hash: hash(sequence) };
        self.writer.set_head(&known, Some(head));
        self.facts.push(fact);
    }

    /// Freezes what was live up to now.
    pub(crate) fn freeze(&mut self) {
        self.writer.begin_live();
        let live = Arc::clone(self.index.snapshot().live().next().expect("one"));
        if live.events().is_empty() {
            return;
        }
        let mut bytes = Vec::new();
        live.to_builder().write(&about(live.events().end), &mut bytes).expect("written");
        assert!(self.index.replace(&[Arc::new(open(bytes))]), "it was there");
        self.writer.forget_frozen();
    }

    /// Merges some of the parts.
    pub(crate) fn merge(&self, which: Range<usize>) {
        let tiers = self.index.snapshot();
        let parts: Vec<&Part> = tiers.parts().skip(which.start).take(which.len()).map(|part| &**part).collect();
        let Some(last) = parts.last() else { return };
        let mut bytes = Vec::new();
        merge(&parts, &about(last.events().end), &mut bytes, &|| true).expect("merged");
        assert!(self.index.replace(&[Arc::new(open(bytes))]), "they were there");
    }

    pub(crate) fn expected(&self, region: &Region, range: &Range<u64>) -> Vec<u64> {
        let facts = (0..).zip(&self.facts).filter(|(sequence, _)| range.contains(sequence));
        facts.filter(|(sequence, fact)| fact.belongs(region, *sequence)).map(|(sequence, _)| sequence).collect()
    }

    /// What the index finds, its rows compared with what was appended; the records are asked where that is needed.
    pub(crate) fn found(&self, region: &Region, range: Range<u64>, direction: Direction) -> Vec<u64> {
        let mut matches = self.index.snapshot().matches(region, range, direction);
        let ask = matches.needs_record();
        let mut found = Vec::new();
        while let Some(row) = next(&mut matches) {
            let sequence = row.sequence();
            let fact = &self.facts[usize::try_from(sequence).expect("an index")];
            let coordinate = matches.coordinate(&row).expect("sound").expect("a coordinate");
            assert_eq!(coordinate, fact.coordinate);
            assert_eq!((row.id, row.kind, row.time), (Self::id(sequence), fact.kind, fact.time));
            assert_eq!((row.revision, u64::from(row.offset)), (fact.revision, 1000 + sequence * 100));
            if !ask || fact.belongs(region, sequence) {
                found.push(sequence);
            }
        }
        found
    }

    #[track_caller]
    pub(crate) fn check(&self, region: &Region, range: Range<u64>) {
        let mut expected = self.expected(region, &range);
        let found = self.found(region, range.clone(), Direction::Forward);
        assert_eq!(found, expected, "{region:?} in {range:?}");
        expected.reverse();
        let found = self.found(region, range.clone(), Direction::Backward);
        assert_eq!(found, expected, "{region:?} back in {range:?}");
    }
}

pub(crate) fn next(matches: &mut Matches) -> Option<Row> {
    matches.next_row().expect("sound")
}

pub(crate) fn parts(tiers: &Tiers) -> Vec<(u64, u64)> {
    tiers.parts().map(|part| (part.events().start, part.events().end)).collect()
}

pub(crate) fn random_clause(random: &mut Random, events: u64) -> Region {
    let mut region = Region::all();
    if random.below(3) == 0 {
        region = region.with_entity(random_entity(random));
    }
    if random.below(5) == 0 {
        region = region.with_entity_prefix(*random.pick(&["a", "a:", "b", "", "ä", "z", "d:1"]));
    }
    if random.below(3) == 0 {
        region = region.with_scope(random.pick(&SCOPES));
    }
    if random.below(3) == 0 {
        region = region.with_kinds([*random.pick(&KINDS), *random.pick(&KINDS)]);
    }
    if random.below(5) == 0 {
        region = region.with_category(u8::try_from(random.below(3)).expect("small"));
    }
    if random.below(4) == 0 {
        let from = random.below(events + 2);
        region = region.with_sequences(from..from + random.below(events + 2));
    }
    if random.below(6) == 0 {
        region = region.with_revisions(random.below(5)..);
    }
    if random.below(4) == 0 {
        let now = 1_700_000_000_000_000_000;
        let time = |random: &mut Random| now + i64::try_from(random.below(900)).expect("small");
        region = region.with_time(Timestamp::from_nanos(time(random))..Timestamp::from_nanos(time(random)));
    }
    if random.below(6) == 0 {
        region = region.with_tag(*random.pick(&TAGS));
    }
    if random.below(9) == 0 {
        region = region.with_correlation(EventId::from_u128(random.below(6).into()));
    }
    if random.below(9) == 0 {
        region = region.with_causation(EventId::from_u128(random.below(6).into()));
    }
    region
}

pub(crate) fn random_region(random: &mut Random, events: u64) -> Region {
    (0..random.below(4)).fold(Region::none(), |region, _| region.or(random_clause(random, events)))
}
