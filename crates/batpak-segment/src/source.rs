//! The bytes of one segment: mapped as far as they are, beyond that read from its file.

use crate::catalog::Segment;
use crate::error::{Damage, LogError};
use crate::file_system::{File, Mapping, read_full};
use crate::layout::{self, ITEM_HEADER_LEN};
use crate::reader::Position;
use crate::scan::rest;
use std::sync::Arc;

/// Enough for most records, so that one read suffices.
const FIRST_READ: usize = 512;

/// What a segment is read through. It ends where a frame ends, and so does what is mapped of it.
#[derive(Debug)]
pub(crate) struct Source {
    mapping: Option<Box<dyn Mapping>>,
    /// What is not mapped is read from here; nothing if all of it is.
    file: Option<Arc<dyn File>>,
}

impl Source {
    /// A segment that is sealed, with its seal `len` bytes long. It is mapped; where that cannot be, its file is kept.
    pub(crate) fn sealed(file: Arc<dyn File>, len: u64) -> Self {
        // A system that has no room for one more mapping may have some for an open file.
        let mapping = file.map(len).ok().flatten();
        let file = mapping.is_none().then_some(file);
        Self { mapping, file }
    }

    /// A segment that grows behind what is mapped of it.
    pub(crate) fn growing(mapping: Option<Box<dyn Mapping>>, file: Arc<dyn File>) -> Self {
        Self { mapping, file: Some(file) }
    }

    /// What is mapped, from the start of the segment.
    pub(crate) fn mapped(&self) -> &[u8] {
        self.mapping.as_ref().map_or(&[], |mapping| (**mapping).as_ref())
    }

    /// What reads the bytes at an offset, if they are not mapped.
    pub(crate) fn file_at(&self, offset: u64) -> Option<&dyn File> {
        if offset < self.mapped().len() as u64 { None } else { self.file.as_deref() }
    }

    /// Finds a record, checks its crc and shows its bytes.
    pub(crate) fn with_record<T>(
        &self,
        segment: &Segment,
        position: Position,
        show: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, LogError> {
        let Some(file) = self.file_at(position.offset) else { return self.mapped_record(segment, position).map(show) };
        let (mut first, mut whole) = ([0; FIRST_READ], Vec::new());
        read_record(file, segment, position, &mut first, &mut whole).map(show)
    }

    /// Finds a record and checks its crc. `buf` takes its bytes if they are not mapped.
    pub(crate) fn record<'a>(
        &'a self,
        segment: &Segment,
        position: Position,
        buf: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], LogError> {
        if self.file_at(position.offset).is_none() {
            return self.mapped_record(segment, position);
        }
        self.copy_record(segment, position, buf)?;
        Ok(buf)
    }

    /// Finds a record, checks its crc and puts its bytes into `buf`.
    pub(crate) fn copy_record(&self, segment: &Segment, position: Position, buf: &mut Vec<u8>) -> Result<(), LogError> {
        self.with_record(segment, position, |bytes| {
            buf.clear();
            buf.extend_from_slice(bytes);
        })
    }

    fn mapped_record(&self, segment: &Segment, position: Position) -> Result<&[u8], LogError> {
        let item = split_item(rest(self.mapped(), position.offset));
        item.and_then(|item| item.checked(segment, position)).map_err(|damage| damaged(segment, position, damage))
    }
}

fn damaged(segment: &Segment, position: Position, damage: Damage) -> LogError {
    LogError::Damaged { segment: segment.header.number, offset: position.offset, damage }
}

/// The content of an item, and the crc that stands before it.
struct Item<'a> {
    len: u32,
    crc: u32,
    content: &'a [u8],
}

/// The item at the beginning of `bytes`.
fn split_item(bytes: &[u8]) -> Result<Item<'_>, Damage> {
    let too_long = |value: usize| Damage::Length { value: value as u64, available: bytes.len() as u64 };
    let (head, content) = bytes.split_at_checked(ITEM_HEADER_LEN).ok_or(too_long(ITEM_HEADER_LEN))?;
    let (len, crc) = layout::decode_item_header(head);
    let content = content.get(..len as usize).ok_or(too_long(ITEM_HEADER_LEN + len as usize))?;
    Ok(Item { len, crc, content })
}

impl<'a> Item<'a> {
    fn checked(self, segment: &Segment, position: Position) -> Result<&'a [u8], Damage> {
        let found = layout::item_crc(self.len, self.content, position.sequence, &segment.header.segment_id);
        if found == self.crc { Ok(self.content) } else { Err(Damage::ItemCrc { found, expected: self.crc }) }
    }
}

/// Reads a record into `first`, or into `whole` if it is longer.
fn read_record<'a>(
    file: &dyn File,
    segment: &Segment,
    position: Position,
    first: &'a mut [u8],
    whole: &'a mut Vec<u8>,
) -> Result<&'a [u8], LogError> {
    let read = |buf: &mut [u8], offset| read_full(file, buf, offset).map_err(LogError::io("read", &segment.path));
    let n = read(first, position.offset)?;
    let mut bytes = &first[..n];
    if let Err(Damage::Length { value, .. }) = split_item(bytes) {
        let available = file.len().map_err(LogError::io("read", &segment.path))?.saturating_sub(position.offset);
        if value > available {
            return Err(damaged(segment, position, Damage::Length { value, available }));
        }
        whole.resize(usize::try_from(value).unwrap_or(usize::MAX), 0);
        whole[..n].copy_from_slice(bytes);
        let more = read(&mut whole[n..], position.offset + n as u64)?;
        whole.truncate(n + more);
        bytes = whole;
    }
    let item = split_item(bytes).and_then(|item| item.checked(segment, position));
    item.map_err(|damage| damaged(segment, position, damage))
}
