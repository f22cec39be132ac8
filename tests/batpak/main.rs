//! Tests of the store.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fixtures;
mod open;
mod paths;
mod read_only;
