//! Projections: the state of an entity from its events, in the three ways to get payloads.

use crate::fixtures::{Anything, KIND, Machine, OTHER, THIRD, append, at};
use batpak::store::{
    EventSourced, Freshness, Projection, ProjectionInput, RawMsgpackInput, Store, StoreError, ValueInput,
};
use batpak::{Event, EventKind, EventPayload, PayloadError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "paid")]
struct Paid {
    cents: i64,
}

/// Typed, of one kind.
#[derive(Debug, Default, PartialEq)]
struct Balance {
    cents: i64,
    revisions: Vec<u64>,
}

impl Projection for Balance {
    type Event = Paid;

    fn apply(&mut self, event: &Event<Paid>) {
        self.cents += event.payload().cents;
        self.revisions.push(event.revision());
    }
}

/// JSON, of all kinds; what comes before the first payload with `begin` does not matter.
#[derive(Debug, PartialEq)]
struct Seen(Vec<Value>);

impl EventSourced for Seen {
    type Input = ValueInput;

    fn from_events(events: &[Event<Value>]) -> Option<Self> {
        let begin = events.iter().position(|event| event.payload()["begin"] == true)?;
        Some(Self(events[begin..].iter().map(|event| event.payload().clone()).collect()))
    }

    fn apply_event(&mut self, event: &Event<Value>) {
        self.0.push(event.payload().clone());
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[]
    }
}

/// Bytes, of two kinds.
#[derive(Debug, PartialEq)]
struct Bytes(Vec<Vec<u8>>);

impl EventSourced for Bytes {
    type Input = RawMsgpackInput;

    fn from_events(events: &[Event<&[u8]>]) -> Option<Self> {
        Some(Self(events.iter().map(|event| event.payload().to_vec()).collect()))
    }

    fn apply_event(&mut self, event: &Event<&[u8]>) {
        self.0.push(event.payload().to_vec());
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[OTHER, THIRD]
    }
}

/// An input of one's own.
struct Doubled;

impl ProjectionInput for Doubled {
    type Payload<'a> = (&'a [u8], usize);

    fn decode(_: EventKind, _: u16, payload: &[u8]) -> Result<Self::Payload<'_>, PayloadError> {
        Ok((payload, payload.len() * 2))
    }
}

#[derive(Debug, PartialEq)]
struct Sum(usize);

impl EventSourced for Sum {
    type Input = Doubled;

    fn from_events(events: &[Event<(&[u8], usize)>]) -> Option<Self> {
        Some(Self(events.iter().map(|event| event.payload().1).sum()))
    }

    fn apply_event(&mut self, event: &Event<(&[u8], usize)>) {
        self.0 += event.payload().1;
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[]
    }
}

fn project<T: EventSourced>(store: &Store, entity: &str) -> Option<T> {
    store.project(entity, &Freshness::Consistent).expect("project")
}

fn store(machine: &Machine) -> Store {
    let store = Store::open(machine.config().with_segment_max_bytes(512)).expect("open");
    let account = at("account:1", "bank");
    append(&store, &account, &json!({"cents": 5}));
    append(&store, &at("account:10", "bank"), &json!({"cents": 10_000}));
    store.append(&account, OTHER, &"text").expect("append");
    append(&store, &account, &json!({"cents": -7, "begin": true}));
    store.append(&at("account:1", "other scope"), THIRD, &3).expect("append");
    append(&store, &account, &json!({"cents": 100}));
    store
}

#[test]
fn typed_json_and_raw_projections_see_their_kinds_of_exactly_their_entity() {
    let machine = Machine::new();
    let writer = store(&machine);
    for store in [&writer, &machine.open_read_only()] {
        let balance: Balance = project(store, "account:1").expect("a state");
        assert_eq!(balance, Balance { cents: 98, revisions: vec![0, 2, 4] });
        let seen: Seen = project(store, "account:1").expect("a state");
        assert_eq!(seen.0, [json!({"cents": -7, "begin": true}), json!(3), json!({"cents": 100})]);
        let bytes: Bytes = project(store, "account:1").expect("a state");
        assert_eq!(bytes.0, [b"\xA4text".to_vec(), vec![3]]);
        let lengths: usize = store
            .stream("account:1")
            .iter()
            .map(|row| store.get_raw(row.event_id).expect("an event").event.payload().len() * 2)
            .sum();
        assert_eq!(project(store, "account:1"), Some(Sum(lengths)));
    }
}

#[test]
fn without_an_event_that_matters_there_is_no_state() {
    let machine = Machine::new();
    let store = store(&machine);
    assert_eq!(project::<Balance>(&store, "account:2"), None);
    assert_eq!(project::<Balance>(&store, ""), None);
    assert_eq!(project::<Bytes>(&store, "account:10"), None);
    assert_eq!(project::<Seen>(&store, "account:10"), None, "there are events, of which none matters");
}

#[test]
fn a_projection_is_as_new_as_the_last_receipt() {
    let machine = Machine::new();
    let store = store(&machine);
    for n in 0..50 {
        append(&store, &at("account:10", "bank"), &json!({"cents": 1}));
        assert_eq!(project::<Balance>(&store, "account:10").expect("a state").cents, 10_001 + n);
    }
}

#[test]
fn a_payload_of_another_shape_is_an_error_that_names_its_event() {
    let machine = Machine::new();
    let store = store(&machine);
    append(&store, &at("account:1", "bank"), &json!({"euros": 5}));
    let error = store.project::<Balance>("account:1", &Freshness::Consistent).expect_err("no cents");
    assert!(matches!(error, StoreError::Payload { sequence: 6, .. }), "{error:?}");
    assert!(project::<Seen>(&store, "account:1").is_some(), "who does not ask for cents is not disturbed");
}

#[test]
fn a_projection_that_panics_leaves_the_store_usable() {
    #[derive(Debug, Default)]
    struct Broken;
    impl Projection for Broken {
        type Event = Anything;

        fn apply(&mut self, _event: &Event<Anything>) {
            panic!("a bug in a projection");
        }
    }
    let machine = Machine::new();
    let store = store(&machine);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| project::<Broken>(&store, "account:1")));
    assert!(result.is_err());
    assert_eq!(project::<Balance>(&store, "account:1").expect("a state").cents, 98);
    append(&store, &at("account:1", "bank"), &json!({"cents": 2}));
    assert_eq!(project::<Balance>(&store, "account:1").expect("a state").cents, 100);
    store.close().expect("close");
}

/// A state that took an event twice, or left one out, would be wrong for as long as it is kept.
#[test]
fn a_state_that_is_kept_takes_each_event_once() {
    let machine = Machine::new();
    let store = Store::open(machine.config().with_segment_max_bytes(2048)).expect("open");
    let mut kept = store.projected::<Balance>("a");
    assert_eq!(kept.newest().expect("nothing"), None);
    for n in 0..60_u64 {
        let (entity, kind) = [("a", KIND), ("b", KIND), ("a", OTHER)][usize::try_from(n % 3).expect("small")];
        store.append(&at(entity, "x"), kind, &json!({"cents": n})).expect("append");
        if n % 7 == 0 {
            let whole = store.project::<Balance>("a", &Freshness::Consistent).expect("project");
            assert_eq!(kept.newest().expect("newest"), whole.as_ref());
        }
    }
    store.append(&at("a", "x"), KIND, &json!("no payload of this type")).expect("append");
    store.append(&at("a", "x"), KIND, &json!({"cents": 1})).expect("append");
    for _ in 0..2 {
        let error = kept.newest().expect_err("it cannot be decoded");
        assert!(matches!(error, StoreError::Payload { sequence: 60, .. }), "{error:?}");
    }
    store.close().expect("close");
    assert!(matches!(kept.newest(), Err(StoreError::Closed)));
}
