//! Finding the rows of a region.

use crate::live::Live;
use crate::names::Chain;
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
}

impl Matches {
    pub(crate) fn new(live: Arc<Live>, region: &Region, range: Range<u64>, direction: Direction) -> Self {
        let range = narrow(region, range);
        let candidates = listed(&live, region, &range).unwrap_or(Candidates::Range(range));
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

/// The sequences of all clauses, if each of them names an entity or a scope.
fn listed(live: &Live, region: &Region, range: &Range<u64>) -> Option<Candidates> {
    let mut sequences = Vec::new();
    for clause in region.clauses() {
        if let Some(entity) = clause.entity() {
            let chain = live.names().entity(entity);
            collect(live, chain, range, |row| row.previous_in_entity, &mut sequences);
        } else {
            let chain = live.names().scope(clause.scope()?);
            collect(live, chain, range, |row| row.previous_in_scope, &mut sequences);
        }
    }
    sequences.sort_unstable();
    sequences.dedup();
    Some(Candidates::Listed(sequences.into_iter()))
}

/// Follows a chain from its newest event down to the start of `range`.
fn collect(
    live: &Live,
    chain: Option<Arc<Chain>>,
    range: &Range<u64>,
    previous: impl Fn(&Row) -> Link,
    into: &mut Vec<u64>,
) {
    let mut link = chain.map_or(Link::NONE, |chain| chain.newest());
    while let Some(sequence) = link.sequence().filter(|sequence| *sequence >= range.start) {
        let Some(row) = live.row(sequence) else { return };
        if sequence < range.end {
            into.push(sequence);
        }
        link = previous(row);
    }
}
