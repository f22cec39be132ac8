//! A commit in the making: what one append takes from its first byte to its receipt.

use crate::store::Durability;
use crate::store::commit::Proposed;
use crate::store::condition::Guard;
use crate::store::receipt::Receipts;
use batpak_core::KindDescription;
use batpak_segment::Frame;
use std::cell::Cell;

/// The events of a commit, encoded and hashed, and their receipts once they have their place.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) frame: Frame,
    pub(crate) proposed: Vec<Proposed>,
    /// What has to be true when it is committed.
    pub(crate) guards: Vec<Guard>,
    /// What the frame says of kinds that the store did not know.
    pub(crate) descriptions: Vec<KindDescription>,
    pub(crate) receipts: Receipts,
    pub(crate) durability: Durability,
    /// It is committed only if it repeats an earlier commit.
    pub(crate) only_repeats: bool,
    /// Below this sequence everything was looked up that the events need.
    pub(crate) looked_up_to: u64,
}

thread_local! {
    /// The job of this thread's last append, whose memory is used again. It is taken out while it is in use, so a
    /// payload that appends to a store while it is serialized gets another one.
    static JOB: Cell<Option<Box<Job>>> = const { Cell::new(None) };
}

/// Jobs that grew larger than this are not kept.
const KEPT_FRAME_BYTES: u64 = 1 << 20;

impl Job {
    /// An empty one.
    pub(crate) fn begin() -> Box<Self> {
        let mut job = JOB.take().unwrap_or_default();
        job.frame.clear();
        job.proposed.clear();
        job.guards.clear();
        job.only_repeats = false;
        job.descriptions.clear();
        job.looked_up_to = 0;
        job
    }

    /// Keeps the memory for the next one. Of a job that was refused it is not known how large it had become: it is
    /// dropped instead.
    pub(crate) fn end(self: Box<Self>) {
        if self.frame.encoded_len() <= KEPT_FRAME_BYTES {
            JOB.set(Some(self));
        }
    }
}
