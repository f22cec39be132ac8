//! What only batpak is asked to do.

pub(crate) mod entities;
pub(crate) mod project;
pub(crate) mod queries;

use batpak::prelude::{AppendOptions, BatchAppendItem, CausationRef, Coordinate, EventKind, Store};

use crate::engine::Failure;
use crate::event::{Event, SCOPE};

const ENGINE: &str = "batpak";
const BATCH: u64 = 1000;

fn usual_kind() -> EventKind {
    EventKind::custom(1, 1)
}

/// The payload of the event with this sequence, whatever entity it belongs to.
fn event(sequence: u64) -> Event {
    Event::nth(0, 1, sequence)
}

/// An event of a batch that has nothing particular.
fn item(sequence: u64, entity: &str) -> Result<BatchAppendItem, Failure> {
    let coordinate = Coordinate::new(entity, SCOPE)?;
    let (payload, options) = (event(sequence).payload(), AppendOptions::default());
    Ok(BatchAppendItem::new(coordinate, usual_kind(), &payload, options, CausationRef::None)?)
}

/// Appends `events` in batches of 1000, and closes the store.
fn fill(store: Store, events: u64, item: impl Fn(u64) -> Result<BatchAppendItem, Failure>) -> Result<(), Failure> {
    for first in (0..events).step_by(usize::try_from(BATCH)?) {
        let items: Result<Vec<_>, _> = (first..(first + BATCH).min(events)).map(&item).collect();
        store.append_batch(items?)?;
    }
    Ok(store.close()?)
}
