//! What conditions and decisions add to an append, on the real file system in a temporary directory.
//!
//! The store has a million events at 1000 entities, of which all but the last are sealed or frozen as they come to be.
//! `BATPAK_BENCH_DIR` says where the directory is made, `BATPAK_BENCH_EVENTS` how many events there are instead.
#![expect(clippy::unwrap_used, reason = "a bench stops where something fails")]

use batpak::prelude::*;
use divan::Bencher;
use divan::counter::ItemsCount;
use std::sync::LazyLock;
use tempfile::TempDir;

const KIND: EventKind = EventKind::custom(1, 1);

fn main() {
    divan::main();
    // What is static is not dropped.
    std::fs::remove_dir_all(FILLED.0.path()).unwrap();
}

#[derive(serde::Serialize, serde::Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "account.paid")]
struct Paid(i64);

/// A state of 64 bytes.
#[derive(Clone, Default)]
struct Balance {
    cents: i64,
    _rest: [u64; 7],
}

impl Projection for Balance {
    type Event = Paid;

    fn apply(&mut self, event: &Event<Paid>) {
        self.cents += event.payload().0;
    }
}

static FILLED: LazyLock<(TempDir, Store)> = LazyLock::new(|| {
    let dir = std::env::var_os("BATPAK_BENCH_DIR").map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
    let store = Store::open(dir.path()).unwrap();
    let events = std::env::var("BATPAK_BENCH_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let coordinates: Vec<_> = (0..1000).map(at).collect();
    for batch in 0..events / 1000 {
        let item = |at: &Coordinate| {
            BatchAppendItem::new(at.clone(), KIND, &batch, AppendOptions::default(), CausationRef::None).unwrap()
        };
        store.append_batch(coordinates.iter().map(item)).unwrap();
    }
    store.sync().unwrap();
    (dir, store)
});

fn at(n: usize) -> Coordinate {
    Coordinate::new(format!("account:{n}"), "bank").unwrap()
}

/// To compare with: an append without a condition.
#[divan::bench(sample_count = 200, sample_size = 50)]
fn append(bencher: Bencher<'_, '_>) {
    let (store, account) = (&FILLED.1, at(7));
    bencher.bench_local(|| store.append(&account, KIND, &5_i64).unwrap());
}

/// To compare with: the same as a transaction that reads nothing.
#[divan::bench(sample_count = 200, sample_size = 50)]
fn transaction(bencher: Bencher<'_, '_>) {
    let (store, account) = (&FILLED.1, at(7));
    bencher.bench_local(|| {
        let mut transaction = store.transaction();
        transaction.append(&account, KIND, &5_i64).unwrap();
        transaction.commit().unwrap()
    });
}

/// Of another entity, of a tag that nothing has, of a kind and another scope; since the last ten events.
#[divan::bench(args = ["entity", "tag", "kind"], sample_count = 200, sample_size = 50)]
fn condition(bencher: Bencher<'_, '_>, of: &str) {
    let (store, account) = (&FILLED.1, at(7));
    let region = match of {
        "entity" => Region::entity("account:8"),
        "tag" => Region::tag("seat:4"),
        _ => Region::kind(EventKind::custom(1, 2)).with_scope("bank"),
    };
    bencher.bench_local(|| {
        let mut transaction = store.transaction();
        let since = transaction.end() - 10;
        transaction.require(Condition::none_since(region.clone(), since));
        transaction.append(&account, KIND, &5_i64).unwrap();
        match transaction.commit() {
            // The state of another bench.
            Err(error) if error.is_conflict() => Vec::new(),
            other => other.unwrap(),
        }
    });
}

/// On a state that is kept, and to which each decision adds an event.
#[divan::bench(sample_count = 200, sample_size = 50)]
fn decide(bencher: Bencher<'_, '_>) {
    let (store, account) = (&FILLED.1, at(9));
    bencher.bench_local(|| decided(store, &account));
}

/// A state that is kept and is as it was.
#[divan::bench(sample_count = 200, sample_size = 50)]
fn state_again(bencher: Bencher<'_, '_>) {
    let store = &FILLED.1;
    bencher.bench_local(|| store.state::<Balance>("account:10", &Freshness::Consistent).unwrap());
}

/// All on one entity.
#[divan::bench(threads = [1, 2, 16], sample_count = 64, sample_size = 50)]
fn decide_on_a_hot_entity(bencher: Bencher<'_, '_>) {
    let (store, account) = (&FILLED.1, at(11));
    bencher.counter(ItemsCount::new(1_usize)).bench(|| decided(store, &account));
}

fn decided(store: &Store, account: &Coordinate) -> usize {
    let decide = |balance: &Balance| Ok::<_, StoreError>([Paid(1 + balance.cents % 2)]);
    store.decide(account, decide).unwrap().len()
}
