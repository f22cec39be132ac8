//! Frames that are read from a file one after the other.

use crate::catalog::Segment;
use crate::error::{Damage, LogError};
use crate::file_system::{File, read_full};
use crate::frame::frame_len;
use crate::layout::FRAME_HEADER_LEN;
use crate::scan::rest;
use std::io;

/// How much is read ahead: little at first, for who wants one frame, then more and more.
const AHEAD_MIN: usize = 4 << 10;
const AHEAD_MAX: usize = 256 << 10;

/// A part of a file, in memory.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    /// Offset in the file of its first byte.
    at: u64,
    ahead: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { bytes: Vec::new(), at: 0, ahead: AHEAD_MIN }
    }
}

impl Window {
    /// What it has from offset `at` on, at least the whole frame there if the file has it.
    pub(crate) fn frame_at(&mut self, file: &dyn File, segment: &Segment, at: u64) -> Result<&[u8], LogError> {
        match self.try_frame_at(file, at).map_err(LogError::io("read", &segment.path))? {
            Ok(()) => Ok(self.from(at)),
            Err(damage) => Err(LogError::Damaged { segment: segment.header.number, offset: at, damage }),
        }
    }

    /// What it has from offset `at` on, whatever that is.
    pub(crate) fn frame_or_rest(&mut self, file: &dyn File, at: u64) -> io::Result<&[u8]> {
        let _length_beyond_the_file = self.try_frame_at(file, at)?;
        Ok(self.from(at))
    }

    fn try_frame_at(&mut self, file: &dyn File, at: u64) -> io::Result<Result<(), Damage>> {
        self.fill(file, at, FRAME_HEADER_LEN)?;
        if let Err(Damage::Length { value, .. }) = frame_len(self.from(at)) {
            let available = file.len()?.saturating_sub(at);
            if value > available {
                return Ok(Err(Damage::Length { value, available }));
            }
            self.fill(file, at, usize::try_from(value).unwrap_or(usize::MAX))?;
        }
        Ok(Ok(()))
    }

    /// What it has from offset `at` on.
    pub(crate) fn from(&self, at: u64) -> &[u8] {
        rest(&self.bytes, at.wrapping_sub(self.at))
    }

    /// Makes it hold `need` bytes from offset `at`, as far as the file goes.
    pub(crate) fn fill(&mut self, file: &dyn File, at: u64, need: usize) -> io::Result<()> {
        if self.from(at).len() >= need {
            return Ok(());
        }
        self.bytes.resize(need.max(self.ahead), 0);
        self.ahead = (self.ahead * 2).min(AHEAD_MAX);
        let n = read_full(file, &mut self.bytes, at)?;
        self.bytes.truncate(n);
        self.at = at;
        Ok(())
    }
}
