//! Idempotency keys are found wherever their events are.

use crate::fixtures::{Fact, World, at};

fn fact(key: u64) -> Fact {
    Fact { key: Some(key.into()), ..Fact::of(at("a", "x")) }
}

/// A key that is forgotten makes a retry a second event.
#[test]
fn a_key_is_known_in_every_tier() {
    let mut world = World::new();
    for n in 0..40 {
        world.append(fact(n * 7));
        match n {
            10 | 20 => world.freeze(),
            30 => world.writer.begin_live(),
            _ => {}
        }
    }
    for n in 0..40_u64 {
        let key = u128::from(n * 7);
        let live = world.writer.key(key);
        let frozen = world.index.tiers().frozen_with_key(key).expect("sound");
        let frozen: Vec<u64> = frozen.iter().map(batpak_index::Row::sequence).collect();
        if n <= 20 {
            assert_eq!((live, frozen), (None, vec![n]));
        } else {
            assert_eq!((live, frozen), (Some(n), vec![]));
        }
        assert_eq!(world.writer.key(key + 1), None);
        assert!(world.index.tiers().frozen_with_key(key + 1).expect("sound").is_empty());
    }
    world.merge(0..2);
    assert_eq!(world.index.tiers().frozen_with_key(140).expect("sound")[0].sequence(), 20);
}
