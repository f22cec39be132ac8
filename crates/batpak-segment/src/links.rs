//! Which segment may follow which.

use crate::error::LogError;
use crate::header::{Id, Link, Seal, SegmentHeader};

/// The first and the last frame of a segment that is complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Complete {
    pub(crate) link: Link,
    pub(crate) seal: Seal,
    /// The crc of the frame of the seal.
    pub(crate) seal_crc: u32,
    /// Where that frame ends.
    pub(crate) len: u64,
}

/// What a segment has to say, by the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expected {
    /// Its link.
    pub(crate) link: Link,
    /// Its first link id; unknown for the first segment.
    first_link: Option<Id>,
    /// Whether the crc in its link is that of the seal that is there.
    original_seal: bool,
    /// Whether the file before stands for several segments, of which its link knows the last one only.
    merged: bool,
}

impl Expected {
    fn after(header: &SegmentHeader, complete: &Complete) -> Self {
        let Complete { seal, seal_crc, .. } = *complete;
        let link = Link {
            first_sequence: seal.end_sequence,
            previous: header.last_link,
            previous_end: seal.end_sequence,
            previous_count: seal.count,
            previous_seal_crc: seal_crc,
        };
        Self {
            link,
            first_link: Some(seal.next_link),
            original_seal: header.has_original_seal(),
            merged: header.number < header.last_number,
        }
    }

    /// What is expected of a segment of which nothing is known but what it says itself.
    pub(crate) fn by(link: &Link) -> Self {
        Self { link: *link, first_link: None, original_seal: true, merged: false }
    }

    /// Checks a segment that is complete, and returns what the one after it has to say.
    pub(crate) fn followed_by(&self, header: &SegmentHeader, complete: &Complete) -> Result<Self, LogError> {
        let Complete { link, seal, .. } = complete;
        self.check(header, Some(link))?;
        if link.first_sequence.checked_add(seal.count) != Some(seal.end_sequence) {
            let reason = "its seal counts other records than it holds";
            return Err(LogError::BrokenLink { number: header.number, reason });
        }
        Ok(Self::after(header, complete))
    }

    /// Checks a segment's header, and its link if it has one.
    pub(crate) fn check(&self, header: &SegmentHeader, link: Option<&Link>) -> Result<(), LogError> {
        let broken = |reason| Err(LogError::BrokenLink { number: header.number, reason });
        if self.first_link.is_some_and(|id| id != header.first_link) {
            return broken("the seal of the one before names another");
        }
        if link.is_some_and(|link| !self.is_said_by(link)) {
            return broken("its link is not the seal of the one before");
        }
        Ok(())
    }

    fn is_said_by(&self, link: &Link) -> bool {
        self.comparable(link) == self.comparable(&self.link)
    }

    /// Without what compaction changes: the crc of a seal, and the count where one file stands for several segments.
    fn comparable(&self, link: &Link) -> Link {
        let previous_seal_crc = if self.original_seal { link.previous_seal_crc } else { 0 };
        let previous_count = if self.merged { 0 } else { link.previous_count };
        Link { previous_count, previous_seal_crc, ..*link }
    }
}
