//! The tail: a ring of the newest frames in a mapped file. It outlives the process, not the machine.

use crate::directory::TAIL_NAME;
use crate::file_system::{File, FileSystem, OpenMode, SharedMapping};
use crate::layout;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Length of the tail of a small log, and the least that is read.
pub(crate) const SMALL_TAIL: u64 = 64 << 10;
/// Length of the tail of a log that has grown beyond this.
pub(crate) const LARGE_TAIL: u64 = 1 << 20;

const TEMPORARY_NAME: &str = "batpak.tail.tmp";
const WORD: u64 = 8;

/// The ring. Byte `o` of the segment stands at `o` modulo its length.
///
/// One thread writes at a time, any number read. A reader that was overtaken notices it: the writer says how far it is
/// about to write before it writes (`reserved`), the reader looks at that after it has copied.
#[derive(Debug)]
pub(crate) struct Tail {
    mapping: Box<dyn SharedMapping>,
    /// Counts the segments that it has stood before.
    epoch: AtomicU64,
    reserved: AtomicU64,
}

impl Tail {
    /// Makes the tail of the log in `dir`, all of its blocks allocated. `None` where files cannot be mapped.
    pub(crate) fn create(fs: &dyn FileSystem, dir: &Path, len: u64) -> io::Result<Option<Self>> {
        let temporary = dir.join(TEMPORARY_NAME);
        // A leftover of a process that died here before.
        let _ = fs.remove_file(&temporary);
        let mapping = match map_new(fs, &temporary, len) {
            Ok(Some(mapping)) => mapping,
            other => {
                let _ = fs.remove_file(&temporary);
                return other.map(|_| None);
            }
        };
        fs.rename(&temporary, &dir.join(TAIL_NAME))?;
        Ok(Some(Self { mapping, epoch: AtomicU64::new(0), reserved: AtomicU64::new(0) }))
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.mapping.words().len() as u64 * WORD
    }

    /// Where offset `at` of the segment stands, in words.
    fn word(&self, at: u64) -> usize {
        usize::try_from(at % self.len() / WORD).unwrap_or(0)
    }

    /// A segment begins, the one before having been moved. Returns what names this one in [`read`](Self::read).
    pub(crate) fn begin(&self) -> u64 {
        self.reserved.store(0, Ordering::Relaxed);
        // The fence in `write` comes before any word of this segment.
        self.epoch.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Writes a frame that begins at offset `at` of the segment. Both are multiples of 8.
    pub(crate) fn write(&self, at: u64, frame: &[u8]) {
        self.reserved.store(at + frame.len() as u64, Ordering::Relaxed);
        // Pairs with the fence in `read`: who sees a word of this frame sees the reservation too.
        fence(Ordering::Release);
        let (before, from) = self.mapping.words().split_at(self.word(at));
        let (first, rest) = frame.split_at(frame.len().min(from.len() * 8));
        store(from, first);
        store(before, rest);
    }

    /// Reads from offset `at` of the segment of `epoch`. False if a part of it was overwritten meanwhile.
    pub(crate) fn read(&self, epoch: u64, at: u64, out: &mut [u8]) -> bool {
        let (before, from) = self.mapping.words().split_at(self.word(at));
        let skip = usize::try_from(at % WORD).unwrap_or(0);
        let first = out.len().min(from.len() * 8 - skip);
        let (first, rest) = out.split_at_mut(first);
        load(from, skip, first);
        load(before, 0, rest);
        // Pairs with the fence in `write`.
        fence(Ordering::Acquire);
        self.epoch.load(Ordering::Relaxed) == epoch && self.reserved.load(Ordering::Relaxed) <= at + self.len()
    }
}

/// The tail of somebody else, or of a process that is dead, as the file that it continues: at the offsets of the segment,
/// as far as the ring can reach. Whoever reads it has to see for himself what of it belongs there.
#[derive(Debug)]
pub(crate) struct FoundTail {
    ring: Arc<dyn File>,
    ring_len: u64,
    /// Where it goes on from: nothing that belongs there is further behind this than the ring is long.
    from: u64,
}

impl FoundTail {
    /// The tail at `path`, if there is one, for a segment from offset `from` on.
    pub(crate) fn open(fs: &dyn FileSystem, path: &Path, from: u64) -> io::Result<Option<Self>> {
        let ring = match fs.open(path, OpenMode::Read) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let ring_len = ring.len()?;
        let is_ring = ring_len.is_power_of_two() && ring_len >= SMALL_TAIL;
        Ok(is_ring.then_some(Self { ring, ring_len, from }))
    }
}

impl File for FoundTail {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = offset % self.ring_len;
        // Up to where the ring begins anew, or to where it would be gone around.
        let left = (self.ring_len - at).min((self.from + self.ring_len).saturating_sub(offset));
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        self.ring.read_at(&mut buf[..len], at)
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.from + self.ring_len)
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A new file, allocated and mapped.
fn map_new(fs: &dyn FileSystem, path: &Path, len: u64) -> io::Result<Option<Box<dyn SharedMapping>>> {
    let file = fs.open(path, OpenMode::CreateNew)?;
    // Writing to a mapped hole of a full disk would end the process.
    file.allocate(len)?;
    file.map_shared(len)
}

fn store(words: &[AtomicU64], bytes: &[u8]) {
    for (word, bytes) in words.iter().zip(bytes.chunks_exact(8)) {
        word.store(layout::word(bytes), Ordering::Relaxed);
    }
}

/// Copies the bytes of `words`, the first `skip` of them left out.
fn load(words: &[AtomicU64], skip: usize, out: &mut [u8]) {
    let (first, rest) = out.split_at_mut(out.len().min((8 - skip) % 8));
    let (partial, whole) = words.split_at(usize::from(skip > 0).min(words.len()));
    if let [word] = partial {
        first.copy_from_slice(&layout::word_bytes(word.load(Ordering::Relaxed))[skip..skip + first.len()]);
    }
    let (words, last) = whole.split_at(rest.len() / 8);
    let mut chunks = rest.chunks_exact_mut(8);
    for (word, bytes) in words.iter().zip(&mut chunks) {
        bytes.copy_from_slice(&layout::word_bytes(word.load(Ordering::Relaxed)));
    }
    let rest = chunks.into_remainder();
    if let ([word, ..], false) = (last, rest.is_empty()) {
        rest.copy_from_slice(&layout::word_bytes(word.load(Ordering::Relaxed))[..rest.len()]);
    }
}
