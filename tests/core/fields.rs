//! The limits of what an event says besides its payload.

use batpak_core::{Coordinate, FieldError, Fields, NameFault, RecordDraft};

use crate::samples::{KIND, SALT};

/// Checks that `change` is refused with `error`, by the check and by the encoder, which writes nothing.
#[track_caller]
fn check(change: impl for<'a> Fn(&mut Fields<'a>), expected: Result<(), FieldError>) {
    let coordinate = Coordinate::new("a", "b").unwrap();
    let mut fields = Fields::new(&coordinate, KIND);
    change(&mut fields);
    assert_eq!(fields.check(), expected);

    let mut buffer = vec![1, 2, 3];
    assert_eq!(RecordDraft::begin(&mut buffer, &fields, SALT).map(drop), expected);
    assert_eq!(buffer, [1, 2, 3]);
}

#[test]
fn metadata_at_the_limit_passes_and_one_byte_more_does_not() {
    check(|fields| fields.metadata = &[0; 4096], Ok(()));
    check(|fields| fields.metadata = &[0; 4097], Err(FieldError::Metadata { bytes: 4097 }));
}

#[test]
fn sixteen_tags_pass_and_one_more_does_not() {
    const TAGS: [&str; 17] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"];
    check(|fields| fields.tags = &TAGS[..16], Ok(()));
    check(|fields| fields.tags = &TAGS, Err(FieldError::Tags { tags: 17 }));
}

#[test]
fn a_tag_at_the_limit_passes_and_one_byte_more_does_not() {
    static LONG: &str = match std::str::from_utf8(&[b'a'; 257]) {
        Ok(long) => long,
        Err(_) => "",
    };
    static AT: [&str; 1] = [LONG.split_at(256).0];
    static PAST: [&str; 2] = ["fine", LONG];
    let fault = NameFault::TooLong { bytes: 257, max_bytes: 256 };
    check(|fields| fields.tags = &AT, Ok(()));
    check(|fields| fields.tags = &PAST, Err(FieldError::Tag { index: 1, fault }));
}

#[test]
fn empty_tags_and_control_characters_are_refused() {
    let fault = NameFault::Empty { max_bytes: 256 };
    check(|fields| fields.tags = &[""], Err(FieldError::Tag { index: 0, fault }));
    let fault = NameFault::Control { at: 1, code_point: 0 };
    check(|fields| fields.tags = &["a", "b\0"], Err(FieldError::Tag { index: 1, fault }));
}

#[test]
fn the_same_tag_twice_is_refused() {
    check(|fields| fields.tags = &["a", "b", "c", "b"], Err(FieldError::RepeatedTag { index: 3, first: 1 }));
}

#[test]
fn extensions_rise_in_type_and_are_not_critical() {
    check(|fields| fields.extensions = &[(0, b"a"), (1, b""), (0x7FFF, b"c")], Ok(()));
    for (previous, next) in [(2, 1), (2, 2)] {
        check(
            |fields| {
                fields.extensions = match next {
                    1 => &[(2, b"a"), (1, b"b")],
                    _ => &[(2, b"a"), (2, b"b")],
                }
            },
            Err(FieldError::ExtensionOrder { previous, next }),
        );
    }
    check(|fields| fields.extensions = &[(0x8000, b"")], Err(FieldError::CriticalExtension { extension: 0x8000 }));
}

#[test]
fn extensions_past_the_limit_are_refused_before_anything_is_written() {
    let bytes = vec![0; 65_535];
    let coordinate = Coordinate::new("a", "b").unwrap();
    let check = |last: usize| {
        let extensions = [(1, &bytes[..30_000]), (2, &bytes[..last])];
        Fields { extensions: &extensions, ..Fields::new(&coordinate, KIND) }.check()
    };
    let at = 65_535 - 30_000 - 2 * 6;
    assert_eq!(check(at), Ok(()));
    assert_eq!(check(at + 1), Err(FieldError::Extensions { bytes: 65_536 }));
}

#[test]
fn messages_name_field_limit_and_value() {
    let message = |error: FieldError| error.to_string();
    assert_eq!(message(FieldError::Metadata { bytes: 4097 }), "metadata has 4097 bytes, at most 4096 are allowed");
    assert_eq!(message(FieldError::Tags { tags: 17 }), "event has 17 tags, at most 16 are allowed");
    assert_eq!(
        message(FieldError::Tag { index: 2, fault: NameFault::TooLong { bytes: 300, max_bytes: 256 } }),
        "tag 2 has 300 bytes, at most 256 are allowed"
    );
    assert_eq!(
        message(FieldError::Extensions { bytes: 65_536 }),
        "extensions have 65536 bytes, at most 65535 are allowed"
    );
}
