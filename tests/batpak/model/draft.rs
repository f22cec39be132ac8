//! What is appended.

use super::{Case, index};
use crate::fixtures::{KIND, OTHER, THIRD, at};
use crate::random::Random;
use batpak::store::{AppendOptions, BatchAppendItem, CausationRef, Durability};
use batpak::{Coordinate, EventHash, EventId, EventKind, Timestamp};
use serde_json::{Value, json};

const ENTITIES: [&str; 7] = ["a", "a:1", "a:10", "b", "b:1", "c", "ä"];
const SCOPES: [&str; 3] = ["x", "y", "x:1"];
const KINDS: [EventKind; 3] = [KIND, OTHER, THIRD];
const TAGS: [&str; 3] = ["t", "t:1", "u"];

/// What was appended and what the receipt said; the rest is in its facts.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: EventId,
    pub(super) hash: EventHash,
    /// The first event of its commit.
    pub(super) first: u64,
    pub(super) draft: Draft,
}

/// An event that is about to be appended.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) coordinate: Coordinate,
    pub(super) kind: EventKind,
    pub(super) payload: Value,
    pub(super) key: Option<u128>,
    pub(super) tags: Vec<&'static str>,
    pub(super) metadata: Vec<u8>,
    pub(super) occurred_at: Option<Timestamp>,
    pub(super) correlation: Option<EventId>,
    pub(super) causation: Option<EventId>,
    /// The earlier item of the batch that is the cause.
    pub(super) cause: Option<usize>,
    pub(super) expected: Option<u64>,
    pub(super) durability: Option<Durability>,
}

impl Draft {
    /// One with nothing that can be left out.
    pub(super) fn plain() -> Self {
        Self {
            coordinate: at("a", "x"),
            kind: KIND,
            payload: json!(0),
            key: None,
            tags: Vec::new(),
            metadata: Vec::new(),
            occurred_at: None,
            correlation: None,
            causation: None,
            cause: None,
            expected: None,
            durability: None,
        }
    }

    pub(super) fn options(&self) -> AppendOptions<'_> {
        AppendOptions {
            expected_sequence: self.expected,
            idempotency_key: self.key,
            correlation_id: self.correlation,
            causation_id: self.causation,
            tags: &self.tags,
            metadata: &self.metadata,
            occurred_at: self.occurred_at,
            durability: self.durability,
        }
    }
}

pub(super) fn items(drafts: &[Draft]) -> impl Iterator<Item = BatchAppendItem> {
    drafts.iter().map(|draft| {
        let cause = draft.cause.map_or(CausationRef::None, CausationRef::Item);
        BatchAppendItem::new(draft.coordinate.clone(), draft.kind, &draft.payload, draft.options(), cause)
            .expect("item")
    })
}

fn random_coordinate(random: &mut Random) -> Coordinate {
    let scope = *random.pick(&SCOPES);
    if random.chance(10) {
        return at(&format!("d:{}", random.below(50)), scope);
    }
    at(random.pick::<&str>(&ENTITIES), scope)
}

fn random_payload(random: &mut Random) -> Value {
    match random.below(4) {
        0 => json!(random.next()),
        1 => json!({"n": random.below(9), "text": "x".repeat(random.index(700))}),
        2 => Value::Null,
        _ => json!([random.below(1000), -5, 2.5, "é"]),
    }
}

impl Case {
    /// An event behind `before` others of its batch. A condition on the length of its stream holds more often than not.
    pub(super) fn draft(&mut self, before: &[Draft]) -> Draft {
        let random = &mut self.random;
        let coordinate = random_coordinate(random);
        let tags = TAGS.into_iter().filter(|_| random.chance(20)).collect();
        let key = random.chance(30).then(|| {
            self.next_key += 1;
            self.next_key << 40
        });
        let earlier =
            |random: &mut Random| (random.chance(20) && !self.events.is_empty()).then(|| random.pick(&self.events).id);
        let (correlation, causation) = (earlier(random), earlier(random));
        let len = self.lens.get(coordinate.entity()).copied().unwrap_or_default()
            + before.iter().filter(|draft| draft.coordinate.entity() == coordinate.entity()).count() as u64;
        let expected = random.chance(20).then(|| if random.chance(90) { len } else { random.below(4) });
        Draft {
            key,
            tags,
            payload: random_payload(random),
            kind: *random.pick(&KINDS),
            metadata: if random.chance(10) { vec![7; index(random.below(40))] } else { vec![] },
            occurred_at: random.chance(10).then(|| Timestamp::from_nanos(-3)),
            correlation,
            causation,
            cause: (random.chance(20) && !before.is_empty()).then(|| random.index(before.len())),
            expected,
            durability: random.chance(10).then_some(Durability::Synced),
            coordinate,
        }
    }
}
