//! What the index holds of an event.

use batpak_core::{EventId, EventKind, EventRef, Timestamp};

/// One event as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Id of the event, which holds its sequence.
    pub id: EventId,
    /// Offset of its record in the file of its segment, in bytes.
    pub offset: u64,
    /// Position in its entity's stream.
    pub revision: u64,
    /// The wall clock when it was appended.
    pub time: Timestamp,
    /// Number of its coordinate, see [`Live::coordinate`](crate::Live::coordinate).
    pub coordinate: u32,
    /// Kind of event.
    pub kind: EventKind,
    /// What its record has beyond what stands here.
    pub extras: Extras,
    /// The event before in the same entity.
    pub(crate) previous_in_entity: Link,
    /// The event before in the same scope.
    pub(crate) previous_in_scope: Link,
}

impl Row {
    /// Position in the store.
    pub fn sequence(&self) -> u64 {
        self.id.sequence()
    }
}

/// Which optional fields a record has that a query can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras(pub(crate) u8);

impl Extras {
    const TAGS: u8 = 1;
    const CORRELATION: u8 = 2;
    const CAUSATION: u8 = 4;

    /// Those of a record.
    pub fn of(event: &EventRef<'_>) -> Self {
        Self::new(event.tags().next().is_some(), event.correlation_id().is_some(), event.causation_id().is_some())
    }

    /// Those of an event with or without tags, correlation id and causation id.
    #[inline]
    pub fn new(tags: bool, correlation: bool, causation: bool) -> Self {
        let bit = |set: bool, bit| if set { bit } else { 0 };
        Self(bit(tags, Self::TAGS) | bit(correlation, Self::CORRELATION) | bit(causation, Self::CAUSATION))
    }

    /// Whether the record can satisfy what `clause` asks of it.
    pub fn can_match(self, clause: &batpak_core::Clause) -> bool {
        let needed =
            Self::new(!clause.tags().is_empty(), clause.correlation_id().is_some(), clause.causation_id().is_some());
        self.0 & needed.0 == needed.0
    }
}

/// A sequence, or none: one number instead of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link(u64);

impl Link {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn to(sequence: u64) -> Self {
        Self(sequence + 1)
    }

    pub(crate) fn sequence(self) -> Option<u64> {
        self.0.checked_sub(1)
    }

    pub(crate) fn as_u64(self) -> u64 {
        self.0
    }

    pub(crate) fn from_u64(value: u64) -> Self {
        Self(value)
    }
}
