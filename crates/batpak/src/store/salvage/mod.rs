//! Saving what can be read of a damaged store into a new one.

mod copy;
mod plan;

use crate::store::{Store, StoreConfig, StoreError};
use copy::copy;
use plan::plan;

/// The scope of what stands in the place of lost events, and the entity of those of which the entity is not known:
/// `batpak.lost.1` and so on, if there is an entity of this name.
pub const LOST: &str = "batpak.lost";

/// Events that follow each other and could not be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Sequence of the first one.
    pub first: u64,
    /// How many they are; `None` for those at the end of the store if nothing behind them tells.
    pub count: Option<u64>,
    /// Number of the segment in which they were, or at which they are missed.
    pub segment: Option<u64>,
    /// Offset in the segment's file, in bytes, from which on they cannot be read.
    pub offset: Option<u64>,
    /// Why, in one line.
    pub reason: String,
}

/// Events of an entity whose hashes are not those that they had, because a hash before them is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rehashed {
    /// The entity.
    pub entity: String,
    /// Sequence of the first such event.
    pub first: u64,
}

/// What was saved, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// Number of events that were saved.
    pub events: u64,
    /// Every event that was not, in order; one entry for those that are lost for one reason. It is empty if all were
    /// saved.
    pub lost: Vec<Lost>,
    /// Where hashes changed, in order of the events.
    pub rehashed: Vec<Rehashed>,
}

/// Copies every event that can be read from a damaged store into a new one. The damaged store is not changed, nor
/// locked: nobody may write it meanwhile. Of its options only the directory and the environment count; those of the new
/// store are `into`, a directory without a store, which is made if need be.
///
/// An event is saved if its checksum is right and its hash follows from the event before it in its entity, as far as
/// that one is there; with a wrong checksum, which [`verify`](crate::store::verify()) counts as lost, it is saved if its
/// hash follows. All saved events keep their sequence, id, revision, time and content. What describes
/// [kinds](Store::kinds) and can be read is saved, too.
///
/// In the place of each lost event stands a stub, as of an event that was dropped: reading it says `Lost`, and so does a
/// state or a typed read that may be wrong without it, unless the store is opened with
/// [`with_accept_lost_events`](StoreConfig::with_accept_lost_events). Rows, untyped reads and cursors over other kinds pass
/// over it. Its scope is
/// [`LOST`] and its entity the one that misses a revision there, or also `LOST` where no later event tells; then its
/// revision counts these. Its id has the right sequence, and its idempotency key is gone. Its payload hash is 32 zero
/// bytes. Its event hash is what it was if that still stands in the file and the next event of its entity proves it. If
/// not, it is 32 zero bytes, and the events behind it in its entity get new hashes, up to one that was dropped or whose
/// hash is proven: the report tells which. So the new store verifies. Its head is that of the damaged one, as it was, if
/// the hash of every lost event was proven, and another one if not.
///
/// What is lost at the end, with nothing behind it that tells how much, has no stub. What was never durable and is cut
/// by an opening too is not saved and not lost.
///
/// The source is read twice. Memory grows with the number of entities and of lost events, about 200 bytes for each; the
/// report with the number of damaged places.
///
/// # Errors
/// `NotEmpty` if there is a store in the directory of `into`; `NoStore` if there is none in that of `from`;
/// `InvalidOption`; `TooLarge` if more than 268,435,456 events are lost; `Corrupt` if what is left contradicts itself, or was changed meanwhile; `Io` and whatever writing
/// can fail with. After an error the new directory holds the beginning of what was to be saved: remove it and begin
/// anew.
///
/// # Durability
/// When it returns, the new store survives a power cut.
///
/// # Examples
/// ```
/// use batpak::prelude::*;
/// use batpak::store::{LOST, salvage};
///
/// let (from, into) = (tempfile::tempdir()?, tempfile::tempdir()?);
/// let store = Store::open(from.path())?;
/// let seat = Coordinate::new("seat:4", "hall")?;
/// for n in 0..3 {
///     store.append(&seat, EventKind::custom(1, 1), &n)?;
/// }
/// store.sync()?;
/// let head = store.head()?;
/// store.close()?;
///
/// // One bit in the checksum of the first segment's second frame, another in the payload of the first event.
/// let segment = from.path().join("0000000000.0000.fbat");
/// let mut bytes = std::fs::read(&segment)?;
/// bytes[368] ^= 1;
/// bytes[450] ^= 1;
/// std::fs::write(&segment, bytes)?;
///
/// let report = salvage(from.path(), into.path())?;
/// assert_eq!(report.events, 2);
/// assert_eq!((report.lost[0].first, report.lost[0].count), (0, Some(1)));
/// assert!(report.rehashed.is_empty());
///
/// let store = Store::open(into.path())?;
/// assert_eq!(store.verify_chain()?.events, 3);
/// assert_eq!(store.head()?, head);
/// assert_eq!(store.read(2)?.event.payload(), &2);
/// assert!(matches!(store.read(0), Err(StoreError::Lost { sequence: 0 })));
/// assert_eq!(store.query(&Region::scope(LOST))?.len(), 1);
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn salvage(from: impl Into<StoreConfig>, into: impl Into<StoreConfig>) -> Result<SalvageReport, StoreError> {
    let (from, into): (StoreConfig, StoreConfig) = (from.into(), into.into());
    from.check()?;
    into.check()?;
    refuse_a_store(&into)?;
    let plan = plan(&from)?;
    let report = copy(&from, &into, plan)?;
    // Makes its index, and shows that it opens.
    Store::open(into)?.close()?;
    Ok(report)
}

fn refuse_a_store(into: &StoreConfig) -> Result<(), StoreError> {
    let Ok(entries) = into.environment.file_system.read_dir(&into.data_dir) else { return Ok(()) };
    let is_of_a_store = |name: &str| [".fbat", ".index", "batpak.tail"].iter().any(|end| name.ends_with(end));
    let taken = entries.iter().any(|entry| is_of_a_store(&entry.name));
    if taken { Err(StoreError::NotEmpty { path: into.data_dir.clone() }) } else { Ok(()) }
}
