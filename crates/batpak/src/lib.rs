//! An embedded, sync-first event store: open a directory, append events at coordinates, read them back.
//!
//! For programs that event-source in process: local-first applications, audit trails, agents and tools that must show
//! what they did, games and simulations that replay. Not for queries over the content of payloads, for several writing
//! processes, or for data that has to be deleted; who needs only a log of bytes takes `batpak-segment`, who needs only
//! gates `batpak-guard`.
//!
//! # Examples
//! ```
//! use batpak::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize, EventPayload)]
//! #[batpak(category = 1)]
//! enum OrderEvent {
//!     #[batpak(type_id = 1, name = "order.placed")]
//!     Placed { items: u32 },
//!     #[batpak(type_id = 2, name = "order.paid")]
//!     Paid,
//! }
//!
//! let dir = tempfile::tempdir()?;
//! let store = Store::open(dir.path())?;
//! let order = Coordinate::new("order:7", "shop")?;
//! let placed = store.append_typed(&order, &OrderEvent::Placed { items: 3 })?;
//! let options = AppendOptions::default().expect_len(1).with_idempotency_key(idempotency_key("order:7/paid"));
//! let paid = store.append_typed_with(&order, &OrderEvent::Paid, options)?;
//! assert_eq!((placed.sequence, paid.sequence), (0, 1));
//!
//! let again = store.append_typed_with(&order, &OrderEvent::Paid, options)?;
//! assert!(again.replayed());
//! assert_eq!(again.event_id, paid.event_id);
//!
//! let newest = store.events(&Region::entity("order:7")).backward().typed::<OrderEvent>().next();
//! assert_eq!(newest.ok_or("two events")??.event.into_payload(), OrderEvent::Paid);
//! store.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod derived;
mod event_payload;
pub mod prelude;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use batpak_core::{
    Assigned, Chain, ChainError, Clause, Content, Coordinate, CoordinateError, DescriptionError, Event, EventHash,
    EventHeader, EventId, EventIdError, EventKind, EventRef, FieldError, Fields, Frontier, KindDescription, KindError,
    PayloadHash, RecordError, Region, StoredEvent, Timestamp, TreeHash, verify_chain,
};
pub use batpak_guard as guard;
pub use batpak_macros::EventPayload;
pub use event_payload::{EventPayload, KindInfo, PayloadError};

/// The programs of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../README.md")]
struct Readme;

/// The programs of the guide are those of the examples, as `guide.rs` among the tests compares, and one in its table of
/// contents; here they are run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/MIGRATING.md")]
#[doc = include_str!("../../../docs/guide/README.md")]
#[doc = concat!("```\n", include_str!("../examples/audit.rs"), "\n```")]
#[doc = concat!("```\n", include_str!("../examples/ledger.rs"), "\n```")]
#[doc = concat!("```\n", include_str!("../examples/schema.rs"), "\n```")]
#[doc = concat!("```\n", include_str!("../examples/seats.rs"), "\n```")]
struct Guide;
