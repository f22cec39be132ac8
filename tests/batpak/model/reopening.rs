//! Closing, dying, losing files, opening again.

use super::Case;
use crate::filters::union;
use crate::fixtures::{DIR, Machine, answers, assert_same};
use crate::random::Random;
use batpak::store::{OpenIndexPath, RefusedFile, Store, StoreConfig};
use std::path::PathBuf;

pub(super) fn random_config(config: StoreConfig, random: &mut Random) -> StoreConfig {
    config
        .with_segment_max_bytes(*random.pick(&[512, 700, 700, 2000, 8000, 1 << 16, 1 << 20]))
        .with_fd_budget(1 + random.index(2))
        .with_enable_mmap_index(random.chance(60))
        .with_enable_checkpoint(random.chance(60))
        .with_sync_every_n_events(*random.pick(&[1, 3, 1000]))
}

/// Spoils a file of the index in one of the ways in which a file can be spoiled.
fn spoil(machine: &Machine, path: &PathBuf, random: &mut Random) {
    if random.chance(30) {
        return machine.remove(path);
    }
    let mut change = Random::new(random.next());
    machine.edit(path, |bytes| match change.below(10) {
        0..7 => {
            let at = change.index(bytes.len());
            bytes[at] ^= u8::try_from(1 + change.below(255)).expect("a byte");
        }
        7 => bytes.truncate(change.index(bytes.len())),
        8 => bytes.push(0),
        _ => bytes.fill(0),
    });
}

impl Case {
    pub(super) fn reopen(&mut self) {
        let positions: Vec<u64> = self.cursors.iter().map(|(.., given)| *given).collect();
        let dies = self.random.chance(35);
        if dies {
            // The process dies: its files are as they are, without an index of the newest events and without a mark.
            self.machine = self.machine.copy();
            self.machine.clock.set(self.time);
        } else {
            self.store.clone().close().expect("close");
        }
        let spoiled = self.spoil_some();
        let config = self.config();
        let by_files = config.enable_mmap_index || config.enable_checkpoint;
        self.store = Store::open(config).expect("open");
        let report = self.store.diagnostics().open_report.expect("a report");
        let events = self.events.len() as u64;
        assert_eq!(report.events_restored + report.events_scanned, events, "{report:?}");
        assert!(report.closed_cleanly || dies);
        assert!(report.torn.is_none());
        assert!(by_files || report.path == OpenIndexPath::Rebuild);
        // A file that was spoiled may be found much later, because stores without files leave it alone.
        self.has_spoiled |= spoiled;
        let is_missing = |file: &RefusedFile| file.reason.contains("there is no index file");
        assert!(self.has_spoiled || report.refused.iter().all(is_missing), "{report:?}");
        for ((filters, cursor, _), given) in self.cursors.iter_mut().zip(positions) {
            *cursor = self.store.cursor_guaranteed(&union(filters)).starting_at(given);
        }
        if spoiled {
            self.read_all();
        }
    }

    /// Whether anything was spoiled.
    fn spoil_some(&mut self) -> bool {
        let (machine, random) = (&self.machine, &mut self.random);
        if !random.chance(40) {
            return false;
        }
        let share = *random.pick(&[10, 40, 100]);
        let mut found = machine.indexes();
        found.retain(|_| random.chance(share));
        for path in &found {
            spoil(machine, path, random);
        }
        if random.chance(10) {
            machine.files.write(format!("{DIR}/0000000000000-0000000000003.index.tmp"), *b"rest");
        }
        !found.is_empty()
    }

    pub(super) fn look_in_read_only(&mut self) {
        let config = self.config();
        let reader = Store::open_read_only(config).expect("open read-only");
        self.look_in(reader);
    }

    pub(super) fn snapshot(&mut self) {
        let dir = format!("/copy-{}", self.random.next());
        self.store.snapshot(&dir).expect("snapshot");
        let config = random_config(self.machine.config_in(&dir), &mut self.random);
        let copy = Store::open(config).expect("open the snapshot");
        let source = std::mem::replace(&mut self.store, copy);
        self.query();
        self.repeat();
        self.read_all();
        self.verify();
        self.store = source;
    }

    /// The store as it is found by each path, compared whole.
    pub(super) fn compare_paths(&mut self) {
        self.store.clone().close().expect("close");
        let paths = [(true, true), (false, true), (false, false)];
        let answers = paths.map(|(mapped, owned)| {
            let config = self.machine.copy().config();
            let config = config.with_enable_mmap_index(mapped).with_enable_checkpoint(owned);
            answers(&Store::open(config).expect("open"))
        });
        assert_same(&answers[1], &answers[0]);
        assert_same(&answers[2], &answers[0]);
    }
}
