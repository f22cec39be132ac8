//! SQLite, through rusqlite.

mod archive;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::{locked, with_record};
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::Event;

const SCHEMA: &str = "CREATE TABLE events (entity TEXT NOT NULL, revision INTEGER NOT NULL, record BLOB NOT NULL, \
                      PRIMARY KEY (entity, revision)) WITHOUT ROWID";
const INSERT: &str = "INSERT INTO events VALUES (?1, ?2, ?3)";

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "sqlite",
            version: locked("rusqlite", ""),
            role: Role::Peer,
            written: Survives::ProcessDeath,
            syncs: true,
            keeps_sync_policy: false,
            has_index: true,
            settings: "rusqlite, bundled; WAL, one connection behind a mutex, prepared statement, table WITHOUT ROWID; \
                       Written: synchronous=NORMAL, Synced: synchronous=FULL; a batch is a transaction",
            reading: Some(archive::HOW),
        },
        open: |opening| Ok(Box::new(Sqlite::open(opening)?)),
        reading: Some(archive::READING),
    }
}

struct Sqlite {
    connection: Mutex<Connection>,
    default: Level,
}

impl Sqlite {
    fn open(Opening { dir, level, .. }: Opening<'_>) -> Result<Self, Failure> {
        let connection = open_connection(dir, level)?;
        connection.execute(SCHEMA, [])?;
        Ok(Self { connection: Mutex::new(connection), default: level })
    }

    /// Runs `append` with the connection at `level`. A synced commit makes everything before it in the WAL durable.
    fn at(&self, level: Level, append: impl FnOnce(&mut Connection) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if level != self.default {
            set_level(&connection, level)?;
        }
        append(&mut connection)?;
        if level != self.default {
            set_level(&connection, self.default)?;
        }
        Ok(())
    }
}

fn open_connection(dir: &Path, level: Level) -> Result<Connection, Failure> {
    let connection = Connection::open(dir.join("events.sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    set_level(&connection, level)?;
    Ok(connection)
}

fn shut(connection: Connection) -> Result<(), Failure> {
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn set_level(connection: &Connection, level: Level) -> Result<(), Failure> {
    let synchronous = match level {
        Level::Written => "NORMAL",
        Level::Synced => "FULL",
    };
    Ok(connection.pragma_update(None, "synchronous", synchronous)?)
}

fn insert(connection: &Connection, event: &Event) -> Result<(), Failure> {
    with_record(event, |record| {
        let revision = i64::try_from(event.revision)?;
        connection.prepare_cached(INSERT)?.execute(params![event.name(), revision, record])?;
        Ok(())
    })
}

impl Engine for Sqlite {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.at(level, |connection| insert(connection, event))
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        self.at(level, |connection| {
            let transaction = connection.transaction()?;
            for event in events {
                insert(&transaction, event)?;
            }
            Ok(transaction.commit()?)
        })
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        shut(self.connection.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
