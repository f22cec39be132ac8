//! Every option does what it says, and what is out of bounds is refused when the store is opened.

use crate::support::{KIND, TestClock, TestEntropy, TestFiles, World, append, at, item, keyed, synced};
use batpak::prelude::*;
use batpak::store::{Environment, OpenIndexPath, StoreError, WritePath};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn an_option_out_of_bounds_is_refused_with_its_name_limits_and_value() {
    let base = World::new().config();
    let check = |config: StoreConfig, name: &str, bounds: (u64, u64), refused: u64| {
        let world = World::new();
        let config = config.with_environment(world.config().environment);
        match Store::open(config).expect_err(name) {
            StoreError::InvalidOption { field, min, max, value } => {
                assert_eq!((field, (min, max), value), (name, bounds, refused));
                let message = StoreError::InvalidOption { field, min, max, value }.to_string();
                for part in [name, &min.to_string(), &max.to_string(), &value.to_string()] {
                    assert!(message.contains(part), "{message}");
                }
            }
            other => panic!("{name}: {other}"),
        }
        assert!(world.files.memory().files().iter().all(|path| path.extension().is_some_and(|e| e == "lock")));
        world.open().close().expect("the directory is not held");
    };
    let with = |change: &dyn Fn(StoreConfig) -> StoreConfig| change(base.clone());
    let segment = (512, 1 << 30);
    check(with(&|c| c.with_segment_max_bytes(511)), "segment_max_bytes", segment, 511);
    check(with(&|c| c.with_segment_max_bytes((1 << 30) + 1)), "segment_max_bytes", segment, (1 << 30) + 1);
    check(with(&|c| c.with_fd_budget(0)), "fd_budget", (1, 65_536), 0);
    check(with(&|c| c.with_fd_budget(65_537)), "fd_budget", (1, 65_536), 65_537);
    check(with(&|c| c.with_sync_every_n_events(0)), "sync.every_n_events", (1, u64::MAX), 0);
    check(with(&|c| c.with_sync_max_bytes(4095)), "sync.max_bytes", (4096, u64::MAX), 4095);
    let interval = (1, 3_600_000);
    check(with(&|c| c.with_sync_interval(Duration::ZERO)), "sync.interval_ms", interval, 0);
    check(with(&|c| c.with_sync_interval(Duration::from_micros(999))), "sync.interval_ms", interval, 0);
    let long = Duration::from_millis(3_600_001);
    check(with(&|c| c.with_sync_interval(long)), "sync.interval_ms", interval, 3_600_001);
    check(with(&|c| c.with_sync_interval(Duration::MAX)), "sync.interval_ms", interval, u64::MAX);
    check(with(&|c| c.with_payload_max_bytes(0)), "payload_max_bytes", (1, 256 << 20), 0);
    check(with(&|c| c.with_payload_max_bytes((256 << 20) + 1)), "payload_max_bytes", (1, 256 << 20), (256 << 20) + 1);
    check(with(&|c| c.with_payload_max_bytes(u64::MAX)), "payload_max_bytes", (1, 256 << 20), u64::MAX);
    check(with(&|c| c.with_batch_max_events(0)), "batch_max_events", (1, 1 << 20), 0);
    check(with(&|c| c.with_batch_max_events((1 << 20) + 1)), "batch_max_events", (1, 1 << 20), (1 << 20) + 1);
    check(with(&|c| c.with_batch_max_bytes(1023)), "batch_max_bytes", (1024, 1 << 30), 1023);
    check(with(&|c| c.with_batch_max_bytes((1 << 30) + 1)), "batch_max_bytes", (1024, 1 << 30), (1 << 30) + 1);
}

#[test]
fn options_at_their_bounds_are_taken() {
    let lowest = |c: StoreConfig| {
        c.with_segment_max_bytes(512)
            .with_fd_budget(1)
            .with_sync_every_n_events(1)
            .with_sync_max_bytes(4096)
            .with_sync_interval(Duration::from_millis(1))
            .with_payload_max_bytes(1)
            .with_batch_max_events(1)
            .with_batch_max_bytes(1024)
    };
    let highest = |c: StoreConfig| {
        c.with_segment_max_bytes(1 << 30)
            .with_fd_budget(65_536)
            .with_sync_every_n_events(u64::MAX)
            .with_sync_max_bytes(u64::MAX)
            .with_sync_interval(Duration::from_hours(1))
            .with_payload_max_bytes(256 << 20)
            .with_batch_max_events(1 << 20)
            .with_batch_max_bytes(1 << 30)
    };
    for config in [lowest(World::new().config()), highest(World::new().config())] {
        let store = Store::open(config).expect("opens");
        for _ in 0..20 {
            store.append(&at("a"), KIND, &1).expect("appends");
        }
        assert_eq!(store.verify_chain().expect("verifies").events, 20);
        store.close().expect("closes");
    }
}

#[test]
fn a_directory_alone_is_a_config_and_is_where_the_store_is() {
    let dir = tempfile::tempdir().expect("makes a directory");
    let path: PathBuf = dir.path().join("deep/er");
    let text = path.to_str().expect("utf-8").to_owned();
    Store::open(&path).expect("opens").close().expect("closes");
    Store::open(path.clone()).expect("opens").close().expect("closes");
    Store::open(text.as_str()).expect("opens").close().expect("closes");
    Store::open(text).expect("opens").close().expect("closes");
    let names = std::fs::read_dir(&path).expect("is there").map(|entry| entry.expect("is there").file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(names.iter().any(|name| name.contains(".fbat")), "{names:?}");
}

#[test]
fn a_segment_is_left_for_the_next_one_before_it_is_larger() {
    for bytes in [512, 2048, 1 << 20] {
        let world = World::new();
        let store = Store::open(world.config().with_segment_max_bytes(bytes)).expect("opens");
        for _ in 0..40 {
            append(&store, "a", AppendOptions::default());
        }
        let files = world.files.memory().files().into_iter();
        let lens: Vec<_> = files
            .filter(|path| path.extension().is_some_and(|e| e == "fbat"))
            .map(|path| world.files.memory().read(path).expect("is there").len() as u64)
            .collect();
        assert_eq!(lens.len() as u64, store.stats().expect("open").segments);
        match bytes {
            // One event does not fit with everything around it: each has a segment of its own.
            512 => assert!(lens.len() >= 40, "{lens:?}"),
            2048 => assert!(lens.len() > 3 && lens.iter().all(|len| *len <= 2048), "{lens:?}"),
            _ => assert_eq!(lens.len(), 1),
        }
        assert_eq!(store.verify_chain().expect("verifies").events, 40);
    }
}

#[test]
fn so_many_files_of_sealed_segments_are_open_at_once() {
    for budget in [1, 2, 7] {
        let world = World::new();
        let store = Store::open(world.config().with_segment_max_bytes(512).with_fd_budget(budget)).expect("opens");
        for _ in 0..30 {
            append(&store, "a", AppendOptions::default());
        }
        for _ in 0..2 {
            for sequence in 0..30 {
                store.read(sequence).expect("reads");
                assert!(store.diagnostics().open_files <= budget);
            }
        }
        assert_eq!(store.diagnostics().open_files, budget);
    }
}

#[test]
fn the_index_is_mapped_or_read_or_rebuilt() {
    let check = |checkpoint, mmap, path| {
        let dir = tempfile::tempdir().expect("makes a directory");
        let config = || StoreConfig::new(dir.path()).with_enable_checkpoint(checkpoint).with_enable_mmap_index(mmap);
        let store = Store::open(config()).expect("opens");
        append(&store, "a", AppendOptions::default());
        store.close().expect("closes");
        let written = dir.path().join("0000000000000-0000000000001.index").exists();
        assert_eq!(written, checkpoint || mmap, "checkpoint {checkpoint}, mmap {mmap}");
        let store = Store::open(config()).expect("opens");
        assert_eq!(store.diagnostics().open_report.expect("is there").path, path);
        assert_eq!(append(&store, "a", AppendOptions::default()).revision, 1);
    };
    check(true, true, OpenIndexPath::Mmap);
    check(false, true, OpenIndexPath::Mmap);
    check(true, false, OpenIndexPath::Checkpoint);
    check(false, false, OpenIndexPath::Rebuild);
}

#[test]
fn appends_go_through_a_tail_unless_that_is_declined() {
    assert_eq!(StoreConfig::new("x").write_path, WritePath::Tail);
    for path in [WritePath::Direct, WritePath::Tail] {
        let dir = tempfile::tempdir().expect("makes a directory");
        let config = || StoreConfig::new(dir.path()).with_write_path(path).with_sync_interval(Duration::from_hours(1));
        let store = Store::open(config()).expect("opens");
        for _ in 0..10 {
            append(&store, "a", AppendOptions::default());
        }
        assert_eq!(dir.path().join("batpak.tail").exists(), path == WritePath::Tail);
        assert_eq!(store.verify_chain().expect("verifies").events, 10);
        store.close().expect("closes");
        assert_eq!(append(&Store::open(config()).expect("opens"), "a", AppendOptions::default()).revision, 10);
    }
}

#[test]
fn files_time_and_randomness_come_from_the_environment() {
    let (files, clock, entropy) = (TestFiles::new(), TestClock::default(), TestEntropy::default());
    clock.set_wall_ns(1_234_567_890);
    let (files, entropy) = (Arc::new(files), Arc::new(entropy));
    let environment = Environment {
        file_system: Arc::clone(&files) as _,
        clock: Arc::new(clock),
        entropy: Arc::clone(&entropy) as _,
    };
    let store = Store::open(StoreConfig::new("/here").with_environment(environment)).expect("opens");
    let drawn = entropy.fills();
    let receipt = append(&store, "a", AppendOptions::default());
    assert!(entropy.fills() > drawn, "salts and ids");
    let event = store.get(receipt.event_id).expect("is there").event;
    assert_eq!(event.time().as_nanos(), 1_234_567_890);
    assert_eq!(receipt.event_id.millis(), 1234);
    assert!(files.memory().files().iter().all(|path| path.starts_with("/here")));
    assert!(files.memory().files().len() >= 2 && files.creates() >= 1 && files.directory_syncs() >= 1);
    assert!(!std::path::Path::new("/here").exists());
}

#[test]
fn every_option_of_an_append_is_stored() {
    let world = World::new();
    let store = world.open();
    let cause = append(&store, "cause", AppendOptions::default());
    let cause = store.get(cause.event_id).expect("is there").event;
    let tags = ["order:7", "user:3"];
    let options = AppendOptions::default()
        .expect_len(0)
        .with_idempotency_key(99)
        .with_correlation_id(EventId::from_u128(5))
        .with_causation_id(EventId::from_u128(6))
        .with_tags(&tags)
        .with_metadata(b"by hand")
        .with_occurred_at(Timestamp::from_nanos(-7))
        .with_durability(Durability::Synced);
    let check = |receipt: &AppendReceipt| {
        let event = store.get(receipt.event_id).expect("is there").event;
        assert_eq!(event.correlation_id(), Some(EventId::from_u128(5)));
        assert_eq!(event.causation_id(), Some(EventId::from_u128(6)));
        assert_eq!(event.tags().collect::<Vec<_>>(), tags);
        assert_eq!(event.metadata(), b"by hand");
        assert_eq!(event.occurred_at(), Some(Timestamp::from_nanos(-7)));
        assert_eq!((event.kind(), receipt.durability), (KIND, Durability::Synced));
        event.idempotency_key()
    };
    assert_eq!(check(&append(&store, "a", options)), Some(99));
    let batch = store.append_batch([item("b", options.with_idempotency_key(98))]).expect("appends");
    assert_eq!(check(&batch[0]), Some(98));

    let none = append(&store, "c", AppendOptions::default());
    let event = store.get(none.event_id).expect("is there").event;
    assert_eq!((event.correlation_id(), event.causation_id(), event.occurred_at()), (None, None, None));
    assert_eq!((event.tags().len(), event.metadata(), event.idempotency_key()), (0, &b""[..], None));

    let effect = append(&store, "d", AppendOptions::default().caused_by(&cause));
    let effect = store.get(effect.event_id).expect("is there").event;
    assert_eq!(effect.causation_id(), Some(cause.event_id()));
    assert_eq!(effect.correlation_id(), Some(cause.event_id()));
    let further = append(&store, "e", AppendOptions::default().caused_by(&effect));
    let further = store.get(further.event_id).expect("is there").event;
    assert_eq!(further.causation_id(), Some(effect.event_id()));
    assert_eq!(further.correlation_id(), Some(cause.event_id()), "the undertaking is that of the first");
}

#[test]
fn expect_new_and_expect_len_say_how_many() {
    let options = AppendOptions::default();
    assert_eq!(options.expected_sequence, None);
    assert_eq!(options.expect_new().expected_sequence, Some(0));
    assert_eq!(options.expect_len(7).expected_sequence, Some(7));
    assert_eq!(keyed(3).idempotency_key, Some(3));
    assert_eq!(synced().durability, Some(Durability::Synced));
}

/// As users write it: some fields, and the defaults for all others.
#[test]
fn fields_can_be_named_beside_the_defaults() {
    let config = StoreConfig { fd_budget: 9, ..StoreConfig::new("store") };
    assert_eq!((config.fd_budget, config.segment_max_bytes), (9, StoreConfig::new("store").segment_max_bytes));
}
