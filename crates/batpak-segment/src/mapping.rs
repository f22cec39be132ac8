//! Mapping files: the only unsafe code of this crate.

#![expect(unsafe_code, reason = "a mapping is memory that a file stands behind")]

use crate::file_system::{Mapping, SharedMapping};
use memmap2::{MmapAsRawDesc, MmapOptions, MmapRaw};
use std::io;
use std::sync::atomic::AtomicU64;

#[derive(Debug)]
struct FileMapping(memmap2::Mmap);

impl AsRef<[u8]> for FileMapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Mapping for FileMapping {}

/// Maps the first `len` bytes of a file for reading.
pub(crate) fn map(file: impl MmapAsRawDesc, len: u64) -> io::Result<Box<dyn Mapping>> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // SAFETY: only bytes that do not change any more are mapped. Whole files are written under another name before,
    // never changed or truncated afterwards, and replaced by renaming, which leaves the mapped file as it is. Of a
    // segment that still grows only whole frames that are in the file are mapped: the writer writes behind them and
    // cuts off nothing but what it reserved behind them, and recovery writes to their place only what is there.
    let map = unsafe { MmapOptions::new().len(len).map(file)? };
    Ok(Box::new(FileMapping(map)))
}

#[derive(Debug)]
struct SharedFileMapping {
    map: MmapRaw,
    words: usize,
}

impl SharedMapping for SharedFileMapping {
    #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins at a page")]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is `words` times 8 bytes long and begins at a page, so every word is aligned. It lives as
        // long as `self`. All access within this process is by these atomics.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<AtomicU64>(), self.words) }
    }
}

/// Maps the first `len` bytes of a file for reading and writing.
pub(crate) fn map_shared(file: impl MmapAsRawDesc, len: u64) -> io::Result<Box<dyn SharedMapping>> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let map = MmapOptions::new().len(len).map_raw(file)?;
    Ok(Box::new(SharedFileMapping { map, words: len / size_of::<AtomicU64>() }))
}
