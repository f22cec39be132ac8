//! What an append returns.

use crate::store::Durability;
use batpak_core::{EventHash, EventId};
use smallvec::SmallVec;

/// The receipts of a commit, in the order of its events.
pub(crate) type Receipts = SmallVec<[AppendReceipt; 1]>;

/// Proof of an append: the event is visible, and as durable as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendReceipt {
    /// Id of the event.
    pub event_id: EventId,
    /// Position in the store: 0, 1, 2 … without a gap.
    pub sequence: u64,
    /// Position in its entity's stream: 0, 1, 2 … without a gap.
    pub revision: u64,
    /// Hash of the event, which covers all events of the entity before it.
    pub event_hash: EventHash,
    /// What the event survives.
    pub durability: Durability,
    pub(crate) replay: Option<SamePayload>,
}

/// Whether a replayed append had the payload of the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SamePayload(pub(crate) bool);

impl AppendReceipt {
    /// Whether nothing was appended, because the event with this idempotency key was there already.
    pub fn replayed(&self) -> bool {
        self.replay.is_some()
    }

    /// Whether this was a replay with another payload than the first time. The first one stands.
    pub fn payload_differs(&self) -> bool {
        self.replay == Some(SamePayload(false))
    }
}
