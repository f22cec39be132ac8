//! Indexes to test with.

use batpak_core::{Coordinate, EventHash, EventId, EventKind, Region, Timestamp};
use batpak_index::{Added, Direction, EntityHead, Extras, Live, LiveWriter, Row};
use std::ops::Range;
use std::sync::Arc;

pub(crate) const KIND: EventKind = EventKind::custom(1, 1);
pub(crate) const OTHER: EventKind = EventKind::custom(2, 1);

/// Numbers that a seed decides, by the name of `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `end - 1`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("an index")]
    }
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

/// Adds the next event of an entity, as a store does: the row, then the head.
pub(crate) fn add(writer: &mut LiveWriter, coordinate: &Coordinate, kind: EventKind, key: Option<u128>) -> u64 {
    let sequence = writer.live().len();
    let known = writer.intern(coordinate);
    let head = writer.head(&known);
    let added = Added {
        id: EventId::compose(1_700_000_000_000, sequence, 1).expect("an id"),
        offset: 1000 + sequence * 100,
        revision: head.len,
        time: Timestamp::from_nanos(i64::try_from(sequence * 7 % 10).expect("small")),
        kind,
        extras: Extras::new(sequence.is_multiple_of(3), sequence.is_multiple_of(4), sequence.is_multiple_of(5)),
        key,
    };
    writer.add(&known, &added);
    writer.set_head(&known, EntityHead { len: head.len + 1, newest: Some(sequence), hash: hash(sequence) });
    sequence
}

pub(crate) const ENTITIES: [&str; 5] = ["a", "a:1", "a:10", "b", "c"];
pub(crate) const SCOPES: [&str; 3] = ["x", "y", "x:1"];

/// An index of some events at random coordinates; some have keys.
pub(crate) fn filled(events: u64, seed: u64) -> LiveWriter {
    let mut random = Random(seed);
    let mut writer = LiveWriter::new();
    for _ in 0..events {
        let coordinate = at(random.pick(&ENTITIES), random.pick(&SCOPES));
        let key = (random.below(3) == 0).then(|| u128::from(random.next()) << 7);
        add(&mut writer, &coordinate, random.pick(&[KIND, OTHER]), key);
    }
    writer
}

pub(crate) fn rows(live: &Live) -> Vec<Row> {
    (0..live.len()).map(|sequence| *live.row(sequence).expect("a row")).collect()
}

/// The sequences of a region, as the index finds them.
pub(crate) fn found(live: &Arc<Live>, region: &Region, range: Range<u64>, direction: Direction) -> Vec<u64> {
    live.matches(region, range, direction).map(|row| row.sequence()).collect()
}
