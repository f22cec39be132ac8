//! What the verbs of the index cost, at 10,000 and a million rows of 1000 entities in 10 scopes. Items are rows.
#![expect(clippy::unwrap_used, reason = "a bench stops where something fails")]

use batpak_core::{Coordinate, EventId, EventKind, Region, Timestamp};
use batpak_index::{Added, Direction, EntityHead, Extras, LiveWriter, decode, encode};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

const ROWS: [u64; 2] = [10_000, 1_000_000];
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

fn added(sequence: u64, revision: u64) -> Added {
    Added {
        id: EventId::compose(1_700_000_000_000, sequence, 1).unwrap(),
        offset: sequence * 200,
        revision,
        time: Timestamp::from_nanos(0),
        kind: if sequence.is_multiple_of(100) { RARE } else { COMMON },
        extras: Extras::default(),
        key: None,
    }
}

/// Adds an event the way that a store does: look the coordinate up, row, head.
fn add(writer: &mut LiveWriter, coordinate: &Coordinate) {
    let sequence = writer.live().len();
    let known = match writer.live().find(coordinate) {
        Some(known) => known,
        None => writer.intern(coordinate),
    };
    let head = writer.head(&known);
    writer.add(&known, &added(sequence, head.len));
    writer.set_head(&known, EntityHead { len: head.len + 1, newest: Some(sequence), hash: head.hash });
}

fn filled(rows: u64) -> LiveWriter {
    let coordinates = coordinates();
    let mut writer = LiveWriter::new();
    for coordinate in (0..rows).zip(coordinates.iter().cycle()).map(|(_, coordinate)| coordinate) {
        add(&mut writer, coordinate);
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
    let mut writer = LiveWriter::new();
    let mut next = coordinates.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| add(&mut writer, next.next().unwrap()));
}

/// Each row at a coordinate that did not occur before.
#[divan::bench]
fn add_row_of_a_new_entity(bencher: Bencher<'_, '_>) {
    let mut writer = LiveWriter::new();
    let mut n = 0_u64;
    bencher
        .counter(ItemsCount::new(1_u32))
        .with_inputs(|| {
            n += 1;
            Coordinate::new(format!("entity:{n}"), "scope").unwrap()
        })
        .bench_local_refs(|coordinate| add(&mut writer, coordinate));
}

#[divan::bench(args = ROWS)]
fn head(bencher: Bencher<'_, '_>, rows: u64) {
    let (writer, coordinates) = (filled(rows), coordinates());
    let mut next = coordinates.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        let known = writer.live().find(next.next().unwrap()).unwrap();
        writer.head(&known).len
    });
}

#[divan::bench(args = ROWS)]
fn find(bencher: Bencher<'_, '_>, rows: u64) {
    let (writer, coordinates) = (filled(rows), coordinates());
    let mut next = coordinates.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| writer.live().find(next.next().unwrap()).is_some());
}

#[divan::bench(args = ROWS)]
fn row(bencher: Bencher<'_, '_>, rows: u64) {
    let writer = filled(rows);
    let mut at = 0;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        at = (at + 7919) % rows;
        writer.live().row(black_box(at)).map(|row| row.offset)
    });
}

fn matches(bencher: Bencher<'_, '_>, rows: u64, region: &Region, direction: Direction) {
    let writer = filled(rows);
    let found = writer.live().matches(region, 0..rows, direction).count();
    bencher.counter(ItemsCount::new(found)).bench_local(|| {
        writer.live().matches(black_box(region), 0..rows, direction).map(|row| row.offset).sum::<u64>()
    });
}

#[divan::bench(args = ROWS)]
fn matches_entity(bencher: Bencher<'_, '_>, rows: u64) {
    matches(bencher, rows, &Region::entity("entity:5"), Direction::Forward);
}

#[divan::bench(args = ROWS)]
fn matches_entity_backward(bencher: Bencher<'_, '_>, rows: u64) {
    matches(bencher, rows, &Region::entity("entity:5"), Direction::Backward);
}

#[divan::bench(args = ROWS)]
fn matches_scope(bencher: Bencher<'_, '_>, rows: u64) {
    matches(bencher, rows, &Region::scope("scope:5"), Direction::Forward);
}

/// One row of a hundred; items are the rows that are found.
#[divan::bench(args = ROWS)]
fn matches_kind(bencher: Bencher<'_, '_>, rows: u64) {
    matches(bencher, rows, &Region::kind(RARE), Direction::Forward);
}

#[divan::bench(args = ROWS)]
fn matches_all(bencher: Bencher<'_, '_>, rows: u64) {
    matches(bencher, rows, &Region::all(), Direction::Forward);
}

#[divan::bench(args = ROWS)]
fn newest_of_an_entity(bencher: Bencher<'_, '_>, rows: u64) {
    let writer = filled(rows);
    let region = Region::entity("entity:5");
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| writer.live().matches(black_box(&region), 0..rows, Direction::Backward).next());
}

#[divan::bench(args = ROWS)]
fn file_encode(bencher: Bencher<'_, '_>, rows: u64) {
    let writer = filled(rows);
    let bytes = encode(&writer, STORE).unwrap().len();
    bencher.counter(ItemsCount::new(rows)).counter(BytesCount::new(bytes)).bench_local(|| encode(&writer, STORE));
}

#[divan::bench(args = ROWS)]
fn file_decode(bencher: Bencher<'_, '_>, rows: u64) {
    let bytes = encode(&filled(rows), STORE).unwrap();
    bencher
        .counter(ItemsCount::new(rows))
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| decode(black_box(&bytes), STORE).unwrap());
}
