//! A `MessagePack` value, and how the document shows it as JSON.

use crate::bytes::{Bytes, Result, check, index};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Text(String),
    Bin(Vec<u8>),
    Ext(i8, Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

/// Reads a payload: one value and nothing behind it.
pub(crate) fn read(payload: &[u8]) -> Result<Value> {
    let mut bytes = Reader(Bytes(payload));
    let value = bytes.value()?;
    bytes.0.end()?;
    Ok(value)
}

/// Reads a payload and shows it as JSON.
pub(crate) fn to_json(payload: &[u8]) -> Result<Json> {
    read(payload).map(|value| json_of(&value))
}

/// `MessagePack` is most significant byte first, unlike everything around it.
struct Reader<'a>(Bytes<'a>);

impl Reader<'_> {
    fn value(&mut self) -> Result<Value> {
        Ok(match self.0.u8()? {
            tag @ 0x00..=0x7F => Value::Unsigned(u64::from(tag)),
            tag @ 0x80..=0x8F => self.map(u64::from(tag & 0x0F))?,
            tag @ 0x90..=0x9F => self.array(u64::from(tag & 0x0F))?,
            tag @ 0xA0..=0xBF => self.text(u64::from(tag & 0x1F))?,
            0xC0 => Value::Nil,
            0xC1 => return Err("the tag 0xc1".to_owned()),
            tag @ 0xC2..=0xC3 => Value::Bool(tag == 0xC3),
            tag @ 0xC4..=0xC6 => Value::Bin(self.sized(tag - 0xC4)?),
            tag @ 0xC7..=0xC9 => {
                let len = self.uint(tag - 0xC7)?;
                self.ext(len)?
            }
            0xCA => Value::F32(f32::from_be_bytes(self.0.array()?)),
            0xCB => Value::F64(f64::from_be_bytes(self.0.array()?)),
            tag @ 0xCC..=0xCF => Value::Unsigned(self.uint(tag - 0xCC)?),
            0xD0 => Value::Signed(i64::from(i8::from_be_bytes(self.0.array()?))),
            0xD1 => Value::Signed(i64::from(i16::from_be_bytes(self.0.array()?))),
            0xD2 => Value::Signed(i64::from(i32::from_be_bytes(self.0.array()?))),
            0xD3 => Value::Signed(i64::from_be_bytes(self.0.array()?)),
            tag @ 0xD4..=0xD8 => self.ext(1 << (tag - 0xD4))?,
            tag @ 0xD9..=0xDB => {
                let len = self.uint(tag - 0xD9)?;
                self.text(len)?
            }
            tag @ 0xDC..=0xDD => {
                let len = self.uint(tag - 0xDB)?;
                self.array(len)?
            }
            tag @ 0xDE..=0xDF => {
                let len = self.uint(tag - 0xDD)?;
                self.map(len)?
            }
            tag @ 0xE0..=0xFF => Value::Signed(i64::from(i8::from_be_bytes([tag]))),
        })
    }

    /// An unsigned integer of 1, 2, 4 or 8 bytes.
    fn uint(&mut self, log_size: u8) -> Result<u64> {
        let bytes = self.0.take(1 << log_size)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn sized(&mut self, log_size: u8) -> Result<Vec<u8>> {
        let len = self.uint(log_size)?;
        self.0.take(index(len)).map(<[u8]>::to_vec)
    }

    fn text(&mut self, len: u64) -> Result<Value> {
        let bytes = self.0.take(index(len))?;
        Ok(std::str::from_utf8(bytes).map_or_else(|_| Value::Bin(bytes.to_vec()), |text| Value::Text(text.to_owned())))
    }

    fn ext(&mut self, len: u64) -> Result<Value> {
        let kind = i8::from_be_bytes(self.0.array()?);
        Ok(Value::Ext(kind, self.0.take(index(len))?.to_vec()))
    }

    fn array(&mut self, len: u64) -> Result<Value> {
        check(len <= self.0.len() as u64, || format!("{len} values in {} bytes", self.0.len()))?;
        (0..len).map(|_| self.value()).collect::<Result<_>>().map(Value::Array)
    }

    fn map(&mut self, len: u64) -> Result<Value> {
        check(len <= self.0.len() as u64, || format!("{len} entries in {} bytes", self.0.len()))?;
        (0..len).map(|_| Ok((self.value()?, self.value()?))).collect::<Result<_>>().map(Value::Map)
    }
}

pub(crate) fn json_of(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Unsigned(value) => json!(value),
        Value::Signed(value) => json!(value),
        Value::F32(value) => float(f64::from(*value)),
        Value::F64(value) => float(*value),
        Value::Text(value) => json!(value),
        Value::Bin(bytes) => json!({"$bin": STANDARD.encode(bytes)}),
        Value::Ext(kind, bytes) => json!({"$ext": [kind, STANDARD.encode(bytes)]}),
        Value::Array(values) => values.iter().map(json_of).collect(),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key_of(key), json_of(value))).collect::<Map<_, _>>())
        }
    }
}

fn float(value: f64) -> Json {
    match value {
        _ if value.is_finite() => json!(value),
        _ if value.is_nan() => json!({"$f64": "NaN"}),
        _ if value > 0.0 => json!({"$f64": "Infinity"}),
        _ => json!({"$f64": "-Infinity"}),
    }
}

fn key_of(key: &Value) -> String {
    match key {
        Value::Text(text) if text.starts_with('$') => format!("${text}"),
        Value::Text(text) => text.clone(),
        other => format!("${}", json_of(other)),
    }
}
