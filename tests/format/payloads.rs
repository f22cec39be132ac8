//! Payloads of every shape that `MessagePack` has, and how they are shown as JSON.

use crate::messagepack::{self, Value};
use batpak::store::{payload_from_json, payload_to_json};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value as Json, json};

/// A value of this reader, handed to the facade as a payload.
pub(crate) struct Put<'a>(pub(crate) &'a Value);

impl Serialize for Put<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Unsigned(value) => serializer.serialize_u64(*value),
            Value::Signed(value) => serializer.serialize_i64(*value),
            Value::F32(value) => serializer.serialize_f32(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::Text(value) => serializer.serialize_str(value),
            Value::Bin(value) => serializer.serialize_bytes(value),
            // The name that makes the encoder write an extension.
            Value::Ext(kind, bytes) => serializer.serialize_newtype_struct("_ExtStruct", &(kind, PutBytes(bytes))),
            Value::Array(values) => {
                let mut seq = serializer.serialize_seq(Some(values.len()))?;
                values.iter().try_for_each(|value| seq.serialize_element(&Put(value)))?;
                seq.end()
            }
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(&Put(key), &Put(value)))?;
                map.end()
            }
        }
    }
}

struct PutBytes<'a>(&'a [u8]);

impl Serialize for PutBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A payload as a program would have it.
#[derive(serde::Serialize)]
pub(crate) struct Order {
    customer: Option<&'static str>,
    coupon: Option<&'static str>,
    lines: Vec<Line>,
    state: State,
    placed_by: State,
    total: u128,
    balance: i128,
    weight: u128,
    unit: (),
    pair: (u8, char),
}

#[derive(serde::Serialize)]
struct Line {
    article: &'static str,
    count: u32,
}

#[derive(serde::Serialize)]
enum State {
    Placed,
    Agent { name: &'static str },
}

pub(crate) fn order() -> Order {
    Order {
        customer: Some("Zoë"),
        coupon: None,
        lines: vec![Line { article: "tea", count: 3 }, Line { article: "", count: 0 }],
        state: State::Placed,
        placed_by: State::Agent { name: "clerk" },
        total: u128::MAX - 1,
        balance: i128::MIN,
        weight: 12,
        unit: (),
        pair: (255, '🦇'),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn map(entries: &[(Value, Value)]) -> Value {
    Value::Map(entries.to_vec())
}

/// One payload per shape of the table in the document, and of every width.
pub(crate) fn shapes() -> Vec<Value> {
    let unsigned = [0, 127, 128, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, i64::MAX as u64, u64::MAX];
    let signed = [-1, -32, -33, -128, -129, -32768, -32769, i64::from(i32::MIN), i64::from(i32::MIN) - 1, i64::MIN];
    let floats = [0.0, -0.0, 1.0, 0.1, -2.5e-300, 1e300, 1e16, f64::MIN_POSITIVE, f64::MAX];
    let others = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    vec![
        Value::Nil,
        Value::Array(vec![Value::Bool(false), Value::Bool(true)]),
        Value::Array(unsigned.into_iter().map(Value::Unsigned).collect()),
        Value::Array(signed.into_iter().map(Value::Signed).collect()),
        Value::Array(floats.into_iter().map(Value::F64).collect()),
        Value::Array(others.into_iter().map(Value::F64).collect()),
        Value::Array([0.1, 1.0, f32::NAN, f32::NEG_INFINITY].into_iter().map(Value::F32).collect()),
        Value::Array([0, 31, 32, 255, 256].into_iter().map(|len| text(&"x".repeat(len))).collect()),
        text("\u{0}\"\\/\u{7f}é\u{2028}🦇"),
        Value::Array([0, 1, 2, 3, 255, 256].into_iter().map(|len| Value::Bin(vec![0xB1; len])).collect()),
        Value::Array([0, 1, 2, 3, 4, 8, 16, 17].into_iter().map(|len| Value::Ext(-1, vec![0xE7; len])).collect()),
        Value::Array(vec![Value::Ext(127, vec![1]), Value::Ext(-128, vec![2; 256])]),
        Value::Array(vec![]),
        Value::Array((0..16).map(Value::Unsigned).collect()),
        map(&[]),
        Value::Map((0..16_u64).map(|n| (text(&format!("k{n}")), Value::Unsigned(n))).collect()),
        dollars(),
        keys(),
        map(&[(text("twice"), Value::Unsigned(1)), (text("twice"), Value::Unsigned(2))]),
        nested(),
    ]
}

/// Maps that look like what JSON cannot hold.
fn dollars() -> Value {
    Value::Array(vec![
        map(&[
            (text("$"), Value::Nil),
            (text("$$"), Value::Nil),
            (text("$bin"), text("/w==")),
            (text("a$"), Value::Nil),
        ]),
        map(&[(text("$f64"), text("NaN"))]),
        map(&[(text("$$ext"), Value::Array(vec![Value::Unsigned(1), text("")]))]),
        map(&[(text("$1"), Value::Nil), (Value::Unsigned(1), Value::Bool(true))]),
    ])
}

/// Keys that are not strings.
fn keys() -> Value {
    let keys = [
        Value::Nil,
        Value::Bool(true),
        Value::Unsigned(1),
        Value::Signed(-7),
        Value::F64(1.5),
        Value::F64(2.0),
        Value::F64(f64::NAN),
        Value::Bin(vec![0xFF]),
        Value::Ext(5, vec![0]),
        Value::Array(vec![Value::Unsigned(1), text("\"quoted\"")]),
        map(&[(Value::Unsigned(2), text("inner")), (text("$"), Value::Nil)]),
        text(""),
    ];
    Value::Map(keys.into_iter().zip((0..).map(Value::Unsigned)).collect())
}

fn nested() -> Value {
    (0..20).fold(Value::Bin(vec![1, 2, 3]), |inner, depth| match depth % 3 {
        0 => Value::Array(vec![inner]),
        1 => map(&[(text("in"), inner)]),
        _ => map(&[(Value::Signed(-depth), inner), (text("$x"), Value::Nil)]),
    })
}

#[track_caller]
fn check(payload: &[u8], shown: &Json) {
    assert_eq!(&messagepack::to_json(payload).expect("a value"), shown);
    assert_eq!(&payload_to_json(payload).expect("a value"), shown);
}

#[test]
fn the_table_of_the_document_holds() {
    check(&[0xC0], &json!(null));
    check(&[0x93, 0xC3, 0xFF, 0xA1, b'x'], &json!([true, -1, "x"]));
    check(&[0xCB, 0x40, 0x04, 0, 0, 0, 0, 0, 0], &json!(2.5));
    check(&[0xCB, 0x40, 0, 0, 0, 0, 0, 0, 0], &json!(2.0));
    check(&[0xCB, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0], &json!({"$f64": "NaN"}));
    check(&[0xCB, 0x7F, 0xF0, 0, 0, 0, 0, 0, 0], &json!({"$f64": "Infinity"}));
    check(&[0xCA, 0xFF, 0x80, 0, 0], &json!({"$f64": "-Infinity"}));
    check(&[0xC4, 1, 0xFF], &json!({"$bin": "/w=="}));
    check(&[0xD4, 0xFE, 0xFF], &json!({"$ext": [-2, "/w=="]}));
    check(&[0x81, 0xA1, b'$', 0xC0], &json!({"$$": null}));
    check(&[0x81, 0x01, 0xC0], &json!({"$1": null}));
    check(&[0x81, 0xCB, 0x40, 0, 0, 0, 0, 0, 0, 0, 0xC0], &json!({"$2.0": null}));
    check(&[0x82, 0xA1, b'a', 1, 0xA1, b'a', 2], &json!({"a": 2}));
}

#[test]
fn a_float_of_32_bits_is_shown_as_the_one_of_64_that_is_equal() {
    check(&[0xCA, 0x3D, 0xCC, 0xCC, 0xCD], &json!(0.100_000_001_490_116_12));
}

/// Widths that a frugal encoder does not use are the same values.
#[test]
fn a_wide_encoding_is_the_same_value() {
    check(&[0xD3, 0, 0, 0, 0, 0, 0, 0, 1], &json!(1));
    check(&[0xCF, 0, 0, 0, 0, 0, 0, 0, 1], &json!(1));
    check(&[0xDB, 0, 0, 0, 1, b'x'], &json!("x"));
    check(&[0xDD, 0, 0, 0, 1, 1], &json!([1]));
    check(&[0xDF, 0, 0, 0, 1, 1, 1], &json!({"$1": 1}));
    check(&[0xC6, 0, 0, 0, 1, 0xFF], &json!({"$bin": "/w=="}));
    check(&[0xC9, 0, 0, 0, 1, 3, 0xFF], &json!({"$ext": [3, "/w=="]}));
}

#[test]
fn a_string_that_is_not_utf_8_is_shown_like_bytes() {
    check(&[0xA1, 0xFF], &json!({"$bin": "/w=="}));
    check(&[0x81, 0xA1, 0xFF, 1], &json!({"${\"$bin\":\"/w==\"}": 1}));
}

#[track_caller]
fn check_refused(payload: &[u8]) {
    assert!(messagepack::to_json(payload).is_err());
    assert!(payload_to_json(payload).is_err(), "{:?}", payload_to_json(payload));
}

#[test]
fn what_is_not_one_value_is_no_payload() {
    check_refused(&[]);
    check_refused(&[0xC0, 0xC0]);
    check_refused(&[0xC1]);
    check_refused(&[0x92, 0xC0]);
    check_refused(&[0xDD, 0xFF, 0xFF, 0xFF, 0xFF]);
}

/// Without the shape that repeats a key: what it hides cannot come back.
#[test]
fn json_gives_back_the_same_value() {
    for shape in shapes() {
        let shown = messagepack::json_of(&shape);
        let again = messagepack::read(&payload_from_json(&shown).expect("a payload")).expect("a value");
        assert_eq!(messagepack::json_of(&again), shown);
    }
}
