//! One process that uses a store, until it ends or the power fails.

use crate::checking::{check_conditions, compare, compare_paths};
use crate::life::{Ended, Life};
use crate::model::Copy;
use crate::trace::trace;
use batpak::store::{Store, StoreConfig, StoreError, SyncConfig};
use batpak::testing::FaultyFileSystem;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) struct Session<'l> {
    pub(crate) life: &'l mut Life,
    pub(crate) store: Store,
    pub(crate) config: StoreConfig,
    pub(crate) policy: SyncConfig,
    /// A store for reading only, as another process has it.
    follower: Option<Store>,
    /// How many events were durable when writing ended, if it has.
    failed: Option<u64>,
}

/// An error is right only where a call has failed, and is never said to be damage. Short and interrupted reads and writes
/// are no failures.
#[track_caller]
pub(crate) fn tolerate(files: &FaultyFileSystem, error: &StoreError) {
    assert!(files.errors() > 0 || files.has_crashed(), "no call has failed: {error:?}");
    assert!(!error.is_corruption(), "nothing was damaged: {error:?}");
}

impl<'l> Session<'l> {
    pub(crate) fn new(life: &'l mut Life, store: Store, config: StoreConfig, policy: SyncConfig) -> Self {
        Self { life, store, config, policy, follower: None, failed: None }
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.life.files.has_crashed()
    }

    /// Works for a while. What is told after the power has failed is told by nobody.
    pub(crate) fn live(mut self) {
        self.life.plan_for_work();
        let looked = self.look_closer();
        self.note(looked);
        for _ in 0..self.life.random.below(30) {
            if self.has_crashed() {
                break;
            }
            self.step();
            self.check_watermarks();
        }
        self.end();
    }

    fn step(&mut self) {
        if self.life.random.chance(30) {
            self.life.clock.advance(Duration::from_millis(self.life.random.below(60)));
        }
        let which = self.life.random.below(100);
        trace(|| format!("step {which} at call {}", self.life.files.calls()));
        let result = match which {
            0..18 => return self.append(),
            18..26 => return self.sell(),
            26..28 => return self.commit_what_is_refused(),
            28..32 => return self.append_watched(),
            32..43 => return self.append_batch(),
            43..50 => return self.submit_some(),
            50..57 => return self.append_lost(),
            57..63 => return self.append_what_is_refused(),
            63..66 => self.sync(),
            66..68 => return self.sync_while_others_append(),
            68..71 => self.wait_durable(),
            71..80 => self.store.sync_as_due().map(drop),
            80..88 => self.freeze(),
            88..91 => self.look(),
            91..93 => self.look_closer(),
            93..95 => self.follow(),
            95..97 => {
                self.life.files.write_back();
                Ok(())
            }
            _ => self.snapshot(),
        };
        self.note(result);
    }

    /// An error where something went wrong.
    pub(crate) fn note(&mut self, result: Result<(), StoreError>) {
        let Err(error) = result else { return };
        trace(|| format!("error {error:?}"));
        tolerate(&self.life.files, &error);
        self.note_failure(&error);
    }

    pub(crate) fn note_failure(&mut self, error: &StoreError) {
        if matches!(error, StoreError::Failed { .. }) && !self.has_crashed() {
            self.failed.get_or_insert(self.store.diagnostics().durable);
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// What is durable is promised; after a failure nothing more becomes so.
    pub(crate) fn check_watermarks(&mut self) {
        if self.has_crashed() {
            return;
        }
        let diagnostics = self.store.diagnostics();
        if let Some(durable) = self.failed {
            assert_eq!(diagnostics.durable, durable, "after a failure nothing becomes durable");
            assert!(diagnostics.failure.is_some(), "a failure lasts");
        }
        let visible = usize::try_from(diagnostics.visible).expect("a number of events");
        assert!(visible >= self.life.model.acknowledged, "what is acknowledged is visible");
        self.life.model.promise(usize::try_from(diagnostics.durable).expect("a number of events"));
    }

    fn freeze(&mut self) -> Result<(), StoreError> {
        let before = self.store.diagnostics();
        self.store.freeze_as_due()?;
        let after = self.store.diagnostics();
        let tally = &mut self.life.tally;
        tally.freezes += u64::from(after.events_to_freeze < before.events_to_freeze);
        // Each live part that ended becomes one of the index, so fewer there are only if some were merged.
        tally.merges += u64::from(after.index_parts < before.index_parts);
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        let synced = self.store.sync();
        self.promise_all(synced)
    }

    /// Everything that was acknowledged is promised, unless the process was dead by then.
    fn promise_all(&mut self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        if result.is_ok() && !self.has_crashed() {
            assert!(!self.has_failed(), "after a failure nothing becomes durable");
            self.life.model.promise(self.life.model.acknowledged);
        }
        result
    }

    fn wait_durable(&mut self) -> Result<(), StoreError> {
        let events = self.life.model.acknowledged;
        if events == 0 {
            return Ok(());
        }
        let sequence = self.life.random.index(events);
        self.store.wait_durable(sequence as u64)?;
        if !self.has_crashed() {
            self.life.model.promise(sequence + 1);
        }
        Ok(())
    }

    /// Who reads beside the writer sees all that the writer shows.
    fn follow(&mut self) -> Result<(), StoreError> {
        if self.follower.is_none() {
            self.follower = Some(Store::open_read_only(self.config.clone())?);
        }
        let Some(follower) = &self.follower else { return Ok(()) };
        follower.refresh()?;
        let (seen, shown) = (follower.diagnostics().visible, self.store.diagnostics().visible);
        assert!(seen <= shown, "a reader sees {seen} events, the writer shows {shown}");
        // Where the writer could not say how far it is, its reader sees less.
        let at_least = if self.life.files.errors() > 0 { 0 } else { self.life.model.acknowledged };
        compare(follower, &mut self.life.model, at_least).map(drop)
    }

    fn look(&mut self) -> Result<(), StoreError> {
        let acknowledged = self.life.model.acknowledged;
        compare(&self.store, &mut self.life.model, acknowledged).map(drop)
    }

    fn look_closer(&mut self) -> Result<(), StoreError> {
        if self.has_failed() {
            return Ok(());
        }
        let Life { model, random, files, .. } = &mut *self.life;
        check_conditions(&self.store, model, random)?;
        if random.chance(30) && files.errors() == 0 {
            let acknowledged = model.acknowledged;
            compare_paths(&self.config, model, acknowledged)?;
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<(), StoreError> {
        let dir = PathBuf::from(format!("/copies/{}", self.life.model.next_number()));
        let copied = self.store.snapshot(&dir);
        let is_finished = copied.is_ok() && !self.has_crashed();
        let events = self.life.model.acknowledged;
        // After a failure more may be copied than was acknowledged.
        if !self.has_failed() {
            self.life.model.copies.push(Copy { dir, events, is_finished });
        }
        self.promise_all(copied)
    }

    fn writes_index(&self) -> bool {
        self.config.enable_mmap_index || self.config.enable_checkpoint
    }

    /// The process is killed, or closes its store, or forgets to.
    fn end(mut self) {
        self.life.keep(self.life.model.acknowledged);
        if self.has_crashed() || self.life.random.chance(50) {
            // Before the store is dropped, which would close it.
            self.life.left = Some(self.life.files.after_kill());
        } else if self.life.random.chance(80) {
            let closed = self.store.clone().close();
            self.life.ended = match closed {
                Ok(()) if self.has_crashed() => Ended::Somehow,
                Ok(()) if self.writes_index() && self.life.files.errors() == 0 => Ended::Indexed,
                Ok(()) => Ended::Closed,
                Err(_) => Ended::Somehow,
            };
            let result = self.promise_all(closed);
            self.note(result);
        }
    }
}
