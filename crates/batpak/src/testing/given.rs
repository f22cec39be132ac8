//! Given events, when a command, then events, or a denial, or an error.

use crate::event_payload::EventPayload;
use crate::store::{Environment, MemoryFileSystem, Store, StoreConfig, SystemEntropy, payload_to_json};
use crate::testing::ManualClock;
use batpak_core::{Coordinate, EventKind, Region, StoredEvent};
use batpak_guard::Denial;
use serde_json::Value;
use std::error::Error;
use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::time::Duration;

/// A store in memory for tests of what a program decides: given events, when a command, then events, or a denial, or an
/// error.
///
/// It is the real store with its own code. Only its files are in memory, it has no threads, and its clock stands until
/// it is set. What is not as expected is a panic that shows both.
///
/// # Examples
/// ```
/// use batpak::prelude::*;
/// use batpak::testing::TestStore;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, EventPayload)]
/// #[batpak(category = 1)]
/// enum Seat {
///     #[batpak(type_id = 1, name = "seat.taken")]
///     Taken { by: String },
///     #[batpak(type_id = 2, name = "seat.left")]
///     Left,
/// }
///
/// fn leave(store: &Store, seat: &Coordinate) -> Result<(), StoreError> {
///     let options = AppendOptions::default().expect_len(1);
///     store.append_typed_with(seat, &Seat::Left, options).map(drop)
/// }
///
/// let seat = Coordinate::new("seat:4", "hall")?;
/// TestStore::new()
///     .given(&seat, &Seat::Taken { by: "ann".to_owned() })
///     .when(|store| leave(store, &seat))
///     .then_events(&[(&seat, Seat::Left)]);
///
/// TestStore::new().when(|store| leave(store, &seat)).then_error(StoreError::is_conflict);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is tested yet"]
pub struct TestStore {
    store: Store,
    clock: Arc<ManualClock>,
}

/// What a command has returned and appended. See [`TestStore::when`].
///
/// Records that the store makes of its gates are left out of what is compared.
#[derive(Debug)]
#[must_use = "nothing is expected yet: `then_…` says it"]
pub struct Outcome<T, E> {
    returned: Result<T, E>,
    appended: Vec<StoredEvent<Vec<u8>>>,
}

impl Default for TestStore {
    fn default() -> Self {
        Self::new()
    }
}

impl TestStore {
    /// An empty store, on some day in 2023.
    ///
    /// # Panics
    /// If it does not open.
    #[track_caller]
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let environment = Environment {
            file_system: Arc::new(MemoryFileSystem::new()),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SystemEntropy),
        };
        let config = StoreConfig::new("/store").with_environment(environment).without_threads();
        Self { store: expected(Store::open(config), "the store opens"), clock }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Its clock. What a command asks of it is [`Store::now`]; [`after`](Self::after) lets time pass.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// This event has happened.
    ///
    /// # Panics
    /// If it cannot be appended.
    #[track_caller]
    pub fn given<P: EventPayload>(self, coordinate: &Coordinate, event: &P) -> Self {
        self.given_by(|store| {
            let mut happened = store.transaction();
            happened.append_typed(coordinate, event)?;
            happened.commit()
        })
    }

    /// What this function does has happened.
    ///
    /// # Panics
    /// If it returns an error.
    #[track_caller]
    pub fn given_by<T, E: Debug>(self, act: impl FnOnce(&Store) -> Result<T, E>) -> Self {
        expected(act(&self.store), "what is given happens");
        self
    }

    /// So much time has passed.
    pub fn after(self, time: Duration) -> Self {
        self.clock.advance(time);
        self
    }

    /// Has a command do what it does.
    ///
    /// # Panics
    /// If what it has appended cannot be read, as after it has closed the store.
    #[track_caller]
    pub fn when<T, E>(&self, command: impl FnOnce(&Store) -> Result<T, E>) -> Outcome<T, E> {
        let first = self.store.diagnostics().visible;
        let returned = command(&self.store);
        let appended: Result<Vec<_>, _> = self.store.events(&Region::all()).from(first).raw().collect();
        let mut appended = expected(appended, "what was appended is read");
        appended.retain(|stored| !stored.event.kind().is_reserved());
        Outcome { returned, appended }
    }
}

impl<T, E: Debug> Outcome<T, E> {
    /// The command has appended exactly these events, in this order, and failed with no error. Returns what it returned.
    ///
    /// # Panics
    /// If that is not so.
    #[track_caller]
    pub fn then_events<P: EventPayload + PartialEq + Debug>(self, events: &[(&Coordinate, P)]) -> T {
        let found = self.appended.iter().map(|stored| {
            let event = &stored.event;
            match P::decode(event.kind(), event.payload_version(), event.payload()) {
                Ok(event) => (&stored.coordinate, Ok(event)),
                Err(error) => (&stored.coordinate, Err(format!("{}, which is not expected: {error}", shown(stored)))),
            }
        });
        let found: Vec<_> = found.collect();
        let same = found.iter().map(|(at, event)| (*at, event.as_ref().ok()));
        let same = same.eq(events.iter().map(|(at, event)| (*at, Some(event))));
        let expected = events.iter().map(|(at, event)| format!("{at}  {event:?}"));
        let found = found.iter().map(|(at, event)| match event {
            Ok(event) => format!("{at}  {event:?}"),
            Err(other) => other.clone(),
        });
        check(self.returned, same, &listed(expected), &listed(found))
    }

    /// The same with kinds and payloads as JSON, for events of any type.
    ///
    /// # Panics
    /// If that is not so.
    #[track_caller]
    pub fn then_json(self, events: &[(&Coordinate, EventKind, Value)]) -> T {
        let found = self.appended.iter().map(|stored| {
            let payload = expected(payload_to_json(stored.event.payload()), "JSON shows the payload");
            (&stored.coordinate, stored.event.kind(), payload)
        });
        let found: Vec<_> = found.collect();
        let line = |(at, kind, payload): &(&Coordinate, EventKind, Value)| format!("{at}  {kind}  {payload}");
        let (same, found) = (found == events, listed(found.iter().map(line)));
        check(self.returned, same, &listed(events.iter().map(line)), &found)
    }

    /// The command has appended nothing, and failed with no error. Returns what it returned.
    ///
    /// # Panics
    /// If that is not so.
    #[track_caller]
    pub fn then_nothing(self) -> T {
        let found = self.found();
        check(self.returned, found.is_empty(), "", &found)
    }

    /// The command has failed with such an error and appended nothing. Returns the error.
    ///
    /// # Panics
    /// If that is not so.
    #[track_caller]
    pub fn then_error(self, is_it: impl FnOnce(&E) -> bool) -> E {
        let found = self.found();
        match self.returned {
            Ok(_) => failed("an error", &format!("none, and the events{found}")),
            Err(error) if !is_it(&error) => failed("another error", &format!("{error:?}")),
            Err(_) if !found.is_empty() => failed("an error and no events", &format!("the events{found}")),
            Err(error) => error,
        }
    }

    /// A gate has denied the command with this code, and nothing was appended. Returns the denial, which the error is or
    /// has among its sources.
    ///
    /// # Panics
    /// If that is not so.
    ///
    /// # Examples
    /// ```
    /// use batpak::guard::{Denial, gate_fn};
    /// use batpak::prelude::*;
    /// use batpak::testing::TestStore;
    ///
    /// let mut gates = WriteGates::new();
    /// gates.push(gate_fn("closed", |_: &WriteContext<'_>| Err(Denial::new("", "no sales today").with_code("CLOSED"))));
    /// let gates = WritePipeline::new(gates);
    /// let seat = Coordinate::new("seat:4", "hall")?;
    ///
    /// let denial = TestStore::new()
    ///     .when(|store| {
    ///         let mut sale = store.transaction();
    ///         sale.append(&seat, EventKind::custom(1, 1), &"ann")?;
    ///         sale.commit_through(&gates)
    ///     })
    ///     .then_denied("CLOSED");
    /// assert_eq!(denial.message, "no sales today");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn then_denied(self, code: &str) -> Denial
    where
        E: Error + 'static,
    {
        let found = self.found();
        let expected = format!("a denial with the code {code}, and no events");
        match self.returned {
            Ok(_) => failed(&expected, &format!("no error, and the events{found}")),
            Err(error) => match denial_of(&error) {
                Some(denial) if denial.code == code && found.is_empty() => denial.clone(),
                _ => failed(&expected, &format!("the error {error:?}, and the events{found}")),
            },
        }
    }

    /// What was appended, one line for each.
    fn found(&self) -> String {
        listed(self.appended.iter().map(shown))
    }
}

#[track_caller]
fn check<T, E: Debug>(returned: Result<T, E>, same: bool, expected: &str, found: &str) -> T {
    match returned {
        Ok(value) if same => value,
        Ok(_) => failed(&format!("the events{expected}"), &format!("the events{found}")),
        Err(error) => failed(&format!("the events{expected}"), &format!("the error {error:?}, and the events{found}")),
    }
}

fn denial_of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Denial> {
    match error.downcast_ref() {
        Some(denial) => Some(denial),
        None => denial_of(error.source()?),
    }
}

/// Each in a line of its own.
fn listed(events: impl Iterator<Item = String>) -> String {
    events.fold(String::new(), |mut lines, line| {
        let _ = write!(lines, "\n    {line}");
        lines
    })
}

fn shown(stored: &StoredEvent<Vec<u8>>) -> String {
    let (at, event) = (&stored.coordinate, &stored.event);
    match payload_to_json(event.payload()) {
        Ok(payload) => format!("{at}  {}  {payload}", event.kind()),
        Err(error) => format!("{at}  {}  {error}", event.kind()),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test fails by panicking")]
fn expected<T, E: Debug>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

#[track_caller]
#[expect(clippy::panic, reason = "a test fails by panicking")]
fn failed(expected: &str, found: &str) -> ! {
    panic!("expected: {expected}\nfound: {found}")
}
