//! Tests of the store.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod append;
mod batch;
mod causation;
mod chain;
mod conditions;
mod crash;
mod crashes;
mod cursors;
mod damage;
mod decide;
mod durability;
mod events_lock;
mod failure;
mod filters;
mod fixtures;
mod follow;
mod freezing;
mod gates;
mod guide;
mod histories;
mod idempotency;
mod json;
mod kinds;
mod kit;
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
mod transactions;
mod typed;
mod verify;
