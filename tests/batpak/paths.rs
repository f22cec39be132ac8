//! The index of a store comes from its file, mapped or read, or from the segments: the answers are the same, and a
//! file that is not as it should be is noticed, named and made again.

use crate::fixtures::{DIR, KIND, Machine, answers, append, assert_same, at, closed, filled, report, segment};
use crate::random::Random;
use batpak::Region;
use batpak::store::{AppendOptions, OpenIndexPath, OpenIndexReport, Store, StoreConfig, StoreError};
use serde_json::json;
use std::path::Path;

fn mapped(machine: &Machine) -> StoreConfig {
    machine.config()
}

fn owned(machine: &Machine) -> StoreConfig {
    machine.config().with_enable_mmap_index(false)
}

fn rebuilt(machine: &Machine) -> StoreConfig {
    machine.config().with_enable_mmap_index(false).with_enable_checkpoint(false)
}

type Config = fn(&Machine) -> StoreConfig;

const PATHS: [(Config, OpenIndexPath); 3] =
    [(mapped, OpenIndexPath::Mmap), (owned, OpenIndexPath::Checkpoint), (rebuilt, OpenIndexPath::Rebuild)];

#[test]
fn every_path_gives_the_same_answers() {
    let (machine, before) = closed();
    for (config, path) in PATHS {
        let machine = machine.copy();
        let store = Store::open(config(&machine)).expect("open");
        let OpenIndexReport { path: found, events_restored, events_scanned, refused, closed_cleanly, .. } =
            report(&store);
        assert_eq!((found, refused, closed_cleanly), (path, vec![], true));
        let restored = if path == OpenIndexPath::Rebuild { 0 } else { 29 };
        assert_eq!((events_restored, events_scanned), (restored, 29 - restored));
        assert_same(&answers(&store), &before);
        store.close().expect("close");
        let store = Store::open_read_only(config(&machine)).expect("open read-only");
        assert_eq!(report(&store).path, path);
        assert_same(&answers(&store), &before);
    }
}

#[test]
fn every_path_goes_on_where_the_store_ended() {
    let (machine, _) = closed();
    let mut after = Vec::new();
    for (config, path) in PATHS {
        let machine = machine.copy();
        let store = Store::open(config(&machine)).expect("open");
        let receipt = append(&store, &at("a:1", "y"), &json!({"n": "new"}));
        assert_eq!((receipt.sequence, receipt.revision), (29, 5), "{path:?}");
        let options = AppendOptions::default().expect_len(6);
        store.append_with_options(&at("a:1", "x"), KIND, &json!({"n": 0}), options).expect("append");
        let repeated = AppendOptions::default().with_idempotency_key(4 << 64 | 7);
        let replay =
            store.append_with_options(&at("a", "x"), crate::fixtures::OTHER, &json!(0), repeated).expect("key");
        assert!(replay.replayed() && replay.payload_differs() && replay.sequence == 4, "{path:?}: {replay:?}");
        store.verify_chain().expect("a whole chain");
        after.push(store.query(&Region::all()).expect("query").iter().map(|row| row.revision).collect::<Vec<_>>());
        store.close().expect("close");
    }
    assert!(after[0] == after[1] && after[1] == after[2]);
}

#[test]
fn the_real_file_system_maps_the_index() {
    let dir = tempfile::tempdir().expect("directory");
    let store = Store::open(dir.path()).expect("open");
    append(&store, &at("a", "x"), &json!({"n": 1}));
    store.close().expect("close");
    let store = Store::open(dir.path()).expect("open");
    assert_eq!(report(&store).path, OpenIndexPath::Mmap);
    assert_eq!(report(&store).events_restored, 1);
}

/// Spoils the index, opens the store by mapping and by reading, and sees that nothing but the report shows it.
#[track_caller]
fn check_refused(machine: &Machine, before: &[String], reason: &str, spoil: impl Fn(&Machine, &Path)) {
    for (config, path) in &PATHS[..2] {
        let machine = machine.copy();
        let names = machine.indexes();
        for name in &names {
            spoil(&machine, name);
        }
        let store = Store::open(config(&machine)).expect("open");
        let found = report(&store);
        assert_eq!((found.path, found.events_restored, found.events_scanned), (OpenIndexPath::Rebuild, 0, 29));
        assert!(!found.refused.is_empty() && found.refused.len() <= names.len(), "{:?}", found.refused);
        for refused in &found.refused {
            assert!(
                names.iter().any(|name| name.ends_with(&refused.name)) && refused.reason.contains(reason),
                "{refused:?}"
            );
        }
        assert_same(&answers(&store), before);
        store.close().expect("close");
        let store = Store::open(config(&machine)).expect("open");
        assert_eq!(report(&store).path, *path, "it was made again");
        assert_same(&answers(&store), before);
    }
}

#[test]
fn a_missing_index_is_made_again() {
    let (machine, before) = closed();
    check_refused(&machine, &before, "there is no index file", |machine, index| machine.remove(index));
}

#[test]
fn an_index_of_another_version_is_made_again() {
    let (machine, before) = closed();
    check_refused(&machine, &before, "version 99", |machine, index| machine.edit(index, |bytes| bytes[8] = 99));
}

#[test]
fn an_index_of_another_store_is_made_again() {
    let (machine, before) = closed();
    let (other, _) = closed();
    check_refused(&machine, &before, "another store", |machine, index| {
        machine.files.write(index, other.files.read(other.indexes()[0].clone()).expect("an index"));
    });
}

/// Under the name of another part of the same store.
#[test]
fn an_index_under_another_name_is_made_again() {
    let machine = small();
    let before = answers(&machine.open());
    let bytes = machine.files.read(machine.index()).expect("an index");
    machine.remove(machine.index());
    machine.files.write(format!("{DIR}/0000000000000-0000000000003.index"), bytes);
    let store = machine.open();
    assert!(report(&store).refused[0].reason.contains("another"), "{:?}", report(&store));
    assert_same(&answers(&store), &before);
}

#[test]
fn an_index_of_another_history_of_this_store_is_made_again() {
    let (machine, _) = closed();
    let [one, two] = [0, 1].map(|n| {
        let machine = machine.copy();
        let store = machine.open();
        append(&store, &at("a", "x"), &json!({"n": n}));
        let before = answers(&store);
        store.close().expect("close");
        (machine, before)
    });
    for index in one.0.indexes() {
        one.0.remove(index);
    }
    for index in two.0.indexes() {
        one.0.files.write(index.clone(), two.0.files.read(index).expect("an index"));
    }
    let store = one.0.open();
    assert!(report(&store).refused[0].reason.contains("another history"), "{:?}", report(&store).refused);
    assert_same(&answers(&store)[4..], &one.1[4..]);
}

#[test]
fn an_index_of_an_older_state_is_used_as_far_as_it_goes() {
    let machine = Machine::new();
    let mut old = Vec::new();
    for n in 0..6 {
        let store = Store::open(machine.config().with_segment_max_bytes(512)).expect("open");
        append(&store, &at("a", "x"), &json!({"n": n}));
        append(&store, &at("b", "x"), &json!({"n": n}));
        store.close().expect("close");
        let indexes = machine.indexes();
        old.push(
            indexes.iter().map(|index| (index.clone(), machine.files.read(index).expect("it"))).collect::<Vec<_>>(),
        );
    }
    let before = answers(&machine.open());
    for (indexes, restored) in old.into_iter().zip([2_u64, 4, 6, 8, 10, 12]) {
        let machine = machine.copy();
        machine.indexes().into_iter().for_each(|index| machine.remove(index));
        for (index, bytes) in indexes {
            machine.files.write(index, bytes);
        }
        let store = machine.open();
        let found = report(&store);
        assert_eq!(found.path, OpenIndexPath::Mmap);
        assert_eq!((found.events_restored, found.events_scanned), (restored, 12 - restored));
        assert_same(&answers(&store), &before);
    }
}

#[test]
fn an_index_that_knows_more_than_the_segments_is_made_again() {
    let machine = Machine::new();
    let store = machine.open();
    append(&store, &at("a", "x"), &json!({"n": 0}));
    store.close().expect("close");
    let older = machine.copy();
    let store = machine.open();
    append(&store, &at("a", "x"), &json!({"n": 1}));
    store.close().expect("close");
    let newest = machine.indexes().pop().expect("an index");
    older.remove(older.index());
    older
        .files
        .write(format!("{DIR}/0000000000000-0000000000002.index"), machine.files.read(newest).expect("an index"));
    let store = older.open();
    assert_eq!(report(&store).path, OpenIndexPath::Rebuild);
    assert_eq!(report(&store).refused.len(), 1);
    assert_eq!(store.query(&Region::all()).expect("query").len(), 1);
}

/// A store whose events are gone while its index still names them: to say nothing would hide the loss.
#[test]
fn an_index_over_an_empty_segment_is_named() {
    let (machine, _) = closed();
    let empty = Machine::new();
    empty.open().close().expect("close");
    let index = machine.indexes()[0].clone();
    empty.files.write(&index, machine.files.read(&index).expect("an index"));
    let store = empty.open();
    assert_eq!(report(&store).refused.len(), 1, "{:?}", report(&store));
    assert_eq!(store.stats().expect("stats").events, 0);
}

#[test]
fn an_index_without_any_segment_is_refused() {
    let (machine, _) = closed();
    let name = machine.indexes()[0].clone();
    let index = machine.files.read(&name).expect("an index");
    for leftover in [None, Some("batpak.lock"), Some("0000000000.0000.fbat.tmp")] {
        let machine = Machine::new();
        machine.files.write(&name, index.clone());
        if let Some(name) = leftover {
            machine.files.write(format!("{DIR}/{name}"), *b"rest");
        }
        let before = machine.contents();
        for result in [Store::open(machine.config()), Store::open_read_only(machine.config())] {
            let error = result.expect_err("refused");
            assert!(matches!(error, StoreError::Corrupt { segment: Some(0), .. }), "{leftover:?}: {error:?}");
        }
        assert_eq!(machine.contents(), before);
    }
}

#[test]
fn an_index_that_is_cut_anywhere_is_made_again() {
    let machine = small();
    let name = machine.index();
    let index = machine.files.read(&name).expect("an index");
    let before = answers(&machine.open());
    for len in (0..index.len()).step_by(97).chain([index.len() - 1]) {
        machine.files.write(&name, &index[..len]);
        check_small(&machine, &before, len);
    }
    machine.files.write(&name, [index.as_slice(), &[0]].concat());
    check_small(&machine, &before, index.len() + 1);
}

/// An idempotency key, a head or a list that a changed byte turns into another one would let an event be appended
/// twice, or another entity's be returned.
#[test]
fn an_index_with_any_byte_changed_gives_no_wrong_answer() {
    let machine = small();
    let name = machine.index();
    let index = machine.files.read(&name).expect("an index");
    let before = answers(&machine.open());
    let seed = 0x1D;
    let mut random = Random::new(seed);
    let (mut refused, mut rebuilt, mut not_met) = (0, 0, 0);
    for at in (0..index.len()).filter(|at| index[*at] != 0 || at % 61 == 0) {
        let mut bytes = index.clone();
        bytes[at] ^= u8::try_from(random.below(255) + 1).expect("a byte");
        machine.files.write(&name, bytes);
        for (config, _) in &PATHS[..2] {
            let store = Store::open_read_only(config(&machine)).expect("open");
            assert_same(&answers(&store), &before);
            match (report(&store).refused.len(), store.diagnostics().index_parts_rebuilt) {
                (0, 0) => not_met += 1,
                (0, _) => rebuilt += 1,
                _ => refused += 1,
            }
        }
    }
    assert!(refused > 200 && rebuilt > 200 && not_met < 300, "{refused} refused, {rebuilt} rebuilt, {not_met} not met");
}

/// Damage that a writer meets in its index is mended in the file, too.
#[test]
fn a_damaged_part_is_written_anew() {
    let (machine, before) = closed();
    for name in machine.indexes() {
        machine.edit(&name, |bytes| bytes[4096] ^= 1);
    }
    let store = machine.open();
    assert_same(&answers(&store), &before);
    assert!(store.diagnostics().index_parts_rebuilt > 0 || !report(&store).refused.is_empty());
    store.close().expect("close");
    let store = machine.open();
    assert_eq!((report(&store).events_restored, report(&store).refused), (29, vec![]));
    assert_same(&answers(&store), &before);
    assert_eq!(store.diagnostics().index_parts_rebuilt, 0);
}

/// A store of four events, closed.
fn small() -> Machine {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..4_u32 {
        let options = AppendOptions::default().with_idempotency_key(n.into());
        let place = at(["a", "b"][usize::from(n % 2 == 1)], "x");
        store.append_with_options(&place, KIND, &json!({"n": n}), options).expect("append");
    }
    store.close().expect("close");
    machine
}

#[track_caller]
fn check_small(machine: &Machine, before: &[String], case: usize) {
    for (config, _) in &PATHS[..2] {
        let store = Store::open_read_only(config(machine)).expect("open");
        let found = report(&store);
        assert_eq!((found.path, found.refused.len()), (OpenIndexPath::Rebuild, 1), "case {case}");
        assert_same(&answers(&store), before);
    }
}

#[test]
fn without_the_option_there_is_no_index_file() {
    let machine = Machine::new();
    let store = Store::open(rebuilt(&machine)).expect("open");
    append(&store, &at("a", "x"), &json!(1));
    store.close().expect("close");
    assert!(machine.indexes().is_empty(), "{:?}", machine.files.files());
    for with_one in [owned(&machine), mapped(&machine).with_enable_checkpoint(false)] {
        let store = Store::open(with_one).expect("open");
        append(&store, &at("a", "x"), &json!(1));
        store.close().expect("close");
        machine.remove(machine.index());
    }
}

/// A later crash must find the segments as they were: the index is not part of the truth.
#[test]
fn the_index_is_not_written_where_nothing_was_appended() {
    let (machine, _) = closed();
    let before = machine.contents();
    machine.open().close().expect("close");
    assert_eq!(machine.contents(), before);
}

#[test]
fn damage_is_not_hidden_by_the_index() {
    let (machine, _) = closed();
    let len = machine.files.read(segment(1)).expect("a segment").len();
    machine.edit(segment(1), |bytes| bytes[len / 2] ^= 1);
    let store = machine.open();
    assert_eq!(report(&store).path, OpenIndexPath::Mmap);
    let error = store.verify_chain().expect_err("damage");
    assert!(matches!(error, StoreError::Corrupt { segment: Some(1), offset: Some(_), .. }), "{error:?}");
    let error = Store::open_read_only(rebuilt(&machine)).expect_err("damage");
    assert!(matches!(error, StoreError::Corrupt { segment: Some(1), offset: Some(_), .. }), "{error:?}");
    drop(store);
}

/// Of a store whose process was killed the active segment was read a moment before the index is made, but no other.
#[test]
fn damage_in_a_sealed_segment_does_not_get_into_the_index_after_a_kill() {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    store.sync().expect("sync");
    let before = answers(&store);
    let killed = machine.copy();
    store.close().expect("close");
    killed.indexes().iter().for_each(|index| killed.remove(index));
    for number in [0, 1] {
        let machine = killed.copy();
        machine.edit(segment(number), |bytes| {
            let text = bytes.windows(4).position(|window| window == b"xxxx").expect("a payload");
            bytes[text] = b'y';
        });
        let error = Store::open(machine.config()).expect_err("damaged");
        assert!(error.to_string().contains(&format!("segment {number}")), "{error}");
    }
    let store = killed.open();
    assert_eq!(report(&store).events_scanned, 29);
    assert_same(&answers(&store), &before);
}

#[test]
fn a_store_of_many_segments_reads_with_two_files() {
    let machine = Machine::new();
    let config = machine.config().with_segment_max_bytes(512).with_fd_budget(2);
    let store = Store::open(config.clone()).expect("open");
    for n in 0..300 {
        append(&store, &at("a", "x"), &json!({"n": n}));
    }
    store.sync().expect("sync");
    let before = answers(&store);
    assert!(store.stats().expect("stats").segments > 250);
    assert!(store.diagnostics().open_files <= 2);
    store.close().expect("close");
    for (path, restored) in
        [(config.clone(), 300), (config.with_enable_checkpoint(false).with_enable_mmap_index(false), 0)]
    {
        let store = Store::open(path).expect("open");
        assert_eq!(report(&store).events_restored, restored);
        assert_same(&answers(&store), &before);
        assert!((1..=2).contains(&store.diagnostics().open_files));
    }
}

#[test]
fn filled_segments_are_more_than_one() {
    let machine = Machine::new();
    let (store, receipts) = filled(&machine);
    assert_eq!(receipts.len(), 29);
    assert!(store.stats().expect("stats").segments >= 3);
}
