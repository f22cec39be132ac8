//! fjall where events are read: a keyspace by sequence, one from entity and revision to the sequence.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::archive::{Records, See, SeeRow};
use crate::engine::{Engine, Failure, Level, Reading};
use crate::engines::{row, with_record};
use crate::event::Event;

pub(super) const READING: Reading = Reading {
    fill: |opening| Ok(Box::new(Sequences::open(opening.dir)?)),
    open: |dir| Ok(Box::new(Sequences::open(dir)?)),
};

pub(super) const HOW: &str =
    "a keyspace by sequence and one from entity and revision to the sequence; a commit is a WriteBatch";

struct Sequences {
    database: Database,
    events: Keyspace,
    entities: Keyspace,
}

impl Sequences {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let database = Database::builder(dir).open()?;
        let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
        let entities = database.keyspace("entities", KeyspaceCreateOptions::default)?;
        Ok(Self { database, events, entities })
    }
}

impl Engine for Sequences {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        let mut batch = self.database.batch().durability(Some(match level {
            Level::Written => PersistMode::Buffer,
            Level::Synced => PersistMode::SyncData,
        }));
        for event in events {
            let sequence = event.sequence.to_be_bytes();
            with_record(event, |record| {
                batch.insert(&self.events, sequence, record);
                Ok(())
            })?;
            batch.insert(&self.entities, event.key(), sequence);
        }
        Ok(batch.commit()?)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

impl Records for Sequences {
    fn record(&self, sequence: u64, see: See<'_>) -> Result<(), Failure> {
        see(&self.events.get(sequence.to_be_bytes())?.ok_or("no such event")?)
    }

    fn records_of(&self, entity: &str, see: See<'_>) -> Result<(), Failure> {
        for entry in self.entities.prefix(entity) {
            let (key, value) = entry.into_inner()?;
            self.record(row(&key, &value)?.1, see)?;
        }
        Ok(())
    }

    fn rows_of(&self, entity: &str, see: SeeRow<'_>) -> Result<(), Failure> {
        for entry in self.entities.prefix(entity) {
            let (key, value) = entry.into_inner()?;
            let (revision, sequence) = row(&key, &value)?;
            see(revision, sequence);
        }
        Ok(())
    }

    fn records(&self, see: See<'_>) -> Result<(), Failure> {
        for entry in self.events.iter() {
            see(&entry.value()?)?;
        }
        Ok(())
    }
}
