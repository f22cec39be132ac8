//! Readers beside a writer that see what it appended since, whatever it did meanwhile.

use crate::random::Random;
use crate::store::{DIR, DIRECT, append, by, contents, end_of_frames, open, read, segment};
use batpak_segment::testing::{FaultyFileSystem, Operation};
use batpak_segment::{
    Damage, Environment, FileSystem, Frame, Log, LogConfig, LogError, LogReader, MemoryFileSystem, OpenMode, Pinned,
    Position, Unrecovered, WritePath,
};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

fn record(n: u64) -> Vec<u8> {
    let len = if n.is_multiple_of(101) { 40_000 } else { 1 + n * 37 % 900 };
    (0..len).map(|i| u8::try_from((n + i) % 251).unwrap()).collect()
}

/// A reader, and what it has pinned.
struct Follower {
    reader: LogReader,
    pinned: Vec<(u64, Pinned)>,
}

impl Follower {
    fn open(env: &Environment, dir: &Path, random: &mut Random) -> Self {
        let reader = LogReader::open(env, dir, 1 + random.index(3)).unwrap();
        Self { reader, pinned: Vec::new() }
    }

    /// Everything that was appended, and nothing else.
    fn refresh(&mut self, log: Option<&Log>, at: &[Position], random: &mut Random) {
        let before = (self.reader.end_sequence(), self.reader.segment_count());
        let is_new = self.reader.refresh().unwrap();
        assert_eq!(is_new, before != (self.reader.end_sequence(), self.reader.segment_count()));
        assert_eq!(self.reader.end_sequence(), at.len() as u64);
        if let Some(log) = log {
            assert_eq!(self.reader.segments(), log.reader().segments());
        }
        self.check(at, random);
    }

    fn check(&mut self, at: &[Position], random: &mut Random) {
        let end = usize::try_from(self.reader.end_sequence()).unwrap();
        for _ in 0..end.min(5) {
            let at = *random.pick(&at[..end]);
            assert!(self.reader.with_record(at, |bytes| bytes == record(at.sequence)).unwrap());
            let view = self.reader.view(at.sequence).unwrap();
            assert_eq!(view.read(at, &mut Vec::new()).unwrap(), record(at.sequence));
            if random.chance(5) {
                self.pinned.push((at.sequence, self.reader.pin(at).unwrap()));
            }
        }
        let from = (end as u64).saturating_sub(random.below(30));
        let mut found = 0;
        for (n, record_found) in (from..).zip(self.reader.records(from)) {
            assert_eq!(record_found.unwrap().bytes, record(n));
            found += 1;
        }
        assert_eq!(found, end as u64 - from);
        for (sequence, bytes) in &self.pinned {
            assert_eq!(**bytes, record(*sequence));
        }
    }
}

/// One life of a log: a writer and those who follow it.
struct Life<'a> {
    env: Environment,
    dir: PathBuf,
    random: &'a mut Random,
    segment_max_bytes: u64,
    log: Option<Log>,
    at: Vec<Position>,
    followers: Vec<Follower>,
}

impl Life<'_> {
    fn config(&mut self) -> LogConfig {
        self.segment_max_bytes = *self.random.pick(&[3000, 100_000, 3 << 20]);
        let write_path = *self.random.pick(&[WritePath::Direct, WritePath::Tail, WritePath::Tail]);
        LogConfig { segment_max_bytes: self.segment_max_bytes, write_path, ..LogConfig::default() }
    }

    fn reopen(&mut self) {
        let config = self.config();
        self.log = None;
        let (log, _) = Unrecovered::open(self.env.clone(), &self.dir, config).unwrap().recover().unwrap();
        assert_eq!(log.next_sequence(), self.at.len() as u64);
        self.log = Some(log);
    }

    fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    fn append(&mut self, records: u64) {
        let mut frame = Frame::new();
        let first = self.at.len() as u64;
        for n in first..first + records {
            frame.push(&record(n));
        }
        if records == 0 || self.random.chance(10) {
            frame.push_frame_record(300, b"beside the records").unwrap();
        }
        let appended = self.log().append_frame(&mut frame).unwrap();
        let position = |n: u64| Position {
            sequence: first + n,
            offset: appended.offset + frame.record_offset(usize::try_from(n).unwrap()),
        };
        self.at.extend((0..records).map(position));
    }

    /// Enough for a larger tail, or for some segments.
    fn append_many(&mut self) {
        let bytes = self.random.below(self.segment_max_bytes.clamp(20_000, 2 << 20));
        for _ in 0..bytes / 500 {
            self.append(1);
        }
    }

    /// The process dies. What it had reserved, and its tail, stay as they are.
    fn die(&mut self) {
        let log = self.log.take().unwrap();
        log.fail("die", &LogError::Closed);
        drop(log);
        if self.random.chance(50) {
            self.tear();
        }
    }

    /// A write that was under way when it died: some bytes behind the last frame.
    fn tear(&mut self) {
        let last = LogReader::open(&self.env, &self.dir, 1).unwrap().segments().pop().unwrap().number;
        let path = self.dir.join(format!("{last:010}.0000.fbat"));
        let file = self.env.file_system.open(&path, OpenMode::Write).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        let end = end_of_frames(&bytes).max(360);
        let torn = [&[0xAE, b'b', b'p', b'f', 64][..], &vec![7; self.random.index(200)]].concat();
        file.write_at(&torn, end as u64).unwrap();
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0 => {
                self.log().close().unwrap();
                self.log = None;
                self.refresh_one();
                self.reopen();
            }
            1 => {
                self.die();
                self.refresh_one();
                self.reopen();
            }
            2 => self.log().rotate().unwrap(),
            3 => self.log().prepare_next().unwrap(),
            4..=8 => self.log().sync().unwrap(),
            9 if self.followers.len() < 4 => {
                let follower = Follower::open(&self.env, &self.dir, self.random);
                assert_eq!(follower.reader.end_sequence(), self.at.len() as u64);
                self.followers.push(follower);
            }
            10 => self.append_many(),
            11..=14 => {
                let records = self.random.below(6);
                self.append(records);
            }
            15..=25 => self.append(1),
            _ => self.refresh_one(),
        }
    }

    fn refresh_one(&mut self) {
        let index = self.random.index(self.followers.len());
        self.followers[index].refresh(self.log.as_ref(), &self.at, self.random);
        let index = self.random.index(self.followers.len());
        self.followers[index].check(&self.at, self.random);
    }
}

fn live(env: &Environment, dir: &Path, seed: u64, steps: u64) {
    let random = &mut Random::new(seed);
    let (env, dir) = (env.clone(), dir.to_owned());
    let mut life = Life { env, dir, random, segment_max_bytes: 0, log: None, at: Vec::new(), followers: Vec::new() };
    life.reopen();
    life.followers.push(Follower::open(&life.env, &life.dir, life.random));
    for _ in 0..steps {
        life.step();
    }
    for follower in &mut life.followers {
        follower.refresh(life.log.as_ref(), &life.at, life.random);
        assert_eq!(contents(&follower.reader).len(), life.at.len());
    }
}

#[test]
fn followers_see_everything_whatever_the_writer_did_in_memory() {
    for seed in 0..30 {
        println!("seed {seed}");
        let env = crate::store::environment(&MemoryFileSystem::new());
        live(&env, Path::new(DIR), seed, 200);
    }
}

#[test]
fn followers_see_everything_whatever_the_writer_did_on_the_real_file_system() {
    for seed in 100..108 {
        println!("seed {seed}");
        let dir = tempfile::tempdir().unwrap();
        live(&Environment::default(), dir.path(), seed, 200);
    }
}

/// The fault disk checks that nothing is changed that somebody has mapped.
#[test]
fn followers_see_everything_whatever_the_writer_did_on_a_disk_that_watches() {
    for seed in 200..215 {
        println!("seed {seed}");
        live(&FaultyFileSystem::new().environment(), Path::new(DIR), seed, 100);
    }
}

/// Frames are overtaken in the tail while it is looked at, and segments are sealed.
#[test]
fn followers_of_a_writer_at_work_see_what_had_been_appended() {
    let dir = tempfile::tempdir().unwrap();
    let env = Environment::default();
    let config = LogConfig { segment_max_bytes: 2 << 20, ..LogConfig::default() };
    let (log, _) = Log::open(dir.path(), config).unwrap();
    let (log, appended, count) = (&log, &AtomicU64::new(0), 40_000);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (env, dir) = (&env, dir.path());
            scope.spawn(move || {
                let reader = LogReader::open(env, dir, 2).unwrap();
                while reader.end_sequence() < count {
                    let from = reader.end_sequence();
                    let at_least = appended.load(Ordering::Acquire);
                    reader.refresh().unwrap();
                    assert!(reader.end_sequence() >= at_least);
                    for (n, found) in (from..).zip(reader.records(from)) {
                        assert_eq!(found.unwrap().bytes, record(n));
                    }
                    let opened = LogReader::open(env, dir, 1).unwrap();
                    assert!(opened.end_sequence() >= at_least);
                }
            });
        }
        for n in 0..count {
            log.append(&record(n)).unwrap();
            appended.store(n + 1, Ordering::Release);
            if n % 1000 == 0 {
                log.sync().unwrap();
            }
        }
    });
}

/// A move that is under way when the reader comes ends while it looks, and the writer takes the place in the tail of
/// what was moved. What was appended after the move began is only in the tail.
#[test]
fn a_follower_that_is_overtaken_looks_again() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, by(WritePath::Tail));
    let log = Arc::new(log);
    append(&log, &[&[0; 100]]);
    let reader = beside(&fs);
    append(&log, &[&vec![1; 20_000], &vec![2; 20_000]]);
    let ([is_begun, goes_on, is_done], [begin, overtake, end]) = channels();
    fs.during(Operation::Write, "", move || {
        begin.send(()).unwrap();
        goes_on.recv().unwrap();
    });
    let syncing = std::thread::spawn({
        let log = Arc::clone(&log);
        move || {
            log.sync().unwrap();
            end.send(()).unwrap();
        }
    });
    is_begun.recv().unwrap();
    append(&log, &[&vec![3; 10_000]]);
    let writer = Arc::clone(&log);
    fs.during(Operation::Open, "batpak.tail", move || {
        overtake.send(()).unwrap();
        is_done.recv().unwrap();
        append(&writer, &[&vec![4; 20_000]]);
    });
    assert!(reader.refresh().unwrap());
    assert!(reader.end_sequence() >= 4, "{}", reader.end_sequence());
    syncing.join().unwrap();
}

/// Three channels, the ends that receive and the ends that send.
fn channels() -> ([Receiver<()>; 3], [Sender<()>; 3]) {
    let [(a, first), (b, second), (c, third)] = [(); 3].map(|()| channel());
    ([first, second, third], [a, b, c])
}

fn beside(fs: &FaultyFileSystem) -> LogReader {
    LogReader::open(&fs.environment(), Path::new(DIR), 1).unwrap()
}

#[test]
fn a_refresh_changes_nothing_and_costs_what_is_new() {
    for path in [WritePath::Direct, WritePath::Tail] {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, by(path));
        for n in 0..2000 {
            append(&log, &[&record(n)]);
        }
        let reader = beside(&fs);
        let refresh = || {
            let (calls, bytes, before) = (fs.calls(), fs.bytes_read(), fs.contents());
            let is_new = reader.refresh().unwrap();
            assert_eq!(fs.contents(), before);
            let only_reads = |call: &Operation| matches!(call, Operation::Open | Operation::Read | Operation::Length);
            assert!(fs.operations_since(calls).iter().all(only_reads), "{:?}", fs.operations_since(calls));
            (is_new, fs.bytes_read() - bytes)
        };
        let (is_new, bytes) = refresh();
        assert!(!is_new && bytes < 16_384, "{bytes} bytes were read");
        append(&log, &[b"one more"]);
        let (is_new, bytes) = refresh();
        assert!(is_new && bytes < 32_768, "{bytes} bytes were read");
        log.sync().unwrap();
        let (is_new, bytes) = refresh();
        assert!(!is_new && bytes < 2_000_000, "{bytes} bytes were read");
        assert!(refresh().1 < 16_384);
        assert_eq!(contents(&reader), contents(log.reader()));
    }
}

#[test]
fn the_reader_of_a_log_needs_no_refresh() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"there"]);
    assert!(!log.reader().refresh().unwrap());
    assert_eq!(contents(log.reader()), [b"there"]);
}

/// What has been seen stays readable from the tail after the writer has overwritten it there.
#[test]
fn what_was_seen_in_the_tail_is_read_after_it_was_moved() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, by(WritePath::Tail));
    let at = log.append(b"seen in the tail").unwrap();
    let reader = beside(&fs);
    let pinned = reader.pin(at).unwrap();
    for n in 0..400 {
        append(&log, &[&record(n)]);
    }
    log.close().unwrap();
    for _ in 0..2 {
        assert!(reader.with_record(at, |bytes| bytes == b"seen in the tail").unwrap());
        assert_eq!(&*pinned, b"seen in the tail");
        reader.refresh().unwrap();
    }
    assert_eq!(contents(&reader).len(), 401);
}

#[track_caller]
fn assert_changed(reader: &LogReader) {
    let before = reader.end_sequence();
    for _ in 0..2 {
        let error = reader.refresh().unwrap_err();
        let is_changed = matches!(error, LogError::Damaged { segment: 0, damage: Damage::Changed, .. });
        assert!(is_changed && error.is_corruption(), "{error}");
        assert_eq!(reader.end_sequence(), before);
    }
}

/// A reader that went on would tell a history that nobody else knows.
#[test]
fn what_was_seen_and_is_gone_is_an_error() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0", b"1"]);
    log.sync().unwrap();
    let older = read(&fs, &segment(0));
    append(&log, &[b"2", b"3"]);
    let end = end_of_frames(&read(&fs, &segment(0)));
    let good = read(&fs, &segment(0));
    let mut last_changed = good.clone();
    last_changed[end - 48] ^= 1;
    for bad in [&older, &good[..end - 1], &good[..256], &last_changed] {
        let left = fs.after_kill();
        let reader = beside(&left);
        assert_eq!(reader.end_sequence(), 4);
        left.put(segment(0), bad);
        assert_changed(&reader);
        left.put(segment(0), &good);
        assert!(!reader.refresh().unwrap());
        assert_eq!(contents(&reader).len(), 4);
    }
}

#[test]
fn another_history_of_the_segment_is_an_error() {
    let fs = FaultyFileSystem::new();
    drop(open(&fs, DIRECT));
    let twin = fs.after_kill();
    for (fs, record) in [(&fs, b"mine"), (&twin, b"hers")] {
        let (log, _) = open(fs, DIRECT);
        append(&log, &[record, b"same"]);
        log.close().unwrap();
    }
    let reader = beside(&fs);
    fs.put(segment(0), &read(&twin, &segment(0)));
    assert_changed(&reader);
}

/// The reader saw frames in the tail; the file went on with others.
#[test]
fn another_history_than_the_one_seen_in_the_tail_is_an_error() {
    for record in [&b"1 but not the same"[..], b"?"] {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, by(WritePath::Tail));
        append(&log, &[b"0"]);
        log.sync().unwrap();
        let twin = fs.after_kill();
        append(&log, &[b"1"]);
        let fs = fs.after_kill();
        let reader = beside(&fs);
        let (log, _) = open(&twin, DIRECT);
        append(&log, &[record, b"2"]);
        fs.put(segment(0), &read(&twin, &segment(0)));
        for _ in 0..2 {
            assert_changed(&reader);
            let _ = fs.remove_file(&Path::new(DIR).join("batpak.tail"));
        }
        assert_eq!(contents(&reader), [b"0", b"1"]);
    }
}

#[test]
fn what_was_seen_in_a_tail_that_is_gone_is_an_error() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, by(WritePath::Tail));
    append(&log, &[b"0", b"1"]);
    let fs = fs.after_kill();
    let (reader, path) = (beside(&fs), Path::new(DIR).join("batpak.tail"));
    let ring = read(&fs, &path);
    fs.remove_file(&path).unwrap();
    assert_changed(&reader);
    assert_eq!(contents(&reader), [b"0", b"1"]);
    fs.put(&path, &ring);
    assert!(!reader.refresh().unwrap());
    // The next writer moves it.
    let (log, _) = open(&fs, by(WritePath::Tail));
    append(&log, &[b"2"]);
    assert!(reader.refresh().unwrap());
    assert_eq!(contents(&reader), [b"0", b"1", b"2"]);
}

#[test]
fn a_segment_that_is_gone_is_an_error_until_it_is_back() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    let reader = beside(&fs);
    append(&log, &[b"1"]);
    log.rotate().unwrap();
    append(&log, &[b"2"]);
    let fs_segments = [0, 1].map(|number| read(&fs, &segment(number)));
    fs.remove_file(&segment(1)).unwrap();
    assert!(matches!(reader.refresh(), Err(LogError::MissingSegment { number: 1 })));
    assert_eq!(contents(&reader), [b"0", b"1"]);
    fs.remove_file(&segment(0)).unwrap();
    let error = reader.refresh().unwrap_err();
    assert!(matches!(&error, LogError::Io { source, .. } if source.kind() == ErrorKind::NotFound), "{error}");
    for (number, bytes) in (0..).zip(&fs_segments) {
        fs.put(segment(number), bytes);
    }
    assert!(reader.refresh().unwrap());
    assert_eq!(contents(&reader), [b"0", b"1", b"2"]);
}

#[test]
fn a_following_segment_of_another_store_is_an_error() {
    let [fs, other] = [(); 2].map(|()| {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, DIRECT);
        append(&log, &[b"0"]);
        (fs, log)
    });
    let reader = beside(&fs.0);
    for (_, log) in [&fs, &other] {
        log.rotate().unwrap();
        append(log, &[b"1"]);
    }
    fs.0.put(segment(1), &read(&other.0, &segment(1)));
    assert!(matches!(reader.refresh(), Err(LogError::BrokenLink { number: 1, .. })));
    assert_eq!(contents(&reader), [b"0"]);
}
