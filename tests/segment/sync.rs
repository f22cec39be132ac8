//! What is durable, who makes it so, and what happens when that fails.

use crate::store::{DIRECT, append, assert_failed, config, contents, open, reopened};
use batpak_segment::testing::{Fault, FaultyFileSystem, Operation, When};
use batpak_segment::{
    DirectoryEntry, Environment, File, FileSystem, Lock, LogConfig, LogError, MemoryFileSystem, OpenMode, Unrecovered,
};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

#[test]
fn nothing_is_called_durable_before_a_sync() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0", b"1"]);
    assert_eq!((log.durable_sequence(), log.unsynced().records), (0, 2));
    log.sync().unwrap();
    assert_eq!((log.durable_sequence(), log.unsynced().records, log.unsynced().bytes), (2, 0, 0));
    append(&log, &[b"2"]);
    log.sync_to(2).unwrap();
    assert_eq!(log.durable_sequence(), 2);
    log.sync_to(3).unwrap();
    assert_eq!(log.durable_sequence(), 3);
}

#[test]
fn a_sync_with_nothing_new_does_not_touch_the_disk() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    log.sync().unwrap();
    let calls = fs.calls();
    log.sync().unwrap();
    log.sync_to(1).unwrap();
    assert_eq!(fs.calls(), calls);
}

/// Otherwise the thread would sync again and again until somebody appended enough.
#[test]
fn waiting_for_what_was_never_appended_is_an_error() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    let error = log.sync_to(2).unwrap_err();
    assert!(matches!(error, LogError::InvalidOption { field: "sequence", max: 1, value: 2, .. }), "{error}");
}

#[test]
fn one_failed_sync_ends_writing_and_reads_go_on() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"durable"]);
    log.sync().unwrap();
    append(&log, &[b"unknown"]);
    fs.plan(When::Next(Operation::Sync), Fault::Once(ErrorKind::Other));
    assert_failed(log.sync(), "sync");
    let calls = fs.calls();
    assert_failed(log.sync(), "sync");
    assert_failed(log.sync_to(2), "sync");
    assert_failed(log.append(b"more"), "sync");
    assert_failed(log.rotate(), "sync");
    assert_failed(log.snapshot("/copy".as_ref()), "sync");
    assert_eq!(fs.calls(), calls, "the disk is not asked again");
    assert_eq!(log.durable_sequence(), 1);
    log.sync_to(1).unwrap();
    assert_eq!(contents(log.reader()), [&b"durable"[..], b"unknown"]);
    assert_failed(log.close(), "sync");
    assert!(matches!(log.close(), Err(LogError::Closed)));
    assert_eq!(log.durable_sequence(), 1);
}

#[test]
fn a_sync_that_succeeds_after_a_failure_makes_nothing_durable() {
    let fs = FaultyFileSystem::new();
    let log = Arc::new(open(&fs, DIRECT).0);
    append(&log, &[b"0"]);
    let reader = Arc::clone(&log);
    fs.during_the_next_sync(move || reader.fail("read", &LogError::Closed));
    assert_failed(log.sync(), "read");
    assert_eq!(log.durable_sequence(), 0);
}

#[test]
fn what_is_appended_during_a_sync_is_not_durable_by_it() {
    let fs = FaultyFileSystem::new();
    let log = Arc::new(open(&fs, DIRECT).0);
    append(&log, &[b"0"]);
    let other = Arc::clone(&log);
    fs.during_the_next_sync(move || append(&other, &[b"1"]));
    log.sync().unwrap();
    assert_eq!((log.durable_sequence(), log.next_sequence()), (1, 2));
}

#[test]
fn a_failure_told_by_a_reader_ends_writing_even_if_all_is_durable() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    log.sync().unwrap();
    log.fail("read", &LogError::MissingSegment { number: 7 });
    log.fail("read", &LogError::Closed);
    assert_failed(log.append(b"1"), "read");
    assert_failed(log.sync(), "read");
    assert!(log.failure().unwrap().reason.contains("segment 7"));
}

#[test]
fn threads_that_sync_at_once_all_get_what_they_were_promised() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(4096));
    let (log, disk) = (&log, &fs);
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            scope.spawn(move || {
                for i in 0..40_u32 {
                    let at = log.append(format!("{thread} {i}").as_bytes()).unwrap();
                    if i % 2 == 0 {
                        log.sync().unwrap();
                    } else {
                        log.sync_to(at.sequence + 1).unwrap();
                    }
                    assert!(log.durable_sequence() > at.sequence);
                    if i % 20 == 0 {
                        let (found, _) = reopened(&disk.after_power_cut(u64::from(i)), config(4096));
                        assert!(found.len() as u64 > at.sequence);
                    }
                }
            });
        }
    });
    assert_eq!(contents(log.reader()).len(), 320);
}

#[test]
fn when_the_sync_fails_every_thread_that_waits_learns_it() {
    for fault in [Fault::Once(ErrorKind::Other), Fault::Panic] {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, DIRECT);
        fs.plan(When::Next(Operation::Sync), fault);
        let log = &log;
        let (failed, unwound): (Vec<_>, Vec<_>) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let _ = log.append(b"unknown");
                        log.sync()
                    })
                })
                .collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).partition(Result::is_ok)
        });
        for result in failed {
            assert_failed(result.unwrap(), "sync");
        }
        assert_eq!(unwound.len(), usize::from(fault == Fault::Panic));
        assert_eq!(log.durable_sequence(), 0);
    }
}

#[test]
fn after_close_writing_says_so_and_reading_goes_on() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    log.close().unwrap();
    assert!(matches!(log.append(b"1"), Err(LogError::Closed)));
    assert!(matches!(log.rotate(), Err(LogError::Closed)));
    assert!(matches!(log.snapshot("/copy".as_ref()), Err(LogError::Closed)));
    assert!(matches!(log.close(), Err(LogError::Closed)));
    assert_eq!(contents(log.reader()), [b"0"]);
}

#[test]
fn marks_never_name_more_than_a_sync_has_covered() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let mark = |offset: u64| {
        let bytes = fs.contents().remove(0).1;
        let from = usize::try_from(offset).unwrap() + 24;
        bytes[from..from + 8].iter().rev().fold(0, |mark, byte| mark << 8 | u64::from(*byte))
    };
    let at = |record: &[u8]| log.append(record).unwrap().offset - 40;
    let (first, second) = (at(b"0"), at(b"1"));
    assert_eq!((mark(first), mark(second)), (first, first));
    log.sync().unwrap();
    let third = at(b"2");
    assert_eq!(mark(third), third);
}

/// The threads that use a log.
#[derive(Debug, Default)]
struct Threads {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    /// Those that are outside the log, and will call it.
    outside: u64,
    syncing: u64,
    /// How many have synced at the same time.
    most: u64,
}

impl Threads {
    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap());
        self.changed.notify_all();
    }

    /// Syncs for as long as others can come to it.
    fn sync(&self) {
        let mut counts = self.counts.lock().unwrap();
        counts.syncing += 1;
        counts.most = counts.most.max(counts.syncing);
        self.changed.wait_while(counts, |counts| counts.outside > 0).unwrap().syncing -= 1;
    }
}

/// Counts who syncs at the same time. Otherwise as the file that it stands before.
#[derive(Debug)]
struct Watched {
    file: Arc<dyn File>,
    threads: Arc<Threads>,
}

impl File for Watched {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> std::io::Result<usize> {
        self.file.write_at(buf, offset)
    }

    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> std::io::Result<()> {
        self.threads.sync();
        self.file.sync()
    }
}

#[derive(Debug, Default)]
struct WatchedFiles {
    memory: MemoryFileSystem,
    threads: Arc<Threads>,
}

impl FileSystem for WatchedFiles {
    fn create_dir_all(&self, path: &Path) -> std::io::Result<()> {
        self.memory.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> std::io::Result<Vec<DirectoryEntry>> {
        self.memory.read_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> std::io::Result<Arc<dyn File>> {
        let file = self.memory.open(path, mode)?;
        Ok(Arc::new(Watched { file, threads: Arc::clone(&self.threads) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.memory.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> std::io::Result<()> {
        self.memory.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        self.memory.sync_dir(path)
    }

    fn try_lock(&self, path: &Path, holder: &str) -> std::io::Result<Option<Box<dyn Lock>>> {
        self.memory.try_lock(path, holder)
    }
}

/// Of two syncs of one file at once the system tells only one that writing has failed: the other would acknowledge
/// what is lost. The next segment, which is made ahead, is another file.
#[test]
fn no_two_threads_sync_at_once() {
    let files = Arc::new(WatchedFiles::default());
    let environment = Environment { file_system: Arc::clone(&files) as _, ..Environment::default() };
    let log = Unrecovered::open(environment, Path::new("/log"), config(4096)).unwrap().recover().unwrap().0;
    let (log, threads) = (&log, &files.threads);
    threads.change(|counts| counts.outside = 6);
    std::thread::scope(|scope| {
        for thread in 0..6_u64 {
            scope.spawn(move || {
                for left in (0..40).rev() {
                    threads.change(|counts| counts.outside -= 1);
                    let at = log.append(&[7; 100]).unwrap();
                    match thread {
                        0 => log.rotate().unwrap(),
                        1 => log.sync().unwrap(),
                        _ => log.sync_to(at.sequence + 1).unwrap(),
                    }
                    threads.change(|counts| counts.outside += u64::from(left > 0));
                }
            });
        }
    });
    assert_eq!(threads.counts.lock().unwrap().most, 1);
    assert_eq!(contents(log.reader()).len(), 240);
}

/// The one who syncs tells what all would have to, before they go on.
#[test]
fn what_a_sync_made_durable_is_shown_before_anybody_goes_on() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, LogConfig::default());
    let (log, shown) = (&log, &AtomicU64::new(0));
    for _ in 0..20 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    let end = log.append(b"0").unwrap().sequence + 1;
                    log.sync_to_then(end, || {
                        shown.fetch_max(log.durable_sequence(), Ordering::SeqCst);
                    })
                    .unwrap();
                    assert!(shown.load(Ordering::SeqCst) >= end);
                });
            }
        });
    }
}
