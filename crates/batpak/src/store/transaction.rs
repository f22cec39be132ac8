//! Transactions: what was read, and what is to be appended if it still holds.

use crate::event_payload::EventPayload;
use crate::store::condition::Guard;
use crate::store::job::Job;
use crate::store::projection::{Projected, region_of};
use crate::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Condition, Durability, EventSourced, Events, Rows,
    Store, StoreError,
};
use batpak_core::{Coordinate, EventKind, Region};
use serde::Serialize;
use serde_json::Value;

/// Events of several entities that are appended together, if what was read through it still holds.
///
/// A transaction reads the store as it was when it began, and holds no lock. Each read becomes a condition of its commit:
/// if an event that the read would have found has come since, the commit is refused with
/// [`StoreError::Condition`], which [is a conflict](StoreError::is_conflict): begin anew, read again, decide again;
/// [`Store::transact`] does that. A read that need not hold any more when the events are appended is made with the store
/// itself. The commit is one frame on disk: all of its events, or none.
///
/// # Examples
/// ```
/// use batpak::prelude::*;
///
/// let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let (ann, bob) = (Coordinate::new("account:ann", "bank")?, Coordinate::new("account:bob", "bank")?);
/// let (paid, moved) = (EventKind::custom(1, 1), EventKind::custom(1, 2));
/// store.append(&ann, paid, &500)?;
///
/// let mut transfer = store.transaction();
/// assert_eq!(transfer.query(&Region::entity("account:ann"))?.len(), 1);
/// let out = transfer.append(&ann, moved, &-200)?;
/// let options = AppendOptions::default();
/// transfer.push(BatchAppendItem::new(bob.clone(), moved, &200, options, out.into())?);
/// let receipts = transfer.commit()?;
/// assert_eq!(store.get(receipts[1].event_id)?.event.causation_id(), Some(receipts[0].event_id));
///
/// // What was read has changed before the commit.
/// let mut transfer = store.transaction();
/// transfer.query(&Region::entity("account:ann"))?;
/// transfer.append(&bob, moved, &-1)?;
/// let other = store.append(&ann, paid, &1)?;
/// let Err(StoreError::Condition { event, .. }) = transfer.commit() else { panic!("it was committed") };
/// assert_eq!(event, Some(other.event_id));
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is appended before it is committed"]
pub struct Transaction {
    pub(crate) store: Store,
    /// It reads events below this sequence.
    end: u64,
    conditions: Vec<Condition>,
    pub(crate) items: Vec<BatchAppendItem>,
    pub(crate) durability: Option<Durability>,
    /// Where what the gates come to is recorded.
    pub(crate) records_at: Option<Coordinate>,
}

/// An event that waits for the commit of its transaction. As a [`CausationRef`] it is the cause of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged(usize);

impl Staged {
    /// Where its receipt stands among those of the commit.
    pub fn index(self) -> usize {
        self.0
    }
}

impl From<Staged> for CausationRef {
    fn from(staged: Staged) -> Self {
        Self::Item(staged.0)
    }
}

impl Store {
    /// Begins a transaction, which reads the events that are visible now.
    pub fn transaction(&self) -> Transaction {
        Transaction {
            store: self.clone(),
            end: self.shared().visible(),
            conditions: Vec::new(),
            items: Vec::new(),
            durability: None,
            records_at: None,
        }
    }
}

impl Transaction {
    /// The sequence before which it reads: that of the next event when it began.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The rows of a region, in order. An event of the region that comes before the commit refuses it.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub fn query(&mut self, region: &Region) -> Result<Rows, StoreError> {
        self.rest_on(region);
        self.look_query(region)
    }

    /// The events of a region. An event of the region that comes before the commit refuses it, however many of them
    /// were looked at.
    pub fn events(&mut self, region: &Region) -> Events<Value> {
        self.rest_on(region);
        self.look_events(region)
    }

    /// How many events the entity has had. One that comes before the commit refuses it.
    ///
    /// # Errors
    /// As [`Store::query`].
    pub fn len_of(&mut self, entity: &str) -> Result<u64, StoreError> {
        self.rest_on(&Region::entity(entity));
        self.look_len_of(entity)
    }

    /// The state of an entity; `None` if it has no event of a kind that matters. An event of such a kind that comes
    /// before the commit refuses it.
    ///
    /// # Errors
    /// As [`Store::project`].
    pub fn project<T: EventSourced>(&mut self, entity: &str) -> Result<Option<T>, StoreError> {
        self.project_over(&Region::entity(entity))
    }

    /// The state that is made from the events of a region.
    ///
    /// # Errors
    /// As [`Store::project`].
    pub fn project_over<T: EventSourced>(&mut self, region: &Region) -> Result<Option<T>, StoreError> {
        self.rest_on(&region_of::<T>(region));
        self.look_project(region)
    }

    /// Demands something else of the store at the moment of the commit.
    pub fn require(&mut self, condition: Condition) {
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }

    /// Stages an event.
    ///
    /// # Errors
    /// `Encode` if the payload cannot be encoded. What else is wrong with it is told by the commit.
    pub fn append(
        &mut self,
        coordinate: &Coordinate,
        kind: EventKind,
        payload: &impl Serialize,
    ) -> Result<Staged, StoreError> {
        let options = AppendOptions::default();
        Ok(self.push(BatchAppendItem::new(coordinate.clone(), kind, payload, options, CausationRef::None)?))
    }

    /// Stages a typed event.
    ///
    /// # Errors
    /// `Encode` if the payload cannot be encoded. What else is wrong with it is told by the commit.
    pub fn append_typed<T: EventPayload>(
        &mut self,
        coordinate: &Coordinate,
        payload: &T,
    ) -> Result<Staged, StoreError> {
        let options = AppendOptions::default();
        Ok(self.push(BatchAppendItem::typed(coordinate.clone(), payload, options, CausationRef::None)?))
    }

    /// Stages an event with options and a cause. Its own condition counts those staged before it.
    pub fn push(&mut self, item: BatchAppendItem) -> Staged {
        self.items.push(item);
        Staged(self.items.len() - 1)
    }

    /// Sets the durability of the commit, if it is to be more than what its events ask for.
    pub fn set_durability(&mut self, durability: Durability) {
        self.durability = Some(durability);
    }

    /// Appends what was staged as one commit, if all that was read and required holds. Returns a receipt for each event,
    /// in order. Of no events, only the conditions are checked.
    ///
    /// As with every append, idempotency keys go before conditions.
    ///
    /// # Errors
    /// `Condition` with the first condition that does not hold and the newest event that stands against it; otherwise
    /// as [`Store::append_batch`].
    pub fn commit(self) -> Result<Vec<AppendReceipt>, StoreError> {
        let mut job = self.propose()?;
        job.guards.extend(self.conditions.into_iter().map(Guard::new));
        self.store.commit(self.store.shared().writing()?, &mut job)?;
        let receipts = std::mem::take(&mut job.receipts);
        job.end();
        Ok(receipts.into_vec())
    }

    /// All that a commit does before its conditions matter.
    pub(crate) fn propose(&self) -> Result<Box<Job>, StoreError> {
        let mut job = Job::begin();
        self.store.propose_batch(self.store.shared().writing()?, &mut job, &self.items)?;
        job.durability = job.durability.max(self.durability.unwrap_or_default());
        Ok(job)
    }

    fn rest_on(&mut self, region: &Region) {
        self.require(self.unchanged(region));
    }

    /// What has to be true at the commit if a region was read.
    pub(crate) fn unchanged(&self, region: &Region) -> Condition {
        Condition::none_since(region.clone(), self.end)
    }

    pub(crate) fn look_query(&self, region: &Region) -> Result<Rows, StoreError> {
        self.store.query(&self.before_end(region))
    }

    pub(crate) fn look_events(&self, region: &Region) -> Events<Value> {
        self.store.events(&self.before_end(region))
    }

    pub(crate) fn look_len_of(&self, entity: &str) -> Result<u64, StoreError> {
        let newest = self.look_events(&Region::entity(entity)).backward().rows().next();
        Ok(newest.transpose()?.map_or(0, |row| row.revision + 1))
    }

    pub(crate) fn look_project<T: EventSourced>(&self, region: &Region) -> Result<Option<T>, StoreError> {
        let mut projected = Projected::new(&self.store, region);
        projected.advance(self.end)?;
        Ok(projected.into_state())
    }

    fn before_end(&self, region: &Region) -> Region {
        region.clone().with_sequences(..self.end)
    }
}
