//! A lock over the payloads of events: a test fails when a program could not read any more what is stored.

mod compare;
mod file;
mod questions;
mod readings;
mod shape;
mod trace;

use crate::{EventPayload, KindInfo};
use compare::Comparison;
use file::{Entry, LockFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Fails the test in which it stands when events that are stored could not be read any more, or when payloads have
/// changed and the lock file does not say so yet. With the feature `testing` only.
///
/// ```ignore
/// #[test]
/// fn stored_events_can_be_read() {
///     batpak::events_lock!("events.lock", AppEvent);
/// }
/// ```
///
/// The type is the enum of all events of the program. The file lies in the directory of the crate's `Cargo.toml` and is
/// committed. It keeps the shape of each kind and version, and payloads as they were stored: each variant, options with
/// and without a value, numbers at both ends. They are found by asking the `Deserialize` of the type, and written by
/// its `Serialize`. The test decodes all of them, also those of older versions, with the types of today, and compares
/// what they are read as with what the file says. So an `upcast` gives the same for the same payload each time.
///
/// What fails is one of two things, and the message says which, where, and how to mend it:
///
/// - A payload cannot be read: a field that is needed has another name, type or nesting, a variant is gone, an option
///   became required. The change is taken back, or the type gets a new version and a function from the old one. A kind
///   that has another name belongs here too: stores that hold it do not open.
/// - A payload can be read and is another one: there is a new kind, a new version, a new optional field; or a field is
///   gone, or an older payload is read as something else. If that is meant, run the test once with
///   `BATPAK_UPDATE_LOCK=1`, which writes the file.
///
/// Of some types asking finds no value, or tells too little: those that check what they are made of, those with
/// `#[serde(flatten)]`, `untagged` or `tag`, and those that take anything, such as `serde_json::Value`. The message says
/// which; give a value of that kind behind the type, and one for each variant within:
/// `events_lock!("events.lock", AppEvent, AppEvent::Invited(invitation))`. Of these, what no given value has is not
/// seen.
#[macro_export]
macro_rules! events_lock {
    ($file:literal, $events:ty $(, $sample:expr)* $(,)?) => {{
        let file = ::std::path::Path::new(::core::env!("CARGO_MANIFEST_DIR")).join($file);
        let update = ::std::env::var_os("BATPAK_UPDATE_LOCK").is_some_and(|value| value == "1");
        let samples: &[$events] = &[$($sample),*];
        if let ::core::result::Result::Err(error) = $crate::testing::check_events_lock(&file, samples, update) {
            ::core::panic!("{error}");
        }
    }};
}

const ANYTHING: &str = "it takes anything (`untagged`, `flatten`, or a type such as `serde_json::Value`), so asking does \
                        not tell what is stored there";

/// Why [`events_lock!`](crate::events_lock) fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventsLockError {
    /// Stored payloads could not be read any more.
    #[error("stored events could not be read any more.\n\n{0}")]
    Unreadable(String),
    /// Payloads are others than the file says, and what is stored can be read.
    #[error(
        "the events are others than the lock file says; what is stored can be read.\n\n{0}\nIf that is meant, run this \
         test once with BATPAK_UPDATE_LOCK=1 and commit the file."
    )]
    Changed(String),
    /// There is no lock file yet.
    #[error("there is no lock file {}.\nRun this test once with BATPAK_UPDATE_LOCK=1 and commit the file.", .0.display())]
    Missing(PathBuf),
    /// No value of a payload was found, or asking does not tell what is stored: one has to be given.
    #[error(
        "no payload of {name} was found to keep: at {path}, {reason}\nGive a value of it behind the type, and one for \
         each variant within: `events_lock!(\"events.lock\", AppEvent, AppEvent::Invited(…))`."
    )]
    NoSample {
        /// The name of the kind.
        name: &'static str,
        /// The field that has the fault, as far as that can be told.
        path: String,
        /// What `Deserialize` or `Serialize` says.
        reason: String,
    },
    /// The file is not what was written.
    #[error("line {line} of the lock file is not one of a lock file: take it from the last commit")]
    Syntax {
        /// The line, from 1.
        line: usize,
    },
    /// The file cannot be read or written.
    #[error("the lock file: {0}")]
    Io(#[from] io::Error),
}

/// What [`events_lock!`](crate::events_lock) does: compares the payloads of `T` with what `file` says. With `update` the
/// file is written, if all that is stored can be read.
///
/// # Errors
/// See [`EventsLockError`].
pub fn check_events_lock<T: EventPayload>(file: &Path, samples: &[T], update: bool) -> Result<(), EventsLockError> {
    let found = LockFile::read(file)?;
    let current = current(samples)?;
    if found.is_none() && !update {
        return Err(EventsLockError::Missing(file.to_owned()));
    }
    let locked = found.unwrap_or_default();
    let comparison = Comparison::of::<T>(&locked, &current);
    if let Some(text) = comparison.unreadable() {
        return Err(EventsLockError::Unreadable(text));
    }
    match comparison.changed() {
        Some(text) if !update => Err(EventsLockError::Changed(text)),
        None if !update || locked.says_readings => Ok(()),
        _ => Ok(locked.with::<T>(current).write(file)?),
    }
}

/// The newest versions, as they are now.
fn current<T: EventPayload>(samples: &[T]) -> Result<Vec<Entry>, EventsLockError> {
    T::KINDS.iter().map(|info| current_of(info, samples)).collect()
}

fn current_of<T: EventPayload>(info: &KindInfo, samples: &[T]) -> Result<Entry, EventsLockError> {
    let own = samples.iter().filter(|sample| sample.kind_info().kind == info.kind);
    let given: BTreeSet<Vec<u8>> = own.map(|sample| encoded(sample, info)).collect::<Result<_, _>>()?;
    let (shape, aliases, samples) = match trace::trace::<T>(info) {
        Ok(traced) => match shape::takes_anything(&traced.shape) {
            Some(path) if given.is_empty() => return Err(no_sample(info, path, ANYTHING)),
            _ => (traced.shape, traced.aliases, &traced.samples | &given),
        },
        Err(fault) if given.is_empty() => return Err(no_sample(info, &fault.path, fault.reason)),
        Err(_) => (shape::of_samples(&given), BTreeSet::new(), given),
    };
    let (kind, version, name, readings) = (info.kind, info.version, info.name.to_owned(), BTreeMap::new());
    Ok(Entry { kind, version, name, shape, aliases, samples, readings })
}

/// A given value as it is stored.
fn encoded<T: EventPayload>(sample: &T, info: &KindInfo) -> Result<Vec<u8>, EventsLockError> {
    let mut bytes = Vec::new();
    sample.encode(&mut bytes).map_err(|error| no_sample(info, "", error.to_string()))?;
    match T::decode(info.kind, info.version, &bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(no_sample(info, "", trace::not_read(&error))),
    }
}

fn no_sample(info: &KindInfo, path: &str, reason: impl Into<String>) -> EventsLockError {
    EventsLockError::NoSample { name: info.name, path: shape::shown(path).to_owned(), reason: reason.into() }
}
