//! What a commit has to know of events that are frozen: looked up before its lock is taken.

use crate::store::StoreError;
use crate::store::job::Job;
use crate::store::shared::Shared;
use batpak_core::EventRef;
use batpak_index::{EntityHead, Row};
use batpak_segment::Position;

/// What is in parts about an event that is proposed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frozen {
    /// How far its entity has come.
    pub(crate) head: Option<EntityHead>,
    /// The event that has its key.
    pub(crate) key: Option<u64>,
}

impl Shared {
    /// Looks up what the job needs that is not live; `all` of it, or what it seems to need.
    pub(crate) fn look_up(&self, job: &mut Job, all: bool) -> Result<(), StoreError> {
        let needs = |event: &crate::store::commit::Proposed| all || event.key.is_some() || !event.stream.is_live();
        if !job.proposed.iter().any(needs) {
            return Ok(());
        }
        // What is frozen after this is found also, or found missing under the lock.
        let frozen_end = self.index.tiers().frozen_end();
        job.looked_up_to = frozen_end;
        if frozen_end == 0 {
            return Ok(());
        }
        for event in &mut job.proposed {
            event.frozen = Frozen::default();
            if all || !event.stream.is_live() {
                event.frozen.head = Some(self.frozen_head(event.stream.coordinate().entity())?);
            }
            if let Some(key) = event.key {
                event.frozen.key = self.frozen_key(key)?;
            }
        }
        Ok(())
    }

    fn frozen_head(&self, entity: &str) -> Result<EntityHead, StoreError> {
        let Some(newest) = self.ask(|tiers| tiers.newest_frozen(entity))? else { return Ok(EntityHead::default()) };
        self.with_event(&newest, |event| {
            let (len, hash) = (event.revision() + 1, event.event_hash());
            EntityHead { len, newest: Some(event.sequence()), hash }
        })
    }

    fn frozen_key(&self, key: u128) -> Result<Option<u64>, StoreError> {
        for row in self.ask(|tiers| tiers.frozen_with_key(key))? {
            if self.with_event(&row, |event| event.idempotency_key() == Some(key))? {
                return Ok(Some(row.sequence()));
            }
        }
        Ok(None)
    }

    /// Shows the record of a row, whatever extensions it has.
    fn with_event<T>(&self, row: &Row, look: impl FnOnce(&EventRef<'_>) -> T) -> Result<T, StoreError> {
        let position = Position { sequence: row.sequence(), offset: row.offset.into() };
        self.with_record(position, |bytes| Ok(look(&crate::store::read::decode_at(position, bytes)?)))
    }
}
