//! A store that is open for reading only, one that is closed, and one without events.

use crate::fixtures::{Anything, KIND, Machine, answers, append, assert_same, at, filled};
use batpak::store::{
    AppendOptions, BatchAppendItem, CausationRef, Freshness, OpenIndexPath, Projection, Store, StoreError,
};
use batpak::{Event, EventId, Region};
use serde_json::json;

#[derive(Debug, Default, PartialEq)]
struct Count(u64);

impl Projection for Count {
    type Event = Anything;

    fn apply(&mut self, _event: &Event<Anything>) {
        self.0 += 1;
    }
}

#[test]
fn every_answer_is_that_of_the_writer() {
    let machine = Machine::new();
    let (writer, _) = filled(&machine);
    writer.sync().expect("sync");
    let reader = machine.open_read_only();
    assert_same(&answers(&reader), &answers(&writer));
    assert_eq!(reader.stats().expect("stats"), writer.stats().expect("stats"));
    writer.close().expect("close");
    let (again, writer) = (machine.open_read_only(), machine.open());
    assert_same(&answers(&again), &answers(&writer));
    assert_eq!(again.stats().expect("stats"), writer.stats().expect("stats"));
    assert!(again.diagnostics().read_only && !writer.diagnostics().read_only);
    assert_eq!(again.diagnostics().durable, writer.diagnostics().durable);
}

/// Every method that would write, and whether it gave this error.
#[track_caller]
fn check_refuses_to_write(store: &Store, machine: &Machine, expected: fn(&StoreError) -> bool) {
    let place = at("a", "x");
    let item = || {
        BatchAppendItem::new(place.clone(), KIND, &1, AppendOptions::default(), CausationRef::None).expect("an item")
    };
    let contents = machine.contents();
    let errors = [
        store.append(&place, KIND, &1).expect_err("append"),
        store.append_with_options(&place, KIND, &1, AppendOptions::default()).expect_err("append with options"),
        store.append_batch([item()]).expect_err("batch"),
        store.append_batch([]).expect_err("empty batch"),
        store.sync().expect_err("sync"),
        store.wait_durable(0).expect_err("wait durable"),
        store.snapshot("/copy").expect_err("snapshot"),
    ];
    for error in errors {
        assert!(expected(&error), "{error:?}");
    }
    assert_eq!(machine.contents(), contents);
}

#[test]
fn nothing_is_written_by_a_store_that_is_open_for_reading() {
    let machine = Machine::new();
    filled(&machine).0.close().expect("close");
    let store = machine.open_read_only();
    check_refuses_to_write(&store, &machine, |error| matches!(error, StoreError::ReadOnly));
    let contents = machine.contents();
    store.close().expect("close");
    assert_eq!(machine.contents(), contents);
}

#[track_caller]
fn check_closed(store: &Store, machine: &Machine, id: EventId) {
    let is_closed = |error: &StoreError| matches!(error, StoreError::Closed);
    check_refuses_to_write(store, machine, is_closed);
    let all = Region::all();
    let errors = [
        store.get(id).expect_err("get"),
        store.get_raw(id).expect_err("get raw"),
        store.get_as::<u32>(id).expect_err("get as"),
        store.read(0).expect_err("read"),
        store.try_stream("a").expect_err("stream"),
        store.query(&all).expect_err("query"),
        store.events(&all).next().expect("one error").expect_err("events"),
        store.cursor_guaranteed(&all).try_poll().expect_err("cursor"),
        store.project::<Count>("a", &Freshness::Consistent).expect_err("project"),
        store.stats().expect_err("stats"),
        store.head().expect_err("head"),
        store.verify_chain().expect_err("verify"),
        store.clone().close().expect_err("close"),
    ];
    for error in errors {
        assert!(is_closed(&error), "{error:?}");
    }
    assert!(store.stream("a").is_empty());
    assert!(store.cursor_guaranteed(&all).poll().is_none());
    assert_eq!(store.diagnostics().visible, 29);
}

#[test]
fn a_closed_store_says_so_on_every_method() {
    let machine = Machine::new();
    let (store, receipts) = filled(&machine);
    let id = receipts[0].event_id;
    store.clone().close().expect("close");
    check_closed(&store, &machine, id);
    let store = machine.open_read_only();
    store.clone().close().expect("close");
    check_closed(&store, &machine, id);
}

#[test]
fn what_was_begun_before_the_close_ends() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    let all = Region::all();
    let (mut events, mut cursor) = (store.events(&all), store.cursor_guaranteed(&all));
    assert!(events.next().expect("an event").is_ok() && cursor.poll().is_some());
    store.close().expect("close");
    let rest: Vec<_> = events.take(3).map(|event| event.map(|_| ())).collect();
    assert!(matches!(rest.as_slice(), [Err(StoreError::Closed)]), "one error and then nothing: {rest:?}");
    assert!(matches!(cursor.try_poll(), Err(StoreError::Closed)));
    assert!(cursor.poll().is_none());
}

#[test]
fn an_empty_store_answers_everything() {
    let machine = Machine::new();
    let writer = machine.open();
    for store in [&writer, &machine.open_read_only()] {
        let stats = store.stats().expect("stats");
        assert_eq!((stats.events, stats.entities, stats.segments, stats.segment_bytes), (0, 0, 1, 360));
        let diagnostics = store.diagnostics();
        assert_eq!((diagnostics.visible, diagnostics.durable, diagnostics.open_files), (0, 0, 0));
        assert_eq!(diagnostics.failure, None);
        let report = diagnostics.open_report.expect("a report");
        assert_eq!((report.path, report.refused.len()), (OpenIndexPath::Rebuild, 0));
        assert!(report.closed_cleanly && report.torn.is_none());
        let head = store.head().expect("head");
        assert_eq!(head.size, 0);
        let root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(head.root.to_string(), root);
        let chain = store.verify_chain().expect("verify");
        assert_eq!((chain.events, chain.entities, chain.head), (0, 0, head));
        for region in [Region::all(), Region::none(), Region::entity("a"), Region::scope(""), Region::tag("t")] {
            assert!(store.query(&region).expect("query").is_empty());
            assert!(store.events(&region).next().is_none());
            assert!(store.events(&region).backward().from(u64::MAX).next().is_none());
            assert!(store.cursor_guaranteed(&region).try_poll().expect("poll").is_none());
        }
        assert!(store.stream("a").is_empty() && store.stream("").is_empty() && store.stream("a\0").is_empty());
        assert_eq!(store.project::<Count>("a", &Freshness::Consistent).expect("project"), None);
        for id in [EventId::from_u128(0), EventId::from_u128(u128::MAX)] {
            assert!(matches!(store.get(id), Err(StoreError::NotFound { .. })));
        }
        assert!(matches!(store.read(0), Err(StoreError::NotFound { sequence: 0 })));
        assert!(matches!(store.read(u64::MAX), Err(StoreError::NotFound { sequence: u64::MAX })));
    }
    assert_eq!(writer.append_batch([]).expect("nothing"), []);
    writer.sync().expect("sync");
    assert!(matches!(writer.wait_durable(0), Err(StoreError::NotFound { sequence: 0 })));
    writer.close().expect("close");
}

#[test]
fn unknown_ids_and_entities_are_not_found() {
    let machine = Machine::new();
    let (store, receipts) = filled(&machine);
    // The right sequence in an id that is another's.
    let near = EventId::from_u128(receipts[3].event_id.as_u128() ^ 1);
    assert!(matches!(store.get(near), Err(StoreError::UnknownId { id }) if id == near));
    assert!(matches!(store.get_raw(near), Err(StoreError::UnknownId { id }) if id == near));
    assert!(matches!(store.get_as::<u32>(near), Err(StoreError::UnknownId { id }) if id == near));
    assert!(matches!(store.read(29), Err(StoreError::NotFound { sequence: 29 })));
    assert!(store.stream("unknown").is_empty());
    assert_eq!(store.project::<Count>("unknown", &Freshness::Consistent).expect("project"), None);
    assert!(store.query(&Region::causation(near)).expect("query").is_empty());
}

#[test]
fn the_wrong_type_is_an_error_that_names_the_event() {
    let machine = Machine::new();
    let store = machine.open();
    let id = append(&store, &at("a", "x"), &json!("text")).event_id;
    let error = store.get_as::<u32>(id).expect_err("text is no number");
    assert!(matches!(error, StoreError::Payload { sequence: 0, .. }), "{error:?}");
    assert!(!error.is_corruption());
    let start = "event 0, kind 1:001, cannot be decoded: the payload is not what its type says: wrong msgpack";
    assert!(error.to_string().starts_with(start), "{error}");
    let error = store.events(&Region::all()).decoded::<u32>().next().expect("an event").expect_err("no number");
    assert!(matches!(error, StoreError::Payload { sequence: 0, .. }), "{error:?}");
}
