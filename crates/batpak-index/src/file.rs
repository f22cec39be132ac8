//! The index as a file: written by a close, so that the next open need not read every event.

use crate::layout::{self, FileHeader, HEADER_LEN, KEY_LEN, ROW_LEN, SavedName};
use crate::live::LiveWriter;
use batpak_core::{Coordinate, EventHash};
use std::fmt::Display;

/// An index that was read back, and how far it goes.
#[derive(Debug)]
pub struct Loaded {
    /// The index.
    pub index: LiveWriter,
    /// Hash of the newest event that it knows: what binds it to one history.
    pub last_hash: EventHash,
}

/// Why a file cannot be used; the index is then rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index file is not used: {reason}")]
pub struct Refused {
    reason: String,
}

impl Refused {
    /// For a reason in words.
    pub fn new(reason: impl Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// The bytes of a file that holds this index.
///
/// # Errors
/// If an offset is beyond 4 GiB, which no segment reaches.
pub fn encode(index: &LiveWriter, store_id: [u8; 16]) -> Result<Vec<u8>, Refused> {
    let live = index.live();
    let rows = usize::try_from(live.len()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(HEADER_LEN + rows * ROW_LEN);
    bytes.resize(HEADER_LEN, 0);
    let mut last_hash = EventHash::GENESIS;
    for row in live.rows() {
        layout::push_row(&mut bytes, row).map_err(Refused::new)?;
    }
    for name in live.names().iter() {
        let head = index.heads().get(name.entity.number as usize).copied().unwrap_or_default();
        if head.newest.is_some_and(|newest| newest + 1 == live.len()) {
            last_hash = head.hash;
        }
        let (entity, scope) = (name.coordinate.entity(), name.coordinate.scope());
        layout::push_name(&mut bytes, &SavedName { entity, scope, hash: head.hash });
    }
    let mut keys = 0;
    for (key, sequence) in index.keys() {
        layout::push_key(&mut bytes, key, sequence);
        keys += 1;
    }
    let header = FileHeader { store_id, rows: live.len(), coordinates: live.names().len() as u64, keys, last_hash };
    let header = layout::encode_header(&header, &bytes[HEADER_LEN..]);
    bytes[..HEADER_LEN].copy_from_slice(&header);
    Ok(bytes)
}

/// Reads an index back. All of it is checked: a file that is not as it was written, or of another store, is refused.
///
/// # Errors
/// `Refused` with the reason.
pub fn decode(bytes: &[u8], store_id: [u8; 16]) -> Result<Loaded, Refused> {
    let (header, body) = layout::decode_header(bytes).map_err(Refused::new)?;
    if header.store_id != store_id {
        return Err(Refused::new("it is of another store"));
    }
    let short = || Refused::new("its length does not match its counts");
    let rows_len = len_of(header.rows, ROW_LEN).ok_or_else(short)?;
    let (rows, mut names) = body.split_at_checked(rows_len).ok_or_else(short)?;
    let mut index = LiveWriter::new();
    for _ in 0..header.coordinates {
        let (saved, rest) = layout::name(names).ok_or_else(short)?;
        index.restore_name(&Coordinate::new(saved.entity, saved.scope).map_err(Refused::new)?, saved.hash);
        names = rest;
    }
    if len_of(header.keys, KEY_LEN) != Some(names.len()) {
        return Err(short());
    }
    if !rows.chunks_exact(ROW_LEN).map(layout::row).all(|row| index.restore_row(&row)) {
        return Err(Refused::new("its rows are not in order"));
    }
    let keys = names.chunks_exact(KEY_LEN).map(layout::key);
    if keys.clone().any(|(_, sequence)| sequence >= header.rows) {
        return Err(Refused::new("a key is that of no row"));
    }
    index.restore_keys(keys);
    Ok(Loaded { index, last_hash: header.last_hash })
}

fn len_of(count: u64, each: usize) -> Option<usize> {
    usize::try_from(count).ok()?.checked_mul(each)
}
