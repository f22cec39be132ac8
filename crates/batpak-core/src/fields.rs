//! What an event says besides its payload, and the limits of it.

use crate::{
    coordinate::Coordinate,
    id::EventId,
    kind::EventKind,
    layout::{EXTENSION_CRITICAL, EXTENSION_HEADER_LEN},
    name::{NameFault, check_name},
    time::Timestamp,
};

/// The most bytes of metadata that an event may have.
pub const METADATA_MAX_BYTES: usize = 4096;

/// The most tags that an event may have.
pub const TAGS_MAX: usize = 16;

/// The most bytes that a tag may have.
pub const TAG_MAX_BYTES: usize = 256;

const EXTENSIONS_MAX_BYTES: u64 = 65_535;

/// What an event says besides its payload.
///
/// Only coordinate and kind are needed; the rest starts out absent.
///
/// # Examples
///
/// ```
/// use batpak_core::{Coordinate, EventKind, Fields};
///
/// let coordinate = Coordinate::new("account:7", "bank")?;
/// let fields = Fields {
///     tags: &["owner:3", "branch:9"],
///     ..Fields::new(&coordinate, EventKind::custom(0xF, 1))
/// };
/// assert_eq!(fields.check(), Ok(()));
/// # Ok::<(), batpak_core::CoordinateError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The entity that the event belongs to, and its scope.
    pub coordinate: &'a Coordinate,
    /// What sort of event it is.
    pub kind: EventKind,
    /// The version of the payload's type, 0 for an untyped one.
    pub payload_version: u16,
    /// What links the events of one undertaking.
    pub correlation_id: Option<EventId>,
    /// The event that brought this one about.
    pub causation_id: Option<EventId>,
    /// What makes a second append of the same event a repetition of the first.
    pub idempotency_key: Option<u128>,
    /// When it happened, if that is not when it was appended.
    pub occurred_at: Option<Timestamp>,
    /// Bytes of the application, at most 4096. None are the same as no metadata.
    pub metadata: &'a [u8],
    /// What else the event concerns: at most 16, each of 1 to 256 bytes without control characters, each once.
    pub tags: &'a [&'a str],
    /// Type and bytes of extensions, in rising order of type, each type once, none critical; at most 65,535 bytes, with
    /// 6 for the type and the length of each.
    pub extensions: &'a [(u16, &'a [u8])],
}

/// Which field of an event is past its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// There is too much metadata.
    #[error("metadata has {bytes} bytes, at most {METADATA_MAX_BYTES} are allowed")]
    Metadata {
        /// Its length in bytes.
        bytes: usize,
    },
    /// There are too many tags.
    #[error("event has {tags} tags, at most {TAGS_MAX} are allowed")]
    Tags {
        /// How many there are.
        tags: usize,
    },
    /// A tag is empty, too long or has a control character.
    #[error("tag {index} {fault}")]
    Tag {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// A tag stands there twice.
    #[error("tag {index} is the same as tag {first}, each is allowed once")]
    RepeatedTag {
        /// Which one, from 0.
        index: usize,
        /// The one that it repeats.
        first: usize,
    },
    /// The extensions are not in rising order of their type.
    #[error("extension type {next:#06x} follows {previous:#06x}, types must rise")]
    ExtensionOrder {
        /// The type of one extension.
        previous: u16,
        /// The type of the next, not above it.
        next: u16,
    },
    /// The extension is critical, and no critical type is known: the event could not be read.
    #[error("extension type {extension:#06x} is critical and unknown")]
    CriticalExtension {
        /// The type.
        extension: u16,
    },
    /// The extensions are too long.
    #[error("extensions have {bytes} bytes, at most {EXTENSIONS_MAX_BYTES} are allowed")]
    Extensions {
        /// Their length in bytes, with 6 for the type and the length of each.
        bytes: u64,
    },
}

impl<'a> Fields<'a> {
    /// An event of `kind` at `coordinate`, with nothing else.
    pub const fn new(coordinate: &'a Coordinate, kind: EventKind) -> Self {
        Self {
            coordinate,
            kind,
            payload_version: 0,
            correlation_id: None,
            causation_id: None,
            idempotency_key: None,
            occurred_at: None,
            metadata: &[],
            tags: &[],
            extensions: &[],
        }
    }

    /// Checks the limits of metadata, tags and extensions.
    ///
    /// # Errors
    ///
    /// The first field that is past its limit, with limit and value.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_core::{Coordinate, EventKind, FieldError, Fields};
    ///
    /// let coordinate = Coordinate::new("account:7", "bank")?;
    /// let fields = Fields { metadata: &[0; 4097], ..Fields::new(&coordinate, EventKind::custom(0xF, 1)) };
    /// assert_eq!(fields.check(), Err(FieldError::Metadata { bytes: 4097 }));
    /// # Ok::<(), batpak_core::CoordinateError>(())
    /// ```
    #[inline]
    pub fn check(&self) -> Result<(), FieldError> {
        check_metadata(self.metadata)?;
        check_tags(&self.tags.iter().copied())?;
        check_extensions(self.extensions)
    }
}

pub(crate) fn check_metadata(metadata: &[u8]) -> Result<(), FieldError> {
    match metadata.len() {
        0..=METADATA_MAX_BYTES => Ok(()),
        bytes => Err(FieldError::Metadata { bytes }),
    }
}

pub(crate) fn check_tags<'a>(tags: &(impl ExactSizeIterator<Item = &'a str> + Clone)) -> Result<(), FieldError> {
    if tags.len() > TAGS_MAX {
        return Err(FieldError::Tags { tags: tags.len() });
    }
    for (index, tag) in tags.clone().enumerate() {
        check_name(tag, TAG_MAX_BYTES).map_err(|fault| FieldError::Tag { index, fault })?;
        if let Some(first) = tags.clone().take(index).position(|earlier| earlier == tag) {
            return Err(FieldError::RepeatedTag { index, first });
        }
    }
    Ok(())
}

fn check_extensions(extensions: &[(u16, &[u8])]) -> Result<(), FieldError> {
    check_extension_order(&extensions.iter().map(|&(extension, _)| extension))?;
    if let Some(extension) = extensions.iter().map(|&(extension, _)| extension).find(|&e| is_critical(e)) {
        return Err(FieldError::CriticalExtension { extension });
    }
    check_extensions_len(extensions_len(extensions))
}

pub(crate) fn check_extensions_len(bytes: u64) -> Result<(), FieldError> {
    match bytes {
        0..=EXTENSIONS_MAX_BYTES => Ok(()),
        bytes => Err(FieldError::Extensions { bytes }),
    }
}

pub(crate) fn check_extension_order(types: &(impl Iterator<Item = u16> + Clone)) -> Result<(), FieldError> {
    match types.clone().zip(types.clone().skip(1)).find(|(previous, next)| next <= previous) {
        Some((previous, next)) => Err(FieldError::ExtensionOrder { previous, next }),
        None => Ok(()),
    }
}

pub(crate) fn is_critical(extension: u16) -> bool {
    extension & EXTENSION_CRITICAL != 0
}

fn extensions_len(extensions: &[(u16, &[u8])]) -> u64 {
    extensions.iter().map(|(_, bytes)| EXTENSION_HEADER_LEN as u64 + bytes.len() as u64).sum()
}
