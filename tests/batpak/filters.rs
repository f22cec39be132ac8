//! Regions, and by what is known of an event whether it belongs to one: told without the store.

use crate::random::Random;
use batpak::{EventId, EventKind, Region, StoredEvent, Timestamp};
use std::ops::Range;

/// What a region can ask of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) entity: String,
    pub(crate) scope: String,
    pub(crate) kind: EventKind,
    pub(crate) tags: Vec<String>,
    pub(crate) correlation: Option<EventId>,
    pub(crate) causation: Option<EventId>,
    pub(crate) time: i64,
    pub(crate) revision: u64,
    pub(crate) sequence: u64,
}

impl<P> From<&StoredEvent<P>> for Facts {
    fn from(stored: &StoredEvent<P>) -> Self {
        let StoredEvent { coordinate, event } = stored;
        Self {
            entity: coordinate.entity().to_owned(),
            scope: coordinate.scope().to_owned(),
            kind: event.kind(),
            tags: event.tags().map(str::to_owned).collect(),
            correlation: event.correlation_id(),
            causation: event.causation_id(),
            time: event.time().as_nanos(),
            revision: event.revision(),
            sequence: event.sequence(),
        }
    }
}

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) entity: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) kinds: Option<Vec<EventKind>>,
    pub(crate) category: Option<u8>,
    pub(crate) tag: Option<String>,
    pub(crate) other_tag: Option<String>,
    pub(crate) correlation: Option<EventId>,
    pub(crate) causation: Option<EventId>,
    pub(crate) time: Option<Range<i64>>,
    pub(crate) revisions: Option<Range<u64>>,
    pub(crate) sequences: Option<Range<u64>>,
}

impl Filter {
    pub(crate) fn region(&self) -> Region {
        let mut region = Region::all();
        if let Some(range) = &self.sequences {
            region = region.with_sequences(range.clone());
        }
        if let Some(range) = &self.time {
            region = region.with_time(Timestamp::from_nanos(range.start)..Timestamp::from_nanos(range.end));
        }
        if let Some(entity) = &self.entity {
            region = region.with_entity(entity);
        }
        if let Some(prefix) = &self.prefix {
            region = region.with_entity_prefix(prefix);
        }
        if let Some(scope) = &self.scope {
            region = region.with_scope(scope);
        }
        if let Some(kinds) = &self.kinds {
            region = region.with_kinds(kinds.iter().copied());
        }
        if let Some(category) = self.category {
            region = region.with_category(category);
        }
        for tag in self.tag.iter().chain(&self.other_tag) {
            region = region.with_tag(tag);
        }
        if let Some(id) = self.correlation {
            region = region.with_correlation(id);
        }
        if let Some(id) = self.causation {
            region = region.with_causation(id);
        }
        if let Some(range) = &self.revisions {
            region = region.with_revisions(range.clone());
        }
        region
    }

    pub(crate) fn accepts(&self, event: &Facts) -> bool {
        self.entity.as_ref().is_none_or(|entity| *entity == event.entity)
            && self.prefix.as_ref().is_none_or(|prefix| event.entity.starts_with(prefix.as_str()))
            && self.scope.as_ref().is_none_or(|scope| *scope == event.scope)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&event.kind))
            && self.category.is_none_or(|category| category == event.kind.category())
            && self.tag.iter().chain(&self.other_tag).all(|tag| event.tags.contains(tag))
            && self.correlation.is_none_or(|id| event.correlation == Some(id))
            && self.causation.is_none_or(|id| event.causation == Some(id))
            && self.time.as_ref().is_none_or(|range| range.contains(&event.time))
            && self.revisions.as_ref().is_none_or(|range| range.contains(&event.revision))
            && self.sequences.as_ref().is_none_or(|range| range.contains(&event.sequence))
    }

    /// Conditions about events like `about`, more or fewer of them.
    pub(crate) fn random(random: &mut Random, about: &[Facts]) -> Self {
        let mut filter = Self::default();
        if about.is_empty() {
            return filter;
        }
        let chance = *random.pick(&[10, 25, 50]);
        let mut some = |filter: &mut Self, set: fn(&mut Self, &Facts, &mut Random)| {
            if random.chance(chance) {
                let event = random.pick(about).clone();
                set(filter, &event, random);
            }
        };
        some(&mut filter, |filter, event, _| filter.entity = Some(event.entity.clone()));
        some(&mut filter, |filter, event, random| {
            let len = random.index(4);
            filter.prefix = Some(event.entity.chars().take(len).collect());
        });
        some(&mut filter, |filter, event, _| filter.scope = Some(event.scope.clone()));
        some(&mut filter, |filter, event, random| {
            filter.kinds =
                Some(if random.chance(50) { vec![event.kind] } else { vec![crate::fixtures::KIND, event.kind] });
        });
        some(&mut filter, |filter, event, _| filter.category = Some(event.kind.category()));
        some(&mut filter, |filter, event, _| filter.tag = event.tags.last().cloned());
        some(&mut filter, |filter, event, _| filter.other_tag = event.tags.first().cloned());
        some(&mut filter, |filter, event, random| {
            // What no event has.
            if random.chance(20) {
                filter.entity = Some(format!("{}:none", event.entity));
            }
        });
        some(&mut filter, |filter, event, _| filter.correlation = event.correlation);
        some(&mut filter, |filter, event, _| filter.causation = event.causation);
        some(&mut filter, |filter, event, random| {
            let width = i64::try_from(random.below(5_000_000)).expect("small");
            filter.time = Some(event.time..event.time + width);
        });
        some(&mut filter, |filter, event, random| {
            filter.revisions = Some(event.revision..event.revision + random.below(4));
        });
        some(&mut filter, |filter, event, random| {
            filter.sequences = Some(event.sequence..event.sequence + random.below(20));
        });
        filter
    }
}

/// The union of some filters.
pub(crate) fn union(filters: &[Filter]) -> Region {
    filters.iter().fold(Region::none(), |region, filter| region.or(filter.region()))
}
