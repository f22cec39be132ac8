//! Gates in front of a commit: what they see, what becomes of what they read, and what is recorded.

use crate::support::{KIND, OTHER_KIND, World, append, at, check_usable, item, keyed, visible};
use batpak::guard::{GATE_DEFECT, gate_fn};
use batpak::prelude::*;
use batpak::store::{BYPASSED, BypassError, DecideError, READ_FAILED, StagedEvent};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

type Answer = Result<(), Denial>;

/// A pipeline of one gate.
fn through(gate: impl Fn(&WriteContext<'_>) -> Answer + Send + Sync + 'static) -> WritePipeline {
    let mut gates = WriteGates::new();
    gates.push(gate_fn("gate", gate));
    WritePipeline::new(gates)
}

/// Denies everything.
fn closed() -> WritePipeline {
    through(|_| Err(Denial::new("", "no sales today").with_code("CLOSED").with_context("day", "sunday")))
}

/// The event at `entity` is staged.
fn staging(store: &Store, entity: &str) -> Transaction {
    let mut transaction = store.transaction();
    transaction.append(&at(entity), KIND, &entity).expect("encodes");
    transaction
}

/// Has what the gates come to recorded at the entity `denials`.
fn recording(mut transaction: Transaction) -> Transaction {
    transaction.record_at(&at("denials"));
    transaction
}

#[track_caller]
fn denial(result: Result<impl std::fmt::Debug, GateError>) -> (Denial, Option<AppendReceipt>) {
    match result {
        Err(GateError::Denied { denial, record }) => (*denial, record),
        other => panic!("it is not denied: {other:?}"),
    }
}

#[test]
fn gates_see_what_is_staged() {
    let world = World::new();
    let store = world.open();
    let (outer, correlation) = (EventId::from_u128(7), EventId::from_u128(8));
    let options = AppendOptions::default().with_tags(&["red", "round"]).with_metadata(b"meta");
    let options = options.with_causation_id(outer).with_correlation_id(correlation);
    let mut transaction = store.transaction();
    let first = transaction.push(item("a", options));
    let second =
        BatchAppendItem::new(at("b"), OTHER_KIND, &json!({"cents": 3}), AppendOptions::default(), first.into());
    transaction.push(second.expect("encodes"));
    let committed = transaction.commit_through(&through(move |write| {
        let [first, second]: [StagedEvent<'_>; 2] = write.staged().collect::<Vec<_>>().try_into().expect("two");
        assert_eq!((first.coordinate(), first.kind()), (&at("a"), KIND));
        assert_eq!((first.json()?, first.payload()), (json!("a"), &[0xA1, b'a'][..]));
        assert_eq!((first.tags().collect::<Vec<_>>(), first.metadata()), (vec!["red", "round"], &b"meta"[..]));
        assert_eq!((first.cause(), first.correlation_id()), (CausationRef::Event(outer), Some(correlation)));
        assert_eq!((second.coordinate(), second.kind()), (&at("b"), OTHER_KIND));
        assert_eq!((second.cause(), second.correlation_id()), (CausationRef::Item(0), None));
        assert_eq!((second.json()?["cents"].clone(), write.end()), (json!(3), 0));
        assert_eq!(second.decoded::<Value>()?, json!({"cents": 3}));
        Ok(())
    }));
    let committed = committed.expect("it passes");
    assert_eq!((committed.receipts.len(), committed.gates_passed), (2, vec!["gate"]));
    check_usable(&store, 2);
}

#[test]
fn gates_are_asked_in_order_up_to_the_first_denial() {
    let world = World::new();
    let store = world.open();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut gates = WriteGates::new();
    for (name, passes) in [("first", true), ("second", true), ("third", false), ("fourth", true)] {
        let asked = Arc::clone(&asked);
        gates.push(gate_fn(name, move |write: &WriteContext<'_>| {
            asked.lock().expect("nobody panics").push(name);
            let strict = write.staged().any(|event| event.coordinate().entity() == "strict");
            if passes || !strict { Ok(()) } else { Err(Denial::new(name, "no")) }
        }));
    }
    let gates = WritePipeline::new(gates);
    let passed = staging(&store, "lax").commit_through(&gates).expect("it passes");
    assert_eq!(passed.gates_passed, ["first", "second", "third", "fourth"]);
    asked.lock().expect("nobody panics").clear();
    let (denial, record) = denial(staging(&store, "strict").commit_through(&gates));
    assert_eq!((denial.gate, record), ("third", None));
    assert_eq!(*asked.lock().expect("nobody panics"), ["first", "second", "third"]);
    assert!(store.stream("strict").is_empty());
    check_usable(&store, 1);
}

#[derive(Debug, Default)]
struct Count(usize);

/// A payload of the first kind, whatever it is.
#[derive(serde::Serialize, serde::Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "anything")]
struct Anything(Value);

impl Projection for Count {
    type Event = Anything;

    fn apply(&mut self, _: &Event<Anything>) {
        self.0 += 1;
    }
}

/// A limit that a gate has checked would not hold: two writers would each see room for one more.
#[test]
fn what_a_gate_has_read_is_a_condition_of_the_commit() {
    type Read = fn(&WriteContext<'_>) -> Answer;
    let reads: [(&str, Read); 6] = [
        ("query", |write| Ok(write.query(&Region::entity("a")).map(|rows| assert_eq!(rows.len(), 1))?)),
        ("events", |write| {
            drop(write.events(&Region::entity("a")));
            Ok(())
        }),
        ("len_of", |write| Ok(write.len_of("a").map(|len| assert_eq!(len, 1))?)),
        ("project", |write| {
            assert_eq!(write.project::<Count>("a")?.expect("one event").0, 1);
            Ok(())
        }),
        ("project_over", |write| {
            let over = Region::entity("a").or(Region::entity("other"));
            assert_eq!(write.project_over::<Count>(&over)?.expect("one event").0, 1);
            Ok(())
        }),
        ("require", |write| {
            write.require(Condition::len("a", 1));
            Ok(())
        }),
    ];
    for (name, read) in reads {
        for (entity, stands_against) in [("a", true), ("b", false)] {
            let world = World::new();
            let store = world.open();
            append(&store, "a", AppendOptions::default());
            let mut gates = WriteGates::new();
            gates.push(gate_fn(name, read));
            let writer = store.clone();
            gates.push(gate_fn("meanwhile", move |_: &WriteContext<'_>| {
                append(&writer, entity, AppendOptions::default());
                Ok(())
            }));
            let result = staging(&store, "c").commit_through(&WritePipeline::new(gates));
            assert_eq!(result.is_err(), stands_against, "{name}: {result:?}");
            if let Err(error) = result {
                assert!(error.is_conflict() && error.denial().is_none(), "{name}: {error}");
            }
            assert_eq!(store.stream("c").is_empty(), stands_against, "{name}");
            assert_eq!(visible(&store), if stands_against { 2 } else { 3 }, "{name}");
        }
    }
}

#[test]
fn an_event_of_a_kind_that_a_gates_state_is_not_made_of_stands_against_nothing() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    let writer = store.clone();
    let gates = through(move |write| {
        write.project::<Count>("a")?;
        writer.append(&at("a"), OTHER_KIND, &1)?;
        Ok(())
    });
    staging(&store, "c").commit_through(&gates).expect("nothing stands against it");
    check_usable(&store, 3);
}

#[test]
fn a_gate_sees_the_store_as_its_transaction_does() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    let transaction = staging(&store, "c");
    append(&store, "a", AppendOptions::default());
    append(&store, "b", AppendOptions::default());
    let gates = through(|write| {
        assert_eq!((write.len_of("a")?, write.len_of("b")?, write.len_of("nobody")?), (1, 0, 0));
        assert_eq!(write.query(&Region::all())?.len(), 1);
        let events: Result<Vec<_>, _> = write.events(&Region::all()).backward().collect();
        assert_eq!((events?.len(), write.end()), (1, 1));
        Ok(())
    });
    let error = transaction.commit_through(&gates).expect_err("what was read has changed");
    assert!(error.is_conflict());
    check_usable(&store, 3);
}

#[test]
fn what_the_transaction_has_read_is_a_condition_too() {
    let world = World::new();
    let store = world.open();
    let mut transaction = staging(&store, "c");
    assert_eq!(transaction.len_of("a").expect("it reads"), 0);
    append(&store, "a", AppendOptions::default());
    assert!(transaction.commit_through(&through(|_| Ok(()))).expect_err("a conflict").is_conflict());
    let mut transaction = staging(&store, "c");
    assert_eq!(transaction.len_of("a").expect("it reads"), 1);
    append(&store, "a", AppendOptions::default());
    let error = transaction.bypass(&closed(), "still").expect_err("a conflict");
    assert!(matches!(error, BypassError::Store(error) if error.is_conflict()));
    check_usable(&store, 2);
}

#[test]
fn a_gate_that_panics_denies() {
    let world = World::new();
    let store = world.open();
    let gates = through(|write| {
        let rows = write.query(&Region::all())?;
        panic!("{} rows", rows.len())
    });
    let transaction = recording(staging(&store, "a"));
    let (denial, record) = denial(transaction.commit_through(&gates));
    assert_eq!((denial.gate, denial.code, &*denial.message), ("gate", GATE_DEFECT, "gate panicked: 0 rows"));
    let record = store.get(record.expect("it is recorded").event_id).expect("is there");
    assert_eq!(record.event.payload()["code"], GATE_DEFECT);
    check_usable(&store, 1);
}

#[test]
fn what_a_gate_cannot_read_is_a_denial_by_that_gate() {
    let world = World::new();
    let store = world.open();
    append(&store, "a", AppendOptions::default());
    let of_store = through(|write| Ok(write.project::<Numbers>("a").map(drop)?));
    let of_staged = through(|write| write.staged().try_for_each(|event| Ok(event.decoded::<u32>().map(drop)?)));
    for gates in [of_store, of_staged] {
        let (denial, _) = denial(staging(&store, "c").commit_through(&gates));
        assert_eq!((denial.gate, denial.code), ("gate", READ_FAILED));
        assert!(denial.message.contains("msgpack marker"), "{denial}");
    }
    check_usable(&store, 1);
}

#[derive(Debug, Default)]
struct Numbers;

#[derive(serde::Serialize, serde::Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "number")]
struct Number(u32);

impl Projection for Numbers {
    type Event = Number;

    fn apply(&mut self, _: &Event<Number>) {}
}

#[track_caller]
fn record<T: EventPayload>(store: &Store, receipt: &AppendReceipt) -> (StoredHeader, T) {
    let stored = store.get_typed(receipt.event_id).expect("is a record");
    assert_eq!(stored.event.payload_version(), 1);
    let header = (stored.coordinate, stored.event.kind(), stored.event.causation_id(), stored.event.correlation_id());
    (header, stored.event.into_payload())
}

type StoredHeader = (Coordinate, EventKind, Option<EventId>, Option<EventId>);

#[test]
fn a_denial_is_recorded_on_request() {
    let world = World::new();
    let store = world.open();
    let cause = append(&store, "cause", AppendOptions::default()).event_id;
    let options = AppendOptions::default().with_causation_id(cause).with_correlation_id(cause);
    let refused = |at_entity: &str| {
        let mut transaction = store.transaction();
        transaction.push(item(at_entity, options));
        transaction.append(&at("b"), OTHER_KIND, &"a secret").expect("encodes");
        transaction
    };
    assert_eq!(denial(refused("a").commit_through(&closed())).1, None);
    assert_eq!(visible(&store), 1);

    let (denial, receipt) = denial(recording(refused("a")).commit_through(&closed()));
    let receipt = receipt.expect("it is recorded");
    let (header, record): (_, DenialRecord) = record(&store, &receipt);
    assert_eq!(header, (at("denials"), DenialRecord::KIND, Some(cause), Some(cause)));
    assert_eq!((&*record.gate, &*record.code, &*record.message), (denial.gate, denial.code, &*denial.message));
    assert_eq!(record.context, [("day".to_owned(), "sunday".to_owned())]);
    let events: Vec<_> = record.events.iter().map(|event| (&*event.entity, &*event.scope, event.kind)).collect();
    assert_eq!((events, record.event_count), (vec![("a", "tests", KIND), ("b", "tests", OTHER_KIND)], 2));
    let stored = store.get_raw(receipt.event_id).expect("is there");
    assert!(!String::from_utf8_lossy(stored.event.payload()).contains("secret"), "payloads are not recorded");
    assert!(store.stream("a").is_empty() && store.stream("b").is_empty());
    assert_eq!(store.query(&Region::kind(DenialRecord::KIND)).expect("open").len(), 1);
    check_usable(&store, 2);
    store.close().expect("closes");
    check_usable(&world.open(), 3);
}

#[test]
fn a_denial_is_told_with_gate_and_reason() {
    let store = World::new().open();
    let error = staging(&store, "a").commit_through(&through(|_| Err(Denial::new("gate", "not today")))).unwrap_err();
    assert_eq!(error.to_string(), "a gate has denied: [gate] not today");
}

#[test]
fn a_denial_is_recorded_whatever_has_come_meanwhile() {
    let world = World::new();
    let store = world.open();
    let writer = store.clone();
    let gates = through(move |write| {
        write.query(&Region::all())?;
        append(&writer, "a", AppendOptions::default());
        Err(Denial::new("gate", "no"))
    });
    let (_, record) = denial(recording(staging(&store, "c")).commit_through(&gates));
    assert_eq!(record.expect("it is recorded").sequence, 1);
    check_usable(&store, 2);
}

#[test]
fn a_record_names_the_first_256_events() {
    let world = World::new();
    let store = world.open();
    let mut transaction = recording(store.transaction());
    for n in 0..300 {
        transaction.push(item(&format!("entity:{n}"), AppendOptions::default()));
    }
    let receipt = denial(transaction.commit_through(&closed())).1.expect("it is recorded");
    let record: DenialRecord = record(&store, &receipt).1;
    assert_eq!((record.events.len(), record.event_count), (256, 300));
    assert_eq!(record.events[255].entity, "entity:255");
}

#[test]
fn a_denial_that_cannot_be_recorded_is_a_denial() {
    let world = World::new();
    let store = Store::open(world.config().with_payload_max_bytes(100)).expect("opens");
    let gates = through(|_| Err(Denial::new("gate", "no".repeat(100)).with_code("LONG")));
    let error = recording(staging(&store, "a")).commit_through(&gates).expect_err("denied");
    assert_eq!(error.denial().map(|denial| denial.code), Some("LONG"));
    assert!(error.to_string().starts_with("a gate has denied, which could not be recorded: [gate] nono"), "{error}");
    let GateError::Unrecorded { source, .. } = error else { panic!("{error}") };
    assert!(matches!(*source, StoreError::TooLarge { field: "payload bytes", .. }), "{source}");
    check_usable(&store, 0);
}

#[test]
fn a_bypass_is_recorded_in_its_commit() {
    let world = World::new();
    let store = world.open_direct();
    append(&store, "before", AppendOptions::default());
    let mut transaction = staging(&store, "a");
    transaction.append(&Coordinate::new("b", "elsewhere").expect("valid"), OTHER_KIND, &1).expect("encodes");
    let writes = world.files.writes();
    let bypassed = transaction.bypass(&closed(), "the owner is here").expect("it is committed");
    assert_eq!(world.files.writes(), writes + 1, "one frame");
    let sequences: Vec<_> = bypassed.receipts.iter().map(|receipt| receipt.sequence).collect();
    let receipt = bypassed.record.expect("it is recorded");
    assert_eq!((sequences, receipt.sequence), (vec![1, 2], 3));
    assert_eq!(bypassed.gates_skipped, ["gate"]);
    let (header, record): (_, BypassRecord) = record(&store, &receipt);
    let first = bypassed.receipts[0].event_id;
    assert_eq!(header, (at(BYPASSED), BypassRecord::KIND, Some(first), Some(first)));
    assert_eq!((&*record.reason, record.event_count), ("the owner is here", 2));
    assert_eq!(record.gates_skipped, ["gate"]);
    check_usable(&store, 4);

    let elsewhere = recording(staging(&store, "a"))
        .bypass(&closed(), "again")
        .expect("it is committed")
        .record
        .expect("it is recorded");
    assert_eq!(store.get(elsewhere.event_id).expect("is there").coordinate, at("denials"));
}

#[test]
fn a_bypass_without_a_reason_or_without_events_leaves_nothing() {
    let world = World::new();
    let store = world.open();
    for reason in ["", " \t\n"] {
        let refused = staging(&store, "a").bypass(&closed(), reason);
        assert!(matches!(refused, Err(BypassError::Reason(_))));
    }
    let none = store.transaction().bypass(&closed(), "a reason").expect("nothing is committed");
    assert_eq!((none.receipts.len(), none.record, none.gates_skipped), (0, None, vec!["gate"]));
    check_usable(&store, 0);
}

/// Whoever could append them could make up denials and bypasses.
#[test]
fn users_cannot_append_records() {
    let world = World::new();
    let store = world.open();
    for kind in [DenialRecord::KIND, BypassRecord::KIND, EventKind::from_u16(1)] {
        assert!(kind.is_reserved());
        let item =
            || BatchAppendItem::new(at("a"), kind, &1, AppendOptions::default(), CausationRef::None).expect("ok");
        let mut transaction = store.transaction();
        transaction.push(item());
        let mut bypassing = store.transaction();
        bypassing.append(&at("a"), kind, &1).expect("encodes");
        let refusals = [
            store.append(&at("a"), kind, &1).expect_err("refused"),
            store.append_batch([item()]).expect_err("refused"),
            store.submit(&at("a"), kind, &1, AppendOptions::default()).expect_err("refused"),
            transaction.commit().expect_err("refused"),
            match bypassing.bypass(&closed(), "a reason").expect_err("refused") {
                BypassError::Store(error) => error,
                other => panic!("{other}"),
            },
        ];
        for refusal in refusals {
            assert!(matches!(refusal, StoreError::ReservedKind { kind: refused } if refused == kind), "{refusal}");
        }
    }
    check_usable(&store, 0);
}

/// A retry whose first try had succeeded would be told that it was denied, by what it did itself.
#[test]
fn a_repetition_is_not_asked_again() {
    let world = World::new();
    let store = world.open();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let gates = through(move |write| {
        count.fetch_add(1, Ordering::Relaxed);
        match write.len_of("a")? {
            0 => Ok(()),
            len => Err(Denial::new("gate", format!("{len} are there"))),
        }
    });
    let attempt = |key| {
        let mut transaction = store.transaction();
        transaction.push(item("a", keyed(key)));
        transaction.push(item("b", AppendOptions::default()));
        transaction.commit_through(&gates)
    };
    let first = attempt(1).expect("it passes");
    let again = attempt(1).expect("it is a repetition");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(again.receipts.iter().all(AppendReceipt::replayed) && again.gates_passed.is_empty());
    let ids = |receipts: &[AppendReceipt]| receipts.iter().map(|receipt| receipt.event_id).collect::<Vec<_>>();
    assert_eq!(ids(&again.receipts), ids(&first.receipts));
    denial(attempt(2));
    check_usable(&store, 2);
}

#[test]
fn gates_are_asked_again_by_a_transaction_that_was_overtaken() {
    let world = World::new();
    let store = world.open();
    let (asked, writer) = (Arc::new(AtomicUsize::new(0)), store.clone());
    let count = Arc::clone(&asked);
    let gates = through(move |write| {
        let len = write.len_of("a")?;
        if count.fetch_add(1, Ordering::Relaxed) < 3 {
            append(&writer, "a", AppendOptions::default());
        }
        if write.staged().len() == 1 { Ok(()) } else { Err(Denial::new("gate", format!("{len} events"))) }
    });
    let sell = |seats: usize| {
        store.transact(|sale| {
            for _ in 0..seats {
                sale.append(&at("c"), KIND, &"ann")?;
            }
            sale.ask(&gates)
        })
    };
    let sold = sell(1).map_err(|error| error.to_string()).expect("it passes");
    assert_eq!((sold.value, sold.receipts.len(), asked.load(Ordering::Relaxed)), (vec!["gate"], 1, 4));
    let Err(DecideError::Refused(error)) = sell(2) else { panic!("it is not denied") };
    assert_eq!(error.denial().expect("it is denied").message, "3 events");
    assert_eq!(asked.load(Ordering::Relaxed), 5, "a denial is not asked again");
    check_usable(&store, 4);
}
