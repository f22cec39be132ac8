//! Coordinates, ids, kinds and times from text and from bytes.

use batpak_core::{Coordinate, EventId, EventKind, NAME_MAX_BYTES, NameFault, Timestamp, check_name};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

pub(super) fn run(data: &[u8]) {
    decode_all(data);
    let Ok(text) = str::from_utf8(data) else { return };
    check_id(text);
    let (entity, scope) = text.split_once('\n').unwrap_or((text, "x"));
    check_coordinate(entity, scope);
}

/// By the rule as it is written: 1 to 1024 bytes and no control character.
fn is_name(name: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn check_coordinate(entity: &str, scope: &str) {
    let made = Coordinate::new(entity, scope);
    assert_eq!(made.is_ok(), is_name(entity) && is_name(scope));
    check_fault(entity);
    let json = serde_json::json!({"entity": entity, "scope": scope});
    match made {
        Ok(coordinate) => {
            assert_eq!((coordinate.entity(), coordinate.scope()), (entity, scope));
            assert_eq!(coordinate.to_string(), format!("{entity}@{scope}"));
            assert_eq!(serde_json::from_value::<Coordinate>(json).expect("the same"), coordinate);
            survives(&coordinate);
        }
        Err(error) => {
            let said = serde_json::from_value::<Coordinate>(json).expect_err("refused").to_string();
            assert_eq!(said, error.to_string());
        }
    }
}

fn check_fault(name: &str) {
    match check_name(name, NAME_MAX_BYTES) {
        Ok(()) => assert!(is_name(name)),
        Err(NameFault::Empty { .. }) => assert!(name.is_empty()),
        Err(NameFault::TooLong { bytes, .. }) => assert!(bytes == name.len() && bytes > NAME_MAX_BYTES),
        Err(NameFault::Control { at, code_point }) => {
            assert_eq!(name[at..].chars().next().map(u32::from), Some(code_point));
            assert!(!name[..at].chars().any(char::is_control));
        }
        Err(other) => panic!("{other}"),
    }
}

fn check_id(text: &str) {
    let Ok(id) = text.parse::<EventId>() else { return };
    assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
    assert_eq!(id.to_string(), text.to_ascii_lowercase());
    assert_eq!((EventId::from_bytes(id.to_bytes()), EventId::from_u128(id.as_u128())), (id, id));
    let _ = (id.sequence(), id.millis(), id.random());
    survives(&id);
}

/// Written as JSON and as a payload, it is read back as the same.
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("written");
    assert_eq!(serde_json::from_str::<T>(&text).expect("read"), *value);
    let packed = rmp_serde::to_vec_named(value).expect("packed");
    assert_eq!(rmp_serde::from_slice::<T>(&packed).expect("unpacked"), *value);
}

fn decode_all(data: &[u8]) {
    decode::<Coordinate>(data, |coordinate| assert!(is_name(coordinate.entity()) && is_name(coordinate.scope())));
    decode::<EventId>(data, |_| ());
    decode::<Timestamp>(data, |_| ());
    decode::<EventKind>(data, |kind| {
        let made = EventKind::try_custom(kind.category(), kind.type_id());
        assert_eq!(made.ok(), (!kind.is_reserved()).then_some(*kind));
        assert_eq!(EventKind::from_u16(kind.as_u16()), *kind);
    });
}

fn decode<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8], check: impl Fn(&T)) {
    let values = [serde_json::from_slice::<T>(data).ok(), rmp_serde::from_slice::<T>(data).ok()];
    for value in values.into_iter().flatten() {
        check(&value);
        survives(&value);
    }
}
