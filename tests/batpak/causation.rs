//! Causes, effects, and the tree of an undertaking.

use crate::support::{KIND, World, append, at};
use batpak::prelude::*;
use batpak::store::{CausesEnd, CorrelationTree, LOST, salvage};

fn caused_by(id: EventId) -> AppendOptions<'static> {
    AppendOptions::default().with_causation_id(id)
}

/// Each event is caused by the one before, with others in between.
fn chain(store: &Store, len: usize) -> Vec<EventId> {
    let mut ids = vec![append(store, "chain", AppendOptions::default()).event_id];
    while ids.len() < len {
        append(store, "other", AppendOptions::default());
        ids.push(append(store, &format!("chain:{}", ids.len() % 3), caused_by(ids[ids.len() - 1])).event_id);
    }
    ids
}

/// The ids of the causes, and why there is no further one.
#[track_caller]
fn causes(store: &Store, id: EventId, limit: Option<usize>) -> (Vec<EventId>, Option<CausesEnd>) {
    let mut causes = store.causes(id);
    if let Some(limit) = limit {
        causes = causes.with_limit(limit);
    }
    assert_eq!(causes.end(), None);
    let ids = causes.by_ref().map(|row| row.expect("is there").event_id).collect();
    assert!(causes.next().is_none());
    (ids, causes.end())
}

#[test]
fn a_walk_goes_up_to_the_first_cause() {
    let world = World::new();
    let store = world.open();
    let ids = chain(&store, 6);
    let (found, end) = causes(&store, ids[5], None);
    assert_eq!((found, end), (ids[..5].iter().rev().copied().collect(), Some(CausesEnd::Root)));
    assert_eq!(causes(&store, ids[0], None), (vec![], Some(CausesEnd::Root)));
    let row = store.causes(ids[2]).next().expect("it has a cause").expect("is there");
    assert_eq!(row, store.query(&Region::all()).expect("open")[2]);
}

#[test]
fn a_walk_ends_at_a_cause_that_is_not_there() {
    let world = World::new();
    let store = world.open();
    let foreign = EventId::from_u128(77);
    let first = append(&store, "a", caused_by(foreign)).event_id;
    let second = append(&store, "a", caused_by(first)).event_id;
    assert_eq!(causes(&store, second, None), (vec![first], Some(CausesEnd::Missing { id: foreign })));
    assert_eq!(causes(&store, foreign, None), (vec![], Some(CausesEnd::Missing { id: foreign })));
    // The sequence is that of an event, but it is another one.
    let near = EventId::compose(first.millis(), 0, first.random() ^ 1).expect("valid");
    let third = append(&store, "a", caused_by(near)).event_id;
    assert_eq!(causes(&store, third, None), (vec![], Some(CausesEnd::Missing { id: near })));
}

#[test]
fn a_walk_ends_at_its_limit() {
    let world = World::new();
    let store = world.open();
    let ids = chain(&store, 6);
    let back = |from: usize, count: usize| ids[from - count..from].iter().rev().copied().collect::<Vec<_>>();
    assert_eq!(causes(&store, ids[5], Some(3)), (back(5, 3), Some(CausesEnd::Limit { next: ids[1] })));
    assert_eq!(causes(&store, ids[5], Some(5)), (back(5, 5), Some(CausesEnd::Root)));
    assert_eq!(causes(&store, ids[5], Some(0)), (vec![], Some(CausesEnd::Limit { next: ids[4] })));
}

/// Ids of two worlds that are alike, in which an event can be named before it is there.
fn future_ids(count: usize) -> Vec<EventId> {
    let store = World::new().open();
    (0..count).map(|_| append(&store, "a", caused_by(EventId::from_u128(1))).event_id).collect()
}

#[test]
fn a_walk_never_goes_in_a_circle() {
    let ids = future_ids(3);
    let world = World::new();
    let store = world.open();
    for (event, cause) in [(0, 2), (1, 0), (2, 1)] {
        assert_eq!(append(&store, "a", caused_by(ids[cause])).event_id, ids[event]);
    }
    let end = Some(CausesEnd::NotBefore { id: ids[2] });
    assert_eq!(causes(&store, ids[2], None), (vec![ids[1], ids[0]], end));
    assert_eq!(causes(&store, ids[0], None), (vec![], end));

    let store = World::new().open();
    append(&store, "a", caused_by(ids[0]));
    assert_eq!(causes(&store, ids[0], None), (vec![], Some(CausesEnd::NotBefore { id: ids[0] })));
    let tree = store.correlation(ids[0], 10).expect("it reads");
    assert_eq!((tree.len(), tree.roots().count()), (1, 1));
}

/// What is left of a lost event does not say that it had no cause.
#[test]
fn a_walk_ends_at_what_is_left_of_a_lost_event() {
    let (from, into) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let store = Store::open(from.path()).expect("opens");
    let lost = append(&store, "lost", AppendOptions::default()).event_id;
    let effect = append(&store, "effect", caused_by(lost)).event_id;
    store.close().expect("closes");
    let segment = from.path().join("0000000000.0000.fbat");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    // In the checksum of the second frame, and in the salt of the event.
    bytes[368] ^= 1;
    bytes[420] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let report = salvage(from.path(), into.path()).expect("salvages");
    assert_eq!((report.events, report.lost.len()), (1, 1));

    let store = Store::open(into.path()).expect("opens");
    let stub = store.query(&Region::scope(LOST)).expect("open")[0].event_id;
    assert_eq!(causes(&store, stub, None), (vec![], Some(CausesEnd::Dropped)));
    assert_eq!(causes(&store, effect, None), (vec![], Some(CausesEnd::Missing { id: lost })));
}

#[test]
fn a_walk_ends_with_an_error() {
    let world = World::new();
    let store = world.open();
    let ids = chain(&store, 3);
    let mut causes = store.causes(ids[2]);
    assert_eq!(causes.next().expect("it has a cause").expect("is there").event_id, ids[1]);
    store.clone().close().expect("closes");
    assert!(matches!(causes.next(), Some(Err(StoreError::Closed))));
    assert!(causes.next().is_none());
    assert_eq!(causes.end(), Some(CausesEnd::Failed));
    assert!(matches!(store.correlation(ids[0], 10), Err(StoreError::Closed)));
}

#[test]
fn a_walk_is_the_same_in_what_is_frozen_and_after_reopening() {
    let world = World::new();
    let config = || world.config().with_segment_max_bytes(1024);
    let store = Store::open(config()).expect("opens");
    let ids = chain(&store, 60);
    let check = |store: &Store| {
        let (found, end) = causes(store, ids[59], None);
        assert_eq!((found, end), (ids[..59].iter().rev().copied().collect(), Some(CausesEnd::Root)));
        let effects: Result<Vec<_>, _> = store.effects(ids[20]).map(|row| Ok(row?.event_id)).collect();
        assert_eq!(effects.map_err(|error: StoreError| error.to_string()), Ok(vec![ids[21]]));
    };
    check(&store);
    store.close().expect("closes");
    check(&Store::open(config()).expect("opens"));
    check(&Store::open_read_only(config()).expect("opens"));
}

#[test]
fn effects_are_those_that_name_the_event_and_no_further_ones() {
    let world = World::new();
    let store = world.open();
    let cause = append(&store, "a", AppendOptions::default()).event_id;
    let direct = append(&store, "b", caused_by(cause)).event_id;
    append(&store, "b", caused_by(direct));
    let second = append(&store, "c", caused_by(cause)).event_id;
    let effects = |id| store.effects(id).map(|row| row.expect("is there").event_id).collect::<Vec<_>>();
    assert_eq!(effects(cause), [direct, second]);
    assert!(effects(second).is_empty());
    let foreign = EventId::from_u128(5);
    let of_foreign = append(&store, "d", caused_by(foreign)).event_id;
    assert_eq!(effects(foreign), [of_foreign]);
}

/// The lines of a tree: depth and sequence.
fn lines(tree: &CorrelationTree) -> Vec<(usize, u64)> {
    tree.walk().map(|(depth, node)| (depth, node.row().sequence)).collect()
}

#[test]
fn an_undertaking_is_a_tree() {
    let world = World::new();
    let store = world.open();
    append(&store, "before", AppendOptions::default());
    let first = append(&store, "a", AppendOptions::default()).event_id;
    let of = |cause| caused_by(cause).with_correlation_id(first);
    let foreign = EventId::from_u128(5);
    let second = append(&store, "b", of(first)).event_id;
    append(&store, "unrelated", caused_by(first));
    let elsewhere = append(&store, "c", of(foreign)).event_id;
    append(&store, "d", of(second));
    append(&store, "e", of(first));
    append(&store, "f", of(elsewhere));
    append(&store, "g", of(second));
    append(&store, "h", AppendOptions::default().with_correlation_id(first));
    let tree = store.correlation(first, 100).expect("it reads");
    let expected = [(0, 1), (1, 2), (2, 5), (2, 8), (1, 6), (0, 4), (1, 7), (0, 9)];
    assert_eq!((lines(&tree), tree.is_whole()), (expected.to_vec(), true));
    let sequences: Vec<_> = tree.nodes().map(|node| node.row().sequence).collect();
    assert_eq!(sequences, [1, 2, 4, 5, 6, 7, 8, 9]);
    let roots: Vec<_> = tree.roots().map(|node| (node.row().sequence, node.causation_id())).collect();
    assert_eq!(roots, [(1, None), (4, Some(foreign)), (9, None)]);
    let node = tree.get(second).expect("is there");
    assert_eq!(node.cause().expect("is there").row().event_id, first);
    assert_eq!(node.effects().map(|node| node.row().sequence).collect::<Vec<_>>(), [5, 8]);
    assert!(tree.get(foreign).is_none());

    let empty = store.correlation(foreign, 100).expect("it reads");
    assert!(empty.is_empty() && empty.is_whole());
}

#[test]
fn a_tree_has_no_more_events_than_were_asked_for() {
    let world = World::new();
    let store = world.open();
    let first = append(&store, "a", AppendOptions::default()).event_id;
    for _ in 0..4 {
        append(&store, "b", caused_by(first).with_correlation_id(first));
    }
    for (max, whole) in [(0, false), (1, false), (4, false), (5, true), (6, true)] {
        let tree = store.correlation(first, max).expect("it reads");
        assert_eq!((tree.len(), tree.is_whole()), (max.min(5), whole), "{max}");
        let sequences: Vec<_> = tree.nodes().map(|node| node.row().sequence).collect();
        assert!(sequences.iter().copied().eq(0..sequences.len() as u64), "the first ones: {sequences:?}");
    }
}

/// Recursion would have ended in a crash of the program.
#[test]
fn a_tree_may_be_as_deep_as_it_is_large() {
    const EVENTS: usize = 20_000;
    let world = World::new();
    let store = world.open();
    let first = append(&store, "a", AppendOptions::default()).event_id;
    let item = |cause| BatchAppendItem::new(at("b"), KIND, &1, AppendOptions::default(), cause).expect("encodes");
    let mut items = vec![item(CausationRef::Event(first))];
    items.extend((1..EVENTS).map(|cause| item(CausationRef::Item(cause - 1))));
    items[0] = BatchAppendItem::new(at("b"), KIND, &1, caused_by(first).with_correlation_id(first), CausationRef::None)
        .expect("encodes");
    let receipts = store.append_batch(items).expect("appends");
    let tree = store.correlation(first, usize::MAX).expect("it reads");
    assert!(tree.walk().map(|(depth, _)| depth).eq(0..=EVENTS));
    let last = receipts[EVENTS - 1].event_id;
    assert_eq!(store.causes(last).with_limit(EVENTS).count(), EVENTS);
    let (found, end) = causes(&store, last, None);
    assert_eq!((found.len(), end), (10_000, Some(CausesEnd::Limit { next: receipts[EVENTS - 10_002].event_id })));
}
