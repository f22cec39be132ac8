//! What the verbs of the store cost, on the real file system in a temporary directory.
//!
//! Items are events: 68 bytes of `MessagePack` each, at 1000 entities round robin. `BATPAK_BENCH_DIR` says where the
//! directory is made, `BATPAK_BENCH_EVENTS` how many events the store that is read has (100,000).
#![expect(clippy::unwrap_used, reason = "a bench stops where something fails")]

use batpak::prelude::*;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

const KIND: EventKind = EventKind::custom(1, 1);
const ENTITIES: usize = 1000;
const DURABILITIES: [Durability; 2] = [Durability::Written, Durability::Synced];

fn main() {
    divan::main();
}

#[derive(Clone, Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "order")]
struct Order {
    customer: u32,
    item: String,
    cents: u64,
    note: String,
}

fn order() -> Order {
    Order { customer: 123_456, item: "a chair of oak".to_owned(), cents: 12_900, note: "to the door".to_owned() }
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
enum OrderEvent {
    #[batpak(type_id = 1, name = "order")]
    Placed(Order),
    #[batpak(type_id = 2, name = "order.cancelled")]
    Cancelled,
}

/// Typed.
#[derive(Default)]
struct Total(u64);

impl Projection for Total {
    type Event = Order;

    fn apply(&mut self, event: &Event<Order>) {
        self.0 += event.payload().cents;
    }
}

struct JsonTotal(u64);

impl EventSourced for JsonTotal {
    type Input = ValueInput;

    fn from_events(events: &[Event<Value>]) -> Option<Self> {
        Some(Self(events.iter().filter_map(|event| event.payload()["cents"].as_u64()).sum()))
    }

    fn apply_event(&mut self, event: &Event<Value>) {
        self.0 += event.payload()["cents"].as_u64().unwrap_or(0);
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[]
    }
}

struct Bytes(usize);

impl EventSourced for Bytes {
    type Input = RawMsgpackInput;

    fn from_events(events: &[Event<&[u8]>]) -> Option<Self> {
        Some(Self(events.iter().map(|event| event.payload().len()).sum()))
    }

    fn apply_event(&mut self, event: &Event<&[u8]>) {
        self.0 += event.payload().len();
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[]
    }
}

fn directory() -> TempDir {
    std::env::var_os("BATPAK_BENCH_DIR").map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap()
}

fn events() -> usize {
    std::env::var("BATPAK_BENCH_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

fn coordinates() -> Vec<Coordinate> {
    (0..ENTITIES).map(|n| Coordinate::new(format!("entity:{n:04}"), "shop").unwrap()).collect()
}

fn item(coordinate: &Coordinate) -> BatchAppendItem {
    BatchAppendItem::new(coordinate.clone(), KIND, &order(), AppendOptions::default(), CausationRef::None).unwrap()
}

fn fill(store: &Store) {
    let coordinates = coordinates();
    let mut left = events();
    let mut next = coordinates.iter().cycle();
    while left > 0 {
        let size = left.min(1000);
        store.append_batch(next.by_ref().take(size).map(item)).unwrap();
        left -= size;
    }
    store.sync().unwrap();
}

/// A store of many events, open.
fn filled() -> (TempDir, Store) {
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    fill(&store);
    (dir, store)
}

fn ids(store: &Store) -> Vec<EventId> {
    let mut ids: Vec<EventId> = store.query(&Region::all()).unwrap().iter().map(|row| row.event_id).collect();
    // Far from the order in which they were written.
    ids.sort_by_key(|id| id.sequence().wrapping_mul(0x9E37_79B9_7F4A_7C15));
    ids
}

#[divan::bench]
fn nothing(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| black_box(0));
}

/// The floor of a payload: encoding it into memory that is there.
#[divan::bench]
fn encode_only(bencher: Bencher<'_, '_>) {
    let (order, mut buffer) = (order(), Vec::new());
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        buffer.clear();
        rmp_serde::encode::write_named(&mut buffer, black_box(&order)).unwrap();
        buffer.len()
    });
}

/// Gives one event after the other to `append`.
fn one_by_one<T>(
    bencher: Bencher<'_, '_>,
    durability: Durability,
    append: impl Fn(&Store, &Coordinate, &Order, AppendOptions<'_>) -> T,
) {
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    let (coordinates, order) = (coordinates(), order());
    let options = AppendOptions::default().with_durability(durability);
    let mut next = coordinates.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| append(&store, next.next().unwrap(), &order, options));
}

#[divan::bench(args = DURABILITIES)]
fn append(bencher: Bencher<'_, '_>, durability: Durability) {
    one_by_one(bencher, durability, |store, coordinate, order, options| {
        store.append_with_options(coordinate, KIND, order, options).unwrap()
    });
}

/// The same, kind and version from the type.
#[divan::bench(args = DURABILITIES)]
fn append_typed(bencher: Bencher<'_, '_>, durability: Durability) {
    one_by_one(bencher, durability, |store, coordinate, order, options| {
        store.append_typed_with(coordinate, order, options).unwrap()
    });
}

/// The same, the payload a variant of an enum.
#[divan::bench(args = DURABILITIES)]
fn append_variant(bencher: Bencher<'_, '_>, durability: Durability) {
    let placed = OrderEvent::Placed(order());
    one_by_one(bencher, durability, |store, coordinate, _, options| {
        store.append_typed_with(coordinate, &placed, options).unwrap()
    });
}

/// Each thread appends one event after the other.
#[divan::bench(args = DURABILITIES, threads = [1, 4, 16], sample_count = 64, sample_size = 20)]
fn append_in_threads(bencher: Bencher<'_, '_>, durability: Durability) {
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    let (coordinates, order) = (coordinates(), order());
    let options = AppendOptions::default().with_durability(durability);
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench(|| store.append_with_options(&coordinates[7], KIND, black_box(&order), options).unwrap());
}

/// Submits without asking what became of it.
#[divan::bench(args = DURABILITIES)]
fn submit(bencher: Bencher<'_, '_>, durability: Durability) {
    one_by_one(bencher, durability, |store, coordinate, order, options| {
        drop(store.submit(coordinate, KIND, order, options).unwrap());
    });
}

/// Submits so many at once and waits for all.
#[divan::bench(args = [10, 100], sample_count = 50)]
fn submit_and_wait_synced(bencher: Bencher<'_, '_>, size: usize) {
    let dir = directory();
    let store = Store::open(StoreConfig::synced(dir.path())).unwrap();
    let (coordinates, order) = (coordinates(), order());
    bencher.counter(ItemsCount::new(size)).bench_local(|| {
        let submit = |coordinate| store.submit(coordinate, KIND, &order, AppendOptions::default()).unwrap();
        let tickets: Vec<_> = coordinates.iter().take(size).map(submit).collect();
        tickets.into_iter().map(|ticket| ticket.wait().unwrap().sequence).max()
    });
}

#[divan::bench(args = [100, 1000])]
fn submit_batch(bencher: Bencher<'_, '_>, size: usize) {
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    let coordinates = coordinates();
    bencher
        .counter(ItemsCount::new(size))
        .with_inputs(|| coordinates.iter().cycle().take(size).map(item).collect::<Vec<_>>())
        .bench_local_values(|items| drop(store.submit_batch(items).unwrap().wait().unwrap()));
}

/// Waits for an event that was only written.
#[divan::bench(sample_count = 50, sample_size = 20)]
fn wait_durable(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    let (coordinates, order) = (coordinates(), order());
    bencher
        .counter(ItemsCount::new(1_u32))
        .with_inputs(|| store.append(&coordinates[0], KIND, &order).unwrap())
        .bench_local_values(|receipt| store.wait_durable(receipt.sequence).unwrap());
}

#[divan::bench(args = [100, 1000])]
fn append_batch(bencher: Bencher<'_, '_>, size: usize) {
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    let coordinates = coordinates();
    bencher
        .counter(ItemsCount::new(size))
        .with_inputs(|| coordinates.iter().cycle().take(size).map(item).collect::<Vec<_>>())
        .bench_local_values(|items| store.append_batch(items).unwrap());
}

#[divan::bench]
fn get(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let ids = ids(&store);
    let mut next = ids.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| store.get(*next.next().unwrap()).unwrap());
}

#[divan::bench]
fn get_typed(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let ids = ids(&store);
    let mut next = ids.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| store.get_typed::<Order>(*next.next().unwrap()).unwrap());
}

#[divan::bench]
fn get_raw(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let ids = ids(&store);
    let mut next = ids.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| store.get_raw(*next.next().unwrap()).unwrap());
}

#[divan::bench]
fn read(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let ids = ids(&store);
    let mut next = ids.iter().cycle();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| store.read(next.next().unwrap().sequence()).unwrap());
}

/// The rows of one entity of 1000, not decoded.
#[divan::bench]
fn stream(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher.counter(ItemsCount::new(events() / ENTITIES)).bench_local(|| store.stream(black_box("entity:0005")));
}

#[divan::bench]
fn query_all(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher.counter(ItemsCount::new(events())).bench_local(|| store.query(&Region::all()).unwrap().len());
}

#[divan::bench]
fn query_kind_that_does_not_occur(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let region = Region::kind(EventKind::custom(2, 2));
    bencher.counter(ItemsCount::new(events())).bench_local(|| store.query(&region).unwrap().len());
}

#[divan::bench]
fn newest_of_an_entity(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let region = Region::entity("entity:0005");
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| store.events(&region).backward().typed::<Order>().next().unwrap().unwrap());
}

#[divan::bench]
fn events_typed(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher.counter(ItemsCount::new(events())).bench_local(|| {
        store.events(&Region::all()).typed::<Order>().map(|event| event.unwrap().event.payload().cents).sum::<u64>()
    });
}

#[divan::bench]
fn events_raw(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher.counter(ItemsCount::new(events())).bench_local(|| {
        store.events(&Region::all()).raw().map(|event| event.unwrap().event.payload().len()).sum::<usize>()
    });
}

#[divan::bench]
fn events_json(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher.counter(ItemsCount::new(events())).bench_local(|| {
        store.events(&Region::all()).map(|event| event.unwrap().event.payload()["cents"].as_u64().unwrap()).sum::<u64>()
    });
}

/// The events of one entity of 1000, as JSON.
#[divan::bench]
fn events_of_an_entity(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let region = Region::entity("entity:0005");
    bencher
        .counter(ItemsCount::new(events() / ENTITIES))
        .bench_local(|| store.events(&region).map(Result::unwrap).count());
}

#[divan::bench]
fn cursor_drain(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher.counter(ItemsCount::new(events())).bench_local(|| {
        let mut cursor = store.cursor_guaranteed(&Region::all());
        std::iter::from_fn(|| cursor.poll()).count()
    });
}

/// A poll that finds nothing new.
#[divan::bench]
fn cursor_poll_idle(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let mut cursor = store.cursor_guaranteed(&Region::entity("entity:0005"));
    while cursor.poll().is_some() {}
    bencher.bench_local(|| cursor.poll().is_none());
}

fn project<T: EventSourced>(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher
        .counter(ItemsCount::new(events() / ENTITIES))
        .bench_local(|| store.project::<T>("entity:0005", &Freshness::Consistent).unwrap().is_some());
}

#[divan::bench]
fn project_typed(bencher: Bencher<'_, '_>) {
    project::<Total>(bencher);
}

#[divan::bench]
fn project_json(bencher: Bencher<'_, '_>) {
    project::<JsonTotal>(bencher);
}

#[divan::bench]
fn project_raw(bencher: Bencher<'_, '_>) {
    project::<Bytes>(bencher);
}

/// The same once more, when nothing is new.
#[divan::bench]
fn projected_again(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let mut projected = store.projected::<Total>("entity:0005");
    projected.newest().unwrap();
    bencher.bench_local(|| projected.newest().unwrap().is_some());
}

/// The same once more, after an event of another entity.
#[divan::bench]
fn projected_after_another(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    let mut projected = store.projected::<Total>("entity:0005");
    let other = Coordinate::new("entity:0006", "bench").unwrap();
    bencher.bench_local(|| {
        store.append(&other, KIND, &0).unwrap();
        projected.newest().unwrap().is_some()
    });
}

/// A store that is closed, in a directory.
fn closed() -> TempDir {
    let (dir, store) = filled();
    store.close().unwrap();
    dir
}

fn mapped(dir: &Path) -> StoreConfig {
    StoreConfig::new(dir)
}

fn owned(dir: &Path) -> StoreConfig {
    mapped(dir).with_enable_mmap_index(false)
}

fn rebuilt(dir: &Path) -> StoreConfig {
    owned(dir).with_enable_checkpoint(false)
}

fn open(bencher: Bencher<'_, '_>, config: fn(&Path) -> StoreConfig) {
    let dir = closed();
    bencher
        .counter(ItemsCount::new(events()))
        .with_inputs(|| config(dir.path()))
        .bench_local_values(|config| Store::open(config).unwrap());
}

#[divan::bench(sample_count = 20)]
fn open_mapped(bencher: Bencher<'_, '_>) {
    open(bencher, mapped);
}

#[divan::bench(sample_count = 20)]
fn open_checkpoint(bencher: Bencher<'_, '_>) {
    open(bencher, owned);
}

#[divan::bench(sample_count = 20)]
fn open_rebuild(bencher: Bencher<'_, '_>) {
    open(bencher, rebuilt);
}

#[divan::bench(sample_count = 20)]
fn open_read_only(bencher: Bencher<'_, '_>) {
    let dir = closed();
    bencher.counter(ItemsCount::new(events())).bench_local(|| Store::open_read_only(dir.path()).unwrap());
}

/// Closing after many appends: sync, index, mark.
#[divan::bench(sample_count = 10)]
fn close(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(events())).with_inputs(filled).bench_local_values(|(dir, store)| {
        store.close().unwrap();
        dir
    });
}

#[divan::bench(sample_count = 10)]
fn snapshot(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher.counter(ItemsCount::new(events())).with_inputs(directory).bench_local_values(|copy| {
        store.snapshot(copy.path()).unwrap();
        copy
    });
}

#[divan::bench(sample_count = 10)]
fn verify_chain(bencher: Bencher<'_, '_>) {
    let (_dir, store) = filled();
    bencher.counter(ItemsCount::new(events())).bench_local(|| store.verify_chain().unwrap().events);
}

/// All of a closed store: segments, hashes, and the files of the index.
#[divan::bench(sample_count = 10)]
fn verify(bencher: Bencher<'_, '_>) {
    let (dir, store) = filled();
    store.close().unwrap();
    bencher.counter(ItemsCount::new(events())).bench_local(|| {
        let report = batpak::store::verify(dir.path(), |_| std::ops::ControlFlow::Continue(())).unwrap();
        assert!(report.is_intact());
        report.events
    });
}

/// Number of events in the stores in which causes are looked for, and of those that have one.
const STORES: [usize; 2] = [1_000, 1_000_000];
const LINKS: usize = 10;

/// A store of so many events. Some of them, evenly spread, have each brought about the next, of one undertaking.
fn linked(events: usize) -> (TempDir, Store, Vec<EventId>) {
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    let coordinates = coordinates();
    let mut next = coordinates.iter().cycle();
    let mut ids: Vec<EventId> = Vec::new();
    for _ in 0..LINKS {
        let options = AppendOptions { causation_id: ids.last().copied(), ..AppendOptions::default() };
        let options = AppendOptions { correlation_id: ids.first().copied(), ..options };
        ids.push(store.append_with_options(&coordinates[0], KIND, &(), options).unwrap().event_id);
        let mut left = events / LINKS - 1;
        while left > 0 {
            let size = left.min(1000);
            store.append_batch(next.by_ref().take(size).map(item)).unwrap();
            left -= size;
        }
    }
    store.sync().unwrap();
    (dir, store, ids)
}

/// From the last one up to the first one.
#[divan::bench(args = STORES)]
fn causes(bencher: Bencher<'_, '_>, events: usize) {
    let (_dir, store, ids) = linked(events);
    bencher.counter(ItemsCount::new(LINKS - 1)).bench_local(|| store.causes(ids[LINKS - 1]).count());
}

/// From the first one down to the last one.
#[divan::bench(args = STORES)]
fn effects(bencher: Bencher<'_, '_>, events: usize) {
    let (_dir, store, ids) = linked(events);
    bencher.counter(ItemsCount::new(LINKS - 1)).bench_local(|| {
        let effect = |id: &EventId| store.effects(*id).next().map(|row| row.unwrap().event_id);
        std::iter::successors(Some(ids[0]), effect).count()
    });
}

#[divan::bench(args = STORES)]
fn correlation(bencher: Bencher<'_, '_>, events: usize) {
    let (_dir, store, ids) = linked(events);
    bencher.counter(ItemsCount::new(LINKS)).bench_local(|| store.correlation(ids[0], 1000).unwrap().len());
}
