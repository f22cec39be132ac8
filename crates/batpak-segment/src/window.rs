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
    /// Memory for it, of which `len` bytes are used.
    bytes: Vec<u8>,
    len: usize,
    /// Offset in the file of its first byte.
    at: u64,
    ahead: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { bytes: Vec::new(), len: 0, at: 0, ahead: AHEAD_MIN }
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
        rest(&self.bytes[..self.len], at.wrapping_sub(self.at))
    }

    /// Makes it hold `need` bytes from offset `at`, as far as the file goes. What it has of them is not read again.
    pub(crate) fn fill(&mut self, file: &dyn File, at: u64, need: usize) -> io::Result<()> {
        let kept = self.from(at).len();
        if kept >= need {
            return Ok(());
        }
        self.bytes.copy_within(self.len - kept..self.len, 0);
        (self.at, self.len) = (at, kept);
        let wanted = need.max(self.ahead);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        self.ahead = (self.ahead * 2).min(AHEAD_MAX);
        self.len += read_full(file, &mut self.bytes[kept..wanted], at + kept as u64)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{AHEAD_MAX, Window};
    use crate::file_system::File;
    use std::io;
    use std::sync::Mutex;

    /// A file that counts what is read of it.
    #[derive(Debug)]
    struct Counted {
        bytes: Vec<u8>,
        read: Mutex<u64>,
    }

    impl File for Counted {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            let from = usize::try_from(offset).map_or(self.bytes.len(), |from| from.min(self.bytes.len()));
            let n = buf.len().min(self.bytes.len() - from);
            buf[..n].copy_from_slice(&self.bytes[from..from + n]);
            *self.read.lock().map_err(|_| io::ErrorKind::Other)? += n as u64;
            Ok(n)
        }

        fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn set_len(&self, _len: u64) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn sync(&self) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Pieces shorter and longer than what is read ahead, then back to the beginning.
    #[test]
    fn every_byte_is_read_once_on_the_way() -> io::Result<()> {
        let bytes: Vec<u8> = (0..4 * AHEAD_MAX).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
        let file = Counted { bytes, read: Mutex::new(0) };
        let (mut window, mut at) = (Window::default(), 0);
        for need in [60, 5000, 60, AHEAD_MAX + 4000, 60, 100, AHEAD_MAX + 9000, 60, 2 * AHEAD_MAX] {
            window.fill(&file, at, need)?;
            let from = usize::try_from(at).unwrap_or(usize::MAX);
            let expected = &file.bytes[from..(from + need).min(file.bytes.len())];
            assert_eq!(window.from(at).get(..expected.len()), Some(expected), "{need} bytes from {at}");
            at += expected.len() as u64;
        }
        assert_eq!((at, *file.read.lock().map_err(|_| io::ErrorKind::Other)?), (file.len()?, file.len()?));
        window.fill(&file, 0, 7)?;
        assert_eq!(window.from(0).get(..7), Some(&file.bytes[..7]));
        assert!(window.from(file.len()? + 1).is_empty());
        Ok(())
    }
}
