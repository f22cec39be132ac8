//! What is added is there, by number, by name and by key.

use crate::fixtures::{KIND, add, at, filled, hash, rows};
use batpak_core::{Assigned, Coordinate, EventHash, EventId, EventRef, Fields, RecordDraft, Timestamp};
use batpak_index::{EntityHead, Extras, LiveWriter};

#[test]
fn an_empty_index_knows_nothing() {
    let mut writer = LiveWriter::new();
    let live = writer.live().clone();
    assert_eq!((live.len(), live.is_empty(), live.entity_count()), (0, true, 0));
    assert!(live.row(0).is_none() && live.row(u64::MAX).is_none() && live.coordinate(0).is_none());
    assert!(live.find(&at("a", "x")).is_none() && writer.key(0).is_none());
    let known = writer.intern(&at("a", "x"));
    assert_eq!(writer.head(&known), EntityHead { len: 0, newest: None, hash: EventHash::GENESIS });
    assert_eq!(live.entity_count(), 0, "a name is no event");
}

#[test]
fn rows_keys_and_heads_are_those_of_what_was_added() {
    let mut writer = LiveWriter::new();
    for n in 0..10_u64 {
        let place = at(["a", "b"][usize::from(n % 2 == 1)], ["x", "y"][usize::from(n % 5 == 1)]);
        assert_eq!(add(&mut writer, &place, KIND, Some(n.into())), n);
    }
    let live = writer.live();
    assert_eq!((live.len(), live.entity_count()), (10, 2));
    for (sequence, row) in (0..).zip(rows(live)) {
        assert_eq!((row.sequence(), row.revision, row.offset), (sequence, sequence / 2, 1000 + sequence * 100));
        let coordinate = live.coordinate(row.coordinate).expect("a coordinate");
        assert_eq!(coordinate.entity(), if sequence % 2 == 0 { "a" } else { "b" });
        assert_eq!(coordinate.scope(), if sequence % 5 == 1 { "y" } else { "x" });
        assert_eq!(writer.key(sequence.into()), Some(sequence));
    }
    assert_eq!(writer.key(10), None);
    // The head belongs to the entity, whatever the scope.
    for scope in ["x", "y"] {
        let known = live.find(&at("a", scope)).expect("it occurs");
        assert_eq!(writer.head(&known), EntityHead { len: 5, newest: Some(8), hash: hash(8) });
    }
    assert!(live.find(&at("a", "z")).is_none());
}

#[test]
fn a_head_that_is_put_back_is_as_it_was() {
    let mut writer = filled(20, 1);
    let known = writer.intern(&at("a", "x"));
    let before = writer.head(&known);
    writer.set_head(&known, EntityHead { len: 99, newest: Some(99), hash: hash(99) });
    writer.set_head(&known, before);
    assert_eq!(writer.head(&known), before);
}

#[test]
fn a_name_is_interned_once() {
    let mut writer = filled(100, 2);
    let known = writer.intern(&at("new", "x"));
    assert_eq!(writer.head(&known).len, 0);
    add(&mut writer, &at("new", "x"), KIND, None);
    let row = *writer.live().row(100).expect("a row");
    add(&mut writer, &at("new", "x"), KIND, None);
    assert_eq!(writer.live().row(101).expect("a row").coordinate, row.coordinate);
}

#[test]
fn a_record_is_added_with_all_that_a_query_asks_for() {
    let coordinate: Coordinate = at("a", "x");
    let cause = EventId::from_u128(5);
    let full = Fields {
        correlation_id: Some(cause),
        causation_id: Some(cause),
        idempotency_key: Some(77),
        tags: &["t"],
        ..Fields::new(&coordinate, KIND)
    };
    let mut writer = LiveWriter::new();
    let mut previous = EventHash::GENESIS;
    for (sequence, fields) in (0..).zip([full, Fields::new(&coordinate, KIND)]) {
        let mut record = Vec::new();
        let draft = RecordDraft::begin(&mut record, &fields, [1; 16]).expect("a draft").finish();
        let id = EventId::compose(3, sequence, 1).expect("an id");
        let time = Timestamp::from_nanos(-4);
        previous = draft.assign(&mut record, &Assigned { id, revision: sequence, time, previous });
        let event = EventRef::decode(&record).expect("an event");
        writer.add_record(&event, 360 + sequence);
        let row = *writer.live().row(sequence).expect("a row");
        assert_eq!((row.id, row.offset, row.revision, row.time, row.kind), (id, 360 + sequence, sequence, time, KIND));
        let all = sequence == 0;
        assert_eq!(row.extras, Extras::new(all, all, all));
    }
    let known = writer.live().find(&coordinate).expect("it occurs");
    assert_eq!(writer.head(&known), EntityHead { len: 2, newest: Some(1), hash: previous });
    assert_eq!((writer.key(77), writer.live().entity_count()), (Some(0), 1));
}
