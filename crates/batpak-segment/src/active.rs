//! The file of the active segment: appended to by one thread, moved and synced by another, read by any number.

use crate::file_system::{File, Mapping, read_full, write_full};
use crate::prefix::Growing;
use crate::tail::Tail;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Below this, what a sync moves is followed by zeros: a sync that finds its blocks written needs no journal.
const SMALL_MOVE: u64 = 32 << 10;
/// Zeros and reservations grow with the segment, within these bounds.
const STEP_MIN: u64 = 64 << 10;
const FILL_MAX: u64 = 1 << 20;
const RESERVE_MAX: u64 = 4 << 20;

/// The active segment's bytes: up to `moved` in the file, after that in the tail.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    file: Arc<dyn File>,
    tail: Option<Arc<Tail>>,
    /// What the tail calls this segment.
    epoch: u64,
    /// No reservation goes beyond this.
    limit: u64,
    /// End of what is in the file. Stored with Release after it is, loaded with Acquire before it is read there.
    moved: AtomicU64,
    /// End of what was appended. Stored with Release after it is in the tail or the file.
    written: AtomicU64,
    /// End of what is reserved in the file system; changed under the writer's lock only.
    reserved: AtomicU64,
    mover: Mutex<Mover>,
}

#[derive(Debug, Default)]
struct Mover {
    buffer: Vec<u8>,
    /// End of what was ever written to the file, zeros included.
    filled: u64,
}

impl ActiveSegment {
    /// A segment that goes on at offset `at`, with room for `limit` bytes.
    pub(crate) fn new(file: Arc<dyn File>, tail: Option<Arc<Tail>>, at: u64, limit: u64) -> Self {
        let epoch = tail.as_ref().map_or(0, |tail| tail.begin());
        let mover = Mover { buffer: Vec::new(), filled: at };
        Self {
            file,
            tail,
            epoch,
            limit,
            moved: AtomicU64::new(at),
            written: AtomicU64::new(at),
            reserved: AtomicU64::new(at),
            mover: Mutex::new(mover),
        }
    }

    /// The same file with another tail, everything having been moved.
    pub(crate) fn with_tail(&self, tail: Arc<Tail>) -> Self {
        let at = self.written.load(Ordering::Acquire);
        let next = Self::new(Arc::clone(&self.file), Some(tail), at, self.limit);
        next.reserved.store(self.reserved.load(Ordering::Relaxed), Ordering::Relaxed);
        let filled = self.mover.lock().unwrap_or_else(PoisonError::into_inner).filled;
        next.mover.lock().unwrap_or_else(PoisonError::into_inner).filled = filled;
        next
    }

    /// The segment that follows this one, behind the same tail.
    pub(crate) fn next(&self, file: Arc<dyn File>, at: u64) -> Self {
        Self::new(file, self.tail.clone(), at, self.limit)
    }

    /// Length of the tail, 0 without one.
    pub(crate) fn tail_len(&self) -> u64 {
        self.tail.as_ref().map_or(0, |tail| tail.len())
    }

    /// Makes sure that there is room up to `end`, so that a full disk refuses a commit before anything of it is
    /// written. Where a file system cannot reserve, the write will tell.
    pub(crate) fn reserve(&self, end: u64) -> io::Result<()> {
        let reserved = self.reserved.load(Ordering::Relaxed);
        if end <= reserved {
            return Ok(());
        }
        let step = (end / 2).clamp(STEP_MIN, RESERVE_MAX);
        let upto = end.max((end + step).min(self.limit));
        match self.file.allocate(upto) {
            Ok(()) => self.reserved.store(upto, Ordering::Relaxed),
            Err(e) if e.kind() == io::ErrorKind::Unsupported => self.reserved.store(u64::MAX, Ordering::Relaxed),
            Err(e) if e.kind() == io::ErrorKind::StorageFull => {
                self.file.allocate(end)?;
                self.reserved.store(end, Ordering::Relaxed);
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Appends a frame at offset `at`, the end of what was appended before. Called under the writer's lock.
    pub(crate) fn append(&self, frame: &[u8], at: u64) -> io::Result<()> {
        let end = at + frame.len() as u64;
        match &self.tail {
            Some(tail) if frame.len() as u64 <= tail.len() / 2 => {
                if end - self.moved.load(Ordering::Acquire) > tail.len() {
                    self.move_to(at)?;
                }
                tail.write(at, frame);
            }
            _ => {
                self.move_to(at)?;
                let mut mover = self.mover.lock().unwrap_or_else(PoisonError::into_inner);
                write_full(&*self.file, frame, at)?;
                mover.filled = mover.filled.max(end);
                self.moved.store(end, Ordering::Release);
            }
        }
        self.written.store(end, Ordering::Release);
        Ok(())
    }

    /// Writes everything that is only in the tail to the file. Called under the writer's lock.
    pub(crate) fn move_all(&self) -> io::Result<()> {
        self.move_to(self.written.load(Ordering::Acquire))
    }

    /// Writes what is only in the tail, up to `end`, to the file.
    fn move_to(&self, end: u64) -> io::Result<()> {
        let mut mover = self.mover.lock().unwrap_or_else(PoisonError::into_inner);
        let from = self.moved.load(Ordering::Acquire);
        let (Some(tail), true) = (&self.tail, from < end) else { return Ok(()) };
        let Mover { buffer, filled } = &mut *mover;
        let len = usize::try_from(end - from).unwrap_or(0);
        // What is in it from before is overwritten.
        buffer.resize(buffer.len().max(len), 0);
        // The writer does not overwrite what was not moved, so this is whole.
        tail.read(self.epoch, from, &mut buffer[..len]);
        buffer.truncate(len);
        if end > *filled {
            let zeros = if end - from <= SMALL_MOVE { (end / 4).clamp(STEP_MIN, FILL_MAX) } else { 0 };
            // Zeros that find no room must not fail a move for which there is room.
            let most = self.limit.min(self.reserved.load(Ordering::Relaxed));
            let upto = end.max((end + zeros).min(most));
            buffer.resize(usize::try_from(upto - from).unwrap_or(0), 0);
            *filled = upto;
        }
        write_full(&*self.file, buffer, from)?;
        self.moved.store(end, Ordering::Release);
        Ok(())
    }
}

impl Growing for ActiveSegment {
    fn in_file(&self) -> u64 {
        self.moved.load(Ordering::Acquire)
    }
}

impl File for ActiveSegment {
    /// What was appended, whether it is in the file or in the tail.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = self.written.load(Ordering::Acquire);
        let len = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..len];
        if len == 0 {
            return Ok(0);
        }
        loop {
            let moved = self.moved.load(Ordering::Acquire);
            if let (true, Some(tail)) = (offset >= moved, &self.tail) {
                if tail.read(self.epoch, offset, buf) {
                    return Ok(len);
                }
                // It was moved, and its place in the tail taken by something newer.
                continue;
            }
            let in_file = usize::try_from(moved - offset).unwrap_or(usize::MAX).min(len);
            return read_full(&*self.file, &mut buf[..in_file], offset);
        }
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.written.load(Ordering::Acquire))
    }

    /// Moves everything and cuts off what was reserved.
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.move_to(len)?;
        self.file.set_len(len)
    }

    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        self.file.map(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.move_to(self.written.load(Ordering::Acquire))?;
        self.file.sync()
    }
}
