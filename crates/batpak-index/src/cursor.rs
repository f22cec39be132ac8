//! Going through the rows of some postings of a part, in either direction.

use crate::blocks::Damaged;
use crate::part::{List, Part, Postings};
use crate::row::{Direction, Row};
use std::ops::Range;

/// What is left of some postings.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    postings: Postings,
    /// Items of a list, otherwise rows.
    left: Range<u32>,
}

impl Cursor {
    /// The rows of `postings` that are in `rows`.
    pub(crate) fn new(part: &Part, postings: Postings, rows: &Range<u32>) -> Result<Self, Damaged> {
        let left = match postings {
            Postings::Rows { from, to } => from.max(rows.start)..to.min(rows.end),
            Postings::Bits { .. } => rows.start..rows.end.min(part.rows()),
            Postings::List { list, count } => {
                item_from(part, list, count, rows.start)?..item_from(part, list, count, rows.end)?
            }
        };
        Ok(Self { postings, left })
    }

    #[inline]
    pub(crate) fn next(&mut self, part: &Part, direction: Direction) -> Result<Option<u32>, Damaged> {
        match self.postings {
            Postings::Rows { .. } => Ok(self.step(direction)),
            Postings::List { list, .. } => self.step(direction).map(|item| part.row_number(list, item)).transpose(),
            Postings::Bits { at, .. } => self.next_bit(part, at, direction),
        }
    }

    /// Whether its rows stand one behind the other.
    pub(crate) fn is_run(&self) -> bool {
        matches!(self.postings, Postings::Rows { .. } | Postings::List { list: List::Copies { .. }, .. })
    }

    /// Puts up to `most` of the rows that are next into `rows`, if they stand one behind the other. False if there are
    /// none.
    pub(crate) fn next_run(
        &mut self,
        part: &Part,
        direction: Direction,
        most: usize,
        rows: &mut Vec<Row>,
    ) -> Result<bool, Damaged> {
        let most = u32::try_from(most.min(self.left.len())).unwrap_or(u32::MAX);
        let run = match direction {
            Direction::Forward => self.left.start..self.left.start + most,
            Direction::Backward => self.left.end - most..self.left.end,
        };
        rows.clear();
        match self.postings {
            Postings::Rows { .. } => part.read_rows(run.clone(), rows)?,
            Postings::List { list: List::Copies { at }, .. } => part.copies_of(at, run.clone(), rows)?,
            Postings::List { .. } | Postings::Bits { .. } => return Ok(false),
        }
        match direction {
            Direction::Forward => self.left.start = run.end,
            Direction::Backward => {
                rows.reverse();
                self.left.end = run.start;
            }
        }
        Ok(most > 0)
    }

    /// Leaves out all rows before `row`, or behind it backward.
    pub(crate) fn skip_to(&mut self, row: u32, direction: Direction) {
        // Only used where every row is a candidate.
        match direction {
            Direction::Forward => self.left.start = self.left.start.max(row),
            Direction::Backward => self.left.end = self.left.end.min(row + 1),
        }
    }

    fn step(&mut self, direction: Direction) -> Option<u32> {
        match direction {
            Direction::Forward => self.left.next(),
            Direction::Backward => self.left.next_back(),
        }
    }

    fn next_bit(&mut self, part: &Part, at: usize, direction: Direction) -> Result<Option<u32>, Damaged> {
        while !self.left.is_empty() {
            let edge = if direction == Direction::Forward { self.left.start } else { self.left.end - 1 };
            let word = part.word(at, edge / 64)?;
            let first = edge / 64 * 64;
            let found = match direction {
                Direction::Forward => lowest(word & u64::MAX << (edge % 64)),
                Direction::Backward => highest(word & u64::MAX >> (63 - edge % 64)),
            };
            let row = found.map(|bit| first + bit).filter(|row| self.left.contains(row));
            match direction {
                Direction::Forward => self.left.start = row.map_or(first.saturating_add(64), |row| row + 1),
                Direction::Backward => self.left.end = row.unwrap_or(first),
            }
            if row.is_some() {
                return Ok(row);
            }
        }
        Ok(None)
    }
}

/// The first item of a list that is not before `row`.
fn item_from(part: &Part, list: List, count: u32, row: u32) -> Result<u32, Damaged> {
    if row == 0 {
        return Ok(0);
    }
    if row >= part.rows() {
        return Ok(count);
    }
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if part.row_number(list, middle)? < row { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

fn lowest(word: u64) -> Option<u32> {
    (word != 0).then(|| word.trailing_zeros())
}

fn highest(word: u64) -> Option<u32> {
    word.checked_ilog2()
}
