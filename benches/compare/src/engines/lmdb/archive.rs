//! LMDB where events are read: one tree by sequence, one from entity and revision to the sequence.

use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, RoTxn, WithTls};

use super::{open_env, shut};
use crate::archive::{Records, See, SeeRow};
use crate::engine::{Engine, Failure, Level, Reading};
use crate::engines::{row, with_record};
use crate::event::Event;

pub(super) const READING: Reading = Reading {
    fill: |opening| Ok(Box::new(Sequences::open(opening.dir, opening.level)?)),
    open: |dir| Ok(Box::new(Sequences::open(dir, Level::Written)?)),
};

pub(super) const HOW: &str =
    "a tree by sequence and one from entity and revision to the sequence; a transaction for each read";

type Tree = Database<'static, Bytes, Bytes>;

struct Sequences {
    env: Env,
    events: Tree,
    entities: Tree,
    syncs_by_itself: bool,
}

impl Sequences {
    fn open(dir: &Path, level: Level) -> Result<Self, Failure> {
        let env = open_env(dir, level, 2)?;
        let (events, entities) = env
            .create_databases_and_commit(env.write_txn()?, |opener, transaction| {
                let events = opener.create_database(transaction, Some("events"))?;
                let entities = opener.create_database(transaction, Some("entities"))?;
                Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((events, entities)))
            })?
            .commit()
            .ok_or("the databases were not created")?;
        Ok(Self { env, events, entities, syncs_by_itself: level == Level::Synced })
    }

    fn see(&self, transaction: &RoTxn<'_, WithTls>, sequence: u64, see: See<'_>) -> Result<(), Failure> {
        see(self.events.get(transaction, &sequence.to_be_bytes())?.ok_or("no such event")?)
    }
}

impl Engine for Sequences {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        let mut transaction = self.env.write_txn()?;
        for event in events {
            let sequence = event.sequence.to_be_bytes();
            with_record(event, |record| Ok(self.events.put(&mut transaction, &sequence, record)?))?;
            self.entities.put(&mut transaction, &event.key(), &sequence)?;
        }
        transaction.commit()?;
        if level == Level::Synced && !self.syncs_by_itself {
            self.env.force_sync()?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        shut(self.env)
    }
}

impl Records for Sequences {
    fn record(&self, sequence: u64, see: See<'_>) -> Result<(), Failure> {
        self.see(&self.env.read_txn()?, sequence, see)
    }

    fn records_of(&self, entity: &str, see: See<'_>) -> Result<(), Failure> {
        let transaction = self.env.read_txn()?;
        for entry in self.entities.prefix_iter(&transaction, entity.as_bytes())? {
            let (key, value) = entry?;
            self.see(&transaction, row(key, value)?.1, see)?;
        }
        Ok(())
    }

    fn rows_of(&self, entity: &str, see: SeeRow<'_>) -> Result<(), Failure> {
        let transaction = self.env.read_txn()?;
        for entry in self.entities.prefix_iter(&transaction, entity.as_bytes())? {
            let (key, value) = entry?;
            let (revision, sequence) = row(key, value)?;
            see(revision, sequence);
        }
        Ok(())
    }

    fn records(&self, see: See<'_>) -> Result<(), Failure> {
        let transaction = self.env.read_txn()?;
        for entry in self.events.iter(&transaction)? {
            see(entry?.1)?;
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        shut(self.env)
    }
}
