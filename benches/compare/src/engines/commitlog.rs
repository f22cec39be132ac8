//! commitlog: segments and a mapped index of offsets.

use std::sync::{Mutex, PoisonError};

use commitlog::message::MessageBuf;
use commitlog::{CommitLog, LogOptions};

use super::{locked, with_record};
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::Event;

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "commitlog",
            version: locked("commitlog", ""),
            role: Role::Peer,
            written: Survives::ProcessDeath,
            syncs: false,
            keeps_sync_policy: false,
            has_index: false,
            settings: "segments of 64 MiB, behind a mutex; never syncs its log (flush() does not), so a power cut may take \
                       everything",
            reading: None,
        },
        open: |opening| Ok(Box::new(Commits::open(opening)?)),
        reading: None,
    }
}

struct Commits {
    log: Mutex<CommitLog>,
}

impl Commits {
    fn open(opening: Opening<'_>) -> Result<Self, Failure> {
        let mut options = LogOptions::new(opening.dir);
        options.segment_max_bytes(64 << 20);
        Ok(Self { log: Mutex::new(CommitLog::new(options)?) })
    }

    fn append_messages(&self, mut messages: MessageBuf) -> Result<(), Failure> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.append(&mut messages).map_err(|error| error.to_string())?;
        Ok(())
    }
}

impl Engine for Commits {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], _level: Level) -> Result<(), Failure> {
        let mut messages = MessageBuf::default();
        for event in events {
            with_record(event, |record| {
                messages.push(record).map_err(|error| format!("{error:?}"))?;
                Ok(())
            })?;
        }
        self.append_messages(messages)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        let mut log = self.log.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(log.flush()?)
    }
}
