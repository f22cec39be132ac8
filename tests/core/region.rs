//! Which events a region matches.

use std::ops::Bound;

use batpak_core::{Assigned, EventHash, EventId, EventKind, EventRef, Region, RowFacts, Timestamp};
use proptest::{collection, option, prelude::*, sample::select};

use crate::samples::{KIND, Owned, decoded, id, place};

fn sample(entity: &str, scope: &str) -> Vec<u8> {
    Owned::plain(entity, scope).record(b"", &place(5, 2, EventHash::GENESIS))
}

/// An event with every field that a region can ask for.
fn rich() -> Vec<u8> {
    Owned::full().record(b"", &place(5, 2, EventHash::GENESIS))
}

#[track_caller]
fn check(region: &Region, record: &[u8], expected: bool) {
    assert_eq!(region.matches(&decoded(record)), expected, "{region:?}");
}

#[test]
fn an_entity_is_matched_exactly() {
    let region = Region::entity("entity:1");
    check(&region, &sample("entity:1", "s"), true);
    check(&region, &sample("entity:10", "s"), false);
    check(&region, &sample("entity:", "s"), false);
}

#[test]
fn a_prefix_is_matched_by_all_that_begin_with_it() {
    let region = Region::entity_prefix("entity:1");
    check(&region, &sample("entity:1", "s"), true);
    check(&region, &sample("entity:10", "s"), true);
    check(&region, &sample("entity:2", "s"), false);
    check(&region, &sample("entity", "s"), false);
}

#[test]
fn a_scope_is_matched_exactly() {
    check(&Region::scope("room"), &sample("e", "room"), true);
    check(&Region::scope("room"), &sample("e", "room2"), false);
    check(&Region::entity("e").with_scope("room"), &sample("e", "elsewhere"), false);
}

#[test]
fn each_condition_alone_decides() {
    let (time, other) = (Timestamp::from_nanos(1_700_000_000_000_000_000), EventKind::custom(0xE, 1));
    let cases = [
        (Region::all(), true),
        (Region::none(), false),
        (Region::kind(KIND), true),
        (Region::kind(other), false),
        (Region::kinds([other, KIND]), true),
        (Region::kinds([]), false),
        (Region::category(0xF), true),
        (Region::category(0xE), false),
        (Region::category(0x1F), false),
        (Region::tag("owner:3"), true),
        (Region::tag("owner:"), false),
        (Region::tag("owner:3").with_tag("é!"), true),
        (Region::tag("owner:3").with_tag("missing"), false),
        (Region::correlation(id(1)), true),
        (Region::correlation(id(2)), false),
        (Region::causation(id(2)), true),
        (Region::causation(id(1)), false),
        (Region::all().with_time(time..=time), true),
        (Region::all().with_time(..time), false),
        (Region::all().with_revisions(2..3), true),
        (Region::all().with_revisions(3..), false),
        (Region::all().with_sequences(..6), true),
        (Region::all().with_sequences(..5), false),
        (Region::all().with_sequences((Bound::Excluded(4), Bound::Unbounded)), true),
        (Region::all().with_sequences((Bound::Excluded(5), Bound::Unbounded)), false),
    ];
    for (region, expected) in cases {
        check(&region, &rich(), expected);
    }
}

#[test]
fn what_can_match_nothing_has_no_clauses() {
    let (first, last) = (EventKind::custom(1, 1), EventKind::custom(2, 1));
    #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
    let empty = [
        Region::entity("a").with_entity("b"),
        Region::entity("a").with_entity_prefix("b"),
        Region::entity_prefix("a").with_entity("b"),
        Region::entity_prefix("ab").with_entity_prefix("b"),
        Region::scope("a").with_scope("b"),
        Region::kind(first).with_kind(last),
        Region::kind(first).with_category(2),
        Region::category(2).with_kind(first),
        Region::category(1).with_category(2),
        Region::correlation(id(1)).with_correlation(id(2)),
        Region::causation(id(1)).with_causation(id(2)),
        Region::all().with_sequences(5..5),
        Region::all().with_sequences(5..3),
        Region::all().with_sequences(..0),
        Region::all().with_sequences((Bound::Excluded(u64::MAX), Bound::Unbounded)),
        Region::all().with_revisions(3..).with_revisions(..3),
        Region::all().with_time(Timestamp::MAX..Timestamp::MIN),
    ];
    for region in empty {
        assert_eq!(region.clauses(), [], "{region:?}");
    }
}

#[test]
fn names_that_cannot_be_match_nothing() {
    for name in ["", "a\0b", &"x".repeat(1025)] {
        check(&Region::entity(name), &rich(), false);
        check(&Region::scope(name), &rich(), false);
        check(&Region::tag(name), &rich(), false);
    }
}

#[test]
fn a_clause_tells_its_conditions_in_their_narrowest_form() {
    let (first, last) = (EventKind::custom(1, 1), EventKind::custom(2, 1));
    let region = Region::entity_prefix("a")
        .with_entity_prefix("ab")
        .with_entity_prefix("a")
        .with_kinds([last, first, last])
        .with_category(1)
        .with_tag("x")
        .with_tag("x")
        .with_sequences(3..)
        .with_sequences(..=9);
    let [clause] = region.clauses() else { panic!("one clause") };
    assert_eq!((clause.entity(), clause.entity_prefix()), (None, Some("ab")));
    assert_eq!((clause.kinds(), clause.category()), (Some(&[first][..]), None));
    assert_eq!(clause.tags(), ["x"]);
    assert_eq!(clause.sequences(), 3..=9);
    assert_eq!(clause.revisions(), 0..=u64::MAX);
    assert_eq!(clause.time(), Timestamp::MIN..=Timestamp::MAX);
    assert_eq!((clause.scope(), clause.correlation_id(), clause.causation_id()), (None, None, None));

    let [clause] =
        region.clone().with_entity("abc").or(region.with_entity("abc")).clauses().to_vec().try_into().unwrap();
    assert_eq!((clause.entity(), clause.entity_prefix()), (Some("abc"), None));
}

#[test]
fn only_tags_and_ids_of_others_need_the_record() {
    let needs = |region: Region| region.clauses()[0].needs_record();
    assert!(needs(Region::tag("x")) && needs(Region::correlation(id(1))) && needs(Region::causation(id(1))));
    let row = Region::entity("a").with_scope("b").with_kind(KIND).with_time(..).with_revisions(1..).with_sequences(1..);
    assert!(!needs(row) && !needs(Region::entity_prefix("a").with_category(1)));
}

/// One condition, and what it means.
#[derive(Debug, Clone)]
enum Condition {
    Entity(String),
    Prefix(String),
    Scope(String),
    Kinds(Vec<EventKind>),
    Category(u8),
    Tag(String),
    Correlation(EventId),
    Causation(EventId),
    Time(Bound<i64>, Bound<i64>),
    Revisions(Bound<u64>, Bound<u64>),
    Sequences(Bound<u64>, Bound<u64>),
}

fn within<T: PartialOrd>(value: &T, range: (&Bound<T>, &Bound<T>)) -> bool {
    let after = match range.0 {
        Bound::Included(first) => value >= first,
        Bound::Excluded(before) => value > before,
        Bound::Unbounded => true,
    };
    after
        && match range.1 {
            Bound::Included(last) => value <= last,
            Bound::Excluded(past) => value < past,
            Bound::Unbounded => true,
        }
}

impl Condition {
    fn narrow(&self, region: Region) -> Region {
        let time = |bound: &Bound<i64>| bound.map(Timestamp::from_nanos);
        match self {
            Self::Entity(entity) => region.with_entity(entity),
            Self::Prefix(prefix) => region.with_entity_prefix(prefix),
            Self::Scope(scope) => region.with_scope(scope),
            Self::Kinds(kinds) => region.with_kinds(kinds.iter().copied()),
            Self::Category(category) => region.with_category(*category),
            Self::Tag(tag) => region.with_tag(tag),
            Self::Correlation(id) => region.with_correlation(*id),
            Self::Causation(id) => region.with_causation(*id),
            Self::Time(first, last) => region.with_time((time(first), time(last))),
            Self::Revisions(first, last) => region.with_revisions((*first, *last)),
            Self::Sequences(first, last) => region.with_sequences((*first, *last)),
        }
    }

    fn holds(&self, event: &EventRef<'_>) -> bool {
        match self {
            Self::Entity(entity) => event.entity() == entity,
            Self::Prefix(prefix) => event.entity().starts_with(prefix),
            Self::Scope(scope) => event.scope() == scope,
            Self::Kinds(kinds) => kinds.contains(&event.kind()),
            Self::Category(category) => event.kind().category() == *category,
            Self::Tag(tag) => event.tags().any(|found| found == tag),
            Self::Correlation(id) => event.correlation_id() == Some(*id),
            Self::Causation(id) => event.causation_id() == Some(*id),
            Self::Time(first, last) => within(&event.time().as_nanos(), (first, last)),
            Self::Revisions(first, last) => within(&event.revision(), (first, last)),
            Self::Sequences(first, last) => within(&event.sequence(), (first, last)),
        }
    }
}

// Few values, so that conditions and events often meet.
fn few_names() -> impl Strategy<Value = String> {
    select(&["a", "ab", "abc", "b"][..]).prop_map(String::from)
}

fn few_kinds() -> impl Strategy<Value = EventKind> {
    (1..3_u8, 0..2_u16).prop_map(|(category, type_id)| EventKind::custom(category, type_id))
}

fn few_ids() -> impl Strategy<Value = EventId> {
    (0..2_u64).prop_map(id)
}

fn bound<T: std::fmt::Debug>(value: impl Strategy<Value = T> + Clone) -> impl Strategy<Value = Bound<T>> {
    prop_oneof![
        value.clone().prop_map(Bound::Included),
        value.prop_map(Bound::Excluded),
        Just(()).prop_map(|()| Bound::Unbounded)
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        few_names().prop_map(Condition::Entity),
        prop_oneof![few_names(), Just(String::new())].prop_map(Condition::Prefix),
        few_names().prop_map(Condition::Scope),
        collection::vec(few_kinds(), 0..4).prop_map(Condition::Kinds),
        (1..3_u8).prop_map(Condition::Category),
        few_names().prop_map(Condition::Tag),
        few_ids().prop_map(Condition::Correlation),
        few_ids().prop_map(Condition::Causation),
        (bound(-2..3_i64), bound(-2..3_i64)).prop_map(|(first, last)| Condition::Time(first, last)),
        (bound(0..4_u64), bound(0..4_u64)).prop_map(|(first, last)| Condition::Revisions(first, last)),
        (bound(0..4_u64), bound(0..4_u64)).prop_map(|(first, last)| Condition::Sequences(first, last)),
    ]
}

prop_compose! {
    fn event()(
        (entity, scope) in (few_names(), few_names()),
        kind in few_kinds(),
        (correlation_id, causation_id) in (option::of(few_ids()), option::of(few_ids())),
        tags in collection::btree_set(few_names(), 0..3),
        (sequence, revision, time) in (0..4_u64, 0..4_u64, -2..3_i64),
    ) -> Vec<u8> {
        let tags = tags.into_iter().collect();
        let owned = Owned { kind, correlation_id, causation_id, tags, ..Owned::plain(&entity, &scope) };
        let time = Timestamp::from_nanos(time);
        owned.record(b"", &Assigned { time, ..place(sequence, revision, EventHash::GENESIS) })
    }
}

fn build(conditions: &[Condition]) -> Region {
    conditions.iter().fold(Region::all(), |region, condition| condition.narrow(region))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_region_matches_what_its_conditions_say(
        one in collection::vec(condition(), 0..4),
        other in collection::vec(condition(), 0..4),
        both in collection::vec(condition(), 0..2),
        records in collection::vec(event(), 1..8),
    ) {
        let region = both.iter().fold(build(&one).or(build(&other)), |region, condition| condition.narrow(region));
        for record in &records {
            let event = decoded(record);
            let hold = |conditions: &[Condition]| conditions.iter().all(|condition| condition.holds(&event));
            prop_assert_eq!(region.matches(&event), (hold(&one) || hold(&other)) && hold(&both));
        }
    }

    #[test]
    fn row_and_record_together_decide(one in collection::vec(condition(), 0..4), record in event()) {
        let (region, event) = (build(&one), decoded(&record));
        let row = RowFacts::from(&event);
        for clause in region.clauses() {
            let by_row = clause.matches_row(&row);
            prop_assert_eq!(by_row && clause.matches_record(&event), region.matches(&event));
            if !clause.needs_record() {
                prop_assert_eq!(by_row, region.matches(&event));
            }
        }
    }
}
