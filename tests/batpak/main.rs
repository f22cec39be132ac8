//! Tests of the store.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod append;
mod batch;
mod chain;
mod conditions;
mod crash;
mod cursors;
mod durability;
mod failure;
mod filters;
mod fixtures;
mod follow;
mod freezing;
mod idempotency;
mod json;
mod limits;
mod load;
mod model;
mod open;
mod options;
mod paths;
mod policy;
mod projections;
mod queries;
#[path = "../random.rs"]
mod random;
mod read_only;
mod snapshots;
mod submit;
mod support;
