//! A directory of any files, most of them those of a store: opening refuses it, or gives events that were appended, in
//! order, from the first one on. What is derived may be anything without a loss.

use super::edits::Edit;
use super::facts::{ENTITIES, Facts, Spec};
use super::world::{DIR, World};
use arbitrary::{Arbitrary, Unstructured};
use batpak::store::{AppendOptions, MemoryFileSystem, Store, StoreError, WritePath};
use batpak::{Coordinate, EventHash, EventKind, Region};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

const CHANGES_MAX: usize = 12;

#[derive(Debug, Arbitrary)]
struct Input {
    base: u8,
    path: u8,
    changes: Vec<Change>,
}

#[derive(Debug, Arbitrary)]
enum Change {
    Edit {
        file: u8,
        edit: Edit,
    },
    Remove {
        file: u8,
    },
    Rename {
        file: u8,
        to: Name,
    },
    /// A file of another store.
    Take {
        base: u8,
        file: u8,
        to: Name,
    },
    New {
        name: Name,
        bytes: Vec<u8>,
    },
}

#[derive(Debug, Arbitrary)]
enum Name {
    Of { file: u8 },
    Segment { number: u8, generation: u8 },
    Index { from: u8, to: u8 },
    Tail,
    Visible,
    Lock,
    Temporary { file: u8 },
    Other(String),
}

/// The files of a directory.
type Files = BTreeMap<String, Vec<u8>>;

/// A store as it was left.
struct Base {
    memory: MemoryFileSystem,
    files: Files,
    events: Vec<(EventHash, Vec<u8>)>,
}

/// How a store is made and left.
#[derive(Clone, Copy)]
struct Making {
    events: u8,
    segment: u64,
    path: WritePath,
    closed: bool,
}

const MAKINGS: [Making; 6] = [
    Making { events: 40, segment: 512, path: WritePath::Tail, closed: true },
    Making { events: 40, segment: 700, path: WritePath::Tail, closed: false },
    Making { events: 12, segment: 1 << 16, path: WritePath::Tail, closed: false },
    Making { events: 30, segment: 2000, path: WritePath::Direct, closed: false },
    Making { events: 9, segment: 1 << 16, path: WritePath::Direct, closed: true },
    Making { events: 0, segment: 512, path: WritePath::Direct, closed: true },
];

fn bases() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| (1..).zip(MAKINGS).map(|(seed, making)| making.base(seed)).collect())
}

impl Making {
    fn base(self, seed: u64) -> Base {
        let world = World::new(seed);
        let config = world.config().with_segment_max_bytes(self.segment).with_write_path(self.path);
        let store = Store::open(config).expect("opens");
        let mut facts: Vec<Facts> = Vec::new();
        let mut events = Vec::new();
        for number in 0..self.events {
            let next = Facts::next(&spec(number), &facts);
            world.set_time(next.time.as_nanos());
            let options = AppendOptions { tags: &next.tags, idempotency_key: next.key, ..AppendOptions::default() };
            let receipt = store.append_with_options(&next.coordinate, next.kind, &number, options).expect("appended");
            events.push((receipt.event_hash, vec![number]));
            facts.push(next);
            if number == self.events / 2 {
                store.sync().expect("syncs");
            }
        }
        wait_until_frozen(&store);
        let memory = if self.closed {
            store.close().expect("closes");
            world.files.deep_clone()
        } else {
            world.files.deep_clone()
        };
        let files = files_of(&memory);
        Base { memory, files, events }
    }
}

/// Other threads of the store are to have no say in what files there are.
fn wait_until_frozen(store: &Store) {
    for _ in 0..10_000 {
        if store.diagnostics().events_to_freeze == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("what was to be frozen is not frozen");
}

fn spec(number: u8) -> Spec {
    let bytes: Vec<u8> = (0..16).map(|at| number.wrapping_mul(37).wrapping_add(at * 11)).collect();
    Spec::arbitrary(&mut Unstructured::new(&bytes)).expect("a spec")
}

fn files_of(memory: &MemoryFileSystem) -> Files {
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    memory.files().iter().map(|path| (name(path), memory.read(path).expect("a file"))).collect()
}

fn pick_name(files: &Files, file: u8) -> Option<String> {
    if files.is_empty() { None } else { files.keys().nth(usize::from(file) % files.len()).cloned() }
}

impl Name {
    fn of(&self, files: &Files) -> String {
        match self {
            Self::Of { file } => pick_name(files, *file).unwrap_or_default(),
            Self::Segment { number, generation } => format!("{number:010}.{generation:04}.fbat"),
            Self::Index { from, to } => format!("{from:013}-{to:013}.index"),
            Self::Tail => "batpak.tail".to_owned(),
            Self::Visible => "batpak.visible".to_owned(),
            Self::Lock => "batpak.lock".to_owned(),
            Self::Temporary { file } => format!("{}.tmp", pick_name(files, *file).unwrap_or_default()),
            Self::Other(name) => name.replace('/', "_"),
        }
    }
}

impl Change {
    fn apply(&self, files: &mut Files) {
        match self {
            Self::Edit { file, edit } => {
                if let Some(bytes) = pick_name(files, *file).and_then(|name| files.get_mut(&name)) {
                    edit.apply(bytes);
                }
            }
            Self::Remove { file } => drop(pick_name(files, *file).and_then(|name| files.remove(&name))),
            Self::Rename { file, to } => {
                let to = to.of(files);
                if let Some(bytes) = pick_name(files, *file).and_then(|name| files.remove(&name)) {
                    put(files, to, bytes);
                }
            }
            Self::Take { base, file, to } => {
                let other = &pick_base(*base).files;
                if let Some(bytes) = pick_name(other, *file).and_then(|name| other.get(&name)) {
                    put(files, to.of(files), bytes.clone());
                }
            }
            Self::New { name, bytes } => put(files, name.of(files), bytes.clone()),
        }
    }
}

fn put(files: &mut Files, name: String, bytes: Vec<u8>) {
    if !matches!(name.as_str(), "" | "." | "..") {
        files.insert(name, bytes);
    }
}

fn pick_base(number: u8) -> &'static Base {
    let bases = bases();
    &bases[usize::from(number) % bases.len()]
}

/// What is not derived.
fn truth(files: &Files) -> BTreeMap<&String, &Vec<u8>> {
    let is_truth = |name: &str| Path::new(name).extension().is_some_and(|it| it == "fbat" || it == "tail");
    files.iter().filter(|(name, _)| is_truth(name)).collect()
}

pub(super) fn run(data: &[u8]) {
    let Some(Input { base, path, changes }) = super::input::<Input>(data) else { return };
    let base = pick_base(base);
    let mut files = base.files.clone();
    changes.iter().take(CHANGES_MAX).for_each(|change| change.apply(&mut files));
    let is_whole = truth(&files) == truth(&base.files);
    let memory = memory_of(base, &files);
    let case = Case { world: World { files: memory, ..World::new(99) }, base, is_whole, path };
    case.read_beside();
    case.write();
}

/// The same machine, so that what is of one start of it may be believed.
fn memory_of(base: &Base, files: &Files) -> MemoryFileSystem {
    let memory = base.memory.deep_clone();
    for path in memory.files() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !files.contains_key(&name) {
            batpak::store::FileSystem::remove_file(&memory, &path).expect("it was there");
        }
    }
    for (name, bytes) in files {
        memory.write(format!("{DIR}/{name}"), bytes.clone());
    }
    memory
}

struct Case {
    world: World,
    base: &'static Base,
    /// Whether only what is derived was changed.
    is_whole: bool,
    path: u8,
}

impl Case {
    fn config(&self) -> batpak::store::StoreConfig {
        let config = self.world.config().with_segment_max_bytes(700).with_fd_budget(1);
        config.with_enable_mmap_index(self.path & 1 == 1).with_enable_checkpoint(self.path & 2 == 2)
    }

    fn read_beside(&self) {
        let before = files_of(&self.world.files);
        if let Ok(store) = Store::open_read_only(self.config()) {
            let _ = ask(&store, self.base);
        }
        assert!(files_of(&self.world.files) == before, "reading never writes");
    }

    fn write(&self) {
        let store = match Store::open(self.config()) {
            Ok(store) => store,
            Err(error) => return assert!(!self.is_whole, "{error}"),
        };
        let found = ask(&store, self.base);
        if self.is_whole {
            assert_eq!(found.as_ref().map_err(ToString::to_string).map(Vec::len), Ok(self.base.events.len()));
        }
        if let Ok(found) = found {
            self.append(store, found);
        }
    }

    /// What is whole goes on being so.
    fn append(&self, store: Store, mut found: Vec<EventHash>) {
        let coordinate = Coordinate::new("a", "x").expect("names");
        let Ok(receipt) = store.append(&coordinate, EventKind::custom(1, 1), &"more") else {
            return assert!(!self.is_whole);
        };
        assert_eq!(receipt.sequence, found.len() as u64);
        found.push(receipt.event_hash);
        store.close().expect("closes");
        let again = Store::open(self.config()).expect("opens again");
        assert_eq!(hashes(&again).expect("all are there"), found);
    }
}

fn hashes(store: &Store) -> Result<Vec<EventHash>, StoreError> {
    let events = store.events(&Region::all()).raw();
    events.map(|event| event.map(|event| event.event.event_hash())).collect()
}

/// Asks in all ways. What is told was appended, and nothing before it is missing.
fn ask(store: &Store, base: &Base) -> Result<Vec<EventHash>, StoreError> {
    let visible = store.diagnostics().visible;
    let mut found: Vec<(EventHash, Vec<u8>)> = Vec::new();
    let mut failed = Ok(());
    for event in store.events(&Region::all()).raw() {
        match event {
            Ok(event) => {
                assert_eq!(event.event.sequence(), found.len() as u64);
                found.push((event.event.event_hash(), event.event.into_payload()));
            }
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    let is_prefix = |base: &Base| base.events.starts_with(&found);
    assert!(is_prefix(base) || bases().iter().any(is_prefix), "{} events", found.len());
    assert!(failed.is_err() || found.len() as u64 == visible, "{} of {visible}", found.len());
    for (sequence, (hash, _)) in (0..visible).zip(&found) {
        if let Ok(event) = store.read(sequence) {
            assert_eq!(event.event.event_hash(), *hash);
        }
    }
    ask_by_index(store, &found);
    let verified = store.verify_chain();
    assert!(verified.is_err() || failed.is_err() || verified.is_ok_and(|chain| chain.events == visible));
    failed.map(|()| found.into_iter().map(|(hash, _)| hash).collect())
}

fn ask_by_index(store: &Store, found: &[(EventHash, Vec<u8>)]) {
    for entity in ENTITIES {
        let Ok(stream) = store.try_stream(entity) else { continue };
        for row in &stream {
            let Ok(event) = store.get(row.event_id) else { continue };
            assert_eq!((event.coordinate.entity(), event.event.revision()), (entity, row.revision));
            let known = usize::try_from(row.sequence).ok().and_then(|at| found.get(at));
            assert!(known.is_none_or(|(hash, _)| *hash == event.event.event_hash()));
        }
        let wanted = store.query(&Region::entity(entity)).map(|rows| rows.len());
        assert!(wanted.is_err() || wanted.is_ok_and(|len| len == stream.len()));
    }
}
