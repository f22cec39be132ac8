//! What a gate sees: the events that are staged, and the store.

use crate::event_payload::{EventPayload, PayloadError};
use crate::store::error::in_one_line;
use crate::store::projection::region_of;
use crate::store::{
    BatchAppendItem, CausationRef, Condition, EventSourced, Events, Rows, StoreError, Transaction, json, payload,
};
use batpak_core::{Coordinate, EventId, EventKind, Region};
use batpak_guard::{ContextFamily, Denial, GateSetFor, PipelineFor};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::error::Error;

/// What a gate sees of a transaction that is to be committed: the events that are staged, and the store.
///
/// The store is seen as the transaction sees it, and each read becomes a condition of the commit, as a read of the
/// transaction itself does. What need not hold any more at the commit is read with a [`Store`](crate::store::Store)
/// that the gate has. A [`StoreError`] and a [`PayloadError`] become a denial by `?`, with the code [`READ_FAILED`].
///
/// # Examples
/// ```
/// use batpak::guard::{Denial, gate_fn};
/// use batpak::prelude::*;
///
/// let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let mut gates = WriteGates::new();
/// gates.push(gate_fn("at_most_two", |write: &WriteContext<'_>| {
///     for event in write.staged() {
///         let seats = write.len_of(event.coordinate().entity())?;
///         if seats >= 2 {
///             return Err(Denial::new("at_most_two", format!("{seats} seats are taken")));
///         }
///     }
///     Ok(())
/// }));
/// let gates = WritePipeline::new(gates);
///
/// let (car, taken) = (Coordinate::new("car:1", "cars")?, EventKind::custom(1, 1));
/// for name in ["ann", "bob"] {
///     let mut seat = store.transaction();
///     seat.append(&car, taken, &name)?;
///     assert_eq!(seat.commit_through(&gates)?.gates_passed, ["at_most_two"]);
/// }
/// let mut seat = store.transaction();
/// seat.append(&car, taken, &"eve")?;
/// let Err(GateError::Denied { denial, .. }) = seat.commit_through(&gates) else { panic!("it was committed") };
/// assert_eq!(denial.message, "2 seats are taken");
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WriteContext<'a> {
    transaction: &'a Transaction,
    /// What the gates have read. It is borrowed only while it is added to: no code of a gate runs meanwhile.
    conditions: RefCell<Vec<Condition>>,
}

/// The family of [`WriteContext`].
#[derive(Clone, Copy, Debug)]
pub struct Writes;

impl ContextFamily for Writes {
    type Context<'a> = WriteContext<'a>;
}

/// Gates that look at what is to be committed.
pub type WriteGates = GateSetFor<Writes>;

/// [`WriteGates`] that do not change any more, and the ways past them: what a transaction is committed through.
pub type WritePipeline = PipelineFor<Writes>;

/// The code of a denial that stands for something that the gate could not read: it has decided nothing.
pub const READ_FAILED: &str = "READ_FAILED";

/// An event that is staged, as a gate sees it.
#[derive(Clone, Copy, Debug)]
pub struct StagedEvent<'a>(&'a BatchAppendItem);

impl<'a> WriteContext<'a> {
    pub(crate) fn new(transaction: &'a Transaction) -> Self {
        Self { transaction, conditions: RefCell::default() }
    }

    /// What has to be true at the commit, because the gates have read it or said so.
    pub(crate) fn into_conditions(self) -> Vec<Condition> {
        self.conditions.into_inner()
    }

    /// The events that are to be committed, in order.
    pub fn staged(&self) -> impl ExactSizeIterator<Item = StagedEvent<'_>> + Clone {
        self.transaction.items.iter().map(StagedEvent)
    }

    /// The sequence before which it reads.
    pub fn end(&self) -> u64 {
        self.transaction.end()
    }

    /// The rows of a region, in order. An event of the region that comes before the commit refuses it.
    ///
    /// # Errors
    /// As [`Store::query`](crate::store::Store::query).
    pub fn query(&self, region: &Region) -> Result<Rows, StoreError> {
        self.rest_on(region);
        self.transaction.look_query(region)
    }

    /// The events of a region. An event of the region that comes before the commit refuses it, however many of them
    /// were looked at.
    pub fn events(&self, region: &Region) -> Events<Value> {
        self.rest_on(region);
        self.transaction.look_events(region)
    }

    /// How many events the entity has had. One that comes before the commit refuses it.
    ///
    /// # Errors
    /// As [`Store::query`](crate::store::Store::query).
    pub fn len_of(&self, entity: &str) -> Result<u64, StoreError> {
        self.rest_on(&Region::entity(entity));
        self.transaction.look_len_of(entity)
    }

    /// The state of an entity; `None` if it has no event of a kind that matters. An event of such a kind that comes
    /// before the commit refuses it.
    ///
    /// # Errors
    /// As [`Store::project`](crate::store::Store::project).
    pub fn project<T: EventSourced>(&self, entity: &str) -> Result<Option<T>, StoreError> {
        self.project_over(&Region::entity(entity))
    }

    /// The state that is made from the events of a region.
    ///
    /// # Errors
    /// As [`Store::project`](crate::store::Store::project).
    pub fn project_over<T: EventSourced>(&self, region: &Region) -> Result<Option<T>, StoreError> {
        self.rest_on(&region_of::<T>(region));
        self.transaction.look_project(region)
    }

    /// Demands something else of the store at the moment of the commit.
    pub fn require(&self, condition: Condition) {
        self.conditions.borrow_mut().push(condition);
    }

    fn rest_on(&self, region: &Region) {
        self.require(self.transaction.unchanged(region));
    }
}

impl<'a> StagedEvent<'a> {
    /// Where it is to be.
    pub fn coordinate(self) -> &'a Coordinate {
        &self.0.coordinate
    }

    /// What sort of event it is.
    pub fn kind(self) -> EventKind {
        self.0.kind
    }

    /// Its payload as it will be stored: one MessagePack value.
    pub fn payload(self) -> &'a [u8] {
        &self.0.payload
    }

    /// Its payload as JSON.
    ///
    /// # Errors
    /// If JSON cannot show it.
    pub fn json(self) -> Result<Value, PayloadError> {
        Ok(json::payload_to_json(self.payload())?)
    }

    /// Its payload as any type, whatever its kind.
    ///
    /// # Errors
    /// If it is none of the type.
    pub fn decoded<T: DeserializeOwned>(self) -> Result<T, PayloadError> {
        payload::decode(self.kind(), self.0.version, self.payload())
    }

    /// The typed event; `None` if its kind is none of the type's.
    ///
    /// # Errors
    /// If the payload is not what the type says.
    pub fn typed<T: EventPayload>(self) -> Result<Option<T>, PayloadError> {
        if T::info_of(self.kind()).is_none() {
            return Ok(None);
        }
        T::decode(self.kind(), self.0.version, self.payload()).map(Some)
    }

    /// What else it concerns.
    pub fn tags(self) -> impl ExactSizeIterator<Item = &'a str> + Clone {
        self.0.tags.iter().map(String::as_str)
    }

    /// The bytes of the application.
    pub fn metadata(self) -> &'a [u8] {
        &self.0.metadata
    }

    /// What brought it about.
    pub fn cause(self) -> CausationRef {
        match (self.0.cause, self.0.causation_id) {
            (CausationRef::None, Some(id)) => CausationRef::Event(id),
            (cause, _) => cause,
        }
    }

    /// What links it to the other events of its undertaking, as far as it is said. An effect of another staged event
    /// otherwise belongs to the undertaking of its cause.
    pub fn correlation_id(self) -> Option<EventId> {
        self.0.correlation_id
    }
}

impl From<StoreError> for Denial {
    /// A denial with the code [`READ_FAILED`], by the gate that it comes from.
    fn from(error: StoreError) -> Self {
        unread(&error)
    }
}

impl From<PayloadError> for Denial {
    /// A denial with the code [`READ_FAILED`], by the gate that it comes from.
    fn from(error: PayloadError) -> Self {
        unread(&error)
    }
}

fn unread(error: &dyn Error) -> Denial {
    Denial::new("", in_one_line(error)).with_code(READ_FAILED)
}
