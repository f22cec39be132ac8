//! The search itself: it finds what is right, and does not find what is not.

use super::history::{Call, Entity, Item, Operation, Reply, Row};
use super::search::linearize;
use batpak::EventId;
use std::ops::Range;

fn id(sequence: u64) -> EventId {
    EventId::from_u128(sequence.into())
}

fn row(entity: Entity, sequence: u64, revision: u64) -> Row {
    Row { entity, id: id(sequence), sequence, revision }
}

fn item(entity: Entity, expected: Option<u64>) -> Item {
    Item { entity, expected, key: None, payload: 7 }
}

fn keyed(key: u128, entity: Entity) -> Call {
    Call::Append(vec![Item { key: Some(key), ..item(entity, None) }])
}

/// Each operation has a thread of its own, so that the times alone say what came first.
#[track_caller]
fn check<const N: usize>(is_right: bool, operations: [(Range<u64>, Call, Reply); N]) {
    let operation = |(thread, (time, call, reply)): (usize, (Range<u64>, Call, Reply))| Operation {
        thread,
        begun: time.start,
        ended: time.end,
        call,
        reply,
    };
    let history: Vec<_> = operations.into_iter().enumerate().map(operation).collect();
    let found = linearize(&history);
    assert_eq!(found.is_ok(), is_right, "{found:?}");
}

/// Appends event 0, the first of entity 0.
fn append(time: Range<u64>) -> (Range<u64>, Call, Reply) {
    (time, Call::Append(vec![item(0, None)]), Reply::Appended(vec![row(0, 0, 0)]))
}

fn refused(time: Range<u64>) -> (Range<u64>, Call, Reply) {
    let reply = Reply::Conflict { entity: 0, expected: 0, actual: 1, newest: Some(id(0)) };
    (time, Call::Append(vec![item(0, Some(0))]), reply)
}

fn rows(time: Range<u64>, entity: Option<Entity>, rows: &[Row]) -> (Range<u64>, Call, Reply) {
    (time, Call::Rows(entity), Reply::Rows(rows.to_vec()))
}

fn get(time: Range<u64>, found: bool) -> (Range<u64>, Call, Reply) {
    (time, Call::Get(id(0)), Reply::Found(found.then_some(7)))
}

#[test]
fn what_overlaps_may_have_happened_in_either_order() {
    check(true, []);
    for seen in [true, false] {
        check(true, [append(0..3), get(1..2, seen)]);
        check(true, [append(1..2), get(0..3, seen)]);
    }
    check(true, [append(0..9), get(1..2, false), get(3..4, true), rows(5..6, Some(0), &[row(0, 0, 0)])]);
    check(true, [refused(0..9), append(1..2)]);
}

#[test]
fn what_was_acknowledged_is_seen() {
    check(true, [append(0..1), get(2..3, true)]);
    check(false, [append(0..1), get(2..3, false)]);
    check(false, [append(0..1), rows(2..3, None, &[])]);
    check(false, [append(0..1), (2..3, Call::Visible, Reply::Count(0))]);
    check(false, [append(0..1), (2..3, Call::Project(0), Reply::Payloads(vec![]))]);
    check(false, [append(0..1), (2..3, Call::Read(0), Reply::Found(None))]);
}

#[test]
fn nothing_is_seen_before_it_is_appended_or_goes_away() {
    check(false, [get(0..1, true), append(2..3)]);
    check(false, [append(0..9), get(1..2, true), get(3..4, false)]);
}

#[test]
fn two_appends_have_two_places() {
    check(false, [append(0..2), append(1..3)]);
    let second = |revision| (1..3, Call::Append(vec![item(0, None)]), Reply::Appended(vec![row(0, 1, revision)]));
    check(true, [append(0..2), second(1)]);
    check(false, [append(0..2), second(0)]);
    check(false, [(0..1, Call::Append(vec![item(0, None)]), Reply::Appended(vec![row(0, 1, 1)])), append(2..3)]);
}

#[test]
fn of_two_that_expect_the_same_one_wins() {
    let expects = |time, sequence| {
        (time, Call::Append(vec![item(0, Some(0))]), Reply::Appended(vec![row(0, sequence, sequence)]))
    };
    check(true, [expects(0..2, 0), refused(1..3)]);
    check(false, [expects(0..2, 0), expects(1..3, 1)]);
    check(false, [refused(0..1), append(2..3)]);
}

/// A refusal names the event that stands against it, for its caller to read.
#[test]
fn what_a_refusal_rests_on_is_seen() {
    check(true, [append(0..9), refused(1..2), get(3..4, true)]);
    check(false, [append(0..9), refused(1..2), get(3..4, false)]);
}

#[test]
fn a_batch_is_seen_whole() {
    let batch = || (0..9, Call::Append(vec![item(0, None), item(1, None)]), vec![row(0, 0, 0), row(1, 1, 0)]);
    let appended = |(time, call, rows): (Range<u64>, Call, Vec<Row>)| (time, call, Reply::Appended(rows));
    check(true, [appended(batch()), rows(1..2, None, &[row(0, 0, 0), row(1, 1, 0)])]);
    check(false, [appended(batch()), rows(1..2, None, &[row(0, 0, 0)])]);
    check(false, [appended(batch()), rows(1..2, Some(0), &[row(0, 0, 0)]), rows(3..4, Some(1), &[])]);
}

#[test]
fn a_cursor_misses_nothing() {
    let poll = |time, from, next| (time, Call::Poll(None, from), Reply::Next(next));
    check(true, [append(0..1), poll(2..3, 0, Some(row(0, 0, 0))), poll(4..5, 1, None)]);
    check(false, [append(0..1), poll(2..3, 0, None)]);
    check(false, [append(0..1), poll(2..3, 1, Some(row(0, 0, 0)))]);
}

#[test]
fn a_key_is_used_once() {
    let first = |time| (time, keyed(5, 0), Reply::Appended(vec![row(0, 0, 0)]));
    let again = |time, same| (time, keyed(5, 0), Reply::Replayed(vec![(row(0, 0, 0), same)]));
    let elsewhere = |time| (time, keyed(5, 1), Reply::KeyReused(5, id(0)));
    check(true, [first(0..1), again(2..3, true), elsewhere(4..5)]);
    check(true, [first(1..2), again(0..9, true)]);
    check(false, [first(0..1), again(2..3, false)]);
    check(false, [first(2..3), again(0..1, true)]);
    check(false, [first(0..1), (2..3, keyed(5, 0), Reply::Appended(vec![row(0, 1, 1)]))]);
    check(false, [first(0..1), (2..3, keyed(5, 0), Reply::KeyReused(5, id(0)))]);
    check(false, [first(0..9), elsewhere(1..2), get(3..4, false)]);
}

#[test]
fn a_batch_that_repeats_in_part_is_refused() {
    let both = || match (keyed(5, 0), keyed(6, 1)) {
        (Call::Append(one), Call::Append(other)) => Call::Append([one, other].concat()),
        other => panic!("{other:?}"),
    };
    let first = || (0..1, keyed(5, 0), Reply::Appended(vec![row(0, 0, 0)]));
    check(true, [first(), (2..3, both(), Reply::PartialReplay)]);
    check(false, [(2..3, both(), Reply::PartialReplay)]);
    let next = (2..3, keyed(6, 1), Reply::Appended(vec![row(1, 1, 0)]));
    check(true, [first(), next, (4..5, both(), Reply::Replayed(vec![(row(0, 0, 0), true), (row(1, 1, 0), true)]))]);
}

/// An append that was under way when a sync failed, and that is there later if `there` says so.
fn unknown(time: Range<u64>, there: Option<Vec<Row>>) -> (Range<u64>, Call, Reply) {
    (time, Call::Append(vec![item(0, None)]), Reply::Unknown(there))
}

#[test]
fn what_is_unknown_has_happened_or_not() {
    let there = || unknown(0..9, Some(vec![row(0, 0, 0)]));
    check(true, [there(), get(1..2, false), get(3..4, true), rows(10..11, None, &[row(0, 0, 0)])]);
    check(true, [unknown(0..9, None), rows(10..11, None, &[])]);
    check(true, [unknown(0..9, None), append(10..11)]);
    // One that takes the place of another one, or that goes away once it was seen.
    check(false, [there(), append(10..11), rows(12..13, None, &[row(0, 0, 0)]), get(1..2, true)]);
    check(false, [there(), get(1..2, true), get(3..4, false)]);
    check(false, [unknown(0..9, None), get(1..2, true)]);
    // It cannot come back later.
    check(false, [there(), get(10..11, false), get(12..13, true)]);
}

#[test]
fn of_two_that_are_unknown_one_has_appended_an_event() {
    let keyed = || (0..9, keyed(5, 0), Reply::Unknown(Some(vec![row(0, 0, 0)])));
    check(true, [keyed(), keyed(), rows(10..11, None, &[row(0, 0, 0)])]);
    check(false, [keyed(), keyed(), rows(10..11, None, &[row(0, 0, 0), row(0, 1, 1)])]);
}

#[test]
fn what_was_refused_by_a_store_that_has_failed_is_not_there() {
    for reply in [Reply::Failed, Reply::NotWritten] {
        let refused = |time| (time, Call::Append(vec![item(0, None)]), reply.clone());
        check(true, [refused(0..9), get(1..2, false), append(10..11)]);
        check(false, [refused(0..9), get(10..11, true)]);
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_failure() {
    let failed = |time| (time, Call::Append(vec![item(0, None)]), Reply::Failed);
    check(true, [append(0..1), failed(2..3), rows(10..11, None, &[row(0, 0, 0)])]);
    check(false, [append(0..1), failed(2..3), rows(10..11, None, &[])]);
}

#[test]
fn a_batch_that_is_unknown_is_there_as_a_whole() {
    let batch = |there| (0..9, Call::Append(vec![item(0, None), item(1, None)]), Reply::Unknown(there));
    let both = [row(0, 0, 0), row(1, 1, 0)];
    check(true, [batch(Some(both.to_vec())), rows(10..11, None, &both)]);
    check(true, [batch(None), rows(10..11, None, &[])]);
    check(false, [batch(None), rows(10..11, None, &both[..1])]);
    check(false, [batch(Some(both.to_vec())), rows(10..11, None, &both[..1])]);
}
