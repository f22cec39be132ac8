//! The group sync, in every order in which threads can meet: `cargo xtask loom`. A thread that nobody wakes, or that waits
//! for itself, is found by the model: it ends when all threads wait.

use crate::error::{Failure, LogError};
use crate::file_system::{Clock, File};
use crate::sync::{GroupSync, Written};
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Mutex, MutexGuard};
use loom::thread;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// It stands still, so nobody lingers.
#[derive(Debug)]
struct NoClock;

impl Clock for NoClock {
    fn wall_ns(&self) -> i64 {
        0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A file of which it matters how many frames were written, and how many of them a sync has covered.
#[derive(Debug)]
struct Disk {
    written: AtomicU64,
    durable: AtomicU64,
    is_syncing: AtomicBool,
    /// Whether the next sync fails. Those behind it succeed, as those of real systems do.
    fails: AtomicBool,
}

impl File for Disk {
    fn sync(&self) -> io::Result<()> {
        assert!(!self.is_syncing.swap(true, Ordering::Relaxed), "two threads sync at once");
        let fails = self.fails.swap(false, Ordering::Relaxed);
        if !fails {
            self.durable.store(self.written.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.is_syncing.store(false, Ordering::Relaxed);
        if fails { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    fn read_at(&self, _buf: &mut [u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_at(&self, _buf: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What a log is for its group sync: a writer behind its lock, and a file.
#[derive(Debug)]
struct Log {
    writer: Mutex<u64>,
    disk: Arc<Disk>,
    sync: GroupSync,
}

impl Log {
    fn new(fails: bool) -> Arc<Self> {
        let disk = Disk {
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            is_syncing: AtomicBool::new(false),
            fails: AtomicBool::new(fails),
        };
        Arc::new(Self {
            writer: Mutex::new(0),
            disk: Arc::new(disk),
            sync: GroupSync::new(&written(0), Arc::new(NoClock)),
        })
    }

    fn writer(&self) -> MutexGuard<'_, u64> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a frame and returns how many there are.
    fn append(&self) -> u64 {
        let mut frames = self.writer();
        *frames += 1;
        self.disk.written.store(*frames, Ordering::Relaxed);
        *frames
    }

    /// Waits until the first `frames` are durable.
    fn wait_for(&self, frames: u64) -> Result<(), LogError> {
        let target = || (written(*self.writer()), Arc::clone(&self.disk) as Arc<dyn File>);
        self.sync.wait(|sync| sync.durable_frames() >= frames, target, || ())
    }

    /// What every receipt rests on.
    #[track_caller]
    fn check(&self, frames: u64) {
        assert!(self.disk.durable.load(Ordering::Relaxed) >= frames, "it was told to be durable and is not");
    }

    fn append_synced(&self) -> bool {
        let frames = self.append();
        let is_durable = self.wait_for(frames).is_ok();
        if is_durable {
            self.check(frames);
        }
        is_durable
    }

    /// As the end of a segment does: no sync is under way, and what it syncs is durable.
    fn rotate(&self) {
        let leading = self.sync.lead_alone();
        let frames = self.writer();
        if self.disk.sync().is_ok() {
            leading.advance(&written(*frames));
        }
    }
}

fn written(frames: u64) -> Written {
    Written { frames, sequence: frames, offset: frames, segment: 0 }
}

/// A thread that uses the log.
fn begin<T: 'static>(log: &Arc<Log>, work: impl FnOnce(&Log) -> T + 'static) -> thread::JoinHandle<T> {
    let log = Arc::clone(log);
    thread::spawn(move || work(&log))
}

fn end<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("it does not panic")
}

/// Three threads meet in so many ways that fewer interruptions have to do.
fn model_of_three(run: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(run);
}

fn check_synced(threads: usize, fails: bool) {
    let log = Log::new(fails);
    let others: Vec<_> = (1..threads).map(|_| begin(&log, Log::append_synced)).collect();
    assert_eq!(log.append_synced(), !fails);
    for thread in others {
        assert_eq!(end(thread), !fails);
    }
    let durable = if fails { 0 } else { threads as u64 };
    assert_eq!(log.sync.durable_frames(), durable);
}

#[test]
fn who_returns_is_durable_and_nobody_waits_for_ever() {
    loom::model(|| check_synced(2, false));
    model_of_three(|| check_synced(3, false));
}

/// Otherwise somebody acknowledges what the failed sync has lost: the next sync may succeed.
#[test]
fn after_a_failed_sync_nobody_succeeds() {
    loom::model(|| check_synced(2, true));
    model_of_three(|| check_synced(3, true));
}

/// A reader has met damage.
fn fail(log: &Log) {
    let reason = String::new();
    log.sync.fail(Failure { operation: "read", reason, kind: io::ErrorKind::InvalidData });
}

#[test]
fn after_a_failure_told_by_a_reader_nobody_succeeds() {
    let run = |threads: usize| {
        let log = Log::new(false);
        let others: Vec<_> = (1..threads).map(|_| begin(&log, Log::append_synced)).collect();
        fail(&log);
        assert!(!log.append_synced(), "nothing is accepted any more");
        for thread in others {
            // It may have come before.
            let _ = end(thread);
        }
    };
    loom::model(move || run(2));
    model_of_three(move || run(3));
}

#[test]
fn a_failure_reaches_who_waits_for_a_sync_that_does_not_return() {
    loom::model(|| {
        let log = Log::new(false);
        let leading = log.sync.lead_alone();
        let waiting = begin(&log, Log::append_synced);
        fail(&log);
        assert!(!end(waiting));
        drop(leading);
    });
}

#[test]
fn the_end_of_a_segment_and_a_sync_take_turns() {
    let run = |threads: usize| {
        let log = Log::new(false);
        let others: Vec<_> = (1..threads).map(|_| begin(&log, Log::append_synced)).collect();
        log.rotate();
        assert!(others.into_iter().all(end));
    };
    loom::model(move || run(2));
    model_of_three(move || run(3));
}

/// What is told to who only asks holds as for who waits.
#[test]
fn what_is_durable_does_not_go_back() {
    loom::model(|| {
        let log = Log::new(false);
        let reader = begin(&log, |log| {
            let (first, second) = (log.sync.durable_frames(), log.sync.durable_frames());
            assert!(first <= second);
            log.check(second);
        });
        assert!(log.append_synced() && log.append_synced());
        end(reader);
    });
}
