//! Typed payloads: what is stored of each form, and what is read of each version.

use crate::fixtures::{Machine, at};
use batpak::store::{
    AppendOptions, BatchAppendItem, CausationRef, EventSourced, Freshness, Projection, Store, StoreError,
    payload_to_json,
};
use batpak::{Event, EventKind, EventPayload, PayloadError, Region};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "order.placed")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placed {
    order_id: u32,
    #[serde(rename = "what")]
    items: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip)]
    cached: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct Weight {
    grams: u32,
}

/// As an old program has it, with a type in it that is not a payload itself.
#[derive(Debug, Serialize, Deserialize, EventPayload)]
#[batpak(category = 9, type_id = 1, name = "parcel.sent")]
struct SentOnce {
    weights: Vec<Weight>,
}

#[derive(Debug, Serialize, Deserialize, EventPayload)]
#[batpak(category = 9, type_id = 1, version = 2, name = "parcel.sent", upcast(Self::from_v1))]
struct Sent {
    grams: u32,
}

impl Sent {
    fn from_v1(old: SentOnce) -> Self {
        Self { grams: old.weights.into_iter().map(|weight| weight.grams).sum() }
    }
}

#[test]
fn an_old_program_opens_a_store_with_newer_versions_and_appends_its_own() {
    let machine = Machine::new();
    let store = machine.open();
    store.append_typed(&at("parcel:1", "post"), &Sent { grams: 5 }).expect("append");
    store.close().expect("close");
    let old = Store::open(machine.config().with_events::<SentOnce>()).expect("it is not refused");
    old.append_typed(&at("parcel:1", "post"), &SentOnce { weights: vec![Weight { grams: 6 }] }).expect("append");
    let read: Vec<_> = old.events(&Region::all()).typed::<SentOnce>().collect();
    assert!(matches!(
        &read[..],
        [Err(StoreError::Payload { error: PayloadError::NewerVersion { version: 2, known: 1, .. }, .. }), Ok(_)]
    ));
    let read = old.events(&Region::all()).typed::<Sent>().map(|event| event.expect("both").event.payload().grams);
    assert_eq!(read.collect::<Vec<_>>(), [5, 6]);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 2, name = "order.weighed")]
struct Weighed(u32, f64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 3, name = "order.counted")]
struct Counted(u32);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 4, name = "order.cancelled")]
struct Cancelled;

#[derive(Deserialize)]
struct RenamedV1 {
    name: String,
}

#[derive(Deserialize)]
struct RenamedV2 {
    first: String,
    last: String,
}

/// All forms of a variant; the first two are like the structs above, and one has been changed twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 2)]
#[serde(rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub(crate) enum Account {
    #[batpak(type_id = 1, name = "account.opened")]
    Opened,
    #[batpak(type_id = 2, name = "account.paid")]
    Paid {
        in_cents: i64,
        #[serde(default)]
        by: Option<String>,
    },
    #[batpak(type_id = 3, name = "account.moved")]
    Moved(u8, String),
    #[batpak(type_id = 4, name = "account.counted")]
    Counted(u64),
    #[batpak(category = 3, type_id = 9, version = 3, name = "account.renamed", upcast(split, Self::since_v3))]
    Renamed { first: String, last: String, title: Option<String> },
}

fn split(old: RenamedV1) -> RenamedV2 {
    let RenamedV1 { name } = old;
    let (first, last) = name.split_once(' ').unwrap_or(("", &name));
    RenamedV2 { first: first.to_owned(), last: last.to_owned() }
}

impl Account {
    fn since_v3(old: RenamedV2) -> Self {
        Self::Renamed { first: old.first, last: old.last, title: None }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 4)]
pub(crate) enum Anything {
    Account(Account),
    #[batpak(type_id = 1, name = "noted")]
    Noted {
        text: String,
    },
    Placed(Placed),
}

/// Needs nothing of serde.
#[derive(Debug, Clone, PartialEq, EventPayload)]
enum Order {
    Placed(Placed),
    Weighed(Weighed),
    Counted(Counted),
    Cancelled(Cancelled),
}

fn placed() -> Placed {
    Placed { order_id: 7, items: vec!["a chair".to_owned()], note: None, cached: 0 }
}

fn renamed() -> Account {
    Account::Renamed { first: "Ada".to_owned(), last: "Lovelace".to_owned(), title: None }
}

/// The payload is stored as `shown`, and read again as it was.
#[track_caller]
fn check<T: EventPayload + Clone + PartialEq + std::fmt::Debug>(payload: &T, kind: EventKind, shown: &Value) {
    let mut bytes = Vec::new();
    payload.encode(&mut bytes).expect("encode");
    assert_eq!(payload_to_json(&bytes).expect("one value"), *shown);
    let info = payload.kind_info();
    assert_eq!(info.kind, kind);
    assert_eq!(T::info_of(kind), Some(info));
    for version in [0, info.version] {
        assert_eq!(T::decode(kind, version, &bytes).expect("decode"), *payload);
    }

    let machine = Machine::new();
    let store = machine.open();
    let receipt = store.append_typed(&at("a", "x"), payload).expect("append");
    let stored = store.get_typed::<T>(receipt.event_id).expect("an event").event;
    assert_eq!((stored.kind(), stored.payload_version()), (kind, info.version));
    assert_eq!(stored.payload(), payload);
}

#[test]
fn a_struct_is_stored_as_serde_says() {
    let shown = json!({"orderId": 7, "what": ["a chair"]});
    check(&placed(), EventKind::custom(1, 1), &shown);
    check(&Weighed(7, 0.5), EventKind::custom(1, 2), &json!([7, 0.5]));
    check(&Counted(7), EventKind::custom(1, 3), &json!(7));
    check(&Cancelled, EventKind::custom(1, 4), &json!([]));
}

#[test]
fn of_a_variant_its_content_is_stored() {
    let paid = Account::Paid { in_cents: 5, by: None };
    check(&Account::Opened, EventKind::custom(2, 1), &json!([]));
    check(&paid, EventKind::custom(2, 2), &json!({"inCents": 5, "by": null}));
    check(&Account::Moved(1, "b".to_owned()), EventKind::custom(2, 3), &json!([1, "b"]));
    check(&Account::Counted(u64::MAX), EventKind::custom(2, 4), &json!(u64::MAX));
    let shown = json!({"first": "Ada", "last": "Lovelace", "title": null});
    check(&renamed(), EventKind::custom(3, 9), &shown);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Times {
    began: u64,
    ended: u64,
}

mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn serialize<S: Serializer>(number: &u32, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, EventPayload)]
#[batpak(category = 5)]
enum Attributed {
    #[batpak(type_id = 1, name = "flattened")]
    Flattened {
        #[serde(flatten)]
        times: Times,
        done: bool,
    },
    #[batpak(type_id = 2, name = "with")]
    With(#[serde(with = "as_text")] u32),
    #[batpak(type_id = 3, name = "renamed")]
    #[serde(rename = "another name", rename_all = "kebab-case", alias = "and another")]
    Renamed {
        #[serde(alias = "before")]
        how_many: u32,
        r#type: Option<Times>,
    },
}

#[test]
fn attributes_of_serde_on_fields_hold_in_variants() {
    let times = Times { began: 1, ended: 2 };
    let flattened = Attributed::Flattened { times: times.clone(), done: true };
    check(&flattened, EventKind::custom(5, 1), &json!({"began": 1, "ended": 2, "done": true}));
    check(&Attributed::With(7), EventKind::custom(5, 2), &json!("7"));
    let renamed = Attributed::Renamed { how_many: 3, r#type: Some(times) };
    check(&renamed, EventKind::custom(5, 3), &json!({"how-many": 3, "type": {"began": 1, "ended": 2}}));
    assert_eq!(renamed.kind_info().fields, ["how-many", "type"]);
    assert_eq!(flattened.kind_info().fields, ["done"]);
    let before = batpak::store::payload_from_json(&json!({"before": 3, "type": null})).expect("encode");
    let read = Attributed::decode(EventKind::custom(5, 3), 1, &before).expect("decode");
    assert_eq!(read, Attributed::Renamed { how_many: 3, r#type: None });
}

#[test]
fn an_enum_of_payloads_stores_what_they_store() {
    check(&Order::Placed(placed()), EventKind::custom(1, 1), &json!({"orderId": 7, "what": ["a chair"]}));
    check(&Order::Cancelled(Cancelled), EventKind::custom(1, 4), &json!([]));
    check(&Anything::Account(Account::Opened), EventKind::custom(2, 1), &json!([]));
    check(&Anything::Placed(placed()), EventKind::custom(1, 1), &json!({"orderId": 7, "what": ["a chair"]}));
    check(&Anything::Noted { text: "b".to_owned() }, EventKind::custom(4, 1), &json!({"text": "b"}));
}

#[test]
fn kinds_are_told_with_their_names_and_fields() {
    let told = |infos: &[batpak::KindInfo]| {
        infos.iter().map(|info| format!("{} {} {} {:?}", info.kind, info.version, info.name, info.fields)).collect()
    };
    let placed: Vec<String> = told(Placed::KINDS);
    assert_eq!(placed, [r#"1:001 1 order.placed ["orderId", "what", "note"]"#]);
    let account = [
        "2:001 1 account.opened []",
        r#"2:002 1 account.paid ["inCents", "by"]"#,
        "2:003 1 account.moved []",
        "2:004 1 account.counted []",
        r#"3:009 3 account.renamed ["first", "last", "title"]"#,
    ];
    assert_eq!(told(Account::KINDS), account);
    let all: Vec<String> = told(Anything::KINDS);
    assert_eq!(all[..5], account);
    assert_eq!(all[5..], [&placed[0], r#"4:001 1 noted ["text"]"#]);
    assert!(Anything::KIND_LIST.iter().eq(Anything::KINDS.iter().map(|info| &info.kind)));
    assert_eq!(Order::info_of(EventKind::custom(2, 1)), None);
}

#[test]
fn an_older_version_goes_through_every_step() {
    let kind = EventKind::custom(3, 9);
    let bytes = |value: Value| batpak::store::payload_from_json(&value).expect("encode");
    let first = bytes(json!({"name": "Ada Lovelace"}));
    let second = bytes(json!({"first": "Ada", "last": "Lovelace"}));
    let third = bytes(json!({"first": "Ada", "last": "Lovelace", "title": null}));
    for (version, payload) in [(1, &first), (2, &second), (3, &third), (0, &third)] {
        assert_eq!(Account::decode(kind, version, payload).expect("decode"), renamed(), "{version}");
        let of_set = Anything::decode(kind, version, payload).expect("decode");
        assert_eq!(of_set, Anything::Account(renamed()), "{version}");
    }
    for (version, payload) in [(2, &first), (1, &second), (0, &first)] {
        let error = Account::decode(kind, version, payload).expect_err("another version");
        assert!(matches!(error, PayloadError::Decode(_)), "{error:?}");
    }
}

/// Without this, a program that was rolled back would read what a newer one wrote as something else.
#[test]
fn a_version_that_is_not_known_is_an_error_that_says_so() {
    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 1, type_id = 1, version = 2, name = "order.placed", upcast(Self::from_v1))]
    struct Newer {
        #[serde(rename = "orderId")]
        order_id: u32,
        what: Vec<String>,
    }
    impl Newer {
        fn from_v1(old: Placed) -> Self {
            Self { order_id: old.order_id, what: old.items }
        }
    }
    let machine = Machine::new();
    let store = machine.open();
    let old = store.append_typed(&at("a", "x"), &placed()).expect("append");
    assert_eq!(store.get_typed::<Newer>(old.event_id).expect("an older one").event.payload().order_id, 7);
    let newer = Newer { order_id: 8, what: Vec::new() };
    let new = store.append_typed(&at("a", "x"), &newer).expect("append");
    let error = store.get_typed::<Placed>(new.event_id).expect_err("a newer version");
    let StoreError::Payload { sequence: 1, error: source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "order.placed (1:001) has version 2, this program knows versions up to 1");
    let mut typed = store.events(&Region::all()).typed::<Placed>();
    assert!(typed.next().expect("the first").is_ok());
    assert!(matches!(typed.next(), Some(Err(StoreError::Payload { sequence: 1, .. }))));
    assert_eq!(store.get_as::<Value>(new.event_id).expect("untyped").event.payload()["orderId"], 8);
}

#[test]
fn an_event_without_a_type_is_read_as_the_newest_version() {
    let machine = Machine::new();
    let store = machine.open();
    let untyped = json!({"first": "Ada", "last": "Lovelace", "title": null});
    let receipt = store.append(&at("a", "x"), EventKind::custom(3, 9), &untyped).expect("append");
    let event = store.get_typed::<Account>(receipt.event_id).expect("an event").event;
    assert_eq!((event.payload_version(), event.payload()), (0, &renamed()));
}

#[test]
fn an_event_of_another_kind_is_an_error() {
    let machine = Machine::new();
    let store = machine.open();
    let receipt = store.append_typed(&at("a", "x"), &Cancelled).expect("append");
    let error = store.get_typed::<Account>(receipt.event_id).expect_err("another kind");
    let StoreError::Payload { error: PayloadError::OtherKind { kind }, .. } = error else { panic!("{error:?}") };
    assert_eq!(kind, EventKind::custom(1, 4));
}

#[test]
fn an_old_version_does_not_become_another_kind() {
    #[derive(serde::Serialize, serde::Deserialize, EventPayload)]
    #[batpak(category = 2, type_id = 40, name = "door.opened")]
    struct Opened {}

    #[derive(Debug, serde::Serialize, serde::Deserialize, EventPayload)]
    #[batpak(category = 2)]
    enum Door {
        #[batpak(type_id = 40, version = 2, name = "door.opened", upcast(Self::from_v1))]
        Opened {},
        #[batpak(type_id = 41, name = "door.shut")]
        Shut {},
    }

    impl Door {
        fn from_v1(_: serde_json::Value) -> Self {
            Self::Shut {}
        }
    }

    let store = Machine::new().open();
    let receipt = store.append_typed(&at("a", "x"), &Opened {}).expect("append");
    let error = store.get_typed::<Door>(receipt.event_id).expect_err("it is shut");
    assert_eq!(
        error.to_string(),
        "event 0, kind 2:028, cannot be decoded: door.opened (2:028) has version 1, which `upcast` takes to door.shut: \
         it has to stay door.opened"
    );
}

/// The number is the same, and what it means is another thing.
#[test]
fn a_kind_that_means_something_else_is_not_read() {
    #[derive(Debug, Default, serde::Serialize, serde::Deserialize, EventPayload)]
    #[batpak(category = 2, type_id = 50, name = "temperature.measured")]
    struct Measured(i64);

    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize, EventPayload)]
    #[batpak(category = 2, type_id = 50, name = "price.set")]
    struct Price(i64);

    #[derive(Clone, Debug, Default)]
    struct Last(i64);

    impl Projection for Last {
        type Event = Price;

        fn apply(&mut self, event: &Event<Price>) {
            self.0 = event.payload().0;
        }
    }

    fn refused<T>(result: Result<T, StoreError>) {
        let error = result.err().expect("refused").to_string();
        assert_eq!(
            error,
            "kind 2:032 is temperature.measured in the store and price.set in the program: give price.set another type_id"
        );
    }

    let machine = Machine::new();
    let store = machine.open();
    let receipt = store.append_typed(&at("a", "x"), &Measured(20)).expect("append");
    store.close().expect("close");
    for store in [machine.open_read_only(), machine.open()] {
        refused(store.get_typed::<Price>(receipt.event_id));
        refused(store.project::<Last>("a", &Freshness::Consistent));
        refused(store.state::<Last>("a", &Freshness::Consistent));
        let mut typed = store.events(&Region::all()).typed::<Price>();
        refused(typed.next().expect("an error"));
        assert!(typed.next().is_none());
        assert_eq!(store.get_typed::<Measured>(receipt.event_id).expect("an event").event.payload().0, 20);
        let _ = store.close();
    }
}

#[test]
fn batches_and_tickets_and_options_take_typed_payloads() {
    let machine = Machine::new();
    let store = machine.open();
    let (place, options) = (at("a", "x"), AppendOptions::default());
    let with_key = options.with_idempotency_key(5).expect_new();
    let first = store.append_typed_with(&place, &renamed(), with_key).expect("append");
    assert!(store.append_typed_with(&place, &renamed(), with_key).expect("again").replayed());
    let items = [
        BatchAppendItem::typed(place.clone(), &renamed(), options, CausationRef::Event(first.event_id)),
        BatchAppendItem::new(place.clone(), EventKind::custom(1, 4), &(), options, CausationRef::None),
        BatchAppendItem::typed(place.clone(), &Order::Placed(placed()), options, CausationRef::Item(0)),
    ];
    store.append_batch(items.map(|item| item.expect("an item"))).expect("append");
    store.submit_typed(&place, &Account::Opened, options).expect("a ticket").wait().expect("append");
    let stored = store.events(&Region::all()).map(|event| event.expect("an event").event);
    let stored: Vec<_> = stored.map(|event| (event.kind().to_string(), event.payload_version())).collect();
    let expected = [("3:009", 3), ("3:009", 3), ("1:004", 0), ("1:001", 1), ("2:001", 1)];
    assert!(stored.iter().map(|(kind, version)| (kind.as_str(), *version)).eq(expected), "{stored:?}");
}

fn mixed(store: &Store) {
    let place = at("a", "x");
    store.append_typed(&place, &Account::Opened).expect("append");
    store.append_typed(&place, &placed()).expect("append");
    store.append(&place, EventKind::custom(9, 9), &"no account").expect("append");
    store.append_typed(&at("b", "x"), &Account::Opened).expect("append");
    store.append_typed(&place, &Account::Paid { in_cents: 5, by: None }).expect("append");
    store.append(&place, EventKind::custom(3, 9), &json!({"first": "A", "last": "L"})).expect("append");
}

#[test]
fn typed_events_are_those_of_the_kinds_of_the_type() {
    let machine = Machine::new();
    let store = machine.open();
    mixed(&store);
    let found = |region: &Region| -> Vec<u64> {
        let typed = store.events(region).typed::<Account>();
        typed.map(|event| event.expect("an event").event.sequence()).collect()
    };
    assert_eq!(found(&Region::all()), [0, 3, 4, 5]);
    assert_eq!(found(&Region::entity("a")), [0, 4, 5]);
    assert_eq!(found(&Region::kind(EventKind::custom(2, 1))), [0, 3], "what the region says still holds");
    assert!(found(&Region::kind(EventKind::custom(9, 9))).is_empty());
    let newest = store.events(&Region::all()).backward().typed::<Placed>().next().expect("one").expect("an event");
    assert_eq!(newest.event.payload(), &placed());
}

#[derive(Debug, Default, PartialEq)]
struct Balance {
    cents: i64,
    taken: Vec<u64>,
}

impl Projection for Balance {
    type Event = Account;

    fn apply(&mut self, event: &Event<Account>) {
        if let Account::Paid { in_cents, .. } = event.payload() {
            self.cents += in_cents;
        }
        self.taken.push(event.sequence());
    }
}

#[test]
fn a_projection_reads_the_kinds_of_its_event() {
    assert_eq!(Balance::relevant_event_kinds(), Account::KIND_LIST);
    let machine = Machine::new();
    let store = machine.open();
    mixed(&store);
    let balance = store.project("a", &Freshness::Consistent).expect("project");
    assert_eq!(balance, Some(Balance { cents: 5, taken: vec![0, 4, 5] }));
    let error = store
        .append(&at("a", "x"), EventKind::custom(2, 2), &"no payment")
        .and_then(|_| store.project::<Balance>("a", &Freshness::Consistent));
    assert!(matches!(error, Err(StoreError::Payload { sequence: 6, .. })), "{error:?}");
}

/// An enum that says by hand how it is stored would be stored with its variant, and not be readable.
#[test]
fn an_enum_that_is_not_stored_as_one_is_refused() {
    #[derive(Debug, EventPayload)]
    #[batpak(category = 1)]
    enum ByHand {
        #[batpak(type_id = 1, name = "by.hand")]
        Only,
    }
    impl Serialize for ByHand {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str("only")
        }
    }
    impl<'de> Deserialize<'de> for ByHand {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer).map(|_| Self::Only)
        }
    }
    let error = ByHand::Only.encode(Vec::new()).expect_err("a string");
    assert!(error.to_string().contains("derive its serde traits"), "{error}");
    let error = ByHand::decode(EventKind::custom(1, 1), 1, &[0xA0]).expect_err("a string");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("derive its serde traits"), "{cause}");
}

#[test]
fn an_untyped_payload_of_another_shape_is_met_by_the_projection() {
    #[derive(Debug, Default)]
    struct Total(u32);

    impl Projection for Total {
        type Event = Counted;

        fn apply(&mut self, event: &Event<Counted>) {
            self.0 += event.payload().0;
        }
    }

    let store = Machine::new().open();
    let (counter, kind) = (at("counter", "shop"), EventKind::custom(1, 3));
    store.append_typed(&counter, &Counted(4)).expect("append");
    store.append(&counter, kind, &5).expect("append");
    let total: Option<Total> = store.project("counter", &Freshness::Consistent).expect("the shape is right");
    assert_eq!(total.map(|total| total.0), Some(9));
    store.append(&counter, kind, &"six").expect("it is not checked");
    let error = store.project::<Total>("counter", &Freshness::Consistent).expect_err("text is no number");
    assert!(matches!(error, StoreError::Payload { sequence: 2, .. }), "{error}");
}
