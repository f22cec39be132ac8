//! What a commit has to know of events that are frozen: looked up before its lock is taken.

use crate::store::StoreError;
use crate::store::commit::Proposed;
use crate::store::job::Job;
use crate::store::read::decode_at;
use crate::store::shared::Shared;
use batpak_core::EventHash;
use batpak_index::{EntityHead, Row};
use batpak_segment::{LogError, Position};
use std::sync::Arc;

/// What is in parts about an event that is proposed, as far as it was looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frozen {
    /// How far its entity has come.
    pub(crate) head: Option<EntityHead>,
    /// The event that has its key, if there is one.
    pub(crate) key: Option<u64>,
    /// Whether that was looked up.
    pub(crate) is_key_known: bool,
}

impl Shared {
    /// Looks up what the job needs that is not live; `all` of it, or what it seems to need.
    pub(crate) fn look_up(&self, job: &mut Job, all: bool) -> Result<(), StoreError> {
        // A disk that has failed may not be read any more: the failure is what the caller is told.
        let looked_up = self.look_up_frozen(job, all).and_then(|()| self.look_at_guards(job));
        looked_up.map_err(|error| self.failure().unwrap_or(error))
    }

    fn look_at_guards(&self, job: &mut Job) -> Result<(), StoreError> {
        if job.guards.is_empty() {
            return Ok(());
        }
        let end = self.visible().max(self.index.tiers().frozen_end());
        job.guards.iter_mut().try_for_each(|guard| guard.look(self, end))
    }

    /// Why nothing is accepted any more.
    fn failure(&self) -> Option<StoreError> {
        let cause = self.writing_or_none()?.log.failure()?;
        Some(LogError::Failed { cause: Arc::clone(cause) }.into())
    }

    fn look_up_frozen(&self, job: &mut Job, all: bool) -> Result<(), StoreError> {
        let needs = |event: &Proposed| all || event.key.is_some() || !event.stream.is_live();
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
                event.frozen.is_key_known = true;
            }
        }
        Ok(())
    }

    fn frozen_head(&self, entity: &str) -> Result<EntityHead, StoreError> {
        let Some(newest) = self.ask(|tiers| tiers.newest_frozen(entity))? else { return Ok(EntityHead::default()) };
        let (hash, _) = self.hash_and_key(&newest)?;
        Ok(EntityHead { len: newest.revision + 1, newest: Some(newest.sequence()), hash })
    }

    fn frozen_key(&self, key: u128) -> Result<Option<u64>, StoreError> {
        for row in self.ask(|tiers| tiers.frozen_with_key(key))? {
            if self.hash_and_key(&row)?.1 == Some(key) {
                return Ok(Some(row.sequence()));
            }
        }
        Ok(None)
    }

    /// What only the record of a row says, whatever extensions it has.
    fn hash_and_key(&self, row: &Row) -> Result<(EventHash, Option<u128>), StoreError> {
        let position = Position { sequence: row.sequence(), offset: row.offset.into() };
        self.with_record(position, |bytes| {
            let event = decode_at(position, bytes)?;
            Ok((event.event_hash(), event.idempotency_key()))
        })
    }
}
