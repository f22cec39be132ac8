//! Derive macros for `batpak`.
//!
//! There are none yet: payloads derive `serde::Serialize` and `serde::Deserialize`, and a projection is a plain
//! `impl Projection`. The crate keeps the place of the typed derives, so that they come without a new dependency for
//! anybody.
#![forbid(unsafe_code)]
