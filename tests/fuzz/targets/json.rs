//! Payloads as JSON and back: any bytes, and any JSON.

use batpak::store::{payload_from_json, payload_to_json};
use serde_json::Value;

pub(super) fn run(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else { return };
    match which % 2 {
        0 => from_payload(rest),
        _ => from_text(rest),
    }
}

/// What can be shown can be given back, and is then shown the same.
fn from_payload(payload: &[u8]) {
    let Ok(shown) = payload_to_json(payload) else { return };
    let given = payload_from_json(&shown).expect("what was shown");
    assert_eq!(payload_to_json(&given).expect("what was given"), shown);
    // There is one way to write a value.
    assert_eq!(payload_from_json(&shown).expect("the same"), given);
}

/// What is taken is shown as it was given.
fn from_text(text: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    let Ok(payload) = payload_from_json(&value) else { return };
    assert_eq!(payload_to_json(&payload).expect("what was written"), value);
}
