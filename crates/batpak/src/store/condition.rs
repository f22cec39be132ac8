//! What has to be true of the store when a commit is made.

use crate::store::StoreError;
use crate::store::read::Scan;
use crate::store::shared::Shared;
use batpak_core::Region;
use batpak_index::{Direction, Row};
use std::fmt;

/// What has to be true of the store at the moment of a commit, or the commit is refused.
///
/// What is checked is all that was committed before, also what is not visible yet. The events of the commit itself do
/// not count. What a condition costs follows what has happened since the sequence that it names, or how often its entity
/// was written to since the commit was prepared, not the size of the store.
///
/// # Examples
/// ```
/// use batpak::prelude::*;
///
/// let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let hall = Coordinate::new("seat:4", "hall")?;
/// let sold = EventKind::custom(1, 1);
///
/// // Nothing that concerns seat 4 may have happened since sequence 0.
/// let free = Condition::none_since(Region::tag("seat:4").or(Region::entity("seat:4")), 0);
/// let mut sale = store.transaction();
/// sale.require(free.clone());
/// sale.append(&hall, sold, &"ann")?;
/// let sold_to_ann = sale.commit()?[0].event_id;
///
/// let mut sale = store.transaction();
/// sale.require(free.clone());
/// sale.append(&hall, sold, &"bob")?;
/// let Err(StoreError::Condition { condition, event }) = sale.commit() else { panic!("sold twice") };
/// assert_eq!((*condition, event), (free, Some(sold_to_ann)));
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// The entity has had exactly so many events, ever.
    Len {
        /// The entity.
        entity: String,
        /// How many.
        len: u64,
    },
    /// The entity has had an event.
    Exists {
        /// The entity.
        entity: String,
    },
    /// The entity has never had an event.
    New {
        /// The entity.
        entity: String,
    },
    /// No event of the region has this sequence or a later one.
    NoneSince {
        /// The events that must not have come.
        region: Region,
        /// The first sequence that counts.
        sequence: u64,
    },
}

impl Condition {
    /// The entity has had exactly `len` events.
    pub fn len(entity: impl Into<String>, len: u64) -> Self {
        Self::Len { entity: entity.into(), len }
    }

    /// The entity has had an event.
    pub fn exists(entity: impl Into<String>) -> Self {
        Self::Exists { entity: entity.into() }
    }

    /// The entity has never had an event.
    pub fn is_new(entity: impl Into<String>) -> Self {
        Self::New { entity: entity.into() }
    }

    /// No event of `region` has the sequence `sequence` or a later one.
    pub fn none_since(region: Region, sequence: u64) -> Self {
        Self::NoneSince { region, sequence }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Len { entity, len } => write!(f, "{entity} has had exactly {len} events"),
            Self::Exists { entity } => write!(f, "{entity} exists"),
            Self::New { entity } => write!(f, "{entity} does not exist"),
            Self::NoneSince { region, sequence } => {
                write!(f, "no event since sequence {sequence} is one of ")?;
                let mut clauses = region.clauses().iter();
                match clauses.next() {
                    None => f.write_str("none")?,
                    Some(first) => write!(f, "{first}")?,
                }
                clauses.try_for_each(|clause| write!(f, ", or of {clause}"))
            }
        }
    }
}

/// A condition, and what is known of it.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) condition: Condition,
    region: Region,
    /// Events before it were looked at.
    checked: u64,
    /// The newest one that matches, as sequence and revision.
    newest: Option<(u64, u64)>,
}

/// The most events that are looked at under the commit lock, if they can be looked at before.
const UNDER_LOCK_MAX: u64 = 64;

impl Guard {
    pub(crate) fn new(condition: Condition) -> Self {
        let (region, checked) = match &condition {
            Condition::Len { entity, .. } | Condition::Exists { entity } | Condition::New { entity } => {
                (Region::entity(entity), 0)
            }
            Condition::NoneSince { region, sequence } => (region.clone(), *sequence),
        };
        Self { condition, region, checked, newest: None }
    }

    /// Whether more should be looked at outside the lock: events before `visible` that were not looked at.
    pub(crate) fn is_behind(&self, visible: u64) -> bool {
        visible.saturating_sub(self.checked) > UNDER_LOCK_MAX
    }

    /// Looks at the events before `end`.
    pub(crate) fn look(&mut self, shared: &Shared, end: u64) -> Result<(), StoreError> {
        if self.checked >= end {
            return Ok(());
        }
        let mut scan = Scan::new(shared, &self.region, self.checked..end, Direction::Backward);
        let found = scan.next_to_read(shared)?;
        self.take(found, end);
        Ok(())
    }

    /// The same under the commit lock, where nothing can be mended: false if a part of the index turns out to be
    /// damaged.
    pub(crate) fn look_locked(&mut self, shared: &Shared, end: u64) -> Result<bool, StoreError> {
        if self.checked >= end {
            return Ok(true);
        }
        let mut scan = Scan::new(shared, &self.region, self.checked..end, Direction::Backward);
        let Ok(found) = scan.next_or_damage(shared)? else { return Ok(false) };
        self.take(found, end);
        Ok(true)
    }

    fn take(&mut self, found: Option<Row>, end: u64) {
        self.newest = found.map(|row| (row.sequence(), row.revision)).or(self.newest);
        self.checked = end;
    }

    /// Whether it holds for all that was looked at.
    pub(crate) fn holds(&self) -> bool {
        match &self.condition {
            Condition::Len { len, .. } => self.newest.map_or(0, |(_, revision)| revision + 1) == *len,
            Condition::Exists { .. } => self.newest.is_some(),
            Condition::New { .. } | Condition::NoneSince { .. } => self.newest.is_none(),
        }
    }

    /// The newest event that matches.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest.map(|(sequence, _)| sequence)
    }
}
