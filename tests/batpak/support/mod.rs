//! What the tests of writing have in common: a store on files, a clock and randomness that do as they are told.

mod clock;
mod entropy;
mod files;
mod payloads;

pub(crate) use clock::TestClock;
pub(crate) use entropy::TestEntropy;
pub(crate) use files::{Fault, Operation, TestFiles};
pub(crate) use payloads::Calls;

use batpak::prelude::*;
use batpak::store::{Environment, WritePath};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// How long a test waits for what another thread does before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const KIND: EventKind = EventKind::custom(1, 1);
pub(crate) const OTHER_KIND: EventKind = EventKind::custom(1, 2);

/// Everything from outside of one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) files: Arc<TestFiles>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) entropy: Arc<TestEntropy>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The same machine with other files.
    pub(crate) fn with_files(&self, files: TestFiles) -> Self {
        Self { files: Arc::new(files), ..self.clone() }
    }

    /// The options of the store of this world: the defaults, but the interval is so long that nothing is synced that a
    /// test did not cause.
    pub(crate) fn config(&self) -> StoreConfig {
        let environment = Environment {
            file_system: Arc::clone(&self.files) as _,
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::clone(&self.entropy) as _,
        };
        StoreConfig::new("/store").with_environment(environment).with_sync_interval(Duration::from_hours(1))
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Store {
        Store::open(self.config()).expect("opens")
    }

    /// A store of which every append writes to its segment, for tests that count writes or have one fail.
    #[track_caller]
    pub(crate) fn open_direct(&self) -> Store {
        Store::open(self.config().with_write_path(WritePath::Direct)).expect("opens")
    }

    /// The events of the store that a power cut would leave.
    #[track_caller]
    pub(crate) fn events_after_power_cut(&self) -> u64 {
        let world = self.with_files(self.files.after_power_cut());
        let store = world.open();
        store.verify_chain().expect("what is left verifies").events
    }

    /// The store after the death of this process at this moment.
    #[track_caller]
    pub(crate) fn after_kill(&self) -> Self {
        self.with_files(self.files.after_kill())
    }
}

#[track_caller]
pub(crate) fn at(entity: &str) -> Coordinate {
    Coordinate::new(entity, "tests").expect("valid")
}

#[track_caller]
pub(crate) fn append(store: &Store, entity: &str, options: AppendOptions<'_>) -> AppendReceipt {
    store.append_with_options(&at(entity), KIND, &entity, options).expect("appends")
}

#[track_caller]
pub(crate) fn item(entity: &str, options: AppendOptions<'_>) -> BatchAppendItem {
    item_of(entity, KIND, &entity, options)
}

#[track_caller]
pub(crate) fn item_of(
    entity: &str,
    kind: EventKind,
    payload: &impl serde::Serialize,
    options: AppendOptions<'_>,
) -> BatchAppendItem {
    BatchAppendItem::new(at(entity), kind, payload, options, CausationRef::None).expect("encodes")
}

pub(crate) fn synced() -> AppendOptions<'static> {
    AppendOptions::default().with_durability(Durability::Synced)
}

pub(crate) fn written() -> AppendOptions<'static> {
    AppendOptions::default().with_durability(Durability::Written)
}

pub(crate) fn keyed(key: u128) -> AppendOptions<'static> {
    AppendOptions::default().with_idempotency_key(key)
}

/// Number of events that can be seen.
#[track_caller]
pub(crate) fn visible(store: &Store) -> u64 {
    store.diagnostics().visible
}

/// Returns once every append that had been written before the call has decided whether it is visible: a conflict is
/// decided after them, by one thread at a time.
#[track_caller]
pub(crate) fn settle(store: &Store) {
    let options = AppendOptions::default().expect_len(u64::MAX);
    let refused = store.append_with_options(&at("nobody"), KIND, &(), options);
    assert!(refused.expect_err("nobody has so many").is_conflict());
}

#[track_caller]
pub(crate) fn receive<T>(from: &Receiver<T>) -> T {
    from.recv_timeout(PATIENCE).expect("the other thread answers")
}

/// All events are there, in order, the chain verifies, and another one can be appended.
#[track_caller]
pub(crate) fn check_usable(store: &Store, events: u64) {
    assert_eq!(store.verify_chain().expect("verifies").events, events);
    for sequence in 0..events {
        assert_eq!(store.read(sequence).expect("is there").event.sequence(), sequence);
    }
    let receipt = append(store, "usable", AppendOptions::default());
    assert_eq!(receipt.sequence, events);
    assert_eq!(store.get(receipt.event_id).expect("is there").event.event_hash(), receipt.event_hash);
    assert_eq!(store.verify_chain().expect("verifies").events, events + 1);
}
