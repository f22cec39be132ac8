//! What the index holds of an event.

use crate::layout::FIELDS;
use batpak_core::{Clause, EventId, EventKind, EventRef, Timestamp};

/// One event as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Id of the event, which holds its sequence.
    pub id: EventId,
    /// Position in its entity's stream.
    pub revision: u64,
    /// The wall clock when it was appended.
    pub time: Timestamp,
    /// Offset of its record in the file of its segment, in bytes.
    pub offset: u32,
    /// Number of its coordinate in the part of the index that the row comes from.
    pub coordinate: u32,
    /// Kind of event.
    pub kind: EventKind,
    /// What its record has beyond what stands here.
    pub extras: Extras,
}

impl Row {
    /// Position in the store.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.id.sequence()
    }

    /// What a part stores of it. The order of times is that of their values.
    pub(crate) fn values(&self) -> [u64; FIELDS] {
        [
            time_value(self.time),
            // Zero, unless the clock went back.
            self.id.millis().wrapping_sub(self.time.unix_millis()),
            self.id.random(),
            self.offset.into(),
            self.revision,
            self.coordinate.into(),
            self.kind.as_u16().into(),
            self.extras.0.into(),
        ]
    }

    /// The row with these values; `None` if no row has them.
    #[inline]
    pub(crate) fn of_values(sequence: u64, values: [u64; FIELDS]) -> Option<Self> {
        let [time, ahead, random, offset, revision, coordinate, kind, extras] = values;
        let time = Timestamp::from_nanos((time ^ SIGN).cast_signed());
        Some(Self {
            id: EventId::compose(time.unix_millis().wrapping_add(ahead), sequence, random).ok()?,
            revision,
            time,
            offset: u32::try_from(offset).ok()?,
            coordinate: u32::try_from(coordinate).ok()?,
            kind: EventKind::from_u16(u16::try_from(kind).ok()?),
            extras: Extras(u8::try_from(extras).ok()?),
        })
    }
}

const SIGN: u64 = 1 << 63;

/// Index of the time among the values of a row.
pub(crate) const TIME: usize = 0;
/// Index of the coordinate's number.
pub(crate) const COORDINATE: usize = 5;

pub(crate) fn time_value(time: Timestamp) -> u64 {
    time.as_nanos().cast_unsigned() ^ SIGN
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
        let tags = event.tags().next().is_some();
        Self::new(tags, event.correlation_id().is_some(), event.causation_id().is_some())
    }

    /// Those of an event with or without tags, correlation id and causation id.
    #[inline]
    pub fn new(tags: bool, correlation: bool, causation: bool) -> Self {
        let bit = |set: bool, bit| if set { bit } else { 0 };
        Self(bit(tags, Self::TAGS) | bit(correlation, Self::CORRELATION) | bit(causation, Self::CAUSATION))
    }

    /// Whether the record can satisfy what `clause` asks of it.
    pub fn can_match(self, clause: &Clause) -> bool {
        let tags = !clause.tags().is_empty();
        let needed = Self::new(tags, clause.correlation_id().is_some(), clause.causation_id().is_some());
        self.0 & needed.0 == needed.0
    }
}

/// The order in which rows are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Rising sequences.
    Forward,
    /// Falling sequences.
    Backward,
}
