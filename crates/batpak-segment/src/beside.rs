//! The active segment of a log that somebody else may be writing, as far as it was seen.

use crate::file_system::{File, Mapping, read_full};
use crate::prefix::Growing;
use crate::scan::rest;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Frames that are in the file, then frames that were seen only in the tail, of which this has a copy: the writer may
/// overwrite them there as soon as it has moved them.
#[derive(Debug)]
pub(crate) struct Beside {
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    file: Arc<dyn File>,
    in_file: u64,
    tail: Vec<u8>,
}

impl Beside {
    /// What is in `file` up to `in_file`, and behind it `tail`.
    pub(crate) fn new(file: Arc<dyn File>, in_file: u64, tail: Vec<u8>) -> Self {
        Self { seen: Mutex::new(Seen { file, in_file, tail }) }
    }

    /// The same file, opened again: another one may have taken its place that goes on where it ended.
    pub(crate) fn read_through(&self, file: &Arc<dyn File>) {
        self.seen().file = Arc::clone(file);
    }

    /// Frames were seen in the file up to `end`.
    pub(crate) fn moved_to(&self, end: u64) {
        let mut seen = self.seen();
        let moved = usize::try_from(end - seen.in_file).unwrap_or(usize::MAX).min(seen.tail.len());
        seen.tail.drain(..moved);
        seen.in_file = end;
    }

    /// Frames were seen in the tail, behind all others.
    pub(crate) fn append(&self, frames: &[u8]) {
        self.seen().tail.extend_from_slice(frames);
    }

    /// Each change is one of numbers and bytes that cannot fail half way.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growing for Beside {
    fn in_file(&self) -> u64 {
        self.seen().in_file
    }
}

impl File for Beside {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let seen = self.seen();
        let Some(left) = seen.in_file.checked_sub(offset).filter(|left| *left > 0) else {
            let copy = rest(&seen.tail, offset - seen.in_file);
            let len = copy.len().min(buf.len());
            buf[..len].copy_from_slice(&copy[..len]);
            return Ok(len);
        };
        let file = Arc::clone(&seen.file);
        drop(seen);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        read_full(&*file, &mut buf[..len], offset)
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        let seen = self.seen();
        Ok(seen.in_file + seen.tail.len() as u64)
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        let file = Arc::clone(&self.seen().file);
        file.map(len)
    }
}
