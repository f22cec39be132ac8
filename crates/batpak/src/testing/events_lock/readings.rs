//! What stored payloads are read as: the values they become, written again in the newest version of their type.

use super::file::{Entry, LockFile};
use crate::EventPayload;
use crate::store::payload_to_json;
use serde_json::Value;
use std::cmp::Reverse;
use std::error::Error;
use std::fmt::Write;

/// So many characters of a payload are shown.
const SHOWN_MAX: usize = 300;
/// So many payloads of a version are shown that are read as something else.
const LOST_MAX: usize = 3;

const MEND: &str = "Mend it: take the change back, so that these payloads are read as before; accept it, with \
                    BATPAK_UPDATE_LOCK=1, only if that is meant.\n";
const UNKNOWN: &str = "  the file does not say yet as what older payloads are read\n";

/// What a payload is read as, written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading(pub(super) Vec<u8>);

impl Reading {
    /// What a payload of a version is read as today, or why it is not.
    pub(super) fn of<T: EventPayload>(entry: &Entry, sample: &[u8]) -> Result<Self, String> {
        let value = T::decode(entry.kind, entry.version, sample)
            .map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))?;
        let mut payload = Vec::new();
        value.encode(&mut payload).map_err(|error| format!("it is read as a value that cannot be written: {error}"))?;
        Ok(Self(payload))
    }

    /// Whether it is the same value. The order of fields does not count.
    fn is_like(&self, other: &Self) -> bool {
        self == other || self.json().is_some_and(|json| Some(json) == other.json())
    }

    /// Whether there is all that was there before, and more.
    fn extends(&self, before: &Self) -> bool {
        self.json().zip(before.json()).is_some_and(|(is, was)| holds(&is, &was))
    }

    fn json(&self) -> Option<Value> {
        payload_to_json(&self.0).ok()
    }

    /// In a message, beside the payload that is read.
    fn shown(&self, sample: &[u8]) -> String {
        if self.0 == sample { "the same".to_owned() } else { shown(&self.0) }
    }
}

/// Whether all of a value is in another one.
fn holds(is: &Value, was: &Value) -> bool {
    match (is, was) {
        (Value::Object(is), Value::Object(was)) => {
            was.iter().all(|(name, was)| is.get(name).is_some_and(|is| holds(is, was)))
        }
        (Value::Array(is), Value::Array(was)) => {
            is.len() == was.len() && is.iter().zip(was).all(|(is, was)| holds(is, was))
        }
        _ => is == was,
    }
}

/// A payload in a message.
pub(super) fn shown(payload: &[u8]) -> String {
    let json = payload_to_json(payload).map_or_else(|_| format!("{payload:02x?}"), |value| value.to_string());
    json.chars().take(SHOWN_MAX).collect()
}

/// A payload that is read as something else than before.
struct Reread<'e> {
    sample: &'e [u8],
    was: Reading,
    is: Reading,
}

impl Reread<'_> {
    fn is_loss(&self) -> bool {
        !self.is.extends(&self.was)
    }
}

/// Payloads of a version that are read as something else than before; the longest first.
fn reread<T: EventPayload>(entry: &Entry) -> Vec<Reread<'_>> {
    let reads = entry.samples.iter().filter_map(|sample| {
        let (was, is) = (entry.reading(sample), Reading::of::<T>(entry, sample).ok()?);
        (!is.is_like(&was)).then_some(Reread { sample, was, is })
    });
    let mut reread: Vec<_> = reads.collect();
    reread.sort_by_key(|reread| Reverse(reread.sample.len()));
    reread
}

/// Says which payloads of a version are read as something else than the file says. `others` is whether something else
/// is told of it: then what is read with new fields only is no news.
pub(super) fn differences<T: EventPayload>(locked: &LockFile, entry: &Entry, others: bool) -> String {
    let all = reread::<T>(entry);
    let lost: Vec<_> = all.iter().filter(|reread| reread.is_loss()).take(LOST_MAX).collect();
    let told = match (all.first(), lost.is_empty()) {
        (_, false) => lost,
        (Some(first), true) if !others => vec![first],
        _ => return String::new(),
    };
    let mut lines = if locked.says_readings { String::new() } else { UNKNOWN.to_owned() };
    for Reread { sample, was, is } in &told {
        let _ = writeln!(lines, "  stored: {}", shown(sample));
        if locked.says_readings {
            let _ = writeln!(lines, "  was read as: {}", was.shown(sample));
        }
        let _ = writeln!(lines, "  is read as: {}", is.shown(sample));
    }
    if all.len() > told.len() {
        let _ = writeln!(lines, "  and {} more that are read as something else", all.len() - told.len());
    }
    lines + MEND
}

/// Says of a payload of each version that is stored what a new version makes of it.
pub(super) fn of_new_version<T: EventPayload>(locked: &LockFile, new: &Entry) -> String {
    let mut lines = String::new();
    for entry in locked.entries.iter().filter(|entry| entry.kind == new.kind) {
        let longest = entry.samples.iter().max_by_key(|sample| sample.len());
        let Some((sample, is)) = longest.and_then(|sample| Some((sample, Reading::of::<T>(entry, sample).ok()?)))
        else {
            continue;
        };
        let _ = writeln!(lines, "  version {}, stored: {}", entry.version, shown(sample));
        let _ = writeln!(lines, "    is read as: {}", is.shown(sample));
    }
    lines
}
