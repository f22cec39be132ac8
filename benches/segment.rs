//! What the verbs of the segment log cost, on the real file system in a temporary directory.
//!
//! Items are records. `BATPAK_BENCH_DIR` says where the directory is made.
#![expect(clippy::unwrap_used, reason = "a bench stops where something fails")]

use batpak_segment::{Environment, Frame, Log, LogConfig, LogError, LogReader, Position, Unrecovered, WritePath};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

const SIZES: [usize; 2] = [128, 16 << 10];
const MANY: u64 = 100_000;

fn main() {
    divan::main();
}

fn directory() -> TempDir {
    std::env::var_os("BATPAK_BENCH_DIR").map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap()
}

fn open(dir: &Path) -> Log {
    Log::open(dir, LogConfig::default()).unwrap().0
}

fn one(record: &[u8]) -> Frame {
    let mut frame = Frame::new();
    frame.push(record);
    frame
}

/// A log of many records of 128 bytes, and where they are.
fn filled(dir: &Path) -> (Log, Vec<Position>) {
    let log = open(dir);
    let positions = (0..MANY).map(|_| log.append(&[7; 128]).unwrap()).collect();
    log.sync().unwrap();
    (log, positions)
}

#[divan::bench]
fn nothing(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| black_box(0));
}

#[divan::bench(args = SIZES)]
fn build_frame(bencher: Bencher<'_, '_>, size: usize) {
    let record = vec![7; size];
    let mut frame = Frame::new();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        frame.clear();
        frame.push(black_box(&record));
        frame.encoded_len()
    });
}

/// What the checksum alone of a record costs.
#[divan::bench(args = SIZES)]
fn crc(bencher: Bencher<'_, '_>, size: usize) {
    let record = vec![7; size];
    bencher.counter(BytesCount::new(size)).bench_local(|| crc32c::crc32c(black_box(&record)));
}

/// The floor of an append: the same bytes written at the end of a file.
#[divan::bench(args = SIZES)]
fn write_only(bencher: Bencher<'_, '_>, size: usize) {
    use std::io::Write;
    let dir = directory();
    let mut file = std::fs::File::create(dir.path().join("floor")).unwrap();
    let bytes = vec![7; size + 48];
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| file.write_all(black_box(&bytes)).unwrap());
}

#[divan::bench(args = SIZES)]
fn append(bencher: Bencher<'_, '_>, size: usize) {
    append_by(bencher, WritePath::Tail, size);
}

#[divan::bench(args = SIZES)]
fn append_directly(bencher: Bencher<'_, '_>, size: usize) {
    append_by(bencher, WritePath::Direct, size);
}

fn append_by(bencher: Bencher<'_, '_>, write_path: WritePath, size: usize) {
    let dir = directory();
    let (log, _) = Log::open(dir.path(), LogConfig { write_path, ..LogConfig::default() }).unwrap();
    let record = vec![7; size];
    let mut frame = Frame::new();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        frame.clear();
        frame.push(black_box(&record));
        log.append_frame(&mut frame).unwrap()
    });
}

#[divan::bench(args = [100, 1000])]
fn append_batch_of_128_bytes(bencher: Bencher<'_, '_>, records: usize) {
    let dir = directory();
    let log = open(dir.path());
    let record = [7; 128];
    let mut frame = Frame::new();
    bencher.counter(ItemsCount::new(records)).bench_local(|| {
        frame.clear();
        for _ in 0..records {
            frame.push(black_box(&record));
        }
        log.append_frame(&mut frame).unwrap()
    });
}

#[divan::bench(args = SIZES, sample_count = 50, sample_size = 20)]
fn append_and_sync(bencher: Bencher<'_, '_>, size: usize) {
    let dir = directory();
    let log = open(dir.path());
    let mut frame = one(&vec![7; size]);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        log.append_frame(&mut frame).unwrap();
        log.sync().unwrap();
    });
}

/// A sync with nothing new.
#[divan::bench]
fn sync_idle(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let log = open(dir.path());
    log.append(&[7; 128]).unwrap();
    log.sync().unwrap();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| log.sync().unwrap());
}

/// Each thread appends one record and waits for it.
#[divan::bench(threads = [1, 4, 16, 64], sample_count = 64, sample_size = 20)]
fn append_and_sync_in_threads(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let log = open(dir.path());
    bencher.counter(ItemsCount::new(1_u32)).bench(|| {
        log.append(black_box(&[7; 128])).unwrap();
        log.sync().unwrap();
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn rotate(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let log = open(dir.path());
    bencher.with_inputs(|| log.append(&[7; 128]).unwrap()).bench_local_values(|_| log.rotate().unwrap());
}

/// Reads of one thread's own kind of random positions, each of them a thousand.
fn read_at_random<T>(bencher: Bencher<'_, '_>, positions: &[Position], read: impl Fn(Position) -> T + Sync) {
    let seed = AtomicUsize::new(0);
    bencher.counter(ItemsCount::new(1000_u32)).with_inputs(|| seed.fetch_add(1, Ordering::Relaxed)).bench_values(
        |seed| {
            for n in 0..1000 {
                black_box(read(black_box(positions[(seed * 1000 + n) * 7919 % positions.len()])));
            }
        },
    );
}

/// In one sealed segment.
#[divan::bench(threads = [1, 2])]
fn read_with_record(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, positions) = filled(dir.path());
    log.rotate().unwrap();
    let reader = log.reader();
    read_at_random(bencher, &positions, |at| reader.with_record(at, |bytes| bytes[0]).unwrap());
}

/// In the segment that is written to.
#[divan::bench(threads = [1, 2])]
fn read_with_record_active(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, positions) = filled(dir.path());
    let reader = log.reader();
    read_at_random(bencher, &positions, |at| reader.with_record(at, |bytes| bytes[0]).unwrap());
}

#[divan::bench]
fn read_pinned(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, positions) = filled(dir.path());
    log.rotate().unwrap();
    read_at_random(bencher, &positions, |at| log.reader().pin(at).unwrap().len());
}

#[divan::bench]
fn read_view(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, positions) = filled(dir.path());
    log.rotate().unwrap();
    let view = log.reader().view(0).unwrap();
    read_at_random(bencher, &positions, |at| view.read(at, &mut Vec::new()).unwrap().len());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn read_records(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, _) = filled(dir.path());
    bencher.counter(ItemsCount::new(MANY)).bench_local(|| {
        let mut records = log.records(0);
        let mut bytes = 0;
        while let Some((_, record)) = records.next_record().unwrap() {
            bytes += record.len();
        }
        bytes
    });
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn open_after_close(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, _) = filled(dir.path());
    log.close().unwrap();
    drop(log);
    bencher.with_inputs(|| ()).bench_local_values(|()| open(dir.path()));
}

/// The process died without closing; everything had been synced.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn open_after_crash(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, _) = filled(dir.path());
    bencher.with_inputs(|| copy(dir.path())).bench_local_refs(|left| open(left.path()));
    drop(log);
}

fn copy(dir: &Path) -> TempDir {
    let left = directory();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let to = left.path().join(entry.file_name());
        std::fs::copy(entry.path(), &to).unwrap();
        std::fs::File::open(to).unwrap().sync_all().unwrap();
    }
    left
}

/// A reader beside a writer that has appended nothing.
#[divan::bench]
fn refresh_idle(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, _) = filled(dir.path());
    let reader = LogReader::open(&Environment::default(), dir.path(), 4).unwrap();
    bencher.bench_local(|| assert!(!reader.refresh().unwrap()));
    drop(log);
}

/// A reader beside a writer that has appended some records, and syncs now and then.
#[divan::bench(args = [1, 100], sample_size = 10)]
fn refresh(bencher: Bencher<'_, '_>, records: u64) {
    let dir = directory();
    let log = open(dir.path());
    let reader = LogReader::open(&Environment::default(), dir.path(), 4).unwrap();
    let append = || {
        for _ in 0..records {
            log.append(&[7; 128]).unwrap();
        }
        if log.unsynced().records > 1000 {
            log.sync().unwrap();
        }
    };
    bencher.counter(ItemsCount::new(records)).with_inputs(append).bench_local_values(|()| reader.refresh().unwrap());
}

/// What the log does before it writes: 260,000 records of 200 bytes in one segment, so many of them with each sync.
#[divan::bench(args = [1000, 1_000_000], sample_count = 10, sample_size = 1)]
fn recover_64_mib(bencher: Bencher<'_, '_>, records_per_sync: u64) {
    let dir = directory();
    let log = open(dir.path());
    for n in 0..260_000 {
        log.append(&[7; 200]).unwrap();
        if n % records_per_sync == records_per_sync - 1 {
            log.sync().unwrap();
        }
    }
    assert_eq!(log.reader().segment_count(), 1);
    bencher.with_inputs(|| copy(dir.path())).bench_local_refs(|left| {
        Unrecovered::open(Environment::default(), left.path(), LogConfig::default())
            .unwrap()
            .recover_after(|_, _| Err::<(), _>(LogError::Closed))
            .unwrap_err()
    });
    drop(log);
}

/// Opening what was closed, by the number of segments.
#[divan::bench(args = [1, 100, 1000], sample_count = 20, sample_size = 1)]
fn open_segments(bencher: Bencher<'_, '_>, segments: usize) {
    let dir = directory();
    let log = open(dir.path());
    for _ in 1..segments {
        log.append(&[7; 128]).unwrap();
        log.rotate().unwrap();
    }
    log.close().unwrap();
    drop(log);
    bencher.bench_local(|| LogReader::open(&Environment::default(), dir.path(), 4).unwrap());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn open_for_reading(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let (log, _) = filled(dir.path());
    bencher.bench_local(|| LogReader::open(&Environment::default(), dir.path(), 4).unwrap());
    drop(log);
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn close(bencher: Bencher<'_, '_>) {
    let log = || {
        let dir = directory();
        let log = open(dir.path());
        log.append(&[7; 128]).unwrap();
        (dir, log)
    };
    bencher.with_inputs(log).bench_local_refs(|(_, log)| log.close().unwrap());
}
