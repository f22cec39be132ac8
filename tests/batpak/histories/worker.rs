//! One of the threads: what it does next depends on its seed and on what it has seen.

use super::history::{Call, ENTITIES, Entity, Item, Operation, Reply, Row};
use crate::random::Random;
use batpak::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Cursor, Durability, EventRow, Freshness, Projection,
    Store, StoreError, Ticket,
};
use batpak::{Coordinate, Event, EventId, EventKind, EventPayload, Region, StoredEvent};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

const KIND: EventKind = EventKind::custom(1, 1);
/// Keys of which each belongs to an entity of its own, if nobody has mixed them up.
const KEYS: u64 = 4;

pub(super) struct Worker<'s> {
    store: &'s Store,
    moments: &'s AtomicU64,
    number: usize,
    random: Random,
    operations: Vec<Operation>,
    /// How many events each entity had when it was last seen.
    lens: [u64; ENTITIES.len()],
    ids: Vec<EventId>,
    payloads: u64,
    cursors: Vec<(Option<Entity>, Cursor)>,
    /// The events that were acknowledged as synced.
    synced: Vec<EventId>,
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "number")]
struct Number(u64);

/// Keeps the payloads.
#[derive(Debug, Default)]
struct Payloads(Vec<u64>);

impl Projection for Payloads {
    type Event = Number;

    fn apply(&mut self, event: &Event<Number>) {
        self.0.push(event.payload().0);
    }
}

fn region(entity: Option<Entity>) -> Region {
    entity.map_or_else(Region::all, |entity| Region::entity(ENTITIES[entity]))
}

fn coordinate(entity: Entity) -> Coordinate {
    Coordinate::new(ENTITIES[entity], "x").expect("valid")
}

fn entity_of(name: &str) -> Entity {
    ENTITIES.iter().position(|entity| *entity == name).expect("one of ours")
}

pub(super) fn row_of(row: &EventRow) -> Row {
    let entity = entity_of(row.coordinate.entity());
    Row { entity, id: row.event_id, sequence: row.sequence, revision: row.revision }
}

impl<'s> Worker<'s> {
    pub(super) fn new(number: usize, seed: u64, store: &'s Store, moments: &'s AtomicU64, known: &[Row]) -> Self {
        let cursors = [None, Some(0)].map(|entity| (entity, store.cursor_guaranteed(&region(entity))));
        let mut worker = Self {
            store,
            moments,
            number,
            random: Random::new(seed),
            operations: Vec::new(),
            lens: [0; ENTITIES.len()],
            ids: Vec::new(),
            payloads: 0,
            cursors: cursors.into(),
            synced: Vec::new(),
        };
        for row in known {
            worker.see(row);
        }
        worker
    }

    /// Returns what it did, and the events that were acknowledged to it as synced.
    pub(super) fn run(mut self, steps: u64) -> (Vec<Operation>, Vec<EventId>) {
        for _ in 0..steps {
            pause(&mut self.random);
            self.step();
        }
        (self.operations, self.synced)
    }

    fn step(&mut self) {
        let call = self.next_call();
        // SeqCst: one order of all moments, which no other access passes.
        let begun = self.moments.fetch_add(1, Ordering::SeqCst);
        let reply = self.perform(&call);
        let ended = self.moments.fetch_add(1, Ordering::SeqCst);
        self.learn(&reply);
        self.operations.push(Operation { thread: self.number, begun, ended, call, reply });
    }

    fn entity(&mut self) -> Entity {
        match self.random.below(10) {
            0..6 => 0,
            6..9 => 1,
            _ => 2,
        }
    }

    fn entity_or_all(&mut self) -> Option<Entity> {
        (!self.random.chance(40)).then(|| self.entity())
    }

    fn next_call(&mut self) -> Call {
        match self.random.below(100) {
            0..32 => Call::Append(vec![self.item()]),
            32..44 => Call::Append(vec![self.keyed_item()]),
            44..50 => Call::Append(vec![self.item(), self.item()]),
            50..54 => Call::Append(self.keyed_batch()),
            54..68 => Call::Rows(self.entity_or_all()),
            68..72 => Call::Project(self.entity()),
            72..78 => Call::Read(self.lens.iter().sum::<u64>() + self.random.below(3)),
            78..86 => match self.ids.last() {
                Some(newest) => Call::Get(*newest),
                None => Call::Visible,
            },
            86..97 => {
                let (entity, cursor) = self.random.pick(&self.cursors);
                Call::Poll(*entity, cursor.position())
            }
            _ => Call::Visible,
        }
    }

    /// One that no other event has; keys, which are payloads too, are smaller.
    fn payload(&mut self) -> u64 {
        self.payloads += 1;
        (self.number as u64 + 1) << 32 | self.payloads
    }

    /// An event, mostly with a condition that would hold if nobody else had appended meanwhile.
    fn item(&mut self) -> Item {
        let entity = self.entity();
        let expected = self.random.chance(60).then(|| self.lens[entity] + self.random.below(10) / 9);
        Item { entity, expected, key: None, payload: self.payload() }
    }

    fn keyed_item(&mut self) -> Item {
        let key = self.random.below(KEYS);
        let elsewhere = u64::from(self.random.chance(15));
        let entity = usize::try_from((key + elsewhere) % 2).expect("small");
        let expected = self.random.chance(40).then(|| self.lens[entity]);
        let payload = if self.random.chance(80) { key } else { self.payload() };
        Item { entity, expected, key: Some(key.into()), payload }
    }

    /// Two entities, two keys: known together or not at all, unless one of them was used alone.
    fn keyed_batch(&mut self) -> Vec<Item> {
        let first = self.random.below(KEYS / 2) * 2;
        let base = if self.random.chance(80) { KEYS } else { 0 };
        let item = |n: u64| {
            let (entity, key) = (usize::try_from(n).expect("small"), base + first + n);
            Item { entity, expected: None, key: Some(key.into()), payload: key }
        };
        vec![item(0), item(1)]
    }

    fn perform(&mut self, call: &Call) -> Reply {
        let store = self.store;
        match call {
            Call::Append(items) => self.append(items),
            Call::Rows(entity) => {
                Reply::Rows(store.query(&region(*entity)).expect("rows").iter().map(row_of).collect())
            }
            Call::Project(entity) => {
                let state: Option<Payloads> =
                    store.project(ENTITIES[*entity], &Freshness::Consistent).expect("a projection");
                Reply::Payloads(state.unwrap_or_default().0)
            }
            Call::Read(sequence) => found(store.read(*sequence), |payload| payload.as_u64().expect("a number")),
            Call::Get(id) => found(store.get_as::<u64>(*id), |payload| *payload),
            Call::Poll(entity, _) => {
                let cursor = self.cursors.iter_mut().find(|(of, _)| of == entity).map(|(_, cursor)| cursor);
                Reply::Next(cursor.expect("a cursor").try_poll().expect("a poll").as_ref().map(row_of))
            }
            Call::Visible => Reply::Count(store.diagnostics().visible),
        }
    }

    fn append(&mut self, items: &[Item]) -> Reply {
        let options = |item: &Item, synced: bool| AppendOptions {
            expected_sequence: item.expected,
            idempotency_key: item.key,
            durability: synced.then_some(Durability::Synced),
            ..AppendOptions::default()
        };
        let (synced, submits) = (self.random.chance(30), self.random.chance(25));
        let batch = || {
            items.iter().map(|item| {
                let options = options(item, synced);
                BatchAppendItem::new(coordinate(item.entity), KIND, &item.payload, options, CausationRef::None)
                    .expect("encodes")
            })
        };
        let result = match items {
            [one] => {
                let (place, options) = (coordinate(one.entity), options(one, synced));
                let appended = if submits {
                    self.store.submit(&place, KIND, &one.payload, options).and_then(Ticket::wait)
                } else {
                    self.store.append_with_options(&place, KIND, &one.payload, options)
                };
                appended.map(|receipt| vec![receipt])
            }
            _ if submits => self.store.submit_batch(batch()).and_then(Ticket::wait),
            _ => self.store.append_batch(batch()),
        };
        if let Ok(receipts) = &result {
            let synced = receipts.iter().filter(|receipt| receipt.durability == Durability::Synced);
            self.synced.extend(synced.map(|receipt| receipt.event_id));
        }
        reply_of(items, result)
    }

    /// Remembers what is needed for calls that depend on what is there.
    fn learn(&mut self, reply: &Reply) {
        match reply {
            Reply::Appended(rows) | Reply::Rows(rows) => rows.iter().for_each(|row| self.see(row)),
            Reply::Replayed(rows) => rows.iter().for_each(|(row, _)| self.see(row)),
            Reply::Conflict { entity, actual, newest, .. } => {
                self.lens[*entity] = *actual;
                self.ids.extend(newest);
            }
            Reply::KeyReused(_, event) => self.ids.push(*event),
            Reply::Next(row) => row.iter().for_each(|row| self.see(row)),
            Reply::PartialReplay
            | Reply::Payloads(_)
            | Reply::Found(_)
            | Reply::Count(_)
            | Reply::NotWritten
            | Reply::Failed
            | Reply::Unknown(_) => {}
        }
    }

    fn see(&mut self, row: &Row) {
        self.lens[row.entity] = self.lens[row.entity].max(row.revision + 1);
        self.ids.push(row.id);
    }
}

/// Gives way or not, for longer or shorter.
pub(super) fn pause(random: &mut Random) {
    match random.below(8) {
        0..3 => std::thread::yield_now(),
        3 => (0..random.below(400)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

fn reply_of(items: &[Item], result: Result<Vec<AppendReceipt>, StoreError>) -> Reply {
    let receipts = match result {
        Ok(receipts) => receipts,
        Err(StoreError::Conflict { entity, expected, actual, newest }) => {
            return Reply::Conflict { entity: entity_of(&entity), expected, actual, newest };
        }
        Err(StoreError::KeyReused { key, event }) => return Reply::KeyReused(key, event),
        Err(StoreError::PartialReplay { .. }) => return Reply::PartialReplay,
        Err(error) if error.is_outcome_unknown() => return Reply::Unknown(None),
        Err(StoreError::Failed { .. }) => return Reply::Failed,
        Err(StoreError::Io { .. }) => return Reply::NotWritten,
        Err(error) => panic!("{error}"),
    };
    let row = |(item, receipt): (&Item, &AppendReceipt)| Row {
        entity: item.entity,
        id: receipt.event_id,
        sequence: receipt.sequence,
        revision: receipt.revision,
    };
    let rows = items.iter().zip(&receipts).map(row);
    let replayed = receipts.iter().filter(|receipt| receipt.replayed()).count();
    if replayed == 0 {
        return Reply::Appended(rows.collect());
    }
    assert_eq!((replayed, items.len()), (receipts.len(), receipts.len()), "all or nothing");
    Reply::Replayed(rows.zip(&receipts).map(|(row, receipt)| (row, !receipt.payload_differs())).collect())
}

fn found<P>(result: Result<StoredEvent<P>, StoreError>, number: impl FnOnce(&P) -> u64) -> Reply {
    match result {
        Ok(stored) => Reply::Found(Some(number(stored.event.payload()))),
        Err(StoreError::NotFound { .. }) => Reply::Found(None),
        Err(error) => panic!("{error}"),
    }
}
