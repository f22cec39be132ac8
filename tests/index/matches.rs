//! What a region finds is what every event, looked at by itself, belongs to: in whatever tiers the events are.

use crate::fixtures::{Fact, Random, World, at, next, random_region};
use batpak_core::{EventId, Region, Timestamp};
use batpak_index::Direction;

fn check_some(world: &World, random: &mut Random, regions: u64) {
    let events = world.end();
    for _ in 0..regions {
        let region = random_region(random, events);
        let from = random.below(events + 3);
        world.check(&region, 0..events);
        world.check(&region, from..(from + random.below(events + 3)).min(events));
        world.check(&region, from..from);
    }
}

#[test]
fn every_region_finds_what_belongs_to_it_in_every_tier() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut world = World::new();
        for _ in 0..=random.below(6) {
            let more = random.below(if seed % 10 == 0 { 400 } else { 40 });
            (0..more).for_each(|_| world.append(Fact::random(&mut random)));
            match random.below(4) {
                0 => world.writer.begin_live(),
                1 if random.chance(50) => {
                    let from = random.index(3);
                    world.merge(from..from + random.index(4));
                }
                _ => {
                    while world.index.snapshot().live().count() > 1 {
                        freeze_first(&mut world);
                    }
                    world.freeze();
                }
            }
            println!("seed {seed}, {} events", world.end());
            check_some(&world, &mut random, 12);
        }
    }
}

/// What waits to be frozen is frozen in order.
fn freeze_first(world: &mut World) {
    use crate::fixtures::{about, open};
    let tiers = world.index.snapshot();
    let live = tiers.live().next().expect("one").clone();
    let mut bytes = Vec::new();
    live.to_builder().write(&about(live.events().end), &mut bytes).expect("written");
    assert!(world.index.replace(&[std::sync::Arc::new(open(bytes))]));
    world.writer.forget_frozen();
}

/// A list of rows, bits for rows, one row: an event that one of them loses is never seen again by a projection.
#[test]
fn values_of_every_frequency_are_found() {
    let mut world = World::new();
    for n in 0..3000_u64 {
        let rare = if n == 1234 { "once" } else { ["often", "seldom"][usize::from(n % 100 == 7)] };
        let mut fact = Fact::of(at(rare, "x"));
        fact.tags = if n % 64 == 63 { vec!["red"] } else { Vec::new() };
        world.append(fact);
    }
    for _ in 0..2 {
        for entity in ["once", "often", "seldom", "never"] {
            for range in [0..3000, 5..5, 7..8, 63..64, 64..2999, 1234..1235, 1235..3000] {
                world.check(&Region::entity(entity), range.clone());
                world.check(&Region::entity(entity).with_tag("red"), range.clone());
                world.check(&Region::entity(entity).or(Region::tag("red")), range);
            }
        }
        world.freeze();
    }
}

#[test]
fn times_are_found_in_every_zone() {
    let mut world = World::new();
    for n in 0..5000_i64 {
        let mut fact = Fact::of(at("a", "x"));
        // The clock goes back in the middle.
        fact.time = Timestamp::from_nanos(if n < 3000 { n } else { n - 2500 });
        world.append(fact);
    }
    world.freeze();
    let time = |from: i64, to: i64| Region::all().with_time(Timestamp::from_nanos(from)..Timestamp::from_nanos(to));
    for (from, to) in [(0, 1), (400, 600), (1023, 1025), (2400, 2600), (2999, 3001), (4000, 9000), (-9, 0)] {
        world.check(&time(from, to), 0..5000);
        world.check(&time(from, to), 1024..4096);
        world.check(&time(from, to).or(time(10, 20)), 15..4999);
        world.check(&time(from, to).or(Region::all().with_revisions(..3)), 0..5000);
    }
}

#[test]
fn rows_beyond_the_range_are_not_seen() {
    let mut world = World::new();
    for n in 0..10 {
        world.append(Fact::of(at("a", "x")));
        for region in [Region::all(), Region::entity("a"), Region::scope("x")] {
            for end in 0..=n + 1 {
                world.check(&region, 0..end);
            }
        }
    }
    assert_eq!(world.found(&Region::all(), 0..100, Direction::Forward), (0..10).collect::<Vec<_>>());
    assert_eq!(world.found(&Region::entity("a"), 5..100, Direction::Backward), [9, 8, 7, 6, 5]);
}

/// What was begun goes on with what it saw, also if that is frozen, merged or grown meanwhile.
#[test]
fn what_was_begun_is_not_disturbed() {
    let mut world = World::of(&mut Random::new(3), 300);
    world.freeze();
    (0..100).for_each(|_| world.append(Fact::of(at("a", "x"))));
    let regions = [Region::all(), Region::entity("a"), Region::scope("x")];
    for region in regions {
        for direction in [Direction::Forward, Direction::Backward] {
            let expected = world.found(&region, 10..400, direction);
            let mut begun = world.index.snapshot().matches(&region, 10..400, direction);
            let half = expected.len() / 2;
            let mut found: Vec<u64> = (0..half).map(|_| next(&mut begun).expect("a row").sequence()).collect();
            world.append(Fact::of(at("a", "x")));
            world.freeze();
            world.merge(0..9);
            if direction == Direction::Backward {
                // Also if it is told to go on with the new ones.
                begun.resume(world.index.snapshot());
            }
            found.extend(std::iter::from_fn(|| next(&mut begun).map(|row| row.sequence())));
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn regions_say_whether_rows_suffice() {
    let world = World::of(&mut Random::new(1), 9);
    let id = EventId::from_u128(1);
    let needs = |region: &Region| world.index.snapshot().matches(region, 0..9, Direction::Forward).needs_record();
    let (entity, tag) = (Region::entity("a"), Region::tag("red"));
    assert!(!needs(&entity) && !needs(&Region::scope("x")) && !needs(&Region::none()));
    assert!(needs(&tag) && needs(&entity.or(tag)));
    assert!(needs(&Region::correlation(id)) && needs(&Region::causation(id)));
}

/// Who wants the newest event of a long stream must not pay for all the others.
#[test]
fn the_newest_event_of_a_long_stream_costs_one_step() {
    let fastest = |events: u64, frozen: bool| {
        let mut world = World::new();
        (0..events).for_each(|_| world.append(Fact::of(at("a", "x"))));
        if frozen {
            world.freeze();
        }
        let newest = |_| {
            let start = std::time::Instant::now();
            let mut matches = world.index.snapshot().matches(&Region::entity("a"), 0..events, Direction::Backward);
            let row = next(&mut matches);
            assert_eq!(row.expect("a row").sequence(), events - 1);
            start.elapsed()
        };
        (0..200).map(newest).min().expect("a time")
    };
    for frozen in [false, true] {
        let (short, long) = (fastest(10, frozen), fastest(200_000, frozen));
        assert!(long < short * 50 + std::time::Duration::from_micros(20), "{short:?} became {long:?}");
    }
}
