//! A store against a plain list of events: whatever is done to both, they give the same answers.
//!
//! `BATPAK_MODEL_CASES` sets how many cases are run, `BATPAK_MODEL_SEED` which one is the first.

use crate::filters::{Facts, Filter, union};
use crate::fixtures::{KIND, Machine, OTHER, THIRD, at, sequence_of, sequences};
use crate::random::Random;
use batpak::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Cursor, Durability, EventSourced, Freshness,
    Projection, RawMsgpackInput, Store, StoreConfig, StoreError, ValueInput,
};
use batpak::{Coordinate, Event, EventHash, EventId, EventKind, StoredEvent, Timestamp};
use serde_json::{Value, json};

const CASES: u64 = 300;
const STEPS: u64 = 60;
const ENTITIES: [&str; 6] = ["a", "a:1", "a:10", "b", "b:1", "c"];
const SCOPES: [&str; 3] = ["x", "y", "x:1"];
const KINDS: [EventKind; 3] = [KIND, OTHER, THIRD];
const TAGS: [&str; 3] = ["t", "t:1", "u"];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn a_store_is_a_list_of_events() {
    let first = number("BATPAK_MODEL_SEED", 1);
    for seed in first..first + number("BATPAK_MODEL_CASES", CASES) {
        let outcome = std::panic::catch_unwind(|| Case::new(seed).run());
        if let Err(panic) = outcome {
            eprintln!("failed with BATPAK_MODEL_SEED={seed} BATPAK_MODEL_CASES=1");
            std::panic::resume_unwind(panic);
        }
    }
}

/// What was appended and what the receipt said.
#[derive(Clone, Debug)]
struct Known {
    facts: Facts,
    id: EventId,
    hash: EventHash,
    key: Option<u128>,
    metadata: Vec<u8>,
    occurred_at: Option<Timestamp>,
    payload: Value,
}

/// An event that is about to be appended.
#[derive(Clone, Debug)]
struct Draft {
    coordinate: Coordinate,
    kind: EventKind,
    payload: Value,
    key: Option<u128>,
    tags: Vec<&'static str>,
    metadata: Vec<u8>,
    occurred_at: Option<Timestamp>,
    correlation: Option<EventId>,
    causation: Option<EventId>,
    /// The earlier item of the batch that is the cause.
    cause: Option<usize>,
    expected: Option<u64>,
    durability: Option<Durability>,
}

impl Draft {
    fn options(&self) -> AppendOptions<'_> {
        AppendOptions {
            expected_sequence: self.expected,
            idempotency_key: self.key,
            correlation_id: self.correlation,
            causation_id: self.causation,
            tags: &self.tags,
            metadata: &self.metadata,
            occurred_at: self.occurred_at,
            durability: self.durability,
        }
    }
}

struct Case {
    random: Random,
    machine: Machine,
    store: Store,
    events: Vec<Known>,
    time: i64,
    cursors: Vec<(Vec<Filter>, Cursor, u64)>,
    next_key: u128,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let machine = Machine::new();
        let store = Store::open(config(&machine, &mut random)).expect("open");
        Self { random, machine, store, events: Vec::new(), time: 0, cursors: Vec::new(), next_key: 0 }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            match self.random.below(100) {
                0..35 => self.append(),
                35..50 => self.append_batch(),
                50..55 => self.repeat(),
                55..65 => self.query(),
                65..72 => self.read(),
                72..77 => self.project(),
                77..85 => self.poll(),
                85..87 => self.verify(),
                87..90 => self.look_in_read_only(),
                90..92 => self.snapshot(),
                92..94 => self.sync(),
                _ => self.reopen(),
            }
        }
        self.reopen();
        for _ in 0..5 {
            self.query();
        }
        self.read();
        self.verify();
    }

    fn facts(&self) -> Vec<Facts> {
        self.events.iter().map(|event| event.facts.clone()).collect()
    }

    fn len_of(&self, entity: &str, drafts: &[Draft]) -> u64 {
        let there = self.events.iter().filter(|event| event.facts.entity == entity).count();
        (there + drafts.iter().filter(|draft| draft.coordinate.entity() == entity).count()) as u64
    }

    fn draft(&mut self, before: &[Draft]) -> Draft {
        let random = &mut self.random;
        let coordinate = at(ENTITIES[random.index(ENTITIES.len())], SCOPES[random.index(SCOPES.len())]);
        let tags = TAGS.into_iter().filter(|_| random.chance(20)).collect();
        let key = random.chance(30).then(|| {
            self.next_key += 1;
            self.next_key << 40
        });
        let payload = match random.below(4) {
            0 => json!(random.next()),
            1 => json!({"n": random.below(9), "text": "x".repeat(usize::try_from(random.below(700)).expect("small"))}),
            2 => Value::Null,
            _ => json!([random.below(1000), -5, 2.5, "é"]),
        };
        let earlier = |random: &mut Random, events: &[Known]| {
            (random.chance(20) && !events.is_empty()).then(|| random.pick(events).id)
        };
        Draft {
            key,
            tags,
            payload,
            kind: *random.pick(&KINDS),
            metadata: if random.chance(10) {
                vec![7; usize::try_from(random.below(40)).expect("small")]
            } else {
                vec![]
            },
            occurred_at: random.chance(10).then(|| Timestamp::from_nanos(-3)),
            correlation: earlier(random, &self.events),
            causation: earlier(random, &self.events),
            cause: (random.chance(20) && !before.is_empty())
                .then(|| usize::try_from(random.below(before.len() as u64)).expect("small")),
            expected: random.chance(20).then(|| random.below(4)),
            durability: random.chance(10).then_some(Durability::Synced),
            coordinate,
        }
    }

    fn tick(&mut self) {
        // It goes back now and then.
        self.time += i64::try_from(self.random.below(3_000_000)).expect("small") - 500_000;
        self.machine.clock.set(self.time);
    }

    fn append(&mut self) {
        self.tick();
        let draft = Draft { cause: None, ..self.draft(&[]) };
        let entity = draft.coordinate.entity();
        let actual = self.len_of(entity, &[]);
        let appended = self.store.append_with_options(&draft.coordinate, draft.kind, &draft.payload, draft.options());
        match draft.expected.filter(|expected| *expected != actual) {
            Some(expected) => Self::check_conflict(&draft, expected, actual, appended.map(|receipt| vec![receipt])),
            None => self.take(&[draft], &[appended.expect("append")]),
        }
    }

    fn check_conflict(draft: &Draft, wanted: u64, had: u64, result: Result<Vec<AppendReceipt>, StoreError>) {
        let error = result.expect_err("a condition does not hold");
        assert!(error.is_conflict(), "{error:?}");
        let StoreError::Conflict { entity, expected, actual, .. } = error else { panic!("{error:?}") };
        assert_eq!((entity.as_str(), expected, actual), (draft.coordinate.entity(), wanted, had));
    }

    fn append_batch(&mut self) {
        self.tick();
        let mut drafts: Vec<Draft> = Vec::new();
        let mut conflict = None;
        for _ in 0..self.random.below(6) {
            let draft = self.draft(&drafts);
            let actual = self.len_of(draft.coordinate.entity(), &drafts);
            if let Some(expected) = draft.expected.filter(|expected| *expected != actual && conflict.is_none()) {
                conflict = Some((draft.clone(), expected, actual));
            }
            drafts.push(draft);
        }
        let result = self.store.append_batch(items(&drafts));
        match conflict {
            Some((draft, expected, actual)) => Self::check_conflict(&draft, expected, actual, result),
            None => self.take(&drafts, &result.expect("batch")),
        }
    }

    /// Notes what was appended.
    fn take(&mut self, drafts: &[Draft], receipts: &[AppendReceipt]) {
        assert_eq!(drafts.len(), receipts.len());
        let mut linked: Vec<(Option<EventId>, EventId)> = Vec::new();
        for (draft, receipt) in drafts.iter().zip(receipts) {
            let (entity, scope) = (draft.coordinate.entity().to_owned(), draft.coordinate.scope().to_owned());
            let revision = self.len_of(&entity, &[]);
            let sequence = self.events.len() as u64;
            assert_eq!((receipt.sequence, receipt.revision, receipt.replayed()), (sequence, revision, false));
            let (mut correlation, mut causation) = (draft.correlation, draft.causation);
            if let Some(cause) = draft.cause {
                causation = Some(linked[cause].1);
                correlation = correlation.or(linked[cause].0).or(causation);
            }
            linked.push((correlation, receipt.event_id));
            let facts = Facts {
                entity,
                scope,
                kind: draft.kind,
                tags: draft.tags.iter().map(|tag| (*tag).to_owned()).collect(),
                correlation,
                causation,
                time: self.time,
                revision,
                sequence,
            };
            self.events.push(Known {
                facts,
                id: receipt.event_id,
                hash: receipt.event_hash,
                key: draft.key,
                metadata: draft.metadata.clone(),
                occurred_at: draft.occurred_at,
                payload: draft.payload.clone(),
            });
        }
        assert_eq!(self.store.diagnostics().visible, self.events.len() as u64);
    }

    /// Appends an event with a key that is known.
    fn repeat(&mut self) {
        let keyed: Vec<&Known> = self.events.iter().filter(|event| event.key.is_some()).collect();
        if keyed.is_empty() {
            return;
        }
        let event = *self.random.pick(&keyed);
        let place = at(&event.facts.entity, &event.facts.scope);
        // The condition does not matter any more.
        let options =
            AppendOptions { idempotency_key: event.key, expected_sequence: Some(77), ..AppendOptions::default() };
        let receipt =
            self.store.append_with_options(&place, event.facts.kind, &event.payload, options).expect("a repetition");
        assert!(receipt.replayed() && !receipt.payload_differs());
        assert_eq!(
            (receipt.event_id, receipt.event_hash, receipt.sequence),
            (event.id, event.hash, event.facts.sequence)
        );
        let elsewhere = at("elsewhere", "x");
        let error = self.store.append_with_options(&elsewhere, event.facts.kind, &1, options);
        assert!(matches!(error, Err(StoreError::KeyReused { event: id, .. }) if id == event.id));
    }

    fn query(&mut self) {
        let all = self.facts();
        let filters: Vec<Filter> = (0..=self.random.below(3)).map(|_| Filter::random(&mut self.random, &all)).collect();
        let region = union(&filters);
        let expected: Vec<&Facts> =
            all.iter().filter(|event| filters.iter().any(|filter| filter.accepts(event))).collect();
        let rows = self.store.query(&region).expect("query");
        assert_eq!(sequences(&rows), expected.iter().map(|event| event.sequence).collect::<Vec<_>>(), "{filters:?}");
        for (row, event) in rows.iter().zip(&expected) {
            assert_eq!(
                (row.coordinate.entity(), row.coordinate.scope()),
                (event.entity.as_str(), event.scope.as_str())
            );
            assert_eq!((row.revision, row.kind, row.time.as_nanos()), (event.revision, event.kind, event.time));
            assert_eq!(row.event_id, self.events[index(row.sequence)].id);
        }
        let from = self.random.below(all.len() as u64 + 3);
        let limit = index(self.random.below(8));
        let forward: Vec<u64> = self.store.events(&region).from(from).take(limit).map(sequence_of).collect();
        let wanted = expected.iter().map(|event| event.sequence).filter(|sequence| *sequence >= from).take(limit);
        assert!(forward.iter().copied().eq(wanted), "{filters:?} from {from}: {forward:?}");
        let backward: Vec<u64> =
            self.store.events(&region).backward().from(from).raw().take(limit).map(sequence_of).collect();
        let wanted = expected.iter().rev().map(|event| event.sequence).filter(|sequence| *sequence <= from).take(limit);
        assert!(backward.iter().copied().eq(wanted), "{filters:?} back from {from}: {backward:?}");
    }

    fn read(&mut self) {
        let end = self.events.len() as u64;
        assert!(matches!(self.store.read(end), Err(StoreError::NotFound { sequence }) if sequence == end));
        if self.events.is_empty() {
            return;
        }
        let event = self.random.pick(&self.events).clone();
        check_event(&self.store.get(event.id).expect("get"), &event);
        check_event(&self.store.read(event.facts.sequence).expect("read"), &event);
        check_event(&self.store.get_typed::<Value>(event.id).expect("get typed"), &event);
        let raw = self.store.get_raw(event.id).expect("get raw").event.into_payload();
        assert_eq!(batpak::store::payload_to_json(&raw).expect("a value"), event.payload);
        let stream = self.store.stream(&event.facts.entity);
        let of_entity = self.events.iter().filter(|other| other.facts.entity == event.facts.entity);
        assert!(stream.iter().map(|row| row.event_id).eq(of_entity.map(|other| other.id)));
        assert!(stream.iter().map(|row| row.revision).eq(0..stream.len() as u64));
        let other = EventId::from_u128(event.id.as_u128() ^ 2);
        assert!(matches!(self.store.get(other), Err(StoreError::NotFound { .. })));
    }

    fn project(&mut self) {
        let entity = *self.random.pick(&ENTITIES);
        let of_entity: Vec<&Known> = self.events.iter().filter(|event| event.facts.entity == entity).collect();
        let values: Vec<Value> = of_entity.iter().map(|event| event.payload.clone()).collect();
        let some = |values: Vec<Value>| (!values.is_empty()).then_some(values);
        let fresh = Freshness::Consistent;
        let typed: Option<Typed> = self.store.project(entity, &fresh).expect("project");
        assert_eq!(typed.map(|state| state.0), some(values.clone()));
        let shown: Option<Shown> = self.store.project(entity, &fresh).expect("project");
        let of_kind = of_entity.iter().filter(|event| event.facts.kind == OTHER);
        assert_eq!(shown.map(|state| state.0), some(of_kind.map(|event| event.payload.clone()).collect()));
        let raw: Option<Raw> = self.store.project(entity, &fresh).expect("project");
        assert_eq!(raw.map_or(0, |state| state.0), of_entity.len());
    }

    /// A new cursor, or one that goes on.
    fn poll(&mut self) {
        let all = self.facts();
        if self.cursors.len() < 4 {
            let filters = vec![Filter::random(&mut self.random, &all)];
            let from = if self.random.chance(50) { 0 } else { self.random.below(all.len() as u64 + 2) };
            let cursor = self.store.cursor_guaranteed(&union(&filters)).starting_at(from);
            self.cursors.push((filters, cursor, from));
        }
        let which = index(self.random.below(self.cursors.len() as u64));
        let count = self.random.below(12);
        let (filters, cursor, given) = &mut self.cursors[which];
        for _ in 0..count {
            let expected = all
                .iter()
                .filter(|event| event.sequence >= *given && filters.iter().any(|filter| filter.accepts(event)))
                .map(|event| event.sequence)
                .next();
            let found = cursor.try_poll().expect("poll").map(|row| row.sequence);
            assert_eq!(found, expected, "{filters:?}");
            *given = found.map_or(*given, |sequence| sequence + 1);
        }
    }

    fn verify(&mut self) {
        let entities: std::collections::BTreeSet<&str> =
            self.events.iter().map(|event| event.facts.entity.as_str()).collect();
        let chain = self.store.verify_chain().expect("a whole chain");
        assert_eq!((chain.events, chain.entities), (self.events.len() as u64, entities.len() as u64));
        let mut tree = batpak::Frontier::new();
        for event in &self.events {
            tree.push(&event.hash);
        }
        assert_eq!((chain.head.size, chain.head.root), (tree.size(), tree.root()));
        let stats = self.store.stats().expect("stats");
        assert_eq!((stats.events, stats.entities), (chain.events, chain.entities));
        assert!(self.store.diagnostics().open_files <= 2);
    }

    fn sync(&mut self) {
        self.store.sync().expect("sync");
        assert_eq!(self.store.diagnostics().durable, self.events.len() as u64);
        let mut tree = batpak::Frontier::new();
        for event in &self.events {
            tree.push(&event.hash);
        }
        let head = self.store.head().expect("head");
        assert_eq!((head.size, head.root), (tree.size(), tree.root()));
    }

    fn look_in_read_only(&mut self) {
        let reader = Store::open_read_only(config(&self.machine, &mut self.random)).expect("open read-only");
        let writer = std::mem::replace(&mut self.store, reader);
        self.query();
        self.read();
        self.project();
        self.verify();
        self.store = writer;
    }

    fn snapshot(&mut self) {
        let machine = self.machine.clone();
        let dir = format!("/copy-{}", self.random.next());
        self.store.snapshot(&dir).expect("snapshot");
        let copy_config = config_in(machine.config_in(&dir), &mut self.random);
        let copy = Store::open(copy_config).expect("open the snapshot");
        let source = std::mem::replace(&mut self.store, copy);
        self.query();
        self.read();
        self.repeat();
        self.verify();
        self.store = source;
    }

    fn reopen(&mut self) {
        let events = self.events.len() as u64;
        let positions: Vec<u64> = self.cursors.iter().map(|(.., given)| *given).collect();
        let dies = self.random.chance(25);
        if dies {
            // The process dies: its files are as they are, without an index of the newest events and without a mark.
            self.machine = self.machine.copy();
            self.machine.clock.set(self.time);
        } else {
            self.store.clone().close().expect("close");
        }
        self.store = Store::open(config(&self.machine, &mut self.random)).expect("open");
        let report = self.store.diagnostics().open_report.expect("a report");
        assert_eq!(report.events_restored + report.events_scanned, events, "{report:?}");
        assert!(report.closed_cleanly || dies);
        assert!(report.torn.is_none());
        for ((filters, cursor, _), given) in self.cursors.iter_mut().zip(positions) {
            *cursor = self.store.cursor_guaranteed(&union(filters)).starting_at(given);
        }
    }
}

fn config(machine: &Machine, random: &mut Random) -> StoreConfig {
    config_in(machine.config(), random)
}

fn config_in(config: StoreConfig, random: &mut Random) -> StoreConfig {
    config
        .with_segment_max_bytes(*random.pick(&[512, 700, 2000, 8000, 1 << 20]))
        .with_fd_budget(index(1 + random.below(2)))
        .with_enable_mmap_index(random.chance(60))
        .with_enable_checkpoint(random.chance(60))
        .with_sync_every_n_events(*random.pick(&[1, 3, 1000]))
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("an index")
}

fn items(drafts: &[Draft]) -> impl Iterator<Item = BatchAppendItem> {
    drafts.iter().map(|draft| {
        let cause = draft.cause.map_or(CausationRef::None, CausationRef::Item);
        BatchAppendItem::new(draft.coordinate.clone(), draft.kind, &draft.payload, draft.options(), cause)
            .expect("item")
    })
}

#[track_caller]
fn check_event(found: &StoredEvent<Value>, known: &Known) {
    assert_eq!(format!("{:?}", Facts::from(found)), format!("{:?}", known.facts));
    let event = &found.event;
    assert_eq!((event.event_id(), event.event_hash(), event.idempotency_key()), (known.id, known.hash, known.key));
    assert_eq!((event.metadata(), event.occurred_at()), (known.metadata.as_slice(), known.occurred_at));
    assert_eq!(event.payload(), &known.payload);
    assert_eq!(event.payload_version(), 0);
}

#[derive(Debug, Default)]
struct Typed(Vec<Value>);

impl Projection for Typed {
    type Event = Value;

    fn apply(&mut self, event: &Event<Value>) {
        self.0.push(event.payload().clone());
    }
}

#[derive(Debug)]
struct Shown(Vec<Value>);

impl EventSourced for Shown {
    type Input = ValueInput;

    fn from_events(events: &[Event<Value>]) -> Option<Self> {
        Some(Self(events.iter().map(|event| event.payload().clone()).collect()))
    }

    fn apply_event(&mut self, event: &Event<Value>) {
        self.0.push(event.payload().clone());
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[OTHER]
    }
}

#[derive(Debug)]
struct Raw(usize);

impl EventSourced for Raw {
    type Input = RawMsgpackInput;

    fn from_events(events: &[Event<&[u8]>]) -> Option<Self> {
        Some(Self(events.len()))
    }

    fn apply_event(&mut self, _event: &Event<&[u8]>) {
        self.0 += 1;
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[]
    }
}
