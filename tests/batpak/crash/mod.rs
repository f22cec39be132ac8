//! Processes that are killed, file systems that lose their power, syncs that fail, all at any moment: what was promised
//! is there.
//!
//! A child process appends and reports each receipt before it goes on. What those reports promise is kept in a
//! [`History`](history::History), and every opening that follows is held against it.

mod child;
mod disk;
mod failed_sync;
mod history;
mod kill;
mod power;
mod process;
mod report;
mod workload;

use std::fmt::Display;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const ROUNDS: &str = "BATPAK_CRASH_ROUNDS";
const SEED: &str = "BATPAK_CRASH_SEED";

fn rounds(default: u32) -> u32 {
    std::env::var(ROUNDS).map_or(default, |rounds| rounds.parse().expect("a number"))
}

fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    std::env::var(SEED).map_or(u64::from(since.subsec_nanos()), |seed| seed.parse().expect("a number"))
}

/// Shown if the test fails, and with `--nocapture`.
fn say(text: impl Display) {
    writeln!(std::io::stderr(), "{text}").expect("is written");
}
