//! Readers beside the writer and beside who freezes and merges, without a lock.

use crate::fixtures::{Fact, World, about, at, next, open};
use batpak_core::Region;
use batpak_index::{Direction, Part, merge};
use std::sync::Arc;
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
    let mut world = World::new();
    let index = Arc::clone(&world.index);
    let (visible, frozen) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for reader in 0..2_u64 {
            let (index, visible) = (&index, &visible);
            scope.spawn(move || {
                let mut round = reader;
                loop {
                    let end = visible.load(Ordering::Acquire);
                    let which = round % 4;
                    let regions =
                        [Region::all(), Region::entity("hot"), Region::scope("y"), Region::entity("entity:5")];
                    let direction = [Direction::Forward, Direction::Backward][usize::from(round % 2 == 0)];
                    let region = &regions[usize::try_from(which).expect("small")];
                    let mut matches = index.snapshot().matches(region, 0..end, direction);
                    let found: Vec<u64> = std::iter::from_fn(|| next(&mut matches).map(|row| row.sequence())).collect();
                    let mut expected = expected(which, end);
                    if direction == Direction::Backward {
                        expected.reverse();
                    }
                    assert_eq!(found, expected);
                    if end == EVENTS {
                        return;
                    }
                    round += 1;
                }
            });
        }
        let (index, visible, frozen) = (&index, &visible, &frozen);
        scope.spawn(move || {
            while visible.load(Ordering::Acquire) < EVENTS {
                freeze_and_merge(index);
                frozen.store(index.tiers().frozen_end(), Ordering::Relaxed);
            }
        });
        for sequence in 0..EVENTS {
            let (entity, scope) = place(sequence);
            world.append(Fact::of(at(&entity, scope)));
            if sequence % 1000 == 999 {
                world.writer.begin_live();
            }
            visible.store(sequence + 1, Ordering::Release);
        }
    });
    assert_eq!(index.tiers().entity_count(), 998);
    assert!(frozen.load(Ordering::Relaxed) > 0, "nothing was frozen meanwhile");
}

fn freeze_and_merge(index: &batpak_index::Index) {
    let tiers = index.snapshot();
    if tiers.live().count() > 1 {
        let live = tiers.live().next().expect("one");
        let mut bytes = Vec::new();
        live.to_builder().write(&about(live.events().end), &mut bytes).expect("written");
        assert!(index.replace(&[Arc::new(open(bytes))]));
    }
    let parts: Vec<&Part> = tiers.parts().map(|part| &**part).collect();
    if parts.len() > 3 {
        let end = tiers.frozen_end();
        let mut bytes = Vec::new();
        merge(&parts, &about(end), &mut bytes, &|| true).expect("merged");
        assert!(index.replace(&[Arc::new(open(bytes))]));
    }
}
