//! Writing a part from one source or several that follow each other.
//!
//! The order of names and the order of hashes are those of a merge; every list of rows is those of the sources, one
//! behind the other. Nothing is held in memory but the order of the names.

use crate::blocks::Damaged;
use crate::layout::{self, BLOCK, Bounds, CRC_LEN, Entry, FIELDS, Header, NamePlace, RowShape, Sections, ZONE_ROWS};
use crate::part::{index, is_dense, words};
use crate::row::{COORDINATE, TIME};
use batpak_core::EventHash;
use std::io;

/// Where the bytes of a part go. Each is put once, in no particular order.
pub trait Output {
    /// Puts bytes at an offset.
    ///
    /// # Errors
    /// What the system reports.
    fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()>;
}

impl Output for Vec<u8> {
    fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        let end = at + bytes.len();
        if self.len() < end {
            self.resize(end, 0);
        }
        self[at..end].copy_from_slice(bytes);
        Ok(())
    }
}

/// What is said of a part by the one who makes it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The store that it is of.
    pub store_id: [u8; 16],
    /// What tells the segments that hold its events from others.
    pub stamp: u64,
    /// The hash of its last event.
    pub last_hash: EventHash,
}

/// Why a part was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// One that it was to be made of is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The output fails.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It was told to stop.
    #[error("it was told to stop")]
    Stopped,
    /// A part has less than 2^32 events, and its sources follow each other.
    #[error("there is no part of {rows} events that do not follow each other or are too many")]
    NoRange {
        /// Number of events.
        rows: u64,
    },
}

/// What a part can be made of.
pub(crate) trait Source {
    fn first(&self) -> u64;
    fn rows(&self) -> u32;
    fn new_entities(&self) -> u64;
    fn bounds(&self) -> [Bounds; FIELDS];
    fn values(&self, row: u32) -> Result<[u64; FIELDS], Damaged>;
    fn names(&self) -> u32;
    /// The names in rising order, each once.
    fn name(&self, number: u32) -> Result<(&str, &str), Damaged>;
    fn entries(&self) -> u64;
    /// The entries in rising order of their hashes, each once.
    fn entry(&self, number: u64) -> Result<Entry, Damaged>;
    /// Calls `each` with the rows of an entry, in rising order.
    fn visit(&self, entry: &Entry, each: &mut dyn FnMut(u32) -> Result<(), WriteError>) -> Result<(), WriteError>;
}

/// How often it is asked whether to go on.
const STEP: u64 = 4096;

/// Writes the part that the sources are together.
pub(crate) fn write<S: Source>(
    sources: &[&S],
    about: &About,
    out: &mut impl Output,
    goes_on: &dyn Fn() -> bool,
) -> Result<(), WriteError> {
    let names = Names::of(sources, goes_on)?;
    let header = plan(sources, about, &names, goes_on)?;
    let Some(sections) = header.sections() else { return Err(WriteError::NoRange { rows: header.rows }) };
    let mut sink = Sink { out, crcs: vec![0; sections.table / BLOCK * CRC_LEN] };
    write_rows(sources, &names, &header, &sections, &mut sink, goes_on)?;
    write_names(sources, &names, &sections, &mut sink)?;
    write_entries(sources, &names, &header, &sections, &mut sink, goes_on)?;
    sink.finish(header, &sections)?;
    Ok(())
}

fn ask(goes_on: &dyn Fn() -> bool, step: u64) -> Result<(), WriteError> {
    if step.is_multiple_of(STEP) && !goes_on() { Err(WriteError::Stopped) } else { Ok(()) }
}

fn plan<S: Source>(
    sources: &[&S],
    about: &About,
    names: &Names,
    goes_on: &dyn Fn() -> bool,
) -> Result<Header, WriteError> {
    let first = sources.first().map_or(0, |source| source.first());
    let mut rows = 0;
    let mut fields = [Bounds::NONE; FIELDS];
    for source in sources {
        if source.first() != first + rows {
            return Err(WriteError::NoRange { rows });
        }
        rows += u64::from(source.rows());
        fields.iter_mut().zip(source.bounds()).for_each(|(all, bounds)| all.include(bounds));
    }
    let Ok(row_count) = u32::try_from(rows) else { return Err(WriteError::NoRange { rows }) };
    fields[COORDINATE] = Bounds { min: 0, max: (names.order.len() as u64).saturating_sub(1) };
    let (mut entries, mut postings_len, mut copies) = (0, 0, 0);
    let mut merged = MergedEntries::new(sources)?;
    while let Some((hash, count)) = merged.next()? {
        ask(goes_on, entries)?;
        entries += 1;
        match Shape::of(hash, count, row_count) {
            Shape::One => {}
            Shape::Bits => postings_len += (words(row_count) * layout::WORD_LEN) as u64,
            Shape::Numbers => postings_len += u64::from(count) * layout::ROW_NUMBER_LEN as u64,
            Shape::Copies => copies += u64::from(count),
        }
    }
    Ok(Header {
        store_id: about.store_id,
        stamp: about.stamp,
        first,
        rows,
        new_entities: sources.iter().map(|source| source.new_entities()).sum(),
        last_hash: about.last_hash,
        fields,
        names: names.order.len() as u64,
        text_len: names.text_len,
        bucket_bits: (entries / 4).max(1).ilog2(),
        entries,
        postings_len,
        copies,
        table_crc: 0,
    })
}

/// How the rows of an entry are told.
enum Shape {
    /// In the entry.
    One,
    Bits,
    Numbers,
    Copies,
}

impl Shape {
    fn of(hash: u64, count: u32, rows: u32) -> Self {
        match count {
            1 => Self::One,
            _ if is_dense(count, rows) => Self::Bits,
            _ if layout::has_copies(hash) => Self::Copies,
            _ => Self::Numbers,
        }
    }
}

/// The coordinates of all sources in one order.
struct Names {
    /// Source and number there.
    order: Vec<(u32, u32)>,
    /// For each source the new number of each of its coordinates.
    numbers: Vec<Vec<u32>>,
    text_len: u64,
}

impl Names {
    fn of<S: Source>(sources: &[&S], goes_on: &dyn Fn() -> bool) -> Result<Self, WriteError> {
        let mut names = Self { order: Vec::new(), numbers: Vec::new(), text_len: 0 };
        names.numbers.resize_with(sources.len(), Vec::new);
        let mut heads = Vec::with_capacity(sources.len());
        for source in sources {
            heads.push(if source.names() == 0 { None } else { Some(source.name(0)?) });
        }
        while let Some(least) = heads.iter().flatten().min().copied() {
            ask(goes_on, names.order.len() as u64)?;
            let number = u32::try_from(names.order.len()).unwrap_or(u32::MAX);
            names.text_len += (least.0.len() + least.1.len()) as u64;
            let mut is_new = true;
            for (which, (head, source)) in (0..).zip(heads.iter_mut().zip(sources)) {
                if *head != Some(least) {
                    continue;
                }
                let taken = &mut names.numbers[which as usize];
                if std::mem::take(&mut is_new) {
                    names.order.push((which, u32::try_from(taken.len()).unwrap_or(u32::MAX)));
                }
                taken.push(number);
                let next = u32::try_from(taken.len()).unwrap_or(u32::MAX);
                *head = if next < source.names() { Some(source.name(next)?) } else { None };
            }
        }
        Ok(names)
    }
}

/// The entries of all sources, those with the same hash together.
struct MergedEntries<'s, S> {
    sources: &'s [&'s S],
    heads: Vec<Option<Entry>>,
    next: Vec<u64>,
    /// Those of the newest hash, with their sources.
    found: Vec<(usize, Entry)>,
}

impl<'s, S: Source> MergedEntries<'s, S> {
    fn new(sources: &'s [&'s S]) -> Result<Self, Damaged> {
        let mut merged = Self { sources, heads: Vec::new(), next: vec![0; sources.len()], found: Vec::new() };
        for source in sources {
            merged.heads.push(if source.entries() == 0 { None } else { Some(source.entry(0)?) });
        }
        Ok(merged)
    }

    /// The next hash, and how many rows have it.
    fn next(&mut self) -> Result<Option<(u64, u32)>, Damaged> {
        self.found.clear();
        let Some(hash) = self.heads.iter().flatten().map(|entry| entry.hash).min() else { return Ok(None) };
        let mut count: u32 = 0;
        for (which, source) in self.sources.iter().enumerate() {
            let Some(entry) = self.heads[which].filter(|entry| entry.hash == hash) else { continue };
            self.found.push((which, entry));
            count = count.saturating_add(entry.count);
            self.next[which] += 1;
            let next = self.next[which];
            self.heads[which] = if next < source.entries() { Some(source.entry(next)?) } else { None };
        }
        Ok(Some((hash, count)))
    }

    /// Calls `each` with the rows of the newest hash: source, number there, and number in all sources together.
    fn visit(&self, mut each: impl FnMut(usize, u32, u32) -> Result<(), WriteError>) -> Result<(), WriteError> {
        let (mut base, mut passed) = (0, 0);
        for (which, entry) in &self.found {
            base += self.sources[passed..*which].iter().map(|source| source.rows()).sum::<u32>();
            passed = *which;
            self.sources[*which].visit(entry, &mut |row| each(*which, row, base + row))?;
        }
        Ok(())
    }
}

fn write_rows<S: Source>(
    sources: &[&S],
    names: &Names,
    header: &Header,
    sections: &Sections,
    sink: &mut Sink<'_, impl Output>,
    goes_on: &dyn Fn() -> bool,
) -> Result<(), WriteError> {
    let (mut rows, mut zones) = (Section::at(sections.rows), Section::at(sections.zones));
    let shape = RowShape::of(&header.fields);
    let mut zone = Bounds::NONE;
    let mut done = 0;
    for (source, numbers) in sources.iter().zip(&names.numbers) {
        for row in 0..source.rows() {
            ask(goes_on, done)?;
            let values = values_of(*source, numbers, row)?;
            zone.include(Bounds { min: values[TIME], max: values[TIME] });
            shape.push_row(&mut rows.buffer, &values);
            rows.pass_on(sink)?;
            done += 1;
            if done.is_multiple_of(ZONE_ROWS) || done == header.rows {
                zones.push(sink, &layout::bytes_of_u64(zone.min))?;
                zones.push(sink, &layout::bytes_of_u64(zone.max))?;
                zone = Bounds::NONE;
            }
        }
    }
    rows.finish(sink)?;
    Ok(zones.finish(sink)?)
}

/// The values of a row, its coordinate by its new number.
fn values_of<S: Source>(source: &S, numbers: &[u32], row: u32) -> Result<[u64; FIELDS], WriteError> {
    let mut values = source.values(row)?;
    values[COORDINATE] = number_of(numbers, values[COORDINATE])?;
    Ok(values)
}

fn number_of(numbers: &[u32], old: u64) -> Result<u64, WriteError> {
    let new = numbers.get(index(old)).ok_or(io::ErrorKind::InvalidData);
    Ok(new.copied().map(u64::from).map_err(io::Error::from)?)
}

fn write_names<S: Source>(
    sources: &[&S],
    names: &Names,
    sections: &Sections,
    sink: &mut Sink<'_, impl Output>,
) -> Result<(), WriteError> {
    let (mut places, mut text) = (Section::at(sections.names), Section::at(sections.text));
    let mut at = 0;
    for (which, number) in &names.order {
        let (entity, scope) = sources[*which as usize].name(*number)?;
        let len = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX);
        layout::push_name(&mut places.buffer, NamePlace { at, entity_len: len(entity), scope_len: len(scope) });
        places.pass_on(sink)?;
        text.push(sink, entity.as_bytes())?;
        text.push(sink, scope.as_bytes())?;
        at += (entity.len() + scope.len()) as u64;
    }
    places.finish(sink)?;
    Ok(text.finish(sink)?)
}

fn write_entries<S: Source>(
    sources: &[&S],
    names: &Names,
    header: &Header,
    sections: &Sections,
    sink: &mut Sink<'_, impl Output>,
    goes_on: &dyn Fn() -> bool,
) -> Result<(), WriteError> {
    let mut buckets = Section::at(sections.buckets);
    let mut entries = Section::at(sections.entries);
    let mut lists = ListsWriter::new(header, sections);
    let (mut begun, mut done) = (0_u64, 0_u32);
    let mut merged = MergedEntries::new(sources)?;
    while let Some((hash, count)) = merged.next()? {
        ask(goes_on, done.into())?;
        let bucket = hash.checked_shr(u64::BITS - header.bucket_bits).unwrap_or(0);
        while begun <= bucket {
            buckets.push(sink, &layout::bytes_of_u32(done))?;
            begun += 1;
        }
        let start = lists.write(hash, count, &merged, names, sink)?;
        layout::push_entry(&mut entries.buffer, &Entry { hash, start, count });
        entries.pass_on(sink)?;
        done += 1;
    }
    for _ in begun..=1 << header.bucket_bits {
        buckets.push(sink, &layout::bytes_of_u32(done))?;
    }
    buckets.finish(sink)?;
    entries.finish(sink)?;
    Ok(lists.finish(sink)?)
}

/// The one row of the newest hash.
fn row_of<S: Source>(merged: &MergedEntries<'_, S>) -> Result<usize, WriteError> {
    let mut found = 0;
    merged.visit(|_, _, row| {
        found = row as usize;
        Ok(())
    })?;
    Ok(found)
}

/// Writes the rows of one entry after the other.
struct ListsWriter {
    shape: RowShape,
    rows: u32,
    postings: Section,
    /// How many numbers would fit before what comes next.
    numbers: usize,
    copies: Section,
    copied: usize,
    bits: Vec<u64>,
}

impl ListsWriter {
    fn new(header: &Header, sections: &Sections) -> Self {
        Self {
            shape: RowShape::of(&header.fields),
            rows: u32::try_from(header.rows).unwrap_or(u32::MAX),
            postings: Section::at(sections.postings),
            numbers: 0,
            copies: Section::at(sections.copies),
            copied: 0,
            bits: Vec::new(),
        }
    }

    /// Writes the rows of the newest hash. Returns where they are, as its entry tells.
    fn write<S: Source>(
        &mut self,
        hash: u64,
        count: u32,
        merged: &MergedEntries<'_, S>,
        names: &Names,
        sink: &mut Sink<'_, impl Output>,
    ) -> Result<u32, WriteError> {
        let start = match Shape::of(hash, count, self.rows) {
            Shape::One => row_of(merged)?,
            Shape::Bits => self.write_bits(merged, sink)?,
            Shape::Numbers => self.write_numbers(count, merged, sink)?,
            Shape::Copies => self.write_copies(count, merged, names, sink)?,
        };
        Ok(u32::try_from(start).unwrap_or(u32::MAX))
    }

    fn write_numbers<S: Source>(
        &mut self,
        count: u32,
        merged: &MergedEntries<'_, S>,
        sink: &mut Sink<'_, impl Output>,
    ) -> Result<usize, WriteError> {
        merged.visit(|_, _, row| {
            self.postings.buffer.extend_from_slice(&layout::bytes_of_u32(row));
            Ok(())
        })?;
        self.postings.pass_on(sink)?;
        let start = self.numbers;
        self.numbers += count as usize;
        Ok(start)
    }

    fn write_copies<S: Source>(
        &mut self,
        count: u32,
        merged: &MergedEntries<'_, S>,
        names: &Names,
        sink: &mut Sink<'_, impl Output>,
    ) -> Result<usize, WriteError> {
        merged.visit(|which, number, row| {
            let values = values_of(merged.sources[which], &names.numbers[which], number)?;
            self.shape.push_copy(&mut self.copies.buffer, row, &values);
            Ok(())
        })?;
        self.copies.pass_on(sink)?;
        let start = self.copied;
        self.copied += count as usize;
        Ok(start)
    }

    fn write_bits<S: Source>(
        &mut self,
        merged: &MergedEntries<'_, S>,
        sink: &mut Sink<'_, impl Output>,
    ) -> Result<usize, WriteError> {
        self.bits.clear();
        self.bits.resize(words(self.rows), 0);
        merged.visit(|_, _, row| {
            self.bits[row as usize / 64] |= 1 << (row % 64);
            Ok(())
        })?;
        for word in &self.bits {
            self.postings.push(sink, &layout::bytes_of_u64(*word))?;
        }
        let start = self.numbers;
        self.numbers += self.bits.len() * (layout::WORD_LEN / layout::ROW_NUMBER_LEN);
        Ok(start)
    }

    fn finish(self, sink: &mut Sink<'_, impl Output>) -> io::Result<()> {
        self.postings.finish(sink)?;
        self.copies.finish(sink)
    }
}

/// The output, and the crcs of the blocks that went there.
struct Sink<'o, O> {
    out: &'o mut O,
    crcs: Vec<u8>,
}

impl<O: Output> Sink<'_, O> {
    /// Puts whole blocks.
    fn put(&mut self, at: usize, blocks: &[u8]) -> io::Result<()> {
        for (block, bytes) in (at / BLOCK..).zip(blocks.chunks_exact(BLOCK)) {
            let crc = layout::bytes_of_u32(crc32c::crc32c(bytes));
            self.crcs[block * CRC_LEN..][..CRC_LEN].copy_from_slice(&crc);
        }
        self.out.put(at, blocks)
    }

    /// Puts the crcs, and the header last.
    fn finish(self, mut header: Header, sections: &Sections) -> io::Result<()> {
        let mut table = self.crcs;
        // The first block holds the header, which has a crc of its own.
        table.resize(sections.roots - sections.table, 0);
        let roots: Vec<u8> =
            table.chunks_exact(BLOCK).flat_map(|block| layout::bytes_of_u32(crc32c::crc32c(block))).collect();
        header.table_crc = crc32c::crc32c(&roots);
        self.out.put(sections.table, &table)?;
        self.out.put(sections.roots, &roots)?;
        let mut first = vec![0; BLOCK];
        let encoded = header.encode();
        first[..encoded.len()].copy_from_slice(&encoded);
        self.out.put(0, &first)
    }
}

/// A section that is being written from its beginning to its end.
struct Section {
    at: usize,
    buffer: Vec<u8>,
}

/// How much is put at once.
const CHUNK: usize = 64 * BLOCK;

impl Section {
    fn at(at: usize) -> Self {
        Self { at, buffer: Vec::new() }
    }

    fn push(&mut self, sink: &mut Sink<'_, impl Output>, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.pass_on(sink)
    }

    /// Passes the buffer on, once it is long enough.
    fn pass_on(&mut self, sink: &mut Sink<'_, impl Output>) -> io::Result<()> {
        if self.buffer.len() < CHUNK {
            return Ok(());
        }
        let len = self.buffer.len() / BLOCK * BLOCK;
        sink.put(self.at, &self.buffer[..len])?;
        self.at += len;
        self.buffer.drain(..len);
        Ok(())
    }

    /// The rest, filled up with zeros.
    fn finish(mut self, sink: &mut Sink<'_, impl Output>) -> io::Result<()> {
        self.buffer.resize(self.buffer.len().next_multiple_of(BLOCK), 0);
        sink.put(self.at, &self.buffer)
    }
}
