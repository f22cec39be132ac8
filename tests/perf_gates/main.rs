//! How fast the store has to be, as gates over what was measured. Each figure is a ratio to the same bytes written by
//! hand within milliseconds of it, so that it says the same on slow disks and fast ones.
//!
//! They measure the machine and want it for themselves, so they are ignored until asked for: `cargo xtask perf-gates`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod floor;
mod gates;
mod measure;

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use batpak::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use floor::{Floor, frame_len};
use gates::{at_least, at_most, hold};
use measure::{median, of_floor, per_mille};

const ENTITIES: u32 = 1000;
const KIND: EventKind = EventKind::custom(1, 1);

/// 68 bytes of MessagePack.
#[derive(Serialize)]
struct Paid {
    order: u32,
    cents: u32,
    at: u64,
    item: &'static str,
    by: &'static str,
}

fn paid(number: u32) -> Paid {
    Paid { order: number | 1 << 31, cents: !number | 1 << 31, at: 1 << 60, item: "0123456789abcdef", by: "counter" }
}

/// The same bytes, typed.
#[derive(Clone, Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "order.paid")]
struct OrderPaid {
    order: u32,
    cents: u32,
    at: u64,
    item: String,
    by: String,
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
enum OrderEvent {
    #[batpak(type_id = 2, name = "order.cancelled")]
    Cancelled,
    #[batpak(type_id = 1, name = "order.paid")]
    Paid(OrderPaid),
}

fn order_paid() -> OrderPaid {
    let Paid { order, cents, at, item, by } = paid(1);
    OrderPaid { order, cents, at, item: item.to_owned(), by: by.to_owned() }
}

/// The tests of one program run at the same time; these must not.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory on the disk of the build, which is a real one.
fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room for a directory")
}

/// What a gate compares, side by side in one directory.
struct Sides {
    floor: Floor,
    writer: Writer,
    /// Last, so that it is removed after what is in it was closed.
    _dir: TempDir,
}

impl Sides {
    /// A floor of so many frames, each as long as that of `events` events, and an empty store.
    fn new(events: usize, frames: u32, config: fn(PathBuf) -> StoreConfig) -> Self {
        let dir = directory();
        let floor = Floor::new(&dir.path().join("floor"), frame_len(events), frames);
        let writer = Writer::open(config(dir.path().join("store")));
        Self { floor, writer, _dir: dir }
    }

    /// How much of the floor's speed the writer reaches with so many commits in a turn. The floor writes and syncs as
    /// many frames.
    fn commits_of_floor(mut self, commits: u32, commit: impl Fn(&mut Writer)) -> f64 {
        of_floor(40, || self.floor.write_and_sync_each(commits), || (0..commits).for_each(|_| commit(&mut self.writer)))
    }
}

/// A gate over a single figure.
fn hold_at_least(what: &'static str, bound: f64, figure: f64) {
    hold(&figure, [at_least(what, bound, |figure: &f64| *figure)]);
}

/// A store with the events that go into it, one after the other.
struct Writer {
    store: Store,
    coordinates: Vec<Coordinate>,
    next: u32,
}

impl Writer {
    fn open(config: impl Into<StoreConfig>) -> Self {
        let coordinate = |entity| Coordinate::new(format!("account-{entity:04}"), "bench").expect("it is a name");
        Self {
            store: Store::open(config).expect("the directory is empty"),
            coordinates: (0..ENTITIES).map(coordinate).collect(),
            next: 0,
        }
    }

    fn coordinate(&self, number: u32) -> &Coordinate {
        let entity = usize::try_from(number % ENTITIES).expect("there are few entities");
        &self.coordinates[entity]
    }

    fn append(&mut self, events: u32) {
        for number in self.next..self.next + events {
            self.store.append(self.coordinate(number), KIND, &paid(number)).expect("it is appended");
        }
        self.next += events;
    }

    fn append_each(&mut self, events: u32, append: &dyn Fn(&Store, &Coordinate) -> Result<AppendReceipt, StoreError>) {
        for number in self.next..self.next + events {
            append(&self.store, self.coordinate(number)).expect("it is appended");
        }
        self.next += events;
    }

    fn append_batch(&mut self, events: u32) {
        let item = |number| {
            let coordinate = self.coordinate(number).clone();
            BatchAppendItem::new(coordinate, KIND, &paid(number), AppendOptions::default(), CausationRef::None)
                .expect("it can be encoded")
        };
        let items: Vec<_> = (self.next..self.next + events).map(item).collect();
        self.store.append_batch(items).expect("it is appended");
        self.next += events;
    }
}

#[test]
#[ignore = "measures this machine"]
fn an_append_that_waits_for_nothing_costs_little_more_than_its_write() {
    struct Figures {
        of_floor: f64,
        p999_in_syncs: f64,
    }
    let _alone = alone();
    let Sides { _dir, mut floor, mut writer } = Sides::new(1, 100_000, StoreConfig::new);
    let mut latencies = Vec::new();
    let of_floor = of_floor(
        40,
        || {
            floor.write(1000);
            floor.sync();
        },
        || {
            for _ in 0..1000 {
                let start = Instant::now();
                writer.append(1);
                latencies.push(start.elapsed());
            }
        },
    );
    let sync = median((0..100).map(|_| floor.write_and_sync()).collect());
    let figures = Figures { of_floor, p999_in_syncs: per_mille(latencies, 999).as_secs_f64() / sync };
    hold(
        &figures,
        [
            at_least("throughput of the floor", 0.3, |figures: &Figures| figures.of_floor),
            at_most("p99.9 in syncs", 5.0, |figures: &Figures| figures.p999_in_syncs),
        ],
    );
}

#[test]
#[ignore = "measures this machine"]
fn a_typed_append_costs_what_an_untyped_one_costs() {
    struct Figures {
        of_struct: f64,
        of_variant: f64,
    }
    let _alone = alone();
    let paid = order_paid();
    let variant = OrderEvent::Paid(paid.clone());
    let dir = directory();
    // One store for all: what its disk does is the same for both.
    let writer = RefCell::new(Writer::open(dir.path()));
    let of_untyped = |append: &dyn Fn(&Store, &Coordinate) -> Result<AppendReceipt, StoreError>| {
        let untyped = |store: &Store, coordinate: &Coordinate| store.append(coordinate, KIND, &paid);
        of_floor(2000, || writer.borrow_mut().append_each(50, &untyped), || writer.borrow_mut().append_each(50, append))
    };
    let figures = Figures {
        of_struct: of_untyped(&|store, coordinate| store.append_typed(coordinate, &paid)),
        of_variant: of_untyped(&|store, coordinate| store.append_typed(coordinate, &variant)),
    };
    hold(
        &figures,
        [
            at_least("speed of a struct beside an untyped append", 0.95, |figures: &Figures| figures.of_struct),
            at_least("speed of a variant beside an untyped append", 0.95, |figures: &Figures| figures.of_variant),
        ],
    );
}

#[test]
#[ignore = "measures this machine"]
fn a_synced_append_costs_little_more_than_its_sync() {
    let _alone = alone();
    let of_floor = Sides::new(1, 10_000, StoreConfig::synced).commits_of_floor(32, |writer| writer.append(1));
    hold_at_least("throughput of the floor", 0.8, of_floor);
}

#[test]
#[ignore = "measures this machine"]
fn synced_batches_are_near_the_floor() {
    let _alone = alone();
    let of_floor = Sides::new(100, 1000, StoreConfig::synced).commits_of_floor(8, |writer| writer.append_batch(100));
    hold_at_least("throughput of the floor", 0.4, of_floor);
}

#[test]
#[ignore = "measures this machine"]
fn large_batches_are_near_the_floor() {
    let _alone = alone();
    let of_floor = Sides::new(1000, 500, StoreConfig::new).commits_of_floor(8, |writer| writer.append_batch(1000));
    hold_at_least("throughput of the floor", 0.1, of_floor);
}

#[test]
#[ignore = "measures this machine"]
fn threads_that_wait_for_the_disk_share_its_syncs() {
    let _alone = alone();
    let Sides { _dir, mut floor, writer } = Sides::new(1, 20_000, StoreConfig::synced);
    let times_floor = of_floor(
        10,
        || floor.write_and_sync_each(256),
        || {
            thread::scope(|scope| {
                for thread in 0..16 {
                    let writer = &writer;
                    scope.spawn(move || {
                        for number in 0..16 {
                            let coordinate = writer.coordinate(thread);
                            writer.store.append(coordinate, KIND, &paid(number)).expect("it is appended");
                        }
                    });
                }
            });
        },
    );
    hold_at_least("16 threads beside one by hand", 3.0, times_floor);
}

#[test]
#[ignore = "measures this machine"]
fn an_open_after_a_close_costs_less_than_reading_the_files() {
    let _alone = alone();
    let dir = directory();
    let path = dir.path().join("store");
    let mut writer = Writer::open(&path);
    for _ in 0..200 {
        writer.append_batch(1000);
    }
    writer.store.close().expect("it is closed");
    let of_floor = of_floor(
        9,
        || {
            let crcs = files(&path).iter().map(|bytes| crc32c::crc32c(bytes)).fold(0, |sum, crc| sum ^ crc);
            std::hint::black_box(crcs);
        },
        || Store::open(&path).expect("it was closed").close().expect("it is closed"),
    );
    hold_at_least("reading all beside opening", 0.1, of_floor);
}

fn files(dir: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(dir).expect("the store is there");
    entries.map(|entry| fs::read(entry.expect("it is an entry").path()).expect("it is a file")).collect()
}

#[test]
#[ignore = "measures this machine"]
fn getting_an_event_costs_little_more_than_reading_its_bytes() {
    const EVENTS: u32 = 100_000;
    let _alone = alone();
    let Sides { _dir, mut floor, mut writer } = Sides::new(1, EVENTS, StoreConfig::new);
    floor.write(EVENTS);
    for _ in 0..EVENTS / 1000 {
        writer.append_batch(1000);
    }
    // All over the store: the step has no divisor in common with the number of events.
    let numbers = || (0..2000_u32).map(|n| n.wrapping_mul(7919) % EVENTS);
    let mut frame = vec![0; frame_len(1)];
    let of_floor = of_floor(
        20,
        || {
            for number in numbers() {
                floor.file().read_exact_at(&mut frame, floor.offset(number)).expect("it was written");
                std::hint::black_box(crc32c::crc32c(&frame));
            }
        },
        || {
            for number in numbers() {
                std::hint::black_box(writer.store.read(u64::from(number)).expect("it was appended"));
            }
        },
    );
    hold_at_least("pread and crc beside get", 0.1, of_floor);
}

#[test]
#[ignore = "writes a hundred thousand events"]
fn an_event_takes_few_bytes() {
    struct Figures {
        one_by_one: f64,
        in_batches: f64,
    }
    const EVENTS: u32 = 50_000;
    let _alone = alone();
    let dir = directory();
    let size = |name: &str, append: fn(&mut Writer)| {
        let path = dir.path().join(name);
        let mut writer = Writer::open(&path);
        append(&mut writer);
        assert_eq!(writer.next, EVENTS);
        writer.store.close().expect("it is closed");
        let bytes = files(&path).iter().map(Vec::len).sum::<usize>();
        f64::from(u32::try_from(bytes).expect("it is small")) / f64::from(EVENTS)
    };
    let figures = Figures {
        one_by_one: size("one-by-one", |writer| writer.append(EVENTS)),
        in_batches: size("in-batches", |writer| (0..EVENTS / 1000).for_each(|_| writer.append_batch(1000))),
    };
    hold(
        &figures,
        [
            at_most("bytes for an event, one by one", 270.0, |figures: &Figures| figures.one_by_one),
            at_most("bytes for an event in batches", 240.0, |figures: &Figures| figures.in_batches),
        ],
    );
}

#[test]
fn a_figure_beyond_its_bound_is_denied() {
    let gates = || [at_least("speed", 2.0, |figure: &f64| *figure), at_most("size", 3.0, |figure: &f64| *figure)];
    hold(&2.5, gates());
    for (figure, denied) in [(1.0, "[speed] 1.000, at least 2 is asked"), (4.0, "[size] 4.000, at most 3 is asked")] {
        let denials: Vec<_> = gates::set(gates()).evaluate_all(&figure).iter().map(ToString::to_string).collect();
        assert_eq!(denials, [denied]);
    }
}

#[test]
fn medians_and_quantiles_do_not_depend_on_the_order() {
    let times: Vec<_> = (1..=1000).rev().map(Duration::from_nanos).collect();
    assert_eq!(per_mille(times.clone(), 999), Duration::from_nanos(999));
    assert_eq!(per_mille(times, 500), Duration::from_nanos(500));
    assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
}

/// Ten million events in more than a hundred segments, read with eight of them open at most.
#[test]
#[ignore = "takes a minute and two gigabytes: cargo xtask perf-gates"]
fn ten_million_events_are_read_with_eight_files() {
    let _alone = alone();
    let dir = directory();
    let config = || StoreConfig::new(dir.path()).with_segment_max_bytes(16 << 20).with_fd_budget(8);
    let mut writer = Writer::open(config());
    (0..10_000).for_each(|_| writer.append_batch(1000));
    writer.store.close().expect("closes");
    let start = Instant::now();
    let store = Store::open(config()).expect("opens");
    hold(
        &(start.elapsed().as_secs_f64() * 1000.0),
        [at_most("open_milliseconds", 100.0, |milliseconds: &f64| *milliseconds)],
    );
    let stats = store.stats().expect("counts");
    assert!(stats.events == 10_000_000 && stats.segments >= 100, "{stats:?}");
    for n in 0..100_000_u64 {
        let sequence = n * 7_919_993 % stats.events;
        assert_eq!(store.read(sequence).expect("an event").event.sequence(), sequence);
        assert!(store.diagnostics().open_files <= 8);
    }
}
