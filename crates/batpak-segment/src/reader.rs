//! Reading: one record at a position, or all of them in order, from the segments of a log.

use crate::directory::{self, Listing, SegmentFile};
use crate::error::{Damage, LogError};
use crate::file_system::{Environment, File, OpenMode, read_full};
use crate::frame::frame_len;
use crate::header::{Link, SegmentHeader};
use crate::layout::{self, FRAME_HEADER_LEN, ITEM_HEADER_LEN, SEGMENT_HEADER_LEN};
use crate::memory::MemoryFile;
use crate::recover::{Found, Repair, examine};
use crate::scan::{Chain, Last};
use arc_swap::ArcSwap;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a record is: its sequence and the offset of its item in the file of its segment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Position in the log: 0, 1, 2 … without a gap.
    pub sequence: u64,
    /// Offset in the file.
    pub offset: u64,
}

/// One record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub position: Position,
    /// What was appended.
    pub bytes: Vec<u8>,
}

/// A segment as readers know it.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    pub(crate) header_crc: u32,
    pub(crate) link: Link,
}

impl Segment {
    pub(crate) fn new(file: &SegmentFile, link: Link) -> Self {
        Self { path: file.path.clone(), header: file.header, header_crc: file.header_crc, link }
    }

    /// Sequence of its first record.
    pub(crate) fn first_sequence(&self) -> u64 {
        self.link.first_sequence
    }
}

/// The segments of a log in order; the last one is active and its file stays open.
#[derive(Debug)]
struct Catalog {
    segments: Vec<Arc<Segment>>,
    active: Arc<dyn File>,
}

/// Reads a log, beside its writer or without one. Clones share their open files.
///
/// # Consistency
/// It sees what had been appended when a call began: for one that belongs to a [`Log`](crate::Log) that goes on growing,
/// for one that was opened by itself it is what was there then.
///
/// # Examples
/// ```
/// use batpak_segment::{Environment, Log, LogConfig, LogReader};
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// let (log, _) = Log::open(dir, LogConfig::default())?;
/// log.append(b"there")?;
///
/// // Another process would do the same, while this one holds the lock.
/// let beside = LogReader::open(&Environment::default(), dir, 1)?;
/// log.append(b"later")?;
/// assert_eq!(beside.records(0).count(), 1);
/// assert_eq!(log.reader().records(0).count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    env: Environment,
    catalog: ArcSwap<Catalog>,
    /// One past the last record that may be read. Stored with Release after the record's bytes are written and its
    /// segment is in the catalog; loaded with Acquire before either is looked at.
    end_sequence: AtomicU64,
    handles: Mutex<VecDeque<(u64, Arc<dyn File>)>>,
    fd_budget: usize,
}

/// How often opening beside a live writer is tried when the files change meanwhile.
const ATTEMPTS: usize = 8;

impl LogReader {
    /// Opens the log in `dir` for reading. Takes no lock and changes nothing.
    ///
    /// # Errors
    /// `NoLog` if there is none; `Damaged` and the like if something durable is missing or changed; I/O errors.
    pub fn open(env: &Environment, dir: &Path, fd_budget: usize) -> Result<Self, LogError> {
        Self::open_with_report(env, dir, fd_budget).map(|(reader, _)| reader)
    }

    /// Opens the log in `dir` for reading and tells what a writer would find and mend.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_report(env: &Environment, dir: &Path, fd_budget: usize) -> Result<(Self, Repair), LogError> {
        let (mut attempt, mut segments) = (1, 0);
        loop {
            let listing = match directory::list(&*env.file_system, dir) {
                Err(LogError::Io { source, .. }) if attempt == ATTEMPTS && is_not_found(&source) => {
                    return Err(LogError::NoLog { path: dir.to_owned() });
                }
                listing => listing,
            };
            // As long as the writer makes segments the attempts begin anew.
            let seen = listing.as_ref().map_or(segments, |listing| listing.segments.len());
            if seen > segments {
                (attempt, segments) = (1, seen);
            }
            match listing.and_then(|listing| Self::try_open(env, dir, fd_budget, &listing)) {
                Err(e) if attempt < ATTEMPTS && may_be_a_race(&e) => attempt += 1,
                result => return result,
            }
        }
    }

    fn try_open(
        env: &Environment,
        dir: &Path,
        fd_budget: usize,
        listing: &Listing,
    ) -> Result<(Self, Repair), LogError> {
        Self::of_found(env, fd_budget, &examine(env, dir, &listing.segments)?)
    }

    /// A reader of what was found, as far as it is valid.
    pub(crate) fn of_found(env: &Environment, fd_budget: usize, found: &Found) -> Result<(Self, Repair), LogError> {
        let Found { sealed, active, .. } = found;
        let path = &active.file.path;
        let file: Arc<dyn File> = if active.tail.is_empty() {
            env.file_system.open(path, OpenMode::Read).map_err(LogError::io("open", path))?
        } else {
            let keep = usize::try_from(active.chain.at).unwrap_or(usize::MAX) - active.tail.len();
            Arc::new(MemoryFile::new([&active.bytes[..keep], &active.tail].concat()))
        };
        let link = active.chain.link.unwrap_or(active.link);
        let reader = Self::new(env, fd_budget, sealed, Segment::new(&active.file, link), file);
        reader.set_end(active.chain.sequence.unwrap_or(link.first_sequence));
        let segments = sealed.len() as u64 + 1;
        Ok((reader, active.report(segments)))
    }

    pub(crate) fn new(
        env: &Environment,
        fd_budget: usize,
        sealed: &[Segment],
        active: Segment,
        file: Arc<dyn File>,
    ) -> Self {
        let segments = sealed.iter().cloned().chain([active]).map(Arc::new).collect();
        let shared = Shared {
            env: env.clone(),
            catalog: ArcSwap::from_pointee(Catalog { segments, active: file }),
            end_sequence: AtomicU64::new(0),
            handles: Mutex::default(),
            fd_budget,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn set_end(&self, sequence: u64) {
        self.shared.end_sequence.store(sequence, Ordering::Release);
    }

    pub(crate) fn rotate(&self, active: Segment, file: Arc<dyn File>) {
        let mut segments = self.shared.catalog.load().segments.clone();
        segments.push(Arc::new(active));
        self.shared.catalog.store(Arc::new(Catalog { segments, active: file }));
    }

    /// The same segments, the active one read in another way.
    pub(crate) fn replace_active(&self, file: Arc<dyn File>) {
        let segments = self.shared.catalog.load().segments.clone();
        self.shared.catalog.store(Arc::new(Catalog { segments, active: file }));
    }

    /// One past the last record that can be read.
    pub fn end_sequence(&self) -> u64 {
        self.shared.end_sequence.load(Ordering::Acquire)
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.shared.catalog.load().segments.len()
    }

    /// The random identifier that all segments of a log and of its snapshots carry.
    pub fn store_id(&self) -> [u8; 16] {
        self.shared.catalog.load().segments.first().map_or([0; 16], |segment| segment.header.store_id)
    }

    /// The random identifier of the last segment: it tells a log from its snapshots.
    pub fn active_id(&self) -> [u8; 16] {
        self.shared.catalog.load().segments.last().map_or([0; 16], |segment| segment.header.segment_id)
    }

    /// Number of files of sealed segments that are open now.
    pub fn open_files(&self) -> usize {
        self.shared.handles.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Length of all segments in bytes.
    ///
    /// # Errors
    /// I/O errors.
    pub fn size_bytes(&self) -> Result<u64, LogError> {
        let catalog = self.shared.catalog.load();
        let mut sum = 0;
        for index in 0..catalog.segments.len() {
            let file = self.file(&catalog, index)?;
            sum += file.len().map_err(LogError::io("read", &catalog.segments[index].path))?;
        }
        Ok(sum)
    }

    /// Reads the record at `position` into `buf` and returns it. Its crc is checked.
    ///
    /// # Errors
    /// `NotFound` if no record can be there, `Damaged` if what is there is not the record; I/O errors.
    pub fn read<'b>(&self, position: Position, buf: &'b mut Vec<u8>) -> Result<&'b [u8], LogError> {
        let Position { sequence, offset } = position;
        let absent = LogError::NotFound { sequence, offset };
        if sequence >= self.end_sequence() {
            return Err(absent);
        }
        let catalog = self.shared.catalog.load();
        let Some(index) = catalog.index_of(sequence) else { return Err(absent) };
        let segment = &catalog.segments[index];
        let file = self.file(&catalog, index)?;
        let len = read_item(&*file, segment, position, buf)?;
        Ok(&buf[ITEM_HEADER_LEN..ITEM_HEADER_LEN + len])
    }

    /// The records from `sequence` on, in order, up to what can be read now.
    pub fn records(&self, sequence: u64) -> Records {
        let end = self.end_sequence();
        Records { frames: self.frames(sequence, end), from: sequence, items: 0, next: 0, at: 0 }
    }

    fn frames(&self, from: u64, end: u64) -> Frames {
        let catalog = self.shared.catalog.load_full();
        let index = catalog.index_of(from).unwrap_or(0);
        let reader = self.clone();
        Frames { reader, catalog, index, end, open: None, failed: false, window: Vec::new(), window_at: 0 }
    }

    /// The segments up to number `last`, in order.
    pub(crate) fn segments_to(&self, last: u64) -> Vec<Arc<Segment>> {
        let catalog = self.shared.catalog.load();
        let count = catalog.segments.partition_point(|segment| segment.header.number <= last);
        catalog.segments[..count].to_vec()
    }

    /// The open file of a segment; the least recently used one makes room.
    fn file(&self, catalog: &Catalog, index: usize) -> Result<Arc<dyn File>, LogError> {
        let segment = &catalog.segments[index];
        if index + 1 == catalog.segments.len() {
            return Ok(Arc::clone(&catalog.active));
        }
        let number = segment.header.number;
        if let Some(file) = self.cached(number) {
            return Ok(file);
        }
        let fs = &self.shared.env.file_system;
        let file = fs.open(&segment.path, OpenMode::Read).map_err(LogError::io("open", &segment.path))?;
        let mut handles = self.shared.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.truncate(self.shared.fd_budget.saturating_sub(1));
        handles.push_front((number, Arc::clone(&file)));
        Ok(file)
    }

    fn cached(&self, number: u64) -> Option<Arc<dyn File>> {
        let mut handles = self.shared.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let at = handles.iter().position(|(cached, _)| *cached == number)?;
        let entry = handles.remove(at)?;
        let file = Arc::clone(&entry.1);
        handles.push_front(entry);
        Some(file)
    }
}

/// Whether an error may only mean that the writer replaced or finished a file meanwhile.
fn may_be_a_race(error: &LogError) -> bool {
    match error {
        LogError::Io { source, .. } => is_not_found(source),
        other => other.is_corruption(),
    }
}

fn is_not_found(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

impl Catalog {
    /// The segment that holds `sequence`.
    fn index_of(&self, sequence: u64) -> Option<usize> {
        self.segments.partition_point(|segment| segment.first_sequence() <= sequence).checked_sub(1)
    }
}

/// Enough for most records, so that one read suffices.
const FIRST_READ: usize = 512;

/// Reads and checks an item into `buf`, which then begins with its header; returns the length of its content.
fn read_item(file: &dyn File, segment: &Segment, position: Position, buf: &mut Vec<u8>) -> Result<usize, LogError> {
    let read = |buf: &mut [u8], offset| read_full(file, buf, offset).map_err(LogError::io("read", &segment.path));
    let damaged = |damage| LogError::Damaged { segment: segment.header.number, offset: position.offset, damage };
    buf.resize(FIRST_READ, 0);
    let n = read(buf, position.offset)?;
    if n < ITEM_HEADER_LEN {
        return Err(damaged(Damage::Length { value: ITEM_HEADER_LEN as u64, available: n as u64 }));
    }
    let (len, expected) = layout::decode_item_header(buf);
    let total = ITEM_HEADER_LEN + len as usize;
    if total > n {
        let available = file.len().map_err(LogError::io("read", &segment.path))?;
        if position.offset.saturating_add(total as u64) > available {
            return Err(damaged(Damage::Length { value: len.into(), available }));
        }
        buf.resize(total, 0);
        read(&mut buf[n..], position.offset + n as u64)?;
    }
    let content = &buf[ITEM_HEADER_LEN..total];
    let found = layout::item_crc(len, content, position.sequence, &segment.header.segment_id);
    if found != expected {
        return Err(damaged(Damage::ItemCrc { found, expected }));
    }
    Ok(len as usize)
}

/// How much is read ahead when going through a segment.
const WINDOW: usize = 256 << 10;

/// The frames of a log in order, those that begin and end segments left out.
#[derive(Debug)]
struct Frames {
    reader: LogReader,
    catalog: Arc<Catalog>,
    index: usize,
    end: u64,
    open: Option<(Arc<dyn File>, Chain)>,
    /// Whether an error was met: what follows it is not known.
    failed: bool,
    window: Vec<u8>,
    /// Offset in the file of the first byte of the window.
    window_at: u64,
}

impl Frames {
    /// The next frame, as the place in the window where it begins. Nothing comes after an error.
    fn advance(&mut self) -> Result<Option<usize>, LogError> {
        if self.failed {
            return Ok(None);
        }
        let result = self.next_frame();
        self.failed = result.is_err();
        result
    }

    fn next_frame(&mut self) -> Result<Option<usize>, LogError> {
        loop {
            let Some(segment) = self.catalog.segments.get(self.index).cloned() else { return Ok(None) };
            if segment.first_sequence() >= self.end {
                return Ok(None);
            }
            let (file, mut chain) = match self.open.take() {
                Some(open) => open,
                None => self.begin(&segment)?,
            };
            if chain.sequence.is_some_and(|sequence| sequence >= self.end) {
                self.open = Some((file, chain));
                return Ok(None);
            }
            let at = chain.at;
            let (from, len) = self.load(&*file, &segment, at)?;
            let taken = chain.take(&self.window[from..from + len], &segment.header.segment_id);
            taken.map_err(|stop| stop.into_error(&segment.path, segment.header.number, at))?;
            if let Last::Seal(..) = chain.last {
                self.index += 1;
                continue;
            }
            self.open = Some((file, chain));
            if at > SEGMENT_HEADER_LEN as u64 {
                return Ok(Some(from));
            }
        }
    }

    fn begin(&mut self, segment: &Segment) -> Result<(Arc<dyn File>, Chain), LogError> {
        self.window.clear();
        let file = self.reader.file(&self.catalog, self.index)?;
        Ok((file, Chain::new(segment.header_crc)))
    }

    /// Brings the whole frame at `at` into the window and returns where it is there.
    fn load(&mut self, file: &dyn File, segment: &Segment, at: u64) -> Result<(usize, usize), LogError> {
        let damaged = |damage| LogError::Damaged { segment: segment.header.number, offset: at, damage };
        let from = self.fill(file, segment, at, FRAME_HEADER_LEN)?;
        let len = match frame_len(&self.window[from..]) {
            Ok(len) => return Ok((from, len)),
            Err(Damage::Length { value, .. }) => value,
            Err(damage) => return Err(damaged(damage)),
        };
        let available = file.len().map_err(LogError::io("read", &segment.path))?.saturating_sub(at);
        if len > available {
            return Err(damaged(Damage::Length { value: len, available }));
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let from = self.fill(file, segment, at, len)?;
        let len = frame_len(&self.window[from..]).map_err(damaged)?;
        Ok((from, len))
    }

    /// Makes the window hold `need` bytes from offset `at`, as far as the file goes.
    fn fill(&mut self, file: &dyn File, segment: &Segment, at: u64, need: usize) -> Result<usize, LogError> {
        let start = at.checked_sub(self.window_at).and_then(|n| usize::try_from(n).ok());
        if let Some(start) = start.filter(|start| start + need <= self.window.len()) {
            return Ok(start);
        }
        self.window.resize(need.max(WINDOW), 0);
        let n = read_full(file, &mut self.window, at).map_err(LogError::io("read", &segment.path))?;
        self.window.truncate(n);
        self.window_at = at;
        Ok(0)
    }
}

/// The records of a log in order.
///
/// As an iterator it gives each record in memory of its own; [`next_record`](Self::next_record) lends it.
#[derive(Debug)]
pub struct Records {
    frames: Frames,
    from: u64,
    /// Records of the current frame that were not given yet.
    items: u32,
    /// The sequence of the next one.
    next: u64,
    /// Where its item begins in the window.
    at: usize,
}

impl Records {
    /// The next record: its position and bytes.
    ///
    /// # Errors
    /// `Damaged` at a place that is not what was written; I/O errors. It has ended then.
    pub fn next_record(&mut self) -> Result<Option<(Position, &[u8])>, LogError> {
        loop {
            if self.items == 0 {
                let Some(from) = self.frames.advance()? else { return Ok(None) };
                let header = layout::decode_frame_header(&self.frames.window[from..]);
                self.items = header.records;
                self.next = header.first_sequence;
                self.at = from + FRAME_HEADER_LEN;
                continue;
            }
            let sequence = self.next;
            let item = self.at;
            let (len, _) = layout::decode_item_header(&self.frames.window[item..]);
            self.items -= 1;
            self.next += 1;
            self.at = item + ITEM_HEADER_LEN + len as usize;
            if sequence >= self.from {
                let position = Position { sequence, offset: self.frames.window_at + item as u64 };
                return Ok(Some((position, &self.frames.window[item + ITEM_HEADER_LEN..self.at])));
            }
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next =
            self.next_record().map(|found| found.map(|(position, bytes)| Record { position, bytes: bytes.to_vec() }));
        next.transpose()
    }
}
