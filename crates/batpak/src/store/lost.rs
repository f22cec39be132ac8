//! Events that a salvage could not save: what would be wrong without them is refused.

use crate::store::read::Scan;
use crate::store::shared::Shared;
use crate::store::{LOST, StoreError};
use batpak_core::{Content, EventKind, EventRef, PayloadHash, Region};
use batpak_index::Direction;
use std::ops::Range;

/// The kind of what stands in the place of a lost event.
const STUB: EventKind = EventKind::from_u16(0);

/// Whether it stands in the place of a lost event.
#[inline]
pub(crate) fn is_lost(event: &EventRef<'_>) -> bool {
    event.kind() == STUB
        && matches!(event.content(), Content::Dropped { payload_hash } if payload_hash == PayloadHash::from_bytes([0; 32]))
}

impl Shared {
    /// Refuses what is to be made of the events of a region in `range` if a lost one may have been among them, unless
    /// the program has said that it goes on without.
    #[inline]
    pub(crate) fn check_lost(&self, region: &Region, range: Range<u64>) -> Result<(), StoreError> {
        if self.config.accept_lost_events || self.has_lost.get() == Some(&false) {
            return Ok(());
        }
        self.refuse_lost(region, range)
    }

    #[cold]
    fn refuse_lost(&self, region: &Region, range: Range<u64>) -> Result<(), StoreError> {
        let stubs = Region::kind(STUB).with_scope(LOST);
        let has_lost = self.first_of(&stubs, 0..self.visible())?.is_some();
        // Only a salvage makes them, before the store is opened.
        if !*self.has_lost.get_or_init(|| has_lost) {
            return Ok(());
        }
        match self.first_of(&stubs_of(region), range)? {
            Some(sequence) => Err(StoreError::Lost { sequence }),
            None => Ok(()),
        }
    }

    fn first_of(&self, region: &Region, range: Range<u64>) -> Result<Option<u64>, StoreError> {
        let found = Scan::new(self, region, range, Direction::Forward).next_to_read(self)?;
        Ok(found.map(|row| row.sequence()))
    }
}

/// The stubs of events that may have been of a region: of a lost event at most its entity is known.
fn stubs_of(region: &Region) -> Region {
    let any_entity = Region::entity_prefix(LOST);
    let stubs = region.clauses().iter().fold(any_entity, |stubs, clause| {
        let entity = match (clause.entity(), clause.entity_prefix()) {
            (Some(entity), _) => Region::entity(entity),
            (None, Some(prefix)) => Region::entity_prefix(prefix),
            (None, None) => Region::all(),
        };
        stubs.or(entity.with_sequences(clause.sequences()))
    });
    stubs.with_kind(STUB).with_scope(LOST)
}
