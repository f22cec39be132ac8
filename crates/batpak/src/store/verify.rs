//! Verifying the hash chain of every entity.

use crate::store::read::decode_at;
use crate::store::{Head, Store, StoreError};
use batpak_core::{Chain, EventRef, Frontier};
use std::collections::HashMap;

/// What was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainReport {
    /// Number of events: all that were visible.
    pub events: u64,
    /// Number of entities.
    pub entities: u64,
    /// The head over these events, to compare with one that was kept elsewhere.
    pub head: Head,
}

impl Store {
    /// Reads every visible event and verifies its crc, its hashes, and that it follows the one before in its entity.
    ///
    /// A missing end of the store, or a missing entity, shows only in the [head](ChainReport::head).
    ///
    /// # Errors
    /// `Chain` at the first event that does not follow; `Corrupt` if one stands in another's place or bytes are not what
    /// was written; `Record`; `Io`; `Closed`.
    pub fn verify_chain(&self) -> Result<ChainReport, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        let visible = shared.visible();
        let mut chains: HashMap<String, Chain> = HashMap::new();
        let mut frontier = Frontier::new();
        let mut records = shared.reader.records(0);
        while frontier.size() < visible {
            let next = records.next_record().map_err(|error| shared.damaged(error))?;
            let Some((position, bytes)) = next else {
                return Err(StoreError::NotFound { sequence: frontier.size() });
            };
            let event = decode_at(position, bytes)?;
            link(&mut chains, &event)?;
            frontier.push(&event.event_hash());
        }
        Ok(ChainReport { events: visible, entities: chains.len() as u64, head: Head::of(&frontier) })
    }
}

fn link(chains: &mut HashMap<String, Chain>, event: &EventRef<'_>) -> Result<(), StoreError> {
    let failed = |source| StoreError::Chain { sequence: event.sequence(), entity: event.entity().to_owned(), source };
    if let Some(chain) = chains.get_mut(event.entity()) {
        return chain.link(event).map_err(failed);
    }
    let mut chain = Chain::new();
    chain.link(event).map_err(failed)?;
    chains.insert(event.entity().to_owned(), chain);
    Ok(())
}
