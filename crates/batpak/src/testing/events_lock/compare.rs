//! What is different between the lock file and the program.

use super::file::{Entry, LockFile};
use super::readings::{self, Reading};
use super::shape::shown;
use crate::{EventPayload, KindInfo};
use std::fmt::Write;

/// All differences, as texts.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    unreadable: String,
    changed: String,
}

impl Comparison {
    pub(super) fn of<T: EventPayload>(locked: &LockFile, current: &[Entry]) -> Self {
        let mut comparison = Self::default();
        for entry in &locked.entries {
            let now = current.iter().find(|now| now.kind == entry.kind);
            match (T::info_of(entry.kind), now) {
                (Some(info), Some(now)) => comparison.add_locked::<T>(locked, entry, info, now),
                _ => comparison.add_removed::<T>(entry),
            }
        }
        for now in current {
            if locked.entry(now.kind, now.version).is_none() {
                let readings = readings::of_new_version::<T>(locked, now);
                let _ = write!(comparison.changed, "{}\n  it is not in the lock file\n{readings}", head(now));
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
        (!self.changed.is_empty()).then(|| format!("{}\n", self.changed.trim_end()))
    }

    fn add_removed<T: EventPayload>(&mut self, entry: &Entry) {
        let why = match T::KINDS.iter().find(|info| info.name == entry.name) {
            Some(info) => format!("{} is {} now: give it its type_id back", info.name, info.kind),
            None => "no payload type has this kind any more: put it back, also if nothing writes it now".to_owned(),
        };
        let _ = writeln!(self.unreadable, "{}\n  {why}", head(entry));
    }

    fn add_locked<T: EventPayload>(&mut self, locked: &LockFile, entry: &Entry, info: &KindInfo, now: &Entry) {
        let newest_locked = locked.newest(entry.kind);
        if entry.version == newest_locked && entry.name != info.name {
            self.add_renamed(entry, info);
        }
        let is_newest = entry.version == info.version;
        let mut differences = if is_newest { differences(entry, now) } else { String::new() };
        if let Some(why) = first_unreadable::<T>(entry) {
            let remedy = remedy(entry, info);
            let _ = writeln!(self.unreadable, "{}\n{differences}{why}{remedy}", head(entry));
            return;
        }
        // Each payload is read as something else once the newest version is another one: that is told of the new one.
        if newest_locked == info.version {
            differences += &readings::differences::<T>(locked, entry, !differences.is_empty());
        }
        if !differences.is_empty() {
            let _ = writeln!(self.changed, "{}\n{differences}", head(entry));
        }
    }

    /// A store knows the name of each kind that it holds.
    fn add_renamed(&mut self, entry: &Entry, info: &KindInfo) {
        let (head, was, is) = (head(entry), &entry.name, info.name);
        let _ = writeln!(
            self.unreadable,
            "{head}\n  its name was {was}, and is {is}: put the name back; stores that hold this kind do not open with \
             the new one"
        );
    }
}

fn head(entry: &Entry) -> String {
    format!("{} ({}), version {}:", entry.name, entry.kind, entry.version)
}

/// The first payload that cannot be read, and why.
fn first_unreadable<T: EventPayload>(entry: &Entry) -> Option<String> {
    let mut reads = entry.samples.iter().map(|sample| (sample, Reading::of::<T>(entry, sample).err()));
    let (sample, reason) = reads.find_map(|(sample, reason)| Some((sample, reason?)))?;
    Some(format!("  stored: {}\n  {reason}\n", readings::shown(sample)))
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
        lines.push_str("  the same values are stored as other bytes, or others are given\n");
    }
    lines
}
