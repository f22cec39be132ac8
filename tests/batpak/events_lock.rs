//! The lock over payloads: which changes it refuses, which it lets be accepted, and what it says.

use batpak::EventPayload;
use batpak::testing::{EventsLockError, check_events_lock};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::time::Duration;
use tempfile::TempDir;

/// A payload of one kind, with these fields and those that are always there.
macro_rules! order {
    ($(#[$attribute:meta])* struct $name:ident { $($fields:tt)* }) => {
        #[derive(Serialize, Deserialize, EventPayload)]
        #[batpak(category = 1, type_id = 1, name = "order.placed")]
        $(#[$attribute])*
        struct $name {
            number: u32,
            $($fields)*
        }
    };
}

/// A lock file of `Before`.
fn locked<Before: EventPayload>() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    check_events_lock::<Before>(&dir.path().join("events.lock"), &[], true).expect("a new file");
    check::<Before>(&dir, false).expect("nothing has changed");
    dir
}

fn check<T: EventPayload>(dir: &TempDir, update: bool) -> Result<(), EventsLockError> {
    check_events_lock::<T>(&dir.path().join("events.lock"), &[], update)
}

fn text(dir: &TempDir) -> String {
    std::fs::read_to_string(dir.path().join("events.lock")).expect("a text")
}

/// What is said of a change after which stored payloads cannot be read: all of `parts`. It cannot be accepted.
#[track_caller]
fn refused<Before: EventPayload, After: EventPayload>(parts: &[&str]) {
    let dir = locked::<Before>();
    let before = text(&dir);
    for update in [false, true] {
        let error = check::<After>(&dir, update).expect_err("stored payloads cannot be read");
        assert!(matches!(error, EventsLockError::Unreadable(_)), "{error}");
        let said = error.to_string();
        for part in parts.iter().chain(&["order.placed (1:001), version 1", "version = 2", "upcast(Self::from_v1)"]) {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        assert!(!said.contains("BATPAK_UPDATE_LOCK"), "{said}");
    }
    assert_eq!(text(&dir), before);
}

/// What is said of a change after which stored payloads can be read: all of `parts`. It is accepted once, and what was
/// stored before stays in the file.
#[track_caller]
fn accepted<Before: EventPayload, After: EventPayload>(parts: &[&str]) {
    let dir = locked::<Before>();
    let before = text(&dir);
    let error = check::<After>(&dir, false).expect_err("it is not accepted yet");
    assert!(matches!(error, EventsLockError::Changed(_)), "{error}");
    let said = error.to_string();
    for part in parts.iter().chain(&["BATPAK_UPDATE_LOCK=1"]) {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    check::<After>(&dir, true).expect("accepted");
    check::<After>(&dir, false).expect("nothing has changed");
    let after = text(&dir);
    for sample in before.lines().filter(|line| line.starts_with("  = ")) {
        assert!(after.contains(sample), "{sample} is gone from: {after}");
    }
}

#[test]
fn a_change_of_a_nested_struct_is_refused() {
    #[derive(Serialize, Deserialize)]
    struct Address {
        zip: String,
    }
    #[derive(Serialize, Deserialize)]
    struct Changed {
        zip: u32,
    }
    order! { struct Before { to: Vec<Address>, } }
    order! { struct After { to: Vec<Changed>, } }
    refused::<Before, After>(&["to[].zip: was string, is u32", "stored: {\"number\":4294967295,\"to\":[{"]);
}

#[test]
fn a_field_that_is_renamed_for_serde_is_refused() {
    order! { struct Before { cents: u64, } }
    order! { struct After { #[serde(rename = "amount")] cents: u64, } }
    refused::<Before, After>(&["cents: is gone (was u64)", "amount: is new, u64", "missing field `amount`"]);
    order! { #[serde(rename_all = "UPPERCASE")] struct All { cents: u64, } }
    refused::<Before, All>(&["CENTS: is new, u64", "missing field `NUMBER`"]);
}

#[test]
fn a_variant_that_is_removed_is_refused() {
    #[derive(Serialize, Deserialize)]
    enum State {
        Open,
        Paid { cents: u64 },
    }
    #[derive(Serialize, Deserialize)]
    enum Fewer {
        Open,
    }
    order! { struct Before { state: State, } }
    order! { struct After { state: Fewer, } }
    refused::<Before, After>(&[
        "state::Paid: is gone",
        "state::Paid.cents: is gone (was u64)",
        "unknown variant `Paid`",
    ]);
}

#[test]
fn an_option_that_becomes_required_is_refused() {
    order! { struct Before { note: Option<String>, } }
    order! { struct After { note: String, } }
    refused::<Before, After>(&["note: was optional string, is string"]);
    order! { struct Absent { #[serde(default, skip_serializing_if = "Option::is_none")] note: Option<String>, } }
    refused::<Absent, After>(&["note: was optional string, is string", "missing field `note`"]);
}

#[test]
fn a_type_that_is_changed_is_refused() {
    order! { struct Large { cents: u64, } }
    order! { struct Small { cents: u32, } }
    order! { struct Signed { cents: i64, } }
    order! { struct Text { cents: String, } }
    refused::<Large, Small>(&["cents: was u64, is u32"]);
    refused::<Large, Signed>(&["cents: was u64, is i64"]);
    refused::<Signed, Large>(&["cents: was i64, is u64"]);
    refused::<Large, Text>(&["cents: was u64, is string"]);
    order! { struct List { cents: Vec<u64>, } }
    order! { struct Pair { cents: (u64, u64), } }
    refused::<List, Pair>(&["cents: was list, is tuple of 2"]);
}

#[test]
fn a_kind_that_is_gone_is_refused() {
    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 1)]
    enum Before {
        #[batpak(type_id = 1, name = "order.placed")]
        Placed,
        #[batpak(type_id = 2, name = "order.paid")]
        Paid,
    }
    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 1)]
    enum After {
        #[batpak(type_id = 1, name = "order.placed")]
        Placed,
    }
    let error = check::<After>(&locked::<Before>(), true).expect_err("a kind is gone");
    assert!(error.to_string().contains("order.paid (1:002), version 1"), "{error}");
}

#[test]
fn what_can_be_read_is_accepted() {
    #[derive(Serialize, Deserialize)]
    enum State {
        Open,
    }
    #[derive(Serialize, Deserialize)]
    enum More {
        Open,
        Paid(u64),
    }
    order! { struct Before { state: State, } }
    order! { struct Optional { state: State, note: Option<String>, } }
    order! { struct Defaulted { state: State, #[serde(default)] items: Vec<String>, } }
    order! { struct Variants { state: More, } }
    order! { struct Renamed { #[serde(rename = "now", alias = "state", alias = "before")] state: State, } }
    order! { struct Fewer {} }
    accepted::<Before, Optional>(&["note: is new, optional string"]);
    accepted::<Before, Defaulted>(&["items: is new, list"]);
    accepted::<Before, Variants>(&["state::Paid: is new, u64"]);
    accepted::<Before, Renamed>(&["now: is new, enum", "state: is another name of a field now"]);
    accepted::<Before, Fewer>(&["state: is gone (was enum); what is stored there is not read any more"]);
}

#[test]
fn an_older_version_stays_locked_for_ever() {
    #[derive(Clone, Copy, Serialize, Deserialize, EventPayload)]
    #[batpak(category = 1, type_id = 1, name = "order.placed")]
    struct First {
        euros: i32,
    }
    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 1, type_id = 1, version = 2, name = "order.placed", upcast(Self::from_v1))]
    struct Second {
        cents: i64,
    }
    impl Second {
        fn from_v1(old: First) -> Self {
            Self { cents: i64::from(old.euros) * 100 }
        }
    }
    #[derive(Clone, Copy, Deserialize)]
    struct Forgotten {
        dollars: i32,
    }
    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 1, type_id = 1, version = 2, name = "order.placed", upcast(Self::from_v1))]
    struct Broken {
        cents: i64,
    }
    impl Broken {
        fn from_v1(old: Forgotten) -> Self {
            Self { cents: old.dollars.into() }
        }
    }
    accepted::<First, Second>(&["order.placed (1:001), version 2"]);
    let dir = locked::<First>();
    check::<Second>(&dir, true).expect("accepted");
    let error = check::<Broken>(&dir, true).expect_err("the first version cannot be read").to_string();
    assert!(error.contains("order.placed (1:001), version 1") && error.contains("missing field `dollars`"), "{error}");
    let error = check::<First>(&dir, true).expect_err("the second version is not known").to_string();
    assert!(error.contains("version 2, this program knows versions up to 1"), "{error}");
}

#[derive(Serialize, Deserialize)]
enum Tree {
    Both(Box<Tree>, Box<Tree>),
    Leaf(i8),
}

#[derive(Serialize, Deserialize)]
struct Folder {
    parent: Option<Box<Folder>>,
    inner: Vec<Folder>,
}

/// A time of day, which not every string is.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Clock(String);

impl TryFrom<String> for Clock {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == 8 && text.contains(':') { Ok(Self(text)) } else { Err("no time of day") }
    }
}

impl From<Clock> for String {
    fn from(clock: Clock) -> Self {
        clock.0
    }
}

impl Clone for Clock {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[test]
fn values_are_found_of_most_types() {
    order! {
        struct Everything {
            map: BTreeMap<String, (bool, char, f32)>,
            set: BTreeSet<u8>,
            keyed: BTreeMap<u16, [i16; 3]>,
            percent: NonZeroU8,
            took: Duration,
            at: Clock,
            from: std::net::IpAddr,
            tree: Tree,
            folder: Folder,
            result: Result<u128, Option<()>>,
            nested: (Option<u8>, Vec<Option<String>>),
        }
    }
    let text = text(&locked::<Everything>());
    let lines = [
        "kind 1:001 version 1 name order.placed",
        "  number: u32",
        "  map{}.1: char",
        "  set[]: u8",
        "  keyed{key}: u16",
        "  percent: u8",
        "  took.nanos: u32",
        "  at: string",
        "  from::V6: tuple of 16",
        "  tree::Leaf: i8",
        "  folder.inner[].parent: optional",
        "  result::Ok: u128",
        "  nested.1[]: optional string",
    ];
    for line in lines {
        assert!(text.lines().any(|known| known.starts_with(line)), "{line} is not in:\n{text}");
    }
}

#[test]
fn where_no_value_is_found_one_is_given() {
    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "u32", into = "u32")]
    #[derive(Clone)]
    struct Even(u32);
    impl TryFrom<u32> for Even {
        type Error = &'static str;

        fn try_from(number: u32) -> Result<Self, Self::Error> {
            if number > 1 && number < 1000 { Ok(Self(number)) } else { Err("not between 1 and 1000") }
        }
    }
    impl From<Even> for u32 {
        fn from(even: Even) -> Self {
            even.0
        }
    }
    order! { struct Before { even: Even, } }
    let dir = tempfile::tempdir().expect("a directory");
    let error = check::<Before>(&dir, true).expect_err("no value").to_string();
    assert!(error.contains("order.placed") && error.contains("at even, not between 1 and 1000"), "{error}");
    let file = dir.path().join("events.lock");
    let samples = [Before { number: 1, even: Even(8) }];
    check_events_lock(&file, &samples, true).expect("a new file");
    check_events_lock(&file, &samples, false).expect("nothing has changed");
    assert!(text(&dir).contains("  even: number"));
    order! { struct After { even: String, } }
    let error = check::<After>(&dir, true).expect_err("another type");
    assert!(matches!(error, EventsLockError::Unreadable(_)), "{error}");
}

/// A second version of an order in euros, made of the first one.
macro_rules! second {
    ($name:ident from $old:ident { $($fields:tt)* } $from_v1:expr) => {
        #[derive(Deserialize)]
        struct $old {
            number: u32,
            $($fields)*
        }
        #[derive(Serialize, Deserialize, EventPayload)]
        #[batpak(category = 1, type_id = 1, version = 2, name = "order.placed", upcast(Self::from_v1))]
        struct $name {
            number: u32,
            cents: i64,
            note: Option<String>,
        }
        impl $name {
            fn from_v1(old: $old) -> Self {
                let from_v1: fn(&$old) -> (i64, Option<String>) = $from_v1;
                let (cents, note) = from_v1(&old);
                Self { number: old.number, cents, note }
            }
        }
    };
}

order! { struct InEuros { euros: i32, note: Option<String>, } }
second! { InCents from InEurosV1 { euros: i32, note: Option<String>, } |old| (i64::from(old.euros) * 100, old.note.clone()) }

/// The lock file of two versions.
fn locked_twice() -> TempDir {
    let dir = locked::<InEuros>();
    check::<InCents>(&dir, true).expect("accepted");
    check::<InCents>(&dir, false).expect("nothing has changed");
    dir
}

/// What is said of a change after which payloads are read as something else: all of `parts`. It is accepted once.
#[track_caller]
fn told<After: EventPayload>(dir: &TempDir, parts: &[&str]) {
    let error = check::<After>(dir, false).expect_err("it is not accepted yet");
    assert!(matches!(error, EventsLockError::Changed(_)), "{error}");
    let said = error.to_string();
    for part in parts {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    check::<After>(dir, true).expect("accepted");
    check::<After>(dir, false).expect("nothing has changed");
}

/// Notes and amounts that are stored would have been lost, and the test stayed green.
#[test]
fn what_older_payloads_are_read_as_is_locked() {
    second! { Renamed from RenamedV1 { euros: i32, remark: Option<String>, }
    |old| (i64::from(old.euros) * 100, old.remark.clone()) }
    second! { Defaulted from DefaultedV1 { #[serde(default)] dollars: i32, note: Option<String>, }
    |old| (i64::from(old.dollars) * 100, old.note.clone()) }
    second! { Computed from ComputedV1 { euros: i32, note: Option<String>, }
    |old| (i64::from(old.euros) * 10, old.note.clone()) }
    let stored = "stored: {\"euros\":2147483647,\"note\":\"sample\",\"number\":4294967295}";
    let was = "was read as: {\"cents\":214748364700,\"note\":\"sample\",\"number\":4294967295}";
    let head = "order.placed (1:001), version 1:";
    let only = "BATPAK_UPDATE_LOCK=1, only if that is meant";
    told::<Renamed>(&locked_twice(), &[head, stored, was, "is read as: {\"cents\":214748364700,\"note\":null", only]);
    told::<Defaulted>(&locked_twice(), &[head, stored, was, "is read as: {\"cents\":0,\"note\":\"sample\"", only]);
    told::<Computed>(&locked_twice(), &[head, stored, was, "is read as: {\"cents\":21474836470,\"note\"", only]);
}

#[test]
fn the_other_name_of_an_option_stays() {
    order! { struct Before { note: Option<String>, } }
    order! { struct Renamed { #[serde(rename = "remark", alias = "note")] note: Option<String>, } }
    order! { struct Forgotten { remark: Option<String>, } }
    let dir = locked::<Before>();
    check::<Renamed>(&dir, true).expect("accepted");
    let parts = ["stored: {\"note\":\"sample\"", "was read as: {\"number\":4294967295,\"remark\":\"sample\"}"];
    told::<Forgotten>(&dir, &parts);
}

/// A new optional field adds to what is read, and takes nothing away: other losses are told before it.
#[test]
fn what_is_lost_is_told_before_what_is_new() {
    order! { struct Before { a: Option<String>, b: u8, } }
    order! { struct After { a: Option<String>, #[serde(default)] c: u8, } }
    told::<After>(&locked::<Before>(), &["was read as: the same", "is read as: {\"a\":\"sample\",\"c\":0"]);
    order! { struct More { a: Option<String>, b: u8, c: Option<u8>, } }
    let error = check::<More>(&locked::<Before>(), false).expect_err("not accepted yet").to_string();
    assert!(error.contains("c: is new") && !error.contains("is read as"), "{error}");
}

#[test]
fn a_new_version_says_what_older_ones_are_read_as() {
    let stored = "version 1, stored: {\"euros\":2147483647,\"note\":\"sample\",\"number\":4294967295}";
    let read = "is read as: {\"cents\":214748364700,\"note\":\"sample\",\"number\":4294967295}";
    told::<InCents>(&locked::<InEuros>(), &["order.placed (1:001), version 2:", stored, read]);
}

/// A function may not make another event of an old one, though it has the same bytes.
#[test]
fn an_event_that_is_read_as_another_kind_is_refused() {
    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 1)]
    enum After {
        #[batpak(type_id = 1, version = 2, name = "order.placed", upcast(Self::from_v1))]
        Placed { number: u32 },
        #[batpak(type_id = 2, name = "order.paid")]
        Paid { number: u32 },
    }
    order! { #[derive(Clone, Copy)] struct First {} }
    impl After {
        fn from_v1(old: First) -> Self {
            Self::Paid { number: old.number }
        }
    }
    let error = check::<After>(&locked::<First>(), true).expect_err("it becomes another kind");
    assert!(matches!(error, EventsLockError::Unreadable(_)), "{error}");
    assert!(error.to_string().contains("takes to order.paid: it has to stay order.placed"), "{error}");
}

/// A file of before there were lines for it.
#[test]
fn a_file_that_does_not_say_what_is_read_is_written_anew() {
    let dir = locked_twice();
    let file = dir.path().join("events.lock");
    let whole = text(&dir);
    let old: Vec<_> = whole.lines().filter(|line| !line.starts_with("  > ") && !line.starts_with("format ")).collect();
    std::fs::write(&file, old.join("\n")).expect("write");
    told::<InCents>(&dir, &["the file does not say yet as what older payloads are read", "is read as: {\"cents\""]);
    assert_eq!(text(&dir), whole);
    std::fs::write(&file, whole.replace("format 2", "format 3")).expect("write");
    assert!(matches!(check::<InCents>(&dir, true), Err(EventsLockError::Syntax { line: 3 })));
}

/// A store that holds the kind does not open with another name.
#[test]
fn the_name_of_a_kind_stays() {
    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 1, type_id = 1, name = "order.posted")]
    struct Posted {
        number: u32,
    }
    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 3, type_id = 7, name = "order.placed")]
    struct Moved {
        number: u32,
    }
    order! { struct Before {} }
    let dir = locked::<Before>();
    for update in [false, true] {
        let error = check::<Posted>(&dir, update).expect_err("another name");
        assert!(matches!(error, EventsLockError::Unreadable(_)), "{error}");
        let said = error.to_string();
        assert!(said.contains("its name was order.placed, and is order.posted: put the name back"), "{said}");
        assert!(!said.contains("BATPAK_UPDATE_LOCK"), "{said}");
        let error = check::<Moved>(&dir, update).expect_err("another number");
        assert!(matches!(error, EventsLockError::Unreadable(_)), "{error}");
        let said = error.to_string();
        assert!(said.contains("order.placed is 3:007 now: give it its type_id back"), "{said}");
    }
}

/// Of what takes anything one value says little: a variant that is gone would not be seen.
#[test]
fn where_anything_is_taken_values_are_given() {
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u32),
        Text(String),
    }
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Fewer {
        Number(u32),
    }
    #[derive(Serialize, Deserialize)]
    struct Notes {
        note: Option<String>,
    }
    order! { struct Untagged { either: Either, } }
    order! { struct Flat { #[serde(flatten)] notes: Notes, } }
    order! { struct Whatever { any: serde_json::Value, } }
    order! { struct After { either: Fewer, } }
    no_sample::<Untagged>("at either, ");
    no_sample::<Whatever>("at any, ");
    no_sample::<Flat>("");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("events.lock");
    let eithers = [Either::Number(1), Either::Text("a".to_owned())];
    let samples = eithers.map(|either| Untagged { number: 1, either });
    check_events_lock(&file, &samples, true).expect("a new file");
    check_events_lock(&file, &samples, false).expect("nothing has changed");
    let fewer = [After { number: 1, either: Fewer::Number(1) }];
    let error = check_events_lock(&file, &fewer, true).expect_err("a variant is gone");
    assert!(matches!(error, EventsLockError::Unreadable(_)), "{error}");
}

#[track_caller]
fn no_sample<T: EventPayload>(part: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let error = check::<T>(&dir, true).expect_err("no value is given");
    assert!(matches!(error, EventsLockError::NoSample { .. }), "{error}");
    let said = error.to_string();
    for part in [part, "order.placed", "events_lock!(\"events.lock\", AppEvent, AppEvent::Invited(…))"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

/// A value that is given, and cannot be read, would be in the file for ever.
#[test]
fn a_given_value_that_is_not_read_is_refused() {
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u32),
        #[serde(skip_deserializing)]
        Text(String),
    }
    order! { struct Before { either: Either, } }
    let dir = tempfile::tempdir().expect("a directory");
    let sample = Before { number: 1, either: Either::Text("a".to_owned()) };
    let error = check_events_lock(&dir.path().join("events.lock"), &[sample], true).expect_err("it is not read");
    assert!(error.to_string().contains("what it writes it does not read"), "{error}");
}

/// Without a file nothing would be compared, and the test would say nothing.
#[test]
fn without_a_file_it_fails() {
    order! { struct Placed {} }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("events.lock");
    let error = check::<Placed>(&dir, false).expect_err("no file").to_string();
    let expected = format!("there is no lock file {}.\nRun this test once with BATPAK_UPDATE_LOCK=1", file.display());
    assert!(error.starts_with(&expected), "{error}");
    std::fs::write(file, "# a comment\n\nkind 1:001 version x name y\n").expect("write");
    assert!(matches!(check::<Placed>(&dir, true), Err(EventsLockError::Syntax { line: 3 })));
}

#[test]
fn the_events_of_these_tests_are_locked() {
    batpak::events_lock!("../../tests/batpak/events.lock", crate::typed::Anything);
}
