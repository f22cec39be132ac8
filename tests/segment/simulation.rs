//! A life of crashes: a log is written, killed, cut off and opened again, and what it promised is compared with what
//! is there.
//!
//! `BATPAK_SIM_RUNS` sets the number of lives, `BATPAK_SIM_SEED` the first of their seeds. A life that fails names its
//! seed; with `BATPAK_SIM_RUNS=1` and that seed it is lived again.

use crate::random::Random;
use crate::store::{DIR, open_in};
use batpak_segment::testing::{Fault, FaultyFileSystem, When};
use batpak_segment::{Frame, Log, LogConfig, LogError, LogReader, WritePath};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

type Bytes = Vec<u8>;

/// How large things are: small ones for many crashes, larger ones so that a tail is filled and becomes a large one.
struct Scale {
    segment_max_bytes: &'static [u64],
    record_max_bytes: &'static [usize],
}

const SMALL: Scale = Scale { segment_max_bytes: &[512, 700, 1024, 4096], record_max_bytes: &[1, 40, 300, 1500] };
const MEDIUM: Scale = Scale { segment_max_bytes: &[100_000, 300_000], record_max_bytes: &[40, 4000, 20_000, 40_000] };
const LARGE: Scale = Scale { segment_max_bytes: &[3 << 20], record_max_bytes: &[300, 60_000, 200_000] };

/// What a log was told and what it said.
#[derive(Default)]
struct Model {
    record_max_bytes: &'static [usize],
    /// All records that were acknowledged, and those of the commit that failed, if one did.
    records: Vec<Bytes>,
    /// Where commits end.
    ends: Vec<usize>,
    /// How many records were acknowledged.
    acknowledged: usize,
    /// How many were promised to survive a power cut.
    promised: usize,
    /// Records that were cut.
    gone: HashSet<Bytes>,
    /// The first commit that was cut last.
    lost: Vec<Bytes>,
    /// Copies that were finished, and how many records each has.
    copies: Vec<(PathBuf, usize)>,
    made: u64,
}

impl Model {
    /// A record unlike any other.
    fn record(&mut self, random: &mut Random) -> Bytes {
        self.made += 1;
        let mut record = format!("{:08}", self.made).into_bytes();
        let most = *random.pick(self.record_max_bytes);
        record.resize(8 + random.index(most), b'a' + u8::try_from(self.made % 26).unwrap());
        record
    }

    fn promise(&mut self, records: usize) {
        self.promised = self.promised.max(records);
    }

    /// Compares what was found with what may be there, given how many records must be.
    fn compare(&mut self, found: &[Bytes], at_least: usize) {
        assert!(found.len() >= at_least, "{at_least} records must be there, {} are", found.len());
        assert!(found.len() <= self.records.len(), "there are records that were never appended");
        assert_eq!(found, &self.records[..found.len()], "records differ");
        assert!(found.is_empty() || self.ends.contains(&found.len()), "half of a batch is there");
        for record in found {
            assert!(!self.gone.contains(record), "a record that was cut is back");
        }
    }

    /// What is not among the `kept` first records is never to be seen again.
    fn cut(&mut self, kept: usize) {
        let first_lost = self.ends.iter().copied().find(|end| *end > kept);
        self.lost = first_lost.map_or(Vec::new(), |end| self.records[kept..end].to_vec());
        self.gone.extend(self.records.drain(kept..));
        self.ends.retain(|end| *end <= kept);
        self.acknowledged = kept;
        self.promised = kept;
    }
}

/// One process that uses the log, until it ends or something fails.
struct Session<'a> {
    fs: &'a FaultyFileSystem,
    log: Log,
    model: &'a mut Model,
    random: &'a mut Random,
}

impl Session<'_> {
    fn live(&mut self) -> Result<(), LogError> {
        for _ in 0..self.random.below(40) {
            if self.fs.has_crashed() {
                // What a tail takes now is taken by a process that is dead.
                return Ok(());
            }
            match self.random.below(22) {
                0..=9 => self.append(1)?,
                10..=12 => {
                    let records = 2 + self.random.index(5);
                    self.append(records)?;
                }
                13..=15 => self.sync()?,
                16 => self.rotate()?,
                17 => self.check(self.log.reader()),
                18 => self.read_beside()?,
                19 => self.fs.write_back(),
                20 => self.log.prepare_next()?,
                _ => self.copy()?,
            }
            self.model.promise(usize::try_from(self.log.durable_sequence()).unwrap());
        }
        if self.random.chance(30) && !self.fs.has_crashed() {
            self.log.close()?;
            self.model.promise(self.model.acknowledged);
        }
        Ok(())
    }

    fn append(&mut self, records: usize) -> Result<(), LogError> {
        let mut records: Vec<_> = (0..records).map(|_| self.model.record(self.random)).collect();
        let lost = std::mem::take(&mut self.model.lost);
        if !lost.is_empty() && self.random.chance(80) {
            // Tried again, byte for byte: what stood behind it must not come back with it.
            self.model.gone.retain(|record| !lost.contains(record));
            records = lost;
        }
        let mut frame = Frame::new();
        for record in records {
            frame.push(&record);
            if record.len() % 5 == 0 {
                frame.push_frame_record(256, b"a position")?;
            }
            self.model.records.push(record);
        }
        self.model.ends.push(self.model.records.len());
        let before = self.model.acknowledged as u64;
        match self.log.append_frame(&mut frame) {
            Ok(appended) => {
                assert_eq!(appended.first_sequence, before);
                if self.fs.has_crashed() {
                    return Ok(());
                }
                self.model.acknowledged = self.model.records.len();
                Ok(())
            }
            Err(error) => {
                assert!(!error.is_corruption(), "{error}");
                if !matches!(error, LogError::Failed { .. }) {
                    // Refused: it must not be there, ever.
                    let kept = self.model.acknowledged;
                    let promised = self.model.promised;
                    self.model.cut(kept);
                    self.model.promised = promised;
                }
                Err(error)
            }
        }
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.log.sync()?;
        self.model.promise(self.model.acknowledged);
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        self.log.rotate()
    }

    fn read_beside(&mut self) -> Result<(), LogError> {
        let reader = LogReader::open(&self.fs.environment(), Path::new(DIR), 2)?;
        self.check(&reader);
        Ok(())
    }

    fn check(&self, reader: &LogReader) {
        let found: Result<Vec<_>, _> = reader.records(0).map(|r| r.map(|r| r.bytes)).collect();
        match found {
            Ok(found) => assert_eq!(found, self.model.records[..self.model.acknowledged]),
            Err(error) => assert!(self.fs.hits() > 0 && !error.is_corruption(), "{error}"),
        }
    }

    fn copy(&mut self) -> Result<(), LogError> {
        let dir = PathBuf::from(format!("/copies/{}", self.model.made));
        match self.log.snapshot(&dir) {
            Err(LogError::NotEmpty { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                self.model.promise(self.model.acknowledged);
                self.model.copies.push((dir, self.model.acknowledged));
                Ok(())
            }
        }
    }
}

const KINDS: [io::ErrorKind; 2] = [io::ErrorKind::Other, io::ErrorKind::StorageFull];

fn plan(fs: &FaultyFileSystem, random: &mut Random, recovering: bool) {
    if !recovering && random.chance(20) {
        return;
    }
    let within = if recovering { 40 } else { *random.pick(&[20, 60, 200]) };
    let call = When::Call(1 + random.below(within));
    let kind = *random.pick(&KINDS);
    let fault = match random.below(if recovering { 3 } else { 10 }) {
        1 => Fault::Once(kind),
        2 => Fault::ForGood(kind),
        3 => Fault::Short,
        4 => Fault::ShortThenFull,
        5 => Fault::Once(io::ErrorKind::Interrupted),
        _ => Fault::Crash,
    };
    fs.plan(call, fault);
}

/// One session on a machine. Returns the machine that it leaves, and how many records must be there if only the process
/// dies.
fn session(
    fs: &FaultyFileSystem,
    model: &mut Model,
    random: &mut Random,
    config: LogConfig,
    at_least: usize,
) -> (FaultyFileSystem, usize) {
    let log = match open_in(&fs.environment(), config) {
        Ok((log, _)) => log,
        Err(error) => {
            assert!(fs.hits() > 0 && !error.is_corruption(), "opening fails: {error}");
            return (fs.clone(), at_least);
        }
    };
    let found: Vec<_> = match log.records(0).map(|r| r.map(|r| r.bytes)).collect() {
        Ok(found) => found,
        Err(error) => {
            assert!(fs.hits() > 0 && !error.is_corruption(), "reading fails: {error}");
            return (fs.clone(), at_least);
        }
    };
    model.compare(&found, at_least);
    assert_eq!(log.next_sequence(), found.len() as u64);
    model.cut(found.len());
    let mut session = Session { fs, log, model, random };
    if let Err(error) = session.live() {
        assert!(fs.hits() > 0 && !error.is_corruption(), "{error}");
        if matches!(error, LogError::Failed { .. }) {
            assert!(matches!(session.log.append(b"after a failure"), Err(LogError::Failed { .. })));
            assert!(session.log.sync().is_err());
        }
    }
    session.model.promise(usize::try_from(session.log.durable_sequence()).unwrap());
    let acknowledged = session.model.acknowledged;
    // Dropping the log closes it, and whatever fails then is lost with it.
    let left = if session.random.chance(60) { fs.after_kill() } else { fs.clone() };
    drop(session);
    (left, acknowledged)
}

fn check_copies(fs: &FaultyFileSystem, model: &Model, before: &[Bytes]) {
    for (dir, records) in &model.copies {
        let reader = LogReader::open(&fs.environment(), dir, 2).unwrap();
        let found: Vec<_> = reader.records(0).map(|r| r.unwrap().bytes).collect();
        assert_eq!(found, before[..*records], "a copy differs");
    }
}

fn live(seed: u64) {
    let random = &mut Random::new(seed);
    let scale = match random.below(200) {
        0 => LARGE,
        1..=9 => MEDIUM,
        _ => SMALL,
    };
    let model = &mut Model { record_max_bytes: scale.record_max_bytes, ..Model::default() };
    let segment_max_bytes = *random.pick(scale.segment_max_bytes);
    let mut config = LogConfig { segment_max_bytes, fd_budget: 1 + random.index(3), ..LogConfig::default() };
    let mut fs = FaultyFileSystem::new();
    fs.set_abilities(random.chance(94), random.chance(94));
    let mut at_least = 0;
    for _ in 0..2 + random.below(4) {
        for depth in 0..=random.below(4) {
            plan(&fs, random, depth > 0);
            config.write_path = *random.pick(&[WritePath::Direct, WritePath::Tail, WritePath::Tail, WritePath::Tail]);
            let (left, acknowledged) = session(&fs, model, random, config, at_least);
            let before = model.records.clone();
            (fs, at_least) = if random.chance(65) {
                (left.after_power_cut(random.next()), model.promised)
            } else {
                (left.after_kill(), acknowledged)
            };
            check_copies(&fs, model, &before);
            model.copies.clear();
        }
    }
    session(&fs, model, random, config, at_least);
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn what_was_promised_survives_crashes_at_random_calls() {
    let runs = setting("BATPAK_SIM_RUNS", 3000);
    let first = setting("BATPAK_SIM_SEED", 1);
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for seed in (first..first + runs).filter(|seed| seed % threads == thread) {
                    if let Err(panic) = std::panic::catch_unwind(|| live(seed)) {
                        eprintln!("the life with BATPAK_SIM_SEED={seed} failed");
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    });
}
