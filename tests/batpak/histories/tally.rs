//! What has happened in many histories.

use super::history::{Operation, Reply};
use std::fmt::{self, Display, Formatter};

#[derive(Debug, Default)]
pub(super) struct Tally {
    histories: usize,
    operations: usize,
    /// Operations that conflict with another one.
    conflicting: usize,
    refused: usize,
    replayed: usize,
    appended: usize,
    /// Places that the search has looked at.
    places: usize,
    most_places: usize,
}

impl Tally {
    pub(super) fn add(&mut self, history: &[Operation], places: usize) {
        let conflicts = |one: &&Operation| {
            let others = history.iter().filter(|other| other.thread != one.thread);
            others.into_iter().any(|other| one.conflicts_with(other))
        };
        let count = |is: fn(&Reply) -> bool| history.iter().filter(|operation| is(&operation.reply)).count();
        self.histories += 1;
        self.operations += history.len();
        self.conflicting += history.iter().filter(conflicts).count();
        self.refused += count(|reply| matches!(reply, Reply::Conflict { .. }));
        self.replayed += count(|reply| matches!(reply, Reply::Replayed(_)));
        self.appended += count(|reply| matches!(reply, Reply::Appended(_)));
        self.places += places;
        self.most_places = self.most_places.max(places);
    }

    /// Of a hundred operations, how many conflict with another one.
    pub(super) fn conflicting_percent(&self) -> usize {
        self.conflicting * 100 / self.operations.max(1)
    }

    /// Whether what is worth to be checked has happened often enough.
    pub(super) fn is_enough(&self) -> bool {
        let often = |count: usize| count * 100 > self.operations;
        self.conflicting_percent() >= 30 && often(self.appended) && often(self.refused) && often(self.replayed)
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let percent = self.conflicting_percent();
        let Self { histories, operations, appended, refused, replayed, .. } = self;
        write!(
            f,
            "{histories} histories of {operations} operations, {percent} % of which conflict: {appended} appends, "
        )?;
        write!(
            f,
            "{refused} refused, {replayed} replayed; {} places searched, at most {}",
            self.places, self.most_places
        )
    }
}
