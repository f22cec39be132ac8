//! Finding the rows of a region.

use crate::live::Live;
use crate::row::{Link, Row};
use batpak_core::{Clause, Region, RowFacts};
use std::ops::Range;
use std::sync::Arc;

/// The order in which rows are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Rising sequences.
    Forward,
    /// Falling sequences.
    Backward,
}

/// Rows that belong to a region as far as rows can tell, one after the other.
#[derive(Debug)]
pub struct Matches {
    live: Arc<Live>,
    region: Region,
    candidates: Candidates,
    direction: Direction,
}

#[derive(Debug)]
enum Candidates {
    /// Every sequence of a range.
    Range(Range<u64>),
    /// These sequences, in rising order.
    Listed(std::vec::IntoIter<u64>),
    /// Those of one chain from its newest down, as they are asked for.
    Followed(Following),
}

/// A chain of events, followed against its order.
#[derive(Debug)]
struct Following {
    next: Link,
    by: By,
    range: Range<u64>,
}

/// What the events of a chain have in common.
#[derive(Clone, Copy, Debug)]
enum By {
    Entity,
    Scope,
}

impl Following {
    /// The chain that holds every event of a clause, if there is such a one.
    fn of(live: &Live, clause: &Clause, range: &Range<u64>) -> Option<Self> {
        let (by, chain) = match clause.entity() {
            Some(entity) => (By::Entity, live.names().entity(entity)),
            None => (By::Scope, live.names().scope(clause.scope()?)),
        };
        Some(Self { next: chain.map_or(Link::NONE, |chain| chain.newest()), by, range: range.clone() })
    }

    fn next(&mut self, live: &Live) -> Option<u64> {
        loop {
            let sequence = self.next.sequence().filter(|sequence| *sequence >= self.range.start)?;
            let row = live.row(sequence)?;
            self.next = match self.by {
                By::Entity => row.previous_in_entity,
                By::Scope => row.previous_in_scope,
            };
            if sequence < self.range.end {
                return Some(sequence);
            }
        }
    }
}

impl Matches {
    pub(crate) fn new(live: Arc<Live>, region: &Region, range: Range<u64>, direction: Direction) -> Self {
        let range = narrow(region, range.start..range.end.min(live.len()));
        let candidates = candidates(&live, region, &range, direction).unwrap_or(Candidates::Range(range));
        Self { live, region: region.clone(), candidates, direction }
    }

    /// Whether the rows do not suffice to tell.
    pub fn needs_record(&self) -> bool {
        self.region.clauses().iter().any(Clause::needs_record)
    }

    /// Whether a region is found by following chains of events; otherwise every row is looked at.
    pub fn follows_chains(region: &Region) -> bool {
        region.clauses().iter().all(|clause| clause.entity().is_some() || clause.scope().is_some())
    }

    fn next_candidate(&mut self) -> Option<u64> {
        match (&mut self.candidates, self.direction) {
            (Candidates::Range(range), Direction::Forward) => range.next(),
            (Candidates::Range(range), Direction::Backward) => range.next_back(),
            (Candidates::Listed(list), Direction::Forward) => list.next(),
            (Candidates::Listed(list), Direction::Backward) => list.next_back(),
            (Candidates::Followed(chain), _) => chain.next(&self.live),
        }
    }

    fn may_match(&self, row: &Row) -> bool {
        let Some(coordinate) = self.live.coordinate(row.coordinate) else { return false };
        let facts = RowFacts {
            entity: coordinate.entity(),
            scope: coordinate.scope(),
            kind: row.kind,
            time: row.time,
            revision: row.revision,
            sequence: row.sequence(),
        };
        self.region.clauses().iter().any(|clause| row.extras.can_match(clause) && clause.matches_row(&facts))
    }
}

impl Iterator for Matches {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            let sequence = self.next_candidate()?;
            let row = *self.live.row(sequence)?;
            if self.may_match(&row) {
                return Some(row);
            }
        }
    }
}

/// The part of `range` that any clause allows.
fn narrow(region: &Region, range: Range<u64>) -> Range<u64> {
    let clauses = region.clauses();
    let first = clauses.iter().map(|clause| *clause.sequences().start()).min().unwrap_or(u64::MAX);
    let last = clauses.iter().map(|clause| *clause.sequences().end()).max().unwrap_or(0);
    range.start.max(first)..range.end.min(last.saturating_add(1))
}

/// The events of all clauses by their chains, if each of them names an entity or a scope.
fn candidates(live: &Live, region: &Region, range: &Range<u64>, direction: Direction) -> Option<Candidates> {
    if let ([clause], Direction::Backward) = (region.clauses(), direction) {
        return Following::of(live, clause, range).map(Candidates::Followed);
    }
    let mut sequences = Vec::new();
    for clause in region.clauses() {
        let mut chain = Following::of(live, clause, range)?;
        sequences.extend(std::iter::from_fn(|| chain.next(live)));
    }
    sequences.sort_unstable();
    sequences.dedup();
    Some(Candidates::Listed(sequences.into_iter()))
}
