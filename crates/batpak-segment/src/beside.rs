//! The active segment of a log that somebody else may be writing, as it was found.

use crate::file_system::{File, Mapping, read_full};
use crate::prefix::Growing;
use crate::scan::rest;
use std::io;
use std::sync::Arc;

/// Frames that are in the file, then frames that were found only in the tail, of which this has a copy: the writer may
/// overwrite them there as soon as it has moved them.
#[derive(Debug)]
pub(crate) struct Beside {
    file: Arc<dyn File>,
    in_file: u64,
    tail: Vec<u8>,
}

impl Beside {
    /// What is in `file` up to `in_file`, and behind it `tail`.
    pub(crate) fn new(file: Arc<dyn File>, in_file: u64, tail: Vec<u8>) -> Self {
        Self { file, in_file, tail }
    }
}

impl Growing for Beside {
    fn in_file(&self) -> u64 {
        self.in_file
    }
}

impl File for Beside {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(left) = self.in_file.checked_sub(offset).filter(|left| *left > 0) {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
            return read_full(&*self.file, &mut buf[..len], offset);
        }
        let copy = rest(&self.tail, offset - self.in_file);
        let len = copy.len().min(buf.len());
        buf[..len].copy_from_slice(&copy[..len]);
        Ok(len)
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.in_file + self.tail.len() as u64)
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        self.file.map(len)
    }
}
