//! Runs what is lock-free in every order in which its threads can meet, up to a bound.
//!
//! `--cfg loom` exchanges the atomics of the crates for modelled ones, also those of dependencies that know it, so all of
//! it is built in a directory of its own.

use crate::command::{cargo, run as run_command};
use crate::error::Error;
use crate::workspace::target_directory;

/// How often a thread is interrupted where it need not be, in each order that is tried.
const PREEMPTIONS: &str = "3";
/// How many steps of all threads together there may be in an order, before it is taken for one without an end.
const BRANCHES: &str = "20000";

pub(crate) fn run() -> Result<(), Error> {
    let place = target_directory()?.join("loom");
    let mut test =
        cargo(&["test", "--lib", "-p", "batpak-segment", "-p", "batpak-index", "-p", "batpak", "--target-dir"]);
    test.arg(place).arg("interleavings::");
    test.env("RUSTFLAGS", "--cfg loom").env("LOOM_MAX_PREEMPTIONS", PREEMPTIONS).env("LOOM_MAX_BRANCHES", BRANCHES);
    run_command(&mut test)
}
