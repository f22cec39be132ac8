//! What can go wrong with a log.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a log refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file system refused an operation; nothing was changed by it.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Another writer holds the directory.
    #[error("{} is being written by {holder}; one writer at a time, others open it read-only", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The directory cannot be written; open it for reading.
    #[error("{} cannot be written, open it read-only", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// There is no log in this directory.
    #[error("no segment in {}", path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// A file that ends in `.fbat` is not a segment.
    #[error("{} is not a segment: {reason}", path.display())]
    ForeignFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The directory was written by the older crate of this name, version 0.10 or before.
    #[error("{} was written by the older crate named batpak, whose format this crate does not read", path.display())]
    OlderCrate {
        /// The file that shows it.
        path: PathBuf,
    },
    /// The segment has a format that this version does not know.
    #[error("{} has format {found}, this version reads up to {supported}", path.display())]
    UnsupportedFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known.
        supported: u32,
    },
    /// The segment needs something that this version does not know.
    #[error("{} needs {what} {value:#x}, which this version does not know", path.display())]
    UnsupportedFeature {
        /// The file.
        path: PathBuf,
        /// Kind of feature.
        what: &'static str,
        /// Its number or bits.
        value: u32,
    },
    /// What was durable is not there any more.
    #[error("segment {segment} is damaged at offset {offset}: {damage}")]
    Damaged {
        /// Number of the segment.
        segment: u64,
        /// Offset in its file, in bytes.
        offset: u64,
        /// What was found there.
        damage: Damage,
    },
    /// A segment is missing.
    #[error("segment {number} is missing")]
    MissingSegment {
        /// Its number.
        number: u64,
    },
    /// Two files stand for one segment, and neither replaces the other.
    #[error("{} and {} both stand for segment {number}", first.display(), second.display())]
    DuplicateSegment {
        /// Its number.
        number: u64,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A segment does not follow the one before.
    #[error("segment {number} does not follow the one before: {reason}")]
    BrokenLink {
        /// Its number.
        number: u64,
        /// Which field disagrees.
        reason: &'static str,
    },
    /// A value is above its limit; nothing was changed.
    #[error("{field}: {value}, at most {limit} are allowed")]
    TooLarge {
        /// What is limited.
        field: &'static str,
        /// The limit.
        limit: u64,
        /// The value.
        value: u64,
    },
    /// An option is outside its bounds.
    #[error("{field} is {value}, it must be from {min} to {max}")]
    InvalidOption {
        /// The option.
        field: &'static str,
        /// Its lowest value.
        min: u64,
        /// Its highest value.
        max: u64,
        /// The value.
        value: u64,
    },
    /// There is no record at this position.
    #[error("no record {sequence} at offset {offset}")]
    NotFound {
        /// The sequence asked for.
        sequence: u64,
        /// The offset asked for.
        offset: u64,
    },
    /// A snapshot's directory is not empty.
    #[error("{} already holds files of a log", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A write or sync failed before; nothing is accepted any more.
    #[error("writing has ended: {cause}")]
    Failed {
        /// The first failure.
        #[source]
        cause: Arc<Failure>,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    /// Whether this is about bytes that are not what was written.
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::MissingSegment { .. } | Self::BrokenLink { .. })
    }

    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }
}

/// The first failure of a log, after which it accepts nothing.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {reason}")]
pub struct Failure {
    /// What failed: `write`, `sync`, `rotate`, or `read` for damage that a reader met.
    pub operation: &'static str,
    /// The reason in words.
    pub reason: String,
    /// What kind of error the file system reported.
    pub kind: io::ErrorKind,
}

/// What is wrong at a place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// No frame where one must be.
    #[error("no frame")]
    NoFrame,
    /// A length does not fit.
    #[error("length {value} does not fit into {available} bytes")]
    Length {
        /// The length found.
        value: u64,
        /// What is there.
        available: u64,
    },
    /// A frame's crc is wrong.
    #[error("frame crc is {found:#010x}, its header says {expected:#010x}")]
    FrameCrc {
        /// Computed.
        found: u32,
        /// Stored.
        expected: u32,
    },
    /// An item's crc is wrong.
    #[error("item crc is {found:#010x}, its header says {expected:#010x}")]
    ItemCrc {
        /// Computed.
        found: u32,
        /// Stored.
        expected: u32,
    },
    /// A frame names another one before it.
    #[error("the frame before has crc {expected:#010x}, this one names {found:#010x}")]
    Previous {
        /// Named.
        found: u32,
        /// Actual.
        expected: u32,
    },
    /// A frame has another sequence than follows.
    #[error("sequence {found} where {expected} follows")]
    Sequence {
        /// Found.
        found: u64,
        /// Expected.
        expected: u64,
    },
    /// A frame says of what is not before it that it was durable when it was written.
    #[error("durable mark {found} in the frame at {offset}")]
    Mark {
        /// The mark found.
        found: u64,
        /// Where the frame begins, which is the highest that it can be.
        offset: u64,
    },
    /// Something after the items of a frame, or flags that are not known.
    #[error("padding or flags are not zero")]
    NotZero,
    /// A frame record is malformed or in the wrong place.
    #[error("frame record of type {record_type} is malformed or misplaced")]
    FrameRecord {
        /// Its type.
        record_type: u16,
    },
    /// The segment's header is wrong.
    #[error("header crc is {found:#010x}, it says {expected:#010x}")]
    HeaderCrc {
        /// Computed.
        found: u32,
        /// Stored.
        expected: u32,
    },
    /// What a reader had seen here is not there any more.
    #[error("this is not what was read here before")]
    Changed,
    /// A complete segment has no seal at its end.
    #[error("the segment has no seal")]
    NoSeal,
}
