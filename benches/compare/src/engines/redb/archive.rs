//! redb where events are read: a table by sequence, one from entity and revision to the sequence.

use std::path::Path;

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use super::durability;
use crate::archive::{Records, See, SeeRow};
use crate::engine::{Engine, Failure, Level, Reading};
use crate::engines::with_record;
use crate::event::{ENTITY_LEN, Event, key};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const ENTITIES: TableDefinition<'_, &[u8], u64> = TableDefinition::new("entities");

pub(super) const READING: Reading = Reading {
    fill: |opening| Ok(Box::new(Sequences::open(opening.dir)?)),
    open: |dir| Ok(Box::new(Sequences::open(dir)?)),
};

pub(super) const HOW: &str =
    "a table by sequence and one from entity and revision to the sequence; a transaction for each read";

struct Sequences {
    database: Database,
}

impl Sequences {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join("events.redb");
        if path.exists() {
            return Ok(Self { database: Database::open(path)? });
        }
        let database = Database::create(path)?;
        let transaction = database.begin_write()?;
        transaction.open_table(EVENTS)?;
        transaction.open_table(ENTITIES)?;
        transaction.commit()?;
        Ok(Self { database })
    }

    fn events(&self) -> Result<ReadOnlyTable<u64, &'static [u8]>, Failure> {
        Ok(self.database.begin_read()?.open_table(EVENTS)?)
    }
}

impl Engine for Sequences {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, batch: &[Event], level: Level) -> Result<(), Failure> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability(level))?;
        let mut events = transaction.open_table(EVENTS)?;
        let mut entities = transaction.open_table(ENTITIES)?;
        for event in batch {
            with_record(event, |record| {
                events.insert(event.sequence, record)?;
                Ok(())
            })?;
            entities.insert(event.key().as_slice(), event.sequence)?;
        }
        drop((events, entities));
        Ok(transaction.commit()?)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        // Dropping it closes it.
        Ok(())
    }
}

impl Records for Sequences {
    fn record(&self, sequence: u64, see: See<'_>) -> Result<(), Failure> {
        see(self.events()?.get(sequence)?.ok_or("no such event")?.value())
    }

    fn records_of(&self, entity: &str, see: See<'_>) -> Result<(), Failure> {
        let events = self.events()?;
        let mut sequences = Vec::new();
        self.rows_of(entity, &mut |_, sequence| sequences.push(sequence))?;
        for sequence in sequences {
            see(events.get(sequence)?.ok_or("no such event")?.value())?;
        }
        Ok(())
    }

    fn rows_of(&self, entity: &str, see: SeeRow<'_>) -> Result<(), Failure> {
        let entities = self.database.begin_read()?.open_table(ENTITIES)?;
        let (first, last) = (key(entity, 0), key(entity, u64::MAX));
        for entry in entities.range(first.as_slice()..=last.as_slice())? {
            let (key, sequence) = entry?;
            let revision = key.value()[ENTITY_LEN..].first_chunk().ok_or("a key is too short")?;
            see(u64::from_be_bytes(*revision), sequence.value());
        }
        Ok(())
    }

    fn records(&self, see: See<'_>) -> Result<(), Failure> {
        for entry in self.events()?.iter()? {
            see(entry?.1.value())?;
        }
        Ok(())
    }
}
