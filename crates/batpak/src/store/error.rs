//! What can go wrong with a store.

use crate::PayloadError;
use crate::store::Condition;
use batpak_core::{ChainError, CoordinateError, DescriptionError, EventId, EventKind, FieldError, RecordError};
use batpak_segment::LogError;
use std::io;
use std::path::PathBuf;

/// Why a store refused or failed.
///
/// A refusal changes nothing: no event, no sequence, no later call is affected by it. Only where
/// [`is_outcome_unknown`](Self::is_outcome_unknown) says so it may have happened nevertheless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The entity has not had as many events as the append expected.
    #[error("{entity} has had {actual} events, the append expects {expected}")]
    Conflict {
        /// The entity.
        entity: String,
        /// How many the append expected.
        expected: u64,
        /// How many there have been.
        actual: u64,
        /// The event that stands against it, the newest of the entity: wait for it, read, decide again. `None` if
        /// there is none.
        newest: Option<EventId>,
    },
    /// The idempotency key belongs to an event of another entity, scope or kind.
    #[error("idempotency key {key:#034x} is that of event {event}, which has another entity, scope or kind")]
    KeyReused {
        /// The key.
        key: u128,
        /// The event that has it.
        event: EventId,
    },
    /// A batch repeats a part of an earlier commit: some keys are known and some are not, or in another order.
    #[error("item {item} of the batch does not repeat the commit that item {first} repeats")]
    PartialReplay {
        /// The first item whose key is known.
        first: usize,
        /// The item that does not fit.
        item: usize,
    },
    /// A condition of a commit does not hold.
    #[error("the commit requires that {condition}{}", against(*.event))]
    Condition {
        /// The condition.
        condition: Box<Condition>,
        /// The newest event that stands against it; none if it is that there is none.
        event: Option<EventId>,
    },
    /// Two items of a batch have the same idempotency key.
    #[error("items {first} and {second} of the batch have the same idempotency key")]
    RepeatedKey {
        /// One item.
        first: usize,
        /// The other.
        second: usize,
    },
    /// An item of a batch names a cause that is not an earlier item.
    #[error("item {item} of the batch names item {cause} as its cause, which is not before it")]
    CauseNotBefore {
        /// The item.
        item: usize,
        /// What it names.
        cause: usize,
    },
    /// The kind is kept for the store itself.
    #[error("kind {kind} is reserved")]
    ReservedKind {
        /// The kind.
        kind: EventKind,
    },
    /// The kind has another name in this store than the program gives it.
    #[error("kind {kind} is {stored} in the store and {program} in the program: give {program} another type_id")]
    KindHasOtherName {
        /// The kind.
        kind: EventKind,
        /// Its name in the store.
        stored: String,
        /// Its name in the program.
        program: String,
    },
    /// The name belongs to another kind in this store than in the program.
    #[error("{name} is kind {stored} in the store and {program} in the program: the program has to keep to {stored}")]
    NameHasOtherKind {
        /// The name.
        name: String,
        /// The kind that has it in the store.
        stored: EventKind,
        /// The kind that has it in the program.
        program: EventKind,
    },
    /// Two payload types of the program have the same kind.
    #[error("{first} and {second} of the program are both kind {kind}: give one of them another type_id")]
    KindUsedTwice {
        /// The kind.
        kind: EventKind,
        /// The name of the one.
        first: String,
        /// The name of the other.
        second: String,
    },
    /// Two kinds of the program have the same name.
    #[error("kinds {first} and {second} of the program are both named {name}: give one of them another name")]
    NameUsedTwice {
        /// The name.
        name: String,
        /// The one kind.
        first: EventKind,
        /// The other.
        second: EventKind,
    },
    /// What the program says of a kind is past a limit.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// Entity or scope is no name that is allowed.
    #[error(transparent)]
    Coordinate(#[from] CoordinateError),
    /// Metadata or tags are past a limit.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A value is above its limit.
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
    /// The payload could not be encoded.
    #[error("the payload cannot be encoded")]
    Encode(#[from] rmp_serde::encode::Error),
    /// The payload of an event is not what was asked for.
    #[error("event {sequence}, kind {kind}, cannot be decoded: {}", in_one_line(.error))]
    Payload {
        /// The event.
        sequence: u64,
        /// Its kind.
        kind: EventKind,
        /// Why.
        error: PayloadError,
    },
    /// There is no such event, or it is not visible yet.
    #[error("there is no event {sequence}")]
    NotFound {
        /// Its sequence.
        sequence: u64,
    },
    /// There is no event with this id; another one has its sequence.
    #[error("there is no event {id}")]
    UnknownId {
        /// The id.
        id: EventId,
    },
    /// The event was lost before the store was [salvaged](crate::store::salvage), and what was asked for may be wrong
    /// without it. [`with_accept_lost_events`](crate::store::StoreConfig::with_accept_lost_events) goes on without.
    #[error("event {sequence} was lost before the store was salvaged, and may have mattered here")]
    Lost {
        /// The event.
        sequence: u64,
    },
    /// The payload of the event was erased.
    #[error("the payload of event {sequence} was erased")]
    Erased {
        /// The event.
        sequence: u64,
    },
    /// Bytes on disk are not what was written. Reading elsewhere goes on, writing does not.
    #[error("{reason}")]
    Corrupt {
        /// Number of the segment, if it is about one place in it.
        segment: Option<u64>,
        /// Offset in the segment's file, in bytes.
        offset: Option<u64>,
        /// What is wrong, with the place.
        reason: String,
    },
    /// A record is not an event that this version can read.
    #[error("event {sequence} cannot be read")]
    Record {
        /// The event.
        sequence: u64,
        /// Why.
        source: RecordError,
    },
    /// The hash chain is broken at an event.
    #[error("the chain of {entity} is broken at event {sequence}")]
    Chain {
        /// The event.
        sequence: u64,
        /// Its entity.
        entity: String,
        /// How.
        source: Box<ChainError>,
    },
    /// Another process, or another store in this one, writes the directory.
    #[error("{} is being written by {holder}; one writer at a time, others open it read-only", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The directory cannot be written. `open_read_only` may work.
    #[error("{} cannot be written, open it read-only", path.display())]
    ReadOnlyDirectory {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// There is no store in this directory.
    #[error("there is no store in {}", path.display())]
    NoStore {
        /// The directory.
        path: PathBuf,
    },
    /// A file that ends in `.fbat` is not a segment of this store.
    #[error("{} is not a segment: {reason}", path.display())]
    ForeignFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The directory was written by the older crate of this name.
    #[error("{} was written by the older crate named batpak, whose format this crate does not read", path.display())]
    OlderCrate {
        /// The file that shows it.
        path: PathBuf,
    },
    /// The store has a format or needs a feature that this version does not know.
    #[error("{reason}")]
    Unsupported {
        /// What it needs and what is known.
        reason: String,
    },
    /// There is a store in the directory already.
    #[error("{} already holds a store", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The file system refused an operation.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A write or sync failed, now or before, or a read met damage: the store accepts nothing more until it is opened
    /// again. Reads go on, except of what is damaged. Opening again does not mend damage, and writing ends again when it
    /// is met: [`salvage`](crate::store::salvage) saves what can be read into a new store.
    #[error("writing has ended: {reason}")]
    Failed {
        /// The first failure.
        reason: String,
        /// What kind of error the file system reported.
        kind: io::ErrorKind,
        /// Whether this call's own events may be there after reopening.
        outcome_unknown: bool,
    },
    /// The store was opened for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// An error and its causes.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

fn against(event: Option<EventId>) -> String {
    event.map_or_else(String::new, |id| format!(", event {id} stands against it"))
}

impl StoreError {
    /// Whether a condition of an append did not hold: read again, decide again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Condition { .. })
    }

    /// Whether the same call may succeed later without any change to it: the directory is held by another process, or
    /// the file system refused for now.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Io { .. })
    }

    /// Whether bytes on disk are not what was written.
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Record { .. } | Self::Chain { .. })
    }

    /// Whether the events of this call may be there after reopening, or may not. Append again with the same
    /// idempotency keys then.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Failed { outcome_unknown: true, .. })
    }

    /// The same failure, of a call whose events had been handed to the file system.
    pub(crate) fn in_flight(self) -> Self {
        match self {
            Self::Failed { reason, kind, .. } => Self::Failed { reason, kind, outcome_unknown: true },
            other => other,
        }
    }
}

impl From<LogError> for StoreError {
    fn from(error: LogError) -> Self {
        let reason = error.to_string();
        match error {
            LogError::Io { operation, path, source } => Self::Io { operation, path, source },
            LogError::Locked { path, holder } => Self::Locked { path, holder },
            LogError::ReadOnly { path, source } => Self::ReadOnlyDirectory { path, source },
            LogError::NoLog { path } => Self::NoStore { path },
            LogError::ForeignFile { path, reason } => Self::ForeignFile { path, reason },
            LogError::OlderCrate { path } => Self::OlderCrate { path },
            LogError::UnsupportedFormat { .. } | LogError::UnsupportedFeature { .. } => Self::Unsupported { reason },
            LogError::Damaged { segment, offset, .. } => {
                Self::Corrupt { segment: Some(segment), offset: Some(offset), reason }
            }
            LogError::MissingSegment { number } | LogError::BrokenLink { number, .. } => {
                Self::Corrupt { segment: Some(number), offset: None, reason }
            }
            LogError::TooLarge { field, limit, value } => Self::TooLarge { field, limit, value },
            LogError::InvalidOption { field, min, max, value } => Self::InvalidOption { field, min, max, value },
            LogError::NotFound { sequence, .. } => Self::NotFound { sequence },
            LogError::NotEmpty { path } => Self::NotEmpty { path },
            LogError::Failed { cause } => {
                Self::Failed { reason: cause.to_string(), kind: cause.kind, outcome_unknown: false }
            }
            LogError::Closed => Self::Closed,
            _ => Self::Corrupt { segment: None, offset: None, reason },
        }
    }
}
