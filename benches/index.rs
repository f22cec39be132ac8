//! What the verbs of the index cost, in its two tiers: live, and frozen in parts of 100,000 rows. Rows are those of
//! 1000 entities in 10 scopes, one in a hundred of a rare kind. Items are rows.
#![expect(clippy::unwrap_used, reason = "a bench stops where something fails")]

use batpak_core::{Coordinate, EventHash, EventId, EventKind, Region, Timestamp};
use batpak_index::{About, Added, Direction, EntityHead, Extras, Index, IndexWriter, Part, merge};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::sync::Arc;

const PART: u64 = 100_000;
/// Rows, and how many of them stay live.
const TIERS: [(u64, u64); 4] = [(10_000, 10_000), (PART, PART), (PART, 0), (10 * PART, 0)];
const ENTITIES: u64 = 1000;
const SCOPES: u64 = 10;
const STORE: [u8; 16] = [7; 16];
const COMMON: EventKind = EventKind::custom(1, 1);
/// One of a hundred.
const RARE: EventKind = EventKind::custom(1, 2);

fn main() {
    divan::main();
}

fn coordinates() -> Vec<Coordinate> {
    (0..ENTITIES).map(|n| Coordinate::new(format!("entity:{n}"), format!("scope:{}", n % SCOPES)).unwrap()).collect()
}

/// Adds an event the way that a store does: look the coordinate up, row, head.
fn add(writer: &mut IndexWriter, coordinate: &Coordinate) {
    let sequence = writer.end();
    let known = writer.index().find(coordinate).unwrap_or_else(|| writer.intern(coordinate));
    let head = writer.head(&known).unwrap_or_default();
    let added = Added {
        id: EventId::compose(1_700_000_000_000 + sequence, sequence, sequence * 977).unwrap(),
        offset: u32::try_from(sequence % PART * 200).unwrap(),
        revision: head.len,
        time: Timestamp::from_nanos(1_700_000_000_000_000_000 + 1000 * i64::try_from(sequence).unwrap()),
        kind: if sequence.is_multiple_of(100) { RARE } else { COMMON },
        extras: Extras::default(),
        marks: &[],
        key: None,
    };
    writer.add(&known, &added);
    writer.set_head(&known, Some(EntityHead { len: head.len + 1, newest: Some(sequence), hash: head.hash }));
}

fn about() -> About {
    About { store_id: STORE, stamp: 0, last_hash: EventHash::GENESIS }
}

/// The bytes of the part that takes the place of what is live.
fn frozen(index: &Index) -> Vec<u8> {
    let mut bytes = Vec::new();
    index.tiers().live().next().unwrap().to_builder().write(&about(), &mut bytes).unwrap();
    bytes
}

fn filled((rows, live): (u64, u64)) -> IndexWriter {
    let coordinates = coordinates();
    let (index, mut writer) = Index::new(STORE, Vec::new());
    for (n, coordinate) in (1..=rows).zip(coordinates.iter().cycle()) {
        add(&mut writer, coordinate);
        if live == 0 && n % PART == 0 {
            writer.begin_live();
            index.replace(&[Arc::new(Part::open(Box::new(frozen(&index)), STORE).unwrap())]);
            writer.forget_frozen();
        }
    }
    writer
}

#[divan::bench]
fn nothing(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| black_box(0));
}

#[divan::bench]
fn add_row(bencher: Bencher<'_, '_>) {
    let coordinates = coordinates();
    let mut writer = Index::new(STORE, Vec::new()).1;
    let mut next = coordinates.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| add(&mut writer, next.next().unwrap()));
}

/// Each row at a coordinate that did not occur before.
#[divan::bench]
fn add_row_of_a_new_entity(bencher: Bencher<'_, '_>) {
    let mut writer = Index::new(STORE, Vec::new()).1;
    let mut n = 0_u64;
    bencher
        .counter(ItemsCount::new(1_u32))
        .with_inputs(|| {
            n += 1;
            Coordinate::new(format!("entity:{n}"), "scope").unwrap()
        })
        .bench_local_refs(|coordinate| add(&mut writer, coordinate));
}

/// How far an entity has come, as a commit asks for it.
#[divan::bench(args = TIERS)]
fn head(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    let (mut writer, coordinates) = (filled(tiers), coordinates());
    let mut next = coordinates.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let coordinate = next.next().unwrap();
        let known = writer.intern(coordinate);
        let frozen = || writer.index().tiers().newest_frozen(coordinate.entity()).unwrap().unwrap().revision;
        writer.head(&known).map_or_else(frozen, |head| head.len)
    });
}

/// An idempotency key that does not occur.
#[divan::bench(args = TIERS)]
fn key_that_is_new(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    let writer = filled(tiers);
    let mut key = 0;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        key += 1;
        writer.key(key).is_none() && writer.index().tiers().frozen_with_key(key).unwrap().is_empty()
    });
}

#[divan::bench(args = TIERS)]
fn row(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    let writer = filled(tiers);
    let mut at = 0;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        at = (at + 7919) % tiers.0;
        writer.index().tiers().row(black_box(at)).unwrap().map(|row| row.offset)
    });
}

fn matches(bencher: Bencher<'_, '_>, tiers: (u64, u64), region: &Region, direction: Direction) {
    let writer = filled(tiers);
    let sum = || {
        let mut matches = writer.index().snapshot().matches(black_box(region), 0..tiers.0, direction);
        let (mut count, mut sum) = (0_u64, 0);
        while let Some(row) = matches.next_row().unwrap() {
            (count, sum) = (count + 1, sum + u64::from(row.offset));
        }
        (count, sum)
    };
    bencher.counter(ItemsCount::new(sum().0)).bench_local(sum);
}

#[divan::bench(args = TIERS)]
fn matches_entity(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    matches(bencher, tiers, &Region::entity("entity:5"), Direction::Forward);
}

#[divan::bench(args = TIERS)]
fn matches_entity_backward(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    matches(bencher, tiers, &Region::entity("entity:5"), Direction::Backward);
}

#[divan::bench(args = TIERS)]
fn matches_scope(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    matches(bencher, tiers, &Region::scope("scope:5"), Direction::Forward);
}

/// One row of a hundred; items are the rows that are found.
#[divan::bench(args = TIERS)]
fn matches_kind(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    matches(bencher, tiers, &Region::kind(RARE), Direction::Forward);
}

#[divan::bench(args = TIERS)]
fn matches_all(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    matches(bencher, tiers, &Region::all(), Direction::Forward);
}

#[divan::bench(args = TIERS)]
fn newest_of_an_entity(bencher: Bencher<'_, '_>, tiers: (u64, u64)) {
    let writer = filled(tiers);
    let region = Region::entity("entity:5");
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let mut matches = writer.index().snapshot().matches(black_box(&region), 0..tiers.0, Direction::Backward);
        matches.next_row().unwrap()
    });
}

#[divan::bench(args = [10_000, PART])]
fn freeze(bencher: Bencher<'_, '_>, rows: u64) {
    let writer = filled((rows, rows));
    let bytes = frozen(writer.index()).len();
    bencher.counter(ItemsCount::new(rows)).counter(BytesCount::new(bytes)).bench_local(|| frozen(writer.index()));
}

/// Of a part.
#[divan::bench]
fn open(bencher: Bencher<'_, '_>) {
    let bytes = frozen(filled((PART, PART)).index());
    bencher.with_inputs(|| Box::new(bytes.clone())).bench_local_values(|bytes| Part::open(bytes, STORE).unwrap());
}

/// Four parts become one.
#[divan::bench]
fn merge_four(bencher: Bencher<'_, '_>) {
    let writer = filled((4 * PART, 0));
    let tiers = writer.index().snapshot();
    let parts: Vec<&Part> = tiers.parts().map(|part| &**part).collect();
    bencher.counter(ItemsCount::new(4 * PART)).bench_local(|| {
        let mut bytes = Vec::new();
        merge(&parts, &about(), &mut bytes, &|| true).unwrap();
        bytes
    });
}
