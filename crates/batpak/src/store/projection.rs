//! Projections: a state from the events of an entity.

use crate::event_payload::{EventPayload, KindInfo, PayloadError};
use crate::store::lost::is_lost;
use crate::store::read::{Scan, not_decoded, payload_of};
use crate::store::shared::Shared;
use crate::store::{Store, StoreError, payload};
use batpak_core::{Event, EventHeader, EventKind, EventRef, Region};
use batpak_index::Direction;
use serde_json::Value;
use std::marker::PhantomData;
use std::time::Duration;

/// How a projection wants its payloads.
pub trait ProjectionInput {
    /// What a payload becomes; it may borrow from the stored bytes.
    type Payload<'a>;

    /// Makes it from the stored bytes, one MessagePack value, of an event of this kind and version of its payload's
    /// type.
    ///
    /// # Errors
    /// If they are not what the projection expects.
    fn decode(kind: EventKind, version: u16, payload: &[u8]) -> Result<Self::Payload<'_>, PayloadError>;

    /// What the program knows of the kinds that it decodes; nothing by default.
    fn known_kinds() -> &'static [KindInfo] {
        &[]
    }
}

/// Payloads as JSON values.
#[derive(Clone, Copy, Debug)]
pub struct ValueInput;

impl ProjectionInput for ValueInput {
    type Payload<'a> = Value;

    fn decode(kind: EventKind, version: u16, payload: &[u8]) -> Result<Value, PayloadError> {
        payload::show(kind, version, payload)
    }
}

/// Payloads as they are stored, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RawMsgpackInput;

impl ProjectionInput for RawMsgpackInput {
    type Payload<'a> = &'a [u8];

    fn decode(_: EventKind, _: u16, payload: &[u8]) -> Result<&[u8], PayloadError> {
        Ok(payload)
    }
}

/// Payloads as the type of their kind, older versions taken to the newest one.
#[derive(Clone, Copy, Debug)]
pub struct TypedInput<E>(PhantomData<E>);

impl<E: EventPayload> ProjectionInput for TypedInput<E> {
    type Payload<'a> = E;

    fn decode(kind: EventKind, version: u16, payload: &[u8]) -> Result<E, PayloadError> {
        E::decode(kind, version, payload)
    }

    fn known_kinds() -> &'static [KindInfo] {
        E::KINDS
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
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, EventPayload)]
/// #[batpak(category = 1)]
/// enum AccountEvent {
///     #[batpak(type_id = 1, name = "account.opened")]
///     Opened,
///     #[batpak(type_id = 2, name = "account.paid")]
///     Paid { cents: i64 },
/// }
///
/// #[derive(Default)]
/// struct Balance(i64);
///
/// impl Projection for Balance {
///     type Event = AccountEvent;
///
///     fn apply(&mut self, event: &Event<AccountEvent>) {
///         match event.payload() {
///             AccountEvent::Opened => self.0 = 0,
///             AccountEvent::Paid { cents } => self.0 += cents,
///         }
///     }
/// }
///
/// let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let account = Coordinate::new("account:7", "bank")?;
/// store.append_typed(&account, &AccountEvent::Opened)?;
/// store.append_typed(&account, &AccountEvent::Paid { cents: 500 })?;
/// store.append(&account, EventKind::custom(1, 3), &"of a kind that the projection does not read")?;
/// let balance: Option<Balance> = store.project("account:7", &Freshness::Consistent)?;
/// assert_eq!(balance.expect("two events").0, 500);
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Projection: Default {
    /// What it is made from; events of other kinds are not read.
    type Event: EventPayload;

    /// Takes the next event.
    fn apply(&mut self, event: &Event<Self::Event>);
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
        T::Event::KIND_LIST
    }
}

/// How new a projected state has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// Every event that was visible when the call began.
    #[default]
    Consistent,
    /// What was kept, if that was all there was at some moment of this time before the call; otherwise as `Consistent`.
    MaybeStale {
        /// How long ago, by the store's monotonic clock.
        max_stale: Duration,
    },
}

impl Store {
    /// The state of an entity; `None` if it has no event of a kind that matters. Events are read one after the other,
    /// so the memory that it takes does not grow with them.
    ///
    /// # Errors
    /// `Payload` if a payload is not what the projection expects; `Erased` if one is gone; otherwise as
    /// [`get`](Self::get).
    pub fn project<T: EventSourced>(&self, entity: &str, freshness: &Freshness) -> Result<Option<T>, StoreError> {
        match freshness {
            // Nothing is kept of what is made here, so it is as new as can be.
            Freshness::Consistent | Freshness::MaybeStale { .. } => {
                let mut projected = self.projected(entity);
                projected.newest()?;
                Ok(projected.state)
            }
        }
    }

    /// The state of an entity as it was just after the event `sequence`, whatever entity that belongs to: made of the
    /// events up to it. `None` if none of them matters.
    ///
    /// # Errors
    /// `NotFound` if there is no such event that is visible; otherwise as [`project`](Self::project).
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1, type_id = 1, name = "account.paid")]
    /// struct Paid(i64);
    ///
    /// #[derive(Debug, Default, PartialEq)]
    /// struct Balance(i64);
    ///
    /// impl Projection for Balance {
    ///     type Event = Paid;
    ///
    ///     fn apply(&mut self, event: &Event<Paid>) {
    ///         self.0 += event.payload().0;
    ///     }
    /// }
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let account = Coordinate::new("account:7", "bank")?;
    /// let first = store.append_typed(&account, &Paid(500))?;
    /// store.append_typed(&account, &Paid(-200))?;
    /// assert_eq!(store.project_at::<Balance>("account:7", first.sequence)?, Some(Balance(500)));
    ///
    /// // It has had one event when it was looked at last.
    /// assert_eq!(store.project_since::<Balance>("account:7", 1)?, Some((Balance(300), 2)));
    /// assert_eq!(store.project_since::<Balance>("account:7", 2)?, None);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn project_at<T: EventSourced>(&self, entity: &str, sequence: u64) -> Result<Option<T>, StoreError> {
        self.shared().check_open()?;
        if sequence >= self.shared().visible() {
            return Err(StoreError::NotFound { sequence });
        }
        let mut projected = self.projected(entity);
        projected.advance(sequence + 1)?;
        Ok(projected.state)
    }

    /// The state of an entity and the revision of its next event, if it has an event with revision `revision` or a later
    /// one; `None` if nothing has come, or nothing that matters. What is asked with the revision that was returned last is
    /// whether there is more.
    ///
    /// # Errors
    /// As [`project`](Self::project).
    pub fn project_since<T: EventSourced>(&self, entity: &str, revision: u64) -> Result<Option<(T, u64)>, StoreError> {
        let end = self.shared().visible();
        let newest = self.events(&Region::entity(entity).with_sequences(..end)).backward().rows().next().transpose()?;
        let next = newest.map_or(0, |row| row.revision + 1);
        if next <= revision {
            return Ok(None);
        }
        let mut projected = self.projected(entity);
        projected.advance(end)?;
        Ok(projected.state.map(|state| (state, next)))
    }

    /// The state of an entity, to be asked again and again: each time only what is new is read.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1, type_id = 2, name = "account.paid")]
    /// struct Paid(i64);
    ///
    /// #[derive(Debug, Default, PartialEq)]
    /// struct Balance(i64);
    ///
    /// impl Projection for Balance {
    ///     type Event = Paid;
    ///
    ///     fn apply(&mut self, event: &Event<Paid>) {
    ///         self.0 += event.payload().0;
    ///     }
    /// }
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let account = Coordinate::new("account:7", "bank")?;
    /// let mut balance = store.projected::<Balance>("account:7");
    /// assert_eq!(balance.newest()?, None);
    /// store.append_typed(&account, &Paid(500))?;
    /// assert_eq!(balance.newest()?, Some(&Balance(500)));
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn projected<T: EventSourced>(&self, entity: &str) -> Projected<T> {
        self.projected_over(&Region::entity(entity))
    }

    /// The same over the events of a region, in the order of the store.
    pub fn projected_over<T: EventSourced>(&self, region: &Region) -> Projected<T> {
        Projected::new(self, region)
    }
}

/// The state of an entity or a region that is kept, and takes only the events that have come since.
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

    /// Takes the events before `end`; whether there were any that matter.
    pub(crate) fn advance(&mut self, end: u64) -> Result<bool, StoreError> {
        let Self { store, region, state, next } = self;
        let shared = store.shared();
        shared.check_open()?;
        shared.check_kinds(T::Input::known_kinds())?;
        advance(shared, region, next, end, |record| take(state, record))
    }

    pub(crate) fn state(&self) -> Option<&T> {
        self.state.as_ref()
    }
}

/// Those events of a region that matter to a state.
pub(crate) fn region_of<T: EventSourced>(region: &Region) -> Region {
    let kinds = T::relevant_event_kinds();
    let region = region.clone();
    if kinds.is_empty() { region } else { region.with_kinds(kinds.iter().copied()) }
}

/// Gives the events of a region from `next` on and before `end` to `take`; whether there were any. After an error `next`
/// is the event that it is about, or an event before it. Lost ones are left out, once the program has accepted that.
pub(crate) fn advance(
    shared: &Shared,
    region: &Region,
    next: &mut u64,
    end: u64,
    mut take: impl FnMut(&EventRef<'_>) -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    if *next >= end {
        return Ok(false);
    }
    shared.check_lost(region, *next..end)?;
    let mut any = false;
    let mut scan = Scan::new(shared, region, *next..end, Direction::Forward);
    while let Some(row) = scan.next_to_read(shared)? {
        scan.with_row(shared, &row, |event| if is_lost(event) { Ok(()) } else { take(event) })?;
        *next = row.sequence() + 1;
        any = true;
    }
    *next = end;
    Ok(any)
}

/// Gives an event to the state.
fn take<T: EventSourced>(state: &mut Option<T>, record: &EventRef<'_>) -> Result<(), StoreError> {
    let event = event_for::<T>(record)?;
    match state {
        Some(state) => state.apply_event(&event),
        None => *state = T::from_events(std::slice::from_ref(&event)),
    }
    Ok(())
}

type PayloadFor<'r, T> = <<T as EventSourced>::Input as ProjectionInput>::Payload<'r>;

/// An event as a state wants it.
pub(crate) fn event_for<'r, T: EventSourced>(record: &'r EventRef<'r>) -> Result<Event<PayloadFor<'r, T>>, StoreError> {
    let payload = T::Input::decode(record.kind(), record.payload_version(), payload_of(record)?)
        .map_err(|error| not_decoded(record, error))?;
    Ok(Event::new(EventHeader::from(record), payload))
}
