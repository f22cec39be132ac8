//! Tests of the index.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod fixtures;
mod keys;
mod matches;
mod merging;
mod part;
mod race;
mod tiers;
