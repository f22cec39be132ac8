//! Is there an order of the operations of a history in which one thread would have got the same replies, and in which
//! no operation stands before one that had ended when it began? One of which nobody knows whether it has happened may
//! have its place or none.
//!
//! The search is that of J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (Journal of Parallel and
//! Distributed Computing 17, 1993), and remembers where it has been as G. Lowe does in "Testing for Linearizability"
//! (Concurrency and Computation: Practice and Experience 29, 2017).

use super::history::{Operation, Reply};
use super::specification::Events;
use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

/// Where a search is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Place {
    /// A bit for each operation that has its place in the order.
    done: u64,
    /// Those of them that have appended, in their order. This is all that a store remembers.
    appends: Vec<usize>,
}

impl Place {
    fn has(&self, operation: usize) -> bool {
        self.done >> operation & 1 == 1
    }

    fn after(&self, operation: usize, appends: bool) -> Self {
        let mut next = self.clone();
        next.done |= 1 << operation;
        next.appends.extend(appends.then_some(operation));
        next
    }
}

/// A history that has no such order.
#[derive(Debug)]
pub(super) struct NotLinearizable<'h> {
    history: &'h [Operation],
    /// As far as the search came.
    furthest: Place,
}

/// Finds the order of at most 64 operations, and returns how many places were looked at.
pub(super) fn linearize(history: &[Operation]) -> Result<usize, NotLinearizable<'_>> {
    assert!(history.len() <= 64, "a bit for each operation");
    let mut furthest = Place::default();
    let mut open = vec![Place::default()];
    let mut seen = HashSet::new();
    while let Some(place) = open.pop() {
        let done = place.done.count_ones();
        if done as usize == history.len() {
            return Ok(seen.len());
        }
        for next in steps(history, &place) {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
        if done >= furthest.done.count_ones() {
            furthest = place;
        }
    }
    Err(NotLinearizable { history, furthest })
}

/// Those of which one comes next: none that has not come had ended when they began.
fn candidates<'h>(history: &'h [Operation], place: &Place) -> impl Iterator<Item = (usize, &'h Operation)> {
    let rest: Vec<_> = history.iter().enumerate().filter(|(number, _)| !place.has(*number)).collect();
    let first_end = rest.iter().map(|(_, operation)| operation.ended).min().unwrap_or_default();
    rest.into_iter().filter(move |(_, operation)| operation.begun < first_end)
}

fn steps(history: &[Operation], place: &Place) -> Vec<Place> {
    let events = Events::of(place.appends.iter().map(|number| &history[*number]));
    let mut steps = Vec::new();
    for (number, operation) in candidates(history, place) {
        if matches!(operation.reply, Reply::Unknown(_)) {
            steps.push(place.after(number, false));
        }
        if events.allow(&operation.call, &operation.reply) {
            steps.push(place.after(number, operation.appended().next().is_some()));
        }
    }
    steps
}

impl Display for NotLinearizable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (number, Operation { thread, begun, ended, call, reply }) in self.history.iter().enumerate() {
            let mark = if self.furthest.has(number) { ' ' } else { '?' };
            writeln!(f, "{mark}{number:3} thread {thread} {begun:3}..{ended:3} {call:?} -> {reply:?}")?;
        }
        let next: Vec<usize> = candidates(self.history, &self.furthest).map(|(number, _)| number).collect();
        writeln!(f, "those with ? found no place: after the appends {:?} none of {next:?} fits", self.furthest.appends)
    }
}
