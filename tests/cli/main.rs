//! Tests of the `batpak` program, run as a program.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use batpak::prelude::*;
use std::path::Path;
use std::process::{Command, Output};

fn batpak(arguments: &[&str], dir: &Path) -> Output {
    let (command, options) = arguments.split_first().expect("a command");
    Command::new(env!("CARGO_BIN_EXE_batpak")).arg(command).arg(dir).args(options).output().expect("run batpak")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Three events of one entity and one of another.
fn store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("directory");
    let store = Store::open(dir.path()).expect("open");
    for (entity, n) in [("seat:1", 0), ("seat:2", 1), ("seat:1", 2), ("seat:1", 3)] {
        let coordinate = Coordinate::new(entity, "hall").expect("coordinate");
        store.append(&coordinate, EventKind::custom(1, 1), &n).expect("append");
    }
    store.close().expect("close");
    dir
}

#[test]
fn stats_count_what_is_there() {
    let dir = store();
    let output = batpak(&["stats"], dir.path());
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success());
    assert_eq!((&shown["events"], &shown["entities"]), (&4.into(), &2.into()));
    assert_eq!(shown["closed_cleanly"], true);
}

#[test]
fn events_are_lines_of_json_that_options_narrow() {
    let dir = store();
    let payloads = |arguments: &[&str]| -> Vec<u64> {
        let output = batpak(arguments, dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines = text(&output.stdout).lines();
        lines
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).expect("JSON")["payload"].as_u64().expect("number")
            })
            .collect()
    };
    assert_eq!(payloads(&["events"]), [0, 1, 2, 3]);
    assert_eq!(payloads(&["events", "--entity", "seat:1"]), [0, 2, 3]);
    assert_eq!(payloads(&["events", "--entity", "seat:1", "--from", "1", "--limit", "1"]), [2]);
    assert_eq!(payloads(&["events", "--scope", "elsewhere"]), [] as [u64; 0]);
}

#[test]
fn a_changed_byte_fails_the_verification_and_names_the_place() {
    let dir = store();
    assert!(batpak(&["verify"], dir.path()).status.success());
    let segment = dir.path().join("0000000000.0000.fbat");
    let mut bytes = std::fs::read(&segment).expect("read");
    bytes[500] ^= 1;
    std::fs::write(&segment, bytes).expect("write");
    let output = batpak(&["verify"], dir.path());
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("segment 0 is damaged at offset"), "{}", text(&output.stderr));
}

#[test]
fn a_directory_without_a_store_is_one_clear_line() {
    let dir = tempfile::tempdir().expect("directory");
    let output = batpak(&["stats"], dir.path());
    assert!(!output.status.success());
    assert_eq!(text(&output.stderr).lines().count(), 1);
    assert!(text(&output.stderr).contains("no store"), "{}", text(&output.stderr));
}
