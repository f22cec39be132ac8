//! A store says what its kinds are called, whatever has happened to it, and refuses programs that mean something else.

use crate::fixtures::{DIR, Machine, at, segment};
use batpak::prelude::*;
use batpak::store::{MemoryFileSystem, Subject, salvage, verify};
use batpak::testing::{every_crash, every_kill};
use batpak::{DescriptionError, KindDescription, KindInfo};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

/// A type of one kind, by hand.
macro_rules! event {
    ($type:ident, $kind:expr, $version:expr, $name:expr) => {
        struct $type(u32);

        impl EventPayload for $type {
            const KINDS: &'static [KindInfo] =
                &[KindInfo { kind: $kind, version: $version, name: $name, fields: &["n", "text"] }];

            fn kind_info(&self) -> &'static KindInfo {
                &Self::KINDS[0]
            }

            const KIND_LIST: &'static [EventKind] = &[$kind];

            fn write_to<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(to)
            }

            fn read_from<'de, D: Deserializer<'de>>(_: EventKind, _: u16, from: D) -> Result<Self, D::Error> {
                u32::deserialize(from).map(Self)
            }
        }
    };
}

const PLACED: EventKind = EventKind::custom(1, 1);
const PAID: EventKind = EventKind::custom(1, 2);

event!(Placed, PLACED, 1, "order.placed");
event!(PlacedAnew, PLACED, 2, "order.placed");
event!(Paid, PAID, 1, "order.paid");
event!(Sent, PLACED, 1, "order.sent");
event!(PlacedElsewhere, PAID, 1, "order.placed");
event!(Nameless, PLACED, 1, "");

const FILE: &str = "/store/batpak.kinds";
const BOTH: [&str; 2] = ["1:001 v1 order.placed", "1:002 v1 order.paid"];

fn named(store: &Store) -> Vec<String> {
    store.kinds().expect("kinds").iter().map(shown).collect()
}

fn shown(kind: &KindDescription) -> String {
    assert_eq!(kind.fields(), ["n", "text"]);
    format!("{} v{} {}", kind.kind(), kind.version(), kind.name())
}

#[track_caller]
fn place(store: &Store, n: u32) {
    store.append_typed(&at("a", "x"), &Placed(n)).expect("append");
}

#[track_caller]
fn pay(store: &Store, n: u32) {
    store.append_typed(&at("a", "x"), &Paid(n)).expect("append");
}

/// Appends events without a type.
fn plain(store: &Store, events: u32) {
    for n in 0..events {
        store.append(&at("b", "x"), PLACED, &format!("{n:0100}")).expect("append");
    }
}

/// How often the segments name a kind.
fn mentions(files: &MemoryFileSystem, name: &str) -> usize {
    let segments = files
        .files()
        .into_iter()
        .filter(|path| path.starts_with(DIR) && path.extension().is_some_and(|it| it == "fbat"));
    let tail = PathBuf::from("/store/batpak.tail");
    let contents = segments.chain([tail]).filter_map(|path| files.read(path).ok());
    contents.map(|bytes| bytes.windows(name.len()).filter(|found| *found == name.as_bytes()).count()).sum()
}

#[test]
fn the_first_event_of_a_kind_describes_it_and_later_ones_do_not() {
    let machine = Machine::new();
    for life in 0..3 {
        let store = machine.open();
        place(&store, life);
        pay(&store, life);
        place(&store, life);
        assert_eq!(named(&store), BOTH);
        let event = store.read(u64::from(life) * 3).expect("an event").event;
        assert_eq!((event.kind(), event.payload_version(), event.payload()), (PLACED, 1, &life.into()));
        store.close().expect("close");
    }
    assert_eq!((mentions(&machine.files, "order.placed"), mentions(&machine.files, "order.paid")), (1, 1));
}

#[test]
fn a_newer_version_is_a_description_of_its_own_and_so_is_an_older_one() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..3 {
        store.append_typed(&at("a", "x"), &PlacedAnew(n)).expect("append");
        place(&store, n);
    }
    assert_eq!(named(&store), ["1:001 v1 order.placed", "1:001 v2 order.placed"]);
    assert_eq!(mentions(&machine.files, "order.placed"), 2);
}

/// What a program is told whose kinds mean something else.
#[track_caller]
fn check_refused(result: Result<impl Sized, StoreError>, expected: &str) {
    let error = result.err().expect("it is refused");
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_retryable() && !error.is_conflict());
}

const OTHER_NAME: &str =
    "kind 1:001 is order.placed in the store and order.sent in the program: give order.sent another type_id";
const OTHER_KIND: &str =
    "order.placed is kind 1:001 in the store and 1:002 in the program: the program has to keep to 1:001";
/// The same of two types of a program.
const USED_TWICE: &str =
    "order.placed and order.sent of the program are both kind 1:001: give one of them another type_id";
const NAMED_TWICE: &str =
    "kinds 1:001 and 1:002 of the program are both named order.placed: give one of them another name";

#[test]
fn an_append_of_a_kind_that_means_something_else_is_refused_with_both_names() {
    let machine = Machine::new();
    let store = machine.open();
    place(&store, 0);
    check_refused(store.append_typed(&at("a", "x"), &Sent(1)), OTHER_NAME);
    check_refused(store.append_typed(&at("a", "x"), &PlacedElsewhere(1)), OTHER_KIND);
    let error = store.append_typed(&at("a", "x"), &Nameless(1)).expect_err("another name");
    assert!(matches!(error, StoreError::KindHasOtherName { kind: PLACED, .. }), "{error}");
    place(&store, 1);
    assert_eq!((store.stats().expect("stats").events, named(&store)), (2, vec![BOTH[0].to_owned()]));
}

#[test]
fn what_cannot_be_described_is_refused() {
    let store = Machine::new().open();
    let error = store.append_typed(&at("a", "x"), &Nameless(1)).expect_err("no name");
    assert!(matches!(error, StoreError::Description(DescriptionError::Name { kind: PLACED, .. })), "{error}");
    assert_eq!(store.stats().expect("stats").events, 0);
    place(&store, 0);
}

#[test]
fn a_program_whose_kinds_mean_something_else_does_not_open_the_store_and_changes_nothing() {
    let machine = Machine::new();
    let store = machine.open();
    place(&store, 0);
    // Not closed: opening it would mend it.
    let killed = machine.copy();
    let before = killed.contents();
    let config = || killed.config().with_events::<Paid>();
    check_refused(Store::open(config().with_events::<Sent>()), OTHER_NAME);
    check_refused(Store::open_read_only(config().with_events::<Sent>()), OTHER_NAME);
    check_refused(Store::open(killed.config().with_events::<PlacedElsewhere>()), OTHER_KIND);
    assert!(killed.contents() == before);
    let opened = Store::open(config().with_events::<Placed>().with_events::<PlacedAnew>()).expect("open");
    assert_eq!(named(&opened), [BOTH[0]], "what is only known to the program is not there yet");
    pay(&opened, 1);
    assert_eq!(named(&opened), BOTH);
    drop(store);
}

#[test]
fn a_program_that_contradicts_itself_is_told_before_there_is_a_store() {
    let machine = Machine::new();
    let config = machine.config().with_events::<Placed>();
    check_refused(Store::open(config.clone().with_events::<Sent>()), USED_TWICE);
    check_refused(Store::open(config.with_events::<PlacedElsewhere>()), NAMED_TWICE);
    assert!(machine.contents().is_empty());
}

#[test]
fn what_is_not_appended_is_not_described() {
    let machine = Machine::new();
    let store = machine.open();
    let key = AppendOptions::default().with_idempotency_key(7);
    store.append_with_options(&at("a", "x"), PLACED, &0, key).expect("append");
    let conflict = AppendOptions::default().expect_len(5);
    assert!(store.append_typed_with(&at("a", "x"), &Placed(1), conflict).expect_err("conflict").is_conflict());
    assert!(store.append_typed_with(&at("a", "x"), &Placed(0), key).expect("a repetition").replayed());
    let tags = ["\n"];
    store.append_typed_with(&at("a", "x"), &Placed(1), AppendOptions::default().with_tags(&tags)).expect_err("a tag");
    assert!(named(&store).is_empty());
    assert_eq!(mentions(&machine.files, "order.placed"), 0);
    // The name is free as long as it is not written.
    store.append_typed(&at("a", "x"), &Sent(1)).expect("append");
    assert_eq!(named(&store), ["1:001 v1 order.sent"]);
}

#[test]
fn of_two_programs_that_disagree_at_once_one_is_refused() {
    for _ in 0..200 {
        let store = Machine::new().open();
        let together = Barrier::new(2);
        let (placed, sent) = std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                together.wait();
                store.append_typed(&at("a", "x"), &Placed(0)).is_ok()
            });
            let second = scope.spawn(|| {
                together.wait();
                store.append_typed(&at("b", "x"), &Sent(0)).is_ok()
            });
            (first.join().expect("a thread"), second.join().expect("a thread"))
        });
        assert!(placed != sent, "exactly one");
        assert_eq!(named(&store), [if placed { BOTH[0] } else { "1:001 v1 order.sent" }]);
    }
}

/// A store in several segments: one kind is described in the first of them, the other in the last.
fn rotated(machine: &Machine) -> Store {
    let store = Store::open(machine.config().with_segment_max_bytes(2048)).expect("open");
    place(&store, 0);
    plain(&store, 40);
    pay(&store, 1);
    assert!(machine.files.read(segment(2)).is_ok(), "several segments");
    store
}

#[test]
fn names_are_found_again_after_a_close_and_after_a_kill_with_and_without_their_file() {
    for is_closed in [true, false] {
        let machine = Machine::new();
        let mut store = Some(rotated(&machine));
        if is_closed {
            store.take().expect("a store").close().expect("close");
        }
        for is_removed in [false, true] {
            let left = machine.copy();
            if is_removed {
                left.files.write(FILE, *b"");
                left.remove(FILE);
            }
            assert_eq!(named(&left.open_read_only()), BOTH);
            let store = left.open();
            assert_eq!(named(&store), BOTH, "closed: {is_closed}, removed: {is_removed}");
            store.close().expect("close");
            assert!(left.files.read(FILE).is_ok(), "it was made again");
            assert_eq!(named(&left.open()), BOTH);
        }
    }
}

#[test]
fn an_older_file_is_as_good_and_what_came_later_is_found_behind_it() {
    let machine = Machine::new();
    let store = machine.open();
    place(&store, 0);
    store.close().expect("close");
    let older = machine.files.read(FILE).expect("a file");
    let store = machine.open();
    plain(&store, 3);
    pay(&store, 1);
    store.close().expect("close");
    assert!(machine.files.read(FILE).expect("a file") != older);
    machine.files.write(FILE, older);
    let store = machine.open();
    assert_eq!(named(&store), BOTH);
    assert_eq!(store.diagnostics().kinds_refused, None);
}

#[test]
fn a_file_of_another_store_or_of_a_later_time_is_not_believed() {
    let other = Machine::new();
    let store = other.open();
    store.append_typed(&at("a", "x"), &Sent(0)).expect("append");
    store.close().expect("close");

    let machine = Machine::new();
    let store = machine.open();
    place(&store, 0);
    store.close().expect("close");
    let before = machine.copy();
    let store = machine.open();
    pay(&store, 0);
    store.close().expect("close");

    for (file, reason) in [(&other, "it is of another store"), (&machine, "it is of events up to 2, and there are 1")] {
        let machine = before.copy();
        machine.files.write(FILE, file.files.read(FILE).expect("a file"));
        let store = machine.open();
        assert_eq!(named(&store), [BOTH[0]]);
        assert_eq!(store.diagnostics().kinds_refused.expect("a reason").reason, reason);
    }
}

/// Two histories that part: the file of one says nothing of the other.
#[test]
fn a_file_of_another_history_is_not_believed() {
    let machine = Machine::new();
    let store = machine.open();
    plain(&store, 1);
    store.close().expect("close");
    let other = machine.copy();
    let [store, branch] = [&machine, &other].map(Machine::open);
    place(&store, 0);
    branch.append_typed(&at("a", "x"), &Sent(0)).expect("append");
    store.close().expect("close");
    branch.close().expect("close");
    machine.files.write(FILE, other.files.read(FILE).expect("a file"));
    let store = machine.open();
    assert_eq!(named(&store), [BOTH[0]]);
    assert_eq!(store.diagnostics().kinds_refused.expect("a reason").reason, "it is of another history");
}

#[test]
fn whatever_byte_of_the_file_is_changed_no_name_is() {
    let machine = Machine::new();
    let store = machine.open();
    place(&store, 0);
    pay(&store, 0);
    store.close().expect("close");
    let len = machine.files.read(FILE).expect("a file").len();
    for byte in 0..len {
        let changed = machine.copy();
        changed.edit(FILE, |bytes| bytes[byte] ^= 1 << (byte % 8));
        let mut found = Vec::new();
        let report = verify(changed.config(), |finding| {
            found.push((finding.subject, finding.file));
            Continue(())
        });
        assert_eq!(found, [(Subject::Index, Some(PathBuf::from(FILE)))], "byte {byte}: {report:?}");
        let store = changed.open_read_only();
        assert_eq!(named(&store), BOTH, "byte {byte}");
        assert!(store.diagnostics().kinds_refused.is_some(), "byte {byte}");
    }
    for len in 0..len {
        let cut = machine.copy();
        cut.edit(FILE, |bytes| bytes.truncate(len));
        assert_eq!(named(&cut.open_read_only()), BOTH, "{len} bytes");
    }
}

#[test]
#[expect(clippy::little_endian_bytes, reason = "it writes what no store would")]
fn a_file_that_says_what_the_segments_do_not_say_fails_the_verification() {
    let machine = Machine::new();
    let store = machine.open();
    place(&store, 0);
    store.close().expect("close");
    assert!(verify(machine.config(), |_| Continue(())).expect("verify").is_intact());
    machine.edit(FILE, |bytes| {
        let at = bytes.windows(12).position(|found| found == b"order.placed").expect("the name");
        bytes[at] = b'O';
        let crc = crc32c::crc32c(&bytes[16..]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    });
    let mut found = Vec::new();
    verify(machine.config(), |finding| {
        found.push(finding.error.to_string());
        Continue(())
    })
    .expect("verify");
    assert_eq!(found, ["/store/batpak.kinds: it does not say of kinds what the segments say"]);
}

#[test]
fn a_store_without_typed_events_has_an_empty_file_so_that_nobody_goes_through_it() {
    let machine = Machine::new();
    machine.open().close().expect("close");
    assert!(machine.files.read(FILE).is_err(), "there is nothing to go through");
    let store = machine.open();
    plain(&store, 5);
    store.close().expect("close");
    let file = machine.files.read(FILE).expect("a file");
    assert_eq!(file.len(), 88);
    // What stands in the segment is not looked at: a byte of the first event's frame header.
    machine.edit(segment(0), |bytes| bytes[370] ^= 1);
    assert!(machine.open_read_only().kinds().expect("kinds").is_empty());
    machine.remove(FILE);
    assert!(machine.open_read_only().kinds().expect_err("damage is met").is_corruption());
}

#[test]
fn without_files_of_the_index_there_is_none_of_kinds() {
    let machine = Machine::new();
    let config = || machine.config().with_enable_mmap_index(false).with_enable_checkpoint(false);
    for life in 0..2 {
        let store = Store::open(config()).expect("open");
        place(&store, life);
        assert_eq!(named(&store), [BOTH[0]]);
        store.close().expect("close");
    }
    assert!(machine.files.read(FILE).is_err());
    assert_eq!(mentions(&machine.files, "order.placed"), 1);
}

#[test]
fn a_reader_in_another_process_sees_names_with_their_events() {
    let machine = Machine::new();
    let writer = Store::open(machine.config().with_segment_max_bytes(2048)).expect("open");
    place(&writer, 0);
    let reader = machine.open_read_only();
    assert_eq!(named(&reader), [BOTH[0]]);
    pay(&writer, 1);
    assert_eq!(named(&reader), [BOTH[0]]);
    assert!(reader.refresh().expect("refresh"));
    assert_eq!(named(&reader), BOTH);
    plain(&writer, 40);
    writer.append_typed(&at("a", "x"), &PlacedAnew(2)).expect("append");
    assert!(reader.refresh().expect("refresh"));
    assert_eq!(named(&reader), ["1:001 v1 order.placed", "1:001 v2 order.placed", "1:002 v1 order.paid"]);
}

#[test]
fn a_snapshot_has_the_names() {
    let machine = Machine::new();
    let store = rotated(&machine);
    store.snapshot("/copy").expect("snapshot");
    let copy = || Store::open(machine.config_in("/copy").with_events::<Placed>()).expect("open");
    assert_eq!(named(&copy()), BOTH);
    check_refused(copy().append_typed(&at("a", "x"), &Sent(1)), OTHER_NAME);
}

#[test]
fn a_salvage_keeps_the_names_and_has_them_before_the_first_event() {
    let machine = Machine::new();
    let store = rotated(&machine);
    store.close().expect("close");
    // The header of the frame in which the first event and its description stand.
    machine.edit(segment(0), |bytes| bytes[370] ^= 1);
    let report = salvage(machine.config(), machine.config_in("/saved")).expect("salvage");
    assert_eq!((report.events, report.lost.len()), (42, 0));
    let config = || machine.config_in("/saved");
    assert_eq!(named(&Store::open_read_only(config()).expect("open")), BOTH);
    assert!(verify(config(), |_| Continue(())).expect("verify").is_intact());
    machine.remove(Path::new("/saved/batpak.kinds"));
    let store = Store::open(config()).expect("open");
    assert_eq!(named(&store), BOTH);
    check_refused(store.append_typed(&at("a", "x"), &Sent(1)), OTHER_NAME);
}

#[test]
fn whenever_it_ends_a_typed_event_that_is_there_has_its_name() {
    let work = |store: &Store| {
        for n in 0..12 {
            store.append_typed(&at("a", "x"), &Placed(n))?;
            store.append(&at("b", "x"), PAID, &"x".repeat(600))?;
            if n > 5 {
                store.append_typed(&at("a", "x"), &PlacedAnew(n))?;
            }
        }
        Ok(())
    };
    let check = |store: &Store| {
        let mut versions: Vec<u16> = Vec::new();
        for event in store.events(&Region::entity("a")).raw() {
            versions.push(event.expect("an event").event.payload_version());
        }
        versions.sort_unstable();
        versions.dedup();
        let named: Vec<u16> = store.kinds().expect("kinds").iter().map(KindDescription::version).collect();
        assert_eq!(named, versions);
        assert_eq!(store.append_typed(&at("a", "x"), &Sent(0)).is_ok(), versions.is_empty());
    };
    assert!(every_crash(work, check).expect("a store that opens") > 100);
    assert!(every_kill(work, check).expect("a store that opens") > 30);
}

#[test]
fn a_batch_describes_each_of_its_kinds_once_and_so_does_a_submission() {
    let machine = Machine::new();
    let store = machine.open();
    let typed =
        |event: &Placed| BatchAppendItem::typed(at("a", "x"), event, AppendOptions::default(), CausationRef::None);
    let paid = BatchAppendItem::typed(at("a", "x"), &Paid(3), AppendOptions::default(), CausationRef::None);
    let items = [typed(&Placed(1)), typed(&Placed(2)), paid].map(|item| item.expect("encodes"));
    assert_eq!(store.append_batch(items).expect("appended").len(), 3);
    assert_eq!(named(&store), BOTH);
    let ticket = store.submit_typed(&at("a", "x"), &PlacedAnew(4), AppendOptions::default()).expect("submitted");
    assert_eq!(ticket.wait().expect("appended").sequence, 3);
    let all = ["1:001 v1 order.placed", "1:001 v2 order.placed", "1:002 v1 order.paid"];
    assert_eq!(named(&store), all);
    store.close().expect("closes");
    assert_eq!(named(&machine.open()), all);
}

#[test]
fn a_batch_that_contradicts_itself_or_the_store_changes_nothing() {
    let machine = Machine::new();
    let store = machine.open();
    let item = |event: &Sent| BatchAppendItem::typed(at("a", "x"), event, AppendOptions::default(), CausationRef::None);
    let placed = BatchAppendItem::typed(at("a", "x"), &Placed(1), AppendOptions::default(), CausationRef::None);
    let both = [placed.expect("encodes"), item(&Sent(2)).expect("encodes")];
    check_refused(store.append_batch(both), USED_TWICE);
    assert!(store.kinds().expect("kinds").is_empty());
    place(&store, 1);
    let refused = store.submit_typed(&at("a", "x"), &Sent(2), AppendOptions::default()).expect_err("another name");
    assert!(matches!(refused, StoreError::KindHasOtherName { .. }), "{refused}");
    assert_eq!(store.stats().expect("open").events, 1);
}
