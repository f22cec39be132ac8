//! What the steps of an append and of a read cost. Items are events.
#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be measured")]

use batpak_core::{
    Assigned, Chain, Coordinate, EventHash, EventHeader, EventId, EventKind, EventRef, Fields, Frontier, HashCheck,
    RecordDraft, Region, Timestamp,
};
use divan::{Bencher, black_box, counter::ItemsCount};

const KIND: EventKind = EventKind::custom(0xF, 1);
const PAYLOAD_BYTES: [usize; 3] = [68, 256, 4096];
const SALT: [u8; 16] = [7; 16];
const RICH_TAGS: [&str; 2] = ["owner:3", "branch:9"];

fn main() {
    divan::main();
}

fn coordinate() -> Coordinate {
    Coordinate::new("account:0000042", "bank").unwrap()
}

fn place() -> Assigned {
    Assigned {
        id: EventId::compose(1_700_000_000_000, 42, 99).unwrap(),
        revision: 3,
        time: Timestamp::from_nanos(1_700_000_000_000_000_000),
        previous: EventHash::from_bytes([1; 32]),
    }
}

fn draft(buffer: &mut Vec<u8>, fields: &Fields<'_>, payload: &[u8]) -> RecordDraft {
    let mut open = RecordDraft::begin(buffer, fields, SALT).unwrap();
    open.extend_from_slice(payload);
    open.finish()
}

fn record(fields: &Fields<'_>, payload_bytes: usize) -> Vec<u8> {
    let mut buffer = Vec::new();
    draft(&mut buffer, fields, &vec![0x55; payload_bytes]).assign(&mut buffer, &place());
    buffer
}

fn plain(coordinate: &Coordinate) -> Fields<'_> {
    Fields::new(coordinate, KIND)
}

fn rich(coordinate: &Coordinate) -> Fields<'_> {
    Fields {
        correlation_id: Some(place().id),
        causation_id: Some(place().id),
        idempotency_key: Some(7),
        metadata: &[1; 32],
        tags: &RICH_TAGS,
        ..plain(coordinate)
    }
}

/// The floor: copies the bytes of a record, without head, hash or trailer.
#[divan::bench(args = PAYLOAD_BYTES)]
fn copy_payload(bencher: Bencher<'_, '_>, payload_bytes: usize) {
    let payload = vec![0x55; payload_bytes];
    let mut buffer = Vec::new();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| {
        buffer.clear();
        buffer.extend_from_slice(black_box(&payload));
        buffer.len()
    });
}

/// What an append does before the lock.
#[divan::bench(args = PAYLOAD_BYTES)]
fn draft_record(bencher: Bencher<'_, '_>, payload_bytes: usize) {
    let (coordinate, payload) = (coordinate(), vec![0x55; payload_bytes]);
    let mut buffer = Vec::new();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| {
        buffer.clear();
        draft(&mut buffer, black_box(&plain(&coordinate)), black_box(&payload))
    });
}

#[divan::bench]
fn draft_record_with_all_fields(bencher: Bencher<'_, '_>) {
    let (coordinate, payload) = (coordinate(), vec![0x55; 68]);
    let mut buffer = Vec::new();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| {
        buffer.clear();
        draft(&mut buffer, black_box(&rich(&coordinate)), black_box(&payload))
    });
}

/// What an append does under the lock.
#[divan::bench]
fn assign(bencher: Bencher<'_, '_>) {
    let (coordinate, place) = (coordinate(), place());
    let mut buffer = Vec::new();
    drop(draft(&mut buffer, &plain(&coordinate), &[0x55; 68]));
    let mut scratch = Vec::new();
    bencher
        .counter(ItemsCount::new(1_u8))
        .with_inputs(|| {
            scratch.clear();
            draft(&mut scratch, &plain(&coordinate), &[0x55; 68])
        })
        .bench_local_values(|draft| draft.assign(&mut buffer, black_box(&place)));
}

#[divan::bench]
fn compose_id(bencher: Bencher<'_, '_>) {
    let mut sequence = 0;
    bencher.bench_local(|| {
        sequence += 1;
        EventId::compose(black_box(1_700_000_000_000), sequence, black_box(99))
    });
}

#[divan::bench(args = PAYLOAD_BYTES)]
fn decode(bencher: Bencher<'_, '_>, payload_bytes: usize) {
    let record = record(&plain(&coordinate()), payload_bytes);
    bencher.counter(ItemsCount::new(1_u8)).bench(|| EventRef::decode(black_box(&record)).map(|event| event.sequence()));
}

#[divan::bench]
fn decode_with_all_fields(bencher: Bencher<'_, '_>) {
    let record = record(&rich(&coordinate()), 68);
    bencher.counter(ItemsCount::new(1_u8)).bench(|| EventRef::decode(black_box(&record)).map(|event| event.sequence()));
}

#[divan::bench]
fn decode_to_header(bencher: Bencher<'_, '_>) {
    let record = record(&plain(&coordinate()), 68);
    bencher
        .counter(ItemsCount::new(1_u8))
        .bench(|| EventRef::decode(black_box(&record)).map(|event| EventHeader::from(&event)));
}

#[divan::bench]
fn verify(bencher: Bencher<'_, '_>) {
    let record = record(&plain(&coordinate()), 68);
    let event = EventRef::decode(&record).unwrap();
    bencher.counter(ItemsCount::new(1_u8)).bench(|| black_box(event).verify(black_box(&place().previous)));
}

/// The same for two events at once.
#[divan::bench]
fn verify_two(bencher: Bencher<'_, '_>) {
    let record = record(&plain(&coordinate()), 68);
    let event = EventRef::decode(&record).unwrap();
    let before = Chain::after(place().revision - 1, place().previous);
    let mut checks = [HashCheck::new(), HashCheck::new()];
    bencher.counter(ItemsCount::new(2_u8)).bench_local(|| {
        for check in &mut checks {
            before.clone().link_later(black_box(&event), check).unwrap();
        }
        HashCheck::check_both(&mut checks)
    });
}

#[divan::bench]
fn match_region(bencher: Bencher<'_, '_>) {
    let record = record(&rich(&coordinate()), 68);
    let event = EventRef::decode(&record).unwrap();
    let region = Region::scope("bank").with_kind(KIND).with_tag("branch:9");
    bencher.counter(ItemsCount::new(1_u8)).bench(|| black_box(&region).matches(black_box(&event)));
}

#[divan::bench]
fn new_coordinate(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Coordinate::new(black_box("account:0000042"), black_box("bank")));
}

#[divan::bench]
fn push_to_merkle_tree(bencher: Bencher<'_, '_>) {
    let mut tree = Frontier::new();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| tree.push(black_box(&EventHash::GENESIS)));
}

#[divan::bench]
fn push_many_to_merkle_tree(bencher: Bencher<'_, '_>) {
    let mut tree = Frontier::new();
    let leaves = vec![EventHash::GENESIS; 1024];
    bencher.counter(ItemsCount::new(leaves.len())).bench_local(|| tree.push_all(black_box(&leaves)));
}
