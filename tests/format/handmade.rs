//! Files made by hand that no writer of today makes, or only a crash.

use crate::deterministic::{DIR, Machine};
use crate::directory::{self, Files};
use crate::encode::{self, History, Writer};
use crate::facade::check_refused;
use crate::frame::{CRITICAL, FrameRecord};
use crate::header::Header;
use batpak::store::{Store, StoreError};
use batpak::{Coordinate, EventKind};
use std::error::Error;

pub(crate) const NIL: &[u8] = &[0xC0];

pub(crate) fn files<'a>(segments: impl IntoIterator<Item = &'a Writer>) -> Files {
    segments.into_iter().map(|segment| (segment.file_name(), segment.file.clone())).collect()
}

/// The facade, for writing and for reading, and the reader: all take these files, with so many events, and a writer
/// goes on.
#[track_caller]
pub(crate) fn check_taken(files: &Files, events: u64) {
    let read = directory::read(files).expect("a store");
    read.verify().expect("hashes that hold");
    assert_eq!(read.events.len() as u64, events);

    let machine = Machine::new(files);
    let reader = machine.open_read_only().expect("open");
    assert_eq!(reader.verify_chain().expect("a chain that holds").events, events);
    assert_eq!(&machine.truth(), files, "reading changes nothing");

    let writer = machine.open().expect("open");
    assert_eq!(writer.verify_chain().expect("a chain that holds").events, events);
    append(&writer);
    writer.close().expect("close");
    let read = directory::read(&machine.truth()).expect("a store");
    read.verify().expect("hashes that hold");
    assert_eq!(read.events.len() as u64, events + 1);
}

fn append(store: &Store) {
    let coordinate = Coordinate::new("a", "hand").expect("a coordinate");
    store.append(&coordinate, EventKind::custom(1, 1), &1).expect("append");
}

/// The facade, for writing and for reading, and the reader refuse these files; the facade names all of these, and
/// changes nothing.
#[track_caller]
pub(crate) fn check_not_taken(files: &Files, names: &[&str]) {
    directory::read(files).expect_err("a refusal");
    let machine = Machine::new(files);
    check_refused(machine.open_read_only(), names);
    check_refused(machine.open(), names);
    assert_eq!(&machine.truth(), files, "a refusal changes nothing");
}

/// As [`check_not_taken`], for an event that is refused: the log below is whole, and a writer may mark it as such.
#[track_caller]
pub(crate) fn check_event_not_taken(files: &Files, names: &[&str]) {
    directory::read(files).expect_err("a refusal");
    let machine = Machine::new(files);
    check_refused(machine.open_read_only(), names);
    assert_eq!(&machine.truth(), files, "reading changes nothing");
    check_refused(machine.open(), names);
}

/// A store of one segment with two events, closed.
fn plain() -> Writer {
    let (mut history, mut segment) = (History::default(), Writer::first());
    segment.records(vec![history.add("a", NIL), history.add("b", &[0x01])]);
    segment.close();
    segment
}

#[test]
fn a_segment_made_by_hand_is_a_store() {
    check_taken(&files([&plain()]), 2);
}

fn with_frame_record(kind: u16, flags: u16) -> Files {
    let (mut history, mut segment) = (History::default(), Writer::first());
    let unknown = FrameRecord { kind, flags, body: b"from later".to_vec() };
    segment.append(vec![history.add("a", NIL)], vec![unknown.clone()]);
    segment.append(Vec::new(), vec![unknown.clone(), unknown]);
    segment.records(vec![history.add("a", &[0x01])]);
    files([&segment])
}

#[test]
fn an_unknown_frame_record_is_skipped() {
    check_taken(&with_frame_record(0x77, 0), 2);
    check_taken(&with_frame_record(0x777, 0), 2);
}

#[test]
fn an_unknown_frame_record_that_is_critical_is_refused_by_its_type() {
    check_not_taken(&with_frame_record(0x77, CRITICAL), &["frame record", "0x77"]);
}

#[test]
fn an_unknown_frame_record_from_256_on_that_is_critical_is_refused_by_its_type() {
    check_not_taken(&with_frame_record(0x777, CRITICAL), &["frame record", "0x777"]);
}

/// The types that the document describes and no writer of today writes.
#[test]
fn positions_and_descriptions_are_known() {
    let (mut history, mut segment) = (History::default(), Writer::first());
    let position = [&4_u16.to_le_bytes()[..], b"mail", &[7; 32], &1_u64.to_le_bytes(), &[9; 32]].concat();
    let kind = [&[0x01, 0x10, 1, 0, 5, 0][..], b"Hired", &[1, 0, 4, 0], b"name"].concat();
    let position = FrameRecord { kind: 256, flags: 0, body: position };
    let kind = FrameRecord { kind: 257, flags: 0, body: kind };
    segment.append(vec![history.add("a", NIL)], vec![kind, position]);
    check_taken(&files([&segment]), 1);
}

fn with_extension(kind: u16) -> Files {
    let (mut history, mut segment) = (History::default(), Writer::first());
    let before = history.add("a", NIL);
    let extended = history.add_with("b", &[0x02], |event| {
        event.payload_version = 3;
        event.tags = vec!["tag".to_owned()];
        event.extensions = vec![(2, b"lane".to_vec()), (3, Vec::new()), (kind, b"from later".to_vec())];
    });
    segment.records(vec![before, extended, history.add("b", NIL)]);
    files([&segment])
}

#[test]
fn an_unknown_extension_is_skipped() {
    let files = with_extension(0x0BAD);
    check_taken(&files, 3);
    let store = Machine::new(&files).open_read_only().expect("open");
    let event = store.read(1).expect("an event").event;
    assert_eq!((event.payload_version(), event.payload().as_u64()), (3, Some(2)));
    let read = directory::read(&files).expect("a store");
    assert_eq!(read.events[1].extensions[2], (0x0BAD, b"from later".to_vec()));
}

#[test]
fn an_event_with_an_unknown_extension_that_is_critical_is_refused_by_its_type_and_the_others_are_not() {
    let files = with_extension(0x8BAD);
    let store = Machine::new(&files).open().expect("open");
    let error = store.read(1).expect_err("an event from later");
    assert!(error.source().expect("a cause").to_string().contains("0x8bad"), "{error:?}");
    assert_eq!(store.read(2).expect("an event").event.sequence(), 2);
    assert_eq!(store.verify_chain().expect("a chain").events, 3);
}

#[test]
fn extensions_have_a_limit() {
    let with = |len| {
        let (mut history, mut segment) = (History::default(), Writer::first());
        let record = history.add_with("a", NIL, |event| event.extensions = vec![(9, vec![0xE9; len])]);
        segment.records(vec![record]);
        files([&segment])
    };
    check_taken(&with(65535 - 6), 1);
    check_event_not_taken(&with(65536 - 6), &["event 0", "65535"]);
}

fn with_header(change: impl FnOnce(&mut Header)) -> Files {
    let mut segment = plain();
    change(&mut segment.header);
    segment.file[..256].copy_from_slice(&encode::header(&segment.header));
    files([&segment])
}

#[test]
fn a_required_feature_is_refused() {
    check_not_taken(&with_header(|header| header.features = 1 << 5), &["0x20"]);
}

#[test]
fn a_later_format_is_refused_with_both_numbers() {
    let mut segment = plain();
    segment.file[8..12].copy_from_slice(&2_u32.to_le_bytes());
    encode::seal_header(&mut segment.file);
    check_not_taken(&files([&segment]), &["format 2", "to 1"]);
}

/// Nothing behind the format number is known to be where it is in format 1, the crc neither.
#[test]
fn a_later_format_is_refused_as_such_whatever_its_header_is() {
    let mut segment = plain();
    segment.file[8..12].copy_from_slice(&2_u32.to_le_bytes());
    segment.file[12..256].fill(0xFF);
    check_not_taken(&files([&segment]), &["format 2", "to 1"]);
}

#[test]
fn a_file_of_another_name_is_refused() {
    let mut other = files([&plain()]);
    let file = other.pop_first().expect("a file").1;
    other.insert("0000000000.0001.fbat".to_owned(), file);
    check_not_taken(&other, &["0000000000.0001.fbat"]);
}

#[test]
fn a_file_that_only_looks_like_a_segment_is_refused() {
    let mut other = files([&plain()]);
    other.insert("1.fbat".to_owned(), b"text".to_vec());
    check_not_taken(&other, &["1.fbat"]);
}

#[test]
fn other_files_are_ignored() {
    let mut other = files([&plain()]);
    other.insert("notes.txt".to_owned(), b"text".to_vec());
    directory::read(&other).expect("a store");
    let machine = Machine::new(&other);
    machine.open().expect("open").close().expect("close");
    assert_eq!(machine.files.read(format!("{DIR}/notes.txt")).expect("still there"), b"text");
}

#[test]
fn a_file_in_the_making_is_ignored_and_removed() {
    let mut other = files([&plain()]);
    other.insert("0000000001.0000.fbat.tmp".to_owned(), b"half".to_vec());
    directory::read(&other).expect("a store");
    let machine = Machine::new(&other);
    let left = || machine.files.files().iter().any(|path| path.extension().is_some_and(|extension| extension == "tmp"));
    machine.open_read_only().expect("open");
    assert!(left());
    machine.open().expect("open");
    assert!(!left());
}

/// Two segments; the second has no frame yet.
fn with_spare(seal: bool) -> Files {
    let (mut history, mut first) = (History::default(), Writer::first());
    first.records(vec![history.add("a", NIL)]);
    if seal {
        first.seal();
    }
    let mut files = files([&first]);
    let spare = encode::new_header(1);
    files.insert(spare.file_name(), encode::header(&spare));
    files
}

#[test]
fn a_spare_segment_beside_an_unsealed_one_is_legal() {
    check_taken(&with_spare(false), 1);
}

#[test]
fn a_spare_segment_behind_a_sealed_one_is_legal() {
    check_taken(&with_spare(true), 1);
}

/// As the seal that was being written when the power went.
#[test]
fn a_seal_that_is_torn_off_is_legal() {
    let (mut history, mut first) = (History::default(), Writer::first());
    first.records(vec![history.add("a", NIL)]);
    let end = first.file.len();
    let second = first.seal();
    first.file[end + 20] ^= 1;
    let mut files = files([&first, &second]);
    check_not_taken(&files, &["segment 0", &end.to_string()]);
    files.insert(second.file_name(), encode::header(&second.header));
    check_taken(&files, 1);
}

#[test]
fn bytes_behind_a_seal_are_damage() {
    let mut first = plain();
    let second = first.seal();
    let end = first.file.len();
    first.file.extend([0; 24]);
    check_taken(&files([&first, &second]), 2);
    first.file[end + 8] = 1;
    check_not_taken(&files([&first, &second]), &["segment 0", &end.to_string()]);
}

#[test]
fn a_sealed_last_segment_means_one_that_is_missing() {
    let mut first = plain();
    let second = first.seal();
    check_taken(&files([&first, &second]), 2);
    check_not_taken(&files([&first]), &["segment 1 is missing"]);
    check_not_taken(&files([&second]), &["segment 0 is missing"]);
}

#[test]
fn a_missing_middle_segment_is_refused() {
    let mut first = plain();
    let mut second = first.seal();
    let third = second.seal();
    check_taken(&files([&first, &second, &third]), 2);
    check_not_taken(&files([&first, &third]), &["segment 1 is missing"]);
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let mut first = plain();
    let mut second = first.seal();
    second.header.store_id = [0xDD; 16];
    let second = Writer::new(second.header, &first.link_after());
    check_not_taken(&files([&first, &second]), &["segment 1", "store"]);
}

/// The segment after a seal says what the seal says.
#[test]
fn a_link_that_contradicts_the_seal_is_refused() {
    let mut first = plain();
    let second = first.seal();
    let truth = first.link_after();
    let mut wrong = [truth.clone(), truth.clone(), truth.clone(), truth.clone()];
    wrong[0].count += 1;
    wrong[1].seal_crc ^= 1;
    wrong[2].previous = [9; 16];
    wrong[3].end_sequence += 1;
    for link in wrong {
        let second = Writer::new(second.header.clone(), &link);
        check_not_taken(&files([&first, &second]), &["segment 1"]);
    }
}

#[test]
fn an_id_of_another_sequence_is_refused() {
    let (mut history, mut segment) = (History::default(), Writer::first());
    let record = history.add_with("a", NIL, |event| event.id = encode::id(1_700_000_000_000, 1));
    segment.records(vec![record]);
    check_event_not_taken(&files([&segment]), &["event 0"]);
}

/// A change with a crc that is right shows in the hashes.
#[test]
fn a_changed_event_breaks_the_chain() {
    let (mut history, mut segment) = (History::default(), Writer::first());
    history.add("a", NIL);
    history.0[0].kind += 1;
    segment.records(vec![encode::record(&history.0[0])]);
    let files = files([&segment]);
    directory::read(&files).expect("a store").verify().expect_err("a broken chain");
    let store = Machine::new(&files).open().expect("open");
    assert!(matches!(store.verify_chain(), Err(StoreError::Chain { sequence: 0, .. })));
}
