//! What several threads do with a new store, and perhaps with the same one once it was opened again.

use super::history::{Call, ENTITIES, Item, Operation, Reply, Row};
use super::worker::{Worker, pause, row_of};
use crate::random::Random;
use batpak::store::{Clock, Environment, MemoryFileSystem, Store, StoreConfig, WritePath};
use batpak::testing::{Fault, FaultyFileSystem, Operation as FileOperation, When};
use batpak::{EventId, Region};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What happens to a store in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is used.
    Plain,
    /// It is closed and opened again, once or twice.
    Reopened,
    /// A sync fails while it is used, and it is opened again.
    Failed,
}

/// A history, and what else is known of it.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) kind: Kind,
    pub(super) operations: Vec<Operation>,
    /// Whether a thread was told that the store has failed.
    pub(super) has_failed: bool,
}

/// A clock that is slow at random. The store reads it where it matters who comes first: under the commit lock, before
/// and after it appends; before and after a sync.
#[derive(Debug)]
struct SlowClock {
    start: Instant,
    readings: AtomicU64,
    seed: u64,
}

impl SlowClock {
    fn pause(&self) {
        let reading = self.readings.fetch_add(1, Ordering::Relaxed);
        pause(&mut Random::new(self.seed ^ reading << 32));
    }
}

impl Clock for SlowClock {
    fn wall_ns(&self) -> i64 {
        self.pause();
        1_700_000_000_000_000_000
    }

    fn monotonic(&self) -> Duration {
        self.pause();
        self.start.elapsed()
    }
}

fn config(environment: Environment, seed: u64, random: &mut Random) -> StoreConfig {
    let clock = Arc::new(SlowClock { start: Instant::now(), readings: AtomicU64::new(0), seed });
    StoreConfig::new("/store")
        .with_environment(Environment { clock, ..environment })
        .with_segment_max_bytes(*random.pick(&[1000, 3000, 1 << 20]))
        .with_sync_every_n_events(*random.pick(&[2, 1000, 1000]))
        .with_write_path(*random.pick(&[WritePath::Tail, WritePath::Direct]))
}

pub(super) fn record(seed: u64) -> Recorded {
    let mut random = Random::new(seed);
    let kind = match random.below(20) {
        0..17 => Kind::Plain,
        17 => Kind::Reopened,
        _ => Kind::Failed,
    };
    let mut recording =
        Recording { seed, random, moments: AtomicU64::new(0), operations: Vec::new(), synced: Vec::new(), threads: 0 };
    let has_failed = match kind {
        Kind::Plain => recording.plain(),
        Kind::Reopened => recording.reopened(),
        Kind::Failed => recording.failed(),
    };
    let is_well = recording.operations.iter().all(|operation| operation.reply.is_well());
    assert!(kind == Kind::Failed || is_well, "nothing was to fail: {:?}", recording.operations);
    Recorded { kind, operations: recording.operations, has_failed }
}

/// A history that is being written.
struct Recording {
    seed: u64,
    random: Random,
    moments: AtomicU64,
    operations: Vec<Operation>,
    /// The events that were acknowledged as synced.
    synced: Vec<EventId>,
    /// How many threads there were.
    threads: usize,
}

impl Recording {
    fn open(&mut self, environment: Environment) -> Store {
        Store::open(config(environment, self.seed, &mut self.random)).expect("opens")
    }

    fn plain(&mut self) -> bool {
        let environment = Environment { file_system: Arc::new(MemoryFileSystem::new()), ..Environment::default() };
        let (store, threads) = (self.open(environment), 3 + self.random.index(2));
        self.work(&store, threads, 6, &[]);
        store.close().expect("closes");
        false
    }

    fn reopened(&mut self) -> bool {
        let files = FaultyFileSystem::seeded(self.seed);
        let times = 1 + self.random.index(2);
        let mut known = Vec::new();
        for _ in 0..=times {
            let store = self.open(files.environment());
            known = self.look(&store);
            self.work(&store, 3, 2, &known);
            store.close().expect("closes");
        }
        // What was closed is durable.
        self.synced = self.operations.iter().flat_map(Operation::appended).map(|(_, row)| row.id).collect();
        self.check_power_cut(&files, &known);
        false
    }

    fn failed(&mut self) -> bool {
        let files = FaultyFileSystem::seeded(self.seed);
        let store = self.open(files.environment());
        fail_sync(&files, self.random.below(4));
        self.work(&store, 3, 6, &[]);
        let has_failed = self.told_of_failure().next().is_some();
        let is_well = self.operations.iter().all(|operation| operation.reply.is_well());
        assert!(files.errors() > 0 || is_well, "no sync has failed");
        self.check_nothing_is_accepted_after_a_failure();
        // Before the store is dropped, which would close it.
        let killed = files.after_kill();
        let left = if self.random.chance(50) {
            killed
        } else {
            assert!(store.close().is_ok() || files.errors() > 0, "no sync has failed");
            files.after_kill()
        };
        self.begin_anew(&left);
        has_failed
    }

    /// Opens what a failure has left.
    fn begin_anew(&mut self, left: &FaultyFileSystem) {
        let before = self.operations.len();
        let ended = self.moments.fetch_add(1, Ordering::SeqCst);
        let store = self.open(left.environment());
        self.learn_outcomes(&store, ended);
        let known = self.look(&store);
        if self.random.chance(40) {
            self.check_power_cut(left, &known);
        }
        self.work(&store, 3, 2, &known);
        store.close().expect("closes");
        assert!(self.operations.len() > before, "it was used");
    }

    /// Several threads use a store.
    fn work(&mut self, store: &Store, threads: usize, steps: u64, known: &[Row]) {
        let (moments, ready) = (&self.moments, AtomicUsize::new(0));
        let work = |number: usize, seed: u64, steps: u64| {
            let worker = Worker::new(number, seed, store, moments, known);
            ready.fetch_add(1, Ordering::SeqCst);
            while ready.load(Ordering::SeqCst) < threads {
                thread::yield_now();
            }
            worker.run(steps)
        };
        let (first, random) = (self.threads, &mut self.random);
        let done: Vec<_> = thread::scope(|scope| {
            let begin = |number| {
                let (seed, steps) = (random.next(), steps + random.below(5));
                let work = &work;
                scope.spawn(move || work(first + number, seed, steps))
            };
            let working: Vec<_> = (0..threads).map(begin).collect();
            working.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        self.threads += threads;
        for (operations, synced) in done {
            self.operations.extend(operations);
            self.synced.extend(synced);
        }
    }

    /// What one thread sees of a store that was opened just now.
    fn look(&mut self, store: &Store) -> Vec<Row> {
        let rows: Vec<Row> = store.query(&Region::all()).expect("rows").iter().map(row_of).collect();
        self.note(Call::Rows(None), Reply::Rows(rows.clone()));
        self.note(Call::Visible, Reply::Count(store.diagnostics().visible));
        let hot: Vec<Row> = store.stream(ENTITIES[0]).iter().map(row_of).collect();
        self.note(Call::Rows(Some(0)), Reply::Rows(hot));
        self.threads += 1;
        rows
    }

    fn note(&mut self, call: Call, reply: Reply) {
        let moment = || self.moments.fetch_add(1, Ordering::SeqCst);
        let (begun, ended) = (moment(), moment());
        self.operations.push(Operation { thread: self.threads, begun, ended, call, reply });
    }

    /// What an append that nobody was told of has appended, if it has: it could have done so up to this moment.
    fn learn_outcomes(&mut self, store: &Store, moment: u64) {
        let rows = store.query(&Region::all()).expect("rows");
        let there: Vec<(Row, Option<u128>, u64)> = rows
            .iter()
            .map(|row| {
                let event = store.read(row.sequence).expect("an event").event;
                (row_of(row), event.idempotency_key(), event.payload().as_u64().expect("a number"))
            })
            .collect();
        for operation in &mut self.operations {
            let (Call::Append(items), Reply::Unknown(rows)) = (&operation.call, &mut operation.reply) else { continue };
            operation.ended = moment;
            *rows = find(items, &there);
        }
    }

    fn told_of_failure(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| matches!(operation.reply, Reply::Failed | Reply::Unknown(_)))
    }

    /// Whoever begins once a failure was told is told of it too.
    fn check_nothing_is_accepted_after_a_failure(&self) {
        let Some(told) = self.told_of_failure().map(|operation| operation.ended).min() else { return };
        let late = self.operations.iter().find(|operation| operation.begun > told && operation.appended().count() > 0);
        assert!(late.is_none(), "accepted after a failure: {late:?}");
    }

    /// After a power cut the first of the events are there, and all that were acknowledged as synced among them.
    fn check_power_cut(&mut self, files: &FaultyFileSystem, known: &[Row]) {
        let cut = files.after_power_cut(self.random.next());
        let store = self.open(cut.environment());
        let rows: Vec<Row> = store.query(&Region::all()).expect("rows").iter().map(row_of).collect();
        let both = rows.len().min(known.len());
        assert_eq!(rows[..both], known[..both], "other events are there");
        let lost = self.synced.iter().find(|id| rows.iter().all(|row| row.id != **id));
        assert!(lost.is_none(), "{lost:?} was synced, there are {rows:?}");
    }
}

/// Has one of the next syncs fail, behind so many that succeed.
fn fail_sync(files: &FaultyFileSystem, behind: u64) {
    if behind == 0 {
        return files.plan(When::Next(FileOperation::Sync), Fault::Once(ErrorKind::Other));
    }
    let next = files.clone();
    files.during_the_next_sync(move || fail_sync(&next, behind - 1));
}

/// The events of an append among those that are there.
fn find(items: &[Item], there: &[(Row, Option<u128>, u64)]) -> Option<Vec<Row>> {
    let is_it = |item: &Item, (row, key, payload): &(Row, Option<u128>, u64)| {
        (row.entity, *key, *payload) == (item.entity, item.key, item.payload)
    };
    let window = there.windows(items.len()).find(|window| items.iter().zip(*window).all(|(item, at)| is_it(item, at)));
    window.map(|window| window.iter().map(|(row, ..)| *row).collect())
}
