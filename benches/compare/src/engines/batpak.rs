//! This repository's batpak.

mod archive;

use batpak::prelude::{AppendOptions, BatchAppendItem, Coordinate, EventKind, Store};
use batpak::store::{CausationRef, Durability, StoreConfig};

use super::locked;
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::{Event, SCOPE, names};

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "batpak",
            version: locked("batpak", "0.1."),
            role: Role::Ours,
            written: Survives::ProcessDeath,
            syncs: true,
            keeps_sync_policy: true,
            has_index: true,
            settings: "defaults: segments of 64 MiB, sync every 1000 events, 8 MiB or 100 ms; index written on close",
            reading: Some(archive::HOW),
        },
        open: |opening| Ok(Box::new(Ours::open(opening)?)),
        reading: Some(archive::READING),
    }
}

struct Ours {
    store: Store,
    coordinates: Vec<Coordinate>,
    kind: EventKind,
}

impl Ours {
    fn open(Opening { dir, level, .. }: Opening<'_>) -> Result<Self, Failure> {
        let config = match level {
            Level::Written => StoreConfig::new(dir),
            Level::Synced => StoreConfig::synced(dir),
        };
        let coordinates: Result<_, _> = names().iter().map(|name| Coordinate::new(name.as_str(), SCOPE)).collect();
        Ok(Self { store: Store::open(config)?, coordinates: coordinates?, kind: EventKind::custom(1, 1) })
    }
}

fn options(level: Level) -> AppendOptions<'static> {
    AppendOptions::default().with_durability(match level {
        Level::Written => Durability::Written,
        Level::Synced => Durability::Synced,
    })
}

impl Engine for Ours {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        let coordinate = &self.coordinates[event.entity];
        self.store.append_with_options(coordinate, self.kind, &event.payload(), options(level))?;
        Ok(())
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        let options = options(level);
        let items: Result<Vec<_>, _> = events
            .iter()
            .map(|event| {
                let coordinate = self.coordinates[event.entity].clone();
                BatchAppendItem::new(coordinate, self.kind, &event.payload(), options, CausationRef::None)
            })
            .collect();
        self.store.append_batch(items?)?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.store.close()?)
    }
}
