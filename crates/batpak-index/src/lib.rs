//! Where events are: the index over a log of event records.
//!
//! Use it if you keep records of [`batpak_core`] in a log of your own and want to find them by entity, scope, kind, tag,
//! id or key, from any number of threads while one adds more. It holds no events. What is new is [live](Live), in
//! memory; what will not change any more is frozen into a [`Part`], bytes that can be mapped from a file, and parts are
//! [merged](merge), so that memory does not grow with the events.
//!
//! Do not use it to store events: `batpak` does, and has this index inside. Do not use it to search what payloads say.
//!
//! ```
//! use batpak_core::{Coordinate, EventHash, EventId, EventKind, Region, Timestamp};
//! use batpak_index::{About, Added, Direction, EntityHead, Extras, Index, Part};
//! use std::sync::Arc;
//!
//! let store_id = [7; 16];
//! let (index, mut writer) = Index::new(store_id, Vec::new());
//! let seat = writer.intern(&Coordinate::new("seat:4", "hall")?);
//! for sequence in 0..3 {
//!     let head = writer.head(&seat).unwrap_or_default();
//!     let event = Added {
//!         id: EventId::compose(1_700_000_000_000, sequence, 42)?,
//!         offset: 360 + 200 * u32::try_from(sequence)?,
//!         revision: head.len,
//!         time: Timestamp::from_nanos(1_700_000_000_000_000_000),
//!         kind: EventKind::custom(1, 1),
//!         extras: Extras::new(true, false, false),
//!         marks: &index.marks(["paid"].into_iter(), None, None, None),
//!         key: None,
//!     };
//!     writer.add(&seat, &event);
//!     writer.set_head(&seat, Some(EntityHead { len: head.len + 1, newest: Some(sequence), ..head }));
//! }
//!
//! // Any thread can have this side.
//! let newest = |region: &Region| index.snapshot().matches(region, 0..3, Direction::Backward).next_row();
//! assert_eq!(newest(&Region::entity("seat:4"))?.map(|row| row.offset), Some(760));
//!
//! // What is live is frozen, here into memory.
//! writer.begin_live();
//! let about = About { store_id, stamp: 0, last_hash: EventHash::GENESIS };
//! let mut bytes = Vec::new();
//! index.tiers().live().next().expect("it has ended").to_builder().write(&about, &mut bytes)?;
//! assert!(index.replace(&[Arc::new(Part::open(Box::new(bytes), store_id)?)]));
//! writer.forget_frozen();
//! assert_eq!(newest(&Region::tag("paid"))?.map(|row| row.revision), Some(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod blocks;
mod build;
mod cursor;
mod hash;
#[cfg(all(test, loom))]
mod interleavings;
mod kinds;
mod layout;
mod live;
mod matches;
mod merging;
mod names;
mod part;
mod row;
mod sync;
mod tiers;
mod write;

pub use blocks::{Bytes, Damaged};
pub use build::{Builder, merge};
pub use kinds::{Described, KindsFile};
pub use live::{Added, EntityHead, Known, Live, Marks};
pub use matches::Matches;
pub use merging::{small_to_merge, to_merge};
pub use part::{Part, Refused};
pub use row::{Direction, Extras, Row};
pub use tiers::{Index, IndexWriter, Tiers};
pub use write::{About, Output, WriteError};
