//! Freezing what is live and merging what is frozen: on a thread of its own, off the way of every append.
//!
//! Parts are merged four at a time with others of their size, so that each event is written a logarithm of times, and
//! a store has a logarithm of parts.

use crate::store::StoreError;
use crate::store::rebuild::offset_of;
use crate::store::shared::{Shared, Writing};
use batpak_index::{Live, Part, WriteError, merge, small_to_merge, to_merge};
use batpak_segment::Position;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

/// What there is to do for the thread that freezes, and the thread.
#[derive(Debug, Default)]
pub(crate) struct Freezing {
    /// A live part has ended. Relaxed: whoever sees it too late sees it with the next append.
    wanted: AtomicBool,
    state: Mutex<State>,
    wake: Condvar,
    stopped: AtomicBool,
    started: OnceLock<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct State {
    stop: bool,
    work: bool,
}

impl Freezing {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A live part has ended.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.state().work = true;
        self.wake.notify_all();
    }

    /// Starts the thread if there is something to do for it. Without it everything is frozen at a close.
    #[inline]
    pub(crate) fn ensure(&self, shared: &Arc<Shared>) {
        if self.wanted.load(Ordering::Relaxed) && self.started.get().is_none() && shared.config.has_threads() {
            self.start(shared);
        }
    }

    fn start(&self, shared: &Arc<Shared>) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() && !self.stopped.load(Ordering::Acquire) {
            let shared = Arc::clone(shared);
            *thread = thread::Builder::new().name("batpak-index".to_owned()).spawn(move || run(&shared)).ok();
            let _ = self.started.set(());
        }
    }

    /// Ends the thread and waits for it. What is begun is given up.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.state().stop = true;
        self.wake.notify_all();
        // Held meanwhile, so that another one who stops it waits too, and does not write parts beside it.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic of the file system has been reported by then, and leaves the index as it was.
            let _ = thread.join();
        }
    }

    /// Waits for work; false if there will be none.
    fn wait(&self) -> bool {
        let idle = |state: &mut State| !state.stop && !state.work;
        let mut state = self.wake.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        state.work = false;
        !state.stop
    }

    fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::Acquire)
    }
}

fn run(shared: &Shared) {
    let Some(writing) = shared.writing_or_none() else { return };
    let freezing = &writing.freezing;
    while freezing.wait() {
        freeze_and_merge(shared, writing);
    }
}

fn freeze_and_merge(shared: &Shared, writing: &Writing) {
    let goes_on = || writing.freezing.goes_on();
    // What fails now is tried again when the next live part ends, or at the close.
    let _ = shared.freeze_ended(writing, &goes_on);
    let _ = shared.save_kinds();
    let _ = shared.merge_parts(writing, to_merge, &goes_on);
}

/// What the thread would do now; false if that is nothing.
#[cfg(feature = "testing")]
pub(crate) fn step(shared: &Shared, writing: &Writing) -> bool {
    let has_work = std::mem::take(&mut writing.freezing.state().work);
    if has_work {
        freeze_and_merge(shared, writing);
    }
    has_work
}

impl Shared {
    /// Freezes all live parts that have ended.
    pub(crate) fn freeze_ended(&self, writing: &Writing, goes_on: &dyn Fn() -> bool) -> Result<(), StoreError> {
        while goes_on() {
            let tiers = self.index.snapshot();
            let mut live = tiers.live();
            let (Some(first), Some(_)) = (live.next(), live.next()) else { break };
            self.freeze(first)?;
            writing.commit().index.forget_frozen();
        }
        Ok(())
    }

    /// Puts everything that is not in a file yet into one, and merges what is small.
    pub(crate) fn save_index(&self, writing: &Writing) -> Result<(), StoreError> {
        let files = self.part_files();
        if !files.are_wanted() {
            return Ok(());
        }
        writing.commit().index.begin_live();
        self.freeze_ended(writing, &|| true)?;
        let listed = files.list().unwrap_or_default();
        for part in self.index.snapshot().parts().filter(|part| !listed.contains(&part.events())) {
            let last = part.row(part.rows() - 1).map_err(|damaged| not_written(&damaged.into()))?;
            let position = Position { sequence: last.sequence(), offset: last.offset.into() };
            let about = files.about(&part.events(), position)?;
            let written = files.write(&part.events(), |out| merge(&[part], &about, out, &|| true));
            written.map_err(|error| not_written(&error))?;
        }
        // Small parts are made one, so that opening and closing again and again does not add files.
        self.merge_parts(writing, small_to_merge, &|| true)
    }

    fn freeze(&self, live: &Live) -> Result<(), StoreError> {
        let files = self.part_files();
        let events = live.events();
        let last = self.row(events.end - 1)?;
        let last = Position { sequence: last.sequence(), offset: last.offset.into() };
        offset_of(last)?;
        let about = files.about(&events, last).map_err(|error| self.known(error))?;
        let mut bytes = Vec::new();
        live.to_builder().write(&about, &mut bytes).map_err(|error| not_written(&error))?;
        let part = files.keep(&events, bytes)?;
        self.index.replace(&[Arc::new(part)]);
        Ok(())
    }

    /// Merges parts as long as `which` says which of their sizes.
    pub(crate) fn merge_parts(
        &self,
        writing: &Writing,
        which: fn(&[u64]) -> Option<Range<usize>>,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), StoreError> {
        while goes_on() {
            let tiers = self.index.snapshot();
            let parts: Vec<&Part> = tiers.parts().map(|part| &**part).collect();
            let sizes: Vec<u64> = parts.iter().map(|part| part.rows().into()).collect();
            let Some(some) = which(&sizes) else { break };
            match self.merge_some(&parts[some], goes_on) {
                Err(WriteError::Damaged(damaged)) => self.rebuild(&damaged)?,
                Err(error) => return Err(not_written(&error)),
                Ok(()) => {}
            }
            if writing.log.failure().is_some() {
                break;
            }
        }
        Ok(())
    }

    fn merge_some(&self, parts: &[&Part], goes_on: &dyn Fn() -> bool) -> Result<(), WriteError> {
        let files = self.part_files();
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(()) };
        let events = first.events().start..last.events().end;
        let row = last.row(last.rows() - 1)?;
        let position = Position { sequence: row.sequence(), offset: row.offset.into() };
        let about = files.about(&events, position).map_err(std::io::Error::other)?;
        let in_file = files.are_wanted()
            && files.write(&events, |out| merge(parts, &about, out, goes_on)).map_or_else(stops, |()| Ok(true))?;
        let part = match files.load(&events) {
            Ok((part, _)) if in_file => part,
            _ => {
                let mut bytes = Vec::new();
                merge(parts, &about, &mut bytes, goes_on)?;
                files.in_memory(bytes).map_err(std::io::Error::other)?
            }
        };
        if self.index.replace(&[Arc::new(part)]) {
            files.remove(parts.iter().map(|part| part.events()));
        }
        Ok(())
    }
}

/// What a file that cannot be written means: it is not in a file. Everything else ends the merge.
fn stops(error: WriteError) -> Result<bool, WriteError> {
    if matches!(error, WriteError::Io(_)) { Ok(false) } else { Err(error) }
}

fn not_written(error: &WriteError) -> StoreError {
    StoreError::Corrupt { segment: None, offset: None, reason: format!("the index cannot be made: {error}") }
}
