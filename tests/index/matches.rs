//! What a region finds is what every row, looked at by itself, belongs to.

use crate::fixtures::{ENTITIES, KIND, OTHER, Random, SCOPES, add, at, filled, found, rows};
use batpak_core::{EventId, Region, RowFacts, Timestamp};
use batpak_index::{Direction, Extras, LiveWriter, Matches, Row};
use std::ops::Range;

/// Every row, by what a region says of it.
fn expected(writer: &LiveWriter, region: &Region, range: &Range<u64>) -> Vec<u64> {
    let belongs = |row: &Row| {
        let coordinate = writer.live().coordinate(row.coordinate).expect("a coordinate");
        let facts = RowFacts {
            entity: coordinate.entity(),
            scope: coordinate.scope(),
            kind: row.kind,
            time: row.time,
            revision: row.revision,
            sequence: row.sequence(),
        };
        region.clauses().iter().any(|clause| clause.matches_row(&facts) && row.extras.can_match(clause))
    };
    let rows = rows(writer.live()).into_iter().filter(belongs);
    rows.map(|row| row.sequence()).filter(|sequence| range.contains(sequence)).collect()
}

#[track_caller]
fn check(writer: &LiveWriter, region: &Region, range: Range<u64>) {
    let mut expected = expected(writer, region, &range);
    let live = writer.live();
    assert_eq!(found(live, region, range.clone(), Direction::Forward), expected, "{region:?} in {range:?}");
    expected.reverse();
    assert_eq!(found(live, region, range.clone(), Direction::Backward), expected, "{region:?} back in {range:?}");
}

fn random_clause(random: &mut Random, events: u64) -> Region {
    let mut region = Region::all();
    if random.below(3) == 0 {
        region = region.with_entity(random.pick(&ENTITIES));
    }
    if random.below(5) == 0 {
        region = region.with_entity_prefix(random.pick(&["a", "a:", "b", ""]));
    }
    if random.below(3) == 0 {
        region = region.with_scope(random.pick(&SCOPES));
    }
    if random.below(3) == 0 {
        region = region.with_kind(random.pick(&[KIND, OTHER]));
    }
    if random.below(5) == 0 {
        region = region.with_category(1);
    }
    if random.below(4) == 0 {
        let from = random.below(events + 2);
        region = region.with_sequences(from..from + random.below(events + 2));
    }
    if random.below(6) == 0 {
        region = region.with_revisions(random.below(5)..);
    }
    if random.below(6) == 0 {
        region = region.with_time(Timestamp::from_nanos(2)..Timestamp::from_nanos(7));
    }
    match random.below(9) {
        0 => region.with_tag("t"),
        1 => region.with_correlation(EventId::from_u128(1)),
        2 => region.with_causation(EventId::from_u128(1)),
        _ => region,
    }
}

#[test]
fn every_region_finds_what_belongs_to_it() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let events = random.below(80);
        let writer = filled(events, seed);
        for _ in 0..60 {
            let region =
                (0..random.below(4)).fold(Region::none(), |region, _| region.or(random_clause(&mut random, events)));
            let from = random.below(events + 3);
            check(&writer, &region, 0..events);
            check(&writer, &region, from..random.below(events + 3));
            check(&writer, &region, from..from);
        }
    }
}

/// A row that is added behind the range must not appear in it, nor hide what is in it.
#[test]
fn rows_beyond_the_range_are_not_seen() {
    let mut writer = LiveWriter::new();
    for n in 0..10 {
        add(&mut writer, &at("a", "x"), KIND, None);
        for region in [Region::all(), Region::entity("a"), Region::scope("x"), Region::kind(KIND)] {
            for end in 0..=n + 1 {
                check(&writer, &region, 0..end);
            }
        }
    }
    let all = Region::all();
    assert_eq!(found(writer.live(), &all, 0..100, Direction::Forward), (0..10).collect::<Vec<_>>(), "there are ten");
    assert_eq!(found(writer.live(), &Region::entity("a"), 5..100, Direction::Backward), [9, 8, 7, 6, 5]);
}

#[test]
fn regions_say_how_they_are_found() {
    let (entity, scope, kind) = (Region::entity("a"), Region::scope("x"), Region::kind(KIND));
    assert!(Matches::follows_chains(&entity) && Matches::follows_chains(&entity.clone().or(scope.clone())));
    assert!(Matches::follows_chains(&scope.clone().with_kind(KIND)) && Matches::follows_chains(&Region::none()));
    assert!(!Matches::follows_chains(&kind) && !Matches::follows_chains(&entity.clone().or(kind.clone())));
    assert!(!Matches::follows_chains(&Region::all()) && !Matches::follows_chains(&Region::entity_prefix("a")));
    let writer = filled(9, 1);
    let needs = |region: &Region| writer.live().matches(region, 0..9, Direction::Forward).needs_record();
    assert!(!needs(&entity) && !needs(&scope) && !needs(&kind) && !needs(&Region::none()));
    assert!(needs(&Region::tag("t")) && needs(&kind.or(Region::tag("t"))));
    assert!(needs(&Region::correlation(EventId::from_u128(1))) && needs(&Region::causation(EventId::from_u128(1))));
}

/// Who wants the newest event of a long stream must not pay for all the others.
#[test]
fn the_newest_event_of_a_long_stream_costs_one_step() {
    let fastest = |events: u64| {
        let mut writer = LiveWriter::new();
        for _ in 0..events {
            add(&mut writer, &at("a", "x"), KIND, None);
        }
        let newest = |_| {
            let start = std::time::Instant::now();
            let row = writer.live().matches(&Region::entity("a"), 0..events, Direction::Backward).next();
            assert_eq!(row.expect("a row").sequence(), events - 1);
            start.elapsed()
        };
        (0..200).map(newest).min().expect("a time")
    };
    let (short, long) = (fastest(10), fastest(200_000));
    assert!(long < short * 50 + std::time::Duration::from_micros(20), "{short:?} became {long:?}");
}

/// A record that is not asked for nothing saves a read; one that is not asked though it matches is an event lost.
#[test]
fn extras_say_which_records_can_match() {
    let id = EventId::from_u128(1);
    let regions =
        [Region::tag("t"), Region::correlation(id), Region::causation(id), Region::tag("t").with_causation(id)];
    let can = |tags, correlation, causation| {
        let extras = Extras::new(tags, correlation, causation);
        regions.clone().map(|region| extras.can_match(&region.clauses()[0]))
    };
    assert_eq!(can(false, false, false), [false; 4]);
    assert_eq!(can(true, false, false), [true, false, false, false]);
    assert_eq!(can(false, true, false), [false, true, false, false]);
    assert_eq!(can(false, false, true), [false, false, true, false]);
    assert_eq!(can(true, true, true), [true; 4]);
    assert!(Extras::default().can_match(&Region::entity("a").clauses()[0]));
}
