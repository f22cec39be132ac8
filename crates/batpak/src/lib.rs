//! An embedded, sync-first event store.
#![forbid(unsafe_code)]

pub mod prelude;
pub mod store;

pub use batpak_core::{
    Assigned, Chain, ChainError, Clause, Content, Coordinate, CoordinateError, Event, EventHash, EventHeader, EventId,
    EventIdError, EventKind, EventRef, FieldError, Fields, Frontier, KindError, PayloadHash, RecordError, Region,
    StoredEvent, Timestamp, TreeHash, verify_chain,
};
pub use batpak_guard as guard;
