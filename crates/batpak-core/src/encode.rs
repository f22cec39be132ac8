//! From an event to a record, in two steps: what can be done before the place of the event is known, and the rest.
//!
//! The first step serializes and hashes, the second one runs under the lock that orders events and is as short as can
//! be: it finishes one hash and writes 64 bytes.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    fields::{FieldError, Fields},
    hash::{EventHash, OpenEventHash, PayloadHash},
    id::{EventId, MAX_REVISION},
    layout::{self, Flags, Head, ID_LEN, SALT_LEN, TRAILER_LEN, Trailer},
    time::Timestamp,
};

/// A record whose payload is being written, at the end of a buffer.
///
/// Payload bytes go in with [`extend_from_slice`](Self::extend_from_slice), or through `std::io::Write`, which never
/// fails. If it is dropped instead of [finished](Self::finish), the buffer is as it was before.
#[derive(Debug)]
pub struct OpenRecord<'b> {
    buffer: &'b mut Vec<u8>,
    start: usize,
    content_at: usize,
    cause_at: Option<usize>,
}

/// A record that is complete but for its place: sequence, revision, time and the event before it.
#[derive(Debug)]
#[must_use = "the record cannot be read before it has its place"]
pub struct RecordDraft {
    range: Range<usize>,
    payload_hash: PayloadHash,
    open_hash: OpenEventHash,
    head_len: usize,
    cause_at: Option<usize>,
}

/// The place of an event: what is known only once its order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// Its id, which holds its sequence; made by [`EventId::compose`].
    pub id: EventId,
    /// Its position in its entity's stream, 0 to [`MAX_REVISION`].
    pub revision: u64,
    /// The wall clock as read.
    pub time: Timestamp,
    /// The hash of the event before it in its entity's stream, [`EventHash::GENESIS`] for the first.
    pub previous: EventHash,
}

impl RecordDraft {
    /// Begins a record at the end of `buffer`, with 16 random bytes of salt for its payload. What is in the buffer
    /// already stays, so that one buffer can take many records.
    ///
    /// # Errors
    ///
    /// If a field is past its limit; then nothing is written.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_core::{Coordinate, EventKind, Fields, RecordDraft};
    ///
    /// let coordinate = Coordinate::new("account:7", "bank")?;
    /// let fields = Fields::new(&coordinate, EventKind::custom(0xF, 1));
    /// let mut buffer = Vec::new();
    ///
    /// let mut open = RecordDraft::begin(&mut buffer, &fields, [7; 16])?;
    /// open.extend_from_slice(b"payload");
    /// let draft = open.finish();
    /// assert_eq!(draft.range(), 0..buffer.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn begin<'b>(
        buffer: &'b mut Vec<u8>,
        fields: &Fields<'_>,
        salt: [u8; SALT_LEN],
    ) -> Result<OpenRecord<'b>, FieldError> {
        fields.check()?;
        let start = buffer.len();
        write_head(buffer, fields);
        let content_at = buffer.len();
        buffer.extend_from_slice(&salt);
        let has_cause = fields.correlation_id.is_some() && fields.causation_id.is_some();
        let names_len = fields.coordinate.entity().len() + fields.coordinate.scope().len();
        let cause_at = has_cause.then_some(layout::HEAD_LEN + names_len);
        Ok(OpenRecord { buffer, start, content_at, cause_at })
    }

    /// Where the record stands in its buffer.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The hash of its payload and salt.
    pub fn payload_hash(&self) -> PayloadHash {
        self.payload_hash
    }

    /// Puts other ids in the place of correlation and causation id: for a cause that gets its id in the same commit.
    /// `record` is as in [`assign`](Self::assign).
    ///
    /// # Panics
    ///
    /// If `record` has another length than the draft, or if the fields that it began with did not name both ids.
    pub fn set_cause(&mut self, record: &mut [u8], correlation: EventId, causation: EventId) {
        assert_eq!(record.len(), self.range.len(), "the record is not that of the draft");
        assert!(self.cause_at.is_some(), "the record has no place for a correlation and a causation id");
        let at = self.cause_at.unwrap_or_default();
        let (ids, _) = record[at..].split_at_mut(2 * ID_LEN);
        ids[..ID_LEN].copy_from_slice(&correlation.to_bytes());
        ids[ID_LEN..].copy_from_slice(&causation.to_bytes());
        self.open_hash = OpenEventHash::new(&record[..self.head_len], &self.payload_hash);
    }

    /// Gives the record its place and returns its event hash. `record` is exactly what [`range`](Self::range) tells,
    /// in its buffer or copied from there.
    ///
    /// # Panics
    ///
    /// If `record` has another length than the draft, if the revision is above [`MAX_REVISION`], or if the id was not
    /// made by [`EventId::compose`].
    #[inline]
    pub fn assign(self, record: &mut [u8], place: &Assigned) -> EventHash {
        assert_eq!(record.len(), self.range.len(), "the record is not that of the draft");
        assert!(place.revision <= MAX_REVISION, "the revision is past its limit");
        assert!(place.id.is_composed(), "the event id has not the layout of this store");
        let mut trailer = Trailer { id: place.id, revision: place.revision, time: place.time, hash: place.previous };
        trailer.hash = self.open_hash.finish(&trailer);
        let at = record.len() - TRAILER_LEN;
        record[at..].copy_from_slice(&trailer.to_bytes());
        trailer.hash
    }
}

impl OpenRecord<'_> {
    /// Appends bytes to the payload.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The payload as far as it is written.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.content_at + SALT_LEN..]
    }

    /// Ends the payload and hashes what there is.
    #[inline]
    pub fn finish(mut self) -> RecordDraft {
        let payload_hash = PayloadHash::of_content(&self.buffer[self.content_at..]);
        let open_hash = OpenEventHash::new(&self.buffer[self.start..self.content_at], &payload_hash);
        self.buffer.extend_from_slice(&[0; TRAILER_LEN]);
        let range = self.start..self.buffer.len();
        let (head_len, cause_at) = (self.content_at - self.start, self.cause_at);
        // Dropping it now cuts nothing.
        self.start = self.buffer.len();
        RecordDraft { range, payload_hash, open_hash, head_len, cause_at }
    }
}

impl Drop for OpenRecord<'_> {
    fn drop(&mut self) {
        self.buffer.truncate(self.start);
    }
}

#[cfg(feature = "std")]
impl std::io::Write for OpenRecord<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        // Serializers write many single bytes.
        if let [byte] = bytes {
            self.buffer.push(*byte);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write_head(buffer: &mut Vec<u8>, fields: &Fields<'_>) {
    let flags = flags(fields);
    let (entity, scope) = (fields.coordinate.entity(), fields.coordinate.scope());
    let head = Head {
        flags,
        kind: fields.kind,
        payload_version: fields.payload_version,
        entity_len: layout::len_u16(entity.len()),
        scope_len: layout::len_u16(scope.len()),
    };
    buffer.extend_from_slice(&head.to_bytes());
    buffer.extend_from_slice(entity.as_bytes());
    buffer.extend_from_slice(scope.as_bytes());
    if flags != Flags::NONE {
        write_optional(buffer, fields);
    }
}

fn flags(fields: &Fields<'_>) -> Flags {
    Flags::NONE
        .with_if(Flags::CORRELATION, fields.correlation_id.is_some())
        .with_if(Flags::CAUSATION, fields.causation_id.is_some())
        .with_if(Flags::KEY, fields.idempotency_key.is_some())
        .with_if(Flags::OCCURRED_AT, fields.occurred_at.is_some())
        .with_if(Flags::METADATA, !fields.metadata.is_empty())
        .with_if(Flags::TAGS, !fields.tags.is_empty())
        .with_if(Flags::EXTENSIONS, !fields.extensions.is_empty())
}

fn write_optional(buffer: &mut Vec<u8>, fields: &Fields<'_>) {
    if let Some(id) = fields.correlation_id {
        layout::put_id(buffer, id);
    }
    if let Some(id) = fields.causation_id {
        layout::put_id(buffer, id);
    }
    if let Some(key) = fields.idempotency_key {
        layout::put_u128(buffer, key);
    }
    if let Some(time) = fields.occurred_at {
        layout::put_time(buffer, time);
    }
    write_metadata(buffer, fields.metadata);
    write_tags(buffer, fields.tags);
    write_extensions(buffer, fields.extensions);
}

fn write_metadata(buffer: &mut Vec<u8>, metadata: &[u8]) {
    if !metadata.is_empty() {
        write_sized(buffer, metadata);
    }
}

fn write_tags(buffer: &mut Vec<u8>, tags: &[&str]) {
    if !tags.is_empty() {
        layout::put_count(buffer, tags.len());
        for tag in tags {
            write_sized(buffer, tag.as_bytes());
        }
    }
}

fn write_sized(buffer: &mut Vec<u8>, bytes: &[u8]) {
    layout::put_u16(buffer, layout::len_u16(bytes.len()));
    buffer.extend_from_slice(bytes);
}

fn write_extensions(buffer: &mut Vec<u8>, extensions: &[(u16, &[u8])]) {
    if extensions.is_empty() {
        return;
    }
    let area: usize = extensions.iter().map(|(_, bytes)| layout::EXTENSION_HEADER_LEN + bytes.len()).sum();
    layout::put_u32(buffer, layout::len_u32(area));
    for (extension, bytes) in extensions {
        layout::put_u16(buffer, *extension);
        layout::put_u32(buffer, layout::len_u32(bytes.len()));
        buffer.extend_from_slice(bytes);
    }
}
