//! Opening: what is refused, what is repaired, who may be there at once.

use crate::fixtures::{DIR, KIND, Machine, answers, append, assert_same, at, closed, report, segment};
use batpak::Region;
use batpak::store::{Store, StoreConfig, StoreError};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn opening_many_times_adds_no_files_and_no_bytes() {
    let (machine, before) = closed();
    let contents = machine.contents();
    for round in 0..10 {
        let config = machine.config().with_enable_mmap_index(round % 2 == 0).with_enable_checkpoint(round % 3 == 0);
        let store = Store::open(config).expect("open");
        assert_same(&answers(&store), &before);
        if round % 2 == 0 {
            store.close().expect("close");
        } else {
            drop(store);
        }
        assert_same(&answers(&machine.open_read_only()), &before);
        assert_eq!(machine.contents(), contents, "round {round}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_and_read() {
    let (machine, before) = closed();
    machine.files.set_read_only(true);
    let contents = machine.contents();
    let error = Store::open(machine.config()).expect_err("refused");
    assert!(matches!(&error, StoreError::ReadOnlyDirectory { path, .. } if path == Path::new(DIR)), "{error:?}");
    assert_eq!(error.to_string(), "/store cannot be written, open it read-only");
    assert!(!error.is_retryable() && !error.is_corruption());
    let store = machine.open_read_only();
    assert_same(&answers(&store), &before);
    store.close().expect("close");
    assert_eq!(machine.contents(), contents);
    let error = Store::open(machine.config_in("/elsewhere")).expect_err("refused");
    assert!(matches!(error, StoreError::ReadOnlyDirectory { .. }), "{error:?}");
}

#[test]
fn reading_a_directory_without_a_store_makes_nothing() {
    let machine = Machine::new();
    let error = Store::open_read_only(machine.config()).expect_err("no store");
    assert!(matches!(&error, StoreError::NoStore { path } if path == Path::new(DIR)), "{error:?}");
    machine.files.write("/store/notes.txt", *b"mine");
    let error = Store::open_read_only(machine.config()).expect_err("no store");
    assert!(matches!(error, StoreError::NoStore { .. }), "{error:?}");
    assert_eq!(machine.files.files(), [Path::new("/store/notes.txt")]);
    machine.open().close().expect("files of others are left alone");
    assert_eq!(machine.files.read("/store/notes.txt").expect("a file"), b"mine");
}

/// Both ways to open refuse, with the same error, and change nothing.
#[track_caller]
fn check_refused(machine: &Machine, matches: impl Fn(&StoreError) -> bool, words: &[&str]) {
    let contents = machine.contents();
    for result in [Store::open(machine.config()), Store::open_read_only(machine.config())] {
        let error = result.expect_err("refused");
        assert!(matches(&error), "{error:?}");
        for word in words {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
    assert_eq!(machine.contents(), contents);
}

#[test]
fn a_future_format_is_refused_with_both_versions() {
    let (machine, _) = closed();
    machine.edit(segment(1), |bytes| bytes[8] = 7);
    check_refused(&machine, |e| matches!(e, StoreError::Unsupported { .. }), &["format 7", "up to 1", "0000000001"]);
}

#[test]
fn a_needed_feature_that_is_not_known_is_refused() {
    let (machine, _) = closed();
    let path = segment(0);
    machine.edit(path, |bytes| {
        bytes[124] = 4;
        let crc = crc32c(&bytes[..252]);
        for (byte, shift) in bytes[252..256].iter_mut().zip([0, 8, 16, 24]) {
            *byte = u8::try_from(crc >> shift & 0xFF).expect("a byte");
        }
    });
    check_refused(&machine, |e| matches!(e, StoreError::Unsupported { .. }), &["features 0x4"]);
}

/// CRC-32C bit by bit, as in RFC 3720.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn a_directory_of_the_older_crate_is_refused_by_name() {
    let machine = Machine::new();
    machine.files.write("/store/000001.fbat", [b"FBAT".as_slice(), &[0; 60]].concat());
    check_refused(
        &machine,
        |e| matches!(e, StoreError::OlderCrate { .. }),
        &["older crate named batpak", "000001.fbat"],
    );
}

#[test]
fn files_that_only_look_like_segments_are_refused() {
    for (name, bytes) in [("notes.fbat", &b"hello"[..]), ("0000000009.0000.fbat", &[]), (".fbat.fbat", &[0; 4096])] {
        let (machine, _) = closed();
        machine.files.write(format!("{DIR}/{name}"), bytes);
        check_refused(&machine, |e| matches!(e, StoreError::ForeignFile { .. }), &[name]);
    }
    let (machine, _) = closed();
    let copy = machine.files.read(segment(0)).expect("a segment");
    machine.files.write("/store/0000000000.0000 (copy).fbat", copy);
    check_refused(&machine, |e| matches!(e, StoreError::ForeignFile { .. }), &["(copy)"]);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_in_place_of_a_segment_is_refused() {
    let dir = tempfile::tempdir().expect("directory");
    let elsewhere = tempfile::tempdir().expect("directory");
    Store::open(dir.path()).expect("open").close().expect("close");
    let (from, to) = (dir.path().join("0000000000.0000.fbat"), elsewhere.path().join("moved"));
    std::fs::rename(&from, &to).expect("move");
    std::os::unix::fs::symlink(&to, &from).expect("link");
    for result in [Store::open(dir.path()), Store::open_read_only(dir.path())] {
        let error = result.expect_err("refused");
        assert!(matches!(error, StoreError::ForeignFile { .. }), "{error:?}");
    }
}

#[test]
fn a_second_writer_is_refused_and_told_who_the_first_is() {
    let machine = Machine::new();
    let first = machine.open();
    let error = Store::open(machine.config()).expect_err("refused");
    let holder = "this process".to_owned();
    assert!(matches!(&error, StoreError::Locked { holder: found, .. } if *found == holder), "{error:?}");
    assert!(error.is_retryable() && error.to_string().contains(&holder), "{error}");
    let clone = first.clone();
    first.close().expect("close");
    machine.open().close().expect("the directory is free, though a clone of the closed store is left");
    drop(clone);

    let dir = tempfile::tempdir().expect("directory");
    let first = Store::open(dir.path()).expect("open");
    let error = Store::open(dir.path()).expect_err("refused");
    assert!(matches!(&error, StoreError::Locked { holder: found, .. } if *found == holder), "{error:?}");
    append(&first, &at("a", "x"), &json!(1));
    assert_eq!(Store::open_read_only(dir.path()).expect("beside the writer").stats().expect("stats").events, 1);
    drop(first);
    Store::open(dir.path()).expect("the directory is free");
}

#[test]
fn a_lock_file_that_nobody_holds_does_not_block() {
    let (machine, before) = closed();
    machine.files.write("/store/batpak.lock", *b"process 1 which is long dead");
    assert_same(&answers(&machine.open()), &before);
}

/// A reader that saw a gap or half of a batch would build a state that never was.
#[test]
fn readers_beside_a_writer_see_a_consistent_prefix() {
    let dir = tempfile::tempdir().expect("directory");
    // Rotation every few batches; the index is there from the first round on.
    let config = StoreConfig::new(dir.path()).with_segment_max_bytes(4096);
    Store::open(config.clone()).expect("open").close().expect("close");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut seen, mut rounds) = (0, 0);
            while !done.load(Ordering::SeqCst) || rounds == 0 {
                let store = Store::open_read_only(config.clone()).expect("open beside the writer");
                let events: Vec<u64> = store
                    .events(&Region::all())
                    .decoded::<u64>()
                    .map(|event| *event.expect("an event").event.payload())
                    .collect();
                assert!(events.iter().copied().eq(0..events.len() as u64), "{events:?}");
                assert_eq!(events.len() % 3, 0, "whole batches");
                assert!(events.len() >= seen, "what was seen stays");
                assert_eq!(store.verify_chain().expect("a whole chain").events, events.len() as u64);
                (seen, rounds) = (events.len(), rounds + 1);
            }
        });
        // A writer that fails must not leave the reader reading for ever.
        let _done = SetOnDrop(&done);
        let mut next = 0_u64;
        for round in 0..30 {
            let store = Store::open(config.clone()).expect("open");
            for _ in 0..round {
                let batch = (next..next + 3).map(|n| {
                    let options = batpak::store::AppendOptions::default();
                    let cause = batpak::store::CausationRef::None;
                    batpak::store::BatchAppendItem::new(at("a", "x"), KIND, &n, options, cause).expect("item")
                });
                store.append_batch(batch).expect("batch");
                next += 3;
            }
            store.close().expect("close");
        }
        done.store(true, Ordering::SeqCst);
        reader.join().expect("the reader");
    });
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_store_that_is_open_read_only_stays_as_it_was() {
    let machine = Machine::new();
    let writer = machine.open();
    append(&writer, &at("a", "x"), &json!({"n": 1}));
    let reader = machine.open_read_only();
    let before = answers(&reader);
    for n in 0..50 {
        append(&writer, &at("a", "x"), &json!({"n": n}));
    }
    assert_same(&answers(&reader), &before);
    assert!(reader.read(1).is_err() && reader.stats().expect("stats").events == 1);
}

/// Of a store that was not closed, or was closed and whose end is not as it was left.
#[test]
fn damage_below_the_durable_mark_is_refused_with_its_place() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..100 {
        append(&store, &at("a", "x"), &json!({"n": n}));
    }
    store.close().expect("close");
    let len = machine.files.read(segment(0)).expect("a segment").len();
    let first_frame = 256 + 104;
    for at in [first_frame, len / 2, len - 150] {
        let is_of = |e: &StoreError, at: u64| matches!(e, StoreError::Corrupt { segment: Some(0), offset: Some(o), .. } if *o <= at && at < *o + 400);
        let closed = machine.copy();
        closed.edit(segment(0), |bytes| bytes[at] ^= 0x10);
        let unclosed = closed.copy();
        unclosed.edit(segment(0), |bytes| bytes.push(0));
        let at = at as u64;
        check_refused(&unclosed, |e| is_of(e, at), &["segment 0 is damaged at offset"]);
        // What was closed is not read when it is opened: the damage is met when it is.
        let error = Store::open(closed.config()).and_then(|store| store.verify_chain()).expect_err("damage");
        assert!(is_of(&error, at), "{error:?}");
        assert!(Store::open(closed.config().with_enable_mmap_index(false).with_enable_checkpoint(false)).is_err());
    }
}

#[test]
fn a_torn_end_is_cut_and_reported() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..3 {
        append(&store, &at("a", "x"), &json!({"n": n}));
    }
    store.sync().expect("sync");
    let synced = machine.files.read(segment(0)).expect("a segment").len() as u64;
    for n in 3..6 {
        append(&store, &at("a", "x"), &json!({"n": n}));
    }
    // The machine dies here, and a sector in the middle of what was not synced is lost.
    let crashed = machine.copy();
    crashed.edit(segment(0), |bytes| bytes[usize::try_from(synced).expect("a length") + 20] ^= 1);
    let reader = crashed.open_read_only();
    let torn = report(&reader).torn.expect("a torn end");
    assert_eq!((torn.segment, torn.offset, torn.commits), (0, synced, 2));
    assert!(torn.bytes > 300, "{torn:?}");
    let store = crashed.open();
    assert_eq!(report(&store).torn, Some(torn));
    assert!(!report(&store).closed_cleanly);
    assert_eq!(store.query(&Region::all()).expect("query").len(), 3);
    assert_eq!(append(&store, &at("a", "x"), &json!(3)).sequence, 3);
    store.close().expect("close");
    let store = crashed.open();
    assert!(report(&store).closed_cleanly && report(&store).torn.is_none());
    assert_eq!(store.verify_chain().expect("a whole chain").events, 4);
}

#[test]
fn what_a_process_that_died_had_appended_is_there() {
    let machine = Machine::new();
    let store = machine.open();
    append(&store, &at("a", "x"), &json!({"n": 1}));
    append(&store, &at("b", "x"), &json!({"n": 2}));
    let died = machine.copy();
    store.sync().expect("sync");
    let before = answers(&store);
    let store = died.open();
    assert!(!report(&store).closed_cleanly);
    assert_same(&answers(&store), &before);
}

#[test]
fn missing_segments_are_named() {
    let (machine, _) = closed();
    let count =
        machine.files.files().iter().filter(|path| path.extension().is_some_and(|e| e == "fbat")).count() as u64;
    assert!(count >= 4);
    for number in [0, 1, count - 1] {
        let machine = machine.copy();
        machine.remove(segment(number));
        check_refused(
            &machine,
            |e| matches!(e, StoreError::Corrupt { segment: Some(n), offset: None, .. } if *n == number),
            &[&format!("segment {number} is missing")],
        );
    }
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let (machine, _) = closed();
    let (other, _) = closed();
    machine.files.write(segment(1), other.files.read(segment(1)).expect("a segment"));
    check_refused(&machine, StoreError::is_corruption, &["segment 1", "another store"]);
}

#[test]
fn options_out_of_bounds_are_named_by_both_ways_to_open() {
    let machine = Machine::new();
    machine.open().close().expect("close");
    let base = || machine.config();
    let cases = [
        ("segment_max_bytes", base().with_segment_max_bytes(511)),
        ("segment_max_bytes", base().with_segment_max_bytes((1 << 30) + 1)),
        ("fd_budget", base().with_fd_budget(0)),
        ("fd_budget", base().with_fd_budget(65_537)),
        ("sync.every_n_events", base().with_sync_every_n_events(0)),
        ("sync.max_bytes", base().with_sync_max_bytes(4095)),
        ("sync.interval_ms", base().with_sync_interval(Duration::from_micros(999))),
        ("sync.interval_ms", base().with_sync_interval(Duration::from_millis(3_600_001))),
        ("payload_max_bytes", base().with_payload_max_bytes(0)),
        ("payload_max_bytes", base().with_payload_max_bytes((256 << 20) + 1)),
        ("batch_max_events", base().with_batch_max_events(0)),
        ("batch_max_events", base().with_batch_max_events((1 << 20) + 1)),
        ("batch_max_bytes", base().with_batch_max_bytes(1023)),
        ("batch_max_bytes", base().with_batch_max_bytes((1 << 30) + 1)),
    ];
    let contents = machine.contents();
    for (name, config) in cases {
        for result in [Store::open(config.clone()), Store::open_read_only(config)] {
            let error = result.expect_err(name);
            assert!(matches!(&error, StoreError::InvalidOption { field, .. } if *field == name), "{name}: {error:?}");
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
    assert_eq!(machine.contents(), contents);
}

#[test]
fn options_at_their_bounds_open() {
    let lowest = |machine: &Machine| {
        machine
            .config()
            .with_segment_max_bytes(512)
            .with_fd_budget(1)
            .with_sync_every_n_events(1)
            .with_sync_max_bytes(4096)
            .with_sync_interval(Duration::from_millis(1))
            .with_payload_max_bytes(1)
            .with_batch_max_events(1)
            .with_batch_max_bytes(1024)
    };
    let highest = |machine: &Machine| {
        machine
            .config()
            .with_segment_max_bytes(1 << 30)
            .with_fd_budget(65_536)
            .with_sync_every_n_events(u64::MAX)
            .with_sync_max_bytes(u64::MAX)
            .with_sync_interval(Duration::from_hours(1))
            .with_payload_max_bytes(256 << 20)
            .with_batch_max_events(1 << 20)
            .with_batch_max_bytes(1 << 30)
    };
    let machine = Machine::new();
    for n in 0..3 {
        for config in [lowest(&machine), highest(&machine)] {
            let store = Store::open(config).expect("open");
            append(&store, &at("a", "x"), &json!(n));
            store.verify_chain().expect("a whole chain");
            store.close().expect("close");
        }
    }
    assert_eq!(machine.open().stats().expect("stats").events, 6);
}

#[test]
fn a_directory_can_be_given_in_many_ways() {
    let dir = tempfile::tempdir().expect("directory");
    let nested = dir.path().join("a/b");
    let text = nested.to_str().expect("UTF-8").to_owned();
    Store::open(&nested).expect("open").close().expect("close");
    Store::open(text.as_str()).expect("open").close().expect("close");
    Store::open(text.clone()).expect("open").close().expect("close");
    Store::open(nested.clone()).expect("open").close().expect("close");
    Store::open(StoreConfig::synced(&nested)).expect("open").close().expect("close");
    assert_eq!(Store::open_read_only(&text).expect("open").stats().expect("stats").segments, 1);
}
