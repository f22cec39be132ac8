//! The bytes of a record, and of what is hashed. Everything that `docs/FORMAT.md` says about them is decided here.
#![expect(
    clippy::little_endian_bytes,
    clippy::big_endian_bytes,
    reason = "the one module that knows the order of bytes"
)]

use alloc::vec::Vec;

use crate::{decode::RecordError, hash::EventHash, id::EventId, kind::EventKind, time::Timestamp};

pub(crate) const SALT_LEN: usize = 16;
pub(crate) const HASH_LEN: usize = 32;
pub(crate) const ID_LEN: usize = 16;
const KEY_LEN: usize = 16;

// The fixed part of a head.
const FLAGS_AT: usize = 0;
const KIND_AT: usize = FLAGS_AT + size_of::<u16>();
const PAYLOAD_VERSION_AT: usize = KIND_AT + size_of::<u16>();
const ENTITY_LEN_AT: usize = PAYLOAD_VERSION_AT + size_of::<u16>();
const SCOPE_LEN_AT: usize = ENTITY_LEN_AT + size_of::<u16>();
pub(crate) const HEAD_LEN: usize = SCOPE_LEN_AT + size_of::<u16>();
const _: () = assert!(HEAD_LEN == 10, "stable since format 1");

// The trailer.
const REVISION_AT: usize = ID_LEN;
const TIME_AT: usize = REVISION_AT + size_of::<u64>();
const HASH_AT: usize = TIME_AT + size_of::<i64>();
pub(crate) const TRAILER_LEN: usize = HASH_AT + HASH_LEN;
const _: () = assert!(TRAILER_LEN == 64, "stable since format 1");

/// One entry of the extension area: its type, the length of its bytes, its bytes.
pub(crate) const EXTENSION_HEADER_LEN: usize = size_of::<u16>() + size_of::<u32>();
pub(crate) const EXTENSION_CRITICAL: u16 = 1 << 15;

// What is hashed begins with its purpose, so that no hash of one sort is ever one of another sort.
const TAG_LEN: usize = 8;
pub(crate) const PAYLOAD_HASH_TAG: [u8; TAG_LEN] = *b"batpak:p";
const EVENT_HASH_TAG: [u8; TAG_LEN] = *b"batpak:e";
/// RFC 6962, section 2.1.
pub(crate) const TREE_LEAF_TAG: [u8; 1] = [0];
/// RFC 6962, section 2.1.
pub(crate) const TREE_NODE_TAG: [u8; 1] = [1];

/// Which optional fields a record has, and which content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const CORRELATION: Self = Self(1 << 0);
    pub(crate) const CAUSATION: Self = Self(1 << 1);
    pub(crate) const KEY: Self = Self(1 << 2);
    pub(crate) const OCCURRED_AT: Self = Self(1 << 3);
    pub(crate) const METADATA: Self = Self(1 << 4);
    pub(crate) const TAGS: Self = Self(1 << 5);
    pub(crate) const EXTENSIONS: Self = Self(1 << 6);
    const FIELDS: Self = Self(0x7F);
    pub(crate) const ERASED: Self = Self(1 << 8);
    pub(crate) const DROPPED: Self = Self(2 << 8);
    const CONTENT: Self = Self(3 << 8);

    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    pub(crate) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    pub(crate) fn with(self, flag: Self) -> Self {
        Self(self.0 | flag.0)
    }

    pub(crate) fn with_if(self, flag: Self, condition: bool) -> Self {
        if condition { self.with(flag) } else { self }
    }

    pub(crate) fn only(self, mask: Self) -> Self {
        Self(self.0 & mask.0)
    }

    /// Those whose fields stand before that of `flag`.
    pub(crate) fn before(self, flag: Self) -> Self {
        Self(self.0 & (flag.0 - 1))
    }

    pub(crate) fn content(self) -> Self {
        self.only(Self::CONTENT)
    }

    pub(crate) fn fields(self) -> Self {
        self.only(Self::FIELDS)
    }

    pub(crate) fn are_known(self) -> bool {
        self.0 == self.content().with(self.fields()).0 && self.content() != Self::CONTENT
    }
}

/// The fixed part of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) flags: Flags,
    pub(crate) kind: EventKind,
    pub(crate) payload_version: u16,
    pub(crate) entity_len: u16,
    pub(crate) scope_len: u16,
}

impl Head {
    pub(crate) fn to_bytes(self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[FLAGS_AT..KIND_AT].copy_from_slice(&self.flags.0.to_le_bytes());
        bytes[KIND_AT..PAYLOAD_VERSION_AT].copy_from_slice(&self.kind.as_u16().to_le_bytes());
        bytes[PAYLOAD_VERSION_AT..ENTITY_LEN_AT].copy_from_slice(&self.payload_version.to_le_bytes());
        bytes[ENTITY_LEN_AT..SCOPE_LEN_AT].copy_from_slice(&self.entity_len.to_le_bytes());
        bytes[SCOPE_LEN_AT..HEAD_LEN].copy_from_slice(&self.scope_len.to_le_bytes());
        bytes
    }

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            flags: Flags(reader.u16("flags")?),
            kind: EventKind::from_u16(reader.u16("kind")?),
            payload_version: reader.u16("payload version")?,
            entity_len: reader.u16("entity length")?,
            scope_len: reader.u16("scope length")?,
        })
    }
}

/// The length of the optional fields of fixed length that `flags` names.
pub(crate) fn fixed_fields_len(flags: Flags) -> usize {
    let if_has = |flag, len| if flags.has(flag) { len } else { 0 };
    if_has(Flags::CORRELATION, ID_LEN)
        + if_has(Flags::CAUSATION, ID_LEN)
        + if_has(Flags::KEY, KEY_LEN)
        + if_has(Flags::OCCURRED_AT, size_of::<i64>())
}

/// The last bytes of a record: the place of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) id: EventId,
    pub(crate) revision: u64,
    pub(crate) time: Timestamp,
    pub(crate) hash: EventHash,
}

impl Trailer {
    pub(crate) fn to_bytes(self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[..REVISION_AT].copy_from_slice(&self.id.to_bytes());
        bytes[REVISION_AT..TIME_AT].copy_from_slice(&self.revision.to_le_bytes());
        bytes[TIME_AT..HASH_AT].copy_from_slice(&self.time.as_nanos().to_le_bytes());
        bytes[HASH_AT..].copy_from_slice(self.hash.as_bytes());
        bytes
    }

    #[inline]
    pub(crate) fn from_bytes(bytes: &[u8; TRAILER_LEN]) -> Self {
        Self {
            id: Self::id(bytes),
            revision: u64::from_le_bytes(part::<REVISION_AT, _>(bytes)),
            time: Timestamp::from_nanos(i64::from_le_bytes(part::<TIME_AT, _>(bytes))),
            hash: EventHash::from_bytes(part::<HASH_AT, _>(bytes)),
        }
    }

    /// All but the hash.
    #[inline]
    pub(crate) fn place(bytes: &[u8; TRAILER_LEN]) -> &[u8] {
        &bytes[..HASH_AT]
    }

    #[inline]
    pub(crate) fn id(bytes: &[u8; TRAILER_LEN]) -> EventId {
        EventId::from_bytes(part::<0, _>(bytes))
    }
}

#[inline]
fn part<const AT: usize, const LEN: usize>(trailer: &[u8; TRAILER_LEN]) -> [u8; LEN] {
    const { assert!(AT + LEN <= TRAILER_LEN) };
    let mut part = [0; LEN];
    part.copy_from_slice(&trailer[AT..AT + LEN]);
    part
}

/// What an event hash takes in of a head: its tag and the flags without those of the content, then the rest of it.
///
/// Those of the content are left out so that an erased event keeps its hash.
#[inline]
pub(crate) fn hashed_head(head: &[u8]) -> ([u8; TAG_LEN + 2], &[u8]) {
    let (flags, rest) = head.split_at(KIND_AT);
    let flags = Flags(u16::from_le_bytes([flags[0], flags[1]])).fields();
    let mut start = [0; TAG_LEN + 2];
    start[..TAG_LEN].copy_from_slice(&EVENT_HASH_TAG);
    start[TAG_LEN..].copy_from_slice(&flags.0.to_le_bytes());
    (start, rest)
}

/// The length of a message in bits, as SHA-256 has it at the end of the last block.
pub(crate) fn message_bits(bits: u64) -> [u8; 8] {
    bits.to_be_bytes()
}

/// The bytes of a hash.
#[inline]
pub(crate) fn digest(state: [u32; 8]) -> [u8; HASH_LEN] {
    let mut out = [0; HASH_LEN];
    for (bytes, word) in out.chunks_exact_mut(size_of::<u32>()).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

/// A block of a message of SHA-256 in four parts of sixteen bytes, each with its low half first.
#[inline]
pub(crate) fn quarters(block: &[u8; 64]) -> [[i64; 2]; 4] {
    let (halves, _) = block.as_chunks();
    let half = |at: usize| i64::from_le_bytes(halves[at]);
    [[half(0), half(1)], [half(2), half(3)], [half(4), half(5)], [half(6), half(7)]]
}

/// The salt of a payload, and the payload. There are at least 16 bytes.
pub(crate) fn split_content(content: &[u8]) -> ([u8; SALT_LEN], &[u8]) {
    let mut salt = [0; SALT_LEN];
    salt.copy_from_slice(&content[..SALT_LEN]);
    (salt, &content[SALT_LEN..])
}

pub(crate) const fn id_to_bytes(id: u128) -> [u8; ID_LEN] {
    id.to_be_bytes()
}

pub(crate) const fn id_from_bytes(bytes: [u8; ID_LEN]) -> u128 {
    u128::from_be_bytes(bytes)
}

#[expect(clippy::cast_possible_truncation, reason = "every length was checked against a limit below 2^16")]
pub(crate) fn len_u16(len: usize) -> u16 {
    debug_assert!(u16::try_from(len).is_ok());
    len as u16
}

/// The length of a kind's description: kind, version, name and fields, each name behind its length.
pub(crate) fn description_len(name: usize, fields: impl Iterator<Item = usize>) -> usize {
    const LEN: usize = size_of::<u16>();
    fields.fold(LEN + LEN + LEN + name + LEN, |len, field| len + LEN + field)
}

#[expect(clippy::cast_possible_truncation, reason = "every length was checked against a limit below 2^32")]
pub(crate) fn len_u32(len: usize) -> u32 {
    debug_assert!(u32::try_from(len).is_ok());
    len as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the number of tags was checked against its limit")]
pub(crate) fn put_count(buffer: &mut Vec<u8>, count: usize) {
    debug_assert!(u8::try_from(count).is_ok());
    buffer.push(count as u8);
}

pub(crate) fn put_u16(buffer: &mut Vec<u8>, value: u16) {
    buffer.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u32(buffer: &mut Vec<u8>, value: u32) {
    buffer.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u128(buffer: &mut Vec<u8>, value: u128) {
    buffer.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_id(buffer: &mut Vec<u8>, id: EventId) {
    buffer.extend_from_slice(&id.to_bytes());
}

pub(crate) fn put_time(buffer: &mut Vec<u8>, time: Timestamp) {
    buffer.extend_from_slice(&time.as_nanos().to_le_bytes());
}

/// Takes one field after the other from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// What was taken since `before`, which was a copy of this reader.
    pub(crate) fn since(self, before: Self) -> &'a [u8] {
        &before.rest[..before.rest.len() - self.rest.len()]
    }

    pub(crate) fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn bytes(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], RecordError> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(RecordError::Truncated { field, length, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return Err(RecordError::Truncated { field, length: N, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, RecordError> {
        self.array(field).map(u8::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, RecordError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, RecordError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u128(&mut self, field: &'static str) -> Result<u128, RecordError> {
        self.array::<KEY_LEN>(field).map(u128::from_le_bytes)
    }

    pub(crate) fn id(&mut self, field: &'static str) -> Result<EventId, RecordError> {
        self.array(field).map(EventId::from_bytes)
    }

    pub(crate) fn time(&mut self, field: &'static str) -> Result<Timestamp, RecordError> {
        self.array(field).map(i64::from_le_bytes).map(Timestamp::from_nanos)
    }
}
