//! Which coordinates there are.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
};

use batpak_core::{Coordinate, NAME_MAX_BYTES, NameFault, check_name};

#[track_caller]
fn refused(entity: &str, scope: &str, message: &str) {
    assert_eq!(Coordinate::new(entity, scope).unwrap_err().to_string(), message);
}

#[test]
fn both_parts_are_given_back() {
    let longest = "é".repeat(512);
    for (entity, scope) in [("a", "b"), ("a@b", "c@d"), (&*longest, "x"), ("x", &*longest), ("中", "🦀")] {
        let coordinate = Coordinate::new(entity, scope).unwrap();
        assert_eq!((coordinate.entity(), coordinate.scope()), (entity, scope));
        assert_eq!(coordinate.to_string(), format!("{entity}@{scope}"));
    }
}

#[test]
fn empty_parts_are_refused() {
    refused("", "bank", "entity is empty, 1 to 1024 bytes are allowed");
    refused("a", "", "scope is empty, 1 to 1024 bytes are allowed");
}

#[test]
fn one_byte_past_the_limit_is_refused() {
    let (at, past) = ("a".repeat(1024), "a".repeat(1025));
    assert!(Coordinate::new(&at, &at).is_ok());
    refused(&past, &at, "entity has 1025 bytes, at most 1024 are allowed");
    refused(&at, &past, "scope has 1025 bytes, at most 1024 are allowed");
}

#[test]
fn control_characters_are_refused_with_their_place() {
    refused("a\0", "b", "entity has the control character U+0000 at byte 1");
    refused("a", "é\n", "scope has the control character U+000A at byte 2");
    refused("a", "\u{85}", "scope has the control character U+0085 at byte 0");
}

#[test]
fn exactly_the_control_characters_are_refused() {
    for c in '\0'..='\u{2FFF}' {
        let verdict = check_name(&format!("a{c}"), NAME_MAX_BYTES);
        let fault = NameFault::Control { at: 1, code_point: c.into() };
        assert_eq!(verdict, if c.is_control() { Err(fault) } else { Ok(()) }, "{c:?}");
    }
}

#[test]
fn the_same_text_split_elsewhere_is_another_coordinate() {
    let (one, other) = (Coordinate::new("ab", "c").unwrap(), Coordinate::new("a", "bc").unwrap());
    assert_ne!(one, other);
    assert_eq!(one, one.clone());
}

#[test]
fn equal_coordinates_hash_alike() {
    let hash = |coordinate: &Coordinate| {
        let mut hasher = DefaultHasher::new();
        coordinate.hash(&mut hasher);
        hasher.finish()
    };
    let (one, same) = (Coordinate::new("a", "b").unwrap(), Coordinate::new("a", "b").unwrap());
    assert_eq!((&one, hash(&one)), (&same, hash(&same)));
}

#[test]
fn the_entity_decides_the_order_and_then_the_scope() {
    let sorted = [("a", "z"), ("a\u{10FFFF}", "a"), ("ab", "a"), ("b", "a"), ("b", "b")];
    let mut coordinates: Vec<_> = sorted.iter().rev().map(|(e, s)| Coordinate::new(e, s).unwrap()).collect();
    coordinates.sort();
    let mut expected = sorted.to_vec();
    expected.sort_unstable();
    let parts: Vec<_> = coordinates.iter().map(|c| (c.entity(), c.scope())).collect();
    assert_eq!(parts, expected);
}

#[test]
fn a_clone_shares_its_text() {
    let coordinate = Coordinate::new("account:7", "bank").unwrap();
    assert!(std::ptr::eq(coordinate.entity(), coordinate.clone().entity()));
}
