//! Tests of the segment log, through its public API.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test says what it expects and stops where that is not so"
)]

mod bytes;
mod closed;
mod directory;
mod faults;
mod following;
mod frame_records;
mod frames;
mod inspect;
mod mapped;
mod memory;
#[path = "../random.rs"]
mod random;
mod readers;
mod recovery;
mod room;
mod rotation;
mod simulation;
mod snapshot;
mod store;
mod sync;
mod tail;
mod wal;
mod watermark;
