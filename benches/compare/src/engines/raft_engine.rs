//! raft-engine: a log of many groups with an index in memory.

mod archive;

use std::cell::RefCell;
use std::path::Path;

use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine as RaftLog, LogBatch, MessageExt};

use super::locked;
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Role, Survives};
use crate::event::Event;

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "raft-engine",
            version: locked("raft-engine", ""),
            role: Role::Peer,
            written: Survives::ProcessDeath,
            syncs: true,
            keeps_sync_policy: false,
            has_index: true,
            settings: "defaults: files of 128 MB, LZ4 for batches over 8 KB; an entity is a group, a revision an entry; \
                       write(sync), as sync() alone does nothing; the index is in memory only",
            reading: Some(archive::HOW),
        },
        open: |opening| Ok(Box::new(Raft::open(opening.dir)?)),
        reading: Some(archive::READING),
    }
}

/// An entry is the record, which begins with the revision.
struct Entries;

impl MessageExt for Entries {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        let revision = entry.value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        revision + 1
    }
}

thread_local! {
    /// Both are used again by the next append of the thread.
    static BATCH: RefCell<(LogBatch, BytesValue)> = RefCell::default();
}

struct Raft {
    log: RaftLog,
}

impl Raft {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let dir = dir.to_str().ok_or("the directory is not UTF-8")?.to_owned();
        Ok(Self { log: RaftLog::open(Config { dir, ..Config::default() })? })
    }
}

impl Engine for Raft {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        BATCH.with_borrow_mut(|(batch, entry)| {
            for event in events {
                entry.value.clear();
                event.record(&mut entry.value)?;
                batch.add_entries::<Entries>(event.entity as u64 + 1, std::slice::from_ref(entry))?;
            }
            self.log.write(batch, level == Level::Synced)?;
            Ok(())
        })
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        // Dropping it closes it.
        Ok(())
    }
}
