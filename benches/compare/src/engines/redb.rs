//! redb: a copy-on-write B-tree.

mod archive;

use redb::{Database, Durability, TableDefinition};

use super::{locked, with_record};
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::Event;

const EVENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("events");

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "redb",
            version: locked("redb", ""),
            role: Role::Peer,
            written: Survives::NothingBeforeSync,
            syncs: true,
            keeps_sync_policy: false,
            has_index: true,
            settings: "defaults, a transaction for each commit; Written: Durability::None, which is in memory only until \
                       the next Durability::Immediate",
            reading: Some(archive::HOW),
        },
        open: |opening| Ok(Box::new(Redb::open(opening)?)),
        reading: Some(archive::READING),
    }
}

struct Redb {
    database: Database,
}

impl Redb {
    fn open(opening: Opening<'_>) -> Result<Self, Failure> {
        let database = Database::create(opening.dir.join("events.redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(EVENTS)?;
        transaction.commit()?;
        Ok(Self { database })
    }
}

fn durability(level: Level) -> Durability {
    match level {
        Level::Written => Durability::None,
        Level::Synced => Durability::Immediate,
    }
}

impl Engine for Redb {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability(level))?;
        let mut table = transaction.open_table(EVENTS)?;
        for event in events {
            with_record(event, |record| {
                table.insert(event.key().as_slice(), record)?;
                Ok(())
            })?;
        }
        drop(table);
        Ok(transaction.commit()?)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        // Dropping it closes it.
        Ok(())
    }
}
