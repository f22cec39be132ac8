//! The log that is open for writing: appends, rotation, closing.

use crate::active::ActiveSegment;
use crate::catalog::Segment;
use crate::directory::{self, SegmentFile};
use crate::error::{Failure, LogError};
use crate::file_system::{Environment, File, Lock, OpenMode};
use crate::frame::{Frame, Place};
use crate::header::{Link, LogHead, Seal, SegmentHeader};
use crate::layout::{LINK_FRAME_LEN, SEAL_FRAME_LEN, SEGMENT_HEADER_LEN};
use crate::prefix::Growing;
use crate::reader::{LogReader, Position};
use crate::records::Records;
use crate::recover::{Repair, Unrecovered};
use crate::snapshot;
use crate::sync::{GroupSync, Leading, Written};
use crate::tail::{self, Tail};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sequences are below this: 40 bits.
pub(crate) const SEQUENCE_LIMIT: u64 = 1 << 40;

/// Options of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A segment is left for the next one before it grows beyond this, in bytes, from 512 to 1 GiB; 64 MiB by default.
    /// A commit that is larger gets a segment of its own.
    pub segment_max_bytes: u64,
    /// The largest commit, in bytes with all that the format adds, from 256 bytes to 1 GiB; 65 MiB by default.
    pub frame_max_bytes: u64,
    /// How many sealed segments may be open at once, as mappings or as files, from 1 to 65536; 64 by default.
    pub fd_budget: usize,
    /// How appends reach the disk.
    pub write_path: WritePath,
}

/// How an append reaches the disk. What it survives is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WritePath {
    /// It is copied into a mapped file, the tail, and whoever syncs writes all of that to the segment at once. Where
    /// files cannot be mapped, as `Direct`.
    #[default]
    Tail,
    /// It is written to the segment, with one call to the system.
    Direct,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { segment_max_bytes: 64 << 20, frame_max_bytes: 65 << 20, fd_budget: 64, write_path: WritePath::default() }
    }
}

impl LogConfig {
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let within = |field, min, max, value| {
            let ok = (min..=max).contains(&value);
            if ok { Ok(()) } else { Err(LogError::InvalidOption { field, min, max, value }) }
        };
        within("segment_max_bytes", 512, 1 << 30, self.segment_max_bytes)?;
        within("frame_max_bytes", 256, 1 << 30, self.frame_max_bytes)?;
        within("fd_budget", 1, 65536, self.fd_budget as u64)
    }
}

/// Where a commit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Sequence of its first record, or of the next one if it has none.
    pub first_sequence: u64,
    /// Number of its segment.
    pub segment: u64,
    /// Offset of the frame in its segment, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// What a power cut could take, this commit included.
    pub unsynced: Unsynced,
}

/// What a power cut could take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsynced {
    /// Number of records.
    pub records: u64,
    /// Number of bytes.
    pub bytes: u64,
}

/// A log open for writing, the only one of its directory. It can be shared between threads.
///
/// # Durability
/// What [`append`](Self::append) has accepted survives the death of the process. It survives a power cut once
/// [`sync`](Self::sync) or [`sync_to`](Self::sync_to) has returned for it. After a failed write or sync nothing more
/// is accepted; reads go on.
#[derive(Debug)]
pub struct Log {
    env: Environment,
    dir: PathBuf,
    config: LogConfig,
    /// Held while the next segment is made; taken before a sync is led and before the writer's lock.
    preparing: Mutex<()>,
    writer: Mutex<Writer>,
    /// What the active segment has room for in bytes, changed under the writer's lock. Relaxed: it publishes nothing.
    room: AtomicU64,
    sync: GroupSync,
    reader: LogReader,
    lock: Mutex<Option<Box<dyn Lock>>>,
}

/// What only the thread that appends may touch.
#[derive(Debug)]
struct Writer {
    file: Arc<ActiveSegment>,
    /// Whether a tail may be made that is not there yet.
    wants_tail: bool,
    header: SegmentHeader,
    /// Sequence of the first record of the active segment.
    first_sequence: u64,
    at: u64,
    previous: u32,
    sequence: u64,
    frames: u64,
    spare: Option<SegmentFile>,
    head: LogHead,
    /// Whether the last frame is the mark of a close, or nothing was ever written.
    marked: bool,
    closed: bool,
}

/// Where a log goes on.
pub(crate) struct Start {
    pub(crate) sealed: Vec<Segment>,
    pub(crate) active: Segment,
    pub(crate) file: Arc<dyn File>,
    pub(crate) at: u64,
    pub(crate) previous: u32,
    pub(crate) sequence: u64,
    pub(crate) spare: Option<SegmentFile>,
    pub(crate) marked: bool,
}

impl Log {
    /// Opens the log in `dir` on the real file system, making it if there is none, and repairs what a crash left.
    ///
    /// # Errors
    /// See [`Unrecovered::open`] and [`Unrecovered::recover`].
    ///
    /// # Examples
    /// ```
    /// use batpak_segment::{Log, LogConfig, LogError};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// let (log, _) = Log::open(dir, LogConfig::default())?;
    /// let second = Log::open(dir, LogConfig::default());
    /// assert!(matches!(second, Err(LogError::Locked { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(dir: impl AsRef<Path>, config: LogConfig) -> Result<(Self, Repair), LogError> {
        Unrecovered::open(Environment::default(), dir.as_ref(), config)?.recover()
    }

    pub(crate) fn start(env: Environment, dir: PathBuf, config: LogConfig, lock: Box<dyn Lock>, start: Start) -> Self {
        let Start { sealed, active, file, at, previous, sequence, spare, marked } = start;
        let header = active.header;
        let first_sequence = active.first_sequence();
        let file = Arc::new(ActiveSegment::new(file, None, at, config.segment_max_bytes));
        let reader = LogReader::new(&env, config.fd_budget, &sealed, active, Arc::clone(&file) as Arc<dyn Growing>);
        reader.set_end(sequence);
        let written = Written { frames: 0, sequence, offset: at, segment: header.number };
        let writer = Writer {
            file,
            wants_tail: config.write_path == WritePath::Tail,
            header,
            first_sequence,
            at,
            previous,
            sequence,
            frames: 0,
            spare,
            head: header.head,
            marked,
            closed: false,
        };
        Self {
            dir,
            config,
            sync: GroupSync::new(&written, Arc::clone(&env.clock)),
            room: AtomicU64::new(writer.room(config.segment_max_bytes)),
            preparing: Mutex::default(),
            env,
            writer: Mutex::new(writer),
            reader,
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Appends one record as a commit of its own and returns its position.
    ///
    /// # Errors
    /// See [`append_frame`](Self::append_frame).
    ///
    /// # Durability
    /// It survives the death of the process, and a power cut once a sync has covered it.
    pub fn append(&self, record: &[u8]) -> Result<Position, LogError> {
        let mut frame = Frame::new();
        frame.push(record);
        let appended = self.append_frame(&mut frame)?;
        let offset = appended.offset + frame.record_offset(0);
        Ok(Position { sequence: appended.first_sequence, offset })
    }

    /// Appends a commit: all of its records or, after a crash, none.
    ///
    /// # Errors
    /// `TooLarge` if the frame or the sequence is beyond its limit, or an I/O error if the next segment cannot be
    /// made: nothing is changed then. `Failed` if a write or sync failed, now or before. `Closed`.
    pub fn append_frame(&self, frame: &mut Frame) -> Result<Appended, LogError> {
        frame.check(self.config.frame_max_bytes)?;
        let mut writer = self.writer();
        self.check_append(&writer, frame)?;
        if !self.has_room(frame) {
            drop(writer);
            writer = self.rotate_if(|_| !self.has_room(frame))?;
            self.check_append(&writer, frame)?;
        }
        self.prepare(&mut writer, frame.encoded_len())?;
        self.write(&mut writer, frame)
    }

    /// Whether the active segment has room for a commit. If it has not, [`append_frame`](Self::append_frame) seals it
    /// and goes on in the next one, which waits for the disk.
    #[inline]
    pub fn has_room(&self, frame: &Frame) -> bool {
        frame.encoded_len() <= self.room.load(Ordering::Relaxed)
    }

    /// Goes on in the next segment if the active one has no room for a commit. Waits for the disk.
    ///
    /// # Errors
    /// See [`append_frame`](Self::append_frame).
    pub fn make_room(&self, frame: &Frame) -> Result<(), LogError> {
        frame.check(self.config.frame_max_bytes)?;
        self.rotate_if(|_| !self.has_room(frame)).map(drop)
    }

    /// Makes the next segment if the active one is three quarters full, so that no append has to wait for that.
    /// Appends go on meanwhile.
    ///
    /// # Errors
    /// An I/O error if it cannot be made: nothing is changed then. `Failed` if a write or sync failed, now or before.
    /// `Closed`.
    pub fn prepare_next(&self) -> Result<(), LogError> {
        if !self.wants_next() {
            return Ok(());
        }
        let preparing = self.preparing();
        let writer = self.writer();
        self.check_open(&writer)?;
        if writer.spare.is_some() || !self.wants_next() {
            return Ok(());
        }
        let (header, head) = (writer.header, writer.head);
        drop(writer);
        let (next, _) = self.sync.attempt("rotate", || self.make_next(&header, head))?;
        self.writer().spare = Some(next);
        drop(preparing);
        Ok(())
    }

    /// Whether the active segment is three quarters full.
    fn wants_next(&self) -> bool {
        self.room.load(Ordering::Relaxed) < self.config.segment_max_bytes / 4
    }

    fn preparing(&self) -> MutexGuard<'_, ()> {
        self.preparing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a commit, in the file and in the tail. A failure changes nothing.
    fn prepare(&self, writer: &mut Writer, len: u64) -> Result<(), LogError> {
        let path = || writer.header.file_name();
        let end = writer.at + len + SEAL_FRAME_LEN as u64;
        writer.file.reserve(end).map_err(|source| LogError::Io {
            operation: "reserve room in",
            path: path().into(),
            source,
        })?;
        let tail_len = if writer.at < tail::LARGE_TAIL { tail::SMALL_TAIL } else { tail::LARGE_TAIL };
        if writer.wants_tail && writer.file.tail_len() < tail_len {
            self.sync.attempt("write", || self.make_tail(writer, tail_len))?;
        }
        Ok(())
    }

    /// Puts a tail, or a larger one, in front of the active segment. If there can be none, appends are written
    /// directly from then on.
    fn make_tail(&self, writer: &mut Writer, len: u64) -> Result<(), LogError> {
        // The new tail takes the name of the old one: the process may die right after.
        writer.file.move_all().map_err(|e| self.failed("write", &e))?;
        let Ok(Some(tail)) = Tail::create(&*self.env.file_system, &self.dir, len) else {
            writer.wants_tail = false;
            return Ok(());
        };
        writer.file = Arc::new(writer.file.with_tail(Arc::new(tail)));
        self.reader.replace_active(Arc::clone(&writer.file) as Arc<dyn Growing>);
        Ok(())
    }

    /// The sequence that the next record gets, if nobody else appends before.
    #[inline]
    pub fn next_sequence(&self) -> u64 {
        self.reader.end_sequence()
    }

    /// What was appended and is not known to be durable.
    pub fn unsynced(&self) -> Unsynced {
        self.unsynced_of(&self.writer())
    }

    fn unsynced_of(&self, writer: &Writer) -> Unsynced {
        let from = self.sync.durable_offset(writer.header.number).max(SEGMENT_HEADER_LEN as u64);
        Unsynced {
            records: writer.sequence - self.sync.durable_sequence().min(writer.sequence),
            bytes: writer.at.saturating_sub(from),
        }
    }

    /// Every record below this sequence survives a power cut.
    #[inline]
    pub fn durable_sequence(&self) -> u64 {
        self.sync.durable_sequence()
    }

    /// Makes everything that was appended before the call durable. Threads that wait at once share one sync.
    ///
    /// # Errors
    /// `Failed` if a write or sync failed, now or before.
    pub fn sync(&self) -> Result<(), LogError> {
        let frames = self.writer().frames;
        self.check_failure()?;
        self.sync_frames(frames)
    }

    fn sync_frames(&self, frames: u64) -> Result<(), LogError> {
        self.sync.wait(|durable| durable.durable_frames() >= frames, || self.written(), || ())
    }

    /// Waits until every record below `sequence` is durable, syncing if nobody else does.
    ///
    /// # Errors
    /// `InvalidOption` if so many were never appended. `Failed` if a write or sync failed before they were durable.
    pub fn sync_to(&self, sequence: u64) -> Result<(), LogError> {
        self.sync_to_then(sequence, || ())
    }

    /// As [`sync_to`](Self::sync_to). If it is this call that syncs, `shown` is run after it, before the others that
    /// wait for the same sync go on: one tells what all would have to.
    ///
    /// # Errors
    /// As [`sync_to`](Self::sync_to).
    pub fn sync_to_then(&self, sequence: u64, shown: impl Fn()) -> Result<(), LogError> {
        if sequence <= self.durable_sequence() {
            return Ok(());
        }
        let max = self.next_sequence();
        if sequence > max {
            return Err(LogError::InvalidOption { field: "sequence", min: 0, max, value: sequence });
        }
        self.sync.wait(|durable| durable.durable_sequence() >= sequence, || self.written(), shown)
    }

    /// Seals the active segment and goes on in a new one; nothing happens if it is empty.
    ///
    /// # Errors
    /// See [`append_frame`](Self::append_frame).
    pub fn rotate(&self) -> Result<(), LogError> {
        self.check_open(&self.writer())?;
        self.rotate_if(|writer| !writer.is_fresh()).map(drop)
    }

    /// Reads the record at `position` into `buf` and returns it.
    ///
    /// # Errors
    /// `NotFound` if no record can be there, `Damaged` if what is there is not the record; I/O errors.
    pub fn read<'b>(&self, position: Position, buf: &'b mut Vec<u8>) -> Result<&'b [u8], LogError> {
        self.reader.read(position, buf)
    }

    /// The records from `sequence` on, in order, up to what was appended before the call.
    pub fn records(&self, sequence: u64) -> Records {
        self.reader.records(sequence)
    }

    /// A reader of this log that lives as long as it likes.
    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Tells the log the newest head of the history that it holds; it stands in the header of the next segment.
    pub fn set_head(&self, head: LogHead) {
        self.writer().head = head;
    }

    /// Copies everything that was appended before the call into `dir`, which becomes a log of its own.
    ///
    /// # Errors
    /// `NotEmpty` if `dir` already holds segments, `Locked` if a writer is at work there; `Damaged` if a segment to be
    /// copied is; what [`sync`](Self::sync) and the file system report. What was copied until then is removed.
    ///
    /// # Durability
    /// The copy survives a power cut once this has returned.
    ///
    /// # Examples
    /// ```
    /// use batpak_segment::{Environment, Log, LogConfig, LogReader};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let (dir, backup) = (dir.path().join("log"), dir.path().join("backup"));
    /// let (log, _) = Log::open(&dir, LogConfig::default())?;
    /// log.append(b"copied")?;
    /// log.snapshot(&backup)?;
    /// log.append(b"not copied")?;
    /// assert_eq!(LogReader::open(&Environment::default(), &backup, 1)?.end_sequence(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot(&self, dir: &Path) -> Result<(), LogError> {
        let writer = self.writer();
        self.check_open(&writer)?;
        let cut = writer.written();
        drop(writer);
        self.sync_frames(cut.frames)?;
        snapshot::copy(&self.env, &self.reader, &cut, dir)
    }

    /// Why nothing is accepted any more, if a write or sync failed.
    #[inline]
    pub fn failure(&self) -> Option<&Arc<Failure>> {
        self.sync.failure()
    }

    /// Ends writing because of damage that a reader met. The first cause stays.
    pub fn fail(&self, operation: &'static str, error: &dyn std::fmt::Display) {
        let failure = Failure { operation, reason: error.to_string(), kind: std::io::ErrorKind::InvalidData };
        self.sync.fail(failure);
    }

    /// Syncs, marks the log as closed if anything was appended since the last mark, and releases the directory. What
    /// would write says `Closed` from then on; reads go on.
    ///
    /// # Errors
    /// `Failed` if a write or sync failed, now or before; the directory is released nevertheless.
    pub fn close(&self) -> Result<(), LogError> {
        // Nobody makes a segment in a directory that may belong to somebody else by then.
        let _preparing = self.preparing();
        let mut writer = self.writer();
        if writer.closed {
            return Err(LogError::Closed);
        }
        writer.closed = true;
        drop(writer);
        let result = self.sync().and_then(|()| self.mark_closed());
        if result.is_ok() && self.writer().file.tail_len() > 0 {
            // Everything in it is in the segment.
            let _ = self.env.file_system.remove_file(&self.dir.join(directory::TAIL_NAME));
        }
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
        result
    }

    /// Everything is synced and nothing is appended any more.
    fn mark_closed(&self) -> Result<(), LogError> {
        let mut writer = self.writer();
        if writer.marked {
            return Ok(());
        }
        self.write(&mut writer, &mut Frame::mark())?;
        // What was reserved is given back.
        writer.file.set_len(writer.at).map_err(|e| self.failed("close", &e))?;
        drop(writer);
        self.sync()
    }

    fn check_failure(&self) -> Result<(), LogError> {
        let failure = self.sync.failure().map(Arc::clone);
        failure.map_or(Ok(()), |cause| Err(LogError::Failed { cause }))
    }

    fn check_open(&self, writer: &Writer) -> Result<(), LogError> {
        self.check_failure()?;
        if writer.closed { Err(LogError::Closed) } else { Ok(()) }
    }

    fn check_append(&self, writer: &Writer, frame: &Frame) -> Result<(), LogError> {
        self.check_open(writer)?;
        let value = writer.sequence.saturating_add(frame.len() as u64);
        if value > SEQUENCE_LIMIT {
            return Err(LogError::TooLarge { field: "sequence", limit: SEQUENCE_LIMIT, value });
        }
        Ok(())
    }

    /// A panic of the file system may leave the writer between two states, and ends the log; no other is possible.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a sync that begins now would make durable, and the file to sync.
    fn written(&self) -> (Written, Arc<dyn File>) {
        let writer = self.writer();
        (writer.written(), Arc::clone(&writer.file) as Arc<dyn File>)
    }

    fn write(&self, writer: &mut Writer, frame: &mut Frame) -> Result<Appended, LogError> {
        let place = Place {
            segment_id: &writer.header.segment_id,
            offset: writer.at,
            previous: writer.previous,
            first_sequence: writer.sequence,
            durable_mark: self.sync.durable_offset(writer.header.number).max(SEGMENT_HEADER_LEN as u64),
        };
        let records = frame.len() as u64;
        let (bytes, crc) = frame.finish(&place);
        let written = self.sync.attempt("write", || writer.file.append(bytes, writer.at));
        written.map_err(|e| self.failed("write", &e))?;
        let (first_sequence, offset, bytes) = (writer.sequence, writer.at, bytes.len() as u64);
        writer.at += bytes;
        writer.previous = crc;
        writer.sequence += records;
        writer.frames += 1;
        writer.marked = false;
        self.room.store(writer.room(self.config.segment_max_bytes), Ordering::Relaxed);
        self.reader.set_end(writer.sequence);
        let segment = writer.header.number;
        Ok(Appended { first_sequence, segment, offset, bytes, unsynced: self.unsynced_of(writer) })
    }

    /// Rotates if `wanted` still says so once no sync is under way, and leaves the writer locked.
    fn rotate_if(&self, wanted: impl Fn(&Writer) -> bool) -> Result<MutexGuard<'_, Writer>, LogError> {
        let preparing = self.preparing();
        let leading = self.sync.lead_alone();
        let mut writer = self.writer();
        self.check_open(&writer)?;
        if wanted(&writer) {
            self.sync.attempt("rotate", || self.rotate_to_next(&leading, &mut writer))?;
        }
        drop((leading, preparing));
        Ok(writer)
    }

    /// Makes the next segment, seals this one, syncs it, and begins the next.
    fn rotate_to_next(&self, leading: &Leading<'_>, writer: &mut Writer) -> Result<(), LogError> {
        let (next, file) = self.next_segment(writer)?;
        let seal = Seal {
            next_link: next.header.first_link,
            end_sequence: writer.sequence,
            count: writer.sequence - writer.first_sequence,
        };
        self.write(writer, &mut Frame::seal(&seal))?;
        writer.file.set_len(writer.at).map_err(|e| self.failed("rotate", &e))?;
        writer.file.sync().map_err(|e| self.failed("sync", &e))?;
        leading.advance(&writer.written());
        let link = Link {
            first_sequence: writer.sequence,
            previous: writer.header.last_link,
            previous_end: writer.sequence,
            previous_count: seal.count,
            previous_seal_crc: writer.previous,
        };
        let at = SEGMENT_HEADER_LEN as u64;
        writer.file = Arc::new(writer.file.next(file, at));
        self.reader.rotate(writer.at, Segment::active(&next, link), Arc::clone(&writer.file) as Arc<dyn Growing>);
        writer.header = next.header;
        writer.first_sequence = writer.sequence;
        writer.at = at;
        writer.previous = next.header_crc;
        self.write(writer, &mut Frame::link(&link)).map(drop)
    }

    /// The segment that was made ahead, or a new one. A failure before it has its name changes nothing; one after that
    /// ends the log, because its name must not be used again and may be gone after a power cut.
    fn next_segment(&self, writer: &mut Writer) -> Result<(SegmentFile, Arc<dyn File>), LogError> {
        let fs = &*self.env.file_system;
        if let Some(spare) = &writer.spare {
            let file = fs.open(&spare.path, OpenMode::Write).map_err(LogError::io("open", &spare.path))?;
            let spare = spare.clone();
            writer.spare = None;
            return Ok((spare, file));
        }
        self.make_next(&writer.header, writer.head)
    }

    /// Makes a segment that follows the one with the header `before`.
    fn make_next(&self, before: &SegmentHeader, head: LogHead) -> Result<(SegmentFile, Arc<dyn File>), LogError> {
        let fs = &*self.env.file_system;
        let mut header = SegmentHeader::new(
            before.last_number + 1,
            directory::random_id(&self.env)?,
            before.store_id,
            before.last_link,
        );
        header.epoch = before.epoch;
        header.head = head;
        header.created_ns = self.env.clock.wall_ns();
        let next = directory::create_segment(fs, &self.dir, &header, &[])?;
        fs.sync_dir(&self.dir).map_err(|e| self.failed("sync", &e))?;
        Ok(next)
    }

    fn failed(&self, operation: &'static str, error: &std::io::Error) -> LogError {
        let failure = Failure { operation, reason: error.to_string(), kind: error.kind() };
        LogError::Failed { cause: self.sync.fail(failure) }
    }
}

impl Drop for Log {
    /// Closes it, if that was not done; errors are lost, so call [`Log::close`].
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl Writer {
    /// Whether the active segment holds nothing but its link.
    fn is_fresh(&self) -> bool {
        self.at <= (SEGMENT_HEADER_LEN + LINK_FRAME_LEN) as u64
    }

    /// Bytes that a frame may have so that the segment and its seal stay within `max`. The first frame always fits.
    fn room(&self, max: u64) -> u64 {
        if self.is_fresh() { u64::MAX } else { max.saturating_sub(self.at + SEAL_FRAME_LEN as u64) }
    }

    fn written(&self) -> Written {
        Written { frames: self.frames, sequence: self.sequence, offset: self.at, segment: self.header.number }
    }
}
