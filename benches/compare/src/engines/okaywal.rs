//! okaywal: a write-ahead log with group sync.

use okaywal::{Configuration, LogVoid, WriteAheadLog};

use super::{locked, with_record};
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::Event;

const PREALLOCATED_MAX: u64 = 64 << 20;
/// More than it takes.
const EVENT_LEN: u64 = 200;

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "okaywal",
            version: locked("okaywal", ""),
            role: Role::Peer,
            written: Survives::AlwaysSynced,
            syncs: true,
            keeps_sync_policy: false,
            has_index: false,
            settings: "as much preallocated as is needed, up to 64 MiB, no checkpoint (it would discard the events); a batch is an entry, an event a \
                       chunk",
            reading: None,
        },
        open: |opening| Ok(Box::new(Okay::open(opening)?)),
        reading: None,
    }
}

struct Okay {
    log: WriteAheadLog,
}

impl Okay {
    fn open(opening: Opening<'_>) -> Result<Self, Failure> {
        let preallocated = u32::try_from((opening.max_events * EVENT_LEN).min(PREALLOCATED_MAX))?;
        let config =
            Configuration::default_for(opening.dir).preallocate_bytes(preallocated).checkpoint_after_bytes(u64::MAX);
        Ok(Self { log: config.open(LogVoid)? })
    }
}

impl Engine for Okay {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], _level: Level) -> Result<(), Failure> {
        let mut entry = self.log.begin_entry()?;
        for event in events {
            with_record(event, |record| {
                entry.write_chunk(record)?;
                Ok(())
            })?;
        }
        entry.commit()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.log.shutdown()?)
    }
}
