//! The tail: copies of the newest frames, for the time until they stand in the segment.

use crate::deterministic::Machine;
use crate::directory::{self, Files};
use crate::encode::{History, Writer};
use crate::handmade::{NIL, check_taken, files};
use batpak::store::Store;

const LEN: usize = 65536;

/// A payload behind which little room is left before the tail begins anew.
const FILLER: usize = LEN - 600;

/// A segment whose frames end near a multiple of the tail's length, and three frames more that are only in the tail.
struct Made {
    segment: Writer,
    tail: Vec<u8>,
    newest: Vec<(usize, Vec<u8>)>,
    events: u64,
}

fn made() -> Made {
    let (mut history, mut segment) = (History::default(), Writer::first());
    segment.records(vec![history.add("a", &bin(FILLER))]);
    segment.mark = segment.file.len() as u64;
    assert!((1..200).contains(&(LEN - segment.file.len())), "{}", segment.file.len());
    let mut whole = segment.clone();
    let mut tail = vec![0; LEN];
    let newest = (0..3_u8).map(|n| {
        let offset = whole.file.len();
        (offset, whole.records(vec![history.add("b", &[n]), history.add("a", NIL)]))
    });
    let newest: Vec<(usize, Vec<u8>)> = newest.collect();
    for (offset, frame) in &newest {
        put(&mut tail, *offset, frame);
    }
    assert!(newest[0].0 < LEN && newest[0].0 + newest[0].1.len() > LEN, "the first frame wraps around");
    Made { segment, tail, newest, events: 1 }
}

fn bin(len: usize) -> Vec<u8> {
    let len = u32::try_from(len).expect("small");
    [&[0xC6][..], &len.to_be_bytes(), &vec![0xB1; len as usize]].concat()
}

fn put(tail: &mut [u8], offset: usize, frame: &[u8]) {
    let len = tail.len();
    frame.iter().zip(offset..).for_each(|(byte, at)| tail[at % len] = *byte);
}

impl Made {
    fn files(&self) -> Files {
        let mut files = files([&self.segment]);
        files.insert("batpak.tail".to_owned(), self.tail.clone());
        files
    }

    /// So many of the frames in the tail count.
    #[track_caller]
    fn check(&self, frames: u64) {
        let files = self.files();
        let events = self.events + 2 * frames;
        let read = directory::read(&files).expect("a store");
        assert_eq!((read.frames_from_tail as u64, read.events.len() as u64), (frames, events));

        let machine = Machine::new(&files);
        assert_eq!(from_tail(&machine.open_read_only().expect("open")), (frames, events));
        assert_eq!(machine.truth(), files, "reading changes nothing");
        assert_eq!(from_tail(&machine.open().expect("open")), (frames, events));
        let mut truth = machine.truth();
        truth.remove("batpak.tail");
        check_taken(&truth, events);
    }
}

fn from_tail(store: &Store) -> (u64, u64) {
    let report = store.diagnostics().open_report.expect("a report");
    (report.commits_from_tail, store.verify_chain().expect("a chain that holds").events)
}

#[test]
fn frames_of_the_tail_are_taken_around_its_end() {
    made().check(3);
}

#[test]
fn a_tail_of_zeros_says_nothing() {
    let mut made = made();
    made.tail.fill(0);
    made.check(0);
}

#[test]
fn a_torn_frame_ends_the_tail() {
    let mut made = made();
    let (offset, frame) = &made.newest[1];
    made.tail[(offset + frame.len() - 1) % LEN] ^= 1;
    made.check(1);
}

/// What was moved into the segment counts there, what was not is taken.
#[test]
fn the_tail_goes_on_where_the_segment_ends() {
    let mut made = made();
    made.segment.file.extend(&made.newest[0].1);
    made.events += 2;
    made.check(2);
}

/// The file was made longer before it was written.
#[test]
fn the_tail_goes_on_before_zeros() {
    let mut made = made();
    made.segment.file.resize(LEN * 2, 0);
    made.check(3);
}

/// A frame half moved into the segment is whole in the tail.
#[test]
fn the_tail_goes_on_in_place_of_a_torn_frame() {
    let mut made = made();
    let frame = &made.newest[0].1;
    made.segment.file.extend(&frame[..frame.len() / 2]);
    made.check(3);
}

/// From a round before: valid at another place.
#[test]
fn a_frame_of_a_round_before_is_ignored() {
    let mut made = made();
    let frame = made.newest[1].1.clone();
    made.tail.fill(0);
    put(&mut made.tail, made.newest[0].0, &frame);
    made.check(0);
}

/// It is valid where it is, and does not follow what is before it.
#[test]
fn a_frame_that_leaves_a_gap_is_ignored() {
    let mut made = made();
    let (offset, frame) = made.newest[1].clone();
    made.tail.fill(0);
    put(&mut made.tail, offset, &frame);
    made.check(0);
}

#[test]
fn a_frame_of_another_segment_is_ignored() {
    let mut made = made();
    let mut foreign = made.segment.clone();
    foreign.header.segment_id = [0x77; 16];
    let frame = foreign.records(vec![History::default().add("a", NIL)]);
    made.tail.fill(0);
    put(&mut made.tail, made.newest[0].0, &frame);
    made.check(0);
}

/// It follows another frame than the one that is there, as if the segment had been cut and written anew.
#[test]
fn a_frame_of_another_history_is_ignored() {
    let mut made = made();
    let mut history = History::default();
    let mut other = Writer::first();
    other.records(vec![history.add("x", &bin(FILLER))]);
    other.file.resize(made.segment.file.len(), 0);
    let frame = other.records(vec![history.add("x", NIL)]);
    made.tail.fill(0);
    put(&mut made.tail, made.newest[0].0, &frame);
    made.check(0);
}

/// The tail was made, and the machine stopped before its length was set.
#[test]
fn a_tail_of_another_length_is_ignored() {
    for len in [0, 1000, LEN / 2, LEN + 8, LEN * 3] {
        let mut made = made();
        made.tail.resize(len, 0);
        made.check(0);
    }
}

#[test]
fn a_longer_tail_is_a_tail() {
    let mut made = made();
    made.tail = vec![0; LEN * 4];
    for (offset, frame) in made.newest.clone() {
        put(&mut made.tail, offset, &frame);
    }
    made.check(3);
}
