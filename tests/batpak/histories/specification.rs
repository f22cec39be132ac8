//! What a store does when one thread uses it: the list of events that it is.

use super::history::{Call, Entity, Item, Operation, Reply, Row};
use batpak::EventId;

/// Events in their order.
#[derive(Debug)]
pub(super) struct Events<'h>(Vec<(&'h Item, &'h Row)>);

impl<'h> Events<'h> {
    /// What operations have appended, one after the other.
    pub(super) fn of(operations: impl Iterator<Item = &'h Operation>) -> Self {
        Self(operations.flat_map(Operation::appended).collect())
    }

    /// Whether a store with these events would give this reply.
    pub(super) fn allow(&self, call: &Call, reply: &Reply) -> bool {
        match (call, reply) {
            (Call::Append(items), Reply::Appended(rows) | Reply::Unknown(Some(rows))) => {
                !self.knows_any(items) && self.follow(items, rows)
            }
            (Call::Append(_), Reply::NotWritten | Reply::Failed) => true,
            (Call::Append(items), Reply::Replayed(rows)) => self.repeat(items, rows),
            (Call::Append(items), Reply::Conflict { entity, expected, actual, newest }) => {
                let refused = (0..items.len()).any(|item| {
                    let refused = &items[item];
                    let len = self.len_for(items, item);
                    refused.entity == *entity && refused.expected == Some(*expected) && len == *actual
                });
                !self.knows_any(items) && refused && expected != actual && self.newest(*entity) == *newest
            }
            (Call::Append(items), Reply::KeyReused(key, event)) => {
                let reused = items.iter().filter(|item| item.key == Some(*key)).filter_map(|item| self.known(item));
                reused.into_iter().any(|(known, row)| row.id == *event && self.is_elsewhere(items, known))
            }
            (Call::Append(items), Reply::PartialReplay) => self.knows_any(items) && self.repeated(items).is_none(),
            (Call::Rows(entity), Reply::Rows(rows)) => self.rows(*entity, 0).eq(rows),
            (Call::Project(entity), Reply::Payloads(payloads)) => {
                let of_entity = self.0.iter().filter(|(item, _)| item.entity == *entity);
                of_entity.map(|(item, _)| &item.payload).eq(payloads)
            }
            (Call::Read(sequence), Reply::Found(payload)) => {
                let found = self.0.iter().find(|(_, row)| row.sequence == *sequence);
                found.map(|(item, _)| item.payload) == *payload
            }
            (Call::Get(id), Reply::Found(payload)) => {
                self.0.iter().find(|(_, row)| row.id == *id).map(|(item, _)| item.payload) == *payload
            }
            (Call::Poll(entity, from), Reply::Next(row)) => self.rows(*entity, *from).next() == row.as_ref(),
            (Call::Visible, Reply::Count(count)) => self.0.len() as u64 == *count,
            _ => false,
        }
    }

    fn rows(&self, entity: Option<Entity>, from: u64) -> impl Iterator<Item = &'h Row> {
        let belongs = move |row: &&Row| entity.is_none_or(|entity| row.entity == entity) && row.sequence >= from;
        self.0.iter().map(|(_, row)| *row).filter(belongs)
    }

    fn newest(&self, entity: Entity) -> Option<EventId> {
        self.rows(Some(entity), 0).last().map(|row| row.id)
    }

    /// How many events the entity of an item has, with those of the items before it.
    fn len_for(&self, items: &[Item], item: usize) -> u64 {
        let entity = items[item].entity;
        let before = items[..item].iter().filter(|item| item.entity == entity).count();
        self.rows(Some(entity), 0).count() as u64 + before as u64
    }

    /// Whether the items can be appended, and get these rows.
    fn follow(&self, items: &[Item], rows: &[Row]) -> bool {
        let next = |item: usize| (items[item].entity, (self.0.len() + item) as u64, self.len_for(items, item));
        let found = rows.iter().map(|row| (row.entity, row.sequence, row.revision));
        let holds = |item: usize| items[item].expected.is_none_or(|expected| expected == self.len_for(items, item));
        (0..items.len()).all(holds) && (0..items.len()).map(next).eq(found)
    }

    /// The event that has the key of an item.
    fn known(&self, item: &Item) -> Option<(&'h Item, &'h Row)> {
        self.0.iter().copied().find(|(known, _)| item.key.is_some() && known.key == item.key)
    }

    fn knows_any(&self, items: &[Item]) -> bool {
        items.iter().any(|item| self.known(item).is_some())
    }

    /// The events that have the keys of all items, if they stand one behind the other.
    fn repeated(&self, items: &[Item]) -> Option<Vec<(&'h Item, &'h Row)>> {
        let known: Vec<_> = items.iter().map(|item| self.known(item)).collect::<Option<_>>()?;
        known.windows(2).all(|pair| pair[0].1.sequence + 1 == pair[1].1.sequence).then_some(known)
    }

    /// Whether the items are a repetition but for the entity of this event.
    fn is_elsewhere(&self, items: &[Item], known: &Item) -> bool {
        let item = items.iter().find(|item| item.key == known.key);
        self.repeated(items).is_some() && item.is_some_and(|item| item.entity != known.entity)
    }

    fn repeat(&self, items: &[Item], rows: &[(Row, bool)]) -> bool {
        let Some(repeated) = self.repeated(items) else { return false };
        let same = |(item, (known, row)): (&Item, (&Item, &Row))| {
            let is_same = known.entity == item.entity;
            is_same.then_some((*row, known.payload == item.payload))
        };
        items.iter().zip(repeated).map(same).eq(rows.iter().copied().map(Some))
    }
}
