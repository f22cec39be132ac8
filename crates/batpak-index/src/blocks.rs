//! Bytes that are checked block by block, each when it is first used.

use crate::layout::{BLOCK, CRC_LEN, u32_at};
use crate::sync::{AtomicU64, Ordering};
use std::fmt;
use std::ops::Range;

/// Bytes in memory, wherever they come from.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// A block of a part is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index of events {} to {} is damaged at offset {offset}", events.start, events.end)]
pub struct Damaged {
    /// The events that the part is about.
    pub events: Range<u64>,
    /// Offset in the part, in bytes.
    pub offset: usize,
}

/// A bit for each block that was found to be right.
///
/// Relaxed, both: the bytes do not change, so a bit publishes nothing, and one that is seen late costs another check.
#[derive(Debug)]
pub(crate) struct Checked(Box<[AtomicU64]>);

impl Checked {
    pub(crate) fn none_of(blocks: usize) -> Self {
        Self((0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    #[inline]
    pub(crate) fn contains(&self, block: usize) -> bool {
        // Relaxed: pairs with nothing.
        let word = self.0.get(block / 64).map_or(0, |word| word.load(Ordering::Relaxed));
        word >> (block % 64) & 1 == 1
    }

    pub(crate) fn add(&self, block: usize) {
        if let Some(word) = self.0.get(block / 64) {
            // Relaxed: pairs with nothing. One step, so that no bit of another thread is lost.
            word.fetch_or(1 << (block % 64), Ordering::Relaxed);
        }
    }
}

pub(crate) struct Blocks {
    bytes: Bytes,
    /// Where the crcs of all blocks before begin.
    table: usize,
    /// The crcs of the blocks of the table.
    roots: Vec<u8>,
    checked: Checked,
    events: Range<u64>,
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("table", &self.table).field("events", &self.events).finish_non_exhaustive()
    }
}

impl Blocks {
    /// Sections up to `table`, then their crcs up to `roots`, then the crcs of those, which were checked.
    pub(crate) fn new(bytes: Bytes, table: usize, roots: Range<usize>, events: Range<u64>) -> Self {
        let count = roots.start / BLOCK;
        let checked = Checked::none_of(count);
        let roots = (*bytes).as_ref().get(roots).unwrap_or_default().to_vec();
        Self { bytes, table, roots, checked, events }
    }

    /// `len` bytes from `at` on.
    #[inline]
    pub(crate) fn get(&self, at: usize, len: usize) -> Result<&[u8], Damaged> {
        if len == 0 {
            return Ok(&[]);
        }
        let (first, last) = (at / BLOCK, (at + len - 1) / BLOCK);
        for block in first..=last {
            if !self.checked.contains(block) {
                self.check(block)?;
            }
        }
        (*self.bytes).as_ref().get(at..at + len).ok_or_else(|| self.damaged(at))
    }

    /// `N` bytes from `at` on, of which the first `len` are checked and the others must not be looked at.
    #[inline]
    pub(crate) fn window<const N: usize>(&self, at: usize, len: usize) -> Result<&[u8; N], Damaged> {
        self.get(at, len)?;
        let window = (*self.bytes).as_ref().get(at..).and_then(|rest| rest.first_chunk());
        window.ok_or_else(|| self.damaged(at))
    }

    /// Bytes from `at` on, of which the first `len` are checked and the others must not be looked at: with these there are
    /// `N` bytes from each of the first on.
    pub(crate) fn windows<const N: usize>(&self, at: usize, len: usize) -> Result<&[u8], Damaged> {
        self.get(at, len)?;
        (*self.bytes).as_ref().get(at..at + len + N).ok_or_else(|| self.damaged(at))
    }

    /// Looks at a byte, checked or not, so that it is in reach when it is read.
    #[inline]
    pub(crate) fn touch(&self, at: usize) {
        std::hint::black_box((*self.bytes).as_ref().get(at).copied());
    }

    #[cold]
    pub(crate) fn damaged(&self, offset: usize) -> Damaged {
        Damaged { events: self.events.clone(), offset }
    }

    #[cold]
    fn check(&self, block: usize) -> Result<(), Damaged> {
        let at = block * BLOCK;
        let damaged = || self.damaged(at);
        let expected = match at.checked_sub(self.table) {
            Some(in_table) => self.roots.get(in_table / BLOCK * CRC_LEN..).filter(|rest| rest.len() >= CRC_LEN),
            None => Some(self.get(self.table + block * CRC_LEN, CRC_LEN)?),
        };
        let bytes = (*self.bytes).as_ref().get(at..at + BLOCK).ok_or_else(damaged)?;
        if expected.map(|crc| u32_at(crc, 0)) != Some(crc32c::crc32c(bytes)) {
            return Err(damaged());
        }
        self.checked.add(block);
        Ok(())
    }
}
