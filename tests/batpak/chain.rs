//! Tampering that every crc hides: the chain shows it, or the head does.

use crate::fixtures::{DIR, KIND, Machine, append, at, report};
use batpak::store::{AppendOptions, Head, OpenIndexPath, Store, StoreError};
use batpak::{ChainError, EventHash, EventId, Region};
use batpak_core::{Assigned, EventRef, Fields, RecordDraft};
use batpak_index::{About, Builder};
use batpak_segment::{Environment, Frame, LogConfig, LogReader, Unrecovered};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Events of two entities, `a` and `b` in turn, and the head over them.
fn store() -> (Machine, Head) {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..8_u64 {
        let options = AppendOptions::default().with_metadata(b"meta");
        let place = at(["a", "b"][usize::from(n % 2 == 1)], "x");
        store.append_with_options(&place, KIND, &json!({"n": n}), options).expect("append");
    }
    store.sync().expect("sync");
    let head = store.head().expect("head");
    store.close().expect("close");
    (machine, head)
}

fn environment(machine: &Machine) -> Environment {
    machine.config().environment
}

fn records(machine: &Machine) -> Vec<Vec<u8>> {
    let reader = LogReader::open(&environment(machine), Path::new(DIR), 4).expect("open the log");
    reader.records(0).map(|record| record.expect("a record").bytes).collect()
}

/// A machine with these records in a log of its own, every crc right. With an index, none of them is looked at when the
/// store is opened.
fn forged(records: &[Vec<u8>], index: bool) -> Machine {
    let machine = Machine::new();
    let (log, _) = Unrecovered::open(environment(&machine), Path::new(DIR), LogConfig::default())
        .expect("open the log")
        .recover()
        .expect("a new log");
    let mut builder = Builder::new(log.reader().store_id(), 0);
    for record in records {
        let mut frame = Frame::new();
        frame.push(record);
        let appended = log.append_frame(&mut frame).expect("append");
        if !index {
            continue;
        }
        let event = EventRef::decode(record).expect("an event");
        if event.sequence() == appended.first_sequence {
            builder.push(&event, u32::try_from(appended.offset + frame.record_offset(0)).expect("small"));
        }
    }
    if index {
        write_index(&machine, log.reader(), builder, records);
    }
    log.close().expect("close");
    machine
}

/// The index of all records, as if the store had made it.
fn write_index(machine: &Machine, log: &LogReader, builder: Builder, records: &[Vec<u8>]) {
    let id = log.segments()[0].id;
    let stamp = Sha256::digest(id).iter().take(8).fold(0, |stamp, byte| stamp << 8 | u64::from(*byte));
    let last = EventRef::decode(records.last().expect("a record")).expect("an event");
    let about = About { store_id: log.store_id(), stamp, last_hash: last.event_hash() };
    let name = format!("{DIR}/{:013}-{:013}.index", 0, builder.len());
    let mut bytes = Vec::new();
    builder.write(&about, &mut bytes).expect("written");
    machine.files.write(name, bytes);
}

/// A record of the same event with another payload, and the hash that stood there.
fn with_payload(record: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = record.windows(from.len()).position(|window| window == from).expect("the payload");
    let mut record = record.to_vec();
    record[at..at + from.len()].copy_from_slice(to);
    record
}

/// A whole event made anew: what somebody who knows the format would write.
fn event(entity: &str, sequence: u64, revision: u64, previous: EventHash) -> Vec<u8> {
    let coordinate = at(entity, "x");
    let mut record = Vec::new();
    let mut open = RecordDraft::begin(&mut record, &Fields::new(&coordinate, KIND), [9; 16]).expect("a draft");
    open.extend_from_slice(&[0xC0]);
    let draft = open.finish();
    let id = EventId::compose(1_700_000_000_000 + sequence, sequence, 5).expect("an id");
    let time = batpak::Timestamp::from_nanos(1);
    draft.assign(&mut record, &Assigned { id, revision, time, previous });
    record
}

fn hash(record: &[u8]) -> EventHash {
    EventRef::decode(record).expect("an event").event_hash()
}

#[track_caller]
fn check_hash(machine: &Machine, sequence: u64, entity: &str) {
    for store in [machine.open_read_only(), machine.open()] {
        match store.verify_chain().expect_err("it shows") {
            StoreError::Chain { sequence: found, entity: owner, source } => {
                assert_eq!((found, owner.as_str()), (sequence, entity));
                let ChainError::Hash { stored, computed, .. } = *source else { panic!("{source}") };
                assert_ne!(stored, computed);
            }
            error => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_whole_chain_is_counted_and_has_the_head() {
    let (machine, head) = store();
    for store in [machine.open_read_only(), machine.open()] {
        let chain = store.verify_chain().expect("a whole chain");
        assert_eq!((chain.events, chain.entities, chain.head), (8, 2, head));
        assert_eq!(store.head().expect("head"), head);
    }
    let same = forged(&records(&machine), false).open();
    assert_eq!(same.verify_chain().expect("the records are the same").head, head);
}

/// An auditor must see a changed amount, also where whoever changed it has mended every checksum.
#[test]
fn a_changed_payload_shows() {
    let (machine, _) = store();
    let mut records = records(&machine);
    records[3] = with_payload(&records[3], &[0x81, 0xA1, b'n', 3], &[0x81, 0xA1, b'n', 9]);
    for index in [false, true] {
        let machine = forged(&records, index);
        assert_eq!(machine.open().read(3).expect("its crc is right").event.payload()["n"], 9);
        check_hash(&machine, 3, "b");
    }
}

#[test]
fn every_changed_byte_of_a_record_shows() {
    let (machine, head) = store();
    let whole = records(&machine);
    for at in 0..whole[2].len() {
        let mut records = whole.clone();
        records[2][at] ^= 1;
        let Ok(changed) = EventRef::decode(&records[2]).map(|event| event.sequence()) else { continue };
        let machine = forged_unread(&records);
        let found = Store::open_read_only(machine.config()).and_then(|store| store.verify_chain());
        match found {
            Err(StoreError::Chain { sequence: 2 | 4, .. } | StoreError::Corrupt { .. }) => {}
            other => panic!("byte {at}, sequence {changed}, head {head:?}: {other:?}"),
        }
    }
}

/// As `forged` without an index, for records that need not be what they should be.
fn forged_unread(records: &[Vec<u8>]) -> Machine {
    forged(records, false)
}

#[test]
fn an_event_that_is_made_anew_shows_at_the_next_of_its_entity() {
    let (machine, head) = store();
    let mut records = records(&machine);
    records[2] = event("a", 2, 1, hash(&records[0]));
    for index in [false, true] {
        check_hash(&forged(&records, index), 4, "a");
    }
    // The last of an entity has no next one: only the head tells.
    let (machine, _) = store();
    let mut records = self::records(&machine);
    records[6] = event("a", 6, 3, hash(&records[4]));
    for index in [false, true] {
        let store = forged(&records, index).open();
        let chain = store.verify_chain().expect("the chain is whole");
        assert_eq!(chain.head.size, head.size);
        assert_ne!(chain.head.root, head.root);
        assert_eq!(store.head().expect("head"), chain.head);
    }
}

/// Opened by the index, whatever stands in another's place has to be met by reading.
#[test]
fn a_swapped_order_shows() {
    let (machine, _) = store();
    for (one, two) in [(2, 4), (2, 3), (0, 1)] {
        let mut records = records(&machine);
        records.swap(one, two);
        let error = Store::open(forged(&records, false).config()).expect_err("it is read when it is opened");
        assert!(matches!(error, StoreError::Corrupt { offset: Some(_), .. }), "{error:?}");
        let opened = opened_by_an_honest_index(&records);
        assert_eq!(report(&opened).path, OpenIndexPath::Mmap);
        let error = opened.verify_chain().expect_err("it shows");
        assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Chain { .. }), "{one} {two}: {error:?}");
        assert!(opened.head().is_err());
        let sequence = one as u64;
        let errors = [
            opened.read(sequence).expect_err("another event stands there"),
            opened.events(&Region::all()).from(sequence).next().expect("an event").expect_err("another event"),
        ];
        assert!(errors.iter().all(StoreError::is_corruption), "{errors:?}");
        assert!(opened.read(7).is_ok());
    }
}

/// The store of records in the wrong order, with an index that says what should be where.
fn opened_by_an_honest_index(records: &[Vec<u8>]) -> Store {
    let machine = forged(records, false);
    let reader = LogReader::open(&environment(&machine), Path::new(DIR), 4).expect("open the log");
    let mut expected: Vec<EventRef<'_>> =
        records.iter().map(|record| EventRef::decode(record).expect("an event")).collect();
    expected.sort_by_key(batpak::EventRef::sequence);
    let mut builder = Builder::new(reader.store_id(), 0);
    for (record, event) in reader.records(0).zip(&expected) {
        builder.push(event, u32::try_from(record.expect("a record").position.offset).expect("small"));
    }
    write_index(&machine, &reader, builder, records);
    machine.open()
}

#[test]
fn a_removed_event_shows() {
    let (machine, head) = store();
    let whole = records(&machine);
    for removed in 0..7 {
        let mut records = whole.clone();
        records.remove(removed);
        let error = Store::open(forged(&records, false).config()).expect_err("a sequence is missing");
        assert!(error.is_corruption(), "{error:?}");
    }
    // Moved up, with ids to match, as somebody would who knows the format: their hashes tell.
    let mut records = whole.clone();
    records.remove(2);
    let moved = records[2..].to_vec();
    for (sequence, (record, old)) in (2_u64..).zip(records[2..].iter_mut().zip(moved)) {
        let event = EventRef::decode(&old).expect("an event");
        let id = EventId::compose(event.event_id().millis(), sequence, 5).expect("an id");
        let at = record.len() - 64;
        record[at..at + 16].copy_from_slice(&id.to_bytes());
    }
    let error = Store::open(forged(&records, false).config()).and_then(|store| store.verify_chain());
    assert!(error.expect_err("a revision is missing").is_corruption());
    // Without its last event the store is whole, and shorter than the head that was kept.
    let shorter = forged(&whole[..7], false).open();
    let chain = shorter.verify_chain().expect("a whole chain");
    assert_eq!((chain.events, chain.head.size), (7, 7));
    assert_ne!(chain.head, head);
}

#[test]
fn a_second_first_event_shows() {
    let (machine, _) = store();
    let mut records = records(&machine);
    records.push(event("a", 8, 0, EventHash::GENESIS));
    let error = Store::open(forged(&records, false).config()).expect_err("a revision twice");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    // An index that was forged with it is not read whole when it is opened.
    let error = forged(&records, true).open().verify_chain().expect_err("a revision twice");
    assert!(matches!(error, StoreError::Chain { .. }), "{error:?}");
}

#[test]
fn the_head_grows_with_what_is_durable() {
    let machine = Machine::new();
    let store = machine.open();
    let mut heads = vec![store.head().expect("head")];
    for n in 0..20_u64 {
        append(&store, &at("a", "x"), &json!(n));
        store.sync().expect("sync");
        heads.push(store.head().expect("head"));
    }
    assert!(heads.iter().map(|head| head.size).eq(0..=20));
    let reader = machine.open_read_only();
    assert_eq!(reader.head().expect("head"), heads[20]);
    assert_eq!(reader.verify_chain().expect("a whole chain").head, heads[20]);
    // Each older head is that of a prefix.
    let records = records(&machine);
    for (size, head) in heads.iter().enumerate() {
        assert_eq!(forged(&records[..size], false).open().verify_chain().expect("a prefix").head, *head);
    }
}

/// A head over events that a power cut can still take would accuse an honest store.
#[test]
fn the_head_does_not_cover_what_a_power_cut_may_take() {
    let machine = Machine::new();
    let config = machine.config().with_sync_interval(std::time::Duration::from_hours(1));
    let store = Store::open(config).expect("open");
    append(&store, &at("a", "x"), &json!(0));
    store.sync().expect("sync");
    append(&store, &at("a", "x"), &json!(1));
    assert_eq!(store.diagnostics().durable, 1);
    assert_eq!(store.head().expect("head").size, 1);
    assert_eq!(store.verify_chain().expect("a whole chain").head.size, 2);
    store.wait_durable(1).expect("sync");
    assert_eq!(store.head().expect("head").size, 2);
}

/// What is done to an event before it is verified.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Nothing,
    Changed,
    Unreadable,
}

/// Five events of two entities, each of them left as it is, changed or made unreadable, in every way.
#[test]
fn wrong_events_are_told_in_their_order() {
    let (machine, _) = store();
    let whole = &records(&machine)[..5];
    for way in 0..3_usize.pow(5) {
        let done = [0, 1, 2, 3, 4].map(|n| [Done::Nothing, Done::Changed, Done::Unreadable][way / 3_usize.pow(n) % 3]);
        let mut records = whole.to_vec();
        let mut expected = Vec::new();
        for (n, done) in done.into_iter().enumerate() {
            let is_linked = n < 2 || way / 3_usize.pow(u32::try_from(n).expect("small") - 2) % 3 != 2;
            match done {
                Done::Changed => {
                    let payload = [0x81, 0xA1, b'n', u8::try_from(n).expect("small")];
                    records[n] = with_payload(&records[n], &payload, &[0x81, 0xA1, b'n', 99]);
                    if is_linked {
                        expected.push((n as u64, ["a", "b"][n % 2]));
                    }
                }
                Done::Unreadable => {
                    records[n][1] ^= 0x80;
                    expected.push((n as u64, ""));
                }
                Done::Nothing => {}
            }
        }
        let (found, report) = crate::verify::findings(forged_unread(&records).config());
        let found = found.iter().map(|finding| match &finding.error {
            StoreError::Chain { sequence, entity, source } if matches!(**source, ChainError::Hash { .. }) => {
                (*sequence, entity.as_str())
            }
            StoreError::Record { sequence, .. } => (*sequence, ""),
            other => panic!("{other:?}"),
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "way {way}");
        let unreadable = done.iter().filter(|done| **done == Done::Unreadable).count() as u64;
        assert_eq!((report.events, report.events_lost), (5 - unreadable, unreadable), "way {way}");
        assert_eq!(report.head.is_some(), unreadable == 0, "way {way}");
    }
}
