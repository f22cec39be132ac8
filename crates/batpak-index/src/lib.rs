//! Where events are: the index over a log of event records.
//!
//! Use it if you keep records of [`batpak_core`] in a log of your own and want to find them by entity, scope, kind or
//! key, from any number of threads while one adds more. It holds no events, only a row of 64 bytes for each, in memory;
//! [`encode`] and [`decode`] keep it in a file between runs.
//!
//! Do not use it to store events: `batpak` does, and has this index inside. Do not use it for more events than fit into
//! memory at 64 bytes each, nor to search what payloads say.
//!
//! ```
//! use batpak_core::{Coordinate, EventHash, EventId, EventKind, Region, Timestamp};
//! use batpak_index::{Added, Direction, EntityHead, Extras, LiveWriter, decode, encode};
//!
//! let mut writer = LiveWriter::new();
//! let seat = writer.intern(&Coordinate::new("seat:4", "hall")?);
//! for sequence in 0..3 {
//!     let head = writer.head(&seat);
//!     let event = Added {
//!         id: EventId::compose(1_700_000_000_000, sequence, 42)?,
//!         offset: 360 + 200 * sequence,
//!         revision: head.len,
//!         time: Timestamp::from_nanos(1_700_000_000_000_000_000),
//!         kind: EventKind::custom(1, 1),
//!         extras: Extras::default(),
//!         key: None,
//!     };
//!     writer.add(&seat, &event);
//!     writer.set_head(&seat, EntityHead { len: head.len + 1, newest: Some(sequence), hash: EventHash::GENESIS });
//! }
//!
//! // Any thread can have this side.
//! let live = writer.live().clone();
//! let newest = live.matches(&Region::entity("seat:4"), 0..live.len(), Direction::Backward).next();
//! assert_eq!(newest.map(|row| (row.revision, row.offset)), Some((2, 760)));
//!
//! let store_id = [7; 16];
//! let loaded = decode(&encode(&writer, store_id)?, store_id)?;
//! assert_eq!(loaded.index.live().len(), 3);
//! assert!(decode(b"something else", store_id).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod blocks;
mod build;
mod cursor;
mod hash;
#[cfg(all(test, loom))]
mod interleavings;
mod layout;
mod live;
mod matches;
mod names;
mod part;
mod row;
mod sync;
mod tiers;
mod write;

pub use blocks::{Bytes, Damaged};
pub use build::{Builder, merge};
pub use live::{Added, EntityHead, Known, Live, Marks};
pub use matches::Matches;
pub use part::{Part, Refused};
pub use row::{Direction, Extras, Row};
pub use tiers::{Index, IndexWriter, Tiers};
pub use write::{About, Output, WriteError};
