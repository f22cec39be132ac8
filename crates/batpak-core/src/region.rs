//! Which events: what a reader asks for.

use alloc::{string::String, vec, vec::Vec};
use core::fmt;
use core::ops::{Bound, RangeBounds, RangeInclusive};

use crate::{decode::EventRef, id::EventId, kind::EventKind, time::Timestamp};

/// Which events: a union of [clauses](Clause), each of which is a conjunction of conditions.
///
/// A constructor begins with one condition; `with_…` demands a further one, of every clause; [`or`](Self::or) joins two
/// regions. What can match nothing matches nothing and is no error: an entity that is no valid name, an empty range,
/// two different entities in one conjunction.
///
/// # Examples
///
/// ```
/// use batpak_core::{EventKind, Region};
///
/// let opened = EventKind::custom(0xF, 1);
/// let region = Region::entity("account:7").or(Region::entity("account:9")).with_kind(opened);
///
/// let [first, second] = region.clauses() else { panic!("two clauses") };
/// assert_eq!((first.entity(), second.entity()), (Some("account:7"), Some("account:9")));
/// assert_eq!(second.kinds(), Some(&[opened][..]));
/// assert!(region.with_entity("account:1").clauses().is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    clauses: Vec<Clause>,
}

/// Conditions that all hold for an event. One that is `None`, or a range over everything, is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Clause {
    entity: Option<String>,
    entity_prefix: Option<String>,
    scope: Option<String>,
    kinds: Option<Vec<EventKind>>,
    category: Option<u8>,
    tags: Vec<String>,
    correlation_id: Option<EventId>,
    causation_id: Option<EventId>,
    time: RangeInclusive<Timestamp>,
    revisions: RangeInclusive<u64>,
    sequences: RangeInclusive<u64>,
}

/// What an index knows of an event without its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowFacts<'a> {
    /// The entity that it belongs to.
    pub entity: &'a str,
    /// The scope of its entity.
    pub scope: &'a str,
    /// What sort of event it is.
    pub kind: EventKind,
    /// The wall clock when it was appended.
    pub time: Timestamp,
    /// Its position in its entity's stream.
    pub revision: u64,
    /// Its position in the store.
    pub sequence: u64,
}

impl<'a> From<&EventRef<'a>> for RowFacts<'a> {
    fn from(event: &EventRef<'a>) -> Self {
        Self {
            entity: event.entity(),
            scope: event.scope(),
            kind: event.kind(),
            time: event.time(),
            revision: event.revision(),
            sequence: event.sequence(),
        }
    }
}

impl Region {
    /// Every event.
    pub fn all() -> Self {
        Self { clauses: vec![Clause::ALL] }
    }

    /// No event: what `or` begins with when regions are joined in a loop.
    pub const fn none() -> Self {
        Self { clauses: Vec::new() }
    }

    /// The events of exactly this entity.
    pub fn entity(entity: impl AsRef<str>) -> Self {
        Self::all().with_entity(entity)
    }

    /// The events of all entities whose name begins with `prefix`.
    pub fn entity_prefix(prefix: impl AsRef<str>) -> Self {
        Self::all().with_entity_prefix(prefix)
    }

    /// The events of exactly this scope.
    pub fn scope(scope: impl AsRef<str>) -> Self {
        Self::all().with_scope(scope)
    }

    /// The events of this kind.
    pub fn kind(kind: EventKind) -> Self {
        Self::all().with_kind(kind)
    }

    /// The events of one of these kinds.
    pub fn kinds(kinds: impl IntoIterator<Item = EventKind>) -> Self {
        Self::all().with_kinds(kinds)
    }

    /// The events of all kinds of this category, 0 to 0xF.
    pub fn category(category: u8) -> Self {
        Self::all().with_category(category)
    }

    /// The events that have this tag.
    pub fn tag(tag: impl AsRef<str>) -> Self {
        Self::all().with_tag(tag)
    }

    /// The events with this correlation id.
    pub fn correlation(id: EventId) -> Self {
        Self::all().with_correlation(id)
    }

    /// The events that this one brought about.
    pub fn causation(id: EventId) -> Self {
        Self::all().with_causation(id)
    }

    /// Of these, those of exactly this entity.
    #[must_use]
    pub fn with_entity(self, entity: impl AsRef<str>) -> Self {
        self.narrow(|clause| clause.with_entity(entity.as_ref()))
    }

    /// Of these, those of entities whose name begins with `prefix`.
    #[must_use]
    pub fn with_entity_prefix(self, prefix: impl AsRef<str>) -> Self {
        self.narrow(|clause| clause.with_entity_prefix(prefix.as_ref()))
    }

    /// Of these, those of exactly this scope.
    #[must_use]
    pub fn with_scope(self, scope: impl AsRef<str>) -> Self {
        self.narrow(|mut clause| agree(&mut clause.scope, scope.as_ref().into()).then_some(clause))
    }

    /// Of these, those of this kind.
    #[must_use]
    pub fn with_kind(self, kind: EventKind) -> Self {
        self.narrow(|clause| clause.with_kinds(vec![kind]))
    }

    /// Of these, those of one of these kinds.
    #[must_use]
    pub fn with_kinds(self, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_unstable();
        kinds.dedup();
        self.narrow(|clause| clause.with_kinds(kinds.clone()))
    }

    /// Of these, those of this category, 0 to 0xF.
    #[must_use]
    pub fn with_category(self, category: u8) -> Self {
        self.narrow(|clause| clause.with_category(category))
    }

    /// Of these, those that have this tag, besides other ones that were demanded.
    #[must_use]
    pub fn with_tag(self, tag: impl AsRef<str>) -> Self {
        self.narrow(|clause| Some(clause.with_tag(tag.as_ref())))
    }

    /// Of these, those with this correlation id.
    #[must_use]
    pub fn with_correlation(self, id: EventId) -> Self {
        self.narrow(|mut clause| agree(&mut clause.correlation_id, id).then_some(clause))
    }

    /// Of these, those that this event brought about.
    #[must_use]
    pub fn with_causation(self, id: EventId) -> Self {
        self.narrow(|mut clause| agree(&mut clause.causation_id, id).then_some(clause))
    }

    /// Of these, those that were appended in this time, by the wall clock as it was read.
    #[must_use]
    pub fn with_time(self, range: impl RangeBounds<Timestamp>) -> Self {
        self.narrow(|mut clause| {
            clause.time = intersect(&clause.time, &range)?;
            Some(clause)
        })
    }

    /// Of these, those with one of these revisions, the positions in their entity's stream.
    #[must_use]
    pub fn with_revisions(self, range: impl RangeBounds<u64>) -> Self {
        self.narrow(|mut clause| {
            clause.revisions = intersect(&clause.revisions, &range)?;
            Some(clause)
        })
    }

    /// Of these, those with one of these sequences, the positions in the store.
    #[must_use]
    pub fn with_sequences(self, range: impl RangeBounds<u64>) -> Self {
        self.narrow(|mut clause| {
            clause.sequences = intersect(&clause.sequences, &range)?;
            Some(clause)
        })
    }

    /// These, and those of `other`.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for clause in other.clauses {
            if !self.clauses.contains(&clause) {
                self.clauses.push(clause);
            }
        }
        self
    }

    fn narrow(self, narrow: impl Fn(Clause) -> Option<Clause>) -> Self {
        Self { clauses: self.clauses.into_iter().filter_map(narrow).collect() }
    }

    /// The conjunctions of which one has to hold. A region without any matches nothing.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Whether it is one of these.
    ///
    /// A dropped event has kind 0 and time 0, and no ids of others or tags.
    pub fn matches(&self, event: &EventRef<'_>) -> bool {
        let row = RowFacts::from(event);
        self.clauses.iter().any(|clause| clause.matches_row(&row) && clause.matches_record(event))
    }
}

impl Clause {
    const ALL: Self = Self {
        entity: None,
        entity_prefix: None,
        scope: None,
        kinds: None,
        category: None,
        tags: Vec::new(),
        correlation_id: None,
        causation_id: None,
        time: Timestamp::MIN..=Timestamp::MAX,
        revisions: 0..=u64::MAX,
        sequences: 0..=u64::MAX,
    };

    fn with_entity(mut self, entity: &str) -> Option<Self> {
        let fits = self.entity_prefix.take().is_none_or(|prefix| entity.starts_with(&*prefix));
        (fits && agree(&mut self.entity, entity.into())).then_some(self)
    }

    fn with_entity_prefix(mut self, prefix: &str) -> Option<Self> {
        let known = self.entity.as_deref().or(self.entity_prefix.as_deref()).unwrap_or_default();
        if known.starts_with(prefix) && !known.is_empty() {
            return Some(self);
        }
        if self.entity.is_some() || !prefix.starts_with(known) {
            return None;
        }
        self.entity_prefix = Some(prefix.into());
        Some(self)
    }

    fn with_kinds(mut self, mut kinds: Vec<EventKind>) -> Option<Self> {
        let category = self.category.take();
        kinds.retain(|kind| category.is_none_or(|category| kind.category() == category));
        kinds.retain(|kind| self.kinds.as_ref().is_none_or(|known| known.contains(kind)));
        (!kinds.is_empty()).then_some(Self { kinds: Some(kinds), ..self })
    }

    fn with_category(mut self, category: u8) -> Option<Self> {
        if let Some(mut kinds) = self.kinds.take() {
            kinds.retain(|kind| kind.category() == category);
            return (!kinds.is_empty()).then_some(Self { kinds: Some(kinds), ..self });
        }
        agree(&mut self.category, category).then_some(self)
    }

    fn with_tag(mut self, tag: &str) -> Self {
        if !self.tags.iter().any(|known| known == tag) {
            self.tags.push(tag.into());
        }
        self
    }

    /// The entity, if it has to be exactly this one. Then there is no prefix.
    pub fn entity(&self) -> Option<&str> {
        self.entity.as_deref()
    }

    /// What the entity has to begin with.
    pub fn entity_prefix(&self) -> Option<&str> {
        self.entity_prefix.as_deref()
    }

    /// The scope.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The kinds, one of which it has to be, in rising order, each once, at least one. Then there is no category.
    pub fn kinds(&self) -> Option<&[EventKind]> {
        self.kinds.as_deref()
    }

    /// The category of the kind.
    pub fn category(&self) -> Option<u8> {
        self.category
    }

    /// The tags, all of which it has to have.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The correlation id.
    pub fn correlation_id(&self) -> Option<EventId> {
        self.correlation_id
    }

    /// The causation id.
    pub fn causation_id(&self) -> Option<EventId> {
        self.causation_id
    }

    /// The first and the last time; never an empty range.
    pub fn time(&self) -> RangeInclusive<Timestamp> {
        self.time.clone()
    }

    /// The first and the last revision; never an empty range.
    pub fn revisions(&self) -> RangeInclusive<u64> {
        self.revisions.clone()
    }

    /// The first and the last sequence; never an empty range.
    pub fn sequences(&self) -> RangeInclusive<u64> {
        self.sequences.clone()
    }

    /// Whether all conditions hold that can be told without the record. If it does not
    /// [need the record](Self::needs_record), these are all.
    pub fn matches_row(&self, row: &RowFacts<'_>) -> bool {
        self.matches_numbers(row.kind, row.time, row.revision, row.sequence)
            && self.matches_names(row.entity, row.scope)
    }

    /// Whether its conditions on entity and scope hold.
    pub fn matches_names(&self, entity: &str, scope: &str) -> bool {
        self.entity.as_ref().is_none_or(|demanded| demanded == entity)
            && self.entity_prefix.as_ref().is_none_or(|prefix| entity.starts_with(&**prefix))
            && self.scope.as_ref().is_none_or(|demanded| demanded == scope)
    }

    /// Whether its conditions on kind, time, revision and sequence hold.
    #[inline]
    pub fn matches_numbers(&self, kind: EventKind, time: Timestamp, revision: u64, sequence: u64) -> bool {
        self.sequences.contains(&sequence)
            && self.revisions.contains(&revision)
            && self.time.contains(&time)
            && self.category.is_none_or(|category| category == kind.category())
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// Whether it has conditions that only the record can tell: tags, correlation id, causation id.
    pub fn needs_record(&self) -> bool {
        !self.tags.is_empty() || self.correlation_id.is_some() || self.causation_id.is_some()
    }

    /// Whether all conditions hold that only the record can tell.
    pub fn matches_record(&self, event: &EventRef<'_>) -> bool {
        self.correlation_id.is_none_or(|id| event.correlation_id() == Some(id))
            && self.causation_id.is_none_or(|id| event.causation_id() == Some(id))
            && self.tags.iter().all(|tag| event.tags().any(|found| found == tag))
    }
}

/// Its conditions, as in `entity account:7, kind f:001`; `any event` if it has none.
impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Words { f, any: false };
        words.say("entity", self.entity.as_ref())?;
        words.say("entity prefix", self.entity_prefix.as_ref())?;
        words.say("scope", self.scope.as_ref())?;
        self.kinds.iter().flatten().try_for_each(|kind| words.say("kind", Some(kind)))?;
        words.say("category", self.category)?;
        self.tags.iter().try_for_each(|tag| words.say("tag", Some(tag)))?;
        words.say("correlation", self.correlation_id)?;
        words.say("cause", self.causation_id)?;
        if self.time != Self::ALL.time {
            let (from, to) = (self.time.start().as_nanos(), self.time.end().as_nanos());
            words.say("time", Some(format_args!("{from} to {to} ns")))?;
        }
        for (what, range) in [("revisions", &self.revisions), ("sequences", &self.sequences)] {
            if *range != Self::ALL.revisions {
                words.say(what, Some(format_args!("{} to {}", range.start(), range.end())))?;
            }
        }
        if words.any { Ok(()) } else { f.write_str("any event") }
    }
}

/// Conditions as they are said one behind the other.
struct Words<'f, 'b> {
    f: &'f mut fmt::Formatter<'b>,
    any: bool,
}

impl Words<'_, '_> {
    fn say(&mut self, what: &str, value: Option<impl fmt::Display>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let separator = if core::mem::replace(&mut self.any, true) { ", " } else { "" };
        write!(self.f, "{separator}{what} {value}")
    }
}

/// Demands `value`, and tells whether that agrees with what was demanded before.
fn agree<T: PartialEq>(slot: &mut Option<T>, value: T) -> bool {
    let agrees = slot.as_ref().is_none_or(|known| *known == value);
    *slot = Some(value);
    agrees
}

/// What a range is over.
trait Point: Copy + Ord {
    const FIRST: Self;
    const LAST: Self;
    fn next(self) -> Option<Self>;
    fn previous(self) -> Option<Self>;
}

impl Point for u64 {
    const FIRST: Self = Self::MIN;
    const LAST: Self = Self::MAX;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl Point for Timestamp {
    const FIRST: Self = Self::MIN;
    const LAST: Self = Self::MAX;

    fn next(self) -> Option<Self> {
        self.as_nanos().checked_add(1).map(Self::from_nanos)
    }

    fn previous(self) -> Option<Self> {
        self.as_nanos().checked_sub(1).map(Self::from_nanos)
    }
}

/// What is in both, if anything is.
fn intersect<T: Point>(known: &RangeInclusive<T>, range: &impl RangeBounds<T>) -> Option<RangeInclusive<T>> {
    let first = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.next()?,
        Bound::Unbounded => T::FIRST,
    };
    let last = match range.end_bound() {
        Bound::Included(last) => *last,
        Bound::Excluded(after) => after.previous()?,
        Bound::Unbounded => T::LAST,
    };
    let (first, last) = (first.max(*known.start()), last.min(*known.end()));
    (first <= last).then_some(first..=last)
}
