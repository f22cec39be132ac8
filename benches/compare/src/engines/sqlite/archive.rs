//! SQLite where events are read: a table by sequence, with an index of entity and revision.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::{open_connection, set_level, shut};
use crate::archive::{Records, See, SeeRow};
use crate::engine::{Engine, Failure, Level, Reading};
use crate::engines::with_record;
use crate::event::Event;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS events (sequence INTEGER PRIMARY KEY, entity TEXT NOT NULL, \
                      revision INTEGER NOT NULL, record BLOB NOT NULL); \
                      CREATE UNIQUE INDEX IF NOT EXISTS entities ON events (entity, revision)";
const INSERT: &str = "INSERT INTO events VALUES (?1, ?2, ?3, ?4)";
const RECORD: &str = "SELECT record FROM events WHERE sequence = ?1";
const RECORDS_OF: &str = "SELECT record FROM events WHERE entity = ?1 ORDER BY revision";
const ROWS_OF: &str = "SELECT revision, sequence FROM events WHERE entity = ?1 ORDER BY revision";
const RECORDS: &str = "SELECT record FROM events ORDER BY sequence";

pub(super) const READING: Reading = Reading {
    fill: |opening| Ok(Box::new(Sequences::open(opening.dir, opening.level)?)),
    open: |dir| Ok(Box::new(Sequences::open(dir, Level::Written)?)),
};

pub(super) const HOW: &str = "a table by sequence with an index of entity and revision; prepared statements, and a connection \
                              for each thread that reads";

struct Sequences {
    dir: PathBuf,
    level: Level,
    writer: Mutex<Connection>,
    /// Those that no thread reads from at this moment.
    idle: Mutex<Vec<Connection>>,
}

impl Sequences {
    fn open(dir: &Path, level: Level) -> Result<Self, Failure> {
        let writer = open_connection(dir, level)?;
        writer.execute_batch(SCHEMA)?;
        Ok(Self { dir: dir.to_owned(), level, writer: Mutex::new(writer), idle: Mutex::default() })
    }

    fn reading<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| open_connection(&self.dir, self.level), Ok)?;
        let answer = read(&connection)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(answer)
    }

    fn close_all(self) -> Result<(), Failure> {
        for connection in self.idle.into_inner().unwrap_or_else(PoisonError::into_inner) {
            shut(connection)?;
        }
        shut(self.writer.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine for Sequences {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        let mut connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if level != self.level {
            set_level(&connection, level)?;
        }
        let transaction = connection.transaction()?;
        for event in events {
            let (sequence, revision) = (i64::try_from(event.sequence)?, i64::try_from(event.revision)?);
            with_record(event, |record| {
                let values = params![sequence, event.name(), revision, record];
                transaction.prepare_cached(INSERT)?.execute(values)?;
                Ok(())
            })?;
        }
        transaction.commit()?;
        if level != self.level {
            set_level(&connection, self.level)?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        self.close_all()
    }
}

impl Records for Sequences {
    fn record(&self, sequence: u64, see: See<'_>) -> Result<(), Failure> {
        self.reading(|connection| see_all(connection, RECORD, [i64::try_from(sequence)?], see))
    }

    fn records_of(&self, entity: &str, see: See<'_>) -> Result<(), Failure> {
        self.reading(|connection| see_all(connection, RECORDS_OF, [entity], see))
    }

    fn rows_of(&self, entity: &str, see: SeeRow<'_>) -> Result<(), Failure> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(ROWS_OF)?;
            let mut rows = statement.query([entity])?;
            while let Some(row) = rows.next()? {
                see(u64::try_from(row.get::<_, i64>(0)?)?, u64::try_from(row.get::<_, i64>(1)?)?);
            }
            Ok(())
        })
    }

    fn records(&self, see: See<'_>) -> Result<(), Failure> {
        self.reading(|connection| see_all(connection, RECORDS, [], see))
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        self.close_all()
    }
}

/// Shows the first column of each row.
fn see_all(connection: &Connection, query: &str, values: impl rusqlite::Params, see: See<'_>) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        see(row.get_ref(0)?.as_blob()?)?;
    }
    Ok(())
}
