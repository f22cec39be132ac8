//! What a store was told and what it said: the list of events that it stands for.

use crate::draft::Draft;
use batpak::store::{AppendReceipt, SyncConfig};
use batpak::{EventHash, EventId, Frontier};
use std::path::PathBuf;
use std::time::Duration;

/// An event that may be there.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) draft: Draft,
    /// What its receipt said, or who has found it.
    pub(crate) told: Option<(EventId, EventHash)>,
    /// When it was appended.
    pub(crate) time: Duration,
}

/// A copy of the store in a directory of its own.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) dir: PathBuf,
    pub(crate) events: usize,
    /// Whether it was told to be there. Otherwise it is whole or no store.
    pub(crate) is_finished: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Those that were acknowledged, and behind them those of which nobody knows.
    pub(crate) events: Vec<Known>,
    /// Where commits end.
    pub(crate) ends: Vec<usize>,
    /// How many were acknowledged.
    pub(crate) acknowledged: usize,
    /// How many were promised to survive a power cut.
    pub(crate) promised: usize,
    /// What was refused or lost, and is appended again now and then.
    pub(crate) lost: Vec<Vec<Draft>>,
    pub(crate) copies: Vec<Copy>,
    numbers: u64,
}

impl Model {
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// How many events of an entity are there.
    pub(crate) fn len_of(&self, entity: &str) -> u64 {
        self.events[..self.acknowledged].iter().filter(|event| event.draft.entity == entity).count() as u64
    }

    pub(crate) fn promise(&mut self, events: usize) {
        self.promised = self.promised.max(events);
    }

    /// A commit was acknowledged.
    pub(crate) fn take(&mut self, drafts: Vec<Draft>, receipts: &[AppendReceipt], time: Duration) {
        assert_eq!(self.events.len(), self.acknowledged, "accepted behind a commit of which nobody knows");
        assert_eq!(drafts.len(), receipts.len(), "a receipt for each event");
        for (draft, receipt) in drafts.into_iter().zip(receipts) {
            assert_eq!(receipt.sequence, self.events.len() as u64);
            assert_eq!(receipt.revision, self.revision(draft.entity));
            assert!(!receipt.replayed(), "a replay of what is not there: {draft:?}");
            self.events.push(Known { draft, told: Some((receipt.event_id, receipt.event_hash)), time });
        }
        self.ends.push(self.events.len());
        self.acknowledged = self.events.len();
    }

    fn revision(&self, entity: &str) -> u64 {
        self.events.iter().filter(|event| event.draft.entity == entity).count() as u64
    }

    /// Nobody knows whether a commit is there.
    pub(crate) fn take_unknown(&mut self, drafts: Vec<Draft>, time: Duration) {
        self.events.extend(drafts.into_iter().map(|draft| Known { draft, told: None, time }));
        self.ends.push(self.events.len());
    }

    /// What the sync policy promises once an append was acknowledged at `now`.
    pub(crate) fn promise_by(&mut self, policy: &SyncConfig, now: Duration) {
        let most = usize::try_from(policy.every_n_events).expect("a small number");
        self.promise(self.acknowledged.saturating_sub(most));
        let old = |event: &Known| event.time + policy.interval < now;
        self.promise(self.events[..self.acknowledged].iter().take_while(|event| old(event)).count());
        let mut bytes = 0;
        for (index, event) in self.events[..self.acknowledged].iter().enumerate().rev() {
            bytes += event.draft.text.len() as u64;
            if bytes > policy.max_bytes {
                return self.promise(index + 1);
            }
        }
    }

    /// What is there is known now: the `found` first ones. The others are gone and must not come back.
    pub(crate) fn settle(&mut self, found: usize) {
        let mut from = found;
        for end in self.ends.iter().copied().filter(|end| *end > found) {
            self.lost.push(self.events[from..end].iter().map(|event| event.draft.clone()).collect());
            from = end;
        }
        self.events.truncate(found);
        self.ends.retain(|end| *end <= found);
        (self.acknowledged, self.promised) = (found, found);
    }

    /// The tree over the first events.
    pub(crate) fn tree(&self, events: usize) -> Frontier {
        let mut tree = Frontier::new();
        for event in &self.events[..events] {
            tree.push(&event.told.expect("it was acknowledged or found").1);
        }
        tree
    }
}
