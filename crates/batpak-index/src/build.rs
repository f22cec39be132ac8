//! Making a part from rows, in memory.

use crate::blocks::Damaged;
use crate::hash::Seed;
use crate::layout::{Bounds, Entry, FIELDS};
use crate::part::Part;
use crate::row::{Extras, Row};
use crate::write::{About, Output, Source, WriteError, write};
use batpak_core::{Coordinate, EventRef};
use std::collections::HashMap;

/// The rows of a part in the making.
#[derive(Debug)]
pub struct Builder {
    seed: Seed,
    first: u64,
    pub(crate) names: Vec<Coordinate>,
    /// The newest name with a hash, by its entity, and for each name one before that has the same.
    by_entity: HashMap<u64, u32, foldhash::fast::RandomState>,
    with_same_hash: Vec<Option<u32>>,
    pub(crate) rows: Vec<Row>,
    /// Hashes of tags, ids and keys, with the rows that have them.
    pub(crate) marks: Vec<(u64, u32)>,
}

impl Builder {
    /// Of events from `first` on.
    pub fn new(store_id: [u8; 16], first: u64) -> Self {
        Self::with_seed(Seed::of(store_id), first)
    }

    pub(crate) fn with_seed(seed: Seed, first: u64) -> Self {
        Self {
            seed,
            first,
            names: Vec::new(),
            by_entity: HashMap::default(),
            with_same_hash: Vec::new(),
            rows: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Makes room for so many events more.
    pub fn reserve(&mut self, events: u64) {
        self.rows.reserve(crate::part::index(events));
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds the event of a record that was read at `offset`.
    pub fn push(&mut self, event: &EventRef<'_>, offset: u32) {
        let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let coordinate = self.number_of(event);
        self.rows.push(Row {
            id: event.event_id(),
            revision: event.revision(),
            time: event.time(),
            offset,
            coordinate,
            kind: event.kind(),
            extras: Extras::of(event),
        });
        let ids = [
            event.correlation_id().map(|id| self.seed.correlation(id)),
            event.causation_id().map(|id| self.seed.causation(id)),
            event.idempotency_key().map(|key| self.seed.key(key)),
        ];
        let hashes = ids.into_iter().flatten().chain(event.tags().map(|tag| self.seed.tag(tag)));
        self.marks.extend(hashes.map(|hash| (hash, row)));
    }

    fn number_of(&mut self, event: &EventRef<'_>) -> u32 {
        let hash = self.seed.entity(event.entity());
        let newest = self.by_entity.get(&hash).copied();
        let mut next = newest;
        while let Some(number) = next {
            let name = &self.names[number as usize];
            if name.entity() == event.entity() && name.scope() == event.scope() {
                return number;
            }
            next = self.with_same_hash[number as usize];
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(event.coordinate());
        self.with_same_hash.push(newest);
        self.by_entity.insert(hash, number);
        number
    }

    /// Writes the part.
    ///
    /// # Errors
    /// What the output reports.
    pub fn write(self, about: &About, out: &mut impl Output) -> Result<(), WriteError> {
        write(&[&Built::new(self)], about, out, &|| true)
    }
}

/// Rows with the lists by which they are found.
struct Built {
    first: u64,
    names: Vec<Coordinate>,
    /// By the order of the texts: numbers in `names`.
    order: Vec<u32>,
    /// By the numbers in `names`: the place in the order.
    places: Vec<u32>,
    rows: Vec<Row>,
    lists: Vec<u32>,
    /// By their hashes; `start` is an index into `lists`.
    entries: Vec<Entry>,
}

impl Built {
    fn new(builder: Builder) -> Self {
        let Builder { seed, first, names, rows, mut marks, .. } = builder;
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_unstable_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
        let mut places = vec![0; names.len()];
        for (place, number) in (0..).zip(&order) {
            places[*number as usize] = place;
        }
        let mut lists = Lists { rows: &rows, numbers: Vec::new(), entries: Vec::new() };
        let entities = groups(&order, &names, Coordinate::entity);
        lists.add(&entities.0, |row| entities.1[row.coordinate as usize], |entity| seed.entity(entity));
        let mut by_scope = order.clone();
        by_scope.sort_unstable_by(|a, b| names[*a as usize].scope().cmp(names[*b as usize].scope()));
        let scopes = groups(&by_scope, &names, Coordinate::scope);
        lists.add(&scopes.0, |row| scopes.1[row.coordinate as usize], |scope| seed.scope(scope));
        lists.add_kinds(seed);
        lists.add_marks(&mut marks);
        let Lists { numbers: mut lists, mut entries, .. } = lists;
        entries.sort_unstable_by_key(|entry| entry.hash);
        join_same(&mut entries, &mut lists);
        Self { first, names, order, places, rows, lists, entries }
    }
}

/// The distinct texts of names in this order, and for each name which of them it has.
fn groups<'n>(
    order: &[u32],
    names: &'n [Coordinate],
    text: impl Fn(&'n Coordinate) -> &'n str,
) -> (Vec<&'n str>, Vec<u32>) {
    let (mut distinct, mut group) = (Vec::new(), vec![0; names.len()]);
    for number in order {
        let name = text(&names[*number as usize]);
        if distinct.last() != Some(&name) {
            distinct.push(name);
        }
        group[*number as usize] = u32::try_from(distinct.len() - 1).unwrap_or(u32::MAX);
    }
    (distinct, group)
}

/// Lists of rows in the making.
struct Lists<'r> {
    rows: &'r [Row],
    numbers: Vec<u32>,
    entries: Vec<Entry>,
}

impl Lists<'_> {
    /// Adds a list for each value, of the rows that have it, by counting them.
    fn add<T: Copy>(&mut self, values: &[T], value_of: impl Fn(&Row) -> u32, hash: impl Fn(T) -> u64) {
        let mut ends = vec![0_u32; values.len()];
        for row in self.rows {
            ends[value_of(row) as usize] += 1;
        }
        let mut end = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        for (count, value) in ends.iter_mut().zip(values) {
            if *count > 0 {
                self.entries.push(Entry { hash: hash(*value), start: end, count: *count });
            }
            (*count, end) = (end, end + *count);
        }
        self.numbers.resize(self.numbers.len() + self.rows.len(), 0);
        for (number, row) in (0..).zip(self.rows) {
            let at = &mut ends[value_of(row) as usize];
            self.numbers[*at as usize] = number;
            *at += 1;
        }
    }

    fn add_kinds(&mut self, seed: Seed) {
        let mut places = vec![None; 1 << 16];
        let mut kinds = Vec::new();
        for row in self.rows {
            let place = &mut places[usize::from(row.kind.as_u16())];
            if place.is_none() {
                *place = u32::try_from(kinds.len()).ok();
                kinds.push(row.kind);
            }
        }
        let place = |row: &Row| places[usize::from(row.kind.as_u16())].unwrap_or_default();
        self.add(&kinds, place, |kind| seed.kind(kind));
        let categories: Vec<u8> = (0..16).collect();
        self.add(&categories, |row| row.kind.category().into(), |category| seed.category(category));
    }

    fn add_marks(&mut self, marks: &mut Vec<(u64, u32)>) {
        marks.sort_unstable();
        marks.dedup();
        for same in marks.chunk_by(|a, b| a.0 == b.0) {
            let start = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            let count = u32::try_from(same.len()).unwrap_or(u32::MAX);
            self.numbers.extend(same.iter().map(|(_, row)| *row));
            self.entries.push(Entry { hash: same[0].0, start, count });
        }
    }
}

/// Makes one list of those that have the same hash by chance.
fn join_same(entries: &mut Vec<Entry>, lists: &mut Vec<u32>) {
    if !entries.is_sorted_by(|a, b| a.hash < b.hash) {
        let mut joined = Vec::with_capacity(entries.len());
        for same in entries.chunk_by(|a, b| a.hash == b.hash) {
            joined.push(join(same, lists));
        }
        *entries = joined;
    }
}

fn join(same: &[Entry], lists: &mut Vec<u32>) -> Entry {
    if let [entry] = same {
        return *entry;
    }
    let mut rows: Vec<u32> = same.iter().flat_map(|entry| rows_of(lists, entry).to_vec()).collect();
    rows.sort_unstable();
    rows.dedup();
    let start = u32::try_from(lists.len()).unwrap_or(u32::MAX);
    lists.extend(&rows);
    Entry { hash: same[0].hash, start, count: u32::try_from(rows.len()).unwrap_or(u32::MAX) }
}

fn rows_of<'l>(lists: &'l [u32], entry: &Entry) -> &'l [u32] {
    &lists[entry.start as usize..][..entry.count as usize]
}

impl Source for Built {
    fn first(&self) -> u64 {
        self.first
    }

    fn rows(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    fn new_entities(&self) -> u64 {
        self.rows.iter().filter(|row| row.revision == 0).count() as u64
    }

    fn bounds(&self) -> [Bounds; FIELDS] {
        let mut bounds = [Bounds::NONE; FIELDS];
        for row in &self.rows {
            let values = row.values();
            bounds.iter_mut().zip(values).for_each(|(all, value)| all.include(Bounds { min: value, max: value }));
        }
        bounds
    }

    fn values(&self, row: u32) -> Result<[u64; FIELDS], Damaged> {
        let row = &self.rows[row as usize];
        Ok(Row { coordinate: self.places[row.coordinate as usize], ..*row }.values())
    }

    fn names(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    fn name(&self, number: u32) -> Result<(&str, &str), Damaged> {
        let name = &self.names[self.order[number as usize] as usize];
        Ok((name.entity(), name.scope()))
    }

    fn entries(&self) -> u64 {
        self.entries.len() as u64
    }

    fn entry(&self, number: u64) -> Result<Entry, Damaged> {
        Ok(self.entries[crate::part::index(number)])
    }

    fn visit(&self, entry: &Entry, each: &mut dyn FnMut(u32) -> Result<(), WriteError>) -> Result<(), WriteError> {
        rows_of(&self.lists, entry).iter().copied().try_for_each(each)
    }
}

impl Source for Part {
    fn first(&self) -> u64 {
        self.header().first
    }

    fn rows(&self) -> u32 {
        self.rows()
    }

    fn new_entities(&self) -> u64 {
        self.header().new_entities
    }

    fn bounds(&self) -> [Bounds; FIELDS] {
        self.header().fields
    }

    fn values(&self, row: u32) -> Result<[u64; FIELDS], Damaged> {
        self.bounded_values(row)
    }

    fn names(&self) -> u32 {
        self.names()
    }

    fn name(&self, number: u32) -> Result<(&str, &str), Damaged> {
        self.name(number)
    }

    fn entries(&self) -> u64 {
        self.entries()
    }

    fn entry(&self, number: u64) -> Result<Entry, Damaged> {
        self.entry(number)
    }

    fn visit(&self, entry: &Entry, each: &mut dyn FnMut(u32) -> Result<(), WriteError>) -> Result<(), WriteError> {
        let mut cursor = crate::cursor::Cursor::new(self, self.postings(entry)?, &(0..self.rows()))?;
        while let Some(row) = cursor.next(self, crate::row::Direction::Forward)? {
            each(row)?;
        }
        Ok(())
    }
}

/// Writes the part that several parts, which follow each other, are together. It asks `goes_on` again and again.
///
/// # Errors
/// `Damaged` if one of them is; `Stopped`; what the output reports.
pub fn merge(
    parts: &[&Part],
    about: &About,
    out: &mut impl Output,
    goes_on: &dyn Fn() -> bool,
) -> Result<(), WriteError> {
    write(parts, about, out, goes_on)
}
