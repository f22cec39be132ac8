//! Cursors give every event of their region once, in order.

use crate::fixtures::{KIND, Machine, OTHER, append, at, filled};
use batpak::Region;
use batpak::store::{AppendOptions, Cursor, StoreError};
use serde_json::json;

fn drain(cursor: &mut Cursor) -> Vec<u64> {
    std::iter::from_fn(|| cursor.try_poll().expect("poll")).map(|row| row.sequence).collect()
}

#[test]
fn a_cursor_made_before_the_first_event_sees_it() {
    let machine = Machine::new();
    let store = machine.open();
    let regions =
        [Region::all(), Region::entity("a"), Region::scope("x"), Region::kind(KIND), Region::entity_prefix("a")];
    let mut cursors = regions.map(|region| store.cursor_guaranteed(&region));
    for cursor in &mut cursors {
        assert!(cursor.poll().is_none() && cursor.poll().is_none());
        assert_eq!(cursor.position(), 0);
    }
    append(&store, &at("a", "x"), &json!(1));
    for cursor in &mut cursors {
        assert_eq!(drain(cursor), [0]);
        assert_eq!(cursor.position(), 1);
    }
}

#[test]
fn each_event_comes_once_while_more_are_appended() {
    let machine = Machine::new();
    let store = machine.open();
    let regions = [Region::all(), Region::entity("a"), Region::scope("x"), Region::kind(OTHER), Region::tag("t")];
    let mut cursors = regions.map(|region| (store.cursor_guaranteed(&region), Vec::new()));
    for n in 0..300_u64 {
        let place = at(["a", "b"][usize::from(n % 2 == 1)], ["x", "y"][usize::from(n % 3 == 1)]);
        let options = AppendOptions::default().with_tags(if n % 5 == 0 { &["t"] } else { &[] });
        store.append_with_options(&place, [KIND, OTHER][usize::from(n % 7 == 0)], &json!(n), options).expect("append");
        for (index, (cursor, seen)) in (0_u64..).zip(&mut cursors) {
            // Each goes at a pace of its own.
            if n % (index + 1) == 0 {
                seen.extend(cursor.poll().map(|row| row.sequence));
            }
        }
    }
    let expected: [fn(&u64) -> bool; 5] = [|_| true, |n| n % 2 == 0, |n| n % 3 != 1, |n| n % 7 == 0, |n| n % 5 == 0];
    for ((cursor, seen), expected) in cursors.iter_mut().zip(expected) {
        seen.extend(drain(cursor));
        assert_eq!(*seen, (0..300).filter(expected).collect::<Vec<_>>());
    }
}

#[test]
fn a_cursor_goes_on_where_another_one_was() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    let regions = [Region::all(), Region::entity("a:1"), Region::kind(KIND).or(Region::scope("y")), Region::tag("all")];
    for region in regions {
        let all = drain(&mut store.cursor_guaranteed(&region));
        for taken in 0..=all.len() {
            let mut first = store.cursor_guaranteed(&region);
            let mut seen: Vec<u64> = (0..taken).map(|_| first.poll().expect("an event").sequence).collect();
            let position = first.position();
            let mut clone = first.clone();
            let mut second = store.cursor_guaranteed(&region).starting_at(position);
            let rest = drain(&mut second);
            assert_eq!(drain(&mut clone), rest);
            seen.extend(rest);
            assert_eq!(seen, all);
        }
    }
}

#[test]
fn a_cursor_can_be_sent_back_and_far_ahead() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    let mut cursor = store.cursor_guaranteed(&Region::all());
    assert_eq!(drain(&mut cursor).len(), 29);
    let mut cursor = cursor.starting_at(27);
    assert_eq!(drain(&mut cursor), [27, 28]);
    let mut cursor = cursor.starting_at(u64::MAX);
    assert_eq!(drain(&mut cursor), [] as [u64; 0]);
    append(&store, &at("a", "x"), &json!(1));
    assert_eq!(drain(&mut cursor), [] as [u64; 0]);
    assert_eq!(cursor.position(), u64::MAX);
}

#[test]
fn a_cursor_goes_through_more_than_one_step() {
    let machine = Machine::new();
    let store = machine.open();
    // More than twice what is looked through at once; the kind occurs at both ends only.
    for n in 0..9000_u64 {
        let kind = if n == 2 || n == 8999 { OTHER } else { KIND };
        store.append(&at("a", "x"), kind, &n).expect("append");
    }
    assert_eq!(drain(&mut store.cursor_guaranteed(&Region::kind(OTHER))), [2, 8999]);
    assert!(drain(&mut store.cursor_guaranteed(&Region::all())).into_iter().eq(0..9000));
    assert!(drain(&mut store.cursor_guaranteed(&Region::entity("a"))).into_iter().eq(0..9000));
    assert_eq!(drain(&mut store.cursor_guaranteed(&Region::none())), [] as [u64; 0]);
}

/// A consumer that reads the records of a region must get what can be read before it is stopped by what cannot.
#[test]
fn a_cursor_stops_before_what_cannot_be_read_in_a_sealed_segment() {
    let machine = Machine::new();
    let store = batpak::store::Store::open(machine.config().with_segment_max_bytes(512)).expect("open");
    for n in 0..9_u64 {
        let options = AppendOptions::default().with_tags(&["t"]);
        store.append_with_options(&at("a", "x"), KIND, &json!({"n": n}), options).expect("append");
    }
    store.close().expect("close");
    let path = machine
        .files
        .files()
        .into_iter()
        .find(|path| {
            let bytes = machine.files.read(path).expect("a file");
            bytes.windows(4).any(|window| window == [0x81, 0xA1, b'n', 4])
        })
        .expect("a segment");
    machine.edit(path, |bytes| {
        let at = bytes.windows(4).position(|window| window == [0x81, 0xA1, b'n', 4]).expect("the payload");
        bytes[at] ^= 1;
    });
    let store = machine.open_read_only();
    for region in [Region::tag("t"), Region::entity("a").with_tag("t")] {
        let mut cursor = store.cursor_guaranteed(&region);
        let before: Vec<u64> = std::iter::from_fn(|| cursor.poll()).map(|row| row.sequence).collect();
        assert_eq!(before, [0, 1, 2, 3]);
        assert_eq!(cursor.position(), 4);
        for _ in 0..2 {
            assert!(matches!(cursor.try_poll(), Err(StoreError::Corrupt { .. })), "it says why, and stays");
        }
        assert_eq!(drain(&mut cursor.starting_at(5)), [5, 6, 7, 8]);
    }
    assert_eq!(drain(&mut store.cursor_guaranteed(&Region::entity("a"))).len(), 9, "rows need no record");
}

/// What a poll costs must not grow with the store: the fastest of many polls is compared, so that a busy machine does not matter.
#[test]
fn a_cursor_that_has_caught_up_costs_the_same_in_a_large_store() {
    let machine = Machine::new();
    let store = machine.open();
    let region = Region::entity("a").or(Region::kind(OTHER));
    let mut cursor = store.cursor_guaranteed(&region);
    let mut small = std::time::Duration::MAX;
    let mut large = std::time::Duration::MAX;
    for n in 0..20_000_u64 {
        store.append(&at("a", "x"), KIND, &n).expect("append");
        let start = std::time::Instant::now();
        assert_eq!(cursor.poll().map(|row| row.sequence), Some(n));
        let took = start.elapsed();
        if n < 1000 {
            small = small.min(took);
        } else if n >= 19_000 {
            large = large.min(took);
        }
    }
    assert!(large < small * 20 + std::time::Duration::from_micros(20), "{small:?} became {large:?}");
}

#[test]
fn cursors_race_a_writer_and_miss_nothing() {
    let machine = Machine::new();
    let store = machine.open();
    std::thread::scope(|scope| {
        for region in [Region::all(), Region::entity("a"), Region::scope("x"), Region::kind(KIND)] {
            let store = &store;
            scope.spawn(move || {
                let mut cursor = store.cursor_guaranteed(&region);
                let mut seen = 0;
                while seen < 5000 {
                    match cursor.try_poll().expect("poll") {
                        Some(row) => {
                            assert_eq!(row.sequence, seen);
                            assert_eq!(store.read(seen).expect("visible").event.payload(), seen);
                            seen += 1;
                        }
                        None => std::thread::yield_now(),
                    }
                }
            });
        }
        for n in 0..5000_u64 {
            store.append(&at("a", "x"), KIND, &n).expect("append");
        }
    });
}
