//! Verifying and salvaging what a life has left, before it is opened and after.

use crate::checking::{check_saved, check_verified};
use crate::config::config;
use crate::life::{DIR, Life};
use batpak::store::{Environment, Finding, Store, StoreConfig, StoreError, Subject, SyncConfig, salvage, verify};
use batpak::testing::FaultyFileSystem;
use std::ops::ControlFlow::{Break, Continue};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Of a hundred times that a store is opened, how often what is there is verified before, and again after.
const VERIFIED_PERCENT: u64 = 6;
/// The same for what is saved into a new store.
const SALVAGED_PERCENT: u64 = 2;
/// Where what is saved goes.
const SAVED: &str = "/saved/store";

impl Life {
    /// Who verifies what a crash has left finds no damage, and changes nothing; who salvages it loses nothing.
    pub(crate) fn verify_before(&mut self) {
        self.verified = None;
        if self.checks.chance(SALVAGED_PERCENT) {
            self.salvage_copy(self.at_least..=self.model.events.len());
        }
        let there = self.checks.chance(VERIFIED_PERCENT).then(|| self.files.contents());
        let Some(before) = there.filter(|files| !files.is_empty()) else { return };
        let config = self.config_of_checks(&self.files.clone(), DIR);
        let verified = verify(config, |finding| {
            assert!(self.is_left_of_index(&finding), "nothing was damaged: {finding:?}");
            Continue(())
        });
        match verified {
            Err(StoreError::NoStore { .. }) if self.at_least == 0 => {}
            Err(error) => panic!("it can be verified: {error:?}"),
            Ok(report) => {
                let found = check_verified(&report, &self.model);
                assert!(found >= self.at_least, "{} events were promised, {found} are verified", self.at_least);
                assert_eq!(self.files.contents(), before, "verifying changes nothing");
                self.verified = Some(found);
                self.tally.verified_left += 1;
                self.tally.verified_torn += u64::from(report.torn.is_some());
            }
        }
    }

    /// Whether a finding is what a power cut has left of a file of the index. These are not synced, and nothing is lost
    /// with them.
    fn is_left_of_index(&self, finding: &Finding) -> bool {
        finding.subject == Subject::Index && self.has_lost_power
    }

    /// The events of a copy of the files are saved into a new store, which then survives a power cut.
    fn salvage_copy(&mut self, events: RangeInclusive<usize>) {
        let files = self.files.after_kill();
        files.set_room(usize::MAX);
        let (from, into) = (self.config_of_checks(&files, DIR), self.config_of_checks(&files, SAVED));
        let saved = match salvage(from, into) {
            Err(StoreError::NoStore { .. }) if *events.start() == 0 => return,
            saved => saved.expect("nothing was damaged"),
        };
        let files = files.after_power_cut(self.checks.next());
        let store = Store::open_read_only(self.config_of_checks(&files, SAVED)).expect("what was saved opens");
        let found = check_saved(&store, &saved, &mut self.model).expect("what was saved can be read");
        assert!(events.contains(&found), "{events:?} events are there, {found} were saved");
        self.tally.salvaged += u64::from(found > 0);
        self.tally.digest = self.tally.digest.wrapping_add(files.digest());
    }

    /// Options by which nothing else in this life changes.
    fn config_of_checks(&mut self, files: &FaultyFileSystem, dir: &str) -> StoreConfig {
        let environment = Environment { clock: Arc::clone(&self.clock) as _, ..files.environment() };
        let base = StoreConfig::new(dir).with_environment(environment);
        config(base, self.size, SyncConfig::default(), &mut self.checks)
    }

    /// A store that has recovered is intact, and each of its events can be saved.
    pub(crate) fn verify_recovered(&mut self, store: &Store) -> Result<(), StoreError> {
        let found = self.model.events.len();
        if self.checks.chance(SALVAGED_PERCENT) {
            self.salvage_copy(found..=found);
        }
        if !self.checks.chance(VERIFIED_PERCENT) {
            return Ok(());
        }
        let mut first = None;
        let verified = store.verify(|finding| {
            if self.is_left_of_index(&finding) {
                return Continue(());
            }
            first = Some(finding.error);
            Break(())
        })?;
        if let Some(error) = first {
            // A call has failed, or something is wrong.
            return Err(error);
        }
        assert_eq!(check_verified(&verified, &self.model), found, "all that was found is verified");
        self.tally.verified += 1;
        Ok(())
    }
}
