//! Events that are about to be appended.

use crate::random::Random;
use batpak::store::{AppendOptions, BatchAppendItem, CausationRef, Durability};
use batpak::{Coordinate, EventKind};
use serde_json::{Value, json};

pub(crate) const ENTITIES: [&str; 5] = ["a", "a:1", "a:10", "b", "c"];
/// Entities of which each may have one event at most.
pub(crate) const SEATS: [&str; 6] = ["seat:1", "seat:2", "seat:3", "seat:4", "seat:5", "seat:6"];
pub(crate) const SCOPES: [&str; 2] = ["x", "y"];
pub(crate) const TAGS: [&str; 3] = ["t", "t:1", "u"];
pub(crate) const KINDS: [EventKind; 3] = [EventKind::custom(1, 1), EventKind::custom(1, 2), EventKind::custom(2, 1)];

/// An event. No two have the same number.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) number: u64,
    pub(crate) entity: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) kind: EventKind,
    pub(crate) text: String,
    pub(crate) key: Option<u128>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) expected: Option<u64>,
    pub(crate) durability: Option<Durability>,
}

impl Draft {
    pub(crate) fn random(number: u64, text_max: usize, random: &mut Random) -> Self {
        let durability = match random.below(10) {
            0..2 => Some(Durability::Synced),
            2 => Some(Durability::Written),
            _ => None,
        };
        Self {
            number,
            entity: random.pick::<&str>(&ENTITIES),
            scope: random.pick::<&str>(&SCOPES),
            kind: *random.pick(&KINDS),
            text: "x".repeat(random.index(text_max)),
            key: random.chance(40).then(|| u128::from(number) << 40 | 5),
            tags: TAGS.into_iter().filter(|_| random.chance(20)).collect(),
            expected: None,
            durability,
        }
    }

    pub(crate) fn coordinate(&self) -> Coordinate {
        Coordinate::new(self.entity, self.scope).expect("a coordinate")
    }

    pub(crate) fn payload(&self) -> Value {
        json!([self.number, self.text])
    }

    pub(crate) fn options(&self) -> AppendOptions<'_> {
        AppendOptions {
            expected_sequence: self.expected,
            idempotency_key: self.key,
            tags: &self.tags,
            durability: self.durability,
            ..AppendOptions::default()
        }
    }

    pub(crate) fn item(&self) -> BatchAppendItem {
        let (coordinate, payload) = (self.coordinate(), self.payload());
        BatchAppendItem::new(coordinate, self.kind, &payload, self.options(), CausationRef::None).expect("an item")
    }
}
