//! Whatever happens to the files of a store, it says so, or is what it was.

use crate::fixtures::{Machine, append, at, report, segment};
use crate::verify::findings;
use batpak::store::{Finding, Store, StoreError};
use batpak::{EventHash, EventId, Region};
use serde_json::json;
use std::path::{Path, PathBuf};

/// A closed store of about 64 KiB in several segments, with an index in several files, and what it holds. Its events are
/// large, so that each of many thousand stores is read quickly.
fn small() -> (Machine, Vec<Seen>) {
    let machine = Machine::new();
    let config = machine.config().with_segment_max_bytes(8 << 10);
    for part in 0..2_usize {
        let store = Store::open(config.clone()).expect("open");
        for n in 0..12_usize {
            let place = at(["a", "b", "c"][n % 3], ["x", "y"][part]);
            let text = "x".repeat([2600, 20, 600][n % 3]);
            append(&store, &place, &json!({"n": n, "text": text}));
        }
        store.close().expect("close");
    }
    let store = machine.open_read_only();
    assert_eq!(store.verify_chain().expect("a whole chain").events, 24);
    let events = read(&store).expect("it can be read");
    (machine, events)
}

/// An event as it was read.
type Seen = (EventId, EventHash, Vec<u8>);

fn read(store: &Store) -> Result<Vec<Seen>, StoreError> {
    let events = store.events(&Region::all()).raw();
    events.map(|event| event.map(|e| (e.event.event_id(), e.event.event_hash(), e.event.payload().clone()))).collect()
}

/// Whether an error says what is wrong and where: a segment with its offset, or a file.
fn names_the_place(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt { segment, offset, reason } => {
            segment.is_some()
                || offset.is_some()
                || [".index", ".kinds", ".fbat"].iter().any(|file| reason.contains(file))
        }
        StoreError::Record { .. }
        | StoreError::Chain { .. }
        | StoreError::ForeignFile { .. }
        | StoreError::OlderCrate { .. }
        | StoreError::Unsupported { .. }
        | StoreError::NoStore { .. } => true,
        _ => false,
    }
}

/// What a store with changed files says.
#[derive(Debug)]
enum Outcome {
    /// All events, as they were.
    Same,
    /// The first of them, and that it was not closed, or that there should be more.
    Prefix,
    /// An error that names the place.
    Refused,
}

#[track_caller]
fn outcome(opened: Result<Store, StoreError>, events: &[Seen], what: &str) -> Outcome {
    let result = opened.and_then(|store| Ok((read(&store)?, report(&store))));
    let (found, report) = match result {
        Ok(found) => found,
        Err(error) => {
            assert!(names_the_place(&error), "{what}: {error:?}");
            return Outcome::Refused;
        }
    };
    if found == events {
        return Outcome::Same;
    }
    assert!(events.starts_with(&found), "{what}: {} events, others than there were", found.len());
    assert!(!report.closed_cleanly || !report.refused.is_empty(), "{what}: {} events, and not a word", found.len());
    Outcome::Prefix
}

/// The store is right, or says what is wrong; and a verification always says it, of a file of the index only if it is
/// not as good as it was: nobody reads what stands between its blocks.
#[track_caller]
fn check(machine: &Machine, path: &Path, events: &[Seen], what: &str) {
    let outcome = outcome(Store::open_read_only(machine.config()), events, what);
    check_verified(machine, path, &outcome, what);
}

/// The same, but what reading refuses is not verified too.
#[track_caller]
fn check_read(machine: &Machine, path: &Path, events: &[Seen], what: &str) {
    let outcome = outcome(Store::open_read_only(machine.config()), events, what);
    if !matches!(outcome, Outcome::Refused) {
        check_verified(machine, path, &outcome, what);
    }
}

#[track_caller]
fn check_verified(machine: &Machine, path: &Path, outcome: &Outcome, what: &str) {
    let (found, verified) = findings(machine.config());
    let is_placed = |finding: &Finding| !finding.events.is_empty() || names_the_place(&finding.error);
    assert!(found.iter().all(is_placed), "{what}: {found:?}");
    let is_derived = path.extension().is_some_and(|extension| extension == "index" || extension == "kinds");
    let is_same = is_derived && matches!(outcome, Outcome::Same) && verified.head.is_some();
    let is_told = !found.is_empty() || !verified.closed_cleanly;
    assert!(is_told || is_same, "{what}: {outcome:?}, and nothing is found");
}

/// The same of a writer, which may not write over what is damaged.
#[track_caller]
fn check_writing(machine: &Machine, events: &[Seen], what: &str) {
    let machine = machine.copy();
    let opened = Store::open(machine.config());
    let is_open = opened.is_ok();
    let before = machine.contents();
    if let Outcome::Refused = outcome(opened, events, what) {
        assert!(is_open || machine.contents() == before, "{what}: a store that is refused was changed");
    }
}

/// Whether a file is one from which events, or the names of their kinds, are read.
fn is_read(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["fbat", "index", "kinds"].iter().any(|read| extension == *read))
}

/// Runs `each` for all files of a small store on two threads, each with files of its own.
fn on_all_files(each: impl Fn(&Machine, &PathBuf, &[u8], &[Seen], usize) + Sync) {
    let (machine, events) = small();
    let read = machine.contents().into_iter().filter(|(path, _)| is_read(path));
    let total: usize = read.map(|(_, bytes)| bytes.len()).sum();
    assert!(
        (52 << 10..76 << 10).contains(&total),
        "{total} bytes: {:?}",
        machine.contents().iter().map(|f| (f.0.clone(), f.1.len())).collect::<Vec<_>>()
    );
    std::thread::scope(|scope| {
        for half in 0..2_usize {
            let (machine, events, each) = (machine.copy(), &events, &each);
            scope.spawn(move || {
                for (path, bytes) in machine.contents().into_iter().filter(|(path, _)| is_read(path)) {
                    each(&machine, &path, &bytes, events, half);
                    machine.files.write(&path, bytes);
                }
            });
        }
    });
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    on_all_files(|machine, path, bytes, events, half| {
        for at in (half..bytes.len()).step_by(2) {
            for value in [bytes[at] ^ 0xFF, 0, bytes[at] ^ 1 << (at % 8)] {
                if value == bytes[at] {
                    continue;
                }
                let mut changed = bytes.to_vec();
                changed[at] = value;
                machine.files.write(path, changed);
                let what = format!("{} byte {at} is {value:#04x}, was {:#04x}", path.display(), bytes[at]);
                if at % 8 < 2 {
                    check(machine, path, events, &what);
                } else {
                    check_read(machine, path, events, &what);
                }
                if at % 101 == 0 {
                    check_writing(machine, events, &what);
                }
            }
        }
    });
}

#[test]
fn no_cut_file_goes_unnoticed() {
    on_all_files(|machine, path, bytes, events, half| {
        for len in (half..bytes.len()).step_by(2) {
            machine.files.write(path, bytes[..len].to_vec());
            let what = format!("{} has {len} of {} bytes", path.display(), bytes.len());
            check(machine, path, events, &what);
            if len % 37 == 0 {
                check_writing(machine, events, &what);
            }
        }
    });
}

#[test]
fn no_swapped_or_missing_file_goes_unnoticed() {
    let (machine, events) = small();
    let files: Vec<_> =
        machine.contents().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e != "lock")).collect();
    for (one, bytes) in &files {
        let missing = machine.copy();
        missing.remove(one);
        let what = format!("{} is missing", one.display());
        check_writing(&missing, &events, &what);
        // An index that is not there is made again, and nothing is wrong with that.
        if one.extension().is_some_and(|extension| extension == "fbat") {
            check(&missing, one, &events, &what);
        }
        for (other, others) in files.iter().filter(|(other, _)| one != other) {
            let swapped = machine.copy();
            let check = |machine: &Machine, what: &str| {
                check_writing(machine, &events, what);
                if is_read(one) {
                    check(machine, one, &events, what);
                } else {
                    outcome(Store::open_read_only(machine.config()), &events, what);
                }
            };
            swapped.files.write(one, others.clone());
            let what = format!("{} is {}", one.display(), other.display());
            check(&swapped, &what);
            swapped.files.write(other, bytes.clone());
            check(&swapped, &format!("{what}, and the other way round"));
        }
    }
}

/// Each file, and each pair of files, as it was at an earlier close.
#[test]
fn no_older_file_goes_unnoticed() {
    let machine = Machine::new();
    let config = machine.config().with_segment_max_bytes(1500);
    let mut older = Vec::new();
    for part in 0..4 {
        let store = Store::open(config.clone()).expect("open");
        for n in 0..7 {
            append(&store, &at(["a", "b"][n % 2], "x"), &json!({"part": part, "n": n}));
        }
        store.close().expect("close");
        older.push(machine.copy());
    }
    let events = read(&machine.open_read_only()).expect("it can be read");
    let newest = older.pop().expect("a machine");
    for (age, older) in older.iter().enumerate() {
        for (path, bytes) in older.contents() {
            let is_same = newest.files.read(&path).is_ok_and(|newest| newest == bytes);
            if is_same || path.extension().is_some_and(|extension| extension == "lock") {
                continue;
            }
            let mixed = newest.copy();
            mixed.files.write(&path, bytes);
            let what = format!("{} is that of close {age}", path.display());
            let seen = outcome(Store::open_read_only(mixed.config()), &events, &what);
            check_writing(&mixed, &events, &what);
            let (found, verified) = findings(mixed.config());
            let is_told = !found.is_empty() || !verified.closed_cleanly || matches!(seen, Outcome::Same);
            assert!(is_told, "{what}: {seen:?}");
        }
    }
    assert!(newest.files.read(segment(3)).is_ok(), "there are several segments");
}
