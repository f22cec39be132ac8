//! LMDB, through heed: a mapped copy-on-write B-tree.

mod archive;

use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions};

use super::{locked, with_record};
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::Event;

const MAP_LEN: usize = 8 << 30;

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "lmdb",
            version: locked("heed", ""),
            role: Role::Peer,
            written: Survives::ProcessDeath,
            syncs: true,
            keeps_sync_policy: false,
            has_index: true,
            settings: "heed, a transaction for each commit; Written: MDB_NOSYNC (a power cut may damage the whole file) \
                       and mdb_env_sync; Synced: no flags, or mdb_env_sync beside Written ones",
            reading: Some(archive::HOW),
        },
        open: |opening| Ok(Box::new(Lmdb::open(opening)?)),
        reading: Some(archive::READING),
    }
}

struct Lmdb {
    env: Env,
    events: Database<'static, Bytes, Bytes>,
    syncs_by_itself: bool,
}

impl Lmdb {
    fn open(Opening { dir, level, .. }: Opening<'_>) -> Result<Self, Failure> {
        let env = open_env(dir, level, 0)?;
        let events = env
            .create_databases_and_commit(env.write_txn()?, |opener, transaction| {
                opener.create_database(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
            })?
            .commit()
            .ok_or("the database was not created")?;
        Ok(Self { env, events, syncs_by_itself: level == Level::Synced })
    }
}

fn open_env(dir: &Path, level: Level, named_databases: u32) -> Result<Env, Failure> {
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_LEN).max_dbs(named_databases);
    if level == Level::Written {
        // SAFETY: the flag can cost data after a power cut only, and the directory does not outlive this run.
        unsafe { options.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: nobody else opens or changes the files in a directory of this run.
    Ok(unsafe { options.open(dir)? })
}

fn shut(env: Env) -> Result<(), Failure> {
    env.force_sync()?;
    env.prepare_for_closing().wait();
    Ok(())
}

impl Engine for Lmdb {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        let mut transaction = self.env.write_txn()?;
        for event in events {
            with_record(event, |record| Ok(self.events.put(&mut transaction, &event.key(), record)?))?;
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
