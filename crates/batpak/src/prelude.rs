//! What most programs need: `use batpak::prelude::*;`.

pub use crate::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, CausesEnd, Committed, Condition, Cursor, DecideError,
    Durability, EventRow, EventSourced, Freshness, Projected, Projection, ProjectionInput, RawMsgpackInput, Store,
    StoreConfig, StoreError, SyncConfig, Ticket, Transaction, ValueInput, Watch, idempotency_key,
};
pub use crate::store::{
    BypassError, BypassRecord, Bypassed, DenialRecord, GateError, Gated, WriteContext, WriteGates, WritePipeline,
};
pub use crate::{EventPayload, PayloadError};
pub use batpak_core::{Coordinate, Event, EventHash, EventId, EventKind, Region, StoredEvent, Timestamp};
pub use batpak_guard::{Denial, Gate, GateSet, Pipeline, Proposal, Receipt, gate_fn};
