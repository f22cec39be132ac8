//! What a segment says about itself and its neighbours.

/// A random identifier of a segment or a store.
pub type Id = [u8; 16];

/// Size and root of the Merkle tree over a store's history, as its user computes them.
///
/// The log only carries it: the newest one that it was told stands in the header of each new segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogHead {
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree.
    pub root: [u8; 32],
}

/// The header of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) segment_id: Id,
    pub(crate) store_id: Id,
    pub(crate) first_link: Id,
    pub(crate) last_link: Id,
    pub(crate) previous_link: Id,
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) last_number: u64,
    pub(crate) generation: u32,
    pub(crate) head: LogHead,
    pub(crate) created_ns: i64,
}

impl SegmentHeader {
    /// The header of a segment that a writer starts.
    pub(crate) fn new(number: u64, segment_id: Id, store_id: Id, previous_link: Id) -> Self {
        Self {
            segment_id,
            store_id,
            first_link: segment_id,
            last_link: segment_id,
            previous_link,
            epoch: 0,
            number,
            last_number: number,
            generation: 0,
            head: LogHead::default(),
            created_ns: 0,
        }
    }

    /// The name of its file.
    pub(crate) fn file_name(&self) -> String {
        file_name(self.number, self.generation)
    }

    /// Whether the seal of this segment is the very one that the next segment's link was made from.
    pub(crate) fn has_original_seal(&self) -> bool {
        self.generation == 0 && self.first_link == self.segment_id
    }
}

/// First frame record of a segment: where it goes on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) first_sequence: u64,
    pub(crate) previous: Id,
    pub(crate) previous_end: u64,
    pub(crate) previous_count: u64,
    pub(crate) previous_seal_crc: u32,
}

/// Last frame record of a segment that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) next_link: Id,
    pub(crate) end_sequence: u64,
    pub(crate) count: u64,
}

fn file_name(number: u64, generation: u32) -> String {
    format!("{number:010}.{generation:04}.fbat")
}

/// Number and generation from the name of a segment's file; nothing if it is not one that it could have.
pub(crate) fn parse_file_name(name: &str) -> Option<(u64, u32)> {
    let (number, generation) = name.strip_suffix(".fbat")?.split_once('.')?;
    let parsed = (number.parse().ok()?, generation.parse().ok()?);
    (file_name(parsed.0, parsed.1) == name).then_some(parsed)
}
