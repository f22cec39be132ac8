//! What a read comes to: how many events, and a sum over what was decoded of them. Every engine has to come to the same.

use batpak::EventPayload;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::Failure;

/// What a payload is made into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decoding {
    Json,
    Typed,
}

/// A payload, typed, with strings of its own.
#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "order")]
pub(crate) struct Decoded {
    order: u32,
    cents: u32,
    at: u64,
    item: String,
    by: String,
}

impl Decoded {
    pub(crate) fn check(&self) -> u64 {
        check(u64::from(self.order), self.item.as_bytes())
    }
}

pub(crate) fn check_json(payload: &Value) -> u64 {
    let item = payload["item"].as_str().unwrap_or_default();
    check(payload["order"].as_u64().unwrap_or(0), item.as_bytes())
}

/// A number that depends on the event: of the payload's first and last but one field.
pub(crate) fn check(order: u64, item: &[u8]) -> u64 {
    order.wrapping_add(item.first_chunk().map_or(0, |head| u64::from_le_bytes(*head)))
}

pub(crate) fn of_payload(payload: &[u8], decoding: Decoding) -> Result<u64, Failure> {
    Ok(match decoding {
        Decoding::Json => check_json(&rmp_serde::from_slice(payload)?),
        Decoding::Typed => rmp_serde::from_slice::<Decoded>(payload)?.check(),
    })
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) events: u64,
    sum: u64,
}

impl Answer {
    pub(crate) fn one(check: u64) -> Self {
        Self { events: 1, sum: check }
    }

    pub(crate) fn add(&mut self, check: u64) {
        self.events += 1;
        self.sum = self.sum.wrapping_add(check);
    }

    pub(crate) fn add_row(&mut self, revision: u64, sequence: u64) {
        self.add(revision.wrapping_mul(31).wrapping_add(sequence));
    }

    /// # Errors
    /// If it is not `expected`.
    pub(crate) fn expect(self, expected: Self) -> Result<(), Failure> {
        if self == expected { Ok(()) } else { Err(format!("wrong answer: {self:?} instead of {expected:?}").into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoding, of_payload};
    use crate::event::Event;

    #[test]
    fn however_it_is_decoded_a_payload_comes_to_the_same() {
        for n in [0, 1, 999, 123_456] {
            let payload = Event::nth(0, 1, n).payload();
            let bytes = rmp_serde::to_vec_named(&payload).unwrap();
            for decoding in [Decoding::Json, Decoding::Typed] {
                assert_eq!(of_payload(&bytes, decoding).unwrap(), payload.check());
            }
        }
    }
}
