//! The bytes of a part's file. It is derived: nothing depends on its format but this version.
//!
//! Everything begins at a multiple of [`BLOCK`]: the header, then the sections, then the crcs of all blocks of
//! sections, then the crcs of the blocks of those, whose own crc is in the header.

#![expect(clippy::little_endian_bytes, reason = "this module is where bytes are decided")]

use batpak_core::EventHash;

const MAGIC: [u8; 8] = *b"BATPAKIX";
/// Version of the file; another one is rebuilt.
const VERSION: u32 = 4;

/// What has a crc of its own.
pub(crate) const BLOCK: usize = 4096;
pub(crate) const CRC_LEN: usize = 4;

/// Number of values of a row.
pub(crate) const FIELDS: usize = 8;
/// What is looked at to read a row: more than it has, so that each value is read as a whole word.
pub(crate) const ROW_WINDOW: usize = FIELDS * WORD_LEN + WORD_LEN;
/// The same for a copy of a row, behind its number.
pub(crate) const COPY_WINDOW: usize = ROW_NUMBER_LEN + ROW_WINDOW;
/// Where a coordinate's text begins (6 bytes), the lengths of its two halves.
pub(crate) const NAME_LEN: usize = 6 + 2 + 2;
/// Where the entries of a bucket begin.
pub(crate) const BUCKET_LEN: usize = 4;
/// Number, where the rows stand, how many they are.
pub(crate) const ENTRY_LEN: usize = 8 + 4 + 4;
/// First and last time of the rows of a zone.
pub(crate) const ZONE_LEN: usize = 8 + 8;
pub(crate) const ROW_NUMBER_LEN: usize = 4;
pub(crate) const WORD_LEN: usize = 8;

const VERSION_AT: usize = MAGIC.len();
const HEADER_CRC_AT: usize = VERSION_AT + 4;
const STORE_ID_AT: usize = HEADER_CRC_AT + 4;
const STAMP_AT: usize = STORE_ID_AT + 16;
const FIRST_AT: usize = STAMP_AT + 8;
const ROWS_AT: usize = FIRST_AT + 8;
const NEW_ENTITIES_AT: usize = ROWS_AT + 8;
const LAST_HASH_AT: usize = NEW_ENTITIES_AT + 8;
const FIELDS_AT: usize = LAST_HASH_AT + 32;
const NAMES_AT: usize = FIELDS_AT + FIELDS * 16;
const TEXT_LEN_AT: usize = NAMES_AT + 8;
const BUCKET_BITS_AT: usize = TEXT_LEN_AT + 8;
const ENTRIES_AT: usize = BUCKET_BITS_AT + 8;
const POSTINGS_LEN_AT: usize = ENTRIES_AT + 8;
const COPIES_AT: usize = POSTINGS_LEN_AT + 8;
const TABLE_CRC_AT: usize = COPIES_AT + 8;
pub(crate) const HEADER_LEN: usize = TABLE_CRC_AT + 8;
const _: () = assert!(HEADER_LEN == 280, "within the first block");

/// The least and the most of a value in all rows of a part. A value is stored as its distance from the least one, in as
/// many bytes as the most needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Bounds {
    /// Of no value.
    pub(crate) const NONE: Self = Self { min: u64::MAX, max: 0 };

    pub(crate) fn include(&mut self, other: Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Bytes that a value takes.
    pub(crate) fn width(self) -> usize {
        let bits = u64::BITS - self.max.saturating_sub(self.min).leading_zeros();
        bits.div_ceil(8) as usize
    }
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) store_id: [u8; 16],
    /// Of the segments that hold its events.
    pub(crate) stamp: u64,
    /// Sequence of the first row.
    pub(crate) first: u64,
    pub(crate) rows: u64,
    /// Number of rows that are the first of their entity.
    pub(crate) new_entities: u64,
    /// Hash of the last event.
    pub(crate) last_hash: EventHash,
    pub(crate) fields: [Bounds; FIELDS],
    pub(crate) names: u64,
    pub(crate) text_len: u64,
    pub(crate) bucket_bits: u32,
    pub(crate) entries: u64,
    pub(crate) postings_len: u64,
    /// Number of rows that stand in a list of their entity, too.
    pub(crate) copies: u64,
    pub(crate) table_crc: u32,
}

/// Why bytes are no part that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it is no index file")]
    NoIndex,
    #[error("it is no file of kinds")]
    NoKinds,
    #[error("it has version {0}, not {KINDS_VERSION}")]
    KindsVersion(u32),
    #[error("it has version {0}, not {VERSION}")]
    Version(u32),
    #[error("its length does not match its header")]
    Length,
    #[error("its crc is wrong")]
    Crc,
    #[error("it is of another store")]
    OtherStore,
}

/// Rows of a zone, for which the first and the last time are known.
pub(crate) const ZONE_ROWS: u64 = 1024;

/// Where the sections are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sections {
    pub(crate) row_len: usize,
    pub(crate) rows: usize,
    pub(crate) zones: usize,
    pub(crate) names: usize,
    pub(crate) text: usize,
    pub(crate) buckets: usize,
    pub(crate) entries: usize,
    pub(crate) postings: usize,
    pub(crate) copies: usize,
    /// The crcs of all blocks before; a multiple of [`BLOCK`].
    pub(crate) table: usize,
    /// The crcs of the blocks of the table.
    pub(crate) roots: usize,
    pub(crate) end: usize,
}

impl Sections {
    /// Length of a row in a list of its entity.
    pub(crate) fn copy_len(&self) -> usize {
        ROW_NUMBER_LEN + self.row_len
    }
}

impl Header {
    /// Where the sections are, unless they are beyond what can be addressed.
    pub(crate) fn sections(&self) -> Option<Sections> {
        let row_len = self.fields.iter().map(|bounds| bounds.width()).sum();
        let mut at = BLOCK;
        let mut section = |count: u64, each: usize| {
            let begin = at;
            let len = usize::try_from(count).ok()?.checked_mul(each)?;
            at = at.checked_add(len)?.checked_next_multiple_of(BLOCK)?;
            Some(begin)
        };
        let rows = section(self.rows, row_len)?;
        let zones = section(self.rows.div_ceil(ZONE_ROWS), ZONE_LEN)?;
        let names = section(self.names, NAME_LEN)?;
        let text = section(self.text_len, 1)?;
        let buckets = section((1 << self.bucket_bits.min(32)) + 1, BUCKET_LEN)?;
        let entries = section(self.entries, ENTRY_LEN)?;
        let postings = section(self.postings_len, 1)?;
        let copies = section(self.copies, ROW_NUMBER_LEN + row_len)?;
        let blocks = at / BLOCK;
        let table = at;
        let roots = table.checked_add(blocks * CRC_LEN)?.checked_next_multiple_of(BLOCK)?;
        let end = roots.checked_add((roots - table) / BLOCK * CRC_LEN)?;
        Some(Sections { row_len, rows, zones, names, text, buckets, entries, postings, copies, table, roots, end })
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        put(&mut out, 0, MAGIC);
        put(&mut out, VERSION_AT, VERSION.to_le_bytes());
        put(&mut out, STORE_ID_AT, self.store_id);
        put(&mut out, STAMP_AT, self.stamp.to_le_bytes());
        put(&mut out, FIRST_AT, self.first.to_le_bytes());
        put(&mut out, ROWS_AT, self.rows.to_le_bytes());
        put(&mut out, NEW_ENTITIES_AT, self.new_entities.to_le_bytes());
        put(&mut out, LAST_HASH_AT, *self.last_hash.as_bytes());
        for (field, bounds) in self.fields.iter().enumerate() {
            put(&mut out, FIELDS_AT + field * 16, bounds.min.to_le_bytes());
            put(&mut out, FIELDS_AT + field * 16 + 8, bounds.max.to_le_bytes());
        }
        put(&mut out, NAMES_AT, self.names.to_le_bytes());
        put(&mut out, TEXT_LEN_AT, self.text_len.to_le_bytes());
        put(&mut out, BUCKET_BITS_AT, u64::from(self.bucket_bits).to_le_bytes());
        put(&mut out, ENTRIES_AT, self.entries.to_le_bytes());
        put(&mut out, POSTINGS_LEN_AT, self.postings_len.to_le_bytes());
        put(&mut out, COPIES_AT, self.copies.to_le_bytes());
        put(&mut out, TABLE_CRC_AT, u64::from(self.table_crc).to_le_bytes());
        let crc = crc32c::crc32c(&out);
        put(&mut out, HEADER_CRC_AT, crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unusable> {
        let Some(header) = bytes.first_chunk::<HEADER_LEN>().filter(|header| header.starts_with(&MAGIC)) else {
            return Err(Unusable::NoIndex);
        };
        let version = u32_at(header, VERSION_AT);
        if version != VERSION {
            return Err(Unusable::Version(version));
        }
        let mut blank = *header;
        put(&mut blank, HEADER_CRC_AT, [0; 4]);
        if crc32c::crc32c(&blank) != u32_at(header, HEADER_CRC_AT) {
            return Err(Unusable::Crc);
        }
        let mut fields = [Bounds::NONE; FIELDS];
        for (field, bounds) in fields.iter_mut().enumerate() {
            let at = FIELDS_AT + field * 16;
            *bounds = Bounds { min: u64_at(header, at), max: u64_at(header, at + 8) };
        }
        Ok(Self {
            store_id: array(header, STORE_ID_AT),
            stamp: u64_at(header, STAMP_AT),
            first: u64_at(header, FIRST_AT),
            rows: u64_at(header, ROWS_AT),
            new_entities: u64_at(header, NEW_ENTITIES_AT),
            last_hash: EventHash::from_bytes(array(header, LAST_HASH_AT)),
            fields,
            names: u64_at(header, NAMES_AT),
            text_len: u64_at(header, TEXT_LEN_AT),
            bucket_bits: u32_at(header, BUCKET_BITS_AT),
            entries: u64_at(header, ENTRIES_AT),
            postings_len: u64_at(header, POSTINGS_LEN_AT),
            copies: u64_at(header, COPIES_AT),
            table_crc: u32_at(header, TABLE_CRC_AT),
        })
    }
}

#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

pub(crate) fn bytes_of_u64(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

pub(crate) fn bytes_of_u32(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

pub(crate) fn bytes_of_u128(value: u128) -> [u8; 16] {
    value.to_le_bytes()
}

/// How rows are laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowShape {
    /// Of each value: where it begins, the bits that it has, and the least one, which is not stored.
    fields: [(usize, u64, u64); FIELDS],
    len: usize,
}

impl RowShape {
    pub(crate) fn of(fields: &[Bounds; FIELDS]) -> Self {
        let mut at = 0;
        let shape = fields.map(|bounds| {
            let begin = at;
            at += bounds.width();
            let bits = bounds.width() * 8;
            let mask = if bits == 0 { 0 } else { u64::MAX >> (64 - bits) };
            (begin, mask, bounds.min)
        });
        Self { fields: shape, len: at }
    }

    /// Appends the values of a row.
    pub(crate) fn push_row(&self, out: &mut Vec<u8>, values: &[u64; FIELDS]) {
        let mut row = [0; ROW_WINDOW];
        for ((at, _, min), value) in self.fields.iter().zip(values) {
            put(&mut row, *at, (value - min).to_le_bytes());
        }
        out.extend_from_slice(&row[..self.len]);
    }

    /// Appends a row of a list of its entity.
    pub(crate) fn push_copy(&self, out: &mut Vec<u8>, number: u32, values: &[u64; FIELDS]) {
        out.extend_from_slice(&bytes_of_u32(number));
        self.push_row(out, values);
    }

    /// The values of the row at the beginning of these bytes.
    #[inline]
    pub(crate) fn values(&self, bytes: &[u8; ROW_WINDOW]) -> [u64; FIELDS] {
        self.values_behind::<0, ROW_WINDOW>(bytes)
    }

    /// Number and values of the row at the beginning of these bytes, which are of a list of its entity.
    #[inline]
    pub(crate) fn copy(&self, bytes: &[u8; COPY_WINDOW]) -> (u32, [u64; FIELDS]) {
        (u32_at(bytes, 0), self.values_behind::<ROW_NUMBER_LEN, COPY_WINDOW>(bytes))
    }

    #[inline]
    fn values_behind<const SKIPPED: usize, const LEN: usize>(&self, bytes: &[u8; LEN]) -> [u64; FIELDS] {
        std::array::from_fn(|field| {
            let (at, mask, min) = self.fields[field];
            min.wrapping_add(u64_at(bytes, SKIPPED + at) & mask)
        })
    }
}

/// Where the text of a coordinate is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamePlace {
    pub(crate) at: u64,
    pub(crate) entity_len: u16,
    pub(crate) scope_len: u16,
}

pub(crate) fn push_name(out: &mut Vec<u8>, place: NamePlace) {
    out.extend_from_slice(&place.at.to_le_bytes()[..6]);
    out.extend_from_slice(&place.entity_len.to_le_bytes());
    out.extend_from_slice(&place.scope_len.to_le_bytes());
}

/// From [`NAME_LEN`] bytes.
pub(crate) fn name(bytes: &[u8]) -> NamePlace {
    let mut at = [0; 8];
    at[..6].copy_from_slice(&bytes[..6]);
    NamePlace {
        at: u64::from_le_bytes(at),
        entity_len: u16::from_le_bytes(array(bytes, 6)),
        scope_len: u16::from_le_bytes(array(bytes, 8)),
    }
}

/// The rows that have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hash: u64,
    /// The row, if it is one; otherwise where they stand: in the postings, in units of [`ROW_NUMBER_LEN`], or how many
    /// copies stand before theirs.
    pub(crate) start: u32,
    pub(crate) count: u32,
}

/// The last bit of a hash tells entities from all else.
const ENTITY: u64 = 1;

/// The hash of an entity, from any 64 bits.
pub(crate) fn hash_of_entity(hash: u64) -> u64 {
    hash | ENTITY
}

/// The hash of what is no entity, from any 64 bits.
pub(crate) fn hash_of_other(hash: u64) -> u64 {
    hash & !ENTITY
}

/// Whether the rows with this hash stand copied one behind the other, if they have a list: those of an entity do, for
/// they are read together, and otherwise each of them is in a page of its own.
pub(crate) fn has_copies(hash: u64) -> bool {
    hash & ENTITY == ENTITY
}

pub(crate) fn push_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.extend_from_slice(&entry.hash.to_le_bytes());
    out.extend_from_slice(&entry.start.to_le_bytes());
    out.extend_from_slice(&entry.count.to_le_bytes());
}

/// From [`ENTRY_LEN`] bytes.
pub(crate) fn entry(bytes: &[u8]) -> Entry {
    Entry { hash: u64_at(bytes, 0), start: u32_at(bytes, 8), count: u32_at(bytes, 12) }
}

// ---- the file of kinds ----

const KINDS_MAGIC: [u8; 8] = *b"BATPAKKD";
/// Version of the file; another one is rebuilt.
const KINDS_VERSION: u32 = 1;

const KINDS_VERSION_AT: usize = KINDS_MAGIC.len();
const KINDS_CRC_AT: usize = KINDS_VERSION_AT + 4;
const KINDS_STORE_ID_AT: usize = KINDS_CRC_AT + 4;
const KINDS_END_AT: usize = KINDS_STORE_ID_AT + 16;
const KINDS_LAST_OFFSET_AT: usize = KINDS_END_AT + 8;
const KINDS_LAST_HASH_AT: usize = KINDS_LAST_OFFSET_AT + 8;
const KINDS_COUNT_AT: usize = KINDS_LAST_HASH_AT + 32;
pub(crate) const KINDS_HEADER_LEN: usize = KINDS_COUNT_AT + 8;
const _: () = assert!(KINDS_HEADER_LEN == 88, "as in FORMAT.md");

/// The sequence of a description and its length.
pub(crate) const KINDS_ENTRY_LEN: usize = 8 + 8;

/// What the header of the file of kinds says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KindsHeader {
    pub(crate) store_id: [u8; 16],
    pub(crate) end: u64,
    pub(crate) last_offset: u64,
    pub(crate) last_hash: EventHash,
    pub(crate) count: u64,
}

/// Writes the header over the first bytes of a file of which all else is there.
pub(crate) fn put_kinds_header(file: &mut [u8], header: &KindsHeader) {
    put(file, 0, KINDS_MAGIC);
    put(file, KINDS_VERSION_AT, KINDS_VERSION.to_le_bytes());
    put(file, KINDS_STORE_ID_AT, header.store_id);
    put(file, KINDS_END_AT, header.end.to_le_bytes());
    put(file, KINDS_LAST_OFFSET_AT, header.last_offset.to_le_bytes());
    put(file, KINDS_LAST_HASH_AT, *header.last_hash.as_bytes());
    put(file, KINDS_COUNT_AT, header.count.to_le_bytes());
    let crc = crc32c::crc32c(&file[KINDS_STORE_ID_AT..]);
    put(file, KINDS_CRC_AT, crc.to_le_bytes());
}

impl KindsHeader {
    /// Reads the header of a file that is as it was written: its crc covers all of it.
    pub(crate) fn decode(file: &[u8]) -> Result<Self, Unusable> {
        if file.len() < KINDS_HEADER_LEN || !file.starts_with(&KINDS_MAGIC) {
            return Err(Unusable::NoKinds);
        }
        let version = u32_at(file, KINDS_VERSION_AT);
        if version != KINDS_VERSION {
            return Err(Unusable::KindsVersion(version));
        }
        if crc32c::crc32c(&file[KINDS_STORE_ID_AT..]) != u32_at(file, KINDS_CRC_AT) {
            return Err(Unusable::Crc);
        }
        Ok(Self {
            store_id: array(file, KINDS_STORE_ID_AT),
            end: u64_at(file, KINDS_END_AT),
            last_offset: u64_at(file, KINDS_LAST_OFFSET_AT),
            last_hash: EventHash::from_bytes(array(file, KINDS_LAST_HASH_AT)),
            count: u64_at(file, KINDS_COUNT_AT),
        })
    }
}

/// Writes what stands before a description.
pub(crate) fn put_kinds_entry(entry: &mut [u8], sequence: u64, len: u64) {
    put(entry, 0, sequence.to_le_bytes());
    put(entry, 8, len.to_le_bytes());
}

/// The sequence of a description and its length, from [`KINDS_ENTRY_LEN`] bytes.
pub(crate) fn kinds_entry(entry: &[u8]) -> (u64, u64) {
    (u64_at(entry, 0), u64_at(entry, 8))
}
