//! The bytes of a segment: header, frames, items and the frame records of the log itself.
//!
//! `docs/FORMAT.md` is the specification; every offset stands here and nowhere else.

#![expect(clippy::little_endian_bytes, reason = "this module is where bytes are decided")]
#![expect(clippy::host_endian_bytes, reason = "the words of a mapping are the bytes of its file")]

use crate::header::SegmentHeader;
use crate::{Link, Seal};

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

pub(crate) const SEGMENT_MAGIC: [u8; 8] = *b"BATPAKSG";
/// How the segments of the older crate of this name begin.
pub(crate) const OLDER_MAGIC: [u8; 4] = *b"FBAT";

const FORMAT_AT: usize = SEGMENT_MAGIC.len();
const HEADER_LEN_AT: usize = FORMAT_AT + 4;
const SEGMENT_ID_AT: usize = HEADER_LEN_AT + 4;
const STORE_ID_AT: usize = SEGMENT_ID_AT + 16;
const FIRST_LINK_AT: usize = STORE_ID_AT + 16;
const LAST_LINK_AT: usize = FIRST_LINK_AT + 16;
const PREVIOUS_LINK_AT: usize = LAST_LINK_AT + 16;
const EPOCH_AT: usize = PREVIOUS_LINK_AT + 16;
const NUMBER_AT: usize = EPOCH_AT + 8;
const LAST_NUMBER_AT: usize = NUMBER_AT + 8;
const GENERATION_AT: usize = LAST_NUMBER_AT + 8;
const FEATURES_AT: usize = GENERATION_AT + 4;
const HEAD_SIZE_AT: usize = FEATURES_AT + 4;
const HEAD_ROOT_AT: usize = HEAD_SIZE_AT + 8;
const CREATED_AT: usize = HEAD_ROOT_AT + 32;
const RESERVED_AT: usize = CREATED_AT + 8;
const HEADER_CRC_AT: usize = RESERVED_AT + 76;
/// Length of a segment's header in bytes.
pub(crate) const SEGMENT_HEADER_LEN: usize = HEADER_CRC_AT + 4;
const _: () = assert!(SEGMENT_HEADER_LEN == 256, "stable since format 1");

const FRAME_MAGIC: [u8; 4] = [0xAE, b'b', b'p', b'f'];
const FRAME_LEN_AT: usize = FRAME_MAGIC.len();
const FRAME_CRC_AT: usize = FRAME_LEN_AT + 4;
const FRAME_PREVIOUS_AT: usize = FRAME_CRC_AT + 4;
const FRAME_SEQUENCE_AT: usize = FRAME_PREVIOUS_AT + 4;
const FRAME_MARK_AT: usize = FRAME_SEQUENCE_AT + 8;
const FRAME_RECORDS_AT: usize = FRAME_MARK_AT + 8;
const FRAME_TYPED_AT: usize = FRAME_RECORDS_AT + 4;
const FRAME_FLAGS_AT: usize = FRAME_TYPED_AT + 2;
/// Length of a frame's header in bytes.
pub(crate) const FRAME_HEADER_LEN: usize = FRAME_FLAGS_AT + 2;
const _: () = assert!(FRAME_HEADER_LEN == 40, "stable since format 1");

/// Frames begin at multiples of this and are as long as a multiple of it.
pub(crate) const FRAME_ALIGN: usize = 8;
/// The longest frame that its length field can hold.
pub(crate) const FRAME_LIMIT: u64 = 0xFFFF_FFF8;

const ITEM_CRC_AT: usize = 4;
/// Length of what stands before an item's content.
pub(crate) const ITEM_HEADER_LEN: usize = ITEM_CRC_AT + 4;

/// The position of a frame record in its crc.
pub(crate) const NO_SEQUENCE: u64 = u64::MAX;

pub(crate) const LINK_TYPE: u16 = 1;
pub(crate) const SEAL_TYPE: u16 = 2;
pub(crate) const MARK_TYPE: u16 = 3;
/// Frame record types from here on belong to the user of the log.
pub const FIRST_USER_TYPE: u16 = 256;
pub(crate) const CRITICAL: u16 = 1;

const LINK_LEN: usize = 48;
const SEAL_LEN: usize = 32;
/// Length of what stands before the body of a frame record.
pub(crate) const TYPED_HEADER_LEN: usize = 4;
/// Length of the frame that seals a segment.
pub(crate) const SEAL_FRAME_LEN: usize = padded(FRAME_HEADER_LEN + ITEM_HEADER_LEN + TYPED_HEADER_LEN + SEAL_LEN);
const _: () = assert!(SEAL_FRAME_LEN == 88, "stable since format 1");

/// Length of the frame that begins a segment.
pub(crate) const LINK_FRAME_LEN: usize = padded(FRAME_HEADER_LEN + ITEM_HEADER_LEN + TYPED_HEADER_LEN + LINK_LEN);
const _: () = assert!(LINK_FRAME_LEN == 104, "stable since format 1");

/// Where the first frame after the link begins.
pub(crate) const LINK_END: u64 = (SEGMENT_HEADER_LEN + LINK_FRAME_LEN) as u64;

/// Length of the frame that a close ends with.
pub(crate) const MARK_FRAME_LEN: usize = padded(FRAME_HEADER_LEN + ITEM_HEADER_LEN + TYPED_HEADER_LEN);
const _: () = assert!(MARK_FRAME_LEN == 56, "stable since format 1");

/// Eight bytes as the word that stands for them in memory; fewer stand for nothing.
pub(crate) fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

/// The bytes that a word stands for.
pub(crate) fn word_bytes(word: u64) -> [u8; 8] {
    word.to_ne_bytes()
}

/// `len` rounded up to the alignment of frames.
pub(crate) const fn padded(len: usize) -> usize {
    len.next_multiple_of(FRAME_ALIGN)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// The crc over the place of an item or frame: what makes a copied or misplaced one invalid.
fn crc_place(crc: u32, position: u64, segment_id: &[u8; 16]) -> u32 {
    let mut place = [0; 24];
    put(&mut place, 0, position.to_le_bytes());
    put(&mut place, 8, *segment_id);
    crc32c::crc32c_append(crc, &place)
}

// ---- segment header ----

pub(crate) fn encode_header(header: &SegmentHeader) -> [u8; SEGMENT_HEADER_LEN] {
    let mut out = [0; SEGMENT_HEADER_LEN];
    put(&mut out, 0, SEGMENT_MAGIC);
    put(&mut out, FORMAT_AT, FORMAT.to_le_bytes());
    put(&mut out, HEADER_LEN_AT, 256_u32.to_le_bytes());
    put(&mut out, SEGMENT_ID_AT, header.segment_id);
    put(&mut out, STORE_ID_AT, header.store_id);
    put(&mut out, FIRST_LINK_AT, header.first_link);
    put(&mut out, LAST_LINK_AT, header.last_link);
    put(&mut out, PREVIOUS_LINK_AT, header.previous_link);
    put(&mut out, EPOCH_AT, header.epoch.to_le_bytes());
    put(&mut out, NUMBER_AT, header.number.to_le_bytes());
    put(&mut out, LAST_NUMBER_AT, header.last_number.to_le_bytes());
    put(&mut out, GENERATION_AT, header.generation.to_le_bytes());
    put(&mut out, HEAD_SIZE_AT, header.head.size.to_le_bytes());
    put(&mut out, HEAD_ROOT_AT, header.head.root);
    put(&mut out, CREATED_AT, header.created_ns.to_le_bytes());
    let crc = crc32c::crc32c(&out[..HEADER_CRC_AT]);
    put(&mut out, HEADER_CRC_AT, crc.to_le_bytes());
    out
}

/// What the first bytes of a file say it is.
pub(crate) enum HeaderBytes {
    Header(SegmentHeader),
    OlderCrate,
    NotASegment,
    NewerFormat(u32),
    UnknownFeatures(u32),
    BadCrc { found: u32, expected: u32 },
}

/// Reads a header from the first bytes of a file, which may be fewer than a header has.
pub(crate) fn decode_header(bytes: &[u8]) -> HeaderBytes {
    if bytes.starts_with(&OLDER_MAGIC) {
        return HeaderBytes::OlderCrate;
    }
    if !bytes.starts_with(&SEGMENT_MAGIC) || bytes.len() < SEGMENT_HEADER_LEN {
        return HeaderBytes::NotASegment;
    }
    let format = u32_at(bytes, FORMAT_AT);
    if format > FORMAT {
        return HeaderBytes::NewerFormat(format);
    }
    let found = crc32c::crc32c(&bytes[..HEADER_CRC_AT]);
    let expected = u32_at(bytes, HEADER_CRC_AT);
    if found != expected {
        return HeaderBytes::BadCrc { found, expected };
    }
    if format != FORMAT || u32_at(bytes, HEADER_LEN_AT) != 256 {
        return HeaderBytes::NotASegment;
    }
    let features = u32_at(bytes, FEATURES_AT);
    if features != 0 {
        return HeaderBytes::UnknownFeatures(features);
    }
    HeaderBytes::Header(header_fields(bytes))
}

/// The fields of a header, whatever its crc says; `bytes` has at least [`SEGMENT_HEADER_LEN`].
pub(crate) fn header_fields(bytes: &[u8]) -> SegmentHeader {
    SegmentHeader {
        segment_id: array(bytes, SEGMENT_ID_AT),
        store_id: array(bytes, STORE_ID_AT),
        first_link: array(bytes, FIRST_LINK_AT),
        last_link: array(bytes, LAST_LINK_AT),
        previous_link: array(bytes, PREVIOUS_LINK_AT),
        epoch: u64_at(bytes, EPOCH_AT),
        number: u64_at(bytes, NUMBER_AT),
        last_number: u64_at(bytes, LAST_NUMBER_AT),
        generation: u32_at(bytes, GENERATION_AT),
        head: crate::LogHead { size: u64_at(bytes, HEAD_SIZE_AT), root: array(bytes, HEAD_ROOT_AT) },
        created_ns: i64::from_le_bytes(array(bytes, CREATED_AT)),
    }
}

/// The crc in an encoded segment header: what the first frame names as its previous one.
pub(crate) fn header_crc(encoded: &[u8]) -> u32 {
    u32_at(encoded, HEADER_CRC_AT)
}

/// Whether the crc in a header is that of what stands before it.
pub(crate) fn header_crc_is_right(encoded: &[u8]) -> bool {
    crc32c::crc32c(&encoded[..HEADER_CRC_AT]) == header_crc(encoded)
}

/// Where the crc of a segment's header stands.
pub(crate) const HEADER_CRC_OFFSET: u64 = HEADER_CRC_AT as u64;

/// Where the crc of a frame stands that begins at `offset`.
pub(crate) const fn frame_crc_offset(offset: u64) -> u64 {
    offset + FRAME_CRC_AT as u64
}

/// A crc as it stands in a file.
pub(crate) fn crc_bytes(crc: u32) -> [u8; 4] {
    crc.to_le_bytes()
}

// ---- frame ----

/// The fixed fields of a frame's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) len: u32,
    pub(crate) crc: u32,
    pub(crate) previous: u32,
    pub(crate) first_sequence: u64,
    pub(crate) durable_mark: u64,
    pub(crate) records: u32,
    pub(crate) typed: u16,
    pub(crate) flags: u16,
}

/// The length that a frame says it has, if one could begin with these bytes: a quick test for the search after a bad
/// place. There are at least [`FRAME_HEADER_LEN`].
#[inline]
pub(crate) fn claimed_frame_len(bytes: &[u8]) -> Option<u32> {
    bytes.starts_with(&FRAME_MAGIC).then(|| u32_at(bytes, FRAME_LEN_AT))
}

/// Whether a frame could begin with these bytes.
#[inline]
pub(crate) fn begins_like_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(&FRAME_MAGIC)
}

/// Reads a frame's header; `bytes` has at least [`FRAME_HEADER_LEN`].
#[inline]
pub(crate) fn decode_frame_header(bytes: &[u8]) -> FrameHeader {
    FrameHeader {
        len: u32_at(bytes, FRAME_LEN_AT),
        crc: u32_at(bytes, FRAME_CRC_AT),
        previous: u32_at(bytes, FRAME_PREVIOUS_AT),
        first_sequence: u64_at(bytes, FRAME_SEQUENCE_AT),
        durable_mark: u64_at(bytes, FRAME_MARK_AT),
        records: u32_at(bytes, FRAME_RECORDS_AT),
        typed: u16_at(bytes, FRAME_TYPED_AT),
        flags: u16_at(bytes, FRAME_FLAGS_AT),
    }
}

/// Writes all of a frame's header but its crc.
pub(crate) fn encode_frame_header(frame: &mut [u8], header: &FrameHeader) {
    put(frame, 0, FRAME_MAGIC);
    put(frame, FRAME_LEN_AT, header.len.to_le_bytes());
    put(frame, FRAME_PREVIOUS_AT, header.previous.to_le_bytes());
    put(frame, FRAME_SEQUENCE_AT, header.first_sequence.to_le_bytes());
    put(frame, FRAME_MARK_AT, header.durable_mark.to_le_bytes());
    put(frame, FRAME_RECORDS_AT, header.records.to_le_bytes());
    put(frame, FRAME_TYPED_AT, header.typed.to_le_bytes());
    put(frame, FRAME_FLAGS_AT, header.flags.to_le_bytes());
}

pub(crate) fn put_frame_crc(frame: &mut [u8], crc: u32) {
    put(frame, FRAME_CRC_AT, crc.to_le_bytes());
}

/// The running crc of a frame: its header, then the crc of each item, then its place. Gathers what it is made of, for
/// it is many small pieces and each call for a few bytes takes as long as one for a hundred.
pub(crate) struct FrameCrc {
    crc: u32,
    gathered: [u8; GATHERED_LEN],
    len: usize,
}

const GATHERED_LEN: usize = 128;
const PLACE_LEN: usize = 16 + 8;
const _: () = assert!(FRAME_HEADER_LEN + PLACE_LEN <= GATHERED_LEN, "a flush makes room for the largest piece");

impl FrameCrc {
    #[inline]
    pub(crate) fn begin(frame: &[u8]) -> Self {
        let mut crc = Self { crc: 0, gathered: [0; GATHERED_LEN], len: 0 };
        crc.gather::<FRAME_CRC_AT>(array(frame, 0));
        crc.gather::<{ FRAME_HEADER_LEN - FRAME_PREVIOUS_AT }>(array(frame, FRAME_PREVIOUS_AT));
        crc
    }

    #[inline]
    pub(crate) fn item(&mut self, crc: u32) {
        if self.len + size_of::<u32>() + PLACE_LEN > GATHERED_LEN {
            self.flush();
        }
        self.gather(crc.to_le_bytes());
    }

    #[inline]
    pub(crate) fn finish(mut self, segment_id: &[u8; 16], offset: u64) -> u32 {
        self.gather(*segment_id);
        self.gather(offset.to_le_bytes());
        self.flush();
        self.crc
    }

    /// There is room for it.
    #[inline]
    fn gather<const N: usize>(&mut self, bytes: [u8; N]) {
        put(&mut self.gathered, self.len, bytes);
        self.len += N;
    }

    fn flush(&mut self) {
        self.crc = crc32c::crc32c_append(self.crc, &self.gathered[..self.len]);
        self.len = 0;
    }
}

// ---- items ----

/// The length and crc that stand before an item's content; `bytes` has at least [`ITEM_HEADER_LEN`].
#[inline]
pub(crate) fn decode_item_header(bytes: &[u8]) -> (u32, u32) {
    (u32_at(bytes, 0), u32_at(bytes, ITEM_CRC_AT))
}

/// The crc of an item, which begins at its length field.
#[inline]
pub(crate) fn item_crc(len: u32, content: &[u8], position: u64, segment_id: &[u8; 16]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&len.to_le_bytes()), content);
    crc_place(crc, position, segment_id)
}

/// Writes the header of an item of which all else is there, and returns its crc.
pub(crate) fn finish_item(item: &mut [u8], len: u32, position: u64, segment_id: &[u8; 16]) -> u32 {
    put(item, 0, len.to_le_bytes());
    // For a moment the length stands right before the content, so that one call covers both.
    put(item, ITEM_CRC_AT, len.to_le_bytes());
    let crc = crc_place(crc32c::crc32c(&item[ITEM_CRC_AT..]), position, segment_id);
    put(item, ITEM_CRC_AT, crc.to_le_bytes());
    crc
}

// ---- frame records ----

/// Type and flags of a frame record, and its body; nothing if the content is too short for them.
pub(crate) fn decode_typed(content: &[u8]) -> Option<(u16, u16, &[u8])> {
    let (head, body) = content.split_at_checked(TYPED_HEADER_LEN)?;
    Some((u16_at(head, 0), u16_at(head, 2), body))
}

pub(crate) fn encode_typed(out: &mut Vec<u8>, record_type: u16, flags: u16, body: &[u8]) {
    out.extend_from_slice(&record_type.to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(body);
}

pub(crate) fn encode_link(link: &Link) -> [u8; LINK_LEN] {
    let mut out = [0; LINK_LEN];
    put(&mut out, 0, link.first_sequence.to_le_bytes());
    put(&mut out, 8, link.previous);
    put(&mut out, 24, link.previous_end.to_le_bytes());
    put(&mut out, 32, link.previous_count.to_le_bytes());
    put(&mut out, 40, link.previous_seal_crc.to_le_bytes());
    out
}

pub(crate) fn decode_link(body: &[u8]) -> Option<Link> {
    (body.len() == LINK_LEN).then(|| Link {
        first_sequence: u64_at(body, 0),
        previous: array(body, 8),
        previous_end: u64_at(body, 24),
        previous_count: u64_at(body, 32),
        previous_seal_crc: u32_at(body, 40),
    })
}

pub(crate) fn encode_seal(seal: &Seal) -> [u8; SEAL_LEN] {
    let mut out = [0; SEAL_LEN];
    put(&mut out, 0, seal.next_link);
    put(&mut out, 16, seal.end_sequence.to_le_bytes());
    put(&mut out, 24, seal.count.to_le_bytes());
    out
}

pub(crate) fn decode_seal(body: &[u8]) -> Option<Seal> {
    (body.len() == SEAL_LEN).then(|| Seal {
        next_link: array(body, 0),
        end_sequence: u64_at(body, 16),
        count: u64_at(body, 24),
    })
}
