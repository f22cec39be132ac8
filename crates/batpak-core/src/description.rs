//! What a program says of a kind: its name, a version of its payload and the fields of that version.

use alloc::string::String;
use alloc::vec::Vec;

use crate::kind::EventKind;
use crate::layout::{self, Reader};
use crate::name::{NameFault, check_name};

/// The most bytes that the name of a kind, or of a field of its payload, may have.
pub const KIND_NAME_MAX_BYTES: usize = 256;

/// The most fields that a description may name.
pub const KIND_FIELDS_MAX: usize = 1024;

/// The most bytes that a description may have when it is [encoded](KindDescription::encode).
pub const KIND_DESCRIPTION_MAX_BYTES: usize = 65536;

/// A kind of events as the program that writes them knows it: a name, a version of the payload, the names of its fields.
///
/// Names have 1 to [`KIND_NAME_MAX_BYTES`] bytes and no control character. There are at most [`KIND_FIELDS_MAX`] fields,
/// and all of it has at most [`KIND_DESCRIPTION_MAX_BYTES`].
///
/// # Examples
///
/// ```
/// use batpak_core::{EventKind, KindDescription};
///
/// let placed = KindDescription::new(EventKind::custom(1, 1), 2, "order.placed", ["items", "cents"])?;
/// let mut bytes = Vec::new();
/// placed.encode(&mut bytes);
/// assert_eq!(KindDescription::decode(&bytes)?, placed);
/// assert_eq!((placed.name(), placed.version()), ("order.placed", 2));
/// # Ok::<(), batpak_core::DescriptionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KindDescription {
    kind: EventKind,
    version: u16,
    name: String,
    fields: Vec<String>,
}

/// Why a kind cannot be described so, or bytes are no description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// The version is 0, which stands for events of which nothing is known.
    #[error("the description of kind {kind} has version 0, the first one is 1")]
    Version {
        /// The kind.
        kind: EventKind,
    },
    /// The name of the kind is empty, too long or has a control character.
    #[error("the name of kind {kind} {fault}")]
    Name {
        /// The kind.
        kind: EventKind,
        /// What is wrong with its name.
        fault: NameFault,
    },
    /// The name of a field is empty, too long or has a control character.
    #[error("field {field} of kind {kind} {fault}")]
    Field {
        /// The kind.
        kind: EventKind,
        /// Which field, from 0.
        field: usize,
        /// What is wrong with its name.
        fault: NameFault,
    },
    /// There are too many fields.
    #[error("kind {kind} has {fields} fields, at most {KIND_FIELDS_MAX} are allowed")]
    Fields {
        /// The kind.
        kind: EventKind,
        /// How many there are.
        fields: usize,
    },
    /// All names together are too long.
    #[error("the description of kind {kind} has {bytes} bytes, at most {KIND_DESCRIPTION_MAX_BYTES} are allowed")]
    TooLong {
        /// The kind.
        kind: EventKind,
        /// The length that it would have.
        bytes: usize,
    },
    /// The bytes are no description: they end within it, go on behind it, or hold a name that is not UTF-8.
    #[error("{bytes} bytes are no description of a kind")]
    Malformed {
        /// How many they are.
        bytes: usize,
    },
}

impl KindDescription {
    /// Describes a kind. Versions begin with 1.
    ///
    /// # Errors
    ///
    /// The first of the version, the number of fields, the names and the length that is out of bounds.
    pub fn new<F: Into<String>>(
        kind: EventKind,
        version: u16,
        name: impl Into<String>,
        fields: impl IntoIterator<Item = F>,
    ) -> Result<Self, DescriptionError> {
        let (name, fields) = (name.into(), fields.into_iter().map(Into::into).collect());
        let description = Self { kind, version, name, fields };
        description.check()?;
        Ok(description)
    }

    fn check(&self) -> Result<(), DescriptionError> {
        let (kind, fields) = (self.kind, self.fields.len());
        if self.version == 0 {
            return Err(DescriptionError::Version { kind });
        }
        if fields > KIND_FIELDS_MAX {
            return Err(DescriptionError::Fields { kind, fields });
        }
        check_name(&self.name, KIND_NAME_MAX_BYTES).map_err(|fault| DescriptionError::Name { kind, fault })?;
        for (field, name) in self.fields.iter().enumerate() {
            check_name(name, KIND_NAME_MAX_BYTES).map_err(|fault| DescriptionError::Field { kind, field, fault })?;
        }
        let bytes = layout::description_len(self.name.len(), self.fields.iter().map(String::len));
        if bytes > KIND_DESCRIPTION_MAX_BYTES {
            return Err(DescriptionError::TooLong { kind, bytes });
        }
        Ok(())
    }

    /// The kind.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The version of the payload, from 1.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The name of the kind, such as `order.placed`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the payload's fields in this version.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Appends the description as it stands in a store.
    pub fn encode(&self, out: &mut Vec<u8>) {
        layout::put_u16(out, self.kind.as_u16());
        layout::put_u16(out, self.version);
        put_text(out, &self.name);
        layout::put_u16(out, layout::len_u16(self.fields.len()));
        for field in &self.fields {
            put_text(out, field);
        }
    }

    /// Reads a description from the bytes that [`encode`](Self::encode) writes, and nothing else.
    ///
    /// # Errors
    ///
    /// `Malformed`, and whatever [`new`](Self::new) refuses.
    pub fn decode(bytes: &[u8]) -> Result<Self, DescriptionError> {
        let description = read(bytes).ok_or(DescriptionError::Malformed { bytes: bytes.len() })?;
        description.check()?;
        Ok(description)
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    layout::put_u16(out, layout::len_u16(text.len()));
    out.extend_from_slice(text.as_bytes());
}

/// What the bytes say, whether that is within limits or not.
fn read(bytes: &[u8]) -> Option<KindDescription> {
    let mut reader = Reader::new(bytes);
    let kind = EventKind::from_u16(reader.u16("kind").ok()?);
    let version = reader.u16("version").ok()?;
    let name = read_text(&mut reader)?;
    let count = reader.u16("number of fields").ok()?;
    // They are collected one by one: a count that is wrong reserves nothing.
    let mut fields = Vec::new();
    for _ in 0..count {
        fields.push(read_text(&mut reader)?);
    }
    reader.is_empty().then_some(KindDescription { kind, version, name, fields })
}

fn read_text(reader: &mut Reader<'_>) -> Option<String> {
    let len = reader.u16("length").ok()?;
    let bytes = reader.bytes("name", len.into()).ok()?;
    core::str::from_utf8(bytes).ok().map(Into::into)
}
