//! What the engines are asked to do.

pub(crate) mod crash;
pub(crate) mod disk;
pub(crate) mod memory;
pub(crate) mod mixed;
pub(crate) mod opening;
pub(crate) mod ours;
pub(crate) mod pairs;
pub(crate) mod reads;
pub(crate) mod single;
pub(crate) mod threads;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening};
use crate::event::Event;
use crate::fill::Fill;
use crate::line::{Line, print, progress};
use crate::machine::settle;
use crate::shelf::Shelf;

/// What can be lost at `Written`, in events.
pub(crate) const SYNC_EVERY: u64 = 1000;

/// A workload's view of the run.
pub(crate) struct Run<'a> {
    pub(crate) candidates: &'a [Candidate],
    pub(crate) dir: &'a Path,
    pub(crate) shelf: Shelf,
    pub(crate) quick: bool,
}

impl Run<'_> {
    /// The first number in a quick run, the second one otherwise.
    pub(crate) fn scaled<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.scaled(1, 3)
    }

    /// The engines of which `wanted` is true.
    pub(crate) fn those(&self, wanted: impl Fn(&Facts) -> bool) -> Vec<&Candidate> {
        self.candidates.iter().filter(|candidate| wanted(&candidate.facts)).collect()
    }

    /// The engines whose events are read again.
    pub(crate) fn readable(&self) -> Vec<&Candidate> {
        self.those(|facts| facts.reading.is_some())
    }

    /// How many events most of these have.
    pub(crate) fn readable_events(&self) -> u64 {
        self.scaled(20_000, 1_000_000)
    }

    /// Those that also hold ten million: the others would take too long to fill.
    pub(crate) fn large(&self) -> Vec<&Candidate> {
        self.those(|facts| matches!(facts.engine, "batpak" | "lmdb"))
    }

    pub(crate) fn large_fill(&self) -> Fill {
        Fill::in_batches(self.scaled(1_000_000, 10_000_000), 10_000)
    }

    pub(crate) fn candidate(&self, engine: &str) -> Result<&Candidate, Failure> {
        let found = self.candidates.iter().find(|candidate| candidate.facts.engine == engine);
        found.ok_or_else(|| format!("no engine `{engine}`").into())
    }
}

/// Runs `turn`; if it fails, says so and goes on.
pub(crate) fn attempt(
    workload: &'static str,
    engine: &'static str,
    turn: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    progress(&format!("{workload}: {engine}"));
    match turn() {
        Ok(()) => Ok(()),
        Err(error) => {
            progress(&format!("{workload}: {engine} failed: {error}"));
            print(&Line::Missing { engine, workload: Some(workload), reason: error.to_string() })
        }
    }
}

/// An engine in a directory of its own, which goes when this goes.
pub(crate) struct Opened {
    engine: Option<Box<dyn Engine>>,
    dir: PathBuf,
    written: Written,
}

/// How an event is made `Written` by an engine, with a sync after every 1000.
struct Written {
    by_itself: bool,
    since_sync: AtomicU64,
}

pub(crate) struct How {
    pub(crate) level: Level,
    pub(crate) threads: u64,
    pub(crate) max_events: u64,
}

impl Opened {
    pub(crate) fn new(run: &Run<'_>, candidate: &Candidate, how: &How) -> Result<Self, Failure> {
        let dir = run.dir.join(candidate.facts.engine);
        std::fs::create_dir(&dir)?;
        settle(run.dir)?;
        let mut opened = Self {
            engine: None,
            dir,
            written: Written {
                by_itself: candidate.facts.keeps_sync_policy || !candidate.facts.syncs,
                since_sync: AtomicU64::new(0),
            },
        };
        let How { level, threads, max_events } = *how;
        opened.engine = Some((candidate.open)(Opening { dir: &opened.dir, level, threads, max_events })?);
        // What was allocated or written ahead is no part of the appends.
        settle(run.dir)?;
        Ok(opened)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.engine()?.append(event, self.level(level, 1))
    }

    pub(crate) fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        self.engine()?.append_batch(events, self.level(level, events.len() as u64))
    }

    /// At `Written` every thousandth event is synced, and with it all before it.
    fn level(&self, asked: Level, events: u64) -> Level {
        if asked == Level::Synced || self.written.by_itself {
            return asked;
        }
        let before = self.written.since_sync.fetch_add(events, Ordering::Relaxed);
        if before / SYNC_EVERY == (before + events) / SYNC_EVERY { Level::Written } else { Level::Synced }
    }

    fn engine(&self) -> Result<&dyn Engine, Failure> {
        self.engine.as_deref().ok_or_else(|| "the engine is closed".into())
    }

    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        self.engine.take().map_or(Ok(()), Engine::close)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = self.close();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
