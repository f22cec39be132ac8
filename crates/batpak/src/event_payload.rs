//! Types whose values are payloads of events.

use batpak_core::EventKind;
use std::io::Write;

/// A kind of events as a program knows it. The store keeps it with the first typed event of the kind.
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

/// A type whose values are payloads of events: a struct of one kind, an enum of one kind for each variant. It is
/// derived.
pub trait EventPayload: Sized {
    /// Its kinds, each once.
    const KINDS: &'static [KindInfo];

    /// The kind of this value.
    fn kind_info(&self) -> &'static KindInfo;

    /// Writes the payload: one MessagePack value, structs as maps with field names. The kind is not in it.
    ///
    /// # Errors
    /// What `Serialize` of the type returns.
    fn encode<W: Write>(&self, out: W) -> Result<(), rmp_serde::encode::Error>;

    /// Makes a value from the payload of an event of one of its [kinds](Self::KINDS), written as this version of its
    /// type. 0 means that it was appended without a type: it is read as the newest version.
    ///
    /// # Errors
    /// If the version is newer than this program knows, the kind is another one, or the payload is not what its type
    /// says.
    fn decode(kind: EventKind, version: u16, payload: &[u8]) -> Result<Self, PayloadError>;
}

/// Why a payload is no value of an [`EventPayload`].
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
    /// The event is of a kind that the type does not have.
    #[error("kind {kind} is none of the type's")]
    OtherKind {
        /// The kind.
        kind: EventKind,
    },
}
