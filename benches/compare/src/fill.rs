//! What a store is filled with before it is read: the events of [`Event::nth`] of one thread.

use crate::answer::Answer;
use crate::engine::{Engine, Failure, Level};
use crate::event::{Event, names};

/// An engine that does not sync by itself is told to after so many commits.
const SYNC_EVERY_COMMITS: u64 = 1000;

/// So many commits of `batch` events each, and then so many of one event.
#[derive(Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) batches: u64,
    pub(crate) batch: u64,
    pub(crate) singles: u64,
}

impl Fill {
    pub(crate) fn one_by_one(events: u64) -> Self {
        Self { batches: 0, batch: 1, singles: events }
    }

    pub(crate) fn in_batches(events: u64, batch: u64) -> Self {
        Self { batches: events / batch, batch, singles: 0 }
    }

    pub(crate) fn events(self) -> u64 {
        self.events_of(self.batches + self.singles)
    }

    /// How many of them are synced by whom [`put`](Self::put) syncs.
    pub(crate) fn synced_events(self) -> u64 {
        self.events_of((self.batches + self.singles) / SYNC_EVERY_COMMITS * SYNC_EVERY_COMMITS)
    }

    fn events_of(self, commits: u64) -> u64 {
        commits.min(self.batches) * self.batch + commits.saturating_sub(self.batches)
    }

    pub(crate) fn put(self, engine: &dyn Engine, syncs_by_itself: bool) -> Result<(), Failure> {
        for commit in 0..self.batches + self.singles {
            let is_sync = !syncs_by_itself && (commit + 1).is_multiple_of(SYNC_EVERY_COMMITS);
            let level = if is_sync { Level::Synced } else { Level::Written };
            if commit < self.batches {
                let numbers = commit * self.batch..(commit + 1) * self.batch;
                let events: Vec<Event> = numbers.map(|n| Event::nth(0, 1, n)).collect();
                engine.append_batch(&events, level)?;
            } else {
                engine.append(&Event::nth(0, 1, self.events_of(commit)), level)?;
            }
        }
        Ok(())
    }
}

/// What is in a store, as its answers are checked by it.
pub(crate) struct Content {
    pub(crate) stored: u64,
    pub(crate) all: Answer,
    pub(crate) entities: Vec<Entity>,
}

/// What is expected of an entity.
#[derive(Default)]
pub(crate) struct Entity {
    pub(crate) name: String,
    pub(crate) events: Answer,
    pub(crate) rows: Answer,
}

impl Content {
    pub(crate) fn new(stored: u64) -> Self {
        let entity = |name: &String| Entity { name: name.clone(), ..Entity::default() };
        let mut content = Self { stored, all: Answer::default(), entities: names().iter().map(entity).collect() };
        for event in (0..stored).map(|n| Event::nth(0, 1, n)) {
            let check = event.payload().check();
            content.all.add(check);
            content.entities[event.entity].events.add(check);
            content.entities[event.entity].rows.add_row(event.revision, event.sequence);
        }
        content
    }

    /// That of the last event.
    pub(crate) fn last_entity(&self) -> Result<&Entity, Failure> {
        let last = self.stored.checked_sub(1).ok_or("there is no event")?;
        Ok(&self.entities[Event::nth(0, 1, last).entity])
    }
}

#[cfg(test)]
mod tests {
    use super::Fill;

    #[test]
    fn what_is_synced_ends_with_a_thousandth_commit() {
        let fill = Fill { batches: 10, batch: 100, singles: 1500 };
        assert_eq!((fill.events(), fill.synced_events()), (2500, 1990));
        assert_eq!(Fill::one_by_one(999).synced_events(), 0);
        assert_eq!(Fill::in_batches(1_000_000, 1000).synced_events(), 1_000_000);
    }
}
