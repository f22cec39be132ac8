//! What an event is: coordinates, kinds, ids, the record codec and the hash chain.
//!
//! This crate is the vocabulary of the `batpak` event store, without the store. It opens no file, starts no thread,
//! reads no clock and draws no randomness; whatever of that an event needs is given to it. It works without the
//! standard library (`default-features = false`), with an allocator.
//!
//! Use it to read or write event records where the store itself cannot go: a verifier, an exporter, an index of your
//! own, firmware. To keep events on disk use `batpak`, which re-exports all of this.
//!
//! ```
//! use batpak_core::{Assigned, Coordinate, EventHash, EventId, EventKind, EventRef, Fields, RecordDraft, Timestamp};
//!
//! static OPENED: EventKind = EventKind::custom(0xF, 1);
//!
//! let coordinate = Coordinate::new("account:7", "bank")?;
//! let mut buffer = Vec::new();
//!
//! // Without a lock: everything but the place of the event.
//! let mut open = RecordDraft::begin(&mut buffer, &Fields::new(&coordinate, OPENED), [7; 16])?;
//! open.extend_from_slice(b"payload");
//! let draft = open.finish();
//!
//! // Under the lock: its place, and with it the hash.
//! let place = Assigned {
//!     id: EventId::compose(1_700_000_000_000, 0, 42)?,
//!     revision: 0,
//!     time: Timestamp::from_nanos(1_700_000_000_000_000_000),
//!     previous: EventHash::GENESIS,
//! };
//! let hash = draft.assign(&mut buffer, &place);
//!
//! let event = EventRef::decode(&buffer)?;
//! assert_eq!(event.entity(), "account:7");
//! assert_eq!(event.content().payload(), Some(&b"payload"[..]));
//! assert_eq!(event.event_hash(), hash);
//! event.verify(&EventHash::GENESIS)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod chain;
mod check;
mod coordinate;
mod decode;
mod description;
mod encode;
mod event;
mod fields;
mod hash;
mod id;
mod kind;
mod lanes;
mod layout;
mod merkle;
mod name;
mod region;
mod sha256;
mod stub;
mod time;

pub use crate::{
    chain::{Chain, ChainError, verify_chain},
    check::HashCheck,
    coordinate::{Coordinate, CoordinateError},
    decode::{Content, EventRef, Extensions, RecordError, Tags},
    description::{
        DescriptionError, KIND_DESCRIPTION_MAX_BYTES, KIND_FIELDS_MAX, KIND_NAME_MAX_BYTES, KindDescription,
    },
    encode::{Assigned, OpenRecord, RecordDraft},
    event::{Event, EventHeader, StoredEvent},
    fields::{FieldError, Fields, METADATA_MAX_BYTES, TAG_MAX_BYTES, TAGS_MAX},
    hash::{EventHash, PayloadHash, TreeHash},
    id::{EventId, EventIdError, MAX_REVISION, MAX_SEQUENCE},
    kind::{EventKind, KindError},
    merkle::{Frontier, FrontierError},
    name::{NAME_MAX_BYTES, NameFault, check_name},
    region::{Clause, Region, RowFacts},
    stub::write_lost,
    time::Timestamp,
};
