//! A store that any program is run against, beside a plain list of events: they give the same answers, whatever is
//! appended, closed, killed, spoiled and asked.

use super::asked::Asked;
use super::edits::Edit;
use super::facts::{Facts, Spec};
use super::world::{DIR, World};
use arbitrary::Arbitrary;
use batpak::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Durability, Store, StoreConfig, StoreError, WritePath,
};
use batpak::{EventHash, EventId, Region, StoredEvent};
use serde_json::{Value, json};

const STEPS_MAX: usize = 60;
const BATCH_MAX: usize = 12;

#[derive(Debug, Arbitrary)]
struct Input {
    options: Options,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
struct Options {
    segment: u8,
    files: u8,
    direct: bool,
    mapped: bool,
    checkpoint: bool,
    every: u8,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Append { draft: Draft, expected: Option<u8>, synced: bool },
    Batch { drafts: Vec<Draft>, expected: Option<u8> },
    RepeatCommit { event: u8 },
    Query { asked: Asked, from: u8, limit: u8 },
    Read { event: u8 },
    Poll { asked: Asked, from: u8 },
    Verify,
    Sync,
    Close { options: Options, spoiled: Vec<(u8, Edit)> },
    Kill { options: Options, spoiled: Vec<(u8, Edit)> },
    ReadOnly { options: Options },
    Snapshot { options: Options },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
struct Draft {
    spec: Spec,
    payload: u16,
}

impl Draft {
    fn payload(self) -> Value {
        match self.payload {
            short @ 0..0xF000 => json!({"n": short}),
            long => json!("x".repeat(usize::from(long & 0xFFF))),
        }
    }
}

/// What was appended, and what the receipt said.
#[derive(Clone, Debug)]
struct Known {
    facts: Facts,
    payload: Value,
    id: EventId,
    hash: EventHash,
    /// The first event of its commit.
    first: usize,
}

pub(super) fn run(data: &[u8]) {
    let Some(Input { options, steps }) = super::input::<Input>(data) else { return };
    let world = World::new(1);
    let store = Store::open(options.set(world.config())).expect("opens");
    let mut case = Case { world, store, facts: Vec::new(), known: Vec::new(), copies: 0 };
    for step in steps.iter().take(STEPS_MAX) {
        case.perform(step);
    }
    case.close(options, &[]);
    case.check_all();
}

impl Options {
    fn set(self, config: StoreConfig) -> StoreConfig {
        let segment = [512, 600, 900, 2000, 5000, 1 << 16, 1 << 20][usize::from(self.segment % 7)];
        let path = if self.direct { WritePath::Direct } else { WritePath::Tail };
        config
            .with_segment_max_bytes(segment)
            .with_fd_budget(1 + usize::from(self.files % 3))
            .with_write_path(path)
            .with_enable_mmap_index(self.mapped)
            .with_enable_checkpoint(self.checkpoint)
            .with_sync_every_n_events([1, 2, 5, 1000][usize::from(self.every % 4)])
    }
}

struct Case {
    world: World,
    store: Store,
    facts: Vec<Facts>,
    known: Vec<Known>,
    copies: u32,
}

impl Case {
    fn perform(&mut self, step: &Step) {
        match step {
            Step::Append { draft, expected, synced } => self.append(*draft, *expected, *synced),
            Step::Batch { drafts, expected } => self.batch(&drafts[..drafts.len().min(BATCH_MAX)], *expected),
            Step::RepeatCommit { event } => self.repeat(*event),
            Step::Query { asked, from, limit } => self.query(asked, (*from).into(), (*limit).into()),
            Step::Read { event } => self.read(*event),
            Step::Poll { asked, from } => self.poll(asked, (*from).into()),
            Step::Verify => self.verify(),
            Step::Sync => self.store.sync().expect("syncs"),
            Step::Close { options, spoiled } => self.close(*options, spoiled),
            Step::Kill { options, spoiled } => self.kill(*options, spoiled),
            Step::ReadOnly { options } => {
                let config = options.set(self.world.config());
                self.look_in(Store::open_read_only(config).expect("opens for reading"));
            }
            Step::Snapshot { options } => self.snapshot(*options),
        }
    }

    fn next_len(&self, facts: &Facts) -> u64 {
        self.facts.iter().filter(|event| event.coordinate.entity() == facts.coordinate.entity()).count() as u64
    }

    fn with_key(&self, key: Option<u128>) -> Option<&Known> {
        self.known.iter().find(|known| key.is_some() && known.facts.key == key)
    }

    fn append(&mut self, draft: Draft, expected: Option<u8>, synced: bool) {
        let facts = Facts::next(&draft.spec, &self.facts);
        self.world.set_time(facts.time.as_nanos());
        let expected = expected.map(u64::from);
        let durability = synced.then_some(Durability::Synced);
        let options = AppendOptions { expected_sequence: expected, durability, ..options_of(&facts) };
        let payload = draft.payload();
        let result = self.store.append_with_options(&facts.coordinate, facts.kind, &payload, options);
        if let Some(known) = self.with_key(facts.key) {
            return check_repeated(known, &facts, &payload, result);
        }
        let len = self.next_len(&facts);
        if expected.is_some_and(|expected| expected != len) {
            return check_conflict(expected, len, &result.expect_err("a conflict"));
        }
        let first = self.known.len();
        self.take(facts, payload, &result.expect("appended"), first);
    }

    fn take(&mut self, facts: Facts, payload: Value, receipt: &AppendReceipt, first: usize) {
        assert_eq!((receipt.sequence, receipt.revision), (facts.sequence, facts.revision));
        assert!(!receipt.replayed());
        let (id, hash) = (receipt.event_id, receipt.event_hash);
        self.facts.push(facts.clone());
        self.known.push(Known { facts, payload, id, hash, first });
        assert!(self.store.diagnostics().visible > receipt.sequence);
    }

    /// A commit of several events, without keys that are known.
    fn batch(&mut self, drafts: &[Draft], expected: Option<u8>) {
        let mut all = self.facts.clone();
        for draft in drafts {
            let mut facts = Facts::next(&draft.spec, &all);
            let is_known = all.iter().any(|event| event.key == facts.key);
            facts.key = facts.key.filter(|_| !is_known);
            facts.time = all.get(self.facts.len()).map_or(facts.time, |first| first.time);
            all.push(facts);
        }
        let new = &all[self.facts.len()..];
        let Some(leading) = new.first() else { return };
        self.world.set_time(leading.time.as_nanos());
        let expected = expected.map(u64::from);
        let items = new.iter().zip(drafts).enumerate().map(|(item, (facts, draft))| {
            let condition = expected.filter(|_| item == 0);
            item_of(facts, &draft.payload(), condition)
        });
        let result = self.store.append_batch(items.collect::<Vec<_>>());
        if expected.is_some_and(|expected| expected != leading.revision) {
            return check_conflict(expected, leading.revision, &result.expect_err("a conflict"));
        }
        let receipts = result.expect("appended");
        assert_eq!(receipts.len(), new.len());
        let first = self.known.len();
        for ((facts, draft), receipt) in new.iter().cloned().zip(drafts).zip(&receipts) {
            self.take(facts, draft.payload(), receipt, first);
        }
    }

    /// A whole commit again, if it can be known again by a key.
    fn repeat(&mut self, event: u8) {
        let Some(some) = self.known.get(usize::from(event)) else { return };
        let commit: Vec<&Known> = self.known.iter().filter(|known| known.first == some.first).collect();
        if commit.iter().all(|known| known.facts.key.is_none()) {
            return;
        }
        let items = commit.iter().map(|known| item_of(&known.facts, &known.payload, Some(77)));
        let receipts = self.store.append_batch(items.collect::<Vec<_>>()).expect("a repetition");
        assert_eq!(receipts.len(), commit.len());
        for (receipt, known) in receipts.iter().zip(commit) {
            assert!(receipt.replayed() && !receipt.payload_differs());
            assert_eq!((receipt.event_id, receipt.event_hash), (known.id, known.hash));
        }
        assert_eq!(self.store.diagnostics().visible, self.known.len() as u64);
    }

    fn query(&self, asked: &Asked, from: u64, limit: usize) {
        let (region, expected) = (asked.region(), asked.expected(&self.facts));
        let rows = self.store.query(&region).expect("rows");
        assert!(rows.iter().map(|row| row.sequence).eq(expected.iter().copied()), "{region:?}");
        for row in &rows {
            let known = &self.known[index(row.sequence)];
            assert_eq!((row.event_id, row.kind, row.revision), (known.id, known.facts.kind, known.facts.revision));
            assert_eq!((&row.coordinate, row.time), (&known.facts.coordinate, known.facts.time));
        }
        let events = || self.store.events(&region).from(from);
        let forward = events().raw().take(limit).map(|event| sequence_of(&event.expect("an event")));
        assert!(forward.eq(expected.iter().copied().filter(|it| *it >= from).take(limit)), "{region:?} from {from}");
        let backward = events().backward().rows().take(limit).map(|row| row.expect("a row").sequence);
        let wanted = expected.iter().rev().copied().filter(|it| *it <= from).take(limit);
        assert!(backward.eq(wanted), "{region:?} back from {from}");
    }

    fn poll(&self, asked: &Asked, from: u64) {
        let mut cursor = self.store.cursor_guaranteed(&asked.region()).starting_at(from);
        let polled = std::iter::from_fn(|| cursor.try_poll().expect("polls")).map(|row| row.sequence);
        assert!(polled.eq(asked.expected(&self.facts).into_iter().filter(|it| *it >= from)));
    }

    fn read(&self, event: u8) {
        let end = self.known.len() as u64;
        assert!(matches!(self.store.read(end), Err(StoreError::NotFound { sequence }) if sequence == end));
        let Some(known) = self.known.get(usize::from(event)) else { return };
        check_event(&self.store.get(known.id).expect("is there"), known);
        let stream = self.store.try_stream(known.facts.coordinate.entity()).expect("a stream");
        let entity = |event: &&Facts| event.coordinate.entity() == known.facts.coordinate.entity();
        assert!(stream.iter().map(|row| row.sequence).eq(self.facts.iter().filter(entity).map(|it| it.sequence)));
    }

    fn verify(&self) {
        let chain = self.store.verify_chain().expect("a whole chain");
        let mut tree = batpak::Frontier::new();
        self.known.iter().for_each(|known| tree.push(&known.hash));
        assert_eq!((chain.head.size, chain.head.root), (tree.size(), tree.root()));
    }

    fn check_all(&self) {
        let found: Vec<_> = self.store.events(&Region::all()).map(|event| event.expect("an event")).collect();
        assert_eq!(found.len(), self.known.len());
        found.iter().zip(&self.known).for_each(|(event, known)| check_event(event, known));
        self.verify();
    }

    fn close(&mut self, options: Options, spoiled: &[(u8, Edit)]) {
        self.store.clone().close().expect("closes");
        self.reopen(options, spoiled);
    }

    /// The process dies: its files are as they are.
    fn kill(&mut self, options: Options, spoiled: &[(u8, Edit)]) {
        self.world = self.world.after_kill();
        self.reopen(options, spoiled);
    }

    fn reopen(&mut self, options: Options, spoiled: &[(u8, Edit)]) {
        for (file, edit) in spoiled {
            self.spoil(*file, edit);
        }
        self.store = Store::open(options.set(self.world.config())).expect("opens again");
        let report = self.store.diagnostics().open_report.expect("a report");
        assert!(report.torn.is_none(), "{report:?}");
        assert_eq!(self.store.diagnostics().visible, self.known.len() as u64);
    }

    /// Changes a file from which nothing must come that the segments do not say.
    fn spoil(&self, file: u8, edit: &Edit) {
        let files = &self.world.files;
        let mut derived = files.files();
        derived.retain(|path| {
            path.starts_with(DIR) && path.extension().is_some_and(|it| it == "index" || it == "visible")
        });
        if derived.is_empty() {
            return;
        }
        let path = &derived[usize::from(file) % derived.len()];
        let mut bytes = files.read(path).expect("a file");
        edit.apply(&mut bytes);
        files.write(path, bytes);
    }

    fn look_in(&mut self, other: Store) {
        let store = std::mem::replace(&mut self.store, other);
        self.check_all();
        self.store = store;
    }

    fn snapshot(&mut self, options: Options) {
        self.copies += 1;
        let dir = format!("/copy-{}", self.copies);
        self.store.snapshot(&dir).expect("a snapshot");
        let mut config = options.set(self.world.config());
        config.data_dir = dir.into();
        self.look_in(Store::open(config).expect("opens the snapshot"));
    }
}

fn index(sequence: u64) -> usize {
    usize::try_from(sequence).expect("an index")
}

fn sequence_of<P>(event: &StoredEvent<P>) -> u64 {
    event.event.sequence()
}

fn options_of(facts: &Facts) -> AppendOptions<'_> {
    AppendOptions {
        idempotency_key: facts.key,
        correlation_id: facts.correlation,
        causation_id: facts.causation,
        tags: &facts.tags,
        ..AppendOptions::default()
    }
}

fn item_of(facts: &Facts, payload: &Value, expected: Option<u64>) -> BatchAppendItem {
    let options = AppendOptions { expected_sequence: expected, ..options_of(facts) };
    let coordinate = facts.coordinate.clone();
    BatchAppendItem::new(coordinate, facts.kind, payload, options, CausationRef::None).expect("an item")
}

fn check_repeated(known: &Known, facts: &Facts, payload: &Value, result: Result<AppendReceipt, StoreError>) {
    let same = known.facts.kind == facts.kind && known.facts.coordinate == facts.coordinate;
    match result {
        Ok(receipt) => {
            assert!(same && receipt.replayed());
            assert_eq!(receipt.payload_differs(), known.payload != *payload);
            assert_eq!((receipt.event_id, receipt.event_hash), (known.id, known.hash));
        }
        Err(StoreError::KeyReused { event, .. }) => assert!(!same && event == known.id),
        Err(error) => panic!("{error}"),
    }
}

fn check_conflict(expected: Option<u64>, len: u64, error: &StoreError) {
    let StoreError::Conflict { expected: found, actual, .. } = error else { panic!("{error}") };
    assert_eq!((Some(*found), *actual), (expected, len));
}

#[track_caller]
fn check_event(found: &StoredEvent<Value>, known: &Known) {
    let StoredEvent { coordinate, event } = found;
    assert_eq!((event.event_id(), event.event_hash()), (known.id, known.hash));
    assert_eq!((coordinate, event.kind()), (&known.facts.coordinate, known.facts.kind));
    assert_eq!((event.time(), event.revision()), (known.facts.time, known.facts.revision));
    assert_eq!((event.correlation_id(), event.causation_id()), (known.facts.correlation, known.facts.causation));
    assert!(event.tags().eq(known.facts.tags.iter().copied()));
    assert_eq!((event.idempotency_key(), event.payload()), (known.facts.key, &known.payload));
}
