//! Checking the hashes of events two at a time.

use crate::{
    chain::ChainError,
    decode::EventRef,
    hash::{EventHash, PayloadHash},
    layout,
    sha256::Message,
};

/// What is left to check of an event that was [linked](crate::Chain::link_later): its hash. The event itself is not
/// needed for it any more.
///
/// # Examples
///
/// ```
/// use batpak_core::HashCheck;
///
/// // Of no event nothing can be wrong.
/// assert_eq!(HashCheck::check_both(&mut [HashCheck::new(), HashCheck::new()]), [Ok(()), Ok(())]);
/// ```
#[derive(Debug, Clone)]
pub struct HashCheck {
    /// Salt and payload; empty if the hash of them stands in `event` already.
    payload: Message,
    /// What is hashed of the event; empty if `computed` is known.
    event: Message,
    /// Where in `event` the hash of the payload belongs.
    payload_hash_at: usize,
    computed: EventHash,
    stored: EventHash,
    revision: u64,
}

impl HashCheck {
    /// The check of no event.
    pub const fn new() -> Self {
        Self {
            payload: Message::new(),
            event: Message::new(),
            payload_hash_at: 0,
            computed: EventHash::GENESIS,
            stored: EventHash::GENESIS,
            revision: 0,
        }
    }

    /// Makes it the check of an event behind the one with the hash `previous`.
    #[inline]
    pub(crate) fn hold(&mut self, event: &EventRef<'_>, previous: &EventHash) {
        self.stored = event.event_hash();
        self.revision = event.revision();
        self.payload.clear();
        self.event.clear();
        if event.is_dropped() {
            self.computed = self.stored;
            return;
        }
        let is_open = event.hashed_content().is_some_and(|parts| self.payload.lay_out(parts));
        let payload_hash = if is_open { PayloadHash::NONE } else { event.payload_hash() };
        let (start, rest) = layout::hashed_head(event.head_bytes());
        self.payload_hash_at = start.len() + rest.len();
        let parts = [&start, rest, payload_hash.as_bytes(), event.place(), previous.as_bytes()];
        if !self.event.lay_out(parts) {
            self.payload.clear();
            self.computed = event.compute_event_hash(previous).unwrap_or(self.stored);
        }
    }

    /// Checks it alone.
    ///
    /// # Errors
    ///
    /// [`ChainError::Hash`] if the event's fields, its payload or the hash of the event before it were changed.
    pub fn check(&mut self) -> Result<(), ChainError> {
        if !self.payload.is_empty() {
            self.event.replace(self.payload_hash_at, &self.payload.digest());
        }
        if !self.event.is_empty() {
            self.computed = EventHash::from_bytes(self.event.digest());
        }
        self.compare()
    }

    /// Checks two, which takes less time than one after the other.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check), of each.
    #[inline]
    pub fn check_both(checks: &mut [Self; 2]) -> [Result<(), ChainError>; 2] {
        let [first, second] = &checks;
        let payload_hashes = Message::digest_both([&first.payload, &second.payload]);
        for (check, payload_hash) in checks.iter_mut().zip(&payload_hashes) {
            if !check.payload.is_empty() {
                check.event.replace(check.payload_hash_at, payload_hash);
            }
        }
        let [first, second] = &checks;
        let event_hashes = Message::digest_both([&first.event, &second.event]);
        for (check, event_hash) in checks.iter_mut().zip(event_hashes) {
            if !check.event.is_empty() {
                check.computed = EventHash::from_bytes(event_hash);
            }
        }
        [checks[0].compare(), checks[1].compare()]
    }

    #[inline]
    fn compare(&self) -> Result<(), ChainError> {
        let Self { computed, stored, revision, .. } = *self;
        if computed == stored { Ok(()) } else { Err(ChainError::Hash { revision, stored, computed }) }
    }
}

impl Default for HashCheck {
    fn default() -> Self {
        Self::new()
    }
}
