//! The forms that the types take in other formats.

use batpak_core::{Coordinate, EventId, EventKind, Timestamp};
use serde_json::{from_value, json, to_value};

use crate::samples::id;

#[test]
fn a_coordinate_is_a_struct_of_its_parts() {
    let coordinate = Coordinate::new("account:7", "bank").unwrap();
    let value = json!({"entity": "account:7", "scope": "bank"});
    assert_eq!(to_value(&coordinate).unwrap(), value);
    assert_eq!(from_value::<Coordinate>(value).unwrap(), coordinate);
    let packed = rmp_serde::to_vec_named(&coordinate).unwrap();
    assert_eq!(rmp_serde::from_slice::<Coordinate>(&packed).unwrap(), coordinate);
}

#[test]
fn a_coordinate_is_checked_when_it_is_read() {
    let refused = |entity: &str, scope: &str| {
        from_value::<Coordinate>(json!({"entity": entity, "scope": scope})).unwrap_err().to_string()
    };
    assert_eq!(refused("a\0", "b"), "entity has the control character U+0000 at byte 1");
    assert_eq!(refused("a", ""), "scope is empty, 1 to 1024 bytes are allowed");
    assert_eq!(refused(&"x".repeat(1025), "b"), "entity has 1025 bytes, at most 1024 are allowed");
}

#[test]
fn escaped_text_is_read_too() {
    let coordinate: Coordinate = serde_json::from_str(r#"{"entity": "\u0061", "scope": "b"}"#).unwrap();
    assert_eq!(coordinate.entity(), "a");
    assert!(serde_json::from_str::<Coordinate>(r#"{"entity": "\u0000", "scope": "b"}"#).is_err());
}

#[test]
fn an_id_is_text_for_people_and_bytes_otherwise() {
    let id = id(5);
    assert_eq!(to_value(id).unwrap(), json!(id.to_string()));
    assert_eq!(from_value::<EventId>(json!(id.to_string())).unwrap(), id);
    assert!(from_value::<EventId>(json!("no id")).is_err());

    let packed = rmp_serde::to_vec(&id).unwrap();
    assert_eq!(packed, [&[0xC4, 16][..], &id.to_bytes()].concat());
    assert_eq!(rmp_serde::from_slice::<EventId>(&packed).unwrap(), id);
    assert!(rmp_serde::from_slice::<EventId>(&[0xC4, 1, 0]).is_err());
}

#[test]
fn kinds_and_times_are_numbers() {
    let kind = EventKind::custom(0xF, 1);
    assert_eq!(to_value(kind).unwrap(), json!(0xF001));
    assert_eq!(from_value::<EventKind>(json!(0xF001)).unwrap(), kind);
    assert!(from_value::<EventKind>(json!(0xD001)).unwrap().is_reserved());
    assert_eq!(to_value(Timestamp::from_nanos(-5)).unwrap(), json!(-5));
    assert_eq!(from_value::<Timestamp>(json!(-5)).unwrap(), Timestamp::from_nanos(-5));
}
