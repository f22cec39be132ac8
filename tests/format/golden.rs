//! The golden store: what was once written stays readable, and is written in the same way today.

use crate::deterministic::Machine;
use crate::directory::{self, Files};
use crate::facade::{facts_of_store, facts_read};
use crate::messagepack::Value;
use crate::payloads::{self, Put};
use crate::{encode, header};
use batpak::store::{AppendOptions, BatchAppendItem, CausationRef, Durability, Store, StoreConfig, idempotency_key};
use batpak::{Coordinate, EventId, EventKind, Timestamp};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

const EXPECTED: &str = "expected.json";
const SEGMENT_MAX_BYTES: u64 = 4096;

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/format/golden")
}

fn golden_files() -> Files {
    let files = directory::files(&golden_dir());
    files.into_iter().filter(|(name, _)| name.ends_with(".fbat") || name == "batpak.tail").collect()
}

fn expected() -> Json {
    let text = std::fs::read(golden_dir().join(EXPECTED)).expect("the expected facts");
    serde_json::from_slice(&text).expect("JSON")
}

/// Writes the golden store in memory and says what the facade says about it.
fn generate() -> (Files, Json) {
    let machine = Machine::new(&Files::new());
    first_session(&machine);
    let facts = second_session(&machine);
    (machine.truth(), facts)
}

/// Nothing is synced but by a call: the marks in the frames are the same every time.
fn open(machine: &Machine) -> Store {
    let config = machine.config().with_segment_max_bytes(SEGMENT_MAX_BYTES).with_sync_every_n_events(1000);
    Store::open(config).expect("open")
}

fn at(entity: &str, scope: &str) -> Coordinate {
    Coordinate::new(entity, scope).expect("a coordinate")
}

fn first_session(machine: &Machine) {
    let store = open(machine);
    let order = at("order:7", "shop");
    let placed = store.append(&order, EventKind::custom(1, 1), &payloads::order()).expect("append");
    append_all_fields(&store, &order, placed.event_id);
    for (number, shape) in (1..).zip(payloads::shapes()) {
        machine.clock.set(1_700_000_000_000_000_000 + i64::from(number) * 1_000_000_007);
        store.append(&at("shape", "JSON"), EventKind::custom(2, number), &Put(&shape)).expect("append");
        store.sync().expect("sync");
    }
    store.close().expect("close");
}

/// Every option, each with a value that shows its byte order.
fn append_all_fields(store: &Store, order: &Coordinate, cause: EventId) {
    let options = AppendOptions::default()
        .expect_len(1)
        .with_correlation_id(EventId::from_u128(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF))
        .with_causation_id(cause)
        .with_idempotency_key(idempotency_key("order:7/paid"))
        .with_occurred_at(Timestamp::from_nanos(-1_234_567_890_123_456_789))
        .with_metadata(b"\x00\x01\xFEmeta")
        .with_tags(&["customer:3", "Straße", "東京"]);
    store.append_with_options(order, EventKind::custom(0xF, 0xFFF), &(), options).expect("append");
}

fn second_session(machine: &Machine) -> Json {
    let store = open(machine);
    // The wall clock has gone back. Ids go on all the same.
    machine.clock.set(1_600_000_000_000_000_000);
    append_limits(&store);
    append_batch(&store);
    let head = store.head().expect("a head");
    assert!(head.size > 0, "segments from now on name a head");
    let options = |count| match count % 4 {
        0 => AppendOptions::default().with_durability(Durability::Synced),
        _ => AppendOptions::default(),
    };
    for count in 0..16_u64 {
        let counter = at(&format!("counter:{}", count % 3), "Ω≈ç√ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢");
        store.append_with_options(&counter, EventKind::custom(3, 1), &count, options(count)).expect("append");
    }
    store.sync().expect("sync");
    let facts = facts_of_store(&store);
    store.close().expect("close");
    facts
}

/// Names, tags and metadata as long as they may be; the frame is longer than a segment.
fn append_limits(store: &Store) {
    let tags: Vec<String> = (0..16_u32).map(|n| format!("{n:x}{}", "t".repeat(255))).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let metadata = [0xA5; 4096];
    let options = AppendOptions::default().with_tags(&tags).with_metadata(&metadata);
    let longest = at(&"é".repeat(512), &"s".repeat(1024));
    store.append_with_options(&longest, EventKind::custom(1, 0), &Put(&Value::Nil), options).expect("append");
}

/// One commit of four events, of which one is caused by another.
fn append_batch(store: &Store) {
    let none = AppendOptions::default();
    let item = |entity: &str, options, cause| {
        let kind = EventKind::custom(4, 2);
        BatchAppendItem::new(at(entity, "shop"), kind, &entity, options, cause).expect("an item")
    };
    let key = none.with_idempotency_key(0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10);
    let items = [
        item("order:7", none.expect_len(2), CausationRef::None),
        item("order:8", key.expect_new(), CausationRef::Item(0)),
        item("order:8", none.with_tags(&["second"]), CausationRef::Item(1)),
        item("order:7", none, CausationRef::Event(EventId::from_u128(7 << 76 | 2 << 62))),
    ];
    assert_eq!(store.append_batch(items).expect("append").len(), 4);
}

/// Writes the golden store anew, if `BATPAK_WRITE_GOLDEN` is 1. For a new format only: old ones stay.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_golden_store() {
    if std::env::var("BATPAK_WRITE_GOLDEN").as_deref() != Ok("1") {
        return;
    }
    let (files, facts) = generate();
    let dir = golden_dir();
    std::fs::create_dir_all(&dir).expect("a directory");
    for name in golden_files().keys() {
        std::fs::remove_file(dir.join(name)).expect("remove");
    }
    for (name, bytes) in files {
        std::fs::write(dir.join(name), bytes).expect("write");
    }
    let text = serde_json::to_string_pretty(&facts).expect("JSON");
    std::fs::write(dir.join(EXPECTED), text + "\n").expect("write");
}

#[test]
fn the_golden_store_is_still_written_byte_for_byte() {
    let (files, facts) = generate();
    let golden = golden_files();
    assert_eq!(files.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
    for (name, bytes) in &files {
        let at = bytes.iter().zip(&golden[name]).position(|(a, b)| a != b);
        assert_eq!((at, bytes.len()), (None, golden[name].len()), "{name}");
    }
    assert_eq!(facts, expected());
}

#[test]
fn the_golden_store_is_small() {
    let bytes: usize = directory::files(&golden_dir()).values().map(Vec::len).sum();
    assert!(bytes < 100 << 10, "{bytes} bytes");
}

#[test]
fn the_reader_says_of_the_golden_store_what_the_facade_says() {
    let store = directory::read(&golden_files()).expect("a store");
    let head = store.verify().expect("hashes that hold");
    let (facts, expected) = (facts_read(&store.events, head), expected());
    let pairs =
        facts["events"].as_array().into_iter().flatten().zip(expected["events"].as_array().into_iter().flatten());
    pairs.for_each(|(event, expected)| assert_eq!(event, expected));
    assert_eq!(facts, expected);
    assert!(store.segments.len() > 3, "{} segments", store.segments.len());
}

#[test]
fn ids_of_the_golden_store_rise_though_the_clock_went_back() {
    let events = directory::read(&golden_files()).expect("a store").events;
    assert!(events.is_sorted_by(|a, b| a.id < b.id));
    assert!(!events.is_sorted_by_key(|event| event.time));
    assert!(events.is_sorted_by_key(|event| crate::record::id_millis(event.id)));
}

#[test]
fn the_golden_store_was_closed() {
    let store = directory::read(&golden_files()).expect("a store");
    let last = store.segments.last().and_then(|segment| segment.frames.last()).expect("a frame");
    assert!(last.is_mark());
    assert_eq!(last.mark, last.offset);
}

#[test]
fn a_segment_names_the_head_that_was_known() {
    let store = directory::read(&golden_files()).expect("a store");
    let hashes: Vec<_> = store.events.iter().map(|event| event.hash).collect();
    for segment in &store.segments {
        let size = usize::try_from(segment.header.head_size).expect("a small store");
        let root = if size == 0 { [0; 32] } else { crate::chain::head(&hashes[..size]).root };
        assert_eq!(segment.header.head_root, root);
    }
    let newest = store.segments.last().map(|segment| segment.header.head_size);
    assert!(newest > Some(0), "{newest:?}");
}

/// What is read says everything: written again it is the same file.
#[test]
fn the_golden_store_is_the_same_when_encoded_again() {
    let golden = golden_files();
    let store = directory::read(&golden).expect("a store");
    for segment in &store.segments {
        let file = &golden[&segment.header.file_name()];
        let mut again = encode::header(&segment.header);
        for frame in &segment.frames {
            again.extend(encode::frame(frame, &segment.header.segment_id));
        }
        again.resize(file.len(), 0);
        assert_eq!(again[..header::HEADER_LEN], file[..header::HEADER_LEN]);
        assert_eq!(&again, file, "{}", segment.header.file_name());
    }
    let records = store.segments.iter().flat_map(|segment| &segment.frames).flat_map(|frame| &frame.records);
    store.events.iter().zip(records).for_each(|(event, record)| assert_eq!(&encode::record(event), record));
}

/// A copy of the golden store on disk.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, bytes) in golden_files() {
        std::fs::write(dir.path().join(name), bytes).expect("write");
    }
    dir
}

#[test]
fn the_facade_reads_the_golden_store() {
    let dir = copy();
    let store = Store::open_read_only(dir.path()).expect("open");
    assert_eq!(facts_of_store(&store), expected());
    let report = store.verify_chain().expect("a chain that holds");
    assert_eq!(report.events, store.stats().expect("counts").events);
    assert_eq!(directory::files(dir.path()), golden_files(), "reading changes nothing");
}

#[test]
fn the_facade_goes_on_in_the_golden_store() {
    let dir = copy();
    let store = Store::open(StoreConfig::new(dir.path()).with_segment_max_bytes(SEGMENT_MAX_BYTES)).expect("open");
    assert_eq!(facts_of_store(&store), expected());
    assert!(store.diagnostics().open_report.expect("a report").closed_cleanly);
    for n in 0..40_u32 {
        store.append(&at("order:7", "shop"), EventKind::custom(1, 3), &n).expect("append");
    }
    store.sync().expect("sync");
    store.verify_chain().expect("a chain that holds");
    let facts = facts_of_store(&store);
    store.close().expect("close");

    let read = directory::read(&directory::files(dir.path())).expect("a store");
    let head = read.verify().expect("hashes that hold");
    assert_eq!(facts_read(&read.events, head), facts);
}

#[test]
fn an_old_key_of_the_golden_store_is_a_replay() {
    let dir = copy();
    let store = Store::open(dir.path()).expect("open");
    let options = AppendOptions::default().with_idempotency_key(idempotency_key("order:7/paid"));
    let order = at("order:7", "shop");
    let receipt = store.append_with_options(&order, EventKind::custom(0xF, 0xFFF), &(), options).expect("append");
    assert!(receipt.replayed() && !receipt.payload_differs());
    assert_eq!(receipt.sequence, 1);
}

#[test]
fn a_snapshot_of_the_golden_store_reads_the_same() {
    let machine = Machine::new(&golden_files());
    let store = machine.open().expect("open");
    store.snapshot("/copy").expect("a snapshot");
    let source = directory::read(&machine.truth()).expect("a store");
    let copy = directory::read(&machine.files_of("/copy")).expect("a store");
    assert_eq!(copy.events, source.events);
    let (from, to) = (source.segments.last().expect("one"), copy.segments.last().expect("one"));
    assert_eq!(from.header.store_id, to.header.store_id);
    assert_eq!(from.header.first_link, to.header.first_link);
    assert_ne!(from.header.segment_id, to.header.segment_id);
    assert_ne!(from.header.last_link, to.header.last_link);
    assert_eq!((from.header.epoch, to.header.epoch), (0, 1));
}

/// Each copy has an epoch of its own, and goes on with it.
#[test]
fn a_snapshot_of_a_snapshot_goes_on() {
    let mut files = golden_files();
    for epoch in 1..3 {
        let machine = Machine::new(&files);
        machine.open().expect("open").snapshot("/copy").expect("a snapshot");
        let copied = directory::read(&machine.files_of("/copy")).expect("a store").segments;
        let source = directory::read(&files).expect("a store").segments;
        let sealed = copied.len() - 1;
        assert!(copied.iter().zip(&source).take(sealed).all(|(copy, source)| copy.header == source.header));
        assert_eq!(copied[sealed].header.epoch, epoch);

        let machine = Machine::new(&machine.files_of("/copy"));
        let store = open(&machine);
        for n in 0..40_u32 {
            store.append(&at("order:7", "shop"), EventKind::custom(1, 3), &n).expect("append");
        }
        store.close().expect("close");
        files = machine.truth();
        let grown = directory::read(&files).expect("a store");
        grown.verify().expect("hashes that hold");
        assert!(grown.segments.len() > copied.len());
        assert!(grown.segments[sealed..].iter().all(|segment| segment.header.epoch == epoch));
    }
}
