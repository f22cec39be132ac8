//! That no bytes make the decoder panic, and that what it takes is what an encoder writes.
#![expect(clippy::little_endian_bytes, reason = "it writes what no encoder would")]

use batpak_core::{Assigned, Content, EventHash, EventRef, FieldError, NameFault, RecordError};
use proptest::{collection, prelude::*};

use crate::samples::{Owned, any_owned, any_place, decoded, place};

const HASH_BYTES: usize = 32;

/// The record that the fields of `event` make, up to its hash.
fn encoded_again(event: &EventRef<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match event.content() {
        Content::Payload { salt, bytes } => {
            let place = Assigned {
                id: event.event_id(),
                revision: event.revision(),
                time: event.time(),
                previous: EventHash::GENESIS,
            };
            out = Owned::of(event).salted_record(salt, bytes, &place);
        }
        Content::Erased { .. } => event.write_erased(&mut out),
        Content::Dropped { .. } => event.write_dropped(&mut out),
    }
    out.truncate(out.len() - HASH_BYTES);
    out
}

/// Decodes anything, uses every getter, and checks that there is one encoding only.
#[track_caller]
fn survives(bytes: &[u8]) {
    let Ok(event) = EventRef::decode(bytes) else { return };
    assert_eq!(encoded_again(&event), bytes[..bytes.len() - HASH_BYTES]);
    let _ = (format!("{event:?}"), event.verify(&EventHash::GENESIS), event.payload_hash());
}

fn samples() -> [Vec<u8>; 4] {
    let full = Owned::full().record(b"payload", &place(9, 3, EventHash::GENESIS));
    let (mut erased, mut dropped) = (Vec::new(), Vec::new());
    decoded(&full).write_erased(&mut erased);
    decoded(&full).write_dropped(&mut dropped);
    [Owned::plain("e", "s").record(b"", &place(0, 0, EventHash::GENESIS)), full, erased, dropped]
}

#[test]
fn every_change_of_one_byte_is_an_error_or_another_record() {
    for mut record in samples() {
        for at in 0..record.len() {
            let before = record[at];
            for byte in 0..=u8::MAX {
                record[at] = byte;
                survives(&record);
            }
            record[at] = before;
        }
    }
}

#[test]
fn every_change_of_one_byte_shows_in_the_hash() {
    let record = Owned::full().record(b"payload", &place(9, 3, EventHash::GENESIS));
    for at in 0..record.len() {
        for bit in 0..8 {
            let mut changed = record.clone();
            changed[at] ^= 1 << bit;
            let Ok(event) = EventRef::decode(&changed) else { continue };
            assert!(event.verify(&EventHash::GENESIS).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_truncation_is_an_error_or_another_record() {
    for record in samples() {
        for length in 0..record.len() {
            survives(&record[..length]);
            survives(&record[length..]);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_record(bytes in collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    #[test]
    fn any_bytes_behind_plausible_lengths_are_an_error_or_a_record(
        flags in 0..0x300_u16,
        lengths in (0..40_u16, 0..40_u16),
        rest in collection::vec(0..0x80_u8, 0..400),
        place in any_place(),
    ) {
        let mut record = Owned::plain("e", "s").record(&rest, &place);
        record[..2].copy_from_slice(&flags.to_le_bytes());
        record[6..8].copy_from_slice(&lengths.0.to_le_bytes());
        record[8..10].copy_from_slice(&lengths.1.to_le_bytes());
        survives(&record);
    }

    #[test]
    fn any_change_of_a_record_is_an_error_or_another_record(
        owned in any_owned(), place in any_place(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
    ) {
        let mut record = owned.record(b"payload", &place);
        let at = at.index(record.len());
        record[at] = byte;
        survives(&record);
        survives(&record[..cut.index(record.len())]);
    }
}

/// Decodes the plain record `e`, `s` with `patch` in place of what stands at `at`.
#[track_caller]
fn check(at: usize, patch: &[u8], expected: RecordError) {
    let record = Owned::plain("e", "s").record(&[0; 16], &place(0, 0, EventHash::GENESIS));
    patched(record, at, patch, expected);
}

#[track_caller]
fn patched(mut record: Vec<u8>, at: usize, patch: &[u8], expected: RecordError) {
    record[at..at + patch.len()].copy_from_slice(patch);
    assert_eq!(EventRef::decode(&record).unwrap_err(), expected);
}

// Offsets in the plain record: names at 10, then the optional fields, whose place the salt takes otherwise.
const OPTIONAL_AT: usize = 12;

fn with_optional(flags: u16, optional: &[u8], after: usize) -> Vec<u8> {
    let mut payload = optional.to_vec();
    payload.resize(optional.len() + after, 0);
    let mut record = Owned::plain("e", "s").record(&payload, &place(0, 0, EventHash::GENESIS));
    record[..2].copy_from_slice(&flags.to_le_bytes());
    record.drain(OPTIONAL_AT..OPTIONAL_AT + 16);
    record
}

#[track_caller]
fn check_optional(flags: u16, optional: &[u8], expected: RecordError) {
    assert_eq!(EventRef::decode(&with_optional(flags, optional, 16)).unwrap_err(), expected);
}

#[test]
fn unknown_flags_are_refused() {
    for flags in [1 << 7, 1 << 10, 1 << 15, 3 << 8] {
        check(0, &u16::to_le_bytes(flags), RecordError::Flags { flags });
    }
}

#[test]
fn lengths_past_the_record_are_refused() {
    let left = 2 + 16 + 16;
    check(6, &[0xFF, 0xFF], RecordError::Truncated { field: "entity", length: 65535, left });
    check(8, &[0xFF, 0xFF], RecordError::Truncated { field: "scope", length: 65535, left: left - 1 });
    check_optional(1, &[], RecordError::Truncated { field: "salt", length: 16, left: 0 });
    let left = 16;
    check_optional(1 << 4, &[0xFF, 0x0F], RecordError::Truncated { field: "metadata", length: 0xFFF, left });
    check_optional(1 << 5, &[1, 0xFF, 0], RecordError::Truncated { field: "tag", length: 0xFF, left });
    let area = [0xFF, 0xFF, 0, 0];
    check_optional(1 << 6, &area, RecordError::Truncated { field: "extensions", length: 0xFFFF, left });
    let bytes = u32::MAX.into();
    check_optional(1 << 6, &[0xFF; 4], RecordError::Field(FieldError::Extensions { bytes }));
    let area = [6, 0, 0, 0, 1, 0, 1, 0, 0, 0];
    check_optional(1 << 6, &area, RecordError::Truncated { field: "extension", length: 1, left: 0 });
}

#[test]
fn names_are_checked() {
    let fault = NameFault::Empty { max_bytes: 1024 };
    check(6, &[0, 0], RecordError::Name { field: "entity", fault });
    check(8, &[0, 0], RecordError::Name { field: "scope", fault });
    let fault = NameFault::Control { at: 0, code_point: 0x7F };
    check(10, &[0x7F], RecordError::Name { field: "entity", fault });
    check(11, &[0x7F], RecordError::Name { field: "scope", fault });
    check(10, &[0xFF], RecordError::Utf8 { field: "entity", at: 0 });
    check(11, &[0xFF], RecordError::Utf8 { field: "scope", at: 0 });
}

#[test]
fn a_name_past_the_limit_is_refused() {
    let record = Owned::plain(&"e".repeat(1024), &"s".repeat(1024)).record(b"", &place(0, 0, EventHash::GENESIS));
    let fault = NameFault::TooLong { bytes: 1025, max_bytes: 1024 };
    patched(record.clone(), 6, &u16::to_le_bytes(1025), RecordError::Name { field: "entity", fault });
    patched(record, 8, &u16::to_le_bytes(1025), RecordError::Name { field: "scope", fault });
}

#[test]
fn a_character_that_the_names_share_is_refused() {
    // The two names are one text in UTF-8, but neither is by itself.
    check(10, "é".as_bytes(), RecordError::Utf8 { field: "entity", at: 0 });
}

#[test]
fn empty_optional_fields_are_refused() {
    check_optional(1 << 4, &[0, 0], RecordError::Empty { field: "metadata" });
    check_optional(1 << 5, &[0], RecordError::Empty { field: "list of tags" });
    check_optional(1 << 6, &[0; 4], RecordError::Empty { field: "extension area" });
}

#[test]
fn optional_fields_past_their_limits_are_refused() {
    let metadata = [&u16::to_le_bytes(4097)[..], &[0; 4097]].concat();
    check_optional(1 << 4, &metadata, FieldError::Metadata { bytes: 4097 }.into());
    check_optional(1 << 5, &[17], FieldError::Tags { tags: 17 }.into());
    check_optional(1 << 5, &[2, 1, 0, b'a', 1, 0, b'a'], FieldError::RepeatedTag { index: 1, first: 0 }.into());
    let fault = NameFault::Control { at: 0, code_point: 0 };
    check_optional(1 << 5, &[1, 1, 0, 0], FieldError::Tag { index: 0, fault }.into());
    check_optional(1 << 5, &[1, 1, 0, 0xFF], RecordError::Utf8 { field: "tag", at: 0 });
    let falling = [12, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
    check_optional(1 << 6, &falling, FieldError::ExtensionOrder { previous: 2, next: 1 }.into());
}

#[test]
fn a_critical_extension_is_refused_by_its_type_and_another_one_is_not() {
    let area = |high| [8, 0, 0, 0, 0x34, high, 2, 0, 0, 0, 0xAA, 0xBB];
    let extension = 0x9234;
    check_optional(1 << 6, &area(0x92), RecordError::UnsupportedExtension { extension });
    let record = with_optional(1 << 6, &area(0x12), 16);
    assert_eq!(decoded(&record).extensions().collect::<Vec<_>>(), [(0x1234, &[0xAA, 0xBB][..])]);
    let message = RecordError::UnsupportedExtension { extension }.to_string();
    assert_eq!(message, "extension type 0x9234 is critical and not supported");
}

#[test]
fn a_stub_holds_exactly_a_hash() {
    for content in [1 << 8, 2 << 8] {
        let bytes = 31;
        let record = with_optional(content, &[], bytes);
        assert_eq!(EventRef::decode(&record).unwrap_err(), RecordError::PayloadHash { bytes });
        let bytes = 33;
        let record = with_optional(content, &[], bytes);
        assert_eq!(EventRef::decode(&record).unwrap_err(), RecordError::PayloadHash { bytes });
    }
}

#[test]
fn a_dropped_record_has_no_more_than_dropping_leaves() {
    let mut dropped = Vec::new();
    decoded(&Owned::plain("e", "s").record(b"", &place(0, 0, EventHash::GENESIS))).write_dropped(&mut dropped);
    let time_at = dropped.len() - 40;
    patched(dropped.clone(), 2, &[1], RecordError::Dropped { field: "kind" });
    patched(dropped.clone(), 4, &[1], RecordError::Dropped { field: "payload version" });
    patched(dropped, time_at, &[1], RecordError::Dropped { field: "time" });
    let correlated = with_optional(2 << 8 | 1, &[0; 16], 32);
    assert_eq!(EventRef::decode(&correlated).unwrap_err(), RecordError::Dropped { field: "field besides its key" });
}

#[test]
fn the_place_is_checked() {
    let record = Owned::plain("e", "s").record(b"", &place(0, 0, EventHash::GENESIS));
    let (id_at, revision_at) = (record.len() - 64, record.len() - 48);
    let revision = 1 << 40;
    patched(record.clone(), revision_at, &u64::to_le_bytes(revision), RecordError::Revision { revision });
    let mut bytes = decoded(&record).event_id().to_bytes();
    bytes[6] = 0x40;
    let id = batpak_core::EventId::from_bytes(bytes);
    patched(record, id_at, &bytes, RecordError::EventId { id });
}
