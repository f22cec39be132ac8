//! Records that are held where they stand.

use crate::source::Source;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of a record, for as long as this lives: in the mapping of its segment, which it holds, or in memory of its
/// own if they are not mapped. Made by [`LogReader::pin`](crate::LogReader::pin).
#[derive(Debug)]
pub struct Pinned(Held);

#[derive(Debug)]
enum Held {
    Mapped { source: Arc<Source>, range: Range<usize>, _counted: Counted },
    Owned(Vec<u8>),
}

impl Pinned {
    /// The bytes in this range of what is mapped.
    pub(crate) fn mapped(source: Arc<Source>, range: Range<usize>, count: &Arc<AtomicUsize>) -> Self {
        Self(Held::Mapped { source, range, _counted: Counted::new(count) })
    }

    pub(crate) fn owned(bytes: Vec<u8>) -> Self {
        Self(Held::Owned(bytes))
    }
}

impl Deref for Pinned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Mapped { source, range, .. } => &source.mapped()[range.clone()],
            Held::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Pinned {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// One more, until it is dropped. Relaxed: nothing follows from the number.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
