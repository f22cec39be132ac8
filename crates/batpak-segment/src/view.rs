//! One segment, to read many records of.

use crate::error::LogError;
use crate::opened::Slot;
use crate::reader::Position;
use crate::source::Source;
use std::ops::Range;
use std::sync::Arc;

/// One segment, looked up once. Reading through it looks up nothing; it holds the file or mapping of the segment, beside
/// those that the budget allows. Made by [`LogReader::view`](crate::LogReader::view).
#[derive(Clone, Debug)]
pub struct SegmentView {
    pub(crate) slot: Arc<Slot>,
    pub(crate) source: Arc<Source>,
    pub(crate) covers: Range<u64>,
}

impl SegmentView {
    /// The sequences of the records that it holds; of the active segment those that could be read when it was made.
    pub fn covers(&self) -> Range<u64> {
        self.covers.clone()
    }

    /// Looks at where a record begins, so that it is in reach when it is read. Of several, looked at one after the
    /// other, the memory brings all at once, which it cannot do for those that are read one after the other.
    #[inline]
    pub fn touch(&self, offset: u64) {
        const LINES: [usize; 4] = [0, 64, 128, 192];
        let bytes = self.source.mapped();
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let byte = |line: usize| bytes.get(at.saturating_add(line)).copied().unwrap_or_default();
        std::hint::black_box(LINES.map(byte));
    }

    /// Reads a record. Its crc is checked. `buf` takes its bytes if they are not mapped.
    ///
    /// # Errors
    /// `NotFound` if this segment does not hold it, `Damaged` if what is there is not the record; I/O errors.
    pub fn read<'a>(&'a self, position: Position, buf: &'a mut Vec<u8>) -> Result<&'a [u8], LogError> {
        if !self.covers.contains(&position.sequence) {
            return Err(LogError::NotFound { sequence: position.sequence, offset: position.offset });
        }
        self.source.record(&self.slot.segment, position, buf)
    }
}
