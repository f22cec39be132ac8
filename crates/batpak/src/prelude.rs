//! What most programs need: `use batpak::prelude::*;`.

pub use crate::EventPayload;
pub use crate::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Condition, DecideError, Durability, EventSourced,
    Freshness, Projection, ProjectionInput, RawMsgpackInput, Store, StoreConfig, StoreError, SyncConfig, Ticket,
    Transaction, ValueInput, idempotency_key,
};
pub use crate::store::{BypassRecord, DenialRecord, GateError, WriteContext, WriteGates, WritePipeline};
pub use batpak_core::{Coordinate, Event, EventHash, EventId, EventKind, Region, StoredEvent, Timestamp};
pub use batpak_guard::{Denial, Gate, GateSet, Pipeline, Proposal, Receipt};
