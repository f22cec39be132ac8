//! Types whose values are payloads of events.

use crate::store::payload;
use batpak_core::EventKind;
use serde::{Deserializer, Serializer};
use std::io::Write;

/// A kind of events as a program knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindInfo {
    /// The kind.
    pub kind: EventKind,
    /// The version of the payload's type that is written, from 1.
    pub version: u16,
    /// The name that tools show, such as `order.placed`.
    pub name: &'static str,
    /// The names of the payload's fields, as they are stored.
    pub fields: &'static [&'static str],
}

/// A type whose values are payloads of events: a struct of one kind, an enum of one kind for each variant, or an enum
/// of such types. It is derived.
///
/// # A struct
///
/// `category`, `type_id` and `name` are needed. The store keeps the kind beside the payload, so they must not change
/// once there are events. The store keeps the name, too: a kind that has another one there is refused when it is
/// appended or read, or when the store is opened, if the program says its kinds there
/// ([`with_events`](crate::store::StoreConfig::with_events)).
///
/// ```
/// use batpak::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, EventPayload)]
/// #[batpak(category = 1, type_id = 7, name = "order.placed")]
/// struct OrderPlaced {
///     items: Vec<String>,
/// }
///
/// let placed = OrderPlaced { items: vec!["a chair".to_owned()] };
/// assert_eq!(placed.kind_info().kind, EventKind::custom(1, 7));
/// assert_eq!((placed.kind_info().version, placed.kind_info().fields), (1, &["items"][..]));
/// ```
///
/// # An enum
///
/// Each variant with a `type_id` is a kind; its payload is the content of the variant, and the attributes of serde on
/// its fields count. A variant without one holds another `EventPayload`, whose kinds it takes over: so all events of a
/// program can be one enum, and two of them with the same kind or name do not compile. An enum that has only such
/// variants needs nothing of serde.
///
/// ```
/// use batpak::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, EventPayload)]
/// #[batpak(category = 2)]
/// enum Account {
///     #[batpak(type_id = 1, name = "account.opened")]
///     Opened,
///     #[batpak(type_id = 2, name = "account.paid")]
///     Paid { cents: i64 },
/// }
///
/// #[derive(Serialize, Deserialize, EventPayload)]
/// #[batpak(category = 1, type_id = 7, name = "order.placed")]
/// struct OrderPlaced(u32);
///
/// #[derive(EventPayload)]
/// enum AppEvent {
///     Account(Account),
///     OrderPlaced(OrderPlaced),
/// }
///
/// let names: Vec<_> = AppEvent::KINDS.iter().map(|info| info.name).collect();
/// assert_eq!(names, ["account.opened", "account.paid", "order.placed"]);
/// ```
///
/// # Versions
///
/// A change after which stored payloads could not be read any more needs a new `version` (it is 1 where nothing is
/// said), the type as it was, and a function from one to the other. `upcast` names such a function for each older
/// version, in order, without a gap; each takes what the one before returns. `events_lock!` finds the changes that need
/// it.
///
/// ```
/// use batpak::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct PaidV1 {
///     euros: i64,
/// }
///
/// #[derive(Serialize, Deserialize, EventPayload)]
/// #[batpak(category = 1, type_id = 8, version = 2, name = "order.paid", upcast(Self::from_v1))]
/// struct Paid {
///     cents: i64,
/// }
///
/// impl Paid {
///     fn from_v1(old: PaidV1) -> Self {
///         Self { cents: old.euros * 100 }
///     }
/// }
///
/// let stored = [0x81, 0xA5, b'e', b'u', b'r', b'o', b's', 3];
/// assert_eq!(Paid::decode(EventKind::custom(1, 8), 1, &stored)?.cents, 300);
/// # Ok::<(), batpak::PayloadError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the payload of an event",
    note = "derive `EventPayload` for it, or read it with `get_as` or `decoded`, whatever the kind"
)]
pub trait EventPayload: Sized {
    /// Its kinds, each once.
    const KINDS: &'static [KindInfo];

    /// The kinds of [`KINDS`](Self::KINDS) alone.
    const KIND_LIST: &'static [EventKind];

    /// The kind of this value.
    fn kind_info(&self) -> &'static KindInfo;

    /// What is known of a kind; `None` if it is none of the type's.
    fn info_of(kind: EventKind) -> Option<&'static KindInfo> {
        Self::KINDS.iter().find(|info| info.kind == kind)
    }

    /// Writes the payload in any format of serde. The kind is not in it.
    ///
    /// # Errors
    /// What the format returns.
    fn write_to<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// Reads the payload of an event of one of its kinds from any format of serde, as it was written by this version
    /// of its type. 0 and all versions above the known one mean the known one.
    ///
    /// # Errors
    /// What the format returns, also for a kind that the type does not have.
    fn read_from<'de, D: Deserializer<'de>>(kind: EventKind, version: u16, from: D) -> Result<Self, D::Error>;

    /// Writes the payload as it is stored: one MessagePack value, structs as maps with field names.
    ///
    /// # Errors
    /// What `Serialize` of the type returns.
    fn encode<W: Write>(&self, out: W) -> Result<(), rmp_serde::encode::Error> {
        self.write_to(&mut payload::encoder(out))
    }

    /// Makes a value from the payload of an event as it is stored. Version 0 means that it was appended without a type:
    /// it is read as the newest version.
    ///
    /// # Errors
    /// If the version is newer than this program knows, the kind is none of the type's, or the payload is not what its
    /// type says.
    fn decode(kind: EventKind, version: u16, payload: &[u8]) -> Result<Self, PayloadError> {
        let info = Self::info_of(kind).ok_or(PayloadError::OtherKind { kind })?;
        if version > info.version {
            return Err(PayloadError::NewerVersion { kind, name: info.name, version, known: info.version });
        }
        let value = Self::read_from(kind, version, &mut payload::decoder(payload))?;
        let became = value.kind_info();
        if became.kind == kind {
            return Ok(value);
        }
        Err(PayloadError::BecameOther { kind, name: info.name, version, became: became.name })
    }
}

/// Why a payload is not what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// It is not what its type says.
    #[error("the payload is not what its type says")]
    Decode(#[from] rmp_serde::decode::Error),
    /// A newer program wrote it.
    #[error("{name} ({kind}) has version {version}, this program knows versions up to {known}")]
    NewerVersion {
        /// The kind.
        kind: EventKind,
        /// Its name.
        name: &'static str,
        /// The version that was written.
        version: u16,
        /// The newest one that is known.
        known: u16,
    },
    /// A function from an older version returns a payload of another kind.
    #[error("{name} ({kind}) has version {version}, which `upcast` takes to {became}: it has to stay {name}")]
    BecameOther {
        /// The kind.
        kind: EventKind,
        /// Its name.
        name: &'static str,
        /// The version that was written.
        version: u16,
        /// The name of the kind that it was taken to.
        became: &'static str,
    },
    /// The event is of a kind that the type does not have.
    #[error("kind {kind} is none of the type's")]
    OtherKind {
        /// The kind.
        kind: EventKind,
    },
}
