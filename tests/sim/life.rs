//! One life: sessions, and what is left between them.

use crate::checking::compare;
use crate::config::{Size, config, policy};
use crate::faults::{Plan, plan};
use crate::model::{Copy, Model};
use crate::random::Random;
use crate::session::{Session, tolerate};
use crate::tally::Tally;
use crate::trace::trace;
use batpak::Region;
use batpak::store::{Environment, OpenIndexReport, Store, StoreConfig, StoreError, SyncConfig};
use batpak::testing::{FaultyFileSystem, ManualClock};
use std::sync::Arc;

pub(crate) const DIR: &str = "/data/store";

/// How the last process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Somehow,
    /// It was told that the store was closed.
    Closed,
    /// The same, and all files of the index are there.
    Indexed,
}

pub(crate) struct Life {
    pub(crate) random: Random,
    /// Decides what is verified and salvaged, and nothing else.
    pub(crate) checks: Random,
    pub(crate) files: FaultyFileSystem,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) model: Model,
    pub(crate) size: Size,
    pub(crate) tally: Tally,
    /// How many events must be there when the store is opened next.
    pub(crate) at_least: usize,
    /// How many calls it took to open the store last.
    calls_of_opening: u64,
    /// What the process leaves, if it was killed.
    pub(crate) left: Option<FaultyFileSystem>,
    /// The power has failed once at least.
    pub(crate) has_lost_power: bool,
    /// How many events were verified just before the store is opened, if they were.
    pub(crate) verified: Option<usize>,
    /// Nothing goes wrong any more.
    is_calm: bool,
    pub(crate) ended: Ended,
    /// The last writer may not have been able to say to readers how far it was.
    may_hide: bool,
}

pub(crate) fn live(seed: u64) -> Tally {
    let mut random = Random::new(seed);
    let files = FaultyFileSystem::seeded(seed);
    files.set_abilities(random.chance(94), random.chance(94));
    let mut life = Life {
        size: Size::random(&mut random),
        random,
        checks: Random::new(!seed),
        files,
        clock: Arc::new(ManualClock::new()),
        model: Model::default(),
        tally: Tally { lives: 1, ..Tally::default() },
        at_least: 0,
        calls_of_opening: 30,
        left: None,
        has_lost_power: false,
        verified: None,
        is_calm: false,
        ended: Ended::Somehow,
        may_hide: false,
    };
    for _ in 0..2 + life.random.below(3) {
        for depth in 0..=life.random.below(4) {
            life.read_before();
            life.verify_before();
            life.plan_for_opening(depth > 0);
            life.session();
            life.end();
        }
    }
    life.files.set_room(usize::MAX);
    life.is_calm = true;
    life.verify_before();
    life.session();
    assert_eq!(life.model.events.len(), life.model.acknowledged, "nothing is unknown at the end");
    life.tally.digest = life.tally.digest.wrapping_add(life.files.digest());
    life.tally
}

impl Life {
    /// Who opens for reading only what a crash has left sees what is promised, and changes nothing.
    fn read_before(&mut self) {
        let there = self.random.chance(20).then(|| self.files.contents());
        let Some(before) = there.filter(|files| !files.is_empty()) else { return };
        let config = self.config_in(DIR, SyncConfig::default());
        match Store::open_read_only(config) {
            Err(StoreError::NoStore { .. }) if self.at_least == 0 => {}
            Err(error) => panic!("it opens for reading: {error:?}"),
            Ok(reader) => {
                let at_least = if self.may_hide { 0 } else { self.at_least };
                compare(&reader, &mut self.model, at_least).expect("it can be read");
                assert_eq!(self.files.contents(), before, "reading changes nothing");
            }
        }
    }

    /// Something goes wrong while a store is opened.
    fn plan_for_opening(&mut self, recovering: bool) {
        let percent = if recovering { 85 } else { 25 };
        plan(&self.files, Plan { percent, crash_percent: 85, within: self.calls_of_opening }, &mut self.random);
    }

    /// Something goes wrong while it is used.
    pub(crate) fn plan_for_work(&mut self) {
        if self.is_calm {
            return;
        }
        let within = *self.random.pick(&[3, 10, 30, 100]);
        plan(&self.files, Plan { percent: 85, crash_percent: 65, within }, &mut self.random);
    }

    pub(crate) fn config_in(&mut self, dir: &str, policy: SyncConfig) -> StoreConfig {
        let environment = Environment { clock: Arc::clone(&self.clock) as _, ..self.files.environment() };
        config(StoreConfig::new(dir).with_environment(environment), self.size, policy, &mut self.random)
    }

    /// One process, from its start to its end.
    fn session(&mut self) {
        let policy = policy(&mut self.random);
        let config = self.config_in(DIR, policy);
        trace(|| format!("open by {:?}, {policy:?}", config.write_path));
        let before = self.files.calls();
        let opened = Store::open(config.clone());
        if opened.is_ok() {
            self.calls_of_opening = self.files.calls() - before;
        } else if self.files.has_crashed() {
            self.tally.crashes_while_opening += 1;
        }
        let wants_files = config.enable_mmap_index || config.enable_checkpoint;
        match opened.and_then(|store| self.look(&store, wants_files).map(|()| store)) {
            Err(error) => tolerate(&self.files, &error),
            Ok(_) if self.files.has_crashed() => {}
            Ok(store) => Session::new(self, store, config, policy).live(),
        }
    }

    /// Compares what a process finds with what it must find.
    fn look(&mut self, store: &Store, wants_files: bool) -> Result<(), StoreError> {
        if self.files.has_crashed() {
            return Ok(());
        }
        let found = compare(store, &mut self.model, self.at_least)?;
        assert!(self.verified.is_none_or(|verified| verified == found), "{found} events, {:?} verified", self.verified);
        assert_eq!(store.diagnostics().durable, found as u64, "what is shown first is durable");
        let report = store.diagnostics().open_report.expect("it was opened");
        let ended = std::mem::replace(&mut self.ended, Ended::Somehow);
        let is_clean = report.closed_cleanly && report.torn.is_none();
        assert!(ended == Ended::Somehow || is_clean, "it was closed: {report:?}");
        trace(|| format!("found {found} of at least {}: {report:?}", self.at_least));
        if ended == Ended::Indexed && wants_files && self.files.errors() == 0 {
            assert!(report.events_scanned == 0 && report.refused.is_empty(), "its index was whole: {report:?}");
        }
        self.note_report(&report);
        self.model.settle(found);
        self.may_hide = false;
        self.at_least = found;
        self.verify_recovered(store)
    }

    fn note_report(&mut self, report: &OpenIndexReport) {
        let tally = &mut self.tally;
        tally.comparisons += 1;
        tally.torn += u64::from(report.torn.is_some());
        tally.from_tail += report.commits_from_tail;
        tally.restored += u64::from(report.events_restored > 0);
        tally.refused += report.refused.len() as u64;
    }

    /// The process ends, and perhaps the power fails.
    fn end(&mut self) {
        self.tally.crashes += u64::from(self.files.has_crashed());
        self.tally.faults += self.files.hits() - u64::from(self.files.has_crashed());
        trace(|| format!("calls {:?}", self.files.operations_since(0)));
        self.may_hide |= self.files.errors() > 0;
        let left = self.left.take().unwrap_or_else(|| self.files.clone());
        if self.random.chance(55) {
            self.files = left.after_power_cut(self.random.next());
            trace(|| format!("power cut, crashed {}", self.files.has_crashed()));
            self.at_least = self.model.promised;
            self.has_lost_power = true;
            self.may_hide = false;
            if self.ended == Ended::Indexed {
                // Files of the index are not synced.
                self.ended = Ended::Closed;
            }
        } else {
            self.files = left.after_kill();
            trace(|| "killed");
        }
        if self.random.chance(60) {
            self.files.set_room(usize::MAX);
        }
        self.check_copies();
    }

    /// How many events survive the death of the process.
    pub(crate) fn keep(&mut self, events: usize) {
        self.at_least = events;
    }

    fn check_copies(&mut self) {
        for Copy { dir, events, is_finished } in std::mem::take(&mut self.model.copies) {
            let config = self.config_in(dir.to_str().expect("text"), SyncConfig::default());
            let copy = match Store::open_read_only(config) {
                Err(_) if !is_finished => continue,
                opened => opened.expect("a copy opens"),
            };
            let rows = copy.query(&Region::all()).expect("a copy can be read");
            let ids = self.model.events[..events].iter().map(|event| event.told.expect("acknowledged").0);
            assert!(rows.iter().map(|row| row.event_id).eq(ids), "a copy differs");
        }
    }
}
