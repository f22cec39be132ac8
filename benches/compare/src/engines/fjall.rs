//! fjall: an LSM tree with a journal.

mod archive;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{locked, with_record};
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::Event;

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "fjall",
            version: locked("fjall", ""),
            role: Role::Peer,
            written: Survives::ProcessDeath,
            syncs: true,
            keeps_sync_policy: false,
            has_index: true,
            settings: "defaults; Written: PersistMode::Buffer, Synced: PersistMode::SyncData; a batch is a WriteBatch",
            reading: Some(archive::HOW),
        },
        open: |opening| Ok(Box::new(Fjall::open(opening)?)),
        reading: Some(archive::READING),
    }
}

struct Fjall {
    database: Database,
    events: Keyspace,
}

impl Fjall {
    fn open(opening: Opening<'_>) -> Result<Self, Failure> {
        let database = Database::builder(opening.dir).open()?;
        let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
        Ok(Self { database, events })
    }
}

impl Engine for Fjall {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        with_record(event, |record| Ok(self.events.insert(event.key(), record)?))?;
        if level == Level::Synced {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        let mut batch = self.database.batch().durability(Some(match level {
            Level::Written => PersistMode::Buffer,
            Level::Synced => PersistMode::SyncData,
        }));
        for event in events {
            with_record(event, |record| {
                batch.insert(&self.events, event.key(), record);
                Ok(())
            })?;
        }
        Ok(batch.commit()?)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}
