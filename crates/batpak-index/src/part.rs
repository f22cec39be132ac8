//! One part of the index: the rows of some events and the lists by which they are found, in bytes that do not change.

use crate::blocks::{Blocks, Bytes, Damaged};
use crate::hash::Seed;
use crate::layout::{
    self, BUCKET_LEN, COPY_WINDOW, CRC_LEN, ENTRY_LEN, Entry, Header, NAME_LEN, ROW_NUMBER_LEN, ROW_WINDOW, RowShape,
    Sections, Unusable, ZONE_LEN,
};
use crate::row::Row;
use batpak_core::{Coordinate, EventHash, MAX_SEQUENCE};
use std::fmt;
use std::ops::Range;

/// The index of a range of events, as it stands in a file or in memory. It never changes.
#[derive(Debug)]
pub struct Part {
    blocks: Blocks,
    header: Header,
    sections: Sections,
    seed: Seed,
    shape: RowShape,
}

/// Why bytes are no part that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    reason: String,
}

impl Refused {
    /// A reason of the caller.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// Which rows have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Postings {
    /// These, one after the other.
    Rows { from: u32, to: u32 },
    /// Their numbers in rising order.
    List { list: List, count: u32 },
    /// A bit for each row of the part, from this offset on.
    Bits { at: usize, count: u32 },
}

/// Where a list is, and what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// Numbers, from this offset on.
    Numbers { at: usize },
    /// Numbers, each with a copy of its row, from this offset on.
    Copies { at: usize },
}

impl Postings {
    pub(crate) const NONE: Self = Self::Rows { from: 0, to: 0 };

    /// Number of rows.
    pub(crate) fn count(self) -> u32 {
        match self {
            Self::Rows { from, to } => to - from,
            Self::List { count, .. } | Self::Bits { count, .. } => count,
        }
    }
}

/// Whether a value of `count` rows has a bit for each row, because a list would take more.
pub(crate) fn is_dense(count: u32, rows: u32) -> bool {
    count > 1 && u64::from(count) * 32 > rows.into()
}

/// A length or an offset in memory.
pub(crate) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl Part {
    /// A part from its bytes, for the store with this id. Most of the bytes are checked when they are first used.
    ///
    /// # Errors
    /// `Refused` with the reason if it is no part, of another version or store, or not as it was written.
    pub fn open(bytes: Bytes, store_id: [u8; 16]) -> Result<Self, Refused> {
        let whole = (*bytes).as_ref();
        let header = Header::decode(whole).map_err(Refused::new)?;
        if header.store_id != store_id {
            return Err(Refused::new(Unusable::OtherStore));
        }
        let end = header.first.checked_add(header.rows).filter(|end| *end <= MAX_SEQUENCE + 1);
        let fits = end.is_some() && u32::try_from(header.rows).is_ok() && u32::try_from(header.names).is_ok();
        let sections = header.sections().filter(|sections| fits && sections.end == whole.len());
        let sections = sections.ok_or_else(|| Refused::new(Unusable::Length))?;
        let roots = sections.roots..sections.end;
        if crc32c::crc32c(&whole[roots.clone()]) != header.table_crc {
            return Err(Refused::new(Unusable::Crc));
        }
        let events = header.first..header.first.saturating_add(header.rows);
        let blocks = Blocks::new(bytes, sections.table, roots, events);
        Ok(Self { blocks, seed: Seed::of(store_id), shape: RowShape::of(&header.fields), header, sections })
    }

    /// The sequences of its events.
    pub fn events(&self) -> Range<u64> {
        self.header.first..self.header.first + self.header.rows
    }

    /// Number of its events.
    pub fn rows(&self) -> u32 {
        u32::try_from(self.header.rows).unwrap_or(u32::MAX)
    }

    /// What the one who made it said of the segments that hold its events.
    pub fn stamp(&self) -> u64 {
        self.header.stamp
    }

    /// The hash of its last event.
    pub fn last_hash(&self) -> EventHash {
        self.header.last_hash
    }

    /// How many of its events are the first of their entity.
    pub fn new_entities(&self) -> u64 {
        self.header.new_entities
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    /// The values of a row, as they are stored.
    #[inline]
    pub(crate) fn values(&self, row: u32) -> Result<[u64; layout::FIELDS], Damaged> {
        let len = self.sections.row_len;
        let at = self.sections.rows + row as usize * len;
        // Behind the rows there are other sections, and at least the crcs.
        Ok(self.shape.values(self.blocks.window(at, len)?))
    }

    /// The same, if they are within what the header says of all rows.
    pub(crate) fn bounded_values(&self, row: u32) -> Result<[u64; layout::FIELDS], Damaged> {
        let values = self.values(row)?;
        let mut fields = self.header.fields.iter().zip(values);
        if fields.all(|(bounds, value)| (bounds.min..=bounds.max).contains(&value)) {
            return Ok(values);
        }
        Err(self.blocks.damaged(self.sections.rows + row as usize * self.sections.row_len))
    }

    /// A row by its number within the part.
    ///
    /// # Errors
    /// `Damaged`.
    #[inline]
    pub fn row(&self, row: u32) -> Result<Row, Damaged> {
        let values = self.values(row)?;
        self.row_of(row, values)
            .ok_or_else(|| self.blocks.damaged(self.sections.rows + row as usize * self.sections.row_len))
    }

    /// Adds the rows with these numbers, which takes less time than one after the other.
    ///
    /// # Errors
    /// If the file is damaged where they are, or it has not as many rows.
    pub fn read_rows(&self, numbers: Range<u32>, rows: &mut Vec<Row>) -> Result<(), Damaged> {
        let len = self.sections.row_len;
        let at = self.sections.rows + numbers.start as usize * len;
        // Behind the rows there are other sections, and at least the crcs.
        let bytes = self.blocks.windows::<ROW_WINDOW>(at, numbers.len() * len)?;
        for (begin, number) in (0..).step_by(len.max(1)).zip(numbers) {
            let window = bytes.get(begin..).and_then(<[u8]>::first_chunk);
            let row = window.and_then(|window| self.row_of(number, self.shape.values(window)));
            rows.push(row.ok_or_else(|| self.blocks.damaged(at + begin))?);
        }
        Ok(())
    }

    /// Adds the rows from some items of a list that has copies.
    pub(crate) fn copies_of(&self, list: usize, items: Range<u32>, rows: &mut Vec<Row>) -> Result<(), Damaged> {
        let len = self.sections.copy_len();
        let at = list + items.start as usize * len;
        let bytes = self.blocks.windows::<COPY_WINDOW>(at, items.len() * len)?;
        for begin in (0..items.len()).map(|item| item * len) {
            let window = bytes.get(begin..).and_then(<[u8]>::first_chunk);
            let row = window.map(|window| self.shape.copy(window)).and_then(|(row, values)| self.row_of(row, values));
            rows.push(row.ok_or_else(|| self.blocks.damaged(at + begin))?);
        }
        Ok(())
    }

    #[inline]
    fn row_of(&self, number: u32, values: [u64; layout::FIELDS]) -> Option<Row> {
        if number < self.rows() { Row::of_values(self.header.first + u64::from(number), values) } else { None }
    }

    /// The first and the last time in a zone of rows.
    pub(crate) fn zone(&self, zone: u32) -> Result<(u64, u64), Damaged> {
        let bytes = self.blocks.get(self.sections.zones + zone as usize * ZONE_LEN, ZONE_LEN)?;
        Ok((layout::u64_at(bytes, 0), layout::u64_at(bytes, ZONE_LEN / 2)))
    }

    /// Number of coordinates, which are in the order of their texts.
    pub(crate) fn names(&self) -> u32 {
        u32::try_from(self.header.names).unwrap_or(u32::MAX)
    }

    /// Entity and scope of a coordinate.
    pub(crate) fn name(&self, number: u32) -> Result<(&str, &str), Damaged> {
        let at = self.sections.names + number as usize * NAME_LEN;
        let damaged = || self.blocks.damaged(at);
        if number >= self.names() {
            return Err(damaged());
        }
        let place = layout::name(self.blocks.get(at, NAME_LEN)?);
        let len = usize::from(place.entity_len) + usize::from(place.scope_len);
        if index(place.at).checked_add(len).is_none_or(|end| end > index(self.header.text_len)) {
            return Err(damaged());
        }
        let text = self.blocks.get(self.sections.text + index(place.at), len)?;
        let text = str::from_utf8(text).map_err(|_| damaged())?;
        text.split_at_checked(place.entity_len.into()).ok_or_else(damaged)
    }

    /// The coordinate with this number.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn coordinate(&self, number: u32) -> Result<Coordinate, Damaged> {
        let (entity, scope) = self.name(number)?;
        Coordinate::new(entity, scope)
            .map_err(|_| self.blocks.damaged(self.sections.names + number as usize * NAME_LEN))
    }

    /// The first number from `from` on for which `holds` is false.
    fn partition(&self, from: u32, holds: impl Fn(&str) -> bool) -> Result<u32, Damaged> {
        let (mut low, mut high) = (from, self.names());
        while low < high {
            let middle = low.midpoint(high);
            if holds(self.name(middle)?.0) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The coordinates of all entities that begin with `prefix`.
    pub(crate) fn names_from(&self, prefix: &str) -> Result<Range<u32>, Damaged> {
        let first = self.partition(0, |entity| entity < prefix)?;
        Ok(first..self.partition(first, |entity| entity.starts_with(prefix))?)
    }

    /// Number of values that have postings.
    pub(crate) fn entries(&self) -> u64 {
        self.header.entries
    }

    /// The entries, in the order of their hashes.
    pub(crate) fn entry(&self, number: u64) -> Result<Entry, Damaged> {
        let bytes = self.blocks.get(self.sections.entries + index(number) * ENTRY_LEN, ENTRY_LEN)?;
        Ok(layout::entry(bytes))
    }

    fn bucket_of(&self, hash: u64) -> usize {
        let bucket = hash.checked_shr(u64::BITS - self.header.bucket_bits).unwrap_or(0);
        self.sections.buckets + index(bucket) * BUCKET_LEN
    }

    /// Looks at what [`find`](Self::find) begins with. Of several parts the memory brings all at once.
    pub(crate) fn touch_bucket(&self, hash: u64) {
        self.blocks.touch(self.bucket_of(hash));
    }

    /// Looks at what [`find`](Self::find) goes on with.
    pub(crate) fn touch_entries(&self, hash: u64) {
        if let Ok(bytes) = self.blocks.get(self.bucket_of(hash), BUCKET_LEN) {
            self.blocks.touch(self.sections.entries + layout::u32_at(bytes, 0) as usize * ENTRY_LEN);
        }
    }

    /// Which rows have the value with this hash, and those with another value that has the same hash.
    pub(crate) fn find(&self, hash: u64) -> Result<Postings, Damaged> {
        let at = self.bucket_of(hash);
        let bytes = self.blocks.get(at, 2 * BUCKET_LEN)?;
        let (from, to) = (layout::u32_at(bytes, 0), layout::u32_at(bytes, BUCKET_LEN));
        if from > to || u64::from(to) > self.header.entries {
            return Err(self.blocks.damaged(at));
        }
        let at = self.sections.entries + from as usize * ENTRY_LEN;
        let entries = self.blocks.get(at, (to - from) as usize * ENTRY_LEN)?;
        let found = entries.chunks_exact(ENTRY_LEN).map(layout::entry).find(|entry| entry.hash == hash);
        found.map_or(Ok(Postings::NONE), |entry| self.postings(&entry))
    }

    /// The rows of an entry.
    pub(crate) fn postings(&self, entry: &Entry) -> Result<Postings, Damaged> {
        let Entry { start, count, .. } = *entry;
        let at = self.sections.postings + start as usize * ROW_NUMBER_LEN;
        if count == 1 {
            let fits = start < self.rows();
            return if fits { Ok(Postings::Rows { from: start, to: start + 1 }) } else { Err(self.blocks.damaged(at)) };
        }
        let dense = is_dense(count, self.rows());
        if !dense && layout::has_copies(entry.hash) {
            return self.copies(start, count);
        }
        let len = if dense { words(self.rows()) * layout::WORD_LEN } else { count as usize * ROW_NUMBER_LEN };
        if at + len > self.sections.postings + index(self.header.postings_len) {
            return Err(self.blocks.damaged(at));
        }
        Ok(if dense { Postings::Bits { at, count } } else { Postings::List { list: List::Numbers { at }, count } })
    }

    fn copies(&self, start: u32, count: u32) -> Result<Postings, Damaged> {
        let at = self.sections.copies + start as usize * self.sections.copy_len();
        if u64::from(start) + u64::from(count) > self.header.copies {
            return Err(self.blocks.damaged(at));
        }
        Ok(Postings::List { list: List::Copies { at }, count })
    }

    /// A row number of a list.
    #[inline]
    pub(crate) fn row_number(&self, list: List, item: u32) -> Result<u32, Damaged> {
        let at = match list {
            List::Numbers { at } => at + item as usize * ROW_NUMBER_LEN,
            List::Copies { at } => at + item as usize * self.sections.copy_len(),
        };
        let row = layout::u32_at(self.blocks.get(at, ROW_NUMBER_LEN)?, 0);
        if row < self.rows() { Ok(row) } else { Err(self.blocks.damaged(at)) }
    }

    /// 64 bits, one for each row from `64 * word` on.
    #[inline]
    pub(crate) fn word(&self, bits: usize, word: u32) -> Result<u64, Damaged> {
        Ok(layout::u64_at(self.blocks.get(bits + word as usize * layout::WORD_LEN, layout::WORD_LEN)?, 0))
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// `Damaged` at the first block that is not what was written.
    pub fn check(&self) -> Result<(), Damaged> {
        let blocks = self.sections.table / layout::BLOCK;
        (1..blocks).try_for_each(|block| self.blocks.get(block * layout::BLOCK, CRC_LEN).map(drop))
    }
}

/// Words of 64 bits that hold a bit for each row.
pub(crate) fn words(rows: u32) -> usize {
    rows.div_ceil(64) as usize
}
