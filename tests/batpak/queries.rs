//! Every filter applies to every row, before order and before limits, in both directions.

use crate::filters::{Facts, Filter, union};
use crate::fixtures::{KIND, Machine, OTHER, THIRD, append, at, filled, sequence_of, sequences};
use crate::random::Random;
use batpak::store::{AppendOptions, Store, StoreError};
use batpak::{Region, Timestamp};
use serde_json::json;

fn facts(store: &Store) -> Vec<Facts> {
    store.events(&Region::all()).map(|event| Facts::from(&event.expect("an event"))).collect()
}

/// Asks for a region in every way, and compares with the filters' own opinion.
#[track_caller]
fn check(store: &Store, all: &[Facts], filters: &[Filter], from: u64) {
    let region = union(filters);
    let accepted = |event: &&Facts| filters.iter().any(|filter| filter.accepts(event));
    let expected: Vec<u64> = all.iter().filter(accepted).map(|event| event.sequence).collect();
    let case = || format!("{filters:?} from {from}");
    assert_eq!(sequences(&store.query(&region).expect("query")), expected, "{}", case());
    let forward: Vec<u64> = store.events(&region).raw().from(from).map(sequence_of).collect();
    let after: Vec<u64> = expected.iter().copied().filter(|sequence| *sequence >= from).collect();
    assert_eq!(forward, after, "forward, {}", case());
    let backward: Vec<u64> = store.events(&region).backward().from(from).raw().map(sequence_of).collect();
    let before: Vec<u64> = expected.iter().rev().copied().filter(|sequence| *sequence <= from).collect();
    assert_eq!(backward, before, "backward, {}", case());
    let newest: Vec<u64> = store.events(&region).raw().backward().take(3).map(sequence_of).collect();
    assert_eq!(newest, expected.iter().rev().take(3).copied().collect::<Vec<_>>(), "the newest, {}", case());
    let mut cursor = store.cursor_guaranteed(&region).starting_at(from);
    let drained: Vec<u64> = std::iter::from_fn(|| cursor.poll()).map(|row| row.sequence).collect();
    assert_eq!(drained, after, "cursor, {}", case());
}

#[test]
fn every_combination_of_filters_holds() {
    let machine = Machine::new();
    let (store, receipts) = filled(&machine);
    let all = facts(&store);
    let (correlation, causation) = (receipts[0].event_id, receipts[2].event_id);
    let one = |name: &str| Some(name.to_owned());
    let mut cases = 0;
    for entity in [None, one("a"), one("a:1"), one("none")] {
        for prefix in [None, one("a"), one("a:1")] {
            for scope in [None, one("x"), one("y")] {
                for kinds in [None, Some(vec![KIND]), Some(vec![OTHER, THIRD])] {
                    for tag in [None, one("all"), one("tag:2")] {
                        for bits in 0..64_u8 {
                            let when = |bit: u8| bits & bit != 0;
                            let filter = Filter {
                                entity: entity.clone(),
                                prefix: prefix.clone(),
                                scope: scope.clone(),
                                kinds: kinds.clone(),
                                tag: tag.clone(),
                                category: when(1).then_some(1),
                                correlation: when(2).then_some(correlation),
                                causation: when(4).then_some(causation),
                                time: when(8).then_some(1_700_000_000_001_000_000..1_700_000_000_006_000_000),
                                revisions: when(16).then_some(1..4),
                                sequences: when(32).then_some(2..18),
                                other_tag: None,
                            };
                            check(&store, &all, &[filter], 3 + u64::from(bits % 20));
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 4 * 3 * 3 * 3 * 3 * 64);
}

#[test]
fn unions_are_in_one_order_without_doubles() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    let all = facts(&store);
    let seed = 0xF117;
    let mut random = Random::new(seed);
    for _ in 0..2000 {
        let count = random.below(4);
        let filters: Vec<Filter> = (0..count).map(|_| Filter::random(&mut random, &all)).collect();
        check(&store, &all, &filters, random.below(32));
    }
}

#[test]
fn every_position_is_a_place_to_begin() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    let all = facts(&store);
    let entity = |name: &str| Filter { entity: Some(name.to_owned()), ..Filter::default() };
    let scope = Filter { scope: Some("y".to_owned()), ..Filter::default() };
    for filters in [vec![Filter::default()], vec![entity("a:1")], vec![entity("a"), scope], vec![]] {
        for from in (0..=30).chain([u64::MAX - 1, u64::MAX]) {
            check(&store, &all, &filters, from);
        }
    }
}

/// The events of seat 10 in the stream of seat 1 would be somebody else's booking.
#[test]
fn an_entity_is_exactly_that_one() {
    let machine = Machine::new();
    let store = machine.open();
    let names = ["entity:1", "entity:10", "entity:1 ", "entity:", "Entity:1", "entity:1:2"];
    for name in names {
        append(&store, &at(name, "x"), &json!(name));
    }
    for (sequence, name) in (0..).zip(names) {
        assert_eq!(sequences(&store.stream(name)), [sequence]);
        assert_eq!(sequences(&store.query(&Region::entity(name)).expect("query")), [sequence]);
        let event = store.events(&Region::entity(name)).next().expect("an event").expect("an event");
        assert_eq!(event.event.payload(), name);
    }
    assert_eq!(sequences(&store.query(&Region::entity_prefix("entity:1")).expect("query")), [0, 1, 2, 5]);
    assert_eq!(store.query(&Region::entity_prefix("")).expect("query").len(), 6);
}

#[test]
fn an_entity_in_two_scopes_is_one_stream_and_two_answers() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..10_u64 {
        let receipt = append(&store, &at("a", ["x", "y", "z"][usize::from(n % 3 == 1)]), &json!(n));
        assert_eq!(receipt.revision, n);
    }
    assert_eq!(sequences(&store.query(&Region::scope("y")).expect("query")), [1, 4, 7]);
    assert_eq!(sequences(&store.query(&Region::entity("a").with_scope("x")).expect("query")), [0, 2, 3, 5, 6, 8, 9]);
    assert!(store.query(&Region::scope("z")).expect("query").is_empty());
    assert_eq!(store.stream("a").len(), 10);
    assert_eq!(store.stats().expect("stats").entities, 1);
    assert_eq!(store.verify_chain().expect("a whole chain").entities, 1);
}

#[test]
fn order_is_the_sequence_whatever_the_clock_does() {
    let machine = Machine::new();
    let store = machine.open();
    let times = [50, 10, i64::MAX, 40, -5, i64::MIN, 40];
    for time in times {
        machine.clock.set(time);
        append(&store, &at("a", "x"), &json!(time));
    }
    let rows = store.query(&Region::all()).expect("query");
    assert_eq!(sequences(&rows), [0, 1, 2, 3, 4, 5, 6]);
    assert!(rows.iter().zip(times).all(|(row, time)| row.time == Timestamp::from_nanos(time)));
    assert!(rows.windows(2).all(|pair| pair[0].event_id < pair[1].event_id));
    let region = Region::all().with_time(Timestamp::from_nanos(10)..=Timestamp::from_nanos(50));
    assert_eq!(sequences(&store.query(&region).expect("query")), [0, 1, 3, 6]);
    store.close().expect("close");
    let store = machine.open();
    assert_eq!(store.query(&Region::all()).expect("query"), rows);
    machine.clock.set(0);
    let next = append(&store, &at("a", "x"), &json!(0));
    assert!(next.event_id > rows[6].event_id);
}

#[test]
fn what_was_asked_stays_what_was_visible() {
    let machine = Machine::new();
    let store = machine.open();
    append(&store, &at("a", "x"), &json!(0));
    let mut events = store.events(&Region::all()).decoded::<u64>();
    append(&store, &at("a", "x"), &json!(1));
    assert_eq!(events.next().map(sequence_of), Some(0));
    append(&store, &at("a", "x"), &json!(2));
    assert_eq!(events.map(sequence_of).collect::<Vec<_>>(), [1], "as of the first one that was asked for");
}

#[test]
fn rows_are_a_slice() {
    let machine = Machine::new();
    let (store, receipts) = filled(&machine);
    let rows = store.stream("a");
    let first = rows.first().expect("a row");
    assert_eq!((first.event_id, first.sequence, first.revision), (receipts[0].event_id, 0, 0));
    assert_eq!((first.coordinate.entity(), first.coordinate.scope(), first.kind), ("a", "x", KIND));
    assert_eq!((&rows).into_iter().count(), rows.len());
    assert_eq!(rows.clone().into_iter().map(|row| row.revision).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

/// What was damaged is an error; what comes after it can still be read.
#[test]
fn events_go_on_behind_one_that_is_damaged() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..9_u64 {
        let options = AppendOptions::default().with_tags(&["t"]);
        store.append_with_options(&at("a", "x"), KIND, &json!({"n": n}), options).expect("append");
    }
    store.close().expect("close");
    let store = machine.open_read_only();
    damage_in_place(&machine, 4);
    // The reader opened its files before: it sees what stands there now.
    let region = Region::tag("t");
    for events in [store.events(&region), store.events(&Region::all()), store.events(&Region::entity("a"))] {
        let found: Vec<Option<u64>> = events
            .map(|event| match event {
                Ok(event) => Some(event.event.sequence()),
                Err(StoreError::Corrupt { segment: Some(0), offset: Some(_), .. }) => None,
                Err(error) => panic!("{error:?}"),
            })
            .collect();
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(3), None, Some(5), Some(6), Some(7), Some(8)]);
    }
    assert!(store.query(&region).is_err(), "rows of tags come from the records");
    assert_eq!(store.query(&Region::all()).expect("rows need no record").len(), 9);
}

/// Changes a byte of an event's payload in place, where open files see it.
fn damage_in_place(machine: &Machine, n: u8) {
    use batpak::store::{FileSystem, OpenMode};
    let path = crate::fixtures::segment(0);
    let bytes = machine.files.read(&path).expect("a segment");
    let payload = [0x81, 0xA1, b'n', n];
    let at = bytes.windows(4).position(|window| window == payload).expect("the payload") as u64;
    let file = machine.files.open(&path, OpenMode::Write).expect("open");
    assert_eq!(file.write_at(&[0x7F], at + 3).expect("write"), 1);
}

#[test]
fn damage_ends_writing_and_not_reading() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..9_u64 {
        append(&store, &at("a", "x"), &json!({"n": n}));
    }
    damage_in_place(&machine, 4);
    assert!(store.diagnostics().failure.is_none());
    assert!(matches!(store.read(4), Err(StoreError::Corrupt { segment: Some(0), .. })));
    assert!(store.diagnostics().failure.is_some());
    assert!(matches!(store.append(&at("a", "x"), KIND, &1), Err(StoreError::Failed { outcome_unknown: false, .. })));
    assert_eq!(store.read(5).expect("an event").event.payload()["n"], 5);
    assert_eq!(store.query(&Region::all()).expect("query").len(), 9);
}
