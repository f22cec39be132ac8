//! Of a damaged store everything is saved that can be read, and everything else is listed.

use crate::fixtures::{Machine, append, at, closed, segment};
use crate::verify::findings;
use batpak::prelude::*;
use batpak::store::{DecideError, LOST, Lost, SalvageReport, salvage};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NEW: &str = "/new";

/// Where the checksum of a segment's first event stands: in its item, behind the header of the first frame with records.
const FIRST_EVENT_CRC: usize = 360 + 40 + 4;

type Events = BTreeMap<u64, StoredEvent<Value>>;

pub(crate) fn events(store: &Store) -> Events {
    let rows = store.query(&Region::all()).expect("rows");
    rows.iter().filter_map(|row| store.read(row.sequence).ok()).map(|event| (event.event.sequence(), event)).collect()
}

pub(crate) fn new_config(machine: &Machine) -> StoreConfig {
    machine.config_in(NEW).with_segment_max_bytes(2048)
}

fn is_lost(lost: &[Lost], sequence: u64) -> bool {
    lost.iter().any(|lost| lost.first <= sequence && lost.count.is_none_or(|count| sequence < lost.first + count))
}

/// Salvages the store of a machine, whose events had been `before`, and checks that what was saved is what it was, that
/// the rest is listed, and that the new store is whole and goes on.
#[track_caller]
pub(crate) fn check(machine: &Machine, before: &Events) -> SalvageReport {
    let files = machine.contents();
    let report = salvage(machine.config(), new_config(machine)).expect("salvage");
    assert!(
        files.iter().all(|(path, bytes)| machine.files.read(path).expect("a file") == *bytes),
        "the source is as it was"
    );
    let (found, verified) = findings(new_config(machine));
    assert!(found.is_empty() && verified.closed_cleanly, "{found:?}");
    let store = Store::open(new_config(machine)).expect("open");
    let after = events(&store);
    assert_eq!(report.events, after.len() as u64);
    for (sequence, event) in before {
        match after.get(sequence) {
            Some(saved) => check_same(event, saved, &report),
            None => assert!(is_lost(&report.lost, *sequence), "{sequence} is not listed: {report:?}"),
        }
    }
    let known = report.lost.iter().filter_map(|lost| lost.count).sum::<u64>();
    assert_eq!(verified.events, report.events + known);
    assert_eq!(store.query(&Region::scope(LOST)).expect("rows").len() as u64, known);
    assert_eq!(append(&store, &at("goes", "on"), &json!(1)).sequence, verified.events);
    store.close().expect("close");
    report
}

#[track_caller]
fn check_same(before: &StoredEvent<Value>, after: &StoredEvent<Value>, report: &SalvageReport) {
    let entity = before.coordinate.entity();
    let is_rehashed = report.rehashed.iter().any(|r| r.entity == entity && r.first <= before.event.sequence());
    if !is_rehashed {
        assert_eq!(before.event.event_hash(), after.event.event_hash());
    }
    let without_hash =
        |event: &StoredEvent<Value>| format!("{event:?}").replace(&event.event.event_hash().to_string(), "");
    assert_eq!(without_hash(before), without_hash(after));
}

fn before(machine: &Machine) -> Events {
    events(&machine.open_read_only())
}

#[test]
fn a_whole_store_is_copied_whole() {
    let (machine, _) = closed();
    let before = before(&machine);
    let head = findings(machine.config()).1.head;
    let report = salvage(machine.config(), new_config(&machine)).expect("salvage");
    assert_eq!((report.events, report.lost.len(), report.rehashed.len()), (29, 0, 0));
    assert_eq!(findings(new_config(&machine)).1.head, head);
    let store = Store::open(new_config(&machine)).expect("open");
    assert_eq!(format!("{:?}", events(&store)), format!("{before:?}"));
}

/// The bytes of the records, by the events that they belong to.
fn places(machine: &Machine) -> Vec<(u64, u64, usize)> {
    let (machine, mut places) = (machine.copy(), Vec::new());
    let count = machine.open_read_only().stats().expect("stats").segments;
    for number in 0..count {
        let len = machine.files.read(segment(number)).expect("a segment").len();
        for at in (360..len).step_by(11) {
            places.push((number, len as u64, at));
        }
    }
    places
}

#[test]
fn one_changed_byte_costs_at_most_the_event_that_it_is_in() {
    let (machine, _) = closed();
    let before = before(&machine);
    let mut with_loss = 0;
    for (number, _, at) in places(&machine) {
        let damaged = machine.copy();
        damaged.edit(segment(number), |bytes| bytes[at] ^= 0x40);
        let report = check(&damaged, &before);
        let lost: u64 = report.lost.iter().filter_map(|lost| lost.count).sum();
        assert!(lost <= 1, "segment {number} byte {at}: {report:?}");
        with_loss += lost;
        for lost in &report.lost {
            assert_eq!(lost.segment, Some(number), "{lost:?}");
            assert!(lost.offset.is_some_and(|offset| offset <= at as u64), "{lost:?} {at}");
        }
    }
    assert!(with_loss > 100, "{with_loss}");
}

#[test]
fn a_lost_payload_changes_no_hash_behind_it() {
    let (machine, _) = closed();
    let before = before(&machine);
    let at =
        machine.files.read(segment(0)).expect("a segment").windows(4).position(|w| w == b"text").expect("a payload");
    machine.edit(segment(0), |bytes| bytes[at] ^= 1);
    let report = check(&machine, &before);
    assert_eq!((report.events, report.lost.len()), (28, 1));
    assert!(report.rehashed.is_empty(), "{report:?}");
}

#[test]
fn an_event_of_which_only_the_checksum_is_damaged_counts_as_lost_and_is_saved() {
    let (machine, _) = closed();
    let before = before(&machine);
    machine.edit(segment(0), |bytes| bytes[FIRST_EVENT_CRC] ^= 1);
    let verified = findings(machine.config()).1;
    assert_eq!((verified.events_lost, verified.head), (1, None));
    let report = check(&machine, &before);
    assert_eq!((report.events, report.lost.len(), report.rehashed.len()), (29, 0, 0));
}

#[test]
fn a_missing_segment_leaves_stubs_where_its_events_were() {
    let (machine, _) = closed();
    let before = before(&machine);
    machine.remove(segment(1));
    let report = check(&machine, &before);
    assert_eq!(report.lost.len(), 1);
    assert_eq!((report.lost[0].segment, report.lost[0].offset), (Some(1), None));
    assert!(!report.rehashed.is_empty());
    let store = Store::open(new_config(&machine)).expect("open");
    let lost = report.lost[0].first;
    assert!(matches!(store.read(lost), Err(StoreError::Lost { sequence }) if sequence == lost));
    // The revisions of those that come after are what they were, and each before them is there.
    let rows = store.stream("a");
    assert!(rows.iter().map(|row| row.revision).eq(0..rows.len() as u64));
}

#[test]
fn a_missing_end_has_no_stubs_and_is_listed() {
    let (machine, _) = closed();
    let before = before(&machine);
    let count = machine.open_read_only().stats().expect("stats").segments;
    machine.remove(segment(count - 1));
    let report = check(&machine, &before);
    assert_eq!(report.lost.len(), 1);
    assert_eq!((report.lost[0].first, report.lost[0].count), (report.events, None));
    assert_eq!(report.lost[0].reason, format!("segment {} is missing", count - 1));
}

#[test]
fn a_store_can_be_salvaged_again() {
    let (machine, _) = closed();
    let before = before(&machine);
    machine.remove(segment(1));
    check(&machine, &before);
    let again = Machine::new();
    for (path, bytes) in machine.contents() {
        if let Ok(name) = path.strip_prefix(NEW) {
            again.files.write(std::path::Path::new("/store").join(name), bytes);
        }
    }
    let before = events(&again.open_read_only());
    // Before the stubs of the first time, and behind them.
    for number in [0, 2] {
        let again = again.copy();
        again.edit(segment(number), |bytes| bytes[420] ^= 1);
        let report = salvage(again.config(), new_config(&again)).expect("salvage");
        assert_eq!(findings(new_config(&again)).0.len(), 0);
        let after = events(&Store::open(new_config(&again)).expect("open"));
        assert!(before.keys().all(|sequence| after.contains_key(sequence) || is_lost(&report.lost, *sequence)));
    }
}

#[test]
fn keys_and_ids_of_what_is_saved_are_known() {
    let (machine, _) = closed();
    let ids: Vec<EventId> = before(&machine).values().map(|event| event.event.event_id()).collect();
    machine.edit(segment(0), |bytes| bytes[420] ^= 1);
    salvage(machine.config(), new_config(&machine)).expect("salvage");
    let store = Store::open(new_config(&machine)).expect("open");
    assert!(ids[1..].iter().all(|id| store.get(*id).is_ok()));
    assert!(store.get(ids[0]).is_err());
    let options = AppendOptions::default().with_idempotency_key(2 << 64 | 7);
    let again =
        store.append_with_options(&at("a:10", "x"), crate::fixtures::THIRD, &json!({}), options).expect("append");
    assert!(again.replayed() && again.sequence == 2);
}

#[test]
fn a_store_is_not_written_over() {
    let (machine, _) = closed();
    let contents = machine.contents();
    let error = salvage(machine.config(), machine.config()).expect_err("it is itself");
    assert!(matches!(error, StoreError::NotEmpty { .. }), "{error:?}");
    let error = salvage(machine.config_in("/nowhere"), new_config(&machine)).expect_err("nothing is there");
    assert!(matches!(error, StoreError::NoStore { .. }), "{error:?}");
    assert_eq!(machine.contents(), contents);
}

#[derive(Debug, serde::Serialize, serde::Deserialize, EventPayload)]
#[batpak(category = 7, type_id = 7, name = "counter.raised")]
struct Raised(u64);

#[derive(Clone, Debug, Default, PartialEq)]
struct Sum(u64);

impl Projection for Sum {
    type Event = Raised;

    fn apply(&mut self, event: &Event<Raised>) {
        self.0 += event.payload().0;
    }
}

/// A store of which event `lost` was lost, after it was salvaged; its events are 1, 2, 4 and 8 of `a` and 16 of `b`.
fn without(lost: u64) -> Machine {
    let machine = Machine::new();
    let store = machine.open();
    for (entity, count) in [("a", 1), ("a", 2), ("a", 4), ("b", 16), ("a", 8)] {
        store.append_typed(&at(entity, "counters"), &Raised(count)).expect("append");
    }
    store.close().expect("close");
    let bytes = machine.files.read(segment(0)).expect("a segment");
    let scopes: Vec<_> = bytes.windows(8).enumerate().filter(|(_, w)| w == b"counters").map(|(at, _)| at).collect();
    assert_eq!(scopes.len(), 5);
    machine.edit(segment(0), |bytes| bytes[scopes[usize::try_from(lost).expect("small")]] ^= 0x40);
    let report = salvage(machine.config(), new_config(&machine)).expect("salvage");
    assert_eq!((report.events, report.lost.len()), (4, 1));
    machine
}

fn refuses_lost<T: std::fmt::Debug>(result: Result<T, StoreError>, lost: u64) {
    match result {
        Err(StoreError::Lost { sequence }) => assert_eq!(sequence, lost),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_state_is_made_as_if_a_lost_event_had_never_been() {
    let machine = without(1);
    for index in [true, false] {
        let config = || new_config(&machine).with_enable_mmap_index(index).with_enable_checkpoint(index);
        let store = Store::open(config()).expect("open");
        let consistent = Freshness::Consistent;
        refuses_lost(store.project::<Sum>("a", &consistent), 1);
        refuses_lost(store.state::<Sum>("a", &consistent), 1);
        refuses_lost(store.state_over::<Sum>(&Region::scope("counters"), &consistent), 1);
        refuses_lost(store.project_at::<Sum>("a", 1), 1);
        refuses_lost(store.projected::<Sum>("a").newest().map(Option::<&Sum>::cloned), 1);
        refuses_lost(store.transaction().project::<Sum>("a"), 1);
        let decided = store.decide(&at("a", "counters"), |_: &Sum| Ok::<_, StoreError>([Raised(1)]));
        assert!(matches!(decided, Err(DecideError::Store(StoreError::Lost { sequence: 1 }))), "{decided:?}");
        let mut typed = store.events(&Region::scope("counters")).typed::<Raised>();
        refuses_lost(typed.next().expect("an error"), 1);
        let rest: Vec<u64> = typed.map(|event| event.expect("reads").event.payload().0).collect();
        assert_eq!(rest, [1, 4, 16, 8], "the iterator goes on behind it");
        // What it cannot concern.
        assert_eq!(store.project_at::<Sum>("a", 0).expect("before it"), Some(Sum(1)));
        assert_eq!(store.project::<Sum>("b", &consistent).expect("another entity"), Some(Sum(16)));
        assert_eq!(store.events(&Region::entity("a").with_sequences(2..)).typed::<Raised>().flatten().count(), 2);
        store.close().expect("close");
        let store = Store::open(config().with_accept_lost_events(true)).expect("open");
        assert_eq!(store.project::<Sum>("a", &consistent).expect("without it"), Some(Sum(13)));
        assert_eq!(store.events(&Region::entity("a")).typed::<Raised>().flatten().count(), 3);
        refuses_lost(store.read(1), 1);
        store.close().expect("close");
    }
}

/// It may have been of any entity.
#[test]
fn a_lost_event_of_an_unknown_entity_concerns_all() {
    let store = Store::open(new_config(&without(3))).expect("open");
    for entity in ["a", "b", "c"] {
        refuses_lost(store.project::<Sum>(entity, &Freshness::Consistent), 3);
    }
}

/// A state that is made of all kinds leaves out what is lost, too, once that is accepted.
#[test]
fn a_state_of_all_kinds_goes_on_without_what_is_lost() {
    struct Count(u64);

    impl EventSourced for Count {
        type Input = RawMsgpackInput;

        fn from_events(events: &[Event<&[u8]>]) -> Option<Self> {
            Some(Self(events.len() as u64))
        }

        fn apply_event(&mut self, _: &Event<&[u8]>) {
            self.0 += 1;
        }

        fn relevant_event_kinds() -> &'static [EventKind] {
            &[]
        }
    }

    let machine = without(1);
    let count = |accept| {
        let store = Store::open(new_config(&machine).with_accept_lost_events(accept)).expect("open");
        store.project::<Count>("a", &Freshness::Consistent).map(|count| count.map(|count| count.0))
    };
    refuses_lost(count(false), 1);
    assert_eq!(count(true).expect("without it"), Some(3));
}
