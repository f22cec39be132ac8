//! The shape of a payload: what stands at each path in it, as text.
//!
//! A path is the names of fields with a `.` before each but the first, `[]` for the elements of a list, `{}` for the
//! values of a map, `::` before a variant, and the position in a tuple as its name. That of the whole payload is empty.

use crate::store::payload_to_json;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Shape = BTreeMap<String, String>;

/// How a value is called that may be of any type.
pub(super) const ANYTHING: &str = "anything";

/// The first path at which anything is taken.
pub(super) fn takes_anything(shape: &Shape) -> Option<&str> {
    shape.iter().find(|(_, text)| text.ends_with(ANYTHING)).map(|(path, _)| path.as_str())
}

/// The path of a field, or of a position in a tuple.
pub(super) fn field(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A path in a message.
pub(super) fn shown(path: &str) -> &str {
    if path.is_empty() { "the payload" } else { path }
}

/// What can be told of a shape from payloads alone.
pub(super) fn of_samples(samples: &BTreeSet<Vec<u8>>) -> Shape {
    let mut shape = Shape::new();
    for value in samples.iter().filter_map(|sample| payload_to_json(sample).ok()) {
        add(&mut shape, "", &value);
    }
    shape
}

fn add(shape: &mut Shape, path: &str, value: &Value) {
    let text = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            for item in items {
                add(shape, &format!("{path}[]"), item);
            }
            "list"
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                add(shape, &field(path, name), value);
            }
            "struct or map"
        }
    };
    let texts = shape.entry(path.to_owned()).or_default();
    if !texts.split(" or ").any(|known| known == text) {
        *texts = if texts.is_empty() { text.to_owned() } else { format!("{texts} or {text}") };
    }
}
