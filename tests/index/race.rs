//! Readers beside the writer, without a lock.

use crate::fixtures::{KIND, add, at, found};
use batpak_core::Region;
use batpak_index::{Direction, LiveWriter};
use std::sync::atomic::{AtomicU64, Ordering};

const EVENTS: u64 = 30_000;

/// Entity and scope of an event, by its sequence alone.
fn place(sequence: u64) -> (String, &'static str) {
    // New names go on appearing while readers look old ones up.
    let entity = if sequence.is_multiple_of(3) { "hot".to_owned() } else { format!("entity:{}", sequence % 997) };
    (entity, ["x", "y"][usize::from(sequence.is_multiple_of(7))])
}

fn expected(region: u64, end: u64) -> Vec<u64> {
    let belongs = |sequence: &u64| match region {
        0 => true,
        1 => place(*sequence).0 == "hot",
        2 => place(*sequence).1 == "y",
        _ => place(*sequence).0 == "entity:5",
    };
    (0..end).filter(belongs).collect()
}

/// What a reader sees must be a whole prefix: a row that is missing is an event that a projection never counts.
#[test]
fn a_reader_sees_every_row_below_what_was_published() {
    let mut writer = LiveWriter::new();
    let live = writer.live().clone();
    let visible = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for reader in 0..3_u64 {
            let (live, visible) = (&live, &visible);
            scope.spawn(move || {
                let mut round = reader;
                loop {
                    let end = visible.load(Ordering::Acquire);
                    let which = round % 4;
                    let region = [Region::all(), Region::entity("hot"), Region::scope("y"), Region::entity("entity:5")]
                        [usize::try_from(which).expect("small")]
                    .clone();
                    let mut expected = expected(which, end);
                    if round % 2 == 0 {
                        assert_eq!(found(live, &region, 0..end, Direction::Forward), expected);
                    } else {
                        expected.reverse();
                        assert_eq!(found(live, &region, 0..end, Direction::Backward), expected);
                    }
                    if let Some(row) = end.checked_sub(1).and_then(|last| live.row(last)) {
                        let coordinate = live.coordinate(row.coordinate).expect("a coordinate");
                        let (entity, scope) = place(row.sequence());
                        assert_eq!((coordinate.entity(), coordinate.scope()), (entity.as_str(), scope));
                        assert!(live.find(coordinate).is_some());
                    }
                    if end == EVENTS {
                        return;
                    }
                    round += 1;
                }
            });
        }
        for sequence in 0..EVENTS {
            let (entity, scope) = place(sequence);
            add(&mut writer, &at(&entity, scope), KIND, None);
            visible.store(sequence + 1, Ordering::Release);
        }
    });
    assert_eq!(live.entity_count(), 998);
}

#[test]
fn what_was_begun_stays_as_it_was_while_more_is_added() {
    let mut writer = LiveWriter::new();
    let live = writer.live().clone();
    for _ in 0..100 {
        add(&mut writer, &at("a", "x"), KIND, None);
    }
    let begun = [Region::all(), Region::entity("a"), Region::scope("x")].map(|region| {
        [Direction::Forward, Direction::Backward].map(|direction| live.matches(&region, 10..100, direction))
    });
    for _ in 0..100 {
        add(&mut writer, &at("a", "x"), KIND, None);
    }
    for [forward, backward] in begun {
        assert!(forward.map(|row| row.sequence()).eq(10..100));
        assert!(backward.map(|row| row.sequence()).eq((10..100).rev()));
    }
}
