//! The published crate of the same name, by its public interface.

use std::time::Duration;

use upstream::prelude::{AppendOptions, Coordinate, EventKind, Store, StoreConfig, SyncMode};
use upstream::store::{BatchAppendItem, CausationRef, DurabilityGate, WatermarkKind};

use super::locked;
use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::{Event, SCOPE, names};

const GROUP_MAX: u32 = 64;
const DURABLE: DurabilityGate = DurabilityGate::new(WatermarkKind::Durable, Duration::from_mins(1));

pub(crate) fn candidate() -> Candidate {
    Candidate {
        facts: Facts {
            engine: "batpak-0.10",
            version: locked("batpak", "0.10."),
            role: Role::Upstream,
            written: Survives::ProcessDeath,
            syncs: true,
            keeps_sync_policy: true,
            has_index: true,
            settings: "SyncData, sync every 1000 events or every event, segments of 64 MiB; Synced: with a gate that waits \
                       for the durable watermark, as the receipt alone comes before the sync, and for several threads \
                       with group commit of up to 64, for which each append bears an idempotency key",
            reading: None,
        },
        open: |opening| Ok(Box::new(Upstream::open(opening)?)),
        reading: None,
    }
}

struct Upstream {
    store: Store,
    coordinates: Vec<Coordinate>,
    kind: EventKind,
    default: Level,
    has_groups: bool,
}

impl Upstream {
    fn open(Opening { dir, level, threads, .. }: Opening<'_>) -> Result<Self, Failure> {
        let has_groups = level == Level::Synced && threads > 1;
        let config = StoreConfig::new(dir)
            .with_sync_mode(SyncMode::SyncData)
            .with_sync_every_n_events(if level == Level::Synced { 1 } else { 1000 })
            .with_segment_max_bytes(64 << 20)
            .with_batch_max_size(4096)
            .with_group_commit_max_batch(if has_groups { GROUP_MAX } else { 1 });
        let coordinates: Result<_, _> = names().iter().map(|name| Coordinate::new(name.as_str(), SCOPE)).collect();
        let store = Store::open(config)?;
        Ok(Self { store, coordinates: coordinates?, kind: EventKind::custom(1, 1), default: level, has_groups })
    }

    fn sync_if_more_is_asked(&self, level: Level) -> Result<(), Failure> {
        if level == Level::Synced && self.default == Level::Written {
            self.store.sync()?;
        }
        Ok(())
    }
}

impl Engine for Upstream {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        let coordinate = &self.coordinates[event.entity];
        let mut options = AppendOptions::default();
        if self.has_groups {
            options = options.with_idempotency((u128::from(event.sequence) + 1).into());
        }
        if self.default == Level::Synced {
            options = options.with_gate(DURABLE);
        }
        let _receipt = self.store.append_with_options(coordinate, self.kind, &event.payload(), options)?;
        self.sync_if_more_is_asked(level)
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        let items: Result<Vec<_>, _> = events
            .iter()
            .map(|event| {
                let coordinate = self.coordinates[event.entity].clone();
                let options = AppendOptions::default();
                BatchAppendItem::new(coordinate, self.kind, &event.payload(), options, CausationRef::None)
            })
            .collect();
        let _receipts = self.store.append_batch(items?)?;
        self.sync_if_more_is_asked(level)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        self.store.close()?;
        Ok(())
    }
}
