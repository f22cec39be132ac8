//! Tests of the store.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod cursors;
mod filters;
mod fixtures;
mod open;
mod paths;
mod projections;
mod queries;
mod read_only;
mod snapshots;
mod json;
mod chain;
mod model;
