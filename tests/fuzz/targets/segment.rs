//! A log of one segment and a tail, of any bytes: opening refuses it, or gives records whose crcs are right, in order,
//! of frames that continue each other; and then the log can be written.

use super::edits::Edit;
use super::frames::{self, Found, Layout};
use super::world::{DIR, World};
use arbitrary::Arbitrary;
use batpak_segment::{Log, LogConfig, LogError, LogReader, Record, Repair, Unrecovered, WritePath};
use std::path::Path;

const TAIL_LEN: usize = 64 << 10;

#[derive(Debug, Arbitrary)]
struct Written {
    frames: Vec<Spec>,
    /// Of the frames behind the link, those from this one on are in the tail only.
    in_tail: Option<u8>,
    edits: Vec<Edit>,
    tail_edits: Vec<Edit>,
    zeros: u8,
}

#[derive(Debug, Arbitrary)]
struct Spec {
    records: Vec<Vec<u8>>,
    beside: Beside,
    /// What it says instead of what is right.
    previous: Option<u32>,
    first_sequence: Option<u64>,
    mark: Mark,
}

#[derive(Debug, Arbitrary)]
enum Beside {
    Nothing,
    Mark,
    Seal { next: u8, end: Option<u64>, count: Option<u64> },
    Link { first_sequence: u64 },
    Other { record_type: u16, flags: u16, body: Vec<u8> },
    Short { byte: u8 },
}

#[derive(Debug, Arbitrary)]
enum Mark {
    Header,
    Here,
    Offset(u64),
}

/// A segment in the making.
struct Writer {
    bytes: Vec<u8>,
    previous: u32,
    sequence: u64,
    records: u64,
    /// Where each frame begins.
    frames: Vec<usize>,
    is_plain: bool,
}

impl Writer {
    fn new() -> Self {
        let bytes = frames::header();
        let previous = crc32c::crc32c(&bytes[..252]);
        let mut new = Self { bytes, previous, sequence: 0, records: 0, frames: Vec::new(), is_plain: true };
        new.push(&[], &[frames::link(0)], 256);
        new
    }

    fn push(&mut self, records: &[Vec<u8>], typed: &[Vec<u8>], mark: u64) {
        let (offset, previous) = (self.bytes.len() as u64, self.previous);
        let layout = Layout { offset, previous, first_sequence: self.sequence, mark, records, typed };
        let (bytes, crc) = layout.bytes();
        self.frames.push(self.bytes.len());
        self.bytes.extend(bytes);
        self.previous = crc;
        self.sequence = self.sequence.wrapping_add(records.len() as u64);
        self.records += records.len() as u64;
    }

    fn push_spec(&mut self, spec: &Spec) {
        self.is_plain &= spec.previous.is_none() && spec.first_sequence.is_none();
        self.is_plain &= matches!((&spec.beside, &spec.mark), (Beside::Nothing, Mark::Header | Mark::Here));
        self.previous = spec.previous.unwrap_or(self.previous);
        self.sequence = spec.first_sequence.unwrap_or(self.sequence);
        let mark = match spec.mark {
            Mark::Header => 256,
            Mark::Here => self.bytes.len() as u64,
            Mark::Offset(offset) => offset,
        };
        self.push(&spec.records, &self.beside(&spec.beside), mark);
    }

    fn beside(&self, beside: &Beside) -> Vec<Vec<u8>> {
        match beside {
            Beside::Nothing => Vec::new(),
            Beside::Mark => vec![frames::mark()],
            Beside::Seal { next, end, count } => {
                vec![frames::seal([*next; 16], end.unwrap_or(self.sequence), count.unwrap_or(self.records))]
            }
            Beside::Link { first_sequence } => vec![frames::link(*first_sequence)],
            Beside::Other { record_type, flags, body } => vec![frames::typed(*record_type, *flags, body)],
            Beside::Short { byte } => vec![vec![*byte]],
        }
    }

    /// The file, and the frames from one on, which are in the tail only.
    fn split(&self, at: Option<u8>) -> (Vec<u8>, Option<Vec<u8>>) {
        let at = at.and_then(|frame| self.frames.get(1 + usize::from(frame)));
        let Some(&at) = at.filter(|at| self.bytes.len() - **at <= TAIL_LEN) else { return (self.bytes.clone(), None) };
        let mut ring = vec![0; TAIL_LEN];
        (at..).zip(&self.bytes[at..]).for_each(|(place, byte)| ring[place % TAIL_LEN] = *byte);
        (self.bytes[..at].to_vec(), Some(ring))
    }
}

/// The first byte says what the others are: the file, what follows a header that is right, or what to write.
pub(super) fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, bytes)) => Case::new(bytes.to_vec(), None, None).check(),
        Some((1, bytes)) => Case::new([&frames::header()[..], bytes].concat(), None, None).check(),
        Some((_, rest)) => super::input::<Written>(rest).iter().for_each(Written::check),
        None => {}
    }
}

impl Written {
    fn check(&self) {
        let mut writer = Writer::new();
        self.frames.iter().for_each(|spec| writer.push_spec(spec));
        let (mut file, mut tail) = writer.split(self.in_tail);
        file.resize(file.len() + usize::from(self.zeros) * 8, 0);
        // A frame that is in the tail only is not known to be durable.
        let here = self.frames.iter().any(|spec| matches!(spec.mark, Mark::Here));
        let is_whole =
            writer.is_plain && !(here && tail.is_some()) && self.edits.is_empty() && self.tail_edits.is_empty();
        self.edits.iter().for_each(|edit| edit.apply(&mut file));
        if let Some(tail) = &mut tail {
            self.tail_edits.iter().for_each(|edit| edit.apply(tail));
        }
        Case::new(file, tail, is_whole.then_some(writer.records)).check();
    }
}

struct Case {
    world: World,
    /// What a reader that was written from the specification finds at most.
    readable: Vec<Found>,
    /// How many records there are, if nothing is wrong.
    whole: Option<u64>,
    /// Whether the frames that can be read reach to the end of the file.
    is_read: bool,
}

impl Case {
    fn new(file: Vec<u8>, tail: Option<Vec<u8>>, whole: Option<u64>) -> Self {
        let world = World::new(0);
        let (mut readable, end) = frames::read_all(&file);
        let is_read = end.at == file.len() as u64;
        if let Some(ring) = tail.as_ref().filter(|ring| ring.len().is_power_of_two() && ring.len() >= TAIL_LEN) {
            let at = usize::try_from(end.at).expect("an index") % ring.len();
            let unrolled = [&ring[at..], &ring[..at]].concat();
            let (more, _) = frames::read_from(&unrolled, end);
            readable.extend(more);
        }
        world.files.write(format!("{DIR}/0000000000.0000.fbat"), file);
        if let Some(tail) = tail {
            world.files.write(format!("{DIR}/batpak.tail"), tail);
        }
        Self { world, readable, whole, is_read }
    }

    fn check(&self) {
        let beside = LogReader::open(&self.world.environment(), Path::new(DIR), 1);
        let beside = beside.map(|reader| (reader.records(0).collect::<Result<Vec<Record>, LogError>>(), reader));
        if let Ok((Ok(records), reader)) = &beside {
            self.check_records(records, reader.end_sequence());
        }
        let opened = open(&self.world);
        assert!(opened.is_ok() || self.whole.is_none(), "{:?}", opened.err());
        let Ok((log, repair)) = opened else { return };
        assert!(self.whole.is_none() || repair.torn.is_none(), "{repair:?}");
        let Some(records) = self.read(&log) else { return };
        if let Ok((Ok(beside), _)) = beside {
            assert_eq!(beside, records, "who only reads sees what a writer finds");
        }
        // After a close only the end is looked at: damage that holds no record is met by nobody but a full scan.
        if self.is_read || !repair.closed_cleanly {
            self.check_writing(log, records);
        }
    }

    /// All records, unless damage is met, which is told behind those that are sound.
    fn read(&self, log: &Log) -> Option<Vec<Record>> {
        let mut records = Vec::new();
        let mut failed = None;
        for record in log.records(0) {
            match record {
                Ok(record) => records.push(record),
                Err(error) => failed = Some(error),
            }
        }
        self.check_prefix(&records);
        let mut buffer = Vec::new();
        for record in &records {
            assert_eq!(log.read(record.position, &mut buffer).expect("it was read"), record.bytes);
        }
        assert!(failed.is_none() || self.whole.is_none(), "{failed:?}");
        if failed.is_some() {
            return None;
        }
        self.check_records(&records, log.next_sequence());
        Some(records)
    }

    /// Each is one of those that can be read, in order, none left out.
    fn check_prefix(&self, records: &[Record]) {
        assert!(records.len() <= self.readable.len(), "{} records", records.len());
        for (record, (sequence, offset, content)) in records.iter().zip(&self.readable) {
            assert_eq!((record.position.sequence, record.position.offset), (*sequence, *offset));
            assert_eq!(record.bytes, *content);
        }
    }

    /// They are all of those below `end`.
    fn check_records(&self, records: &[Record], end: u64) {
        self.check_prefix(records);
        assert_eq!(records.len() as u64, end, "none is left out without a word");
        assert!(self.whole.is_none_or(|whole| whole == records.len() as u64), "{} records", records.len());
    }

    /// What was opened can be appended to, and nothing is lost by that.
    fn check_writing(&self, log: Log, mut records: Vec<Record>) {
        let next = log.next_sequence();
        match log.append(b"one more") {
            Ok(position) => records.push(Record { position, bytes: b"one more".to_vec() }),
            Err(LogError::TooLarge { .. }) => return assert!(next >= 1 << 40),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(records.last().expect("one").position.sequence, next);
        let killed = self.world.after_kill();
        assert_eq!(reopened(&killed), records);
        log.close().expect("closes");
        drop(log);
        assert_eq!(reopened(&self.world), records);
    }
}

fn open(world: &World) -> Result<(Log, Repair), LogError> {
    let config =
        LogConfig { segment_max_bytes: 4096, fd_budget: 1, write_path: WritePath::Direct, ..LogConfig::default() };
    Unrecovered::open(world.environment(), Path::new(DIR), config)?.recover()
}

fn reopened(world: &World) -> Vec<Record> {
    let (log, _) = open(world).expect("opens again");
    log.records(0).collect::<Result<_, _>>().expect("what was there")
}
