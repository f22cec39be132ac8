//! What was promised of the events of one directory, and whether an opened store keeps it.

use super::process::Process;
use super::report::{Known, Report};
use super::workload::{KIND, Payload};
use batpak::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// What ended a process, or what stood below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// It was killed: nothing that it acknowledged is lost.
    Process,
    /// The page cache is gone too: what was not synced may be lost, as much of it as the sync policy allows.
    Power,
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// The events that were acknowledged or seen, by sequence.
    known: BTreeMap<u64, Known>,
    /// Every event below this sequence has to be there.
    durable: u64,
    /// Of those that are known, so many may be lost.
    may_lose: u64,
    /// How many known events the last death took.
    pub(super) lost: u64,
}

impl History {
    /// The process is killed; takes down what it had reported. Returns the number of events in that.
    pub(super) fn end(&mut self, process: Process, death: Death) -> u64 {
        let (habits, mut events) = (process.habits, 0);
        for report in process.kill() {
            match report {
                Report::Opened { events } => self.reopened(events),
                Report::Appended { sequence, event } => {
                    assert_eq!(self.known.insert(sequence, event), None, "{sequence} was given twice");
                    events += 1;
                }
                Report::Durable { below } => self.durable = self.durable.max(below),
                Report::Refused { .. } | Report::Failed { .. } => {}
            }
        }
        self.may_lose = self.may_lose.max(habits.every_n_events);
        self.dies(death);
        events
    }

    pub(super) fn dies(&mut self, death: Death) {
        if death == Death::Process {
            self.durable = self.end_of_known();
        }
    }

    fn end_of_known(&self) -> u64 {
        self.known.last_key_value().map_or(0, |(sequence, _)| *sequence + 1)
    }

    /// An opened store holds so many events: those at the end that are not there are lost, and all others stay.
    fn reopened(&mut self, events: u64) {
        let (durable, known) = (self.durable, self.end_of_known());
        assert!(events >= durable, "{durable} events were durable, {events} are there");
        let bound = events + self.may_lose;
        assert!(
            known <= bound,
            "{known} events were acknowledged, {events} are there: the policy allows less to be lost"
        );
        self.lost = self.known.split_off(&events).len() as u64;
        (self.durable, self.may_lose) = (events, 0);
    }

    /// Opens the store. Every event that has to be there is, in order, once, and batches are whole.
    pub(super) fn check(&mut self, dir: &Path) {
        let store = Store::open(dir).expect("opens");
        let seen = self.check_events(&store);
        self.reopened(seen.len() as u64);
        check_commits_are_whole(&seen);
        self.known.extend((0..).zip(seen));
        self.append_one(&store);
        store.close().expect("closes");
    }

    fn check_events(&self, store: &Store) -> Vec<Known> {
        let mut seen = Vec::new();
        for event in store.events(&Region::all()).decoded::<Payload>() {
            let event = event.expect("reads").event;
            let sequence = seen.len() as u64;
            assert_eq!(event.sequence(), sequence, "no gap");
            let &Payload { commit, item, items, .. } = event.payload();
            assert_eq!(*event.payload(), Payload::new(commit, item, items));
            let found = Known { id: event.event_id(), commit, item, items };
            // What was acknowledged and lost gives its sequence to nobody else before this opening.
            let known = self.known.get(&sequence).unwrap_or(&found);
            assert_eq!(*known, found, "event {sequence}");
            seen.push(found);
        }
        assert_eq!(store.verify_chain().expect("verifies").events, seen.len() as u64);
        seen
    }

    /// The store goes on where it ends.
    fn append_one(&mut self, store: &Store) {
        let payload = Payload::new(self.durable, 0, 1);
        let at = Coordinate::new("after", "crash").expect("valid");
        let receipt = store.append(&at, KIND, &payload).expect("appends");
        assert_eq!(receipt.sequence, self.durable);
        assert_eq!(store.verify_chain().expect("verifies").events, self.durable + 1);
        let known = Known { id: receipt.event_id, commit: self.durable, item: 0, items: 1 };
        self.known.insert(receipt.sequence, known);
        // Closing makes it durable.
        self.durable += 1;
    }
}

fn check_commits_are_whole(events: &[Known]) {
    let mut commits: BTreeMap<u64, Vec<(u64, u32)>> = BTreeMap::new();
    for (event, sequence) in events.iter().zip(0..) {
        commits.entry(event.commit).or_default().push((sequence, event.item));
    }
    for (commit, items) in commits {
        let (first, _) = items[0];
        let count = events[usize::try_from(first).expect("an index")].items;
        let whole: Vec<_> = (0..count).map(|item| (first + u64::from(item), item)).collect();
        assert_eq!(items, whole, "commit {commit} is whole");
    }
}
