//! Asking the store what the list knows.

use super::draft::Known;
use super::found::{Raw, Shown, Typed};
use super::{Case, index};
use crate::filters::{Facts, Filter, union};
use crate::fixtures::{OTHER, sequence_of, sequences};
use batpak::store::{Freshness, Store, StoreError};
use batpak::{EventId, Region, StoredEvent};
use serde_json::Value;

impl Case {
    pub(super) fn query(&mut self) {
        let filters: Vec<Filter> =
            (0..=self.random.below(3)).map(|_| Filter::random(&mut self.random, &self.facts)).collect();
        let expected = self.expected(&filters);
        self.check_rows(&union(&filters), &expected, &filters);
        let from = self.random.below(self.events.len() as u64 + 3);
        let limit = index(self.random.below(8));
        self.check_from(&filters, &expected, from, limit);
    }

    fn expected(&self, filters: &[Filter]) -> Vec<u64> {
        let belongs = |event: &&Facts| filters.iter().any(|filter| filter.accepts(event));
        self.facts.iter().filter(belongs).map(|event| event.sequence).collect()
    }

    fn check_rows(&self, region: &Region, expected: &[u64], filters: &[Filter]) {
        let rows = self.store.query(region).expect("query");
        assert_eq!(sequences(&rows), expected, "{filters:?}");
        for row in &rows {
            let (event, facts) = (&self.events[index(row.sequence)], &self.facts[index(row.sequence)]);
            assert_eq!(row.coordinate, event.draft.coordinate);
            assert_eq!((row.event_id, row.kind, row.revision), (event.id, facts.kind, facts.revision));
            assert_eq!(row.time.as_nanos(), facts.time);
        }
    }

    /// In both directions from a position on.
    fn check_from(&self, filters: &[Filter], expected: &[u64], from: u64, limit: usize) {
        let events = || self.store.events(&union(filters)).from(from);
        let forward: Vec<u64> = events().take(limit).map(sequence_of).collect();
        let wanted = expected.iter().copied().filter(|sequence| *sequence >= from).take(limit);
        assert!(forward.iter().copied().eq(wanted), "{filters:?} from {from}: {forward:?}");
        let backward: Vec<u64> = events().backward().raw().take(limit).map(sequence_of).collect();
        let wanted = expected.iter().rev().copied().filter(|sequence| *sequence <= from).take(limit);
        assert!(backward.iter().copied().eq(wanted), "{filters:?} back from {from}: {backward:?}");
    }

    pub(super) fn read(&mut self) {
        let end = self.events.len() as u64;
        assert!(matches!(self.store.read(end), Err(StoreError::NotFound { sequence }) if sequence == end));
        let Some(id) = self.some_event().map(|event| event.id) else { return };
        self.check_event(index(id.sequence()));
        let entity = self.facts[index(id.sequence())].entity.clone();
        self.check_stream(&entity);
        let other = EventId::from_u128(id.as_u128() ^ 2);
        assert!(matches!(self.store.get(other), Err(StoreError::UnknownId { id }) if id == other));
    }

    /// Each event by its sequence and id, each stream.
    pub(super) fn read_all(&mut self) {
        self.check_rows(&Region::all(), &(0..self.events.len() as u64).collect::<Vec<_>>(), &[]);
        // All of a large store would take longer than everything before.
        let step = 1 + self.events.len() / 200;
        (0..self.events.len()).step_by(step).for_each(|sequence| self.check_event(sequence));
        let entities: Vec<String> = self.lens.keys().cloned().collect();
        for entity in &entities {
            self.check_stream(entity);
        }
        assert!(self.store.stream("nobody").is_empty());
    }

    fn check_event(&self, sequence: usize) {
        let (event, facts) = (&self.events[sequence], &self.facts[sequence]);
        check_event(&self.store.get(event.id).expect("get"), event, facts);
        check_event(&self.store.read(facts.sequence).expect("read"), event, facts);
        check_event(&self.store.get_as::<Value>(event.id).expect("get typed"), event, facts);
        let raw = self.store.get_raw(event.id).expect("get raw").event.into_payload();
        assert_eq!(batpak::store::payload_to_json(&raw).expect("a value"), event.draft.payload);
    }

    fn check_stream(&self, entity: &str) {
        let stream = self.store.stream(entity);
        let wanted = self.facts.iter().filter(|event| event.entity == entity);
        assert!(stream.iter().map(|row| row.sequence).eq(wanted.map(|event| event.sequence)), "{entity}");
        assert!(stream.iter().map(|row| row.revision).eq(0..self.len_of(entity)), "{entity}");
    }

    pub(super) fn project(&mut self) {
        let Some(entity) = self.some_event().map(|event| event.draft.coordinate.entity().to_owned()) else { return };
        let of_entity: Vec<&Known> =
            self.events.iter().filter(|event| event.draft.coordinate.entity() == entity).collect();
        let payload = |event: &Known| event.draft.payload.clone();
        let fresh = Freshness::Consistent;
        let typed: Option<Typed> = self.store.project(&entity, &fresh).expect("project");
        assert_eq!(typed.expect("a state").0, of_entity.iter().copied().map(payload).collect::<Vec<_>>());
        let shown: Option<Shown> = self.store.project(&entity, &fresh).expect("project");
        let of_kind = of_entity.iter().copied().filter(|event| event.draft.kind == OTHER);
        assert_eq!(shown.map_or_else(Vec::new, |state| state.0), of_kind.map(payload).collect::<Vec<_>>());
        let raw: Option<Raw> = self.store.project(&entity, &fresh).expect("project");
        assert_eq!(raw.expect("a state").0, of_entity.len());
        let none: Option<Typed> = self.store.project("nobody", &fresh).expect("project");
        assert!(none.is_none());
    }

    /// A new cursor, or one that goes on.
    pub(super) fn poll(&mut self) {
        if self.cursors.len() < 4 {
            let filters = vec![Filter::random(&mut self.random, &self.facts)];
            let from = if self.random.chance(50) { 0 } else { self.random.below(self.events.len() as u64 + 2) };
            let cursor = self.store.cursor_guaranteed(&union(&filters)).starting_at(from);
            self.cursors.push((filters, cursor, from));
        }
        let which = self.random.index(self.cursors.len());
        let count = self.random.below(12);
        let (filters, cursor, given) = &mut self.cursors[which];
        for _ in 0..count {
            let belongs = |event: &&Facts| filters.iter().any(|filter| filter.accepts(event));
            let expected = self.facts.iter().skip(index(*given)).find(belongs).map(|event| event.sequence);
            let found = cursor.try_poll().expect("poll").map(|row| row.sequence);
            assert_eq!(found, expected, "{filters:?}");
            *given = found.map_or(*given, |sequence| sequence + 1);
        }
    }

    pub(super) fn verify(&mut self) {
        let chain = self.store.verify_chain().expect("a whole chain");
        assert_eq!((chain.events, chain.entities), (self.events.len() as u64, self.lens.len() as u64));
        let tree = self.tree();
        assert_eq!((chain.head.size, chain.head.root), (tree.size(), tree.root()));
        let stats = self.store.stats().expect("stats");
        assert_eq!((stats.events, stats.entities), (chain.events, chain.entities));
        assert!(self.store.diagnostics().open_files <= 2);
    }

    pub(super) fn sync(&mut self) {
        self.store.sync().expect("sync");
        assert_eq!(self.store.diagnostics().durable, self.events.len() as u64);
        let (tree, head) = (self.tree(), self.store.head().expect("head"));
        assert_eq!((head.size, head.root), (tree.size(), tree.root()));
    }

    fn tree(&self) -> batpak::Frontier {
        let mut tree = batpak::Frontier::new();
        self.events.iter().for_each(|event| tree.push(&event.hash));
        tree
    }

    /// Asks another store of the same events.
    pub(super) fn look_in(&mut self, other: Store) {
        let store = std::mem::replace(&mut self.store, other);
        self.query();
        self.read();
        self.project();
        self.verify();
        if self.random.chance(20) {
            self.read_all();
        }
        self.store = store;
    }
}

#[track_caller]
fn check_event(found: &StoredEvent<Value>, known: &Known, facts: &Facts) {
    assert_eq!(Facts::from(found), *facts);
    let (event, draft) = (&found.event, &known.draft);
    assert_eq!((event.event_id(), event.event_hash(), event.idempotency_key()), (known.id, known.hash, draft.key));
    assert_eq!((event.metadata(), event.occurred_at()), (draft.metadata.as_slice(), draft.occurred_at));
    assert_eq!(event.payload(), &draft.payload);
    assert_eq!(event.payload_version(), 0);
}
