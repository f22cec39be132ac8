//! What has happened in many histories.

use super::history::{Operation, Reply};
use super::recording::{Kind, Recorded};
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
    /// Histories in which a store was closed and opened again.
    reopened: usize,
    /// Histories in which a sync has failed while threads worked.
    failed: usize,
    /// Operations that were told of that, and of which it is not known by this whether they have happened.
    unknown: usize,
    /// Of those, the ones that have.
    happened: usize,
    /// Places that the search has looked at.
    places: usize,
    most_places: usize,
}

impl Tally {
    pub(super) fn add(&mut self, recorded: &Recorded, places: usize) {
        let history = &recorded.operations;
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
        self.reopened += usize::from(recorded.kind == Kind::Reopened);
        self.failed += usize::from(recorded.has_failed);
        self.unknown += count(|reply| matches!(reply, Reply::Unknown(_)));
        self.happened += count(|reply| matches!(reply, Reply::Unknown(Some(_))));
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
        let in_histories = |count: usize| count * 40 > self.histories;
        let kinds = in_histories(self.reopened) && in_histories(self.failed) && in_histories(self.unknown);
        let both = self.happened * 10 > self.unknown && self.happened < self.unknown;
        let mix = often(self.appended) && often(self.refused) && often(self.replayed);
        self.conflicting_percent() >= 30 && mix && kinds && both
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
            "{refused} refused, {replayed} replayed; {} reopened, {} with a failed sync, {} operations unknown, ",
            self.reopened, self.failed, self.unknown
        )?;
        write!(f, "{} of them happened; {} places searched, at most {}", self.happened, self.places, self.most_places)
    }
}
