//! Projections: a state from the events of an entity.

use crate::store::read::Scan;
use crate::store::read::payload_of;
use crate::store::shared::Shared;
use crate::store::{Store, StoreError, json, payload};
use batpak_core::{Event, EventHeader, EventKind, EventRef, Region};
use batpak_index::Direction;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;

/// How a projection wants its payloads.
pub trait ProjectionInput {
    /// What a payload becomes; it may borrow from the stored bytes.
    type Payload<'a>;

    /// Makes it from the stored bytes, one MessagePack value.
    ///
    /// # Errors
    /// If they are not what the projection expects.
    fn decode(payload: &[u8]) -> Result<Self::Payload<'_>, rmp_serde::decode::Error>;
}

/// Payloads as JSON values.
#[derive(Clone, Copy, Debug)]
pub struct ValueInput;

impl ProjectionInput for ValueInput {
    type Payload<'a> = Value;

    fn decode(payload: &[u8]) -> Result<Value, rmp_serde::decode::Error> {
        json::payload_to_json(payload)
    }
}

/// Payloads as they are stored, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RawMsgpackInput;

impl ProjectionInput for RawMsgpackInput {
    type Payload<'a> = &'a [u8];

    fn decode(payload: &[u8]) -> Result<&[u8], rmp_serde::decode::Error> {
        Ok(payload)
    }
}

/// Payloads as a type of yours.
#[derive(Clone, Copy, Debug)]
pub struct TypedInput<E>(PhantomData<E>);

impl<E: DeserializeOwned> ProjectionInput for TypedInput<E> {
    type Payload<'a> = E;

    fn decode(payload: &[u8]) -> Result<E, rmp_serde::decode::Error> {
        payload::decode(payload)
    }
}

/// A state that is made from the events of an entity. Most are easier to write as a [`Projection`].
pub trait EventSourced: Sized {
    /// How it wants its payloads.
    type Input: ProjectionInput;

    /// The state after these events; `None` if none of them matters. The store gives it one event and the following
    /// ones to [`apply_event`](Self::apply_event), which has to come to the same as giving all of them to this.
    fn from_events(events: &[Event<<Self::Input as ProjectionInput>::Payload<'_>>]) -> Option<Self>;

    /// Takes one more event.
    fn apply_event(&mut self, event: &Event<<Self::Input as ProjectionInput>::Payload<'_>>);

    /// The kinds that it is made from; events of other kinds are not read. None named means all of them.
    fn relevant_event_kinds() -> &'static [EventKind];
}

/// A state that begins with its default and takes one typed event after the other.
///
/// # Examples
/// ```
/// use batpak::prelude::*;
///
/// #[derive(Default)]
/// struct Balance(i64);
///
/// impl Projection for Balance {
///     type Event = i64;
///
///     fn apply(&mut self, event: &Event<i64>) {
///         self.0 += event.payload();
///     }
/// }
///
/// let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let account = Coordinate::new("account:7", "bank")?;
/// store.append(&account, EventKind::custom(1, 1), &500)?;
/// store.append(&account, EventKind::custom(1, 1), &-200)?;
/// let balance: Option<Balance> = store.project("account:7", &Freshness::Consistent)?;
/// assert_eq!(balance.expect("two events").0, 300);
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Projection: Default {
    /// What the payloads are.
    type Event: DeserializeOwned;

    /// Takes the next event.
    fn apply(&mut self, event: &Event<Self::Event>);

    /// The kinds that it is made from; events of other kinds are not read. None named means all of them, and then every
    /// event of the entity has to be an [`Event`](Self::Event). The kind is a label beside the payload: an enum as
    /// `Event` is stored with its variant in the payload, whatever the kind.
    fn kinds() -> &'static [EventKind] {
        &[]
    }
}

impl<T: Projection> EventSourced for T {
    type Input = TypedInput<T::Event>;

    fn from_events(events: &[Event<T::Event>]) -> Option<Self> {
        let mut state = events.first().map(|_| T::default())?;
        for event in events {
            state.apply(event);
        }
        Some(state)
    }

    fn apply_event(&mut self, event: &Event<T::Event>) {
        self.apply(event);
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        T::kinds()
    }
}

/// How new a projected state has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// Every event that was visible when the call began.
    #[default]
    Consistent,
}

impl Store {
    /// The state of an entity; `None` if it has no event of a kind that matters. Events are read one after the other,
    /// so the memory that it takes does not grow with them.
    ///
    /// # Errors
    /// `Decode` if a payload is not what the projection expects; `Erased` if one is gone; otherwise as
    /// [`get`](Self::get).
    pub fn project<T: EventSourced>(&self, entity: &str, freshness: &Freshness) -> Result<Option<T>, StoreError> {
        match freshness {
            Freshness::Consistent => {
                let mut projected = self.projected(entity);
                projected.newest()?;
                Ok(projected.state)
            }
        }
    }

    /// The state of an entity, to be asked again and again: each time only what is new is read.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// #[derive(Debug, Default, PartialEq)]
    /// struct Balance(i64);
    ///
    /// impl Projection for Balance {
    ///     type Event = i64;
    ///
    ///     fn apply(&mut self, event: &Event<i64>) {
    ///         self.0 += event.payload();
    ///     }
    /// }
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let account = Coordinate::new("account:7", "bank")?;
    /// let mut balance = store.projected::<Balance>("account:7");
    /// assert_eq!(balance.newest()?, None);
    /// store.append(&account, EventKind::custom(1, 1), &500)?;
    /// assert_eq!(balance.newest()?, Some(&Balance(500)));
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn projected<T: EventSourced>(&self, entity: &str) -> Projected<T> {
        Projected::new(self, &Region::entity(entity))
    }
}

/// The state of an entity that is kept, and takes only the events that have come since.
#[derive(Clone, Debug)]
pub struct Projected<T> {
    store: Store,
    region: Region,
    state: Option<T>,
    /// Every event below it was taken or does not belong to it.
    next: u64,
}

impl<T: EventSourced> Projected<T> {
    /// From those events of `region` that matter.
    pub(crate) fn new(store: &Store, region: &Region) -> Self {
        Self { store: store.clone(), region: region_of::<T>(region), state: None, next: 0 }
    }

    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    pub(crate) fn into_state(self) -> Option<T> {
        self.state
    }

    /// The state, all events taken that are visible; `None` if there is none that matters. An error leaves the state as
    /// it was before the event that it is about.
    ///
    /// # Errors
    /// As [`Store::project`].
    pub fn newest(&mut self) -> Result<Option<&T>, StoreError> {
        self.advance(self.store.shared().visible())?;
        Ok(self.state.as_ref())
    }

    /// Takes the events before `end`.
    pub(crate) fn advance(&mut self, end: u64) -> Result<(), StoreError> {
        let shared = self.store.shared();
        shared.check_open()?;
        advance(shared, &self.region, &mut self.state, &mut self.next, end)
    }
}

/// Those events of a region that matter to a state.
pub(crate) fn region_of<T: EventSourced>(region: &Region) -> Region {
    let kinds = T::relevant_event_kinds();
    let region = region.clone();
    if kinds.is_empty() { region } else { region.with_kinds(kinds.iter().copied()) }
}

/// Gives the events of a region from `next` on and before `end` to a state. After an error `next` is the event that it
/// is about, or an event before it.
pub(crate) fn advance<T: EventSourced>(
    shared: &Shared,
    region: &Region,
    state: &mut Option<T>,
    next: &mut u64,
    end: u64,
) -> Result<(), StoreError> {
    if *next >= end {
        return Ok(());
    }
    let mut scan = Scan::new(shared, region, *next..end, Direction::Forward);
    while let Some(row) = scan.next_to_read(shared)? {
        scan.with_row(shared, &row, |record| take(state, record))?;
        *next = row.sequence() + 1;
    }
    *next = end;
    Ok(())
}

/// Gives an event to the state.
fn take<T: EventSourced>(state: &mut Option<T>, record: &EventRef<'_>) -> Result<(), StoreError> {
    let sequence = record.sequence();
    let payload = T::Input::decode(payload_of(record)?).map_err(|source| StoreError::Decode { sequence, source })?;
    let event = Event::new(EventHeader::from(record), payload);
    match state {
        Some(state) => state.apply_event(&event),
        None => *state = T::from_events(std::slice::from_ref(&event)),
    }
    Ok(())
}
