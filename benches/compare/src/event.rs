//! The events that every engine is given: 68 bytes of MessagePack each, for a thousand entities in turn.

use std::sync::LazyLock;

use serde::{Serialize, Serializer};

use crate::answer::check;
use crate::engine::Failure;

pub(crate) const ENTITIES: u64 = 1000;
pub(crate) const SCOPE: &str = "bench";
pub(crate) const PAYLOAD_LEN: usize = 68;
/// Of the key that a key-value store is given: entity and revision.
pub(crate) const KEY_LEN: usize = ENTITY_LEN + size_of::<u64>();
pub(crate) const NAMES_LEN: usize = ENTITY_LEN + SCOPE.len();

pub(crate) const ENTITY_LEN: usize = "account-0000".len();
/// Of what stands before the payload in a record: revision, sequence, time, kind, names.
pub(crate) const RECORD_HEAD_LEN: usize = 3 * size_of::<u64>() + size_of::<u16>() + NAMES_LEN;
const KIND: u16 = 0x1001;
const NINE_BYTES: u64 = 1_750_000_000_000_000_000;

static NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..ENTITIES).map(|number| format!("account-{number:04}")).collect());

pub(crate) fn names() -> &'static [String] {
    &NAMES
}

/// One event. What it holds follows from its sequence, so that every engine is given the same.
#[derive(Clone, Copy)]
pub(crate) struct Event {
    pub(crate) entity: usize,
    pub(crate) revision: u64,
    pub(crate) sequence: u64,
}

impl Event {
    /// The event number `n` of one of several threads. Each has entities of its own, and goes round them.
    pub(crate) fn nth(thread: u64, threads: u64, n: u64) -> Self {
        let own = (ENTITIES / threads).max(1);
        let entity = (thread + threads * (n % own)) % ENTITIES;
        Self { entity: usize::try_from(entity).unwrap_or(0), revision: n / own, sequence: thread + threads * n }
    }

    pub(crate) fn name(&self) -> &'static str {
        &names()[self.entity]
    }

    pub(crate) fn payload(&self) -> Payload {
        let random = mix(self.sequence);
        Payload {
            order: low_half(self.sequence) | 1 << 31,
            cents: low_half(random) | 1 << 31,
            at: NINE_BYTES + self.sequence * 1000,
            item: Hex(random),
            by: ["billing", "counter", "android", "desktop"][self.entity % 4],
        }
    }

    /// What a key-value store finds the event by: entities together, each in the order of its revisions.
    pub(crate) fn key(&self) -> [u8; KEY_LEN] {
        key(self.name(), self.revision)
    }

    /// What a peer is given to keep: position, time, kind, names and payload.
    pub(crate) fn record(&self, buffer: &mut Vec<u8>) -> Result<(), Failure> {
        buffer.extend_from_slice(&self.revision.to_le_bytes());
        buffer.extend_from_slice(&self.sequence.to_le_bytes());
        buffer.extend_from_slice(&(NINE_BYTES + self.sequence * 1000).to_le_bytes());
        buffer.extend_from_slice(&KIND.to_le_bytes());
        buffer.extend_from_slice(self.name().as_bytes());
        buffer.extend_from_slice(SCOPE.as_bytes());
        Ok(rmp_serde::encode::write_named(buffer, &self.payload())?)
    }
}

/// What an event is found by: its entity, one of [`names`], and its revision.
pub(crate) fn key(entity: &str, revision: u64) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    key[..ENTITY_LEN].copy_from_slice(entity.as_bytes());
    key[ENTITY_LEN..].copy_from_slice(&revision.to_be_bytes());
    key
}

#[derive(Serialize)]
pub(crate) struct Payload {
    order: u32,
    cents: u32,
    at: u64,
    item: Hex,
    by: &'static str,
}

impl Payload {
    /// What whoever decoded it comes to: see [`crate::answer`].
    pub(crate) fn check(&self) -> u64 {
        check(u64::from(self.order), &self.item.digits())
    }
}

/// A number as 16 hexadecimal digits.
struct Hex(u64);

impl Hex {
    fn digits(&self) -> [u8; 16] {
        let mut digits = [0; 16];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[((self.0 >> (4 * place)) & 15) as usize];
        }
        digits
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// Numbers that look random, the same for the same `n` (splitmix64).
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn low_half(n: u64) -> u32 {
    u32::try_from(n & u64::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{ENTITIES, Event, PAYLOAD_LEN};

    #[test]
    fn every_payload_has_the_stated_length() {
        for n in [0, 1, 999, 1000, 1_000_000, u64::from(u32::MAX)] {
            let bytes = rmp_serde::to_vec_named(&Event::nth(0, 1, n).payload()).unwrap();
            assert_eq!(bytes.len(), PAYLOAD_LEN);
        }
    }

    #[test]
    fn threads_share_no_entity_and_revisions_have_no_gap() {
        for threads in [1, 3, 16, 64] {
            let mut next = vec![0; usize::try_from(ENTITIES).unwrap()];
            let mut owner = HashSet::new();
            for thread in 0..threads {
                for n in 0..3 * ENTITIES {
                    let event = Event::nth(thread, threads, n);
                    owner.insert((event.entity, thread));
                    assert_eq!(event.revision, next[event.entity]);
                    next[event.entity] += 1;
                }
            }
            let entities: HashSet<usize> = owner.iter().map(|(entity, _)| *entity).collect();
            assert_eq!(entities.len(), owner.len());
        }
    }
}
