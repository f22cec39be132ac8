//! What the derive of `EventPayload` calls. Nothing here is for use by hand, and nothing is promised.

mod read_variant;
mod write_variant;

pub use read_variant::read_variant;
pub use serde;
pub use write_variant::write_variant;

use crate::KindInfo;
use batpak_core::EventKind;
use serde::de::{DeserializeOwned, Deserializer, Error};
use std::fmt::Display;

/// Reads an older version and takes it one step further.
///
/// # Errors
/// What the format returns.
pub fn upcast<'de, D: Deserializer<'de>, Old: DeserializeOwned, New>(
    from: D,
    step: fn(Old) -> New,
) -> Result<New, D::Error> {
    Old::deserialize(from).map(step)
}

/// Takes what was read one more step further.
///
/// # Errors
/// What reading it has returned.
pub fn further<Old, New, E>(read: Result<Old, E>, step: fn(Old) -> New) -> Result<New, E> {
    read.map(step)
}

/// A kind that the type does not have.
pub fn other_kind<E: Error>(kind: EventKind) -> E {
    E::custom(format_args!("kind {kind} is none of the type's"))
}

/// One list of several.
///
/// # Panics
/// If they have not `LEN` elements together.
pub const fn join<const LEN: usize>(lists: &[&[KindInfo]]) -> [KindInfo; LEN] {
    const NONE: KindInfo = KindInfo { kind: EventKind::from_u16(0), version: 0, name: "", fields: &[] };
    let mut all = [NONE; LEN];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        let mut item = 0;
        while item < lists[list].len() {
            all[at] = lists[list][item];
            at += 1;
            item += 1;
        }
        list += 1;
    }
    assert!(at == LEN, "the lists have as many kinds as was said");
    all
}

/// The kinds alone.
///
/// # Panics
/// If there are not `LEN`.
pub const fn kinds<const LEN: usize>(infos: &[KindInfo]) -> [EventKind; LEN] {
    assert!(infos.len() == LEN, "there are as many kinds as was said");
    let mut all = [EventKind::from_u16(0); LEN];
    let mut at = 0;
    while at < LEN {
        all[at] = infos[at].kind;
        at += 1;
    }
    all
}

/// Whether no kind and no name is in both lists.
pub const fn are_disjoint(one: &[KindInfo], other: &[KindInfo]) -> bool {
    let mut a = 0;
    while a < one.len() {
        let mut b = 0;
        while b < other.len() {
            if one[a].kind.as_u16() == other[b].kind.as_u16() || is_same(one[a].name, other[b].name) {
                return false;
            }
            b += 1;
        }
        a += 1;
    }
    true
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Said where a value comes that is no variant of an enum: the enum implements serde by hand, or serde was told to store
/// it in another way.
fn no_variant(what: impl Display) -> String {
    format!("an enum whose variants are kinds is stored by its variants, and this is {what}: derive its serde traits")
}
