//! The file of an index: what is read back is what was written, or it is refused.

use crate::fixtures::{ENTITIES, KIND, SCOPES, add, at, filled, found, hash, rows};
use batpak_core::{EventHash, Region};
use batpak_index::{Direction, LiveWriter, decode};

const STORE: [u8; 16] = [7; 16];

fn encode(writer: &LiveWriter, store: [u8; 16]) -> Vec<u8> {
    batpak_index::encode(writer, store).expect("all offsets are small")
}

/// Both indexes say the same, now and after more events.
#[track_caller]
fn check_same(mut one: LiveWriter, mut two: LiveWriter) {
    for round in 0..3 {
        let (a, b) = (one.live(), two.live());
        assert_eq!(rows(a), rows(b));
        assert_eq!((a.len(), a.entity_count()), (b.len(), b.entity_count()));
        for entity in ENTITIES {
            for scope in SCOPES {
                let (known, same) = (a.find(&at(entity, scope)), b.find(&at(entity, scope)));
                assert_eq!(known.is_some(), same.is_some());
                assert_eq!(known.map(|known| one.head(&known)), same.map(|known| two.head(&known)));
            }
        }
        for row in rows(a) {
            assert_eq!(a.coordinate(row.coordinate), b.coordinate(row.coordinate));
        }
        let regions = ENTITIES.map(Region::entity).into_iter().chain(SCOPES.map(Region::scope)).chain([Region::all()]);
        for region in regions {
            for direction in [Direction::Forward, Direction::Backward] {
                assert_eq!(found(a, &region, 0..a.len(), direction), found(b, &region, 0..a.len(), direction));
            }
        }
        for (entity, scope, key) in [("a", "x", 1), ("new", "x", 2), ("b", "new", 3)] {
            let key = Some(key + round * 10);
            assert_eq!(add(&mut one, &at(entity, scope), KIND, key), add(&mut two, &at(entity, scope), KIND, key));
        }
        assert_eq!(
            (one.key(1), two.key(1)),
            (Some(one.live().len() - 3 * (u64::try_from(round).expect("small") + 1)), one.key(1))
        );
    }
}

#[test]
fn what_is_read_back_is_what_was_written() {
    for events in [0, 1, 2, 50, 1000] {
        for seed in 0..5 {
            let writer = filled(events, seed);
            let loaded = decode(&encode(&writer, STORE), STORE).expect("its own file");
            let last = events.checked_sub(1).map_or(EventHash::GENESIS, hash);
            assert_eq!(loaded.last_hash, last);
            check_same(writer, loaded.index);
        }
    }
}

#[test]
fn keys_are_read_back() {
    let mut writer = LiveWriter::new();
    let keys = [0, 1, u128::MAX, 1 << 64, 77];
    for key in keys {
        add(&mut writer, &at("a", "x"), KIND, Some(key));
    }
    let loaded = decode(&encode(&writer, STORE), STORE).expect("its own file").index;
    for (sequence, key) in (0..).zip(keys) {
        assert_eq!(loaded.key(key), Some(sequence));
    }
    assert_eq!(loaded.key(2), None);
}

#[test]
fn names_without_events_do_no_harm() {
    let mut writer = filled(10, 3);
    writer.intern(&at("refused", "x"));
    writer.intern(&at("a", "refused"));
    let loaded = decode(&encode(&writer, STORE), STORE).expect("its own file");
    assert_eq!(loaded.last_hash, hash(9));
    check_same(writer, loaded.index);
}

#[test]
fn every_changed_byte_is_refused() {
    let bytes = encode(&filled(12, 4), STORE);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let error = decode(&changed, STORE).expect_err("a changed bit");
            assert!(error.to_string().starts_with("the index file is not used: "), "{error}");
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let bytes = encode(&filled(12, 5), STORE);
    for len in 0..bytes.len() {
        assert!(decode(&bytes[..len], STORE).is_err(), "cut to {len}");
    }
    for extra in [1, 8, 64] {
        assert!(decode(&[bytes.as_slice(), &vec![0; extra]].concat(), STORE).is_err());
    }
    assert!(decode(&vec![0; 4096], STORE).is_err());
}

#[test]
fn the_reason_is_in_words() {
    let bytes = encode(&filled(3, 6), STORE);
    let reason = |bytes: &[u8], store| decode(bytes, store).expect_err("refused").to_string();
    assert!(reason(&bytes, [8; 16]).ends_with("it is of another store"));
    assert!(reason(&[], STORE).ends_with("it is no index file"));
    let mut newer = bytes.clone();
    newer[8] = 9;
    assert!(reason(&newer, STORE).ends_with("it has version 9, not 2"));
    assert!(reason(&bytes[..bytes.len() - 1], STORE).ends_with("its length does not match its header"));
    let mut changed = bytes;
    changed[200] ^= 1;
    assert!(reason(&changed, STORE).ends_with("its crc is wrong"));
}

/// Changes a file and makes its checksums right again.
fn forge(bytes: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    change(&mut bytes);
    let body = crc32c::crc32c(&bytes[104..]);
    put(&mut bytes, 12, body);
    let header = crc32c::crc32c(&bytes[..96]);
    put(&mut bytes, 96, header);
    bytes
}

fn put(bytes: &mut [u8], at: usize, crc: u32) {
    for (byte, shift) in bytes[at..at + 4].iter_mut().zip([0, 8, 16, 24]) {
        *byte = u8::try_from(crc >> shift & 0xFF).expect("a byte");
    }
}

/// A file that only its checksum keeps from being followed for ever, or out of its bounds.
#[test]
fn a_forged_file_is_refused_or_ends() {
    let mut writer = filled(11, 7);
    add(&mut writer, &at("a", "x"), KIND, Some(9));
    let bytes = encode(&writer, STORE);
    assert!(decode(&forge(&bytes, |_| ()), STORE).is_ok());
    let reason = |at: usize, value| {
        let forged = forge(&bytes, |bytes| bytes[at] = value);
        decode(&forged, STORE).expect_err("a forged file").to_string()
    };
    // A coordinate that is not there, a revision of its entity that does not come next, a key of a row that is not there.
    assert!(reason(104 + 28, 200).ends_with("its rows are not in order"));
    assert!(reason(104 + 32, 7).ends_with("its rows are not in order"));
    assert!(reason(bytes.len() - 8, 12).ends_with("a key is that of no row"));
    for at in 32..bytes.len() {
        for value in [0, 1, 0x7F, 0xFF] {
            let forged = forge(&bytes, |bytes| bytes[at] = value);
            let Ok(loaded) = decode(&forged, STORE) else { continue };
            let live = loaded.index.live();
            assert_eq!(live.len(), 12);
            for region in
                ENTITIES.map(Region::entity).into_iter().chain(SCOPES.map(Region::scope)).chain([Region::all()])
            {
                assert!(live.matches(&region, 0..12, Direction::Forward).count() <= 12);
                assert!(live.matches(&region, 0..12, Direction::Backward).count() <= 12);
            }
            encode(&loaded.index, STORE);
        }
    }
}
