//! Regions of few bytes, and whether an event belongs to one, told without the library.

use super::facts::{ENTITIES, Facts, KINDS, SCOPES, TAGS, id, pick, time};
use arbitrary::Arbitrary;
use batpak_core::Region;
use std::ops::Bound;

/// One condition.
#[derive(Clone, Debug, Arbitrary)]
enum Condition {
    Entity(u8),
    Prefix(u8),
    Scope(u8),
    Kind(u8),
    /// A bit for each.
    Kinds(u8),
    Category(u8),
    Tag(u8),
    Correlation(u8),
    Causation(u8),
    Time(End, i16, i16, End),
    Revisions(End, u8, u8, End),
    Sequences(End, u8, u8, End),
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum End {
    In,
    Out,
    Open,
}

impl End {
    fn bound<T>(self, value: T) -> Bound<T> {
        match self {
            Self::In => Bound::Included(value),
            Self::Out => Bound::Excluded(value),
            Self::Open => Bound::Unbounded,
        }
    }
}

/// The first letters of a name.
fn prefix(number: u8) -> &'static str {
    let name = pick(&ENTITIES, number);
    let chars = name.char_indices().map(|(at, _)| at).nth(usize::from(number) / ENTITIES.len() % 4);
    &name[..chars.unwrap_or(name.len())]
}

/// The largest are as large as can be.
fn number(number: u8) -> u64 {
    if number >= 0xF0 { u64::MAX - u64::from(0xFF - number) } else { number.into() }
}

fn lies<T: PartialOrd>(value: &T, first: Bound<T>, last: Bound<T>) -> bool {
    let above = match first {
        Bound::Included(first) => *value >= first,
        Bound::Excluded(before) => *value > before,
        Bound::Unbounded => true,
    };
    let below = match last {
        Bound::Included(last) => *value <= last,
        Bound::Excluded(after) => *value < after,
        Bound::Unbounded => true,
    };
    above && below
}

impl Condition {
    fn narrow(&self, region: Region) -> Region {
        match *self {
            Self::Entity(n) => region.with_entity(pick(&ENTITIES, n)),
            Self::Prefix(n) => region.with_entity_prefix(prefix(n)),
            Self::Scope(n) => region.with_scope(pick(&SCOPES, n)),
            Self::Kind(n) => region.with_kind(pick(&KINDS, n)),
            Self::Kinds(bits) => region.with_kinds((0..KINDS.len()).filter(|n| bits >> n & 1 == 1).map(|n| KINDS[n])),
            Self::Category(n) => region.with_category(n % 17),
            Self::Tag(n) => region.with_tag(pick(&TAGS, n)),
            Self::Correlation(n) => region.with_correlation(id(n)),
            Self::Causation(n) => region.with_causation(id(n)),
            Self::Time(a, from, to, b) => region.with_time((a.bound(time(from)), b.bound(time(to)))),
            Self::Revisions(a, from, to, b) => region.with_revisions((a.bound(number(from)), b.bound(number(to)))),
            Self::Sequences(a, from, to, b) => region.with_sequences((a.bound(number(from)), b.bound(number(to)))),
        }
    }

    fn holds(&self, event: &Facts) -> bool {
        match *self {
            Self::Entity(n) => event.coordinate.entity() == pick(&ENTITIES, n),
            Self::Prefix(n) => event.coordinate.entity().starts_with(prefix(n)),
            Self::Scope(n) => event.coordinate.scope() == pick(&SCOPES, n),
            Self::Kind(n) => event.kind == pick(&KINDS, n),
            Self::Kinds(bits) => (0..KINDS.len()).any(|n| bits >> n & 1 == 1 && KINDS[n] == event.kind),
            Self::Category(n) => event.kind.category() == n % 17,
            Self::Tag(n) => event.tags.contains(&pick(&TAGS, n)),
            Self::Correlation(n) => event.correlation == Some(id(n)),
            Self::Causation(n) => event.causation == Some(id(n)),
            Self::Time(a, from, to, b) => lies(&event.time, a.bound(time(from)), b.bound(time(to))),
            Self::Revisions(a, from, to, b) => lies(&event.revision, a.bound(number(from)), b.bound(number(to))),
            Self::Sequences(a, from, to, b) => lies(&event.sequence, a.bound(number(from)), b.bound(number(to))),
        }
    }
}

/// A union of conjunctions, and further conditions on all of it.
#[derive(Clone, Debug, Arbitrary)]
pub(super) struct Asked {
    clauses: Vec<Vec<Condition>>,
    narrowed: Vec<Condition>,
}

impl Asked {
    pub(super) fn region(&self) -> Region {
        let conjunction = |clause: &Vec<Condition>| clause.iter().fold(Region::all(), |region, it| it.narrow(region));
        let union = self.clauses.iter().map(conjunction).fold(Region::none(), Region::or);
        self.narrowed.iter().fold(union, |region, condition| condition.narrow(region))
    }

    pub(super) fn accepts(&self, event: &Facts) -> bool {
        self.clauses.iter().any(|clause| clause.iter().all(|condition| condition.holds(event)))
            && self.narrowed.iter().all(|condition| condition.holds(event))
    }

    /// The sequences of those that belong to it.
    pub(super) fn expected(&self, events: &[Facts]) -> Vec<u64> {
        events.iter().filter(|event| self.accepts(event)).map(|event| event.sequence).collect()
    }
}
