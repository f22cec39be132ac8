//! From a record to an event that borrows it.

use core::{fmt, str};

use crate::{
    chain::ChainError,
    coordinate::Coordinate,
    fields::{
        FieldError, TAGS_MAX, check_extension_order, check_extensions_len, check_metadata, check_tags, is_critical,
    },
    hash::{EventHash, PayloadHash},
    id::{EventId, MAX_REVISION},
    kind::EventKind,
    layout::{self, Flags, HASH_LEN, Head, Reader, SALT_LEN, TRAILER_LEN, Trailer},
    name::{NAME_MAX_BYTES, NameFault, check_name, is_printable_ascii},
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
    head: Head,
    // Entity and scope, one after the other.
    names: &'a str,
    optional: Optional<'a>,
    content: &'a [u8],
    trailer: &'a [u8; TRAILER_LEN],
}

/// The optional fields, each empty if it is absent.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Optional<'a> {
    fixed: &'a [u8],
    metadata: &'a [u8],
    tag_count: usize,
    tags: &'a [u8],
    extensions: &'a [u8],
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
        let event = Self::decode_unchecked_extensions(record)?;
        match event.extensions().map(|(extension, _)| extension).find(|&extension| is_critical(extension)) {
            Some(extension) => Err(RecordError::UnsupportedExtension { extension }),
            None => Ok(event),
        }
    }

    /// The same, also of an event with a critical extension that this version does not know: for who lists, copies or
    /// verifies events and shows nobody what they say.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), but for unknown critical extensions.
    pub fn decode_unchecked_extensions(record: &'a [u8]) -> Result<Self, RecordError> {
        let (mut body, trailer) = split_trailer(record)?;
        let head = read_head(&mut body)?;
        let names = read_names(&mut body, &head)?;
        let optional = read_optional(&mut body, head.flags)?;
        let content = body.rest();
        check_content(content, head.flags)?;
        let event = Self { record, head, names, optional, content, trailer };
        event.check_dropped()?;
        Ok(event)
    }

    #[inline]
    pub(crate) fn is_dropped(&self) -> bool {
        self.head.flags.content() == Flags::DROPPED
    }

    fn check_dropped(&self) -> Result<(), RecordError> {
        let field = match self.head {
            _ if !self.is_dropped() => return Ok(()),
            head if head.flags.fields() != head.flags.only(Flags::KEY) => "field besides its key",
            head if head.kind.as_u16() != 0 => "kind",
            head if head.payload_version != 0 => "payload version",
            _ if self.time().as_nanos() != 0 => "time",
            _ => return Ok(()),
        };
        Err(RecordError::Dropped { field })
    }

    /// The record that it was decoded from.
    pub fn record(&self) -> &'a [u8] {
        self.record
    }

    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// The record up to its content.
    #[inline]
    pub(crate) fn head_bytes(&self) -> &'a [u8] {
        &self.record[..self.record.len() - TRAILER_LEN - self.content.len()]
    }

    #[inline]
    pub(crate) fn trailer(&self) -> Trailer {
        Trailer::from_bytes(self.trailer)
    }

    /// The part of its trailer that is hashed: all but the hash.
    #[inline]
    pub(crate) fn place(&self) -> &'a [u8] {
        Trailer::place(self.trailer)
    }

    /// The entity that it belongs to.
    #[inline]
    pub fn entity(&self) -> &'a str {
        &self.names[..self.head.entity_len.into()]
    }

    /// The scope of its entity.
    #[inline]
    pub fn scope(&self) -> &'a str {
        &self.names[self.head.entity_len.into()..]
    }

    /// Entity and scope, copied.
    pub fn coordinate(&self) -> Coordinate {
        Coordinate::join(self.entity(), self.scope())
    }

    /// What sort of event it is.
    #[inline]
    pub fn kind(&self) -> EventKind {
        self.head.kind
    }

    /// The version of the payload's type, 0 for an untyped one.
    pub fn payload_version(&self) -> u16 {
        self.head.payload_version
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
        if !self.head.flags.has(flag) {
            return None;
        }
        let at = layout::fixed_fields_len(self.head.flags.before(flag));
        self.optional.fixed.get(at..).map(Reader::new)
    }

    /// The bytes of the application, empty if there are none.
    pub fn metadata(&self) -> &'a [u8] {
        self.optional.metadata
    }

    /// What else it concerns.
    pub fn tags(&self) -> Tags<'a> {
        Tags { rest: self.optional.tags, left: self.optional.tag_count }
    }

    /// Type and bytes of each extension.
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions { rest: self.optional.extensions }
    }

    /// Its payload, or what is left of it.
    pub fn content(&self) -> Content<'a> {
        match self.head.flags.content() {
            Flags::ERASED => Content::Erased { payload_hash: self.stored_payload_hash() },
            Flags::DROPPED => Content::Dropped { payload_hash: self.stored_payload_hash() },
            _ => {
                let (salt, bytes) = layout::split_content(self.content);
                Content::Payload { salt, bytes }
            }
        }
    }

    /// The hash of payload and salt: computed if they are there, else as stored.
    pub fn payload_hash(&self) -> PayloadHash {
        if self.head.flags.content() == Flags::NONE {
            PayloadHash::of_content(self.content)
        } else {
            self.stored_payload_hash()
        }
    }

    /// What its payload hash is computed from, if it is still there.
    #[inline]
    pub(crate) fn hashed_content(&self) -> Option<[&[u8]; 2]> {
        (self.head.flags.content() == Flags::NONE).then_some([&layout::PAYLOAD_HASH_TAG, self.content])
    }

    fn stored_payload_hash(&self) -> PayloadHash {
        let mut hash = [0; HASH_LEN];
        hash.copy_from_slice(self.content);
        PayloadHash::from_bytes(hash)
    }

    /// Its id.
    #[inline]
    pub fn event_id(&self) -> EventId {
        Trailer::id(self.trailer)
    }

    /// Its position in the store, from 0; it stands in the id.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.event_id().sequence()
    }

    /// Its position in its entity's stream, from 0.
    #[inline]
    pub fn revision(&self) -> u64 {
        self.trailer().revision
    }

    /// The wall clock when it was appended.
    #[inline]
    pub fn time(&self) -> Timestamp {
        self.trailer().time
    }

    /// Its hash as it stands in the record.
    #[inline]
    pub fn event_hash(&self) -> EventHash {
        self.trailer().hash
    }

    /// Its hash as it follows from its fields, its payload and the hash of the event before it in its entity's stream.
    /// `None` if it was dropped, because then its fields are not known.
    pub fn compute_event_hash(&self, previous: &EventHash) -> Option<EventHash> {
        if self.is_dropped() {
            return None;
        }
        let place = Trailer { hash: *previous, ..self.trailer() };
        Some(EventHash::of_event(self.head_bytes(), &self.payload_hash(), &place))
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
            .field("entity", &self.entity())
            .field("scope", &self.scope())
            .field("kind", &self.kind())
            .field("event_id", &self.event_id())
            .field("sequence", &self.sequence())
            .field("revision", &self.revision())
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

fn split_trailer(record: &[u8]) -> Result<(Reader<'_>, &[u8; TRAILER_LEN]), RecordError> {
    let Some((body, bytes)) = record.split_last_chunk::<TRAILER_LEN>() else {
        return Err(RecordError::Truncated { field: "trailer", length: TRAILER_LEN, left: record.len() });
    };
    let trailer = Trailer::from_bytes(bytes);
    if !trailer.id.is_composed() {
        return Err(RecordError::EventId { id: trailer.id });
    }
    if trailer.revision > MAX_REVISION {
        return Err(RecordError::Revision { revision: trailer.revision });
    }
    Ok((Reader::new(body), bytes))
}

fn read_head(body: &mut Reader<'_>) -> Result<Head, RecordError> {
    let head = Head::read(body)?;
    if head.flags.are_known() { Ok(head) } else { Err(RecordError::Flags { flags: head.flags.bits() }) }
}

// Entity and scope stand one after the other, so that the names of nearly every event are checked in one pass.
fn read_names<'a>(body: &mut Reader<'a>, head: &Head) -> Result<&'a str, RecordError> {
    let start = *body;
    let both = usize::from(head.entity_len) + usize::from(head.scope_len);
    match body.bytes("names", both).map(str::from_utf8) {
        Ok(Ok(names)) if are_plain(names, head) => Ok(names),
        _ => {
            *body = start;
            read_each_name(body, head)
        }
    }
}

fn are_plain(names: &str, head: &Head) -> bool {
    let limits = 1..=NAME_MAX_BYTES;
    limits.contains(&head.entity_len.into()) && limits.contains(&head.scope_len.into()) && is_printable_ascii(names)
}

fn read_each_name<'a>(body: &mut Reader<'a>, head: &Head) -> Result<&'a str, RecordError> {
    let start = *body;
    read_name(body, "entity", head.entity_len)?;
    read_name(body, "scope", head.scope_len)?;
    str::from_utf8(body.since(start)).map_err(|error| RecordError::Utf8 { field: "entity", at: error.valid_up_to() })
}

fn read_name(body: &mut Reader<'_>, field: &'static str, length: u16) -> Result<(), RecordError> {
    let name = read_text(body, field, length)?;
    check_name(name, NAME_MAX_BYTES).map_err(|fault| RecordError::Name { field, fault })
}

fn read_text<'a>(body: &mut Reader<'a>, field: &'static str, length: u16) -> Result<&'a str, RecordError> {
    let bytes = body.bytes(field, length.into())?;
    str::from_utf8(bytes).map_err(|error| RecordError::Utf8 { field, at: error.valid_up_to() })
}

fn read_optional<'a>(body: &mut Reader<'a>, flags: Flags) -> Result<Optional<'a>, RecordError> {
    let mut optional = Optional::default();
    if flags.fields() == Flags::NONE {
        return Ok(optional);
    }
    optional.fixed = body.bytes("optional fields", layout::fixed_fields_len(flags))?;
    if flags.has(Flags::METADATA) {
        optional.metadata = read_metadata(body)?;
    }
    if flags.has(Flags::TAGS) {
        (optional.tag_count, optional.tags) = read_tags(body)?;
    }
    if flags.has(Flags::EXTENSIONS) {
        optional.extensions = read_extensions(body)?;
    }
    Ok(optional)
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
    check_extensions_len(length.into())?;
    let area = body.bytes("extensions", usize::try_from(length).unwrap_or(usize::MAX))?;
    let mut reader = Reader::new(area);
    while !reader.is_empty() {
        read_extension(&mut reader)?;
    }
    check_extension_order(&Extensions { rest: area }.map(|(extension, _)| extension))?;
    if area.is_empty() { Err(RecordError::Empty { field: "extension area" }) } else { Ok(area) }
}

fn read_extension(area: &mut Reader<'_>) -> Result<(), RecordError> {
    area.u16("extension type")?;
    let length = area.u32("extension length")?;
    area.bytes("extension", usize::try_from(length).unwrap_or(usize::MAX))?;
    Ok(())
}

fn check_content(content: &[u8], flags: Flags) -> Result<(), RecordError> {
    match flags.content() {
        Flags::NONE if content.len() >= SALT_LEN => Ok(()),
        Flags::NONE => Err(RecordError::Truncated { field: "salt", length: SALT_LEN, left: content.len() }),
        _ if content.len() == HASH_LEN => Ok(()),
        _ => Err(RecordError::PayloadHash { bytes: content.len() }),
    }
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
