//! A lock over the payloads of events: a test fails when a program could not read any more what is stored.

mod compare;
mod file;
mod questions;
mod shape;
mod trace;

use crate::EventPayload;
use compare::Comparison;
use file::{Entry, LockFile};
use std::collections::BTreeSet;
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
/// its `Serialize`. The test decodes all of them, also those of older versions, with the types of today.
///
/// What fails is one of two things, and the message says which, where, and how to mend it:
///
/// - A payload cannot be read: a field that is needed has another name, type or nesting, a variant is gone, an option
///   became required. The change is taken back, or the type gets a new version and a function from the old one.
/// - A payload can be read and is another one: there is a new kind, a new version, a new optional field; or a field is
///   gone. If that is meant, run the test once with `BATPAK_UPDATE_LOCK=1`, which writes the file.
///
/// Of some types no value can be found by asking: those that check what they are made of, and those with
/// `#[serde(flatten)]`, `untagged` or `tag`. The message says which; give a value, or several, behind the type:
/// `events_lock!("events.lock", AppEvent, AppEvent::Invited(invitation))`.
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
    /// No value of a payload was found.
    #[error(
        "no payload of {name} was found to keep: at {path}, {reason}\nGive one to `events_lock!`, behind the type."
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
    let Some(text) = comparison.changed() else { return Ok(()) };
    if !update {
        return Err(EventsLockError::Changed(text));
    }
    Ok(locked.with(current).write(file)?)
}

/// The newest versions, as they are now.
fn current<T: EventPayload>(samples: &[T]) -> Result<Vec<Entry>, EventsLockError> {
    T::KINDS
        .iter()
        .map(|info| {
            let own = samples.iter().filter(|sample| sample.kind_info().kind == info.kind);
            let given: BTreeSet<Vec<u8>> = own.map(|sample| encoded(sample, info.name)).collect::<Result<_, _>>()?;
            let (kind, version, name) = (info.kind, info.version, info.name.to_owned());
            match trace::trace::<T>(info) {
                Ok(traced) => {
                    let samples = traced.samples.into_iter().chain(given).collect();
                    Ok(Entry { kind, version, name, shape: traced.shape, aliases: traced.aliases, samples })
                }
                Err(_) if !given.is_empty() => {
                    let (shape, aliases) = (shape::of_samples(&given), BTreeSet::new());
                    Ok(Entry { kind, version, name, shape, aliases, samples: given })
                }
                Err(fault) => {
                    let (path, reason) = (shape::shown(&fault.path).to_owned(), fault.reason);
                    Err(EventsLockError::NoSample { name: info.name, path, reason })
                }
            }
        })
        .collect()
}

fn encoded<T: EventPayload>(sample: &T, name: &'static str) -> Result<Vec<u8>, EventsLockError> {
    let mut bytes = Vec::new();
    match sample.encode(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            let (path, reason) = (shape::shown("").to_owned(), error.to_string());
            Err(EventsLockError::NoSample { name, path, reason })
        }
    }
}
