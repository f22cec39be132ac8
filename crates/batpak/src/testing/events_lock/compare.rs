//! What is different between the lock file and the program.

use super::file::{Entry, LockFile};
use super::shape::shown;
use crate::store::payload_to_json;
use crate::{EventPayload, KindInfo};
use std::error::Error;
use std::fmt::Write;

/// So many characters of a payload are shown.
const SHOWN_MAX: usize = 300;

/// All differences, as texts.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    unreadable: String,
    changed: String,
}

impl Comparison {
    pub(super) fn of<T: EventPayload>(locked: &LockFile, current: &[Entry]) -> Self {
        let mut comparison = Self::default();
        for entry in &locked.0 {
            let now = current.iter().find(|now| now.kind == entry.kind);
            match (T::info_of(entry.kind), now) {
                (Some(info), Some(now)) => comparison.add_locked::<T>(entry, info, now),
                _ => comparison.add_removed(entry),
            }
        }
        for now in current {
            if locked.entry(now.kind, now.version).is_none() {
                let _ = writeln!(comparison.changed, "{}\n  it is not in the lock file", head(now));
            }
        }
        comparison
    }

    /// What cannot be read any more, and how to mend it.
    pub(super) fn unreadable(&self) -> Option<String> {
        (!self.unreadable.is_empty()).then(|| self.unreadable.clone())
    }

    /// What else is different.
    pub(super) fn changed(&self) -> Option<String> {
        (!self.changed.is_empty()).then(|| self.changed.clone())
    }

    fn add_removed(&mut self, entry: &Entry) {
        let _ = writeln!(
            self.unreadable,
            "{}\n  no payload type has this kind any more: put it back, also if nothing writes it now",
            head(entry)
        );
    }

    fn add_locked<T: EventPayload>(&mut self, entry: &Entry, info: &KindInfo, now: &Entry) {
        let is_newest = entry.version == info.version;
        let differences = if is_newest { differences(entry, now) } else { String::new() };
        match first_unreadable::<T>(entry) {
            Some(why) => {
                let remedy = remedy(entry, info);
                let _ = writeln!(self.unreadable, "{}\n{differences}{why}{remedy}", head(entry));
            }
            None if !differences.is_empty() => {
                let _ = writeln!(self.changed, "{}\n{differences}", head(entry).trim_end());
            }
            None => {}
        }
    }
}

fn head(entry: &Entry) -> String {
    format!("{} ({}), version {}:", entry.name, entry.kind, entry.version)
}

/// The first payload that cannot be read, and why.
fn first_unreadable<T: EventPayload>(entry: &Entry) -> Option<String> {
    let mut reads = entry.samples.iter().map(|sample| (sample, T::decode(entry.kind, entry.version, sample).err()));
    let (sample, error) = reads.find_map(|(sample, error)| Some((sample, error?)))?;
    let shown = payload_to_json(sample).map_or_else(|_| format!("{sample:02x?}"), |value| value.to_string());
    let shown: String = shown.chars().take(SHOWN_MAX).collect();
    let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Some(format!("  stored: {shown}\n  {reason}\n"))
}

fn remedy(entry: &Entry, info: &KindInfo) -> String {
    let (locked, known) = (entry.version, info.version);
    if locked > known {
        return format!(
            "Mend it: payloads have been stored with version {locked}, so the type has at least that one.\n"
        );
    }
    if locked < known {
        return format!(
            "Mend it: the type from which `upcast` takes version {locked} stays as it was, and what it is made of too.\n"
        );
    }
    let next = locked + 1;
    let (last, all) = (format!("Self::from_v{locked}"), if locked == 1 { "" } else { "…, " });
    format!(
        "Mend it: take the change back (`#[serde(alias = …)]` keeps the old name of a field, `#[serde(default)]` reads a \
         field that is not there), or keep the type as it was under another name, say `version = {next}, \
         upcast({all}{last})`, and write that function, which takes the old type.\n"
    )
}

/// Where the shape is another one, a line for each path.
fn differences(entry: &Entry, now: &Entry) -> String {
    let mut lines = String::new();
    if entry.name != now.name {
        let _ = writeln!(lines, "  its name was {}, and is {}", entry.name, now.name);
    }
    for (path, was) in &entry.shape {
        let path_shown = shown(path);
        match now.shape.get(path) {
            Some(is) if is == was => {}
            Some(is) => {
                let _ = writeln!(lines, "  {path_shown}: was {was}, is {is}");
            }
            None if now.aliases.contains(path) => {
                let _ = writeln!(lines, "  {path_shown}: is another name of a field now");
            }
            None => {
                let _ =
                    writeln!(lines, "  {path_shown}: is gone (was {was}); what is stored there is not read any more");
            }
        }
    }
    for (path, is) in now.shape.iter().filter(|(path, _)| !entry.shape.contains_key(*path)) {
        let _ = writeln!(lines, "  {}: is new, {is}", shown(path));
    }
    if lines.is_empty() && !now.samples.is_subset(&entry.samples) {
        lines.push_str("  the same values are stored as other bytes\n");
    }
    lines
}
