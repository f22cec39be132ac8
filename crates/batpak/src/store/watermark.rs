//! How far events have come, as one thread tells it to others.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// A sequence below which something holds for every event. It rises.
#[derive(Debug)]
pub(crate) struct Watermark(AtomicU64);

impl Watermark {
    pub(crate) fn new(sequence: u64) -> Self {
        Self(AtomicU64::new(sequence))
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // Acquire: pairs with the Release in `set`. Who sees the sequence also sees what was made ready before it.
        self.0.load(Ordering::Acquire)
    }

    /// Called under the commit lock, so that it only rises.
    #[inline]
    pub(crate) fn set(&self, sequence: u64) {
        // Release, after what it speaks of: pairs with the Acquire in `get`.
        self.0.store(sequence, Ordering::Release);
    }
}

#[cfg(all(test, loom))]
mod interleavings {
    use super::Watermark;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    /// Stands for rows and for the list of tiers: what is written without being atomic itself.
    #[test]
    fn what_was_written_before_the_watermark_is_seen_behind_it() {
        loom::model(|| {
            let shared = Arc::new((UnsafeCell::new(()), UnsafeCell::new(()), Watermark::new(0)));
            let reader = thread::spawn({
                let shared = Arc::clone(&shared);
                move || {
                    let (row, tiers, visible) = &*shared;
                    if visible.get() == 1 {
                        // Each fails if the other thread may be writing still.
                        row.with(|_| ());
                        tiers.with(|_| ());
                    }
                }
            });
            let (row, tiers, visible) = &*shared;
            row.with_mut(|_| ());
            tiers.with_mut(|_| ());
            visible.set(1);
            reader.join().expect("a reader");
        });
    }

    /// A ticket that says that its event is durable must not be told before the event can be read.
    #[test]
    fn what_is_settled_is_visible() {
        loom::model(|| {
            let shared = Arc::new((Watermark::new(0), Watermark::new(0)));
            let reader = thread::spawn({
                let shared = Arc::clone(&shared);
                move || {
                    let (visible, settled) = &*shared;
                    let told = settled.get();
                    assert!(visible.get() >= told);
                }
            });
            let (visible, settled) = &*shared;
            for sequence in 1..3 {
                visible.set(sequence);
                settled.set(sequence);
            }
            reader.join().expect("a reader");
        });
    }
}
