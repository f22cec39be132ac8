//! One event in three versions: the newest program reads what all of them wrote.
//!
//! `cargo run --release -p batpak --example schema`. The page `docs/guide/schema.md` writes it step by step.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use batpak::prelude::*;
use std::error::Error;
use std::path::Path;

/// The program as it was first: an order is one thing, its price in euros.
mod first {
    use batpak::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, EventPayload)]
    #[batpak(category = 3)]
    pub(crate) enum OrderEvent {
        #[batpak(type_id = 1, name = "order.placed")]
        Placed { item: String, euros: u32 },
    }
}

/// The second release: the price in cents, and perhaps a note.
mod second {
    use batpak::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, EventPayload)]
    #[batpak(category = 3)]
    pub(crate) enum OrderEvent {
        #[batpak(type_id = 1, version = 2, name = "order.placed", upcast(Self::from_v1))]
        Placed { item: String, cents: u64, note: Option<String> },
    }

    /// `order.placed` as the first release stored it.
    #[derive(Deserialize)]
    struct PlacedV1 {
        item: String,
        euros: u32,
    }

    impl OrderEvent {
        fn from_v1(old: PlacedV1) -> Self {
            Self::Placed { item: old.item, cents: u64::from(old.euros) * 100, note: None }
        }
    }
}

/// The third release: an order is several things, and can be cancelled.
mod third {
    use batpak::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize, EventPayload)]
    #[batpak(category = 3)]
    pub(crate) enum OrderEvent {
        #[batpak(type_id = 1, version = 3, name = "order.placed", upcast(PlacedV2::from_v1, Self::from_v2))]
        Placed { items: Vec<String>, cents: u64, note: Option<String> },
        #[batpak(type_id = 2, name = "order.cancelled")]
        Cancelled { reason: String },
    }

    /// `order.placed` as the first release stored it.
    #[derive(Deserialize)]
    struct PlacedV1 {
        item: String,
        euros: u32,
    }

    /// `order.placed` as the second release stored it.
    #[derive(Deserialize)]
    struct PlacedV2 {
        item: String,
        cents: u64,
        note: Option<String>,
    }

    impl PlacedV2 {
        fn from_v1(old: PlacedV1) -> Self {
            Self { item: old.item, cents: u64::from(old.euros) * 100, note: None }
        }
    }

    impl OrderEvent {
        fn from_v2(old: PlacedV2) -> Self {
            Self::Placed { items: vec![old.item], cents: old.cents, note: old.note }
        }
    }

    /// What was ordered and not cancelled, in cents.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub(crate) struct Total(pub(crate) u64);

    impl Projection for Total {
        type Event = OrderEvent;

        fn apply(&mut self, event: &Event<OrderEvent>) {
            match event.payload() {
                OrderEvent::Placed { cents, .. } => self.0 += cents,
                OrderEvent::Cancelled { .. } => self.0 = 0,
            }
        }
    }
}

/// All events of the program: those of orders, and what else it will have.
#[derive(EventPayload)]
enum ShopEvent {
    Order(third::OrderEvent),
}

/// A release opens the store, appends to an order, and closes the store.
fn run<T: EventPayload>(dir: &Path, order: &str, event: &T) -> Result<AppendReceipt, Box<dyn Error>> {
    let store = Store::open(StoreConfig::new(dir).with_events::<T>())?;
    let receipt = store.append_typed(&Coordinate::new(order, "shop")?, event)?;
    store.close()?;
    Ok(receipt)
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?; // a path of yours
    run(dir.path(), "order:1", &first::OrderEvent::Placed { item: "a chair".to_owned(), euros: 129 })?;
    let note = Some("ring twice".to_owned());
    let placed = second::OrderEvent::Placed { item: "a lamp".to_owned(), cents: 4950, note: note.clone() };
    let second = run(dir.path(), "order:2", &placed)?;
    let items = vec!["a table".to_owned(), "a bench".to_owned()];
    run(dir.path(), "order:3", &third::OrderEvent::Placed { items: items.clone(), cents: 39_900, note: None })?;
    let cancelled = third::OrderEvent::Cancelled { reason: "too wide".to_owned() };
    run(dir.path(), "order:1", &ShopEvent::Order(cancelled))?;

    let store = Store::open_read_only(dir.path())?;
    read_as_third(&store, note, items)?;
    read_as_first(&store, second.sequence)
}

/// The newest release reads all versions as its own.
fn read_as_third(store: &Store, note: Option<String>, items: Vec<String>) -> Result<(), Box<dyn Error>> {
    let mut found = Vec::new();
    for stored in store.events(&Region::scope("shop")).typed::<third::OrderEvent>() {
        let StoredEvent { coordinate, event } = stored?;
        println!("{coordinate}, stored as version {}: {:?}", event.payload_version(), event.payload());
        found.push(event.into_payload());
    }
    let expected = [
        third::OrderEvent::Placed { items: vec!["a chair".to_owned()], cents: 12_900, note: None },
        third::OrderEvent::Placed { items: vec!["a lamp".to_owned()], cents: 4950, note },
        third::OrderEvent::Placed { items, cents: 39_900, note: None },
        third::OrderEvent::Cancelled { reason: "too wide".to_owned() },
    ];
    assert_eq!(found, expected);
    let kinds = store.kinds()?;
    let kinds: Vec<_> = kinds.iter().map(|kind| (kind.name(), kind.version())).collect();
    let placed = |version| ("order.placed", version);
    assert_eq!(kinds, [placed(1), placed(2), placed(3), ("order.cancelled", 1)]);
    let total = |order| store.project::<third::Total>(order, &Freshness::Consistent);
    assert_eq!(total("order:1")?, Some(third::Total(0)));
    assert_eq!(total("order:2")?, Some(third::Total(4950)));
    Ok(())
}

/// The first release reads its own event, does not see kinds that it does not know, and is told of what is too new.
fn read_as_first(store: &Store, too_new: u64) -> Result<(), Box<dyn Error>> {
    let mut events = store.events(&Region::scope("shop")).typed::<first::OrderEvent>();
    let first::OrderEvent::Placed { item, euros } = events.next().ok_or("an event")??.event.into_payload();
    assert_eq!((item.as_str(), euros), ("a chair", 129));
    let Some(Err(StoreError::Payload { sequence, error, .. })) = events.next() else {
        return Err("a newer version was read by an older program".into());
    };
    println!("the first release, of event {sequence}: {error}");
    assert_eq!(sequence, too_new);
    assert!(matches!(error, PayloadError::NewerVersion { name: "order.placed", version: 2, known: 1, .. }));
    assert_eq!(events.count(), 1, "and of order:3; it does not know that an order can be cancelled");
    Ok(())
}
