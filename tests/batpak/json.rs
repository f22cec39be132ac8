//! Payloads as JSON: the rule of the format, and that it can be undone.

use crate::fixtures::{KIND, Machine, at};
use batpak::store::{payload_from_json, payload_to_json};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

/// A `MessagePack` value, to write as the format says.
#[derive(Clone, Debug, PartialEq)]
enum Packed {
    Nil,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    F32(f32),
    F64(f64),
    Str(String),
    Bin(Vec<u8>),
    Ext(i8, Vec<u8>),
    Array(Vec<Packed>),
    Map(Vec<(Packed, Packed)>),
}

impl Packed {
    /// By the specification of `MessagePack`, without a library; every length in its widest form or, with `short`, in
    /// the narrowest one.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nil => out.push(0xC0),
            Self::Bool(value) => out.push(0xC2 | u8::from(*value)),
            Self::Int(value) => tagged(out, 0xD3, &big_endian(i128::from(*value), 8)),
            Self::Unsigned(value) => tagged(out, 0xCF, &big_endian(i128::from(*value), 8)),
            Self::F32(value) => tagged(out, 0xCA, &big_endian(value.to_bits().into(), 4)),
            Self::F64(value) => tagged(out, 0xCB, &big_endian(value.to_bits().into(), 8)),
            Self::Str(text) => {
                tagged(out, 0xDB, &len(text.len()));
                out.extend_from_slice(text.as_bytes());
            }
            Self::Bin(bytes) => {
                tagged(out, 0xC6, &len(bytes.len()));
                out.extend_from_slice(bytes);
            }
            Self::Ext(tag, bytes) => {
                tagged(out, 0xC9, &len(bytes.len()));
                out.extend_from_slice(&big_endian((*tag).into(), 1));
                out.extend_from_slice(bytes);
            }
            Self::Array(items) => {
                tagged(out, 0xDD, &len(items.len()));
                for item in items {
                    item.write(out);
                }
            }
            Self::Map(entries) => {
                tagged(out, 0xDF, &len(entries.len()));
                for (key, value) in entries {
                    key.write(out);
                    value.write(out);
                }
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

fn tagged(out: &mut Vec<u8>, marker: u8, bytes: &[u8]) {
    out.push(marker);
    out.extend_from_slice(bytes);
}

fn len(len: usize) -> Vec<u8> {
    big_endian(i128::try_from(len).expect("a length"), 4)
}

fn big_endian(value: i128, bytes: u32) -> Vec<u8> {
    (0..bytes).rev().map(|byte| u8::try_from(value >> (8 * byte) & 0xFF).expect("a byte")).collect()
}

/// What is in common of two values that are the same to the format: a float is its number, of keys that are the same
/// the last one counts, and the order of a map does not.
fn meaning(payload: &[u8]) -> Packed {
    let (value, rest) = read(payload);
    assert!(rest.is_empty());
    value
}

/// Reads a value by the specification of `MessagePack`, without a library.
fn read(bytes: &[u8]) -> (Packed, &[u8]) {
    let (marker, rest) = bytes.split_first().expect("a marker");
    let sized = |n: usize| -> (usize, &[u8]) {
        let (len, rest) = rest.split_at(n);
        (usize::try_from(unsigned(len)).expect("a length"), rest)
    };
    match marker {
        0x00..=0x7F => (Packed::Unsigned((*marker).into()), rest),
        0x80..=0x8F => map(usize::from(marker & 0xF), rest),
        0x90..=0x9F => array(usize::from(marker & 0xF), rest),
        0xA0..=0xBF => text(usize::from(marker & 0x1F), rest),
        0xC0 => (Packed::Nil, rest),
        0xC2 | 0xC3 => (Packed::Bool(*marker == 0xC3), rest),
        0xC4..=0xC6 => {
            let (len, rest) = sized(1 << (marker - 0xC4));
            (Packed::Bin(rest[..len].to_vec()), &rest[len..])
        }
        0xC7..=0xC9 => {
            let (len, rest) = sized(1 << (marker - 0xC7));
            ext(len, rest)
        }
        0xCA => (float(f64::from(f32::from_bits(u32::try_from(unsigned(&rest[..4])).expect("4 bytes")))), &rest[4..]),
        0xCB => (float(f64::from_bits(unsigned(&rest[..8]))), &rest[8..]),
        0xCC..=0xCF => {
            let n = 1 << (marker - 0xCC);
            (Packed::Unsigned(unsigned(&rest[..n])), &rest[n..])
        }
        0xD0..=0xD3 => {
            let n = 1_usize << (marker - 0xD0);
            let shift = 64 - 8 * u32::try_from(n).expect("small");
            let value = (unsigned(&rest[..n]) << shift).cast_signed() >> shift;
            let value = u64::try_from(value).map_or(Packed::Int(value), Packed::Unsigned);
            (value, &rest[n..])
        }
        0xD4..=0xD8 => ext(1 << (marker - 0xD4), rest),
        0xD9..=0xDB => {
            let (len, rest) = sized(1 << (marker - 0xD9));
            text(len, rest)
        }
        0xDC | 0xDD => {
            let (len, rest) = sized(2 << (marker - 0xDC));
            array(len, rest)
        }
        0xDE | 0xDF => {
            let (len, rest) = sized(2 << (marker - 0xDE));
            map(len, rest)
        }
        0xE0..=0xFF => (Packed::Int(i64::from(marker.cast_signed())), rest),
        0xC1 => panic!("a marker that is never used"),
    }
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn float(value: f64) -> Packed {
    Packed::F64(if value.is_nan() { f64::NAN } else { value })
}

fn text(len: usize, rest: &[u8]) -> (Packed, &[u8]) {
    (Packed::Str(String::from_utf8(rest[..len].to_vec()).expect("UTF-8")), &rest[len..])
}

fn ext(len: usize, rest: &[u8]) -> (Packed, &[u8]) {
    (Packed::Ext(rest[0].cast_signed(), rest[1..=len].to_vec()), &rest[1 + len..])
}

fn array(len: usize, mut rest: &[u8]) -> (Packed, &[u8]) {
    let mut items = Vec::new();
    for _ in 0..len {
        let (item, after) = read(rest);
        items.push(item);
        rest = after;
    }
    (Packed::Array(items), rest)
}

fn map(len: usize, mut rest: &[u8]) -> (Packed, &[u8]) {
    let mut entries: Vec<(Packed, Packed)> = Vec::new();
    for _ in 0..len {
        let (key, after) = read(rest);
        let (value, after) = read(after);
        rest = after;
        entries.retain(|(known, _)| format!("{known:?}") != format!("{key:?}"));
        entries.push((key, value));
    }
    entries.sort_by_key(|(key, _)| format!("{key:?}"));
    (Packed::Map(entries), rest)
}

fn packed() -> impl Strategy<Value = Packed> {
    let special = prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
        Just(2.0),
        Just(1e300),
        Just(5e-324),
        Just(0.1 + 0.2),
    ];
    let name = prop_oneof!["[a-c$\\\\\"\u{e9}]{0,3}", "\\$(bin|f64|ext|null|1|\"a\")", any::<String>(),];
    let leaf = prop_oneof![
        Just(Packed::Nil),
        any::<bool>().prop_map(Packed::Bool),
        any::<i64>().prop_map(Packed::Int),
        (-200_i64..300).prop_map(Packed::Int),
        any::<u64>().prop_map(Packed::Unsigned),
        any::<f32>().prop_map(Packed::F32),
        any::<f64>().prop_map(Packed::F64),
        special.prop_map(Packed::F64),
        name.prop_map(Packed::Str),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Packed::Bin),
        (any::<i8>(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(tag, bytes)| Packed::Ext(tag, bytes)),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Packed::Array),
            prop::collection::vec((inner.clone(), inner), 0..5).prop_map(Packed::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_payload_survives_json_and_its_text(value in packed()) {
        let payload = value.bytes();
        let shown = payload_to_json(&payload).expect("a value");
        let again = payload_from_json(&shown).expect("what was shown");
        prop_assert_eq!(format!("{:?}", meaning(&again)), format!("{:?}", meaning(&payload)), "{}", shown);
        let text = shown.to_string();
        let parsed: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(&parsed, &shown);
        prop_assert_eq!(payload_to_json(&again).expect("a value"), shown, "shown again it is the same");
    }

    #[test]
    fn bytes_that_are_no_value_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        // Whatever it says, it neither panics nor takes memory for lengths that are not there.
        let _ = payload_to_json(&bytes);
    }

    #[test]
    fn a_value_that_is_cut_or_goes_on_is_an_error(value in packed(), cut in any::<prop::sample::Index>()) {
        let mut payload = value.bytes();
        prop_assert!(payload_to_json(&payload[..cut.index(payload.len())]).is_err());
        for next in 0..=u8::MAX {
            payload.push(next);
            prop_assert!(payload_to_json(&payload).is_err(), "{next:#x} behind it");
            payload.pop();
        }
    }
}

#[track_caller]
fn check(payload: &[u8], shown: &Value) {
    assert_eq!(payload_to_json(payload).expect("a value"), *shown);
    let again = payload_from_json(shown).expect("what was shown");
    assert_eq!(format!("{:?}", meaning(&again)), format!("{:?}", meaning(payload)));
}

#[test]
fn the_rule_by_example() {
    check(&[0xC0], &Value::Null);
    check(&[0xC3], &json!(true));
    check(&[0xFF], &json!(-1));
    check(&[0xCF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], &json!(u64::MAX));
    check(&[0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0], &json!(i64::MIN));
    check(&[0xA1, b'$'], &json!("$"));
    check(&[0xC4, 0], &json!({"$bin": ""}));
    check(&[0xC4, 1, 0xFF], &json!({"$bin": "/w=="}));
    check(&[0xD4, 0xFF, 7], &json!({"$ext": [-1, "Bw=="]}));
    check(&[0xC7, 0, 5], &json!({"$ext": [5, ""]}));
    check(&Packed::F64(f64::NAN).bytes(), &json!({"$f64": "NaN"}));
    check(&Packed::F32(f32::INFINITY).bytes(), &json!({"$f64": "Infinity"}));
    check(&Packed::F64(f64::NEG_INFINITY).bytes(), &json!({"$f64": "-Infinity"}));
    check(&Packed::F64(2.0).bytes(), &json!(2.0));
    check(&[0x81, 0xA4, b'$', b'b', b'i', b'n', 1], &json!({"$$bin": 1}));
    check(&[0x81, 0xA2, b'$', b'1', 1], &json!({"$$1": 1}));
    check(&[0x81, 1, 0xA1, b'a'], &json!({"$1": "a"}));
    check(&[0x81, 0xC0, 1], &json!({"$null": 1}));
    check(&[0x82, 0xA1, b'1', 1, 1, 2], &json!({"1": 1, "$1": 2}));
    check(&[0x81, 0xC4, 1, 0xFF, 1], &json!({"${\"$bin\":\"/w==\"}": 1}));
    check(&[0x81, 0x92, 1, 0xA1, b'a', 1], &json!({"$[1,\"a\"]": 1}));
    check(&[0x81, 0x81, 0xA2, b'$', b'a', 1, 2], &json!({"${\"$$a\":1}": 2}));
    assert_eq!(Packed::F64(2.0).bytes(), payload_from_json(&json!(2.0)).expect("a float"), "the float stays one");
    assert_eq!(payload_to_json(&Packed::F64(2.0).bytes()).expect("a value").to_string(), "2.0");
    assert_eq!(payload_to_json(&[0x82, 0xA1, b'a', 1, 0xA1, b'a', 2]).expect("a value"), json!({"a": 2}));
}

/// Two texts for one value would let an import change what it imports.
#[test]
fn what_is_never_shown_is_refused() {
    for value in [
        json!({"$bin": 1}),
        json!({"$bin": "not base64!"}),
        json!({"$bin": "/x=="}),
        json!({"$bin": "/w"}),
        json!({"$f64": "nan"}),
        json!({"$f64": 1.5}),
        json!({"$ext": [128, ""]}),
        json!({"$ext": ["1", ""]}),
        json!({"$ext": [1]}),
        json!({"$ext": [1, "", 2]}),
        json!({"$bin": "/w==", "other": 1}),
        json!({"$name": 1}),
        json!({"$": 1}),
        json!({"$\"a\"": 1}),
        json!({"$ 1": 1}),
        json!({"$1.50": 1}),
        json!({"$[1, 2]": 1}),
        json!({"$99999999999999999999": 1}),
        json!([{"deep": {"$bin": null}}]),
    ] {
        let error = payload_from_json(&value).expect_err(&value.to_string());
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn an_application_that_uses_dollars_gets_them_back() {
    let machine = Machine::new();
    let store = machine.open();
    let payload = json!({"$bin": "mine", "$$": [{"$f64": 1}], "plain": {"$ext": {"$": null}}});
    let id = store.append(&at("a", "x"), KIND, &payload).expect("append").event_id;
    assert_eq!(store.get_as::<Value>(id).expect("an event").event.payload(), &payload);
    let shown = store.get(id).expect("an event").event.into_payload();
    assert_eq!(shown, json!({"$$bin": "mine", "$$$": [{"$$f64": 1}], "plain": {"$$ext": {"$$": null}}}));
    let raw = store.get_raw(id).expect("an event").event.into_payload();
    assert_eq!(meaning(&payload_from_json(&shown).expect("what was shown")), meaning(&raw));
}

#[test]
fn wide_integers_enums_and_options_are_as_the_format_says() {
    #[derive(Serialize)]
    enum Shape {
        Dot,
        Circle(f32),
        Box { width: u8 },
    }
    #[derive(Serialize)]
    struct All {
        wide: u128,
        low: i128,
        narrow: u128,
        none: Option<u8>,
        some: Option<u8>,
        unit: (),
        tuple: (u8, char),
        shapes: [Shape; 3],
        by_number: std::collections::BTreeMap<i8, u8>,
    }
    let machine = Machine::new();
    let store = machine.open();
    let payload = All {
        wide: u128::MAX - 1,
        low: i128::MIN,
        narrow: 7,
        none: None,
        some: Some(1),
        unit: (),
        tuple: (1, 'x'),
        shapes: [Shape::Dot, Shape::Circle(0.5), Shape::Box { width: 2 }],
        by_number: [(-1, 1), (5, 2)].into(),
    };
    let id = store.append(&at("a", "x"), KIND, &payload).expect("append").event_id;
    let shown = store.get(id).expect("an event").event.into_payload();
    let expected = json!({
        "wide": {"$bin": "/////////////////////g=="},
        "low": {"$bin": "gAAAAAAAAAAAAAAAAAAAAA=="},
        "narrow": {"$bin": "AAAAAAAAAAAAAAAAAAAABw=="},
        "none": null,
        "some": 1,
        "unit": null,
        "tuple": [1, "x"],
        "shapes": ["Dot", {"Circle": 0.5}, {"Box": {"width": 2}}],
        "by_number": {"$-1": 1, "$5": 2},
    });
    assert_eq!(shown, expected);
    assert_eq!(
        meaning(&payload_from_json(&shown).expect("what was shown")),
        meaning(&store.get_raw(id).expect("an event").event.into_payload())
    );
}

#[test]
fn nesting_has_an_end_and_is_no_crash() {
    let nested = |depth: usize| [vec![0x91; depth], vec![0xC0]].concat();
    let shown = payload_to_json(&nested(1000)).expect("a thousand levels");
    assert_eq!(payload_from_json(&shown).expect("what was shown"), nested(1000));
    assert!(payload_to_json(&nested(100_000)).is_err());
    let machine = Machine::new();
    let store = machine.open();
    let id = store.append(&at("a", "x"), KIND, &shown).expect("append").event_id;
    assert_eq!(store.get(id).expect("an event").event.payload(), &shown);
}

#[test]
fn a_length_that_is_not_there_takes_no_memory() {
    for marker in [0xC6, 0xC9, 0xDB, 0xDD, 0xDF] {
        assert!(payload_to_json(&[marker, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3]).is_err());
    }
}

/// A key that is no string is JSON within JSON, and twice as long with every level: forty bytes once took all memory of
/// whoever only looked at an event.
#[test]
fn keys_within_keys_have_an_end() {
    let nested = |depth: usize| [vec![0x81; depth + 1], vec![0xA0], vec![0x01; depth + 1]].concat();
    for depth in 0..=4 {
        let shown = payload_to_json(&nested(depth)).expect("a few levels");
        assert_eq!(payload_from_json(&shown).expect("what was shown"), nested(depth));
    }
    for depth in [5, 6, 40, 900] {
        let error = payload_to_json(&nested(depth)).expect_err("too deep").to_string();
        assert_eq!(error, "keys that are no strings are more than 4 deep within each other");
    }
    let four = payload_to_json(&nested(4)).expect("a few levels").to_string();
    let mut five = serde_json::Map::new();
    five.insert(format!("${four}"), json!(1));
    let error = payload_from_json(&five.into()).expect_err("too deep").to_string();
    assert_eq!(error, "keys that are no strings are more than 4 deep within each other");
}

/// Text has less depth than a payload: such a key was shown, and nobody could give the event back.
#[test]
fn a_key_that_is_too_deep_for_text_is_not_shown() {
    let with_key = |depth: usize| [vec![0x81], vec![0x91; depth], vec![0x01, 0x02]].concat();
    let shown = payload_to_json(&with_key(100)).expect("a hundred levels");
    assert_eq!(payload_from_json(&shown).expect("what was shown"), with_key(100));
    assert!(payload_to_json(&with_key(200)).is_err());
}
