//! What is wrong with a store is told, all of it, with its place; and nothing else is.

use crate::fixtures::{DIR, Machine, append, at, closed, filled, segment};
use batpak::store::{Finding, Store, StoreConfig, StoreError, Subject, VerifyReport, verify};
use batpak::testing::{Fault, FaultyFileSystem, When};
use serde_json::json;
use std::ops::ControlFlow::{Break, Continue};

/// Offset of the first frame with records.
const FIRST: usize = 360;

pub(crate) fn findings(config: StoreConfig) -> (Vec<Finding>, VerifyReport) {
    let mut found = Vec::new();
    let report = verify(config, |finding| {
        found.push(finding);
        Continue(())
    })
    .expect("the directory can be read");
    assert_eq!(report.findings, found.len() as u64);
    assert_eq!(report.is_intact(), found.is_empty());
    (found, report)
}

#[track_caller]
fn check_found(machine: &Machine, subject: Subject, segment: Option<u64>, says: &str) -> VerifyReport {
    let (found, report) = findings(machine.config());
    let is_it = |finding: &&Finding| finding.subject == subject && finding.error.to_string().contains(says);
    let it = found.iter().find(is_it).unwrap_or_else(|| panic!("{says:?} is not in {found:#?}"));
    assert_eq!(it.segment, segment, "{it:?}");
    report
}

#[test]
fn a_whole_store_has_no_findings_and_is_counted() {
    let machine = Machine::new();
    let (store, receipts) = filled(&machine);
    store.sync().expect("sync");
    let (stats, head) = (store.stats().expect("stats"), store.head().expect("head"));
    store.close().expect("close");
    let before = machine.contents();
    let (found, report) = findings(machine.config());
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((report.events, report.entities), (receipts.len() as u64, stats.entities));
    assert_eq!((report.segments, report.head), (stats.segments, Some(head)));
    assert_eq!(report.index_files, machine.indexes().len() as u64);
    let bytes: usize =
        before.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "fbat")).map(|f| f.1.len()).sum();
    assert_eq!(report.bytes, bytes as u64);
    // A link, a seal or mark for each segment, 20 events one by one, and two batches.
    assert_eq!(report.commits, 22 + 2 * stats.segments);
    assert!(report.closed_cleanly && report.torn.is_none() && report.complete);
    assert_eq!(machine.contents(), before, "nothing is changed");
}

#[test]
fn an_open_store_is_verified_as_far_as_it_is_visible() {
    // On the real file system appends go through the tail.
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(StoreConfig::new(dir.path()).with_segment_max_bytes(16 << 10)).expect("open");
    for n in 0..200 {
        append(&store, &at(["a", "b", "c"][n % 3], "x"), &json!({"n": n}));
        if n % 50 == 7 {
            let report = store.verify(|finding| panic!("{finding:?}")).expect("verify");
            assert_eq!(report.events, n as u64 + 1);
        }
    }
    let (found, report) = findings(StoreConfig::new(dir.path()));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((report.events, report.closed_cleanly), (200, false));
    assert_eq!(store.verify_chain().expect("a whole chain").events, 200);
    store.close().expect("close");
    let (found, report) = findings(StoreConfig::new(dir.path()));
    assert!(found.is_empty() && report.closed_cleanly, "{found:?} {report:?}");
}

#[test]
fn a_store_can_be_verified_while_it_grows() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = || StoreConfig::new(dir.path()).with_segment_max_bytes(8 << 10);
    let store = Store::open(config()).expect("open");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..3000 {
                append(&store, &at("a", "x"), &json!({"n": n}));
            }
        });
        while !writer.is_finished() {
            store.verify(|finding| panic!("{finding:?}")).expect("verify");
            let found = findings(config()).0;
            assert!(found.is_empty(), "{found:?}");
        }
    });
    assert_eq!(store.verify_chain().expect("a whole chain").events, 3000);
}

#[test]
fn every_damaged_place_is_found_in_one_run() {
    let (machine, _) = closed();
    for number in [0, 2] {
        machine.edit(segment(number), |bytes| bytes[FIRST + 100] ^= 1);
    }
    let (found, report) = findings(machine.config());
    let places: Vec<_> = found.iter().map(|finding| (finding.subject, finding.segment, finding.offset)).collect();
    let at = FIRST as u64;
    let place = |subject, number| (subject, Some(number), Some(at));
    let expected = [(Subject::Segment, 0), (Subject::Event, 0), (Subject::Segment, 2), (Subject::Event, 2)];
    assert_eq!(places, expected.map(|(subject, number)| place(subject, number)));
    assert_eq!(found[1].events, 0..1);
    assert_eq!((report.events, report.events_lost, report.head), (27, 2, None));
    assert!(report.events_unlinked > 0);
    // The store does not hide it, and is not written any more once it is known.
    let store = machine.open();
    assert_eq!(store.verify(|_| Continue(())).expect("verify").findings, 4);
    assert!(store.diagnostics().failure.is_some());
}

#[test]
fn a_bad_checksum_of_a_commit_loses_no_event() {
    let (machine, _) = closed();
    machine.edit(segment(1), |bytes| bytes[FIRST + 8] ^= 1);
    let report = check_found(&machine, Subject::Segment, Some(1), "segment 1 is damaged at offset 360");
    assert_eq!((report.events, report.events_lost), (29, 0));
    assert!(report.head.is_some());
}

#[test]
fn a_changed_header_loses_no_event() {
    for byte in 0..256 {
        let (machine, _) = closed();
        machine.edit(segment(1), |bytes| bytes[byte] ^= 0x20);
        let (found, report) = findings(machine.config());
        assert!(!found.is_empty(), "byte {byte}");
        assert_eq!((report.events, report.events_lost), (29, 0), "byte {byte}: {found:?}");
    }
}

/// A segment of a later version, whose checksum is right, is not damaged, and not read as if it were.
#[test]
fn a_newer_segment_is_not_taken_for_a_damaged_one() {
    for (at, says) in [(8, "has format 3"), (124, "needs features")] {
        let (machine, _) = closed();
        machine.edit(segment(1), |bytes| {
            bytes[at] ^= 2;
            put_header_crc(bytes);
        });
        let report = check_found(&machine, Subject::Segment, None, says);
        assert!(report.events_lost > 0);
    }
}

fn put_header_crc(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[..252]);
    for (at, byte) in (252..).zip([crc & 0xFF, crc >> 8 & 0xFF, crc >> 16 & 0xFF, crc >> 24]) {
        bytes[at] = u8::try_from(byte).expect("a byte");
    }
}

#[test]
fn a_missing_segment_is_named() {
    let (machine, _) = closed();
    let count = Store::open_read_only(machine.config()).expect("open").stats().expect("stats").segments;
    machine.remove(segment(1));
    let report = check_found(&machine, Subject::Segment, Some(1), "segment 1 is missing");
    assert!(report.events_lost > 0 && report.head.is_none());

    let (machine, _) = closed();
    machine.remove(segment(count - 1));
    check_found(&machine, Subject::Segment, Some(count - 1), &format!("segment {} is missing", count - 1));
    // The index still has its events.
    check_found(&machine, Subject::Index, None, "and there are");
}

#[test]
fn files_that_do_not_belong_are_named() {
    let (machine, _) = closed();
    machine.files.write(segment(77), b"nothing".to_vec());
    check_found(&machine, Subject::Segment, None, "is not a segment");

    let (machine, _) = closed();
    let (other, _) = closed();
    machine.files.write(segment(1), other.files.read(segment(1)).expect("a segment"));
    check_found(&machine, Subject::Segment, Some(1), "it is of another store");
    let error = verify(machine.config_in("/nowhere"), |_| Continue(())).expect_err("nothing is there");
    assert!(matches!(error, StoreError::NoStore { .. }), "{error:?}");
}

#[test]
fn an_index_that_is_not_that_of_its_events_is_found() {
    let (machine, _) = closed();
    let index = machine.index();
    let len = machine.files.read(&index).expect("an index").len();
    for at in [0, 100, len / 2, len - 1] {
        let changed = machine.copy();
        changed.edit(&index, |bytes| bytes[at] ^= 1);
        let (found, report) = findings(changed.config());
        assert_eq!((found.len(), report.events, report.index_files), (1, 29, 1), "{found:?}");
        assert_eq!((found[0].subject, found[0].file.as_ref()), (Subject::Index, Some(&index)));
        assert!(report.head.is_some());
    }
    // Every checksum is right, and it was right: for other events.
    let (other, _) = closed();
    let foreign = other.files.read(other.index()).expect("an index");
    machine.files.write(&index, foreign);
    check_found(&machine, Subject::Index, None, "index");
}

#[test]
fn a_head_that_a_segment_names_is_compared() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    store.sync().expect("sync");
    store.head().expect("head");
    for n in 0..20 {
        append(&store, &at("a", "x"), &json!({"n": n}));
    }
    store.close().expect("close");
    let mut names = machine.files.files();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "fbat"));
    let last = names.iter().max().expect("a segment").clone();
    assert!(findings(machine.config()).0.is_empty());
    machine.edit(&last, |bytes| {
        assert_eq!(bytes[128], 29, "the size of the head");
        bytes[140] ^= 1;
        put_header_crc(bytes);
    });
    let (found, _) = findings(machine.config());
    let head = found.iter().find(|finding| finding.subject == Subject::Head).expect("it is found");
    assert!(head.error.to_string().contains("of 29 events"), "{head:?}");
}

#[test]
fn it_can_be_broken_off() {
    let (machine, _) = closed();
    machine.edit(segment(0), |bytes| bytes[FIRST + 100] ^= 1);
    let mut calls = 0;
    let report = verify(machine.config(), |_| {
        calls += 1;
        Break(())
    });
    let report = report.expect("verify");
    assert_eq!((calls, report.findings, report.complete, report.head), (1, 1, false, None));
    assert!(!report.is_intact());
}

#[test]
fn a_torn_end_is_told_and_is_no_finding() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..3 {
        append(&store, &at("a", "x"), &json!({"n": n}));
    }
    let died = machine.copy();
    let len = died.files.read(segment(0)).expect("a segment").len();
    let written = died.files.read(segment(0)).expect("a segment").iter().rposition(|b| *b != 0).expect("bytes");
    died.edit(segment(0), |bytes| bytes[written - 20] ^= 1);
    let (found, report) = findings(died.config());
    assert!(found.is_empty(), "{found:?}");
    let torn = report.torn.expect("a torn end");
    assert_eq!((report.events, report.closed_cleanly, torn.segment), (2, false, 0));
    assert!(torn.offset < len as u64 && torn.bytes > 0);
    assert_eq!(died.contents().len(), died.files.files().len());
    assert!(DIR.starts_with('/'));
}

/// What cannot be read for once is told as such before anything else, and is no damage: also of a segment that was made
/// ahead, which says whether the one before it has to be complete.
#[test]
fn an_error_at_any_call_is_told_first() {
    let left = with_a_segment_made_ahead();
    let mut heard = 0;
    for call in 1.. {
        let files = left.after_kill();
        files.plan(When::Call(call), Fault::Once(std::io::ErrorKind::Other));
        let mut first = None;
        let report = verify(faulty(&files), |finding| {
            // Of a file of the index it is said that it is of no use.
            let is_derived = finding.subject == Subject::Index && finding.error.to_string().contains("other error");
            first.get_or_insert((finding.error, is_derived));
            Continue(())
        });
        if files.errors() == 0 {
            assert!(report.is_ok_and(|report| report.is_intact() && report.events == 9) && heard > 10, "{heard}");
            return;
        }
        let told = report.err().map(|error| (error, false)).or(first);
        // What could be read the second time is not told.
        let is_right = |(told, is_derived): &_| *is_derived || matches!(told, StoreError::Io { .. });
        assert!(told.as_ref().is_none_or(is_right), "call {call}: {told:?}");
        heard += u32::from(told.is_some());
    }
}

fn faulty(files: &FaultyFileSystem) -> StoreConfig {
    StoreConfig::new(DIR).with_environment(files.environment()).with_segment_max_bytes(4096).without_threads()
}

/// What the death of a process leaves whose active segment was so full that the next one was made.
fn with_a_segment_made_ahead() -> FaultyFileSystem {
    let files = FaultyFileSystem::new();
    let store = Store::open(faulty(&files)).expect("open");
    for n in 0..9 {
        append(&store, &at("a", "x"), &json!({"n": n, "text": "x".repeat(300)}));
        store.sync_as_due().expect("sync");
    }
    let left = files.after_kill();
    let segments = left.contents().into_iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "fbat"));
    let newest = segments.max_by(|one, other| one.0.cmp(&other.0)).expect("a segment");
    assert!(newest.1[256..].iter().all(|byte| *byte == 0), "{} was begun", newest.0.display());
    left
}
