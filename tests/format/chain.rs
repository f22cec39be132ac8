//! Hashes: of a payload, of an event, of the chain of an entity, and the head of a store.

use crate::bytes::{Result, check};
use crate::encode;
use crate::record::{Content, Event};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

pub(crate) type Hash = [u8; 32];

/// Size and root of a Merkle tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

pub(crate) fn payload_hash(content: &Content) -> Hash {
    match content {
        Content::Payload { salt, payload } => sha256(&[b"batpak:p", salt, payload]),
        Content::Erased { payload_hash } | Content::Dropped { payload_hash } => *payload_hash,
    }
}

/// The hash that an event has after one with the hash `previous`.
pub(crate) fn event_hash(event: &Event, previous: &Hash) -> Hash {
    let (revision, time) = (event.revision.to_le_bytes(), event.time.to_le_bytes());
    let (head, payload_hash) = (encode::head(event, 0), payload_hash(&event.content));
    sha256(&[b"batpak:e", &head, &payload_hash, &event.id, &revision, &time, previous])
}

/// Recomputes every hash that can be, each entity's revisions, and the head.
pub(crate) fn verify(events: &[Event]) -> Result<Head> {
    let mut newest: HashMap<&str, (u64, Hash)> = HashMap::new();
    for event in events {
        let (revision, previous) = newest.get(event.entity.as_str()).copied().unwrap_or((0, [0; 32]));
        check(event.revision == revision, || format!("{} {} where {revision} follows", event.entity, event.revision))?;
        let dropped = matches!(event.content, Content::Dropped { .. });
        let holds = dropped || event.hash == event_hash(event, &previous);
        check(holds, || format!("hash of {} {revision}", event.entity))?;
        newest.insert(&event.entity, (revision + 1, event.hash));
    }
    let hashes: Vec<Hash> = events.iter().map(|event| event.hash).collect();
    Ok(head(&hashes))
}

pub(crate) fn head(hashes: &[Hash]) -> Head {
    Head { size: hashes.len() as u64, root: root(hashes) }
}

/// RFC 6962, section 2.1.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => sha256(&[&[0], leaf]),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &root(left), &root(right)])
        }
    }
}
