//! What the tiers say of entities and events, and how one takes the place of others.

use crate::fixtures::{Fact, Random, World, about, at, hash, open, parts};
use batpak_index::{EntityHead, Index, Part, WriteError, merge};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn an_empty_index_knows_nothing() {
    let mut world = World::new();
    assert!(world.index.find(&at("a", "x")).is_none() && world.writer.key(0).is_none());
    assert_eq!(world.head(&at("a", "x")), EntityHead::default());
    let tiers = world.index.tiers();
    assert!(tiers.row(0).expect("sound").is_none() && tiers.row(u64::MAX).expect("sound").is_none());
    assert_eq!((tiers.entity_count(), tiers.frozen_end(), world.writer.end()), (0, 0, 0), "a name is no event");
}

#[test]
fn rows_and_heads_are_those_of_what_was_added_in_every_tier() {
    let mut random = Random::new(5);
    let mut world = World::of(&mut random, 200);
    for _ in 0..5 {
        world.freeze();
        for sequence in 0..world.end() {
            let row = world.row(sequence);
            let fact = &world.facts[usize::try_from(sequence).expect("an index")];
            assert_eq!((row.id, row.revision, row.time), (World::id(sequence), fact.revision, fact.time));
        }
        let entities: BTreeSet<String> = world.facts.iter().map(|fact| fact.coordinate.entity().to_owned()).collect();
        for entity in &entities {
            for scope in ["x", "new"] {
                let known: Vec<u64> = (0..)
                    .zip(&world.facts)
                    .filter(|(_, fact)| fact.coordinate.entity() == entity)
                    .map(|(n, _)| n)
                    .collect();
                let newest = known.last().copied();
                let expected = EntityHead {
                    len: known.len() as u64,
                    newest,
                    hash: newest.map_or(EntityHead::default().hash, hash),
                };
                assert_eq!(world.head(&at(entity, scope)), expected, "{entity}");
            }
        }
        assert_eq!(world.index.tiers().entity_count(), entities.len() as u64);
        assert!(world.index.tiers().row(world.end()).expect("sound").is_none());
        (0..random.below(50)).for_each(|_| world.append(Fact::random(&mut random)));
    }
}

#[test]
fn a_head_that_is_put_back_is_as_it_was() {
    let mut world = World::of(&mut Random::new(1), 50);
    let known = world.writer.intern(&at("a", "x"));
    let before = world.writer.own_head(&known);
    world.writer.set_head(&known, Some(EntityHead { len: 99, newest: Some(99), hash: hash(99) }));
    world.writer.set_head(&known, before);
    assert_eq!(world.writer.head(&known), before);
}

/// What a live part knows of a coordinate must not be used for the next one: the event would be in no stream.
#[test]
fn a_coordinate_is_renewed_in_the_next_live_part() {
    let mut world = World::new();
    world.append(Fact::of(at("a", "x")));
    let known = world.index.find(&at("a", "x")).expect("known");
    assert!(known.has_events());
    world.writer.begin_live();
    assert!(world.index.find(&at("a", "x")).is_none());
    let renewed = world.writer.renew(&known);
    assert!(!renewed.has_events() && renewed.coordinate() == known.coordinate());
    assert_eq!(world.writer.head(&renewed).map(|head| head.len), Some(1), "by what waits to be frozen");
    assert_eq!(world.writer.own_head(&renewed), None);
}

#[test]
fn parts_take_the_place_of_what_they_hold_and_of_nothing_else() {
    let mut world = World::of(&mut Random::new(2), 30);
    world.freeze();
    let old = Arc::clone(world.index.snapshot().parts().next().expect("one"));
    (0..10).for_each(|_| world.append(Fact::of(at("a", "x"))));
    assert_eq!(parts(&world.index.snapshot()), [(0, 30)]);
    // What grows is not replaced.
    let live = Arc::clone(world.index.snapshot().live().next_back().expect("one"));
    let mut bytes = Vec::new();
    live.to_builder().write(&about(40), &mut bytes).expect("written");
    assert!(!world.index.replace(&[Arc::new(open(bytes))]));
    world.freeze();
    world.merge(0..2);
    assert_eq!(parts(&world.index.snapshot()), [(0, 40)]);
    assert!(!world.index.replace(&[old]), "it is part of another one");
    assert!(!world.index.replace(&[]));
    assert_eq!(parts(&world.index.snapshot()), [(0, 40)]);
}

/// Two live parts that begin with the same event could not be told from each other: a coordinate of the one, used in
/// the other, would put the event into another entity's stream.
#[test]
fn a_live_part_without_events_goes_on() {
    let mut world = World::new();
    for _ in 0..3 {
        world.writer.begin_live();
    }
    assert_eq!(world.index.tiers().live().count(), 1);
    world.append(Fact::of(at("a", "x")));
    world.freeze();
    world.freeze();
    assert_eq!((parts(&world.index.tiers()), world.index.tiers().live().count()), (vec![(0, 1)], 1));
    assert_eq!(world.row(0).revision, 0);
}

#[test]
fn parts_that_do_not_follow_each_other_are_not_merged() {
    let mut world = World::new();
    for _ in 0..3 {
        world.append(Fact::of(at("a", "x")));
        world.freeze();
    }
    let tiers = world.index.snapshot();
    let found: Vec<&Part> = tiers.parts().map(|part| &**part).collect();
    let refused = merge(&[found[0], found[2]], &about(3), &mut Vec::new(), &|| true);
    assert!(matches!(refused, Err(WriteError::NoRange { .. })), "{refused:?}");
    let stopped = merge(&found, &about(3), &mut Vec::new(), &|| false);
    assert!(matches!(stopped, Err(WriteError::Stopped)), "{stopped:?}");
}

#[test]
fn an_index_goes_on_behind_its_parts() {
    let mut world = World::of(&mut Random::new(9), 77);
    world.freeze();
    let parts: Vec<Arc<Part>> = world.index.snapshot().parts().cloned().collect();
    let (index, writer) = Index::new(crate::fixtures::STORE, parts);
    assert_eq!(writer.end(), 77);
    let mut again = World { facts: world.facts.clone(), index, writer };
    again.append(Fact::of(at("a", "x")));
    again.check(&batpak_core::Region::entity("a"), 0..78);
}
