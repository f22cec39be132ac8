//! A crash-safe log of opaque records in a directory of segment files.
//!
//! Use it where bytes that were acknowledged must be there after a crash, in order, once: as the write-ahead log of a
//! database, a queue or a game, or under an event store, as `batpak` does. It has one writer, any number of readers in
//! the same process and in others, and no threads of its own.
//!
//! Do not use it where records have to be deleted, changed or found by what they hold: a log only grows, and knows
//! records by their position. For events with streams, indexes and projections use `batpak`; for keys and values use a
//! database.
//!
//! ```
//! use batpak_segment::{Frame, Log, LogConfig};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let (log, repair) = Log::open(dir, LogConfig::default())?;
//! assert!(repair.closed_cleanly);
//!
//! // One record, which now survives the death of the process.
//! let at = log.append(b"first")?;
//!
//! // Several as one commit: after a power cut either all of them are there or none.
//! let mut frame = Frame::new();
//! frame.push(b"second");
//! frame.push(b"third");
//! log.append_frame(&mut frame)?;
//!
//! // All of it survives a power cut once this has returned.
//! log.sync()?;
//! assert_eq!(log.durable_sequence(), 3);
//!
//! let mut buffer = Vec::new();
//! assert_eq!(log.read(at, &mut buffer)?, b"first");
//! let all: Result<Vec<_>, _> = log.records(1).map(|found| found.map(|record| record.bytes)).collect();
//! assert_eq!(all?, [&b"second"[..], b"third"]);
//! log.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **On disk.** A commit is one frame with a checksum over its records, its place and the frame before it. Frames
//! stand in segment files, and each segment names its neighbours, so that a missing, foreign or copied one shows.
//! Every frame says up to where its segment was durable when it was written. So what opening finds broken is either
//! damage, which it refuses with segment and offset, or the torn end of what was never synced, which it cuts and
//! reports. Of segments that are complete, and of the last one after a close, it looks only at the ends; damage within
//! them is met, and never passed over, by whoever reads it.
//!
//! **In memory.** Segments are mapped, the active one as far as it was written. A read takes no lock, checks the crc of
//! its record, and copies nothing where it is lent ([`LogReader::with_record`]) or held ([`LogReader::pin`]).
//!
//! **From outside.** Files, time and randomness come through [`Environment`]. [`MemoryFileSystem`] is a disk for tests;
//! with the feature `testing` there is one that fails at will.
#![deny(unsafe_code)]

mod active;
mod beside;
mod catalog;
mod directory;
mod ends;
mod error;
mod examine;
mod file_system;
mod following;
mod frame;
mod header;
mod inspect;
#[cfg(all(test, loom))]
mod interleavings;
mod layout;
mod links;
mod log;
mod mapping;
mod memory;
mod opened;
mod pinned;
mod prefix;
mod reader;
mod real;
mod records;
mod recover;
mod scan;
mod snapshot;
mod source;
mod sync;
mod tail;
#[cfg(feature = "testing")]
pub mod testing;
mod view;
mod waiting;
mod walk;
mod watermark;
mod window;

pub use catalog::SegmentInfo;
pub use error::{Damage, Failure, LogError};
pub use file_system::{
    Clock, DirectoryEntry, Entropy, EntryKind, Environment, File, FileSystem, Lock, Mapping, OpenMode, SharedMapping,
    read_full, write_full,
};
pub use frame::Frame;
pub use header::{Id, LogHead};
pub use inspect::{Inspected, Inspection, Step};
pub use layout::{FIRST_USER_TYPE, FORMAT};
pub use log::{Appended, Log, LogConfig, Unsynced, WritePath};
pub use memory::MemoryFileSystem;
pub use pinned::Pinned;
pub use reader::{LogReader, Position, Record};
pub use real::{RealFileSystem, SystemClock, SystemEntropy};
pub use records::{FrameRecord, FrameRecords, Records};
pub use recover::{Repair, Torn, Unrecovered};
pub use view::SegmentView;
pub use watermark::{SharedWatermark, WatermarkReader};

use header::{Link, Seal};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
