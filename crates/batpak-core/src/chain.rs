//! That the events of an entity follow one from the other.

use crate::{check::HashCheck, decode::EventRef, hash::EventHash};

/// Where the events of a stream do not follow one from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The event's hash does not follow from its fields, its payload and the event before it.
    #[error("event hash of revision {revision} is {stored}, {computed} follows from its content and the event before")]
    Hash {
        /// The event's revision.
        revision: u64,
        /// The hash that stands in its record.
        stored: EventHash,
        /// The hash that follows.
        computed: EventHash,
    },
    /// An event is missing, or stands in another place.
    #[error("revision is {revision}, {expected} follows from the event before")]
    Revision {
        /// The revision that follows.
        expected: u64,
        /// The event's revision.
        revision: u64,
    },
    /// The event is another entity's.
    #[error("the event that should be revision {revision} is another entity's")]
    Entity {
        /// The revision that should follow.
        revision: u64,
    },
}

/// The end of a stream that was verified, to which the next event has to link.
///
/// # Examples
///
/// ```
/// use batpak_core::{Chain, EventHash};
///
/// let chain = Chain::new();
/// assert_eq!((chain.next_revision(), chain.previous()), (0, EventHash::GENESIS));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    next_revision: u64,
    previous: EventHash,
}

impl Chain {
    /// The beginning of a stream.
    pub const fn new() -> Self {
        Self { next_revision: 0, previous: EventHash::GENESIS }
    }

    /// Behind the event of `revision` with the hash `event_hash`, which is trusted.
    pub const fn after(revision: u64, event_hash: EventHash) -> Self {
        Self { next_revision: revision.saturating_add(1), previous: event_hash }
    }

    /// The revision of the event that comes next.
    pub const fn next_revision(&self) -> u64 {
        self.next_revision
    }

    /// The hash of the last event, [`EventHash::GENESIS`] before the first.
    pub const fn previous(&self) -> EventHash {
        self.previous
    }

    /// Takes the next event of the same entity. Of a dropped event only the revision can be checked; its hash is taken
    /// from its record.
    ///
    /// # Errors
    ///
    /// [`ChainError::Revision`] and [`ChainError::Hash`]; then the chain ends where it ended before.
    pub fn link(&mut self, event: &EventRef<'_>) -> Result<(), ChainError> {
        if event.revision() != self.next_revision {
            return Err(ChainError::Revision { expected: self.next_revision, revision: event.revision() });
        }
        event.verify(&self.previous)?;
        *self = Self::after(event.revision(), event.event_hash());
        Ok(())
    }

    /// The same, but leaves the hash of the event to `check`. Whatever comes of it, the chain ends with the event.
    ///
    /// # Errors
    ///
    /// [`ChainError::Revision`]; then the chain ends where it ended before, and `check` is as it was.
    #[inline]
    pub fn link_later(&mut self, event: &EventRef<'_>, check: &mut HashCheck) -> Result<(), ChainError> {
        let revision = event.revision();
        if revision != self.next_revision {
            return Err(ChainError::Revision { expected: self.next_revision, revision });
        }
        check.hold(event, &self.previous);
        *self = Self::after(revision, event.event_hash());
        Ok(())
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

/// Verifies the stream of one entity from its first event, and returns its end.
///
/// # Errors
///
/// The first event that is another entity's, has not the next revision, or whose hash does not follow.
///
/// # Examples
///
/// ```
/// use batpak_core::{Chain, verify_chain};
///
/// assert_eq!(verify_chain([]), Ok(Chain::new()));
/// ```
pub fn verify_chain<'a>(events: impl IntoIterator<Item = EventRef<'a>>) -> Result<Chain, ChainError> {
    let mut chain = Chain::new();
    let mut entity = None;
    for event in events {
        if *entity.get_or_insert(event.entity()) != event.entity() {
            return Err(ChainError::Entity { revision: chain.next_revision });
        }
        chain.link(&event)?;
    }
    Ok(chain)
}
