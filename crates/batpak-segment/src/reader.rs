//! Reading: one record at a position, or all of them in order, from the segments of a log.

use crate::catalog::{Catalog, Segment, SegmentInfo};
use crate::error::LogError;
use crate::examine::{Before, Found, examine_beside};
use crate::file_system::Environment;
use crate::following::Following;
use crate::layout::ITEM_HEADER_LEN;
use crate::opened::{Opened, Slot};
use crate::pinned::Pinned;
use crate::prefix::{ActiveSource, Growing};
use crate::records::{FrameRecords, Records};
use crate::recover::Repair;
use crate::source::Source;
use crate::view::SegmentView;
use arc_swap::ArcSwap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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

/// Reads a log, beside its writer or without one. Clones share their open files.
///
/// # Consistency
/// One that belongs to a [`Log`](crate::Log) sees what had been appended when a call began. One that was opened by itself
/// sees what was there when it was opened, or [refreshed](Self::refresh) last.
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
    /// Where it goes on, if it was opened by itself.
    following: Option<Arc<Mutex<Following>>>,
}

#[derive(Debug)]
struct Shared {
    catalog: ArcSwap<Catalog>,
    /// One past the last record that may be read. Stored with Release after the record's bytes are written and its
    /// segment is in the catalog; loaded with Acquire before either is looked at.
    end_sequence: AtomicU64,
    opened: Opened,
    pinned: Arc<AtomicUsize>,
}

impl LogReader {
    /// Opens the log in `dir` for reading. Takes no lock and changes nothing.
    ///
    /// # Errors
    /// `NoLog` if there is none; `Damaged` and the like if it finds that something durable is missing or changed. What is
    /// damaged within a segment that is complete or was closed is found by reading it. I/O errors.
    pub fn open(env: &Environment, dir: &Path, fd_budget: usize) -> Result<Self, LogError> {
        Self::open_with_report(env, dir, fd_budget).map(|(reader, _)| reader)
    }

    /// Opens the log in `dir` for reading and tells what a writer would find and mend.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_report(env: &Environment, dir: &Path, fd_budget: usize) -> Result<(Self, Repair), LogError> {
        let found = examine_beside(env, dir, &Before::default())?;
        let (reader, repair) = Self::of_found(env, dir, fd_budget, &found);
        // What was only in the tail may have been moved while it was looked for there.
        reader.refresh()?;
        Ok((reader, repair))
    }

    /// A reader of what was found, as far as it is valid.
    pub(crate) fn of_found(env: &Environment, dir: &Path, fd_budget: usize, found: &Found) -> (Self, Repair) {
        let following = Following::new(env, dir, &found.active);
        let bytes = Arc::clone(following.bytes()) as Arc<dyn Growing>;
        let reader = Self::new(env, fd_budget, &found.sealed, following.segment().clone(), bytes);
        reader.set_end(following.end_sequence());
        let reader = Self { following: Some(Arc::new(Mutex::new(following))), ..reader };
        let segments = found.sealed.len() as u64 + 1;
        (reader, found.active.report(segments))
    }

    pub(crate) fn new(
        env: &Environment,
        fd_budget: usize,
        sealed: &[Segment],
        active: Segment,
        bytes: Arc<dyn Growing>,
    ) -> Self {
        let slots = sealed.iter().cloned().chain([active]).map(|segment| Arc::new(Slot::new(segment))).collect();
        let shared = Shared {
            catalog: ArcSwap::from_pointee(Catalog::new(slots, ActiveSource::new(bytes))),
            end_sequence: AtomicU64::new(0),
            opened: Opened::new(Arc::clone(&env.file_system), fd_budget),
            pinned: Arc::default(),
        };
        Self { shared: Arc::new(shared), following: None }
    }

    pub(crate) fn set_end(&self, sequence: u64) {
        self.shared.end_sequence.store(sequence, Ordering::Release);
    }

    /// The active segment has become one of `sealed_len` bytes, and another one follows it.
    pub(crate) fn rotate(&self, sealed_len: u64, active: Segment, bytes: Arc<dyn Growing>) {
        let last = self.shared.catalog.load().slots.last().map(|slot| slot.segment.clone());
        let sealed = last.map(|segment| Segment { sealed_len: Some(sealed_len), ..segment });
        self.go_on(sealed.as_slice(), active, bytes);
    }

    /// The same segments, the active one read in another way.
    pub(crate) fn replace_active(&self, bytes: Arc<dyn Growing>) {
        let slots = self.shared.catalog.load().slots.clone();
        self.shared.catalog.store(Arc::new(Catalog::new(slots, ActiveSource::new(bytes))));
    }

    /// Sees what was appended since the log was opened or refreshed last, and says whether there was anything, for a
    /// reader that was opened by itself; one that belongs to a [`Log`](crate::Log) always sees everything. Takes no lock
    /// of the log and changes nothing. What it costs follows what is new.
    ///
    /// # Errors
    /// `Damaged` and the like if what it has seen is not there any more, or what follows is not what was written; I/O
    /// errors. What it has seen stays visible.
    ///
    /// # Consistency
    /// It sees everything that had been appended when the call began, whether it is durable or not, and of what is
    /// appended meanwhile some of the first.
    ///
    /// # Examples
    /// ```
    /// use batpak_segment::{Environment, Log, LogConfig, LogReader};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let (log, _) = Log::open(dir, LogConfig::default())?;
    /// let beside = LogReader::open(&Environment::default(), dir, 1)?;
    /// assert!(!beside.refresh()?);
    /// log.append(b"later")?;
    /// assert!(beside.refresh()?);
    /// assert_eq!(beside.records(0).count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh(&self) -> Result<bool, LogError> {
        let Some(following) = &self.following else { return Ok(false) };
        let mut following = following.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (self.end_sequence(), self.active_id());
        let result = self.follow(&mut following);
        // Whatever was met behind it.
        self.set_end(following.end_sequence());
        result.map(|()| before != (self.end_sequence(), self.active_id()))
    }

    fn follow(&self, following: &mut Following) -> Result<(), LogError> {
        following.advance()?;
        while let Some(sealed) = following.go_on()? {
            let bytes = Arc::clone(following.bytes()) as Arc<dyn Growing>;
            self.go_on(&sealed, following.segment().clone(), bytes);
            following.advance()?;
        }
        Ok(())
    }

    /// The active segment has become the first of those that are sealed, and another one follows them.
    fn go_on(&self, sealed: &[Segment], active: Segment, bytes: Arc<dyn Growing>) {
        let mut slots = self.shared.catalog.load().slots.clone();
        slots.pop();
        slots.extend(sealed.iter().cloned().chain([active]).map(|segment| Arc::new(Slot::new(segment))));
        self.shared.catalog.store(Arc::new(Catalog::new(slots, ActiveSource::new(bytes))));
    }

    /// One past the last record that can be read.
    pub fn end_sequence(&self) -> u64 {
        self.shared.end_sequence.load(Ordering::Acquire)
    }

    /// Number of segments.
    pub fn segment_count(&self) -> usize {
        self.shared.catalog.load().slots.len()
    }

    /// The segments, in order; the last one is active.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.shared.catalog.load().infos()
    }

    /// The random identifier that all segments of a log and of its snapshots carry.
    pub fn store_id(&self) -> [u8; 16] {
        self.shared.catalog.load().slots.first().map_or([0; 16], |slot| slot.segment.header.store_id)
    }

    /// The random identifier of the last segment: it tells a log from its snapshots.
    pub fn active_id(&self) -> [u8; 16] {
        self.shared.catalog.load().slots.last().map_or([0; 16], |slot| slot.segment.header.segment_id)
    }

    /// Number of sealed segments that are open now, as mappings or as files. What is pinned, viewed or gone through
    /// holds its segment beside them.
    pub fn open_files(&self) -> usize {
        self.shared.opened.len()
    }

    /// Number of [pinned](Self::pin) records that hold a mapping.
    pub fn pinned(&self) -> usize {
        self.shared.pinned.load(Ordering::Relaxed)
    }

    /// Length of all segments in bytes.
    ///
    /// # Errors
    /// I/O errors.
    pub fn size_bytes(&self) -> Result<u64, LogError> {
        let catalog = self.shared.catalog.load();
        let sealed: u64 = catalog.slots.iter().filter_map(|slot| slot.segment.sealed_len).sum();
        let path = catalog.slots.last().map_or(Path::new(""), |slot| &slot.segment.path);
        let active = catalog.active.len().map_err(LogError::io("read", path))?;
        Ok(sealed + active)
    }

    /// Shows the record at `position` to `read`, where it stands if its segment is mapped. Its crc is checked.
    ///
    /// # Errors
    /// `NotFound` if no record can be there, `Damaged` if what is there is not the record; I/O errors.
    ///
    /// # Examples
    /// ```
    /// # use batpak_segment::{Log, LogConfig, LogError};
    /// # let dir = tempfile::tempdir()?;
    /// let (log, _) = Log::open(dir.path(), LogConfig::default())?;
    /// let at = log.append(b"seven")?;
    /// assert_eq!(log.reader().with_record(at, <[u8]>::len)?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_record<T>(&self, position: Position, read: impl FnOnce(&[u8]) -> T) -> Result<T, LogError> {
        self.with_source(position, |segment, source| source.with_record(segment, position, read))
    }

    /// Reads the record at `position` into `buf` and returns it. Its crc is checked.
    ///
    /// # Errors
    /// As [`with_record`](Self::with_record).
    pub fn read<'b>(&self, position: Position, buf: &'b mut Vec<u8>) -> Result<&'b [u8], LogError> {
        self.with_source(position, |segment, source| source.copy_record(segment, position, buf))?;
        Ok(buf)
    }

    /// Holds the record at `position` where it stands. Its crc is checked, once.
    ///
    /// # Errors
    /// As [`with_record`](Self::with_record).
    pub fn pin(&self, position: Position) -> Result<Pinned, LogError> {
        self.with_source(position, |segment, source| {
            if source.file_at(position.offset).is_none() {
                let len = source.with_record(segment, position, <[u8]>::len)?;
                let from = usize::try_from(position.offset).unwrap_or(usize::MAX) + ITEM_HEADER_LEN;
                return Ok(Pinned::mapped(Arc::clone(source), from..from + len, &self.shared.pinned));
            }
            source.with_record(segment, position, |bytes| Pinned::owned(bytes.to_vec()))
        })
    }

    /// The segment that holds `sequence`, to read many of its records.
    ///
    /// # Errors
    /// `NotFound` if there is no such record; I/O errors.
    pub fn view(&self, sequence: u64) -> Result<SegmentView, LogError> {
        let end = self.end_sequence();
        let catalog = self.shared.catalog.load();
        let index = catalog.index_of(sequence).filter(|_| sequence < end);
        let index = index.ok_or(LogError::NotFound { sequence, offset: 0 })?;
        let slot = Arc::clone(&catalog.slots[index]);
        let covers = slot.segment.first_sequence()..catalog.end_of(index).unwrap_or(end);
        Ok(SegmentView { slot, source: self.source_of(&catalog, index)?, covers })
    }

    /// The records from `sequence` on, in order, up to what can be read now.
    pub fn records(&self, sequence: u64) -> Records {
        let end = self.end_sequence();
        Records::new(self.clone(), self.shared.catalog.load_full(), sequence, end)
    }

    /// What stands beside the records with these sequences, as far as they can be read now: the frame records of every
    /// frame that has such a record, or stands between them without any. The frames are gone through, their contents are not
    /// read: the crcs of the frames are checked, and those of what is given.
    ///
    /// # Examples
    /// ```
    /// use batpak_segment::{FIRST_USER_TYPE, Frame, Log, LogConfig};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let (log, _) = Log::open(dir.path(), LogConfig::default())?;
    /// log.append(b"first")?;
    /// let mut frame = Frame::new();
    /// frame.push(b"second");
    /// frame.push_frame_record(FIRST_USER_TYPE, b"beside it")?;
    /// log.append_frame(&mut frame)?;
    ///
    /// let found: Vec<_> = log.reader().frame_records(0..9).collect::<Result<_, _>>()?;
    /// assert_eq!((found[0].position.sequence, &found[0].body[..]), (1, &b"beside it"[..]));
    /// assert_eq!((found.len(), log.reader().frame_records(0..1).count()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn frame_records(&self, sequences: Range<u64>) -> FrameRecords {
        let end = self.end_sequence().min(sequences.end);
        FrameRecords::new(self.clone(), self.shared.catalog.load_full(), sequences.start, end)
    }

    /// The segments up to number `last`, in order.
    pub(crate) fn segments_to(&self, last: u64) -> Vec<Arc<Slot>> {
        let catalog = self.shared.catalog.load();
        let count = catalog.slots.partition_point(|slot| slot.segment.header.number <= last);
        catalog.slots[..count].to_vec()
    }

    /// What the record at `position` is read through.
    fn with_source<T>(
        &self,
        position: Position,
        read: impl FnOnce(&Segment, &Arc<Source>) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let Position { sequence, offset } = position;
        let end = self.end_sequence();
        let catalog = self.shared.catalog.load();
        let Some(index) = catalog.index_of(sequence).filter(|_| sequence < end) else {
            return Err(LogError::NotFound { sequence, offset });
        };
        let slot = &catalog.slots[index];
        if catalog.is_active(index) {
            return read(&slot.segment, &catalog.active.source_at(offset));
        }
        self.shared.opened.with(slot, |source| read(&slot.segment, source))?
    }

    /// What a segment is read through, to be kept.
    pub(crate) fn source_of(&self, catalog: &Catalog, index: usize) -> Result<Arc<Source>, LogError> {
        if catalog.is_active(index) {
            return Ok(catalog.active.source());
        }
        self.shared.opened.with(&catalog.slots[index], Arc::clone)
    }
}
