//! The reader and the facade say the same of files that are damaged, byte by byte.

use crate::deterministic::Machine;
use crate::directory::{self, Files};
use crate::encode::{History, Writer};
use crate::handmade::{NIL, files};

/// Two segments with four commits, of which the last is not known to be durable.
fn store() -> Files {
    let (mut history, mut first) = (History::default(), Writer::first());
    first.records(vec![history.add("a", NIL)]);
    first.mark = first.file.len() as u64;
    first.records(vec![history.add("b", &[0x01]), history.add("a", &[0x02])]);
    let mut second = first.seal();
    second.records(vec![history.add("a", &[0x03])]);
    second.mark = second.file.len() as u64;
    second.records(vec![history.add("b", &[0x04])]);
    second.records(vec![history.add("c", &[0x05])]);
    second.file.extend([0; 64]);
    files([&first, &second])
}

/// How many events there are, or that it is refused.
fn events(files: &Files) -> Option<u64> {
    directory::read(files).ok().map(|store| store.events.len() as u64)
}

fn events_of_facade(files: &Files) -> Option<u64> {
    let store = Machine::new(files).open_read_only().ok()?;
    Some(store.stats().expect("counts").events)
}

/// A writer sees what a reader sees, and leaves a store behind that is whole.
fn events_of_writer(files: &Files) -> Option<u64> {
    let machine = Machine::new(files);
    let store = machine.open().ok()?;
    let events = store.stats().expect("counts").events;
    drop(store);
    assert_eq!(directory::read(&machine.truth()).expect("a store").events.len() as u64, events);
    Some(events)
}

#[track_caller]
fn check(files: &Files, what: &str) -> Option<u64> {
    let events = events(files);
    assert_eq!(
        events,
        events_of_facade(files),
        "{what}: {:?} {:?}",
        directory::read(files).err(),
        Machine::new(files).open_read_only().err()
    );
    assert_eq!(events, events_of_writer(files), "{what}");
    events
}

#[test]
fn every_flipped_byte_is_judged_alike() {
    let whole = store();
    assert_eq!(check(&whole, "whole"), Some(6));
    for (name, file) in &whole {
        for at in 0..file.len() {
            for bits in [0x01, 0xFF] {
                let mut flipped = whole.clone();
                flipped.get_mut(name).expect("a file")[at] ^= bits;
                check(&flipped, &format!("{name} at {at}"));
            }
        }
    }
}

#[test]
fn every_cut_is_judged_alike() {
    let whole = store();
    for (name, file) in &whole {
        for len in 0..file.len() {
            let mut cut = whole.clone();
            cut.get_mut(name).expect("a file").truncate(len);
            check(&cut, &format!("{name} cut to {len}"));
        }
    }
}

/// Sectors that were not written read as zeros.
#[test]
fn every_lost_stretch_is_judged_alike() {
    let whole = store();
    for (name, file) in &whole {
        for from in (0..file.len()).step_by(8) {
            for len in [8, 64, 512] {
                let mut lost = whole.clone();
                let to = (from + len).min(file.len());
                lost.get_mut(name).expect("a file")[from..to].fill(0);
                check(&lost, &format!("{name} without {from}..{to}"));
            }
        }
    }
}

#[test]
fn events_are_lost_only_behind_the_mark() {
    let whole = store();
    let (name, file) = whole.last_key_value().expect("a file");
    let outcomes = (256..file.len()).map(|at| {
        let mut flipped = whole.clone();
        flipped.get_mut(name).expect("a file")[at] ^= 1;
        check(&flipped, &format!("at {at}"))
    });
    let outcomes: Vec<Option<u64>> = outcomes.collect();
    for outcome in [None, Some(4), Some(5), Some(6)] {
        assert!(outcomes.contains(&outcome), "{outcome:?}");
    }
    assert!(outcomes.iter().flatten().all(|events| *events >= 4), "the first commit of the segment is durable");
}
