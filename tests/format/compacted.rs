//! Files that compaction and erasure leave: a higher generation, and events without their payloads.

use crate::chain;
use crate::deterministic::{DIR, Machine};
use crate::directory::{self, Files};
use crate::encode::{self, History, Writer};
use crate::handmade::{NIL, check_not_taken, check_taken, files};
use crate::header::Header;
use crate::record::{Content, Event};
use batpak::store::{Store, StoreError};
use batpak::{EventId, Region};

/// Four segments, each with three events of two entities; the last is active.
struct Original {
    history: History,
    segments: Vec<Writer>,
}

fn original() -> Original {
    let mut history = History::default();
    let mut segments = vec![Writer::first()];
    for number in 0..4_u8 {
        let last = segments.last_mut().expect("one");
        last.records(vec![history.add("a", &[number])]);
        let keyed = |event: &mut Event| {
            event.key = Some(u128::from(number) + 1);
            event.tags = vec!["tag".to_owned()];
        };
        last.records(vec![history.add_with("b", NIL, keyed), history.add("a", NIL)]);
        if number < 3 {
            let next = last.seal();
            segments.push(next);
        }
    }
    segments.last_mut().expect("one").close();
    Original { history, segments }
}

fn erase(event: &mut Event) {
    event.content = Content::Erased { payload_hash: chain::payload_hash(&event.content) };
}

fn drop_event(event: &mut Event) {
    let payload_hash = chain::payload_hash(&event.content);
    event.content = Content::Dropped { payload_hash };
    (event.kind, event.payload_version, event.time) = (0, 0, 0);
    event.tags.clear();
}

impl Original {
    /// What stands for the segments `first` to `last` after its events were changed.
    fn compacted(&self, first: usize, last: usize, generation: u32) -> Writer {
        let (from, to) = (&self.segments[first].header, &self.segments[last].header);
        let header = Header {
            segment_id: [0xC0 + u8::try_from(generation).expect("few"); 16],
            last_link: to.last_link,
            last_number: to.last_number,
            generation,
            ..from.clone()
        };
        let mut link = first.checked_sub(1).map_or_else(
            || crate::frame::Link { first_sequence: 0, previous: [0; 16], end_sequence: 0, count: 0, seal_crc: 0 },
            |before| self.segments[before].link_after(),
        );
        link.first_sequence = (first * 3) as u64;
        let mut file = Writer::new(header, &link);
        let records = self.history.0[first * 3..(last + 1) * 3].iter().map(encode::record).collect();
        file.records(records);
        file.seal_for(encode::new_header(u8::try_from(last + 1).expect("few")).first_link);
        file
    }

    fn with(&self, compacted: &Writer, without: &[usize]) -> Files {
        let kept = self.segments.iter().enumerate().filter(|(number, _)| !without.contains(number));
        files(kept.map(|(_, segment)| segment).chain([compacted]))
    }
}

fn stubs() -> Original {
    let mut original = original();
    erase(&mut original.history.0[3]);
    drop_event(&mut original.history.0[4]);
    original
}

#[test]
fn the_original_is_a_store() {
    check_taken(&files(&original().segments), 12);
}

#[test]
fn a_compacted_segment_stands_for_the_one_that_is_gone() {
    let original = stubs();
    check_taken(&original.with(&original.compacted(1, 1, 1), &[1]), 12);
}

#[test]
fn the_segment_that_was_compacted_is_removed_by_the_next_writer() {
    let original = stubs();
    let both = original.with(&original.compacted(1, 1, 1), &[]);
    assert_eq!(directory::read(&both).expect("a store").events.len(), 12);
    let machine = Machine::new(&both);
    assert!(matches!(machine.open_read_only().expect("open").read(3), Err(StoreError::Erased { sequence: 3 })));
    assert_eq!(machine.truth(), both, "reading changes nothing");

    let store = machine.open().expect("open");
    assert_eq!(store.verify_chain().expect("a chain that holds").events, 12);
    drop(store);
    let names: Vec<String> = machine.truth().into_keys().collect();
    let left = ["0000000000.0000", "0000000001.0001", "0000000002.0000", "0000000003.0000"];
    assert_eq!(names, left.map(|name| format!("{name}.fbat")));
}

#[test]
fn one_file_can_stand_for_two_segments() {
    let original = stubs();
    let compacted = original.compacted(1, 2, 1);
    check_taken(&original.with(&compacted, &[1, 2]), 12);
    check_taken(&original.with(&compacted, &[2]), 12);
    assert_eq!(compacted.file_name(), "0000000001.0001.fbat");
}

#[test]
fn the_first_segments_can_be_compacted() {
    let original = stubs();
    check_taken(&original.with(&original.compacted(0, 1, 1), &[0, 1]), 12);
}

#[test]
fn a_second_compaction_stands_for_the_first() {
    let original = stubs();
    let mut files = original.with(&original.compacted(1, 1, 1), &[]);
    let second = original.compacted(0, 2, 2);
    files.insert(second.file_name(), second.file.clone());
    check_taken_and_left(&files, &["0000000000.0002.fbat", "0000000003.0000.fbat"]);
}

#[track_caller]
fn check_taken_and_left(files: &Files, left: &[&str]) {
    let machine = Machine::new(files);
    let store = machine.open().expect("open");
    assert_eq!(store.verify_chain().expect("a chain that holds").events, 12);
    assert_eq!(directory::read(&machine.truth()).expect("a store").events.len(), 12);
    assert_eq!(machine.truth().into_keys().collect::<Vec<_>>(), left);
}

#[test]
fn files_that_overlap_in_part_are_refused() {
    let original = stubs();
    let mut files = original.with(&original.compacted(0, 1, 1), &[0, 1]);
    let other = original.compacted(1, 2, 2);
    files.insert(other.file_name(), other.file.clone());
    check_not_taken(&files, &["0000000000.0001.fbat", "0000000001.0002.fbat"]);
}

#[test]
fn files_of_one_generation_that_overlap_are_refused() {
    let original = stubs();
    let mut files = original.with(&original.compacted(0, 1, 1), &[0, 1]);
    let other = original.compacted(1, 2, 1);
    files.insert(other.file_name(), other.file.clone());
    check_not_taken(&files, &["0000000000.0001.fbat", "0000000001.0001.fbat"]);
}

#[test]
fn a_compacted_segment_has_to_be_whole() {
    let original = stubs();
    let mut compacted = original.compacted(1, 1, 1);
    compacted.file.truncate(compacted.file.len() - 8);
    check_not_taken(&original.with(&compacted, &[]), &["segment 1"]);
}

#[test]
fn what_is_erased_or_dropped_cannot_be_read_and_all_else_can() {
    let original = stubs();
    let machine = Machine::new(&original.with(&original.compacted(1, 1, 1), &[1]));
    let store = machine.open().expect("open");
    let id = |sequence: usize| EventId::from_bytes(original.history.0[sequence].id);
    for sequence in [3, 4] {
        assert!(matches!(store.read(sequence), Err(StoreError::Erased { sequence: s }) if s == sequence));
    }
    assert!(matches!(store.get(id(3)), Err(StoreError::Erased { sequence: 3 })));
    assert!(matches!(store.get_raw(id(3)), Err(StoreError::Erased { sequence: 3 })));
    assert_eq!(store.get(id(5)).expect("an event").event.payload(), &serde_json::json!(null));
    assert_eq!(store.stream("a").len(), 8);
    assert_eq!(store.query(&Region::tag("tag")).expect("rows").len(), 3, "a dropped event has no tags");
}

/// It would still find what was dropped by its tags, and look for it where it stood before.
#[test]
fn an_index_of_the_original_is_not_used_for_what_was_compacted() {
    let machine = Machine::new(&files(&original().segments));
    let config = || machine.config().with_enable_checkpoint(true);
    Store::open(config()).expect("open").close().expect("close");
    let original = stubs();
    let compacted = original.compacted(1, 1, 1);
    machine.files.write(format!("{DIR}/{}", compacted.file_name()), compacted.file);
    let store = Store::open(config()).expect("open");
    assert_eq!(store.query(&Region::tag("tag")).expect("rows").len(), 3, "a dropped event has no tags");
    for sequence in [3, 4] {
        assert!(matches!(store.read(sequence), Err(StoreError::Erased { sequence: s }) if s == sequence));
    }
    assert_eq!(store.stream("a").len(), 8);
    let refused = store.diagnostics().open_report.expect("a report").refused;
    assert!(refused.iter().any(|refused| refused.reason.contains("other segments")), "{refused:?}");
}

#[test]
fn hashes_hold_across_what_is_erased_and_dropped() {
    let (whole, original) = (original(), stubs());
    let head = chain::verify(&whole.history.0).expect("hashes that hold");
    assert_eq!(chain::verify(&original.history.0).expect("hashes that hold"), head);
    let machine = Machine::new(&original.with(&original.compacted(1, 1, 1), &[1]));
    let store = machine.open().expect("open");
    assert_eq!(store.head().expect("a head").root.as_bytes(), &head.root);
}

/// An idempotency key outlives its event.
#[test]
fn the_key_of_a_dropped_event_is_still_taken() {
    let original = stubs();
    let machine = Machine::new(&original.with(&original.compacted(1, 1, 1), &[1]));
    let store = machine.open().expect("open");
    let coordinate = batpak::Coordinate::new("b", "hand").expect("a coordinate");
    let options = batpak::store::AppendOptions::default().with_idempotency_key(2);
    let again = store.append_with_options(&coordinate, batpak::EventKind::custom(1, 1), &(), options);
    assert!(store.stats().expect("counts").events == 12, "{again:?}");
}

#[test]
fn a_dropped_record_that_says_more_is_refused() {
    let mut original = stubs();
    original.history.0[4].kind = 0x1001;
    check_not_taken(&original.with(&original.compacted(1, 1, 1), &[1]), &["event 4", "kind"]);
}
