//! Limits: what is at one passes, what is one past it is an error that names both numbers.

use crate::support::{KIND, World, append, at, check_usable, item, item_of, keyed, visible};
use batpak::prelude::*;
use batpak::store::StoreError;

#[track_caller]
fn too_large<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (&'static str, u64, u64) {
    let error = result.expect_err("it is too large");
    assert!(!error.is_outcome_unknown() && !error.is_retryable());
    match error {
        StoreError::TooLarge { field, limit, value } => {
            let message = StoreError::TooLarge { field, limit, value }.to_string();
            assert!(message.contains(&limit.to_string()) && message.contains(&value.to_string()), "{message}");
            (field, limit, value)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_payload_at_its_limit_passes_and_one_byte_more_does_not() {
    for limit in [1_u64, 100, 70_000] {
        let world = World::new();
        let store = Store::open(world.config().with_payload_max_bytes(limit)).expect("opens");
        // The encoding of a text of 98 bytes has 2 more, that of 69,995 has 5 more.
        let (fits, past) = match limit {
            1 => (String::new(), "x".to_owned()),
            100 => ("x".repeat(98), "x".repeat(99)),
            _ => ("x".repeat(69_995), "x".repeat(69_996)),
        };
        store.append(&at("a"), KIND, &fits).expect("it fits");
        store.append_batch([item_of("a", KIND, &fits, keyed(1))]).expect("it fits");
        assert_eq!(too_large(store.append(&at("a"), KIND, &past)), ("payload bytes", limit, limit + 1));
        let batch = [item_of("a", KIND, &fits, keyed(2)), item_of("a", KIND, &past, keyed(3))];
        assert_eq!(too_large(store.append_batch(batch)), ("payload bytes", limit, limit + 1));
        assert_eq!(visible(&store), 2);
        assert_eq!(store.read(1).expect("reads").event.payload(), &fits);
    }
}

#[test]
fn the_default_payload_limit_is_16_mib_and_such_a_payload_is_read_back() {
    let world = World::new();
    let store = world.open();
    let limit = 16 << 20;
    let fits = "x".repeat(limit - 5);
    let receipt = store.append(&at("a"), KIND, &fits).expect("it fits");
    let names = "n".repeat(1024);
    let coordinate = Coordinate::new(&names, &names).expect("valid");
    let tags: Vec<String> = (10..26).map(|n| format!("{n}{}", "t".repeat(254))).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let (metadata, id) = (vec![7; 4096], EventId::from_u128(3));
    let everything = keyed(1)
        .with_tags(&tags)
        .with_metadata(&metadata)
        .with_correlation_id(id)
        .with_causation_id(id)
        .with_occurred_at(Timestamp::from_nanos(5));
    let config = world.config().with_batch_max_bytes(1 << 10);
    store.append_with_options(&coordinate, KIND, &fits, everything).expect("whatever else there is of it");
    store.close().expect("closes");
    // A single event is bounded by the payload's limit alone.
    let store = Store::open(config).expect("opens");
    store.append_with_options(&coordinate, KIND, &fits, everything.with_idempotency_key(2)).expect("it fits");
    store.append_batch([item_of("a", KIND, &fits, keyed(3))]).expect("it fits");
    let limit = limit as u64;
    assert_eq!(too_large(store.append(&at("a"), KIND, &(fits.clone() + "x"))), ("payload bytes", limit, limit + 1));
    assert_eq!(store.get_as::<String>(receipt.event_id).expect("reads").event.into_payload(), fits);
    check_usable(&store, 4);
}

#[test]
fn a_batch_has_at_most_so_many_events() {
    for limit in [1, 5] {
        let world = World::new();
        let store = Store::open(world.config().with_batch_max_events(limit)).expect("opens");
        let batch = |count: usize| store.append_batch((0..count).map(|_| item("a", AppendOptions::default())));
        assert_eq!(batch(limit).expect("it fits").len(), limit);
        let refused = too_large(batch(limit + 1));
        let limit = limit as u64;
        assert_eq!(refused, ("batch events", limit, limit + 1));
        check_usable(&store, limit);
    }
    assert_eq!(StoreConfig::new("x").batch_max_events, 65_536);
}

#[test]
fn a_batch_has_at_most_so_many_bytes_with_all_that_the_format_adds() {
    let batch = || (0..10).map(|n| item_of("a", KIND, &"x".repeat(100 + n), AppendOptions::default()));
    let world = World::new();
    let store = Store::open(world.config().with_batch_max_bytes(1024)).expect("opens");
    let (field, limit, bytes) = too_large(store.append_batch(batch()));
    assert_eq!((field, limit), ("batch bytes", 1024));
    assert!(bytes > 10 * 100, "{bytes}");
    check_usable(&store, 0);
    for (limit, fits) in [(bytes, true), (bytes - 1, false)] {
        let world = World::new();
        let store = Store::open(world.config().with_batch_max_bytes(limit)).expect("opens");
        let before = store.stats().expect("open").segment_bytes;
        let result = store.append_batch(batch());
        if fits {
            result.expect("it fits");
            assert_eq!(store.stats().expect("open").segment_bytes - before, bytes, "that is what it takes on disk");
        } else {
            assert_eq!(too_large(result), ("batch bytes", limit, bytes));
        }
    }
}

#[test]
fn metadata_and_tags_have_limits() {
    let world = World::new();
    let store = world.open();
    let metadata = vec![1; 4097];
    let tags: Vec<String> = (0..17).map(|n| format!("tag {n}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let longer = "t".repeat(257);
    let (longest, longer) = ([&longer[1..]], [&longer[..]]);
    let plain = AppendOptions::default();
    let both = |options| {
        let single = store.append_with_options(&at("a"), KIND, &1, options).map(drop);
        let batch = store.append_batch([item("a", options)]).map(drop);
        (single, batch)
    };
    for fits in [plain.with_metadata(&metadata[1..]), plain.with_tags(&tags[1..]), plain.with_tags(&longest)] {
        let (single, batch) = both(fits);
        single.expect("it fits");
        batch.expect("it fits");
    }
    let too_much: [(AppendOptions<'_>, &str, &str); 6] = [
        (plain.with_metadata(&metadata), "4097", "4096"),
        (plain.with_tags(&tags), "17", "16"),
        (plain.with_tags(&longer), "257", "256"),
        (plain.with_tags(&[""]), "", ""),
        (plain.with_tags(&["a\0b"]), "", ""),
        (plain.with_tags(&["twice", "twice"]), "", ""),
    ];
    for (options, value, limit) in too_much {
        let (single, batch) = both(options);
        for refused in [single, batch] {
            let refused = refused.expect_err("it is past its limit");
            assert!(matches!(refused, StoreError::Field(_)), "{refused}");
            let message = refused.to_string();
            assert!(message.contains(value) && message.contains(limit), "{message}");
        }
    }
    check_usable(&store, 6);
}

#[test]
fn a_refused_payload_leaves_nothing_behind_for_the_next_append() {
    let world = World::new();
    let store = Store::open(world.config().with_payload_max_bytes(50)).expect("opens");
    for sequence in 0..10 {
        too_large(store.append(&at("a"), KIND, &"x".repeat(100)));
        assert_eq!(append(&store, "a", AppendOptions::default()).sequence, sequence);
    }
    check_usable(&store, 10);
}
