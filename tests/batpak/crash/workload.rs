//! What the process that dies appends.

use crate::random::Random;
use batpak::prelude::*;
use batpak::store::{StoreError, WritePath};
use serde::{Deserialize, Serialize};
use std::path::Path;

pub(super) const KIND: EventKind = EventKind::custom(2, 1);

/// A payload says to which commit it belongs, and its filler follows from that.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) commit: u64,
    pub(super) item: u32,
    pub(super) items: u32,
    filler: String,
}

impl Payload {
    pub(super) fn new(commit: u64, item: u32, items: u32) -> Self {
        let mut random = Random::new(commit ^ u64::from(item) << 32);
        let len = usize::try_from(random.below(300)).expect("small");
        let filler = (0..len).map(|_| char::from(b'a' + u8::try_from(random.below(26)).expect("small"))).collect();
        Self { commit, item, items, filler }
    }
}

/// How one process behaves, which follows from its seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    path: WritePath,
    segment_max_bytes: u64,
    /// What the sync policy allows a power cut to take.
    pub(super) every_n_events: u64,
    /// Whether it reports every receipt, which slows it down, or one of fifty. A receipt speaks for all events before.
    pub(super) reports_all: bool,
    /// One of how many commits waits for its sync.
    synced_one_of: u64,
}

impl Habits {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            path: if seed.is_multiple_of(3) { WritePath::Direct } else { WritePath::Tail },
            segment_max_bytes: [8 << 10, 8 << 10, 64 << 10, 4 << 20][usize::try_from(seed >> 8 & 3).expect("small")],
            every_n_events: if seed >> 10 & 1 == 0 { 40 } else { 1000 },
            reports_all: seed >> 11 & 1 == 0,
            synced_one_of: [1, 4, 31, 301][usize::try_from(seed >> 12 & 3).expect("small")],
        }
    }

    pub(super) fn config(self, dir: impl AsRef<Path>) -> StoreConfig {
        let config = StoreConfig::new(dir).with_segment_max_bytes(self.segment_max_bytes).with_write_path(self.path);
        config.with_sync_every_n_events(self.every_n_events)
    }

    fn durability(self, commit: u64) -> Durability {
        if commit.is_multiple_of(self.synced_one_of) { Durability::Synced } else { Durability::Written }
    }
}

/// One event or a batch, appended or submitted, at either level.
pub(super) fn append_commit(
    store: &Store,
    habits: Habits,
    commit: u64,
    random: &mut Random,
) -> Result<Vec<AppendReceipt>, StoreError> {
    let options = AppendOptions::default().with_durability(habits.durability(commit));
    let submits = commit.is_multiple_of(5);
    if commit.is_multiple_of(3) {
        let items = u32::try_from(2 + random.below(8)).expect("small");
        let batch = (0..items).map(|item| {
            let payload = Payload::new(commit, item, items);
            BatchAppendItem::new(coordinate(commit, item), KIND, &payload, options, CausationRef::None)
                .expect("encodes")
        });
        return if submits { store.submit_batch(batch)?.wait() } else { store.append_batch(batch) };
    }
    let (at, payload) = (coordinate(commit, 0), Payload::new(commit, 0, 1));
    let receipt = if submits {
        store.submit(&at, KIND, &payload, options)?.wait()?
    } else {
        store.append_with_options(&at, KIND, &payload, options)?
    };
    Ok(vec![receipt])
}

fn coordinate(commit: u64, item: u32) -> Coordinate {
    let entity = (commit >> 3).wrapping_add(u64::from(item)) % 5;
    Coordinate::new(format!("entity:{entity}"), "crash").expect("valid")
}
