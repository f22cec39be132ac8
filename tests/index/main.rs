//! Tests of the index.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod file;
mod fixtures;
mod live;
mod matches;
mod race;
