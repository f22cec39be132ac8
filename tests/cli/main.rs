//! Tests of the `batpak` program, run as a program.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use batpak::prelude::*;
use serde::{Deserialize, Serialize};
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

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 2, name = "seat.taken")]
struct Taken {
    by: String,
}

#[test]
fn kinds_that_were_described_are_shown_by_name() {
    let dir = store();
    let reopened = Store::open(dir.path()).expect("open");
    reopened
        .append_typed(&Coordinate::new("seat:1", "hall").expect("coordinate"), &Taken { by: "ann".to_owned() })
        .expect("append");
    reopened.close().expect("close");
    let lines = |command| -> Vec<serde_json::Value> {
        let output = batpak(&[command], dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let kind = serde_json::json!({"kind": "1:002", "version": 1, "name": "seat.taken", "fields": ["by"]});
    assert_eq!(lines("kinds"), [kind]);
    let kinds: Vec<_> = lines("events").iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["1:001", "1:001", "1:001", "1:001", "seat.taken"]);
}

/// A store with a changed byte in its second event.
fn damaged() -> tempfile::TempDir {
    let dir = store();
    let segment = dir.path().join("0000000000.0000.fbat");
    let mut bytes = std::fs::read(&segment).expect("read");
    // The first frame with an event is at 360.
    let second = 360 + usize::from(bytes[364]);
    bytes[second + 60] ^= 1;
    std::fs::write(&segment, bytes).expect("write");
    dir
}

#[test]
fn a_changed_byte_fails_the_verification_and_names_the_place() {
    assert!(batpak(&["verify"], store().path()).status.success());
    let output = batpak(&["verify"], damaged().path());
    assert!(!output.status.success());
    let lines = text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let findings: Vec<serde_json::Value> = lines.collect();
    assert!(findings[0]["error"].as_str().is_some_and(|error| error.starts_with("segment 0 is damaged at offset")));
    assert_eq!((&findings[1]["subject"], &findings[1]["events"]), (&"event".into(), &serde_json::json!([1, 1])));
    assert!(text(&output.stderr).contains("2 findings, 3 events read, 1 lost"), "{}", text(&output.stderr));
}

#[test]
fn what_is_left_is_salvaged_and_what_is_lost_is_listed() {
    let (dir, into) = (damaged(), tempfile::tempdir().expect("directory"));
    let output = batpak(&["salvage", into.path().to_str().expect("a name")], dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let first = text(&output.stdout).lines().next().expect("a line");
    let lost: serde_json::Value = serde_json::from_str(first).expect("JSON");
    assert_eq!((&lost["first"], &lost["count"], &lost["segment"]), (&1.into(), &1.into(), &0.into()));
    assert!(text(&output.stdout).contains("3 events saved, 1 place lost"), "{}", text(&output.stdout));
    let output = batpak(&["verify"], into.path());
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("4 events (1 lost before it was salvaged) of 2 entities"), "{output:?}");
    let output = batpak(&["events"], into.path());
    assert!(!output.status.success(), "{output:?}");
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].contains("event 1 was lost before the store was salvaged"), "{lines:?}");
    assert!(text(&output.stderr).contains("1 event cannot be read"), "{output:?}");
    assert!(!batpak(&["salvage", into.path().to_str().expect("a name")], dir.path()).status.success());
}

#[test]
fn a_directory_without_a_store_is_one_clear_line() {
    let dir = tempfile::tempdir().expect("directory");
    let output = batpak(&["stats"], dir.path());
    assert!(!output.status.success());
    assert_eq!(text(&output.stderr).lines().count(), 1);
    assert!(text(&output.stderr).contains("no store"), "{}", text(&output.stderr));
}
