//! A store that is open for reading only, beside the process that writes it.

use crate::fixtures::{KIND, Machine, append, at};
use crate::random::Random;
use crate::support::{PATIENCE, World};
use batpak::prelude::*;
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CHILD: &str = "follow::the_process_that_is_followed";
const DIRECTORY: &str = "BATPAK_FOLLOW_DIR";
const SEED: &str = "BATPAK_FOLLOW_SEED";
/// Events of one life of the writer, and how many it has.
const EVENTS: u64 = 1500;
const LIVES: u64 = 3;
const ENTITIES: u64 = 7;

#[test]
fn a_reader_sees_more_when_it_is_told_to() {
    let machine = Machine::new();
    let writer = machine.open();
    append(&writer, &at("a", "x"), &json!(0));
    let reader = machine.open_read_only();
    append(&writer, &at("a", "x"), &json!(1));
    assert_eq!(reader.stream("a").len(), 1);
    assert!(reader.refresh().expect("refresh"));
    assert_eq!((reader.stream("a").len(), reader.refresh().expect("refresh")), (2, false));
    assert_eq!(reader.read(1).expect("an event").event.payload(), 1);
    assert!(!writer.refresh().expect("a writer sees everything"));
    writer.close().expect("close");
    let writer = machine.open();
    append(&writer, &at("a", "x"), &json!(2));
    assert!(reader.refresh().expect("the next writer is followed, too"));
    assert_eq!(reader.stream("a").len(), 3);
}

/// A backup that brought back the watermark of an earlier day, and nothing else, hid all events since then.
#[test]
fn an_older_watermark_hides_nothing_of_a_closed_store() {
    let machine = Machine::new();
    let watermark = Path::new("/store/batpak.visible");
    let append_and_close = |n: u64| {
        let writer = machine.open();
        append(&writer, &at("a", "x"), &json!(n));
        writer.close().expect("close");
    };
    append_and_close(0);
    let older = machine.files.read(watermark).expect("a watermark");
    append_and_close(1);
    machine.files.write(watermark, older);
    let reader = machine.open_read_only();
    assert_eq!(reader.stream("a").len(), 2);
    // What comes is shown as its writer shows it.
    let writer = machine.open();
    append(&writer, &at("a", "x"), &json!(2));
    assert!(reader.refresh().expect("refresh"));
    assert_eq!(reader.stream("a").len(), 3);
}

/// An event whose sync is under way may be lost in a power cut: no reader may have acted on it.
#[test]
fn a_reader_sees_nothing_before_readers_beside_the_writer_do() {
    let world = World::new();
    let store = world.open();
    let place = Coordinate::new("a", "x").expect("valid");
    store.append(&place, KIND, &0).expect("append");
    store.sync().expect("sync");
    let reader = Store::open_read_only(world.config()).expect("open");
    world.files.hold_syncs();
    let ticket = {
        let options = AppendOptions::default().with_durability(Durability::Synced);
        store.submit(&place, KIND, &1, options).expect("submit")
    };
    assert_eq!(store.diagnostics().visible, 1);
    for store in [&reader, &Store::open_read_only(world.config()).expect("open")] {
        assert!(!store.refresh().expect("refresh"));
        assert!(store.read(1).is_err() && store.stream("a").len() == 1);
        assert!(!store.wait_visible(1, Duration::from_millis(5)).expect("refresh"));
    }
    world.files.let_syncs_go();
    ticket.wait().expect("synced");
    assert!(reader.wait_visible(1, PATIENCE).expect("refresh"));
    assert_eq!(reader.stream("a").len(), 2);
}

/// What a reader of another process keeps in memory must not grow with the store.
#[test]
fn what_the_writer_has_frozen_takes_the_place_of_rows_in_memory() {
    let machine = Machine::new();
    let writer = Store::open(machine.config().with_segment_max_bytes(4096)).expect("open");
    append(&writer, &at("a", "x"), &json!(0));
    let reader = machine.open_read_only();
    let start = Instant::now();
    let mut n = 1_u64;
    while machine.indexes().len() < 3 || n < 200 {
        append(&writer, &at("a", "x"), &json!(n));
        n += 1;
        assert!(start.elapsed() < PATIENCE, "nothing is frozen");
    }
    reader.refresh().expect("refresh");
    let rows: Vec<u64> = reader.stream("a").iter().map(|row| row.revision).collect();
    assert!(rows.iter().copied().eq(0..n));
    for (sequence, row) in (0..).zip(reader.stream("a")) {
        assert_eq!(reader.get(row.event_id).expect("an event").event.payload(), &json!(sequence));
    }
}

/// Not a test of its own: what [`a_process_is_followed_through_all_that_it_does`] starts.
#[test]
fn the_process_that_is_followed() {
    let (Ok(dir), Ok(seed)) = (std::env::var(DIRECTORY), std::env::var(SEED)) else { return };
    let mut random = Random::new(seed.parse().expect("a number"));
    for life in 0..LIVES {
        let config = StoreConfig::new(&dir).with_segment_max_bytes(16 << 10).with_sync_every_n_events(100);
        let store = Store::open(config).expect("opens");
        let first = store.stats().expect("stats").events;
        for n in first..(life + 1) * EVENTS {
            let coordinate = Coordinate::new(format!("entity:{}", n % ENTITIES), "x").expect("valid");
            let durability = if random.chance(1) { Durability::Synced } else { Durability::Written };
            let options = AppendOptions::default().with_durability(durability);
            store.append_with_options(&coordinate, KIND, &n, options).expect("appends");
        }
        if random.chance(50) {
            store.close().expect("closes");
        }
    }
}

fn child(dir: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args([CHILD, "--exact", "--nocapture"])
        .env(DIRECTORY, dir)
        .env(SEED, seed.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("starts")
}

#[test]
fn a_process_is_followed_through_all_that_it_does() {
    for seed in 1..4 {
        println!("seed {seed}");
        let dir = tempfile::tempdir().expect("directory");
        let mut child = child(dir.path(), seed);
        let reader = opened(dir.path());
        let mut cursor = reader.cursor_guaranteed(&Region::all());
        let mut revisions: HashMap<String, u64> = HashMap::new();
        let (start, mut next) = (Instant::now(), 0);
        while next < LIVES * EVENTS {
            assert!(start.elapsed() < PATIENCE, "{next} events were seen");
            reader.refresh().expect("refresh");
            while let Some(row) = cursor.try_poll().expect("poll") {
                let revision = revisions.entry(row.coordinate.entity().to_owned()).or_default();
                assert_eq!((row.sequence, row.revision), (next, *revision));
                *revision += 1;
                if next % 17 == 0 {
                    let event = reader.get_as::<u64>(row.event_id).expect("an event");
                    assert_eq!((event.coordinate, event.event.into_payload()), (row.coordinate, next));
                }
                next += 1;
            }
            let entity = format!("entity:{}", next % ENTITIES);
            let seen = revisions.get(&entity).copied().unwrap_or_default();
            assert!(reader.stream(&entity).iter().map(|row| row.revision).eq(0..seen));
        }
        assert!(child.wait().expect("ends").success());
        reader.verify_chain().expect("a whole chain");
    }
}

/// The reader may be there before the store is.
fn opened(dir: &Path) -> Store {
    let start = Instant::now();
    loop {
        match Store::open_read_only(dir) {
            Ok(store) => return store,
            Err(StoreError::NoStore { .. }) if start.elapsed() < PATIENCE => std::thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    }
}
