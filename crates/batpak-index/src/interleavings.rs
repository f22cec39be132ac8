//! What is lock-free here, in every order in which threads can meet: `cargo xtask loom`. Lists of rows are modelled
//! too, and the list of tiers as one behind a lock; the maps of names are not, they are what they are.

use crate::blocks::Checked;
use crate::live::Added;
use crate::row::{Direction, Extras};
use crate::sync::{AtomicU64, Ordering};
use crate::tiers::{Index, IndexWriter};
use batpak_core::{Coordinate, EventId, EventKind, Region, Timestamp};
use loom::thread;
use std::sync::Arc;

fn place() -> Coordinate {
    Coordinate::new("a", "x").expect("a coordinate")
}

fn add(writer: &mut IndexWriter, sequence: u64) {
    let known = writer.intern(&place());
    let added = Added {
        id: EventId::compose(1, sequence, 0).expect("an id"),
        offset: 0,
        revision: sequence,
        time: Timestamp::from_nanos(0),
        kind: EventKind::custom(1, 1),
        extras: Extras::default(),
        marks: &[],
        key: None,
    };
    writer.add(&known, &added);
}

/// Otherwise a reader that follows a chain finds nothing where events are.
#[test]
fn a_chain_names_rows_that_can_be_read() {
    loom::model(|| {
        let (index, mut writer) = Index::new([0; 16], Vec::new());
        writer.intern(&place());
        let reader = thread::spawn(move || {
            let tiers = index.snapshot();
            let live = tiers.live().next().expect("one");
            for chain in [live.names().entity("a"), live.names().scope("x")] {
                let mut next = chain.expect("a chain").newest();
                let mut expected = next.row();
                while let Some(number) = next.row() {
                    assert_eq!(Some(number), expected, "no row is left out");
                    next = live.live_row(number).expect("the row that is named").previous_in_entity;
                    expected = number.checked_sub(1);
                }
            }
        });
        add(&mut writer, 0);
        add(&mut writer, 1);
        reader.join().expect("a reader");
    });
}

/// The order of a store: rows, tiers, watermark. A row that is missing is an event that a projection never counts.
#[track_caller]
fn check_prefix(begin_live: bool, region: fn() -> Region, direction: Direction) {
    loom::model(move || {
        let (index, mut writer) = Index::new([0; 16], Vec::new());
        let visible = Arc::new(AtomicU64::new(0));
        let reader = thread::spawn({
            let visible = Arc::clone(&visible);
            move || {
                let end = visible.load(Ordering::Acquire);
                let mut matches = index.snapshot().matches(&region(), 0..end, direction);
                let rows = std::iter::from_fn(|| matches.next_row().expect("sound"));
                assert_eq!(rows.count() as u64, end);
            }
        });
        add(&mut writer, 0);
        visible.store(1, Ordering::Release);
        if begin_live {
            writer.begin_live();
        }
        add(&mut writer, 1);
        visible.store(2, Ordering::Release);
        reader.join().expect("a reader");
    });
}

#[test]
fn all_rows_below_the_watermark_are_found() {
    check_prefix(false, Region::all, Direction::Forward);
}

#[test]
fn all_rows_of_an_entity_below_the_watermark_are_found() {
    check_prefix(false, || Region::entity("a"), Direction::Backward);
}

#[test]
fn all_rows_below_the_watermark_are_found_in_two_live_parts() {
    check_prefix(true, Region::all, Direction::Backward);
}

#[test]
fn two_threads_that_check_blocks_lose_no_bit() {
    loom::model(|| {
        let checked = Arc::new(Checked::none_of(2));
        let other = thread::spawn({
            let checked = Arc::clone(&checked);
            move || checked.add(0)
        });
        checked.add(1);
        assert!(checked.contains(1), "of its own it knows");
        other.join().expect("the other");
        assert!(checked.contains(0) && checked.contains(1));
    });
}
