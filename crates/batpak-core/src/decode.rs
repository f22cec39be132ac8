//! From a record to an event that borrows it.

use core::{fmt, str};

use crate::{
    chain::ChainError,
    coordinate::Coordinate,
    fields::{FieldError, TAGS_MAX, check_extension_order, check_metadata, check_tags, is_critical},
    hash::{EventHash, OpenEventHash, PayloadHash},
    id::{EventId, MAX_REVISION},
    kind::EventKind,
    layout::{self, Flags, HASH_LEN, Head, Reader, SALT_LEN, TRAILER_LEN, Trailer},
    name::{NAME_MAX_BYTES, NameFault, check_name},
    time::Timestamp,
};

/// An event that borrows its record. Everything was checked when it was decoded, so no getter can fail.
///
/// # Examples
///
/// See the [crate](crate).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    record: &'a [u8],
    head: &'a [u8],
    flags: Flags,
    kind: EventKind,
    payload_version: u16,
    entity: &'a str,
    scope: &'a str,
    fixed_fields: &'a [u8],
    metadata: &'a [u8],
    tag_count: usize,
    tags: &'a [u8],
    extensions: &'a [u8],
    content: Content<'a>,
    trailer: Trailer,
}

/// What is left of an event's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// All of it.
    Payload {
        /// The salt that is hashed with the payload.
        salt: [u8; 16],
        /// The payload.
        bytes: &'a [u8],
    },
    /// Salt and payload were erased; all other fields are as they were, and the event hash can be recomputed.
    Erased {
        /// The hash of what was erased.
        payload_hash: PayloadHash,
    },
    /// The event was dropped: only entity, scope, key, id, revision and hashes are as they were.
    Dropped {
        /// The hash of what was dropped.
        payload_hash: PayloadHash,
    },
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The record ends within a field.
    #[error("record ends within its {field}: {length} bytes are needed, {left} are left")]
    Truncated {
        /// The field.
        field: &'static str,
        /// The length of the field in bytes.
        length: usize,
        /// How many bytes are left for it.
        left: usize,
    },
    /// A flag is set that format 1 does not know.
    #[error("record has flags {flags:#06x}, which format 1 does not know")]
    Flags {
        /// All flags of the record.
        flags: u16,
    },
    /// A text is not UTF-8.
    #[error("{field} is no UTF-8 from byte {at}")]
    Utf8 {
        /// `entity`, `scope` or `tag`.
        field: &'static str,
        /// The first byte of it that is wrong.
        at: usize,
    },
    /// Entity or scope is empty, too long or has a control character.
    #[error("{field} {fault}")]
    Name {
        /// `entity` or `scope`.
        field: &'static str,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// A field is there, but of length zero.
    #[error("{field} is there, but empty")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// A field is past its limit.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The event has an extension without which it must not be read, and this version does not know it.
    #[error("extension type {extension:#06x} is critical and not supported")]
    UnsupportedExtension {
        /// Its type.
        extension: u16,
    },
    /// In place of the content there is something that is no hash of it.
    #[error("record without payload has {bytes} bytes in place of a payload hash of 32")]
    PayloadHash {
        /// The length of what is there.
        bytes: usize,
    },
    /// A dropped event has a field that dropping takes away.
    #[error("dropped record has a {field}")]
    Dropped {
        /// The field.
        field: &'static str,
    },
    /// The id is not of the layout of this store.
    #[error("event id {id} is not of version 7")]
    EventId {
        /// The id.
        id: EventId,
    },
    /// The revision does not fit 40 bits.
    #[error("revision is {revision}, at most {MAX_REVISION} is possible")]
    Revision {
        /// The revision.
        revision: u64,
    },
}

impl<'a> EventRef<'a> {
    /// Decodes a record, which is exactly what `record` holds.
    ///
    /// It never panics and allocates nothing. It cannot tell a changed payload or hash; that is for the checksum around
    /// the record, and for [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// If a length does not fit the record, a field is past its limit, a text is not UTF-8, a name is not allowed, or
    /// the record has a flag or a critical extension that this version does not know.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_core::{EventRef, RecordError};
    ///
    /// let error = EventRef::decode(&[0; 10]).unwrap_err();
    /// assert_eq!(error, RecordError::Truncated { field: "trailer", length: 64, left: 10 });
    /// ```
    pub fn decode(record: &'a [u8]) -> Result<Self, RecordError> {
        let (mut body, trailer) = split_trailer(record)?;
        let start = body;
        let head = read_head(&mut body)?;
        let entity = read_name(&mut body, "entity", head.entity_len)?;
        let scope = read_name(&mut body, "scope", head.scope_len)?;
        let fixed_fields = body.bytes("optional fields", layout::fixed_fields_len(head.flags))?;
        let metadata = if head.flags.has(Flags::METADATA) { read_metadata(&mut body)? } else { &[] };
        let (tag_count, tags) = if head.flags.has(Flags::TAGS) { read_tags(&mut body)? } else { (0, &[][..]) };
        let extensions = if head.flags.has(Flags::EXTENSIONS) { read_extensions(&mut body)? } else { &[] };
        let event = Self {
            record,
            head: body.since(start),
            flags: head.flags,
            kind: head.kind,
            payload_version: head.payload_version,
            entity,
            scope,
            fixed_fields,
            metadata,
            tag_count,
            tags,
            extensions,
            content: read_content(body, head.flags)?,
            trailer,
        };
        if event.is_dropped() {
            event.check_dropped()?;
        }
        Ok(event)
    }

    fn is_dropped(&self) -> bool {
        self.flags.content() == Flags::DROPPED
    }

    fn check_dropped(&self) -> Result<(), RecordError> {
        let kept = self.flags.only(Flags::KEY);
        let field = match self {
            _ if self.flags.fields() != kept => "further field",
            _ if self.kind.as_u16() != 0 => "kind",
            _ if self.payload_version != 0 => "payload version",
            _ if self.trailer.time.as_nanos() != 0 => "time",
            _ => return Ok(()),
        };
        Err(RecordError::Dropped { field })
    }

    /// The record that it was decoded from.
    pub fn record(&self) -> &'a [u8] {
        self.record
    }

    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    pub(crate) fn head(&self) -> &'a [u8] {
        self.head
    }

    pub(crate) fn trailer(&self) -> Trailer {
        self.trailer
    }

    /// The entity that it belongs to.
    pub fn entity(&self) -> &'a str {
        self.entity
    }

    /// The scope of its entity.
    pub fn scope(&self) -> &'a str {
        self.scope
    }

    /// Entity and scope, copied.
    pub fn coordinate(&self) -> Coordinate {
        Coordinate::join(self.entity, self.scope)
    }

    /// What sort of event it is.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The version of the payload's type, 0 for an untyped one.
    pub fn payload_version(&self) -> u16 {
        self.payload_version
    }

    /// What links the events of one undertaking.
    pub fn correlation_id(&self) -> Option<EventId> {
        self.fixed_field(Flags::CORRELATION)?.id("correlation id").ok()
    }

    /// The event that brought this one about.
    pub fn causation_id(&self) -> Option<EventId> {
        self.fixed_field(Flags::CAUSATION)?.id("causation id").ok()
    }

    /// What makes a second append of the same event a repetition of the first.
    pub fn idempotency_key(&self) -> Option<u128> {
        self.fixed_field(Flags::KEY)?.u128("idempotency key").ok()
    }

    /// When it happened, if that is not when it was appended.
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.fixed_field(Flags::OCCURRED_AT)?.time("occurred at").ok()
    }

    fn fixed_field(&self, flag: Flags) -> Option<Reader<'a>> {
        if !self.flags.has(flag) {
            return None;
        }
        let at = layout::fixed_fields_len(self.flags.before(flag));
        self.fixed_fields.get(at..).map(Reader::new)
    }

    /// The bytes of the application, empty if there are none.
    pub fn metadata(&self) -> &'a [u8] {
        self.metadata
    }

    /// What else it concerns.
    pub fn tags(&self) -> Tags<'a> {
        Tags { rest: self.tags, left: self.tag_count }
    }

    /// Type and bytes of each extension. None of them is critical.
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions { rest: self.extensions }
    }

    /// Its payload, or what is left of it.
    pub fn content(&self) -> Content<'a> {
        self.content
    }

    /// The hash of payload and salt: computed if they are there, else as stored.
    pub fn payload_hash(&self) -> PayloadHash {
        match self.content {
            Content::Payload { salt, bytes } => PayloadHash::of(salt, bytes),
            Content::Erased { payload_hash } | Content::Dropped { payload_hash } => payload_hash,
        }
    }

    /// Its id.
    pub fn event_id(&self) -> EventId {
        self.trailer.id
    }

    /// Its position in the store, from 0; it stands in the id.
    pub fn sequence(&self) -> u64 {
        self.trailer.id.sequence()
    }

    /// Its position in its entity's stream, from 0.
    pub fn revision(&self) -> u64 {
        self.trailer.revision
    }

    /// The wall clock when it was appended.
    pub fn time(&self) -> Timestamp {
        self.trailer.time
    }

    /// Its hash as it stands in the record.
    pub fn event_hash(&self) -> EventHash {
        self.trailer.hash
    }

    /// Its hash as it follows from its fields, its payload and the hash of the event before it in its entity's stream.
    /// `None` if it was dropped, because then its fields are not known.
    pub fn compute_event_hash(&self, previous: &EventHash) -> Option<EventHash> {
        if self.is_dropped() {
            return None;
        }
        let place = Trailer { hash: *previous, ..self.trailer };
        Some(OpenEventHash::new(self.head, &self.payload_hash()).finish(&place))
    }

    /// Checks that its hash follows from its fields, its payload and `previous`, the hash of the event before it in its
    /// entity's stream. Of a dropped event nothing can be checked: that succeeds.
    ///
    /// # Errors
    ///
    /// [`ChainError::Hash`] if any of them was changed.
    pub fn verify(&self, previous: &EventHash) -> Result<(), ChainError> {
        let stored = self.event_hash();
        match self.compute_event_hash(previous) {
            Some(computed) if computed != stored => {
                Err(ChainError::Hash { revision: self.revision(), stored, computed })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for EventRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRef")
            .field("entity", &self.entity)
            .field("scope", &self.scope)
            .field("kind", &self.kind)
            .field("event_id", &self.trailer.id)
            .field("sequence", &self.sequence())
            .field("revision", &self.trailer.revision)
            .finish_non_exhaustive()
    }
}

impl<'a> Content<'a> {
    /// The payload, if it is still there.
    pub fn payload(&self) -> Option<&'a [u8]> {
        match self {
            Self::Payload { bytes, .. } => Some(bytes),
            Self::Erased { .. } | Self::Dropped { .. } => None,
        }
    }
}

fn split_trailer(record: &[u8]) -> Result<(Reader<'_>, Trailer), RecordError> {
    let Some((body, trailer)) = record.split_last_chunk::<TRAILER_LEN>() else {
        return Err(RecordError::Truncated { field: "trailer", length: TRAILER_LEN, left: record.len() });
    };
    let trailer = Trailer::read(&mut Reader::new(trailer))?;
    if !trailer.id.is_composed() {
        return Err(RecordError::EventId { id: trailer.id });
    }
    if trailer.revision > MAX_REVISION {
        return Err(RecordError::Revision { revision: trailer.revision });
    }
    Ok((Reader::new(body), trailer))
}

fn read_head(body: &mut Reader<'_>) -> Result<Head, RecordError> {
    let head = Head::read(body)?;
    if head.flags.are_known() { Ok(head) } else { Err(RecordError::Flags { flags: head.flags.bits() }) }
}

fn read_name<'a>(body: &mut Reader<'a>, field: &'static str, length: u16) -> Result<&'a str, RecordError> {
    let name = read_text(body, field, length)?;
    match check_name(name, NAME_MAX_BYTES) {
        Ok(()) => Ok(name),
        Err(fault) => Err(RecordError::Name { field, fault }),
    }
}

fn read_text<'a>(body: &mut Reader<'a>, field: &'static str, length: u16) -> Result<&'a str, RecordError> {
    let bytes = body.bytes(field, length.into())?;
    str::from_utf8(bytes).map_err(|error| RecordError::Utf8 { field, at: error.valid_up_to() })
}

fn read_metadata<'a>(body: &mut Reader<'a>) -> Result<&'a [u8], RecordError> {
    let length = body.u16("metadata length")?;
    let metadata = body.bytes("metadata", length.into())?;
    check_metadata(metadata)?;
    if metadata.is_empty() { Err(RecordError::Empty { field: "metadata" }) } else { Ok(metadata) }
}

fn read_tags<'a>(body: &mut Reader<'a>) -> Result<(usize, &'a [u8]), RecordError> {
    let count = usize::from(body.u8("number of tags")?);
    match count {
        0 => {
            return Err(RecordError::Empty { field: "list of tags" });
        }
        1..=TAGS_MAX => {}
        tags => return Err(FieldError::Tags { tags }.into()),
    }
    let start = *body;
    for _ in 0..count {
        let length = body.u16("tag length")?;
        read_text(body, "tag", length)?;
    }
    let tags = body.since(start);
    check_tags(&Tags { rest: tags, left: count })?;
    Ok((count, tags))
}

fn read_extensions<'a>(body: &mut Reader<'a>) -> Result<&'a [u8], RecordError> {
    let length = body.u32("length of the extensions")?;
    let area = body.bytes("extensions", usize::try_from(length).unwrap_or(usize::MAX))?;
    let mut reader = Reader::new(area);
    while !reader.is_empty() {
        read_extension(&mut reader)?;
    }
    check_extension_order(&Extensions { rest: area }.map(|(extension, _)| extension))?;
    if area.is_empty() { Err(RecordError::Empty { field: "extension area" }) } else { Ok(area) }
}

fn read_extension(area: &mut Reader<'_>) -> Result<(), RecordError> {
    let extension = area.u16("extension type")?;
    let length = area.u32("extension length")?;
    area.bytes("extension", usize::try_from(length).unwrap_or(usize::MAX))?;
    if is_critical(extension) { Err(RecordError::UnsupportedExtension { extension }) } else { Ok(()) }
}

fn read_content(mut body: Reader<'_>, flags: Flags) -> Result<Content<'_>, RecordError> {
    if flags.content() == Flags::NONE {
        let salt = body.array::<SALT_LEN>("salt")?;
        return Ok(Content::Payload { salt, bytes: body.rest() });
    }
    let hash =
        <[u8; HASH_LEN]>::try_from(body.rest()).map_err(|_| RecordError::PayloadHash { bytes: body.rest().len() })?;
    let payload_hash = PayloadHash::from_bytes(hash);
    Ok(match flags.content() {
        Flags::ERASED => Content::Erased { payload_hash },
        _ => Content::Dropped { payload_hash },
    })
}

/// The tags of an event, in the order in which they were given.
#[derive(Clone, PartialEq, Eq)]
pub struct Tags<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        let mut reader = Reader::new(self.rest);
        let length = reader.u16("tag length").ok()?;
        let tag = reader.bytes("tag", length.into()).ok()?;
        self.rest = reader.rest();
        str::from_utf8(tag).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Tags<'_> {}

impl fmt::Debug for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The extensions of an event, type and bytes, in rising order of type.
#[derive(Clone, PartialEq, Eq)]
pub struct Extensions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let mut reader = Reader::new(self.rest);
        let extension = reader.u16("extension type").ok()?;
        let length = reader.u32("extension length").ok()?;
        let bytes = reader.bytes("extension", usize::try_from(length).ok()?).ok()?;
        self.rest = reader.rest();
        Some((extension, bytes))
    }
}

impl fmt::Debug for Extensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}
