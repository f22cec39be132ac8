//! Snapshots: a store of its own with the same events.

use crate::fixtures::{DIR, KIND, Machine, OTHER, answers, append, assert_same, at, filled, report};
use batpak::Region;
use batpak::store::{AppendOptions, OpenIndexPath, Store, StoreError};
use serde_json::json;
use std::path::PathBuf;

const COPY: &str = "/copy";

#[test]
fn a_snapshot_is_the_same_store() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    store.snapshot(COPY).expect("snapshot");
    let before = answers(&store);
    let copy = Store::open_read_only(machine.config_in(COPY)).expect("open read-only");
    assert_same(&answers(&copy), &before);
    let copy = Store::open(machine.config_in(COPY)).expect("open");
    assert!(report(&copy).closed_cleanly);
    assert_same(&answers(&copy), &before);
    copy.close().expect("close");
    let copy = Store::open(machine.config_in(COPY)).expect("open");
    assert_eq!(report(&copy).path, OpenIndexPath::Mmap);
    assert_same(&answers(&copy), &before);
}

#[test]
fn a_snapshot_goes_on_by_itself() {
    let machine = Machine::new();
    let (store, receipts) = filled(&machine);
    store.snapshot(COPY).expect("snapshot");
    let copy = Store::open(machine.config_in(COPY)).expect("open");
    // Keys are known there, and conditions hold on.
    let keyed = AppendOptions::default().with_idempotency_key(4 << 64 | 7);
    let replay = copy.append_with_options(&at("a", "x"), OTHER, &json!(0), keyed).expect("replay");
    assert!(replay.replayed() && replay.event_id == receipts[4].event_id);
    let ours = append(&copy, &at("a", "x"), &json!("copy"));
    let theirs = append(&store, &at("a", "x"), &json!("source"));
    assert_eq!((ours.sequence, ours.revision), (theirs.sequence, theirs.revision));
    assert_ne!(ours.event_id, theirs.event_id);
    assert!(copy.get(theirs.event_id).is_err() && store.get(ours.event_id).is_err());
    for store in [&store, &copy] {
        store.verify_chain().expect("a whole chain");
    }
    store.close().expect("close");
    copy.close().expect("close");
    // An index of the one in the other's directory is of another history.
    for index in machine.indexes() {
        let name = index.file_name().expect("a name").to_str().expect("text");
        if index.starts_with(COPY) {
            machine.remove(&index);
        } else {
            machine.files.write(format!("{COPY}/{name}"), machine.files.read(&index).expect("an index"));
        }
    }
    let copy = Store::open(machine.config_in(COPY)).expect("open");
    assert!(!report(&copy).refused.is_empty(), "{:?}", report(&copy));
    assert_eq!(copy.read(29).expect("an event").event.payload(), "copy");
}

#[test]
fn a_snapshot_of_an_empty_store_is_an_empty_store() {
    let machine = Machine::new();
    machine.open().snapshot(COPY).expect("snapshot");
    let copy = Store::open(machine.config_in(COPY)).expect("open");
    assert_eq!(copy.stats().expect("stats").events, 0);
    assert_eq!(append(&copy, &at("a", "x"), &json!(1)).sequence, 0);
}

#[test]
fn a_snapshot_of_a_snapshot_is_the_same_store() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    store.sync().expect("sync");
    let before = answers(&store);
    store.snapshot("/copies/1").expect("snapshot");
    for n in 1..4 {
        let copy = Store::open(machine.config_in(format!("/copies/{n}"))).expect("open");
        assert_same(&answers(&copy), &before);
        copy.snapshot(format!("/copies/{}", n + 1)).expect("snapshot");
    }
}

#[test]
fn a_snapshot_goes_into_no_store() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    let other = Store::open(machine.config_in("/other")).expect("open");
    let contents = machine.contents();
    for dir in [DIR, "/store/", "/other"] {
        let error = store.snapshot(dir).expect_err("refused");
        assert!(matches!(error, StoreError::NotEmpty { .. }), "{dir}: {error:?}");
    }
    other.close().expect("close");
    let error = store.snapshot("/other").expect_err("refused");
    assert!(matches!(error, StoreError::NotEmpty { .. }), "{error:?}");
    // The store may freeze what it holds meanwhile: that makes files of the index.
    let segments = |contents: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        let paths = contents.iter().map(|(path, _)| path.clone());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "fbat")).collect()
    };
    assert_eq!(segments(&machine.contents()), segments(&contents));
    append(&store, &at("a", "x"), &json!(1));
    store.snapshot(COPY).expect("the store goes on");
    assert!(matches!(store.snapshot(COPY), Err(StoreError::NotEmpty { .. })));
}

#[test]
fn a_snapshot_with_a_byte_changed_in_its_source_does_not_open() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    machine.edit(crate::fixtures::segment(0), |bytes| bytes[700] ^= 1);
    let error = store.snapshot(COPY).expect_err("damage");
    assert!(error.is_corruption(), "{error:?}");
    assert!(matches!(Store::open_read_only(machine.config_in(COPY)), Err(StoreError::NoStore { .. })));
}

/// What a backup under load holds must be a moment that was.
#[test]
fn snapshots_under_load_are_prefixes() {
    let dir = tempfile::tempdir().expect("directory");
    let config = batpak::store::StoreConfig::new(dir.path().join("store")).with_segment_max_bytes(8192);
    let store = Store::open(config).expect("open");
    std::thread::scope(|scope| {
        for thread in 0..2_u64 {
            let store = &store;
            scope.spawn(move || {
                let place = at(&format!("entity:{thread}"), "x");
                for n in 0..400_u64 {
                    store.append(&place, KIND, &n).expect("append");
                }
            });
        }
        for round in 0..5 {
            store.snapshot(dir.path().join(format!("copy-{round}"))).expect("snapshot");
        }
    });
    let all = store.query(&Region::all()).expect("query");
    assert_eq!(all.len(), 800);
    let mut seen = 0;
    for round in 0..5 {
        let copy = Store::open(dir.path().join(format!("copy-{round}"))).expect("open");
        let rows = copy.query(&Region::all()).expect("query");
        assert!(rows.len() >= seen && rows[..] == all[..rows.len()]);
        assert_eq!(copy.verify_chain().expect("a whole chain").events, rows.len() as u64);
        seen = rows.len();
    }
}
