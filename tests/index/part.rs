//! The bytes of a part: what is written is read back, and what is not as it was written is never taken for it.

use crate::fixtures::{Fact, Random, STORE, World, about, at, hash, open, random_region};
use batpak_core::{Assigned, EventHash, EventRef, Fields, RecordDraft, Region, Timestamp};
use batpak_index::{Builder, Direction, Index, Part};
use std::sync::Arc;

fn bytes_of(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    let live = Arc::clone(world.index.snapshot().live().next_back().expect("one"));
    live.to_builder().write(&about(live.events().end), &mut bytes).expect("written");
    bytes
}

#[test]
fn a_part_says_what_it_is_about() {
    let world = World::of(&mut Random::new(4), 123);
    let part = open(bytes_of(&world));
    assert_eq!((part.events(), part.rows(), part.stamp(), part.last_hash()), (0..123, 123, 123, hash(122)));
    part.check().expect("sound");
}

/// Merging must give what freezing all at once gives, to the byte: there is one format and one meaning.
#[test]
fn merged_is_as_if_frozen_at_once() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let mut world = World::of(&mut random, 50);
        let mut parts = vec![bytes_of(&world)];
        let cuts: Vec<u64> = (0..4).map(|_| 50 + random.below(3) * 60).collect();
        let mut at_once = World::new();
        at_once.facts.clear();
        for more in cuts {
            world.writer.begin_live();
            (0..more).for_each(|_| world.append(Fact::random(&mut random)));
            parts.push(bytes_of(&world));
        }
        world.facts.iter().for_each(|fact| at_once.append(fact.clone()));
        let parts: Vec<Part> = parts.into_iter().map(open).collect();
        let mut merged = Vec::new();
        let all: Vec<&Part> = parts.iter().collect();
        batpak_index::merge(&all, &about(world.end()), &mut merged, &|| true).expect("merged");
        assert!(merged == bytes_of(&at_once), "seed {seed}");
    }
}

#[test]
fn a_part_of_records_is_as_one_of_rows() {
    let mut random = Random::new(8);
    let mut world = World::new();
    let mut builder = Builder::new(STORE, 0);
    for sequence in 0..300 {
        world.append(Fact::random(&mut random));
        let fact = &world.facts[usize::try_from(sequence).expect("an index")];
        let fields = Fields {
            correlation_id: fact.correlation,
            causation_id: fact.causation,
            idempotency_key: fact.key,
            tags: &fact.tags,
            ..Fields::new(&fact.coordinate, fact.kind)
        };
        let mut record = Vec::new();
        let draft = RecordDraft::begin(&mut record, &fields, [1; 16]).expect("a draft").finish();
        let place = Assigned {
            id: World::id(sequence),
            revision: fact.revision,
            time: fact.time,
            previous: EventHash::GENESIS,
        };
        let _ = draft.assign(&mut record, &place);
        let event = EventRef::decode(&record).expect("an event");
        builder.push(&event, u32::try_from(1000 + sequence * 100).expect("small"));
    }
    let mut bytes = Vec::new();
    builder.write(&about(300), &mut bytes).expect("written");
    assert!(bytes == bytes_of(&world));
}

#[test]
fn what_is_no_part_is_refused_with_the_reason() {
    #[track_caller]
    fn check(bytes: Vec<u8>, store: [u8; 16], reason: &str) {
        let refused = Part::open(Box::new(bytes), store).map(drop).expect_err("refused");
        assert_eq!(refused.to_string(), reason);
    }
    let bytes = bytes_of(&World::of(&mut Random::new(4), 20));
    check(Vec::new(), STORE, "it is no index file");
    check(b"something else".to_vec(), STORE, "it is no index file");
    check(bytes[..200].to_vec(), STORE, "it is no index file");
    check(bytes.clone(), [8; 16], "it is of another store");
    check(bytes[..bytes.len() - 1].to_vec(), STORE, "its length does not match its header");
    check([&bytes[..], &[0]].concat(), STORE, "its length does not match its header");
    let mut other = bytes.clone();
    other[8] = 99;
    check(other, STORE, "it has version 99, not 4");
    let mut other = bytes;
    other[60] ^= 1;
    check(other, STORE, "its crc is wrong");
}

/// Enough for some entities to have a list.
const EVENTS: u64 = 120;

/// Whatever byte is changed: the part is refused, or says that it is damaged once that is met, or answers as before.
#[test]
fn no_changed_byte_gives_a_wrong_answer() {
    let mut random = Random::new(11);
    let world = World::of(&mut random, EVENTS);
    let bytes = bytes_of(&world);
    let mut regions: Vec<Region> = (0..12).map(|_| random_region(&mut random, EVENTS)).collect();
    regions.extend((0..20).map(|n| Region::entity(format!("d:{n}"))));
    let (mut refused, mut damaged, mut unnoticed) = (0, 0, 0);
    for at in 0..bytes.len() {
        // The zeros between the sections are many.
        if bytes[at] == 0 && at % 61 != 0 {
            continue;
        }
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let Ok(part) = Part::open(Box::new(changed), STORE) else {
            refused += 1;
            continue;
        };
        let (index, _) = Index::new(STORE, vec![Arc::new(part)]);
        match answers(&index, &regions) {
            None => damaged += 1,
            Some(found) => {
                unnoticed += 1;
                let expected: Vec<Vec<u64>> =
                    regions.iter().map(|region| world.expected(region, &(0..EVENTS))).collect();
                assert_eq!(found.len(), expected.len());
                for ((found, expected), region) in found.iter().zip(&expected).zip(&regions) {
                    assert!(
                        region.clauses().iter().any(batpak_core::Clause::needs_record) || found == expected,
                        "{at}"
                    );
                }
            }
        }
        let tiers = index.snapshot();
        let whole = tiers.parts().next().expect("one").check();
        assert!(whole.is_err() || at < 4096, "byte {at} is covered by no crc");
    }
    assert!(refused > 50 && damaged > 1000, "{refused} refused, {damaged} damaged, {unnoticed} not met");
}

/// What all regions find, unless damage is met.
fn answers(index: &Arc<Index>, regions: &[Region]) -> Option<Vec<Vec<u64>>> {
    let mut all = Vec::new();
    for region in regions {
        let mut matches = index.snapshot().matches(region, 0..EVENTS, Direction::Forward);
        let mut found = Vec::new();
        while let Some(row) = matches.next_row().ok()? {
            matches.coordinate(&row).ok()?;
            found.push(row.sequence());
        }
        all.push(found);
    }
    Some(all)
}

const HEADER_LEN: usize = 280;

/// The same bytes with these in the header, whose crc is made right.
fn with_header(bytes: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + value.len()].copy_from_slice(value);
    changed[12..16].fill(0);
    let crc = crc32c::crc32c(&changed[..HEADER_LEN]);
    (0..4).for_each(|byte| changed[12 + byte] = u8::try_from(crc >> (8 * byte) & 0xFF).expect("a byte"));
    changed
}

/// A file whose crcs are right and whose numbers are not ended the process that looked at it.
#[test]
fn events_that_no_store_can_have_are_refused() {
    let bytes = bytes_of(&World::of(&mut Random::new(4), 20));
    let first_at = 40;
    let open = |first: &[u8; 8]| Part::open(Box::new(with_header(&bytes, first_at, first)), STORE).map(drop);
    assert!(open(&[3, 0, 0, 0, 0, 0, 0, 0]).is_ok());
    for first in [[0xFF; 8], [0, 0, 0, 0, 0, 1, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0]] {
        assert_eq!(open(&first).expect_err("refused").to_string(), "its length does not match its header");
    }
}

/// The same of the bounds of its values: whoever merged it panicked.
#[test]
fn rows_beyond_their_bounds_are_not_merged() {
    let world = World::of(&mut Random::new(4), 20);
    let bounds_of_offsets_at = 96 + 3 * 16;
    // They are 1900 apart, and fit no number if the least one is so high.
    let bounds = [[0x17, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0xFF; 8]].concat();
    let part = open(with_header(&bytes_of(&world), bounds_of_offsets_at, &bounds));
    assert!(batpak_index::merge(&[&part], &about(20), &mut Vec::new(), &|| true).is_err());
}

/// Disk is what users pay for every event.
#[test]
fn a_row_takes_little() {
    let mut world = World::new();
    for n in 0..100_000_i64 {
        let mut fact = Fact::of(at(&format!("entity:{:03}", n % 1000), "x"));
        fact.time = Timestamp::from_nanos(1_700_000_000_000_000_000 + n * 1000);
        world.append(fact);
    }
    let bytes = bytes_of(&world);
    assert!(bytes.len() < 100_000 * 50, "{} bytes", bytes.len());
}

#[test]
fn a_part_of_nothing_is_a_part() {
    let mut bytes = Vec::new();
    Builder::new(STORE, 5).write(&about(5), &mut bytes).expect("written");
    let part = open(bytes);
    assert_eq!((part.events(), part.rows()), (5..5, 0));
    part.check().expect("sound");
}
