//! Events of few bytes, and what a region can ask of them.

use arbitrary::Arbitrary;
use batpak_core::{Assigned, Coordinate, EventHash, EventId, EventKind, Fields, RecordDraft, Timestamp};

pub(super) const ENTITIES: [&str; 8] = ["a", "a:", "a:1", "a:10", "b", "ä", "ö@x", "z"];
pub(super) const SCOPES: [&str; 4] = ["x", "y", "x:1", "a"];
pub(super) const TAGS: [&str; 4] = ["t", "t:1", "u", "a"];
pub(super) const KINDS: [EventKind; 4] =
    [EventKind::custom(1, 1), EventKind::custom(1, 2), EventKind::custom(2, 1), EventKind::custom(0xF, 0xFFF)];
/// Where times begin.
const BASES: [i64; 4] = [1_700_000_000_000_000_000, 0, i64::MIN, i64::MAX];

pub(super) fn pick<T: Copy>(from: &[T], number: u8) -> T {
    from[usize::from(number) % from.len()]
}

pub(super) fn id(number: u8) -> EventId {
    EventId::from_u128(u128::from(number % 8) << 100)
}

/// Absent more often than not.
pub(super) fn some_id(number: u8) -> Option<EventId> {
    (number >= 0xC0).then(|| id(number))
}

pub(super) fn time(number: i16) -> Timestamp {
    let base = BASES[usize::from(number.unsigned_abs()) / 64 % BASES.len()];
    Timestamp::from_nanos(base.wrapping_add(i64::from(number)))
}

/// What an event says, in few bytes.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub(super) struct Spec {
    pub(super) entity: u8,
    scope: u8,
    kind: u8,
    tags: u8,
    correlation: u8,
    causation: u8,
    key: u8,
    time: i16,
}

/// What an event says.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) coordinate: Coordinate,
    pub(super) kind: EventKind,
    pub(super) tags: Vec<&'static str>,
    pub(super) correlation: Option<EventId>,
    pub(super) causation: Option<EventId>,
    pub(super) key: Option<u128>,
    pub(super) time: Timestamp,
    pub(super) revision: u64,
    pub(super) sequence: u64,
}

impl Facts {
    /// The event of a spec behind those that are there.
    pub(super) fn next(spec: &Spec, before: &[Self]) -> Self {
        let coordinate = Coordinate::new(pick(&ENTITIES, spec.entity), pick(&SCOPES, spec.scope)).expect("names");
        let of_entity = before.iter().filter(|event| event.coordinate.entity() == coordinate.entity());
        Self {
            revision: of_entity.count() as u64,
            sequence: before.len() as u64,
            kind: pick(&KINDS, spec.kind),
            tags: (0..TAGS.len()).filter(|tag| spec.tags >> tag & 0x11 == 0x11).map(|tag| TAGS[tag]).collect(),
            correlation: some_id(spec.correlation),
            causation: some_id(spec.causation),
            key: (spec.key >= 0xC0).then(|| u128::from(spec.key) << 64),
            time: time(spec.time),
            coordinate,
        }
    }
}

/// The id of an event of these facts.
fn id_of(facts: &Facts) -> EventId {
    EventId::compose(1_700_000_000_000 + facts.sequence, facts.sequence, facts.sequence * 977).expect("an id")
}

impl Facts {
    /// A record of it, whose chain begins with it.
    pub(super) fn record(&self, payload: &[u8]) -> Vec<u8> {
        let fields = Fields {
            correlation_id: self.correlation,
            causation_id: self.causation,
            idempotency_key: self.key,
            tags: &self.tags,
            ..Fields::new(&self.coordinate, self.kind)
        };
        let mut record = Vec::new();
        let mut draft = RecordDraft::begin(&mut record, &fields, [1; 16]).expect("a draft");
        draft.extend_from_slice(payload);
        let previous = EventHash::GENESIS;
        let place = Assigned { id: id_of(self), revision: self.revision, time: self.time, previous };
        let _ = draft.finish().assign(&mut record, &place);
        record
    }
}
