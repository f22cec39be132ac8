//! Mapping files for reading: the only unsafe code of this crate.

#![expect(unsafe_code, reason = "a mapping is memory that a file stands behind")]

use crate::file_system::Mapping;
use memmap2::MmapAsRawDesc;
use std::io;

#[derive(Debug)]
struct FileMapping(memmap2::Mmap);

impl AsRef<[u8]> for FileMapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Mapping for FileMapping {}

/// Maps the whole of a file that is not changed any more.
pub(crate) fn map(file: impl MmapAsRawDesc) -> io::Result<Box<dyn Mapping>> {
    // SAFETY: only files that are complete are mapped. They are written under another name before, never changed or
    // truncated afterwards, and replaced by renaming, which leaves the mapped file as it is.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Box::new(FileMapping(map)))
}
