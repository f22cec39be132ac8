//! What batpak-core promises.
#![expect(clippy::unwrap_used, reason = "a test ends there, with what went wrong")]

mod chain;
mod coordinate;
mod description;
mod event;
mod fields;
mod hostile;
mod id;
mod kind;
mod merkle;
mod record;
mod region;
mod samples;
#[cfg(feature = "serde")]
mod serde_forms;
mod stub;
mod time;
