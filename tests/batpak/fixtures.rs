//! Stores, file systems and clocks to test with.

use batpak::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Clock, DirectoryEntry, Environment, EventRow, File,
    FileSystem, Freshness, Lock, Mapping, MemoryFileSystem, OpenIndexReport, OpenMode, RawMsgpackInput, Store,
    StoreConfig, ValueInput,
};
use batpak::{Coordinate, Event, EventId, EventKind, EventPayload, Region, StoredEvent, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

pub(crate) const DIR: &str = "/store";
pub(crate) const KIND: EventKind = EventKind::custom(1, 1);
pub(crate) const OTHER: EventKind = EventKind::custom(1, 2);
pub(crate) const THIRD: EventKind = EventKind::custom(2, 1);

/// Every payload of these kinds.
#[derive(Debug, Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
pub(crate) enum Anything {
    #[batpak(type_id = 1, name = "kind")]
    Kind(Value),
    #[batpak(type_id = 2, name = "other")]
    Other(Value),
    #[batpak(category = 2, type_id = 1, name = "third")]
    Third(Value),
}

impl Anything {
    pub(crate) fn value(&self) -> &Value {
        match self {
            Self::Kind(value) | Self::Other(value) | Self::Third(value) => value,
        }
    }
}

/// A wall clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct ManualClock {
    wall: AtomicI64,
    start: Instant,
}

impl ManualClock {
    pub(crate) fn set(&self, nanos: i64) {
        self.wall.store(nanos, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ns(&self) -> i64 {
        self.wall.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Files in memory that can be mapped: a mapping is a copy.
#[derive(Clone, Debug)]
struct MappableFileSystem(MemoryFileSystem);

#[derive(Debug)]
struct MappableFile(Arc<dyn File>);

#[derive(Debug)]
struct Copy(Vec<u8>);

impl AsRef<[u8]> for Copy {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Mapping for Copy {}

impl FileSystem for MappableFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.0.read_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(MappableFile(self.0.open(path, mode)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn boot_id(&self) -> io::Result<Option<[u8; 16]>> {
        self.0.boot_id()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        self.0.try_lock(path, holder)
    }
}

impl File for MappableFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        let mut bytes = vec![0; usize::try_from(len).expect("a length")];
        let n = self.0.read_at(&mut bytes, 0)?;
        bytes.truncate(n);
        Ok(Some(Box::new(Copy(bytes))))
    }
}

/// A machine: files in memory and a clock.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) files: MemoryFileSystem,
    pub(crate) clock: Arc<ManualClock>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::of(MemoryFileSystem::new())
    }

    fn of(files: MemoryFileSystem) -> Self {
        let clock = ManualClock { wall: AtomicI64::new(1_700_000_000_000_000_000), start: Instant::now() };
        Self { files, clock: Arc::new(clock) }
    }

    /// The files of the index, in order.
    pub(crate) fn indexes(&self) -> Vec<PathBuf> {
        let mut found = self.files.files();
        found.retain(|path| path.extension().is_some_and(|extension| extension == "index"));
        found.sort();
        found
    }

    /// The only file of the index.
    pub(crate) fn index(&self) -> PathBuf {
        let found = self.indexes();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }

    /// Another machine with a copy of the files.
    pub(crate) fn copy(&self) -> Self {
        Self::of(self.files.deep_clone())
    }

    /// Options of the store of this machine.
    pub(crate) fn config(&self) -> StoreConfig {
        self.config_in(DIR)
    }

    pub(crate) fn config_in(&self, dir: impl AsRef<Path>) -> StoreConfig {
        let environment = Environment {
            file_system: Arc::new(MappableFileSystem(self.files.clone())),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ..Environment::default()
        };
        StoreConfig::new(dir).with_environment(environment)
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Store {
        Store::open(self.config()).expect("open")
    }

    #[track_caller]
    pub(crate) fn open_read_only(&self) -> Store {
        Store::open_read_only(self.config()).expect("open read-only")
    }

    /// Every file with its bytes.
    pub(crate) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.files.files().into_iter().map(|path| (path.clone(), self.files.read(&path).expect("a file"))).collect()
    }

    #[track_caller]
    pub(crate) fn edit(&self, path: impl AsRef<Path>, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.files.read(&path).expect("a file");
        change(&mut bytes);
        self.files.write(path, bytes);
    }

    /// Removes a file.
    #[track_caller]
    pub(crate) fn remove(&self, path: impl AsRef<Path>) {
        self.files.remove_file(path.as_ref()).expect("remove");
    }
}

/// The path of a segment.
pub(crate) fn segment(number: u64) -> PathBuf {
    Path::new(DIR).join(format!("{number:010}.0000.fbat"))
}

pub(crate) fn at(entity: &str, scope: &str) -> Coordinate {
    Coordinate::new(entity, scope).expect("a coordinate")
}

pub(crate) fn report(store: &Store) -> OpenIndexReport {
    store.diagnostics().open_report.expect("a report")
}

#[track_caller]
pub(crate) fn append(store: &Store, coordinate: &Coordinate, payload: &Value) -> AppendReceipt {
    store.append(coordinate, KIND, payload).expect("append")
}

/// Appends 29 events with everything that an event can have, at 7 coordinates.
pub(crate) fn fill(store: &Store, machine: &Machine) -> Vec<AppendReceipt> {
    let mut receipts: Vec<AppendReceipt> = Vec::new();
    for n in 0_u64..20 {
        let place =
            at(["a", "a:1", "a:10", "b"][usize::try_from(n % 4).expect("small")], ["x", "y"][usize::from(n > 9)]);
        let kind = *[KIND, OTHER, THIRD].get(usize::try_from(n % 3).expect("small")).expect("a kind");
        // The clock goes back now and then.
        machine.clock.set(1_700_000_000_000_000_000 + i64::from(u8::try_from(n * 7 % 10).expect("small")) * 1_000_000);
        let tag = format!("tag:{}", n % 5);
        let tags = [tag.as_str(), "all"];
        let mut options = AppendOptions::default();
        if n % 2 == 0 {
            options = options.with_idempotency_key(u128::from(n) << 64 | 7).with_tags(&tags);
        }
        if n % 5 == 4 {
            options = options.with_metadata(b"meta").with_occurred_at(Timestamp::from_nanos(5));
        }
        if let Some(cause) = receipts.get(usize::try_from(n / 2).expect("small")).filter(|_| n % 3 == 1) {
            options = options.with_causation_id(cause.event_id).with_correlation_id(receipts[0].event_id);
        }
        let payload = json!({"n": n, "text": "x".repeat(usize::try_from(n * 11).expect("small"))});
        receipts.push(store.append_with_options(&place, kind, &payload, options).expect("append"));
    }
    let item = |n: u64, cause| {
        BatchAppendItem::new(at("batch", "x"), KIND, &json!({"n": n}), AppendOptions::default(), cause).expect("item")
    };
    receipts.extend(store.append_batch((0..8).map(|n| item(n, CausationRef::None))).expect("batch"));
    receipts.extend(store.append_batch([item(9, CausationRef::Event(receipts[3].event_id))]).expect("batch"));
    receipts
}

/// A store of [`fill`]ed events in small segments, open.
pub(crate) fn filled(machine: &Machine) -> (Store, Vec<AppendReceipt>) {
    let store = Store::open(machine.config().with_segment_max_bytes(2048)).expect("open");
    let receipts = fill(&store, machine);
    (store, receipts)
}

/// A machine with the closed store of [`filled`], and what it answered before.
pub(crate) fn closed() -> (Machine, Vec<String>) {
    let machine = Machine::new();
    let (store, _) = filled(&machine);
    store.sync().expect("sync");
    let before = answers(&store);
    store.close().expect("close");
    (machine, before)
}

pub(crate) fn sequences<'a>(rows: impl IntoIterator<Item = &'a EventRow>) -> Vec<u64> {
    rows.into_iter().map(|row| row.sequence).collect()
}

pub(crate) fn sequence_of<P>(event: Result<StoredEvent<P>, batpak::store::StoreError>) -> u64 {
    event.expect("an event").event.sequence()
}

/// The payloads' numbers of an entity, by the three kinds of input.
#[derive(Debug)]
struct Numbers(Vec<Value>);

impl batpak::store::EventSourced for Numbers {
    type Input = ValueInput;

    fn from_events(events: &[Event<Value>]) -> Option<Self> {
        Some(Self(events.iter().map(|event| event.payload()["n"].clone()).collect()))
    }

    fn apply_event(&mut self, event: &Event<Value>) {
        self.0.push(event.payload()["n"].clone());
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[]
    }
}

#[derive(Debug)]
struct Lengths(Vec<usize>);

impl batpak::store::EventSourced for Lengths {
    type Input = RawMsgpackInput;

    fn from_events(events: &[Event<&[u8]>]) -> Option<Self> {
        Some(Self(events.iter().map(|event| event.payload().len()).collect()))
    }

    fn apply_event(&mut self, event: &Event<&[u8]>) {
        self.0.push(event.payload().len());
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[KIND, THIRD]
    }
}

/// Everything that a store can be asked about its events, one line for each answer.
pub(crate) fn answers(store: &Store) -> Vec<String> {
    let rows = store.query(&Region::all()).expect("query");
    let stats = store.stats().expect("stats");
    let diagnostics = store.diagnostics();
    let mut out = vec![
        format!("counts {} {}", stats.events, stats.entities),
        format!("watermarks {} {}", diagnostics.visible, diagnostics.durable),
        format!("head {:?}", store.head().expect("head")),
        format!("chain {:?}", store.verify_chain().expect("a whole chain")),
    ];
    for row in &rows {
        let id = row.event_id;
        out.push(format!("get {:?}", store.get(id).expect("get")));
        out.push(format!("raw {:?}", store.get_raw(id).expect("get raw")));
        out.push(format!("typed {:?}", store.get_as::<Value>(id).expect("get typed")));
        out.push(format!("read {:?}", store.read(row.sequence).expect("read")));
    }
    for region in regions(store) {
        out.push(format!("query {region:?}: {:?}", store.query(&region).expect("query")));
        out.push(format!("events {:?}", store.events(&region).collect::<Result<Vec<_>, _>>().expect("events")));
        let backward = store.events(&region).backward().raw().map(sequence_of).collect::<Vec<_>>();
        out.push(format!("backward {backward:?}"));
        let mut cursor = store.cursor_guaranteed(&region);
        out.push(format!("cursor {:?}", std::iter::from_fn(|| cursor.poll()).collect::<Vec<_>>()));
    }
    let entities: BTreeSet<&str> = rows.iter().map(|row| row.coordinate.entity()).collect();
    for entity in entities {
        out.push(format!("stream {:?}", store.stream(entity)));
        let numbers: Option<Numbers> = store.project(entity, &Freshness::Consistent).expect("project");
        let lengths: Option<Lengths> = store.project(entity, &Freshness::Consistent).expect("project");
        out.push(format!("project {:?} {:?}", numbers.map(|n| n.0), lengths.map(|n| n.0)));
    }
    out
}

/// Regions about the events of a store.
fn regions(store: &Store) -> Vec<Region> {
    let mut out = vec![Region::all(), Region::none(), Region::entity_prefix("a:"), Region::category(1)];
    let events: Vec<_> = store.events(&Region::all()).raw().collect::<Result<_, _>>().expect("events");
    let mut names = BTreeSet::new();
    let mut ids: BTreeSet<EventId> = BTreeSet::new();
    for StoredEvent { coordinate, event } in &events {
        names.insert(("entity", coordinate.entity().to_owned()));
        names.insert(("scope", coordinate.scope().to_owned()));
        names.extend(event.tags().map(|tag| ("tag", tag.to_owned())));
        ids.extend(event.correlation_id());
        ids.extend(event.causation_id());
    }
    for (what, name) in names {
        out.push(match what {
            "entity" => Region::entity(name),
            "scope" => Region::scope(name),
            _ => Region::tag(name),
        });
    }
    for id in ids {
        out.push(Region::correlation(id).or(Region::causation(id)));
    }
    out.extend([KIND, OTHER, THIRD].map(Region::kind));
    out.push(Region::entity("a").or(Region::scope("y")).with_kind(KIND));
    out.push(Region::all().with_sequences(3..9).or(Region::all().with_revisions(2..)));
    out
}

/// Says where two lists of answers first differ.
#[track_caller]
pub(crate) fn assert_same(found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "as many answers");
}
