//! Payloads as JSON, and back: the rule of `docs/FORMAT.md`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmp_serde::decode::Error;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Number, Value, json};
use std::fmt;
use std::io::ErrorKind;

/// Reads a MessagePack payload as JSON. What JSON cannot hold is shown as `{"$bin": …}`, `{"$f64": …}` or
/// `{"$ext": …}`, and a map key that is no string as `$` and its JSON.
///
/// # Errors
/// If it is not one MessagePack value.
///
/// # Examples
/// ```
/// use batpak::store::payload_to_json;
///
/// assert_eq!(payload_to_json(&[0xC4, 1, 0xFF]).expect("binary"), serde_json::json!({"$bin": "/w=="}));
/// ```
pub fn payload_to_json(payload: &[u8]) -> Result<Value, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(payload);
    let value = Show { keys: 0 }.deserialize(&mut deserializer)?;
    match End::deserialize(&mut deserializer) {
        Err(Error::InvalidMarkerRead(error)) if error.kind() == ErrorKind::UnexpectedEof => Ok(value),
        _ => Err(de::Error::custom("more bytes follow the value")),
    }
}

/// What comes behind a value: nothing can be read as it. Where no byte is left, the marker of a value is missed.
struct End;

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl Visitor<'_> for End {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end")
    }
}

/// Encodes JSON as a MessagePack payload: the inverse of [`payload_to_json`].
///
/// # Errors
/// If an object that begins with `$` is not what [`payload_to_json`] makes.
///
/// # Examples
/// ```
/// use batpak::store::{payload_from_json, payload_to_json};
///
/// let value = serde_json::json!({"$1": {"$bin": "/w=="}, "$$price": 2.0});
/// let payload = payload_from_json(&value).expect("encode");
/// assert_eq!(payload_to_json(&payload).expect("decode"), value);
/// ```
pub fn payload_from_json(value: &Value) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut out = Vec::new();
    Given { value, keys: 0 }.serialize(&mut rmp_serde::Serializer::new(&mut out))?;
    Ok(out)
}

/// How deep keys that are no strings may stand within each other. Each of them is JSON within JSON: what is in it may get
/// twice as long with every level.
const KEYS_DEEP: usize = 4;

/// Reads a value on its way from MessagePack to JSON, which stands within so many keys.
#[derive(Clone, Copy)]
struct Show {
    keys: usize,
}

impl<'de> DeserializeSeed<'de> for Show {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Show {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a MessagePack value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or_else(|| json!({"$f64": float_name(value)}), Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(json!({"$bin": STANDARD.encode(value)}))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let (tag, data) = deserializer.deserialize_any(ExtVisitor)?;
        Ok(json!({"$ext": [tag, STANDARD.encode(data)]}))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key_seed(ShownKey { keys: self.keys })? {
            map.insert(key, access.next_value_seed(self)?);
        }
        Ok(Value::Object(map))
    }
}

fn float_name(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    }
}

/// The type and bytes of an extension value.
struct ExtVisitor;

impl<'de> Visitor<'de> for ExtVisitor {
    type Value = (i8, Vec<u8>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an extension value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let missing = || de::Error::custom("the extension value is not whole");
        let tag = access.next_element()?.ok_or_else(missing)?;
        let data = access.next_element_seed(Bytes)?.ok_or_else(missing)?;
        Ok((tag, data))
    }
}

struct Bytes;

impl<'de> DeserializeSeed<'de> for Bytes {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Vec<u8>, E> {
        Ok(value.to_vec())
    }
}

/// A map key within so many others: strings as they are with a leading `$` doubled, all else as `$` and its JSON.
struct ShownKey {
    keys: usize,
}

impl<'de> DeserializeSeed<'de> for ShownKey {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        match (Show { keys: self.keys + 1 }).deserialize(deserializer)? {
            Value::String(key) if key.starts_with('$') => Ok(format!("${key}")),
            Value::String(key) => Ok(key),
            _ if self.keys >= KEYS_DEEP => Err(de::Error::custom(too_deep())),
            other => show_key(&other).map_err(de::Error::custom),
        }
    }
}

fn too_deep() -> String {
    format!("keys that are no strings are more than {KEYS_DEEP} deep within each other")
}

/// What has parts may be too deep to be read back.
fn show_key(key: &Value) -> Result<String, String> {
    let text = key.to_string();
    if key.is_array() || key.is_object() {
        key_from_json(&text)?;
    }
    Ok(format!("${text}"))
}

/// A value on its way from JSON to MessagePack, which stands within so many keys.
struct Given<'a> {
    value: &'a Value,
    keys: usize,
}

impl Serialize for Given<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys = self.keys;
        match self.value {
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Given { value: item, keys })?;
                }
                seq.end()
            }
            Value::Object(map) => match Special::of(map).map_err(serde::ser::Error::custom)? {
                Some(special) => special.serialize(serializer),
                None => serialize_map(map, keys, serializer),
            },
            plain => plain.serialize(serializer),
        }
    }
}

fn serialize_map<S: Serializer>(map: &Map<String, Value>, keys: usize, serializer: S) -> Result<S::Ok, S::Error> {
    let mut out = serializer.serialize_map(Some(map.len()))?;
    for (key, value) in map {
        let given = Given { value, keys };
        match key.strip_prefix('$') {
            None => out.serialize_entry(key, &given)?,
            Some(literal) if literal.starts_with('$') => out.serialize_entry(literal, &given)?,
            Some(_) if keys >= KEYS_DEEP => return Err(serde::ser::Error::custom(too_deep())),
            Some(text) => {
                let key = key_from_json(text).map_err(serde::ser::Error::custom)?;
                out.serialize_entry(&Given { value: &key, keys: keys + 1 }, &given)?;
            }
        }
    }
    out.end()
}

/// A key that is no string, from its compact JSON and nothing else: two texts must not stand for one key.
fn key_from_json(text: &str) -> Result<Value, String> {
    let wrong = |reason: &str| format!("the key ${text} is not what a key is shown as: {reason}");
    let key: Value = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    let shown = key.to_string();
    if key.is_string() || shown != text {
        return Err(wrong("a string, or not compact"));
    }
    Ok(key)
}

/// What JSON cannot hold by itself.
enum Special {
    Bin(Vec<u8>),
    Float(f64),
    Ext(i8, Vec<u8>),
}

impl Special {
    fn of(map: &Map<String, Value>) -> Result<Option<Self>, String> {
        let mut entries = map.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else { return Ok(None) };
        let wrong = || format!("{key} has a value that does not belong to it: {value}");
        let special = match key.as_str() {
            "$bin" => value.as_str().and_then(decode_base64).map(Self::Bin),
            "$f64" => value.as_str().and_then(float).map(Self::Float),
            "$ext" => ext(value),
            _ => return Ok(None),
        };
        special.map(Some).ok_or_else(wrong)
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn float(name: &str) -> Option<f64> {
    match name {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn ext(value: &Value) -> Option<Special> {
    let [tag, data] = value.as_array()?.as_slice() else { return None };
    let tag = i8::try_from(tag.as_i64()?).ok()?;
    Some(Special::Ext(tag, decode_base64(data.as_str()?)?))
}

impl Serialize for Special {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bin(bytes) => serializer.serialize_bytes(bytes),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Ext(tag, data) => {
                serializer.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &(*tag, ExtData(data)))
            }
        }
    }
}

struct ExtData<'a>(&'a [u8]);

impl Serialize for ExtData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
