//! What is said of a kind: one encoding, limits, and no bytes that make the decoder panic.

use batpak_core::{
    DescriptionError, EventKind, KIND_DESCRIPTION_MAX_BYTES, KIND_FIELDS_MAX, KindDescription, NameFault,
};
use proptest::{collection, prelude::*};

const KIND: EventKind = EventKind::custom(1, 2);

fn described(name: &str, fields: &[&str]) -> Result<KindDescription, DescriptionError> {
    KindDescription::new(KIND, 3, name, fields.iter().copied())
}

fn encoded(description: &KindDescription) -> Vec<u8> {
    let mut out = Vec::new();
    description.encode(&mut out);
    out
}

#[test]
fn the_layout_is_that_of_the_format() {
    let bytes = encoded(&described("a.b", &["x", "yz"]).unwrap());
    let expected = [0x02, 0x10, 3, 0, 3, 0, b'a', b'.', b'b', 2, 0, 1, 0, b'x', 2, 0, b'y', b'z'];
    assert_eq!(bytes, expected);
    let read = KindDescription::decode(&expected).unwrap();
    assert_eq!((read.kind(), read.version(), read.name(), read.fields().join(",")), (KIND, 3, "a.b", "x,yz".into()));
}

#[test]
fn what_is_past_a_limit_is_refused() {
    let name = |fault| Err(DescriptionError::Name { kind: KIND, fault });
    assert_eq!(described("", &[]), name(NameFault::Empty { max_bytes: 256 }));
    assert_eq!(described(&"n".repeat(257), &[]), name(NameFault::TooLong { bytes: 257, max_bytes: 256 }));
    assert_eq!(described("a\nb", &[]), name(NameFault::Control { at: 1, code_point: 10 }));
    let fault = NameFault::Empty { max_bytes: 256 };
    assert_eq!(described("n", &["a", ""]), Err(DescriptionError::Field { kind: KIND, field: 1, fault }));
    let many = vec!["f"; KIND_FIELDS_MAX + 1];
    assert_eq!(described("n", &many), Err(DescriptionError::Fields { kind: KIND, fields: many.len() }));
    assert!(described("n", &many[1..]).is_ok());
    assert_eq!(KindDescription::new(KIND, 0, "n", [""; 0]), Err(DescriptionError::Version { kind: KIND }));

    let long = "f".repeat(256);
    let fits = (KIND_DESCRIPTION_MAX_BYTES - 8 - 1) / 258;
    assert!(described("n", &vec![long.as_str(); fits]).is_ok());
    let bytes = 8 + 1 + (fits + 1) * 258;
    assert_eq!(described("n", &vec![long.as_str(); fits + 1]), Err(DescriptionError::TooLong { kind: KIND, bytes }));
}

#[test]
fn what_is_cut_or_goes_on_is_no_description() {
    let mut bytes = encoded(&described("order.placed", &["items", "cents"]).unwrap());
    for len in 0..bytes.len() {
        assert_eq!(KindDescription::decode(&bytes[..len]), Err(DescriptionError::Malformed { bytes: len }));
    }
    bytes.push(0);
    assert_eq!(KindDescription::decode(&bytes), Err(DescriptionError::Malformed { bytes: bytes.len() }));
}

proptest! {
    #[test]
    fn what_is_decoded_is_what_is_encoded(bytes in collection::vec(any::<u8>(), 0..64)) {
        if let Ok(description) = KindDescription::decode(&bytes) {
            prop_assert_eq!(encoded(&description), bytes);
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_another_description(at in 0_usize..28, to in any::<u8>()) {
        let description = described("order.placed", &["items", "cents"]).unwrap();
        let mut bytes = encoded(&description);
        bytes[at] = to;
        if let Ok(read) = KindDescription::decode(&bytes) {
            prop_assert_eq!(encoded(&read), bytes);
        }
    }
}
