//! Who is called when events have become durable.

use std::sync::{Mutex, PoisonError};
use std::task::Waker;

/// Wakers, each with the sequence below which all has to be durable.
#[derive(Debug, Default)]
pub(crate) struct Wakers(Mutex<Vec<(u64, Waker)>>);

impl Wakers {
    /// Whoever adds one looks afterwards whether it came too late.
    pub(crate) fn add(&self, sequence: u64, waker: &Waker) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((sequence, waker.clone()));
    }

    /// Calls those that wait for no more than `durable`.
    pub(crate) fn wake(&self, durable: u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due: Vec<_> = waiting.extract_if(.., |(sequence, _)| *sequence <= durable).collect();
        drop(waiting);
        for (_, waker) in due {
            waker.wake();
        }
    }
}
