//! The segments of a log as readers know them.

use crate::directory::SegmentFile;
use crate::header::{Link, SegmentHeader};
use crate::links::Complete;
use crate::opened::Slot;
use crate::prefix::ActiveSource;
use std::path::PathBuf;
use std::sync::Arc;

/// A segment as readers know it.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    pub(crate) header_crc: u32,
    pub(crate) link: Link,
    /// Where its seal ends, unless it is active.
    pub(crate) sealed_len: Option<u64>,
}

impl Segment {
    pub(crate) fn active(file: &SegmentFile, link: Link) -> Self {
        Self { path: file.path.clone(), header: file.header, header_crc: file.header_crc, link, sealed_len: None }
    }

    pub(crate) fn sealed(file: &SegmentFile, complete: &Complete) -> Self {
        Self { sealed_len: Some(complete.len), ..Self::active(file, complete.link) }
    }

    /// Sequence of its first record.
    pub(crate) fn first_sequence(&self) -> u64 {
        self.link.first_sequence
    }
}

/// What a log says of one of its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number, or the first one that it stands for.
    pub number: u64,
    /// The last number that it stands for.
    pub last_number: u64,
    /// How often its numbers were written anew.
    pub generation: u32,
    /// Its random identifier, which no other segment has.
    pub id: [u8; 16],
    /// Sequence of its first record.
    pub first_sequence: u64,
    /// One past the sequence of its last record; unknown as long as it is active.
    pub end_sequence: Option<u64>,
}

/// The segments of a log in order; the last one is active.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// Sequences of their first records, side by side because each read searches them.
    firsts: Vec<u64>,
    pub(crate) slots: Vec<Arc<Slot>>,
    pub(crate) active: Arc<ActiveSource>,
}

impl Catalog {
    pub(crate) fn new(slots: Vec<Arc<Slot>>, active: ActiveSource) -> Self {
        let firsts = slots.iter().map(|slot| slot.segment.first_sequence()).collect();
        Self { firsts, slots, active: Arc::new(active) }
    }

    /// The segment that holds `sequence`.
    pub(crate) fn index_of(&self, sequence: u64) -> Option<usize> {
        self.firsts.partition_point(|first| *first <= sequence).checked_sub(1)
    }

    pub(crate) fn is_active(&self, index: usize) -> bool {
        index + 1 == self.slots.len()
    }

    /// One past the last sequence of a sealed segment.
    pub(crate) fn end_of(&self, index: usize) -> Option<u64> {
        self.firsts.get(index + 1).copied()
    }

    pub(crate) fn infos(&self) -> Vec<SegmentInfo> {
        let info = |(index, slot): (usize, &Arc<Slot>)| {
            let header = &slot.segment.header;
            SegmentInfo {
                number: header.number,
                last_number: header.last_number,
                generation: header.generation,
                id: header.segment_id,
                first_sequence: slot.segment.first_sequence(),
                end_sequence: self.end_of(index),
            }
        };
        self.slots.iter().enumerate().map(info).collect()
    }
}
