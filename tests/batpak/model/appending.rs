//! Appending, again too.

use super::Case;
use super::draft::{Draft, Known, items};
use crate::filters::Facts;
use crate::fixtures::at;
use batpak::EventId;
use batpak::store::{AppendOptions, AppendReceipt, StoreError};
use std::time::{Duration, Instant};

/// A condition that does not hold: what was expected, what is there, and the newest event of the entity.
struct Refusal {
    entity: String,
    expected: u64,
    actual: u64,
    newest: Option<EventId>,
}

impl Refusal {
    fn check(self, result: Result<Vec<AppendReceipt>, StoreError>) {
        let error = result.expect_err("a condition does not hold");
        assert!(error.is_conflict(), "{error:?}");
        let StoreError::Conflict { entity, expected, actual, newest } = error else { panic!("{error:?}") };
        assert_eq!((entity, expected, actual), (self.entity, self.expected, self.actual));
        assert_eq!(newest, self.newest);
    }
}

impl Case {
    fn tick(&mut self) {
        // It goes back now and then.
        self.time += i64::try_from(self.random.below(3_000_000)).expect("small") - 500_000;
        self.machine.clock.set(self.time);
    }

    /// The first of some drafts whose condition does not hold.
    fn refusal(&self, drafts: &[Draft]) -> Option<Refusal> {
        drafts.iter().enumerate().find_map(|(item, draft)| {
            let entity = draft.coordinate.entity();
            let before = drafts[..item].iter().filter(|before| before.coordinate.entity() == entity).count();
            let actual = self.len_of(entity) + before as u64;
            let expected = draft.expected.filter(|expected| *expected != actual)?;
            let newest = self.facts.iter().rposition(|event| event.entity == entity);
            let newest = newest.map(|sequence| self.events[sequence].id);
            Some(Refusal { entity: entity.to_owned(), expected, actual, newest })
        })
    }

    pub(super) fn append(&mut self) {
        self.tick();
        let draft = self.draft(&[]);
        let (place, options) = (&draft.coordinate, draft.options());
        let appended = if self.random.chance(80) {
            self.store.append_with_options(place, draft.kind, &draft.payload, options)
        } else {
            self.store.submit(place, draft.kind, &draft.payload, options).expect("a ticket").wait()
        };
        self.take_unless_refused(vec![draft], appended.map(|receipt| vec![receipt]));
    }

    pub(super) fn append_batch(&mut self) {
        self.tick();
        let mut drafts: Vec<Draft> = Vec::new();
        for _ in 0..self.random.below(self.largest_batch) {
            drafts.push(self.draft(&drafts));
        }
        // Otherwise hardly any large batch would be appended.
        if drafts.len() > 10 {
            for draft in &mut drafts {
                draft.expected = None;
            }
        }
        let result = if self.random.chance(80) {
            self.store.append_batch(items(&drafts))
        } else {
            self.store.submit_batch(items(&drafts)).expect("a ticket").wait()
        };
        self.take_unless_refused(drafts, result);
    }

    fn take_unless_refused(&mut self, drafts: Vec<Draft>, result: Result<Vec<AppendReceipt>, StoreError>) {
        match self.refusal(&drafts) {
            Some(refusal) => refusal.check(result),
            None => self.take(drafts, &result.expect("appended")),
        }
    }

    /// Notes what was appended.
    fn take(&mut self, drafts: Vec<Draft>, receipts: &[AppendReceipt]) {
        assert_eq!(drafts.len(), receipts.len());
        let first = self.events.len() as u64;
        let mut linked: Vec<(Option<EventId>, EventId)> = Vec::new();
        for (draft, receipt) in drafts.into_iter().zip(receipts) {
            let (entity, scope) = (draft.coordinate.entity().to_owned(), draft.coordinate.scope().to_owned());
            let revision = self.len_of(&entity);
            let sequence = self.events.len() as u64;
            assert_eq!((receipt.sequence, receipt.revision, receipt.replayed()), (sequence, revision, false));
            let (mut correlation, mut causation) = (draft.correlation, draft.causation);
            if let Some(cause) = draft.cause {
                causation = Some(linked[cause].1);
                correlation = correlation.or(linked[cause].0).or(causation);
            }
            linked.push((correlation, receipt.event_id));
            *self.lens.entry(entity.clone()).or_default() += 1;
            self.facts.push(Facts {
                entity,
                scope,
                kind: draft.kind,
                tags: draft.tags.iter().map(|tag| (*tag).to_owned()).collect(),
                correlation,
                causation,
                time: self.time,
                revision,
                sequence,
            });
            self.events.push(Known { id: receipt.event_id, hash: receipt.event_hash, first, draft });
        }
        assert_eq!(self.store.diagnostics().visible, self.events.len() as u64);
    }

    /// An event that has a key: an old one rather than a new one.
    fn some_with_key(&mut self) -> Option<Known> {
        let keyed: Vec<&Known> = self.events.iter().filter(|event| event.draft.key.is_some()).collect();
        (!keyed.is_empty()).then(|| (*self.random.pick(&keyed)).clone())
    }

    /// Appends an event with a key that is known.
    pub(super) fn repeat(&mut self) {
        let Some(Known { id, hash, draft, .. }) = self.some_with_key() else { return };
        // The condition does not matter any more.
        let options =
            AppendOptions { idempotency_key: draft.key, expected_sequence: Some(77), ..AppendOptions::default() };
        let receipt = self
            .store
            .append_with_options(&draft.coordinate, draft.kind, &draft.payload, options)
            .expect("a repetition");
        assert!(receipt.replayed() && !receipt.payload_differs());
        assert_eq!((receipt.event_id, receipt.event_hash, receipt.sequence), (id, hash, id.sequence()));
        let elsewhere = at("elsewhere", "x");
        let error = self.store.append_with_options(&elsewhere, draft.kind, &1, options);
        assert!(matches!(error, Err(StoreError::KeyReused { event, .. }) if event == id));
    }

    /// Appends a whole commit again, its events without keys too.
    pub(super) fn repeat_batch(&mut self) {
        let Some(Known { first, .. }) = self.some_with_key() else { return };
        let commit: Vec<Known> = self.events.iter().filter(|event| event.first == first).cloned().collect();
        let drafts: Vec<Draft> = commit.iter().map(|event| event.draft.clone()).collect();
        let receipts = self.store.append_batch(items(&drafts)).expect("a repetition");
        let found = receipts
            .iter()
            .map(|receipt| (receipt.event_id, receipt.event_hash, receipt.replayed(), receipt.payload_differs()));
        assert!(found.eq(commit.iter().map(|event| (event.id, event.hash, true, false))));
    }

    /// A batch of which something is known and something is not is refused as a whole.
    pub(super) fn repeat_some(&mut self) {
        let Some(Known { draft: known, .. }) = self.some_with_key() else { return };
        let mut new = Draft { cause: None, expected: None, ..self.draft(&[]) };
        self.next_key += 1;
        new.key = Some(self.next_key << 40);
        let mut drafts = vec![Draft { cause: None, ..known }, new];
        if self.random.chance(50) {
            drafts.reverse();
        }
        let error = self.store.append_batch(items(&drafts)).expect_err("not a repetition");
        assert!(matches!(error, StoreError::PartialReplay { .. }), "{error:?}");
        assert_eq!(self.store.diagnostics().visible, self.events.len() as u64);
    }

    /// Waits until everything that can be frozen is.
    pub(super) fn settle(&mut self) {
        // The thread that freezes exists from the first append on that finds something to freeze.
        self.tick();
        let draft = Draft::plain();
        let appended = self.store.append(&draft.coordinate, draft.kind, &draft.payload);
        self.take_unless_refused(vec![draft], appended.map(|receipt| vec![receipt]));
        let start = Instant::now();
        while self.store.diagnostics().events_to_freeze > 0 {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing is frozen: {:?}", self.store.diagnostics());
            std::thread::sleep(Duration::from_micros(20));
        }
        let diagnostics = self.store.diagnostics();
        let events = self.events.len() as u64;
        assert!(diagnostics.events_live <= events);
        assert!(diagnostics.index_parts > 0 || diagnostics.events_live == events);
    }
}
