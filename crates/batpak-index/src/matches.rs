//! Finding the rows of a region, one tier after the other, in the order of their sequences or against it.

use crate::blocks::Damaged;
use crate::cursor::Cursor;
use crate::layout::ZONE_ROWS;
use crate::live::Live;
use crate::names::Link;
use crate::part::{Part, Postings};
use crate::row::{Direction, Row, TIME, time_value};
use crate::tiers::{Tier, Tiers};
use batpak_core::{Clause, Coordinate, Region};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

/// Rows that may belong to a region as far as rows can tell, as they are asked for. Where
/// [`needs_record`](Self::needs_record) says so, the record has to be asked too.
#[derive(Debug)]
pub struct Matches {
    tiers: Arc<Tiers>,
    region: Region,
    direction: Direction,
    /// The sequences that were not looked at yet.
    left: Range<u64>,
    walk: Option<Walk>,
    /// Rows of the walk, of which `given` were given.
    found: Vec<Row>,
    given: usize,
    /// What was met behind them.
    failed: Option<Damaged>,
    coordinates: Coordinates,
}

/// Going through one tier.
#[derive(Debug)]
struct Walk {
    /// Which of the tiers.
    tier: usize,
    candidates: Candidates,
    /// How many rows were looked for the last time.
    step: usize,
    /// Whether a clause has conditions on numbers.
    asks_numbers: bool,
    /// For each clause a coordinate that it was asked about last, and whether it agreed.
    asked: Vec<Option<(u32, bool)>>,
}

/// The most rows that are looked for at once.
const STEP_MAX: usize = 64;

#[derive(Debug)]
enum Candidates {
    /// Of a part.
    Union(Union),
    /// Of a part, all rows.
    Scan { cursor: Cursor, times: (u64, u64), zone: Option<u32> },
    /// Of a live part.
    Listed(std::vec::IntoIter<u32>),
    /// Of a live part, all rows.
    Range(Range<u32>),
    /// Of a live part: a chain from its newest row down.
    Followed(Following),
}

impl Candidates {
    /// Those whose rows stand one behind the other.
    fn run(&mut self) -> Option<&mut Cursor> {
        match self {
            Self::Union(Union::One(cursor)) | Self::Scan { cursor, times: ALL_TIMES, .. } => {
                Some(cursor).filter(|cursor| cursor.is_run())
            }
            _ => None,
        }
    }
}

impl Matches {
    pub(crate) fn new(tiers: Arc<Tiers>, region: &Region, range: Range<u64>, direction: Direction) -> Self {
        let left = narrow(region, range.start..range.end.min(tiers.end()));
        Self {
            tiers,
            region: region.clone(),
            direction,
            left,
            walk: None,
            found: Vec::new(),
            given: 0,
            failed: None,
            coordinates: Coordinates::default(),
        }
    }

    /// Whether the rows do not suffice to tell.
    pub fn needs_record(&self) -> bool {
        self.region.clauses().iter().any(Clause::needs_record)
    }

    /// Goes on with other tiers: after damage, once it is mended.
    pub fn resume(&mut self, tiers: Arc<Tiers>) {
        (self.tiers, self.walk, self.failed) = (tiers, None, None);
        self.found.clear();
        self.given = 0;
        self.coordinates = Coordinates::default();
    }

    /// The next row.
    ///
    /// # Errors
    /// `Damaged`: nothing is lost, [`resume`](Self::resume) goes on behind the last row that was given.
    #[inline]
    pub fn next_row(&mut self) -> Result<Option<Row>, Damaged> {
        if self.found().is_empty() {
            self.find()?;
        }
        Ok(self.next_found())
    }

    /// Takes all rows that were [`found`](Self::found) and not given, instead of what was in `rows`.
    pub fn take_found(&mut self, rows: &mut Vec<Row>) {
        self.found.drain(..self.given);
        rows.clear();
        std::mem::swap(&mut self.found, rows);
        self.given = 0;
        if let Some(last) = rows.last() {
            self.pass(last.sequence()..last.sequence() + 1);
        }
    }

    /// The next row, if it was [`found`](Self::found).
    #[inline]
    pub fn next_found(&mut self) -> Option<Row> {
        let row = *self.found.get(self.given)?;
        self.given += 1;
        self.pass(row.sequence()..row.sequence() + 1);
        Some(row)
    }

    /// The rows that are known to come next.
    #[inline]
    pub fn found(&self) -> &[Row] {
        &self.found[self.given..]
    }

    /// Looks for the rows behind those that were [`found`](Self::found), which are then given up: more each time,
    /// because who asks for one may want no more. There are no more if none is found.
    ///
    /// # Errors
    /// As [`next_row`](Self::next_row).
    pub fn find(&mut self) -> Result<(), Damaged> {
        self.found.clear();
        self.given = 0;
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        while self.found.is_empty() && !self.left.is_empty() {
            if self.walk.is_none() {
                let Some(walk) = self.plan()? else { continue };
                self.walk = Some(walk);
            }
            let Some(walk) = &mut self.walk else { continue };
            let tier = walk.tier;
            match walk.find(&self.tiers.tiers()[tier], &self.region, self.direction, &mut self.found) {
                Ok(()) if self.found.is_empty() => self.leave(tier),
                Ok(()) => {}
                Err(damaged) if self.found.is_empty() => return Err(damaged),
                Err(damaged) => self.failed = Some(damaged),
            }
        }
        Ok(())
    }

    /// The coordinate of the row that was given last.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn coordinate(&mut self, row: &Row) -> Result<Option<Coordinate>, Damaged> {
        let Some(walk) = &self.walk else { return Ok(None) };
        self.coordinates.get(walk.tier, row.coordinate, &self.tiers.tiers()[walk.tier])
    }

    /// What was looked at is not looked at again.
    fn pass(&mut self, done: Range<u64>) {
        match self.direction {
            Direction::Forward => self.left.start = self.left.start.max(done.end),
            Direction::Backward => self.left.end = self.left.end.min(done.start),
        }
    }

    fn leave(&mut self, tier: usize) {
        self.walk = None;
        let events = self.tiers.tiers()[tier].events();
        self.pass(events);
    }

    /// How to go through the tier that is next; `None` if there is nothing in it.
    fn plan(&mut self) -> Result<Option<Walk>, Damaged> {
        let next = match self.direction {
            Direction::Forward => self.left.start,
            Direction::Backward => self.left.end - 1,
        };
        let Some(tier) = self.tiers.tier_of(next) else {
            self.left = 0..0;
            return Ok(None);
        };
        let events = self.tiers.tiers()[tier].events();
        let row = |sequence: u64| u32::try_from(sequence.saturating_sub(events.start)).unwrap_or(u32::MAX);
        let rows = row(self.left.start)..row(self.left.end.min(events.end));
        let candidates = match &self.tiers.tiers()[tier] {
            Tier::Part(part) => plan_part(part, &self.region, &rows, self.direction)?,
            Tier::Live(live) => Some(plan_live(live, &self.region, &rows, self.direction)),
        };
        let Some(candidates) = candidates else {
            self.pass(events);
            return Ok(None);
        };
        let clauses = self.region.clauses();
        let (asks_numbers, asked) = (clauses.iter().any(has_numbers), vec![None; clauses.len()]);
        Ok(Some(Walk { tier, candidates, step: 0, asks_numbers, asked }))
    }
}

impl Walk {
    /// Adds the rows that are next.
    fn find(
        &mut self,
        tier: &Tier,
        region: &Region,
        direction: Direction,
        found: &mut Vec<Row>,
    ) -> Result<(), Damaged> {
        self.step = (self.step * 2).clamp(1, STEP_MAX);
        if let (Tier::Part(part), [clause], false) = (tier, region.clauses(), self.asks_numbers)
            && let Some(run) = self.candidates.run()
        {
            let result = find_in_run(part, run, clause, direction, self.step, &mut self.asked[0], found);
            if result.is_err() {
                // Not all of them were asked for their names.
                found.clear();
            }
            return result;
        }
        while found.len() < self.step {
            let row = match tier {
                Tier::Part(part) => self.next_of_part(part, region, direction)?,
                Tier::Live(live) => self.next_of_live(live, region, direction),
            };
            let Some(row) = row else { break };
            found.push(row);
        }
        Ok(())
    }

    #[inline]
    fn next_of_part(&mut self, part: &Part, region: &Region, direction: Direction) -> Result<Option<Row>, Damaged> {
        loop {
            let row = match &mut self.candidates {
                Candidates::Union(union) => union.next(part, direction)?.map(|row| part.row(row)).transpose()?,
                Candidates::Scan { cursor, times, zone } => {
                    next_of_scan(part, cursor, *times, zone, direction)?.map(|row| part.row(row)).transpose()?
                }
                _ => None,
            };
            let Some(row) = row else { return Ok(None) };
            if self.may_match(part, region, &row)? {
                return Ok(Some(row));
            }
        }
    }

    #[inline]
    fn may_match(&mut self, part: &Part, region: &Region, row: &Row) -> Result<bool, Damaged> {
        for (clause, asked) in region.clauses().iter().zip(&mut self.asked) {
            if self.asks_numbers && !row_matches(clause, row) {
                continue;
            }
            let agrees = match *asked {
                Some((coordinate, agrees)) if coordinate == row.coordinate => agrees,
                _ => {
                    let agrees = !has_names(clause) || names_match(part, clause, row)?;
                    *asked = Some((row.coordinate, agrees));
                    agrees
                }
            };
            if agrees {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn next_of_live(&mut self, live: &Live, region: &Region, direction: Direction) -> Option<Row> {
        loop {
            let number = match (&mut self.candidates, direction) {
                (Candidates::Range(range), Direction::Forward) => range.next(),
                (Candidates::Range(range), Direction::Backward) => range.next_back(),
                (Candidates::Listed(list), Direction::Forward) => list.next(),
                (Candidates::Listed(list), Direction::Backward) => list.next_back(),
                (Candidates::Followed(chain), _) => chain.next(live),
                _ => None,
            };
            let row = live.live_row(number?)?.row;
            let coordinate = live.coordinate(row.coordinate)?;
            let mut clauses = region.clauses().iter().filter(|clause| row_matches(clause, &row));
            if clauses.any(|clause| clause.matches_names(coordinate.entity(), coordinate.scope())) {
                return Some(row);
            }
        }
    }
}

/// Finds the rows that are next where they stand one behind the other.
fn find_in_run(
    part: &Part,
    run: &mut Cursor,
    clause: &Clause,
    direction: Direction,
    step: usize,
    asked: &mut Option<(u32, bool)>,
    found: &mut Vec<Row>,
) -> Result<(), Damaged> {
    while found.is_empty() && run.next_run(part, direction, step, found)? {
        retain_named(part, clause, asked, found)?;
    }
    Ok(())
}

/// Keeps the rows whose names a clause asks for.
fn retain_named(
    part: &Part,
    clause: &Clause,
    asked: &mut Option<(u32, bool)>,
    found: &mut Vec<Row>,
) -> Result<(), Damaged> {
    if !has_names(clause) {
        return Ok(());
    }
    let mut kept = 0;
    for at in 0..found.len() {
        let row = found[at];
        let agrees = match *asked {
            Some((coordinate, agrees)) if coordinate == row.coordinate => agrees,
            _ => names_match(part, clause, &row)?,
        };
        *asked = Some((row.coordinate, agrees));
        if agrees {
            found[kept] = row;
            kept += 1;
        }
    }
    found.truncate(kept);
    Ok(())
}

#[inline]
fn row_matches(clause: &Clause, row: &Row) -> bool {
    row.extras.can_match(clause) && clause.matches_numbers(row.kind, row.time, row.revision, row.sequence())
}

/// Whether [`row_matches`] depends on the row.
fn has_numbers(clause: &Clause) -> bool {
    let all = 0..=u64::MAX;
    let any_place = clause.sequences() == all && clause.revisions() == all;
    clause.needs_record()
        || !any_place
        || times_of(clause) != ALL_TIMES
        || clause.kinds().is_some()
        || clause.category().is_some()
}

fn names_match(part: &Part, clause: &Clause, row: &Row) -> Result<bool, Damaged> {
    let (entity, scope) = part.name(row.coordinate)?;
    Ok(clause.matches_names(entity, scope))
}

fn has_names(clause: &Clause) -> bool {
    clause.entity().is_some() || clause.entity_prefix().is_some() || clause.scope().is_some()
}

/// The part of `range` that any clause allows.
fn narrow(region: &Region, range: Range<u64>) -> Range<u64> {
    let clauses = region.clauses();
    let first = clauses.iter().map(|clause| *clause.sequences().start()).min().unwrap_or(u64::MAX);
    let last = clauses.iter().map(|clause| *clause.sequences().end()).max().unwrap_or(0);
    range.start.max(first)..range.end.min(last.saturating_add(1))
}

/// The candidates of all clauses; `None` if there are none.
fn plan_part(
    part: &Part,
    region: &Region,
    rows: &Range<u32>,
    direction: Direction,
) -> Result<Option<Candidates>, Damaged> {
    let bounds = part.header().fields[TIME];
    let mut all = Vec::new();
    for clause in region.clauses() {
        let (first, last) = times_of(clause);
        if last < bounds.min || first > bounds.max {
            continue;
        }
        let Some(postings) = shortest(part, clause)? else {
            let cursor = Cursor::new(part, Postings::Rows { from: 0, to: part.rows() }, rows)?;
            return Ok(Some(Candidates::Scan { cursor, times: all_times(region), zone: None }));
        };
        all.extend(postings);
    }
    let cursors: Result<Vec<Cursor>, Damaged> =
        all.into_iter().map(|postings| Cursor::new(part, postings, rows)).collect();
    let union = Union::new(part, cursors?, direction)?;
    Ok(union.map(Candidates::Union))
}

/// What a clause without a condition on times allows.
const ALL_TIMES: (u64, u64) = (0, u64::MAX);

/// The first and the last time of a clause.
fn times_of(clause: &Clause) -> (u64, u64) {
    (time_value(*clause.time().start()), time_value(*clause.time().end()))
}

/// The first and the last time of any clause.
fn all_times(region: &Region) -> (u64, u64) {
    let times = region.clauses().iter().map(times_of);
    times.fold((u64::MAX, 0), |all, (first, last)| (all.0.min(first), all.1.max(last)))
}

/// The postings that hold every row of a clause and the fewest others; `None` if it has to be all rows.
fn shortest(part: &Part, clause: &Clause) -> Result<Option<Vec<Postings>>, Damaged> {
    let seed = part.seed();
    let mut best: Option<Vec<Postings>> = None;
    let mut least = part.rows();
    let mut consider = |hashes: &mut dyn Iterator<Item = u64>| {
        let found: Result<Vec<Postings>, Damaged> = hashes.map(|hash| part.find(hash)).collect();
        let found = found?;
        let count = found.iter().fold(0_u32, |sum, postings| sum.saturating_add(postings.count()));
        if count < least || best.is_none() && count == least {
            (best, least) = (Some(found), count);
        }
        Ok(())
    };
    let one = |hash: u64| std::iter::once(hash);
    if let Some(entity) = clause.entity() {
        consider(&mut one(seed.entity(entity)))?;
    }
    if let Some(scope) = clause.scope() {
        consider(&mut one(seed.scope(scope)))?;
    }
    for tag in clause.tags() {
        consider(&mut one(seed.tag(tag)))?;
    }
    if let Some(id) = clause.correlation_id() {
        consider(&mut one(seed.correlation(id)))?;
    }
    if let Some(id) = clause.causation_id() {
        consider(&mut one(seed.causation(id)))?;
    }
    if let Some(kinds) = clause.kinds() {
        consider(&mut kinds.iter().map(|kind| seed.kind(*kind)))?;
    }
    if let Some(category) = clause.category() {
        consider(&mut one(seed.category(category)))?;
    }
    if let Some(prefix) = clause.entity_prefix().filter(|prefix| !prefix.is_empty()) {
        let hashes = entities_from(part, prefix, least)?;
        if let Some(hashes) = hashes {
            let found: Result<Vec<Postings>, Damaged> = hashes.into_iter().map(|hash| part.find(hash)).collect();
            let found = found?;
            if found.iter().fold(0_u32, |sum, postings| sum.saturating_add(postings.count())) <= least {
                best = Some(found);
            }
        }
    }
    Ok(best)
}

/// The hashes of all entities that begin with `prefix`, unless there are more than `most`.
fn entities_from(part: &Part, prefix: &str, most: u32) -> Result<Option<Vec<u64>>, Damaged> {
    let names = part.names_from(prefix)?;
    if names.len() > most as usize {
        return Ok(None);
    }
    let mut hashes = Vec::with_capacity(names.len());
    let mut last = None;
    for number in names {
        let entity = part.name(number)?.0;
        if last != Some(entity) {
            hashes.push(part.seed().entity(entity));
        }
        last = Some(entity);
    }
    Ok(Some(hashes))
}

/// The next row of a zone in which any time can match.
fn next_of_scan(
    part: &Part,
    cursor: &mut Cursor,
    times: (u64, u64),
    zone: &mut Option<u32>,
    direction: Direction,
) -> Result<Option<u32>, Damaged> {
    let rows_of_zone = u32::try_from(ZONE_ROWS).unwrap_or(1);
    while let Some(row) = cursor.next(part, direction)? {
        let this = row / rows_of_zone;
        if times == ALL_TIMES || *zone == Some(this) {
            return Ok(Some(row));
        }
        let (first, last) = part.zone(this)?;
        if first <= times.1 && last >= times.0 {
            *zone = Some(this);
            return Ok(Some(row));
        }
        match direction {
            Direction::Forward => cursor.skip_to((this + 1).saturating_mul(rows_of_zone), direction),
            Direction::Backward if this == 0 => return Ok(None),
            Direction::Backward => cursor.skip_to(this * rows_of_zone - 1, direction),
        }
    }
    Ok(None)
}

/// Several lists as one, each row once.
#[derive(Debug)]
enum Union {
    One(Cursor),
    Many { cursors: Vec<Cursor>, heads: BinaryHeap<(i64, usize)>, last: Option<u32> },
}

impl Union {
    /// `None` if they are all empty.
    fn new(part: &Part, mut cursors: Vec<Cursor>, direction: Direction) -> Result<Option<Self>, Damaged> {
        if cursors.len() < 2 {
            return Ok(cursors.pop().map(Self::One));
        }
        let mut heads = BinaryHeap::with_capacity(cursors.len());
        for (which, cursor) in cursors.iter_mut().enumerate() {
            heads.extend(cursor.next(part, direction)?.map(|row| (rank(row, direction), which)));
        }
        Ok((!heads.is_empty()).then_some(Self::Many { cursors, heads, last: None }))
    }

    fn next(&mut self, part: &Part, direction: Direction) -> Result<Option<u32>, Damaged> {
        let (cursors, heads, last) = match self {
            Self::One(cursor) => return cursor.next(part, direction),
            Self::Many { cursors, heads, last } => (cursors, heads, last),
        };
        while let Some((rank_of_row, which)) = heads.pop() {
            heads.extend(cursors[which].next(part, direction)?.map(|row| (rank(row, direction), which)));
            let row = u32::try_from(rank_of_row.unsigned_abs()).unwrap_or(u32::MAX);
            if *last != Some(row) {
                *last = Some(row);
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// What is highest for the row that comes first.
fn rank(row: u32, direction: Direction) -> i64 {
    match direction {
        Direction::Forward => -i64::from(row),
        Direction::Backward => i64::from(row),
    }
}

/// A chain of rows, followed against its order.
#[derive(Debug)]
struct Following {
    next: Link,
    by: By,
    rows: Range<u32>,
}

/// What the rows of a chain have in common.
#[derive(Clone, Copy, Debug)]
enum By {
    Entity,
    Scope,
}

impl Following {
    /// The chain that holds every row of a clause, if there is such a one.
    fn of(live: &Live, clause: &Clause, rows: &Range<u32>) -> Option<Self> {
        let (by, chain) = match clause.entity() {
            Some(entity) => (By::Entity, live.names().entity(entity)),
            None => (By::Scope, live.names().scope(clause.scope()?)),
        };
        Some(Self { next: chain.map_or(Link::NONE, |chain| chain.newest()), by, rows: rows.clone() })
    }

    fn next(&mut self, live: &Live) -> Option<u32> {
        loop {
            let number = self.next.row().filter(|row| *row >= self.rows.start)?;
            let row = live.live_row(number)?;
            self.next = match self.by {
                By::Entity => row.previous_in_entity,
                By::Scope => row.previous_in_scope,
            };
            if number < self.rows.end {
                return Some(number);
            }
        }
    }
}

/// The candidates of all clauses in the live part.
fn plan_live(live: &Live, region: &Region, rows: &Range<u32>, direction: Direction) -> Candidates {
    if let ([clause], Direction::Backward) = (region.clauses(), direction)
        && let Some(chain) = Following::of(live, clause, rows)
    {
        return Candidates::Followed(chain);
    }
    let mut numbers = Vec::new();
    for clause in region.clauses() {
        if let (None, Some(hash)) = (clause.entity(), live.mark_of(clause)) {
            numbers.extend(live.marked(hash, rows));
        } else if let Some(mut chain) = Following::of(live, clause, rows) {
            numbers.extend(std::iter::from_fn(|| chain.next(live)));
        } else {
            return Candidates::Range(rows.clone());
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Candidates::Listed(numbers.into_iter())
}

/// Coordinates that were made from the texts of a part a moment ago.
#[derive(Debug, Default)]
struct Coordinates {
    tier: usize,
    /// By the last bits of their numbers; one slot as long as one suffices.
    slots: Vec<Option<(u32, Coordinate)>>,
}

const SLOTS: usize = 1024;

impl Coordinates {
    #[inline]
    fn get(&mut self, tier: usize, number: u32, from: &Tier) -> Result<Option<Coordinate>, Damaged> {
        if self.tier == tier
            && let Some(Some((found, coordinate))) = self.slots.get(self.slot(number))
            && *found == number
        {
            return Ok(Some(coordinate.clone()));
        }
        match from {
            Tier::Live(live) => Ok(live.coordinate(number).cloned()),
            Tier::Part(part) => self.add(tier, number, part).map(Some),
        }
    }

    fn slot(&self, number: u32) -> usize {
        if self.slots.len() == SLOTS { number as usize % SLOTS } else { 0 }
    }

    fn add(&mut self, tier: usize, number: u32, part: &Part) -> Result<Coordinate, Damaged> {
        let coordinate = part.coordinate(number)?;
        if self.tier != tier {
            *self = Self { tier, slots: Vec::new() };
        }
        let slots = if self.slots.is_empty() { 1 } else { SLOTS };
        self.slots.resize(slots, None);
        let slot = self.slot(number);
        self.slots[slot] = Some((number, coordinate.clone()));
        Ok(coordinate)
    }
}
