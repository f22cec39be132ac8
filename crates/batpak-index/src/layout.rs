//! The bytes of an index file. It is derived: nothing depends on its format but this version.

#![expect(clippy::little_endian_bytes, reason = "this module is where bytes are decided")]

use crate::row::{Extras, Row};
use batpak_core::{EventHash, EventId, EventKind, Timestamp};
use std::num::TryFromIntError;

const MAGIC: [u8; 8] = *b"BATPAKIX";
/// Version of the index file; another one is rebuilt.
const VERSION: u32 = 2;

const VERSION_AT: usize = MAGIC.len();
const BODY_CRC_AT: usize = VERSION_AT + 4;
const STORE_ID_AT: usize = BODY_CRC_AT + 4;
const ROWS_AT: usize = STORE_ID_AT + 16;
const COORDINATES_AT: usize = ROWS_AT + 8;
const KEYS_AT: usize = COORDINATES_AT + 8;
const BODY_LEN_AT: usize = KEYS_AT + 8;
const LAST_HASH_AT: usize = BODY_LEN_AT + 8;
const HEADER_CRC_AT: usize = LAST_HASH_AT + 32;
pub(crate) const HEADER_LEN: usize = HEADER_CRC_AT + 8;
const _: () = assert!(HEADER_LEN == 104, "a multiple of 8");

// Links are not saved: they follow from the rows before.
const ROW_ID_AT: usize = 0;
const ROW_TIME_AT: usize = ROW_ID_AT + 16;
const ROW_OFFSET_AT: usize = ROW_TIME_AT + 8;
const ROW_COORDINATE_AT: usize = ROW_OFFSET_AT + 4;
const ROW_REVISION_AT: usize = ROW_COORDINATE_AT + 4;
const ROW_EXTRAS_AT: usize = ROW_REVISION_AT + REVISION_LEN;
const ROW_KIND_AT: usize = ROW_EXTRAS_AT + 1;
pub(crate) const ROW_LEN: usize = ROW_KIND_AT + 2;
const _: () = assert!(ROW_LEN == 40, "what an event takes in the file");
const REVISION_LEN: usize = 5;
const _: () = assert!(batpak_core::MAX_REVISION < 1 << (8 * REVISION_LEN), "revisions fit");

pub(crate) const KEY_LEN: usize = 24;
const NAME_HEAD_LEN: usize = 2 + 2 + 32;

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// What the header of an index file says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileHeader {
    pub(crate) store_id: [u8; 16],
    pub(crate) rows: u64,
    pub(crate) coordinates: u64,
    pub(crate) keys: u64,
    pub(crate) last_hash: EventHash,
}

/// Why a file is no index that this version can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it is no index file")]
    NoIndex,
    #[error("it has version {0}, not {VERSION}")]
    Version(u32),
    #[error("its length does not match its header")]
    Length,
    #[error("its crc is wrong")]
    Crc,
}

pub(crate) fn encode_header(header: &FileHeader, body: &[u8]) -> [u8; HEADER_LEN] {
    let mut out = [0; HEADER_LEN];
    put(&mut out, 0, MAGIC);
    put(&mut out, VERSION_AT, VERSION.to_le_bytes());
    put(&mut out, BODY_CRC_AT, crc32c::crc32c(body).to_le_bytes());
    put(&mut out, STORE_ID_AT, header.store_id);
    put(&mut out, ROWS_AT, header.rows.to_le_bytes());
    put(&mut out, COORDINATES_AT, header.coordinates.to_le_bytes());
    put(&mut out, KEYS_AT, header.keys.to_le_bytes());
    put(&mut out, BODY_LEN_AT, (body.len() as u64).to_le_bytes());
    put(&mut out, LAST_HASH_AT, *header.last_hash.as_bytes());
    let crc = crc32c::crc32c(&out[..HEADER_CRC_AT]);
    put(&mut out, HEADER_CRC_AT, crc.to_le_bytes());
    out
}

/// Checks a whole file and splits it into header and body.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<(FileHeader, &[u8]), Unusable> {
    if !bytes.starts_with(&MAGIC) || bytes.len() < HEADER_LEN {
        return Err(Unusable::NoIndex);
    }
    let version = u32_at(bytes, VERSION_AT);
    if version != VERSION {
        return Err(Unusable::Version(version));
    }
    if crc32c::crc32c(&bytes[..HEADER_CRC_AT]) != u32_at(bytes, HEADER_CRC_AT) || u32_at(bytes, HEADER_CRC_AT + 4) != 0
    {
        return Err(Unusable::Crc);
    }
    let body = &bytes[HEADER_LEN..];
    if u64_at(bytes, BODY_LEN_AT) != body.len() as u64 {
        return Err(Unusable::Length);
    }
    if crc32c::crc32c(body) != u32_at(bytes, BODY_CRC_AT) {
        return Err(Unusable::Crc);
    }
    let header = FileHeader {
        store_id: array(bytes, STORE_ID_AT),
        rows: u64_at(bytes, ROWS_AT),
        coordinates: u64_at(bytes, COORDINATES_AT),
        keys: u64_at(bytes, KEYS_AT),
        last_hash: EventHash::from_bytes(array(bytes, LAST_HASH_AT)),
    };
    Ok((header, body))
}

/// A row without what follows from the rows before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SavedRow {
    pub(crate) id: EventId,
    pub(crate) time: Timestamp,
    pub(crate) offset: u64,
    pub(crate) coordinate: u32,
    pub(crate) revision: u64,
    pub(crate) extras: Extras,
    pub(crate) kind: EventKind,
}

/// Fails if the offset is beyond what any segment has.
pub(crate) fn push_row(out: &mut Vec<u8>, row: &Row) -> Result<(), TryFromIntError> {
    let mut bytes = [0; ROW_LEN];
    put(&mut bytes, ROW_ID_AT, row.id.as_u128().to_le_bytes());
    put(&mut bytes, ROW_TIME_AT, row.time.as_nanos().to_le_bytes());
    put(&mut bytes, ROW_OFFSET_AT, u32::try_from(row.offset)?.to_le_bytes());
    put(&mut bytes, ROW_COORDINATE_AT, row.coordinate.to_le_bytes());
    put(&mut bytes, ROW_REVISION_AT, array::<REVISION_LEN>(&row.revision.to_le_bytes(), 0));
    bytes[ROW_EXTRAS_AT] = row.extras.0;
    put(&mut bytes, ROW_KIND_AT, row.kind.as_u16().to_le_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}

/// A row from [`ROW_LEN`] bytes.
pub(crate) fn row(bytes: &[u8]) -> SavedRow {
    let mut revision = [0; 8];
    put(&mut revision, 0, array::<REVISION_LEN>(bytes, ROW_REVISION_AT));
    SavedRow {
        id: EventId::from_u128(u128::from_le_bytes(array(bytes, ROW_ID_AT))),
        time: Timestamp::from_nanos(i64::from_le_bytes(array(bytes, ROW_TIME_AT))),
        offset: u32_at(bytes, ROW_OFFSET_AT).into(),
        coordinate: u32_at(bytes, ROW_COORDINATE_AT),
        revision: u64::from_le_bytes(revision),
        extras: Extras(bytes[ROW_EXTRAS_AT]),
        kind: EventKind::from_u16(u16_at(bytes, ROW_KIND_AT)),
    }
}

/// A coordinate with the hash of its entity's newest event.
pub(crate) struct SavedName<'a> {
    pub(crate) entity: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) hash: EventHash,
}

pub(crate) fn push_name(out: &mut Vec<u8>, name: &SavedName<'_>) {
    let len = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes();
    out.extend_from_slice(&len(name.entity));
    out.extend_from_slice(&len(name.scope));
    out.extend_from_slice(name.hash.as_bytes());
    out.extend_from_slice(name.entity.as_bytes());
    out.extend_from_slice(name.scope.as_bytes());
}

/// The name at the beginning of `bytes`, and what follows it.
pub(crate) fn name(bytes: &[u8]) -> Option<(SavedName<'_>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(NAME_HEAD_LEN)?;
    let (entity, rest) = rest.split_at_checked(u16_at(head, 0).into())?;
    let (scope, rest) = rest.split_at_checked(u16_at(head, 2).into())?;
    let hash = EventHash::from_bytes(array(head, 4));
    Some((SavedName { entity: str::from_utf8(entity).ok()?, scope: str::from_utf8(scope).ok()?, hash }, rest))
}

pub(crate) fn push_key(out: &mut Vec<u8>, key: u128, sequence: u64) {
    out.extend_from_slice(&key.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
}

/// A key and its sequence from [`KEY_LEN`] bytes.
pub(crate) fn key(bytes: &[u8]) -> (u128, u64) {
    (u128::from_le_bytes(array(bytes, 0)), u64_at(bytes, 16))
}
