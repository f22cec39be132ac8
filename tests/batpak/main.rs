//! Tests of the store.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod append;
mod batch;
mod chain;
mod conditions;
mod crash;
mod crashes;
mod cursors;
mod damage;
mod durability;
mod failure;
mod filters;
mod fixtures;
mod follow;
mod freezing;
mod histories;
mod idempotency;
mod json;
mod kinds;
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
mod salvage;
mod snapshots;
mod submit;
mod support;
mod verify;
