//! What several threads have asked of a store, and what it answered.

use batpak::EventId;

/// Those that there are. The first is touched most.
pub(super) const ENTITIES: [&str; 3] = ["hot", "warm", "cold"];

/// An index of [`ENTITIES`].
pub(super) type Entity = usize;

/// An event that is to be appended. Its payload tells it from every other one, but for what has the same key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) entity: Entity,
    pub(super) expected: Option<u64>,
    pub(super) key: Option<u128>,
    pub(super) payload: u64,
}

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) entity: Entity,
    pub(super) id: EventId,
    pub(super) sequence: u64,
    pub(super) revision: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Call {
    /// One event, or a batch.
    Append(Vec<Item>),
    /// The rows of an entity, or of all.
    Rows(Option<Entity>),
    /// The payloads of an entity.
    Project(Entity),
    Read(u64),
    Get(EventId),
    /// The first event of an entity, or of all, from a sequence on.
    Poll(Option<Entity>, u64),
    Visible,
}

#[derive(Clone, Debug)]
pub(super) enum Reply {
    Appended(Vec<Row>),
    /// For each event, whether the payload was that of the first time.
    Replayed(Vec<(Row, bool)>),
    Conflict {
        entity: Entity,
        expected: u64,
        actual: u64,
        newest: Option<EventId>,
    },
    KeyReused(u128, EventId),
    PartialReplay,
    Rows(Vec<Row>),
    Payloads(Vec<u64>),
    /// The payload of an event, if it was found.
    Found(Option<u64>),
    Next(Option<Row>),
    Count(u64),
    /// The file system would not have it, and nothing has happened.
    NotWritten,
    /// The store had failed, and nothing has happened.
    Failed,
    /// The store has failed meanwhile: nothing has happened, or these events were appended, if they are there later.
    Unknown(Option<Vec<Row>>),
}

impl Reply {
    /// Whether it is one of a store that nothing has befallen.
    pub(super) fn is_well(&self) -> bool {
        !matches!(self, Self::NotWritten | Self::Failed | Self::Unknown(_))
    }
}

/// A call from its beginning to its end. The moments of a history are all different.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) thread: usize,
    pub(super) begun: u64,
    pub(super) ended: u64,
    pub(super) call: Call,
    pub(super) reply: Reply,
}

impl Operation {
    /// The events that it has appended, or may have.
    pub(super) fn appended(&self) -> impl Iterator<Item = (&Item, &Row)> {
        let (items, rows): (&[Item], &[Row]) = match (&self.call, &self.reply) {
            (Call::Append(items), Reply::Appended(rows) | Reply::Unknown(Some(rows))) => (items, rows),
            _ => (&[], &[]),
        };
        items.iter().zip(rows)
    }

    fn is_append(&self) -> bool {
        matches!(self.call, Call::Append(_))
    }

    fn touches(&self, entity: Entity) -> bool {
        match &self.call {
            Call::Append(items) => items.iter().any(|item| item.entity == entity),
            Call::Rows(one) | Call::Poll(one, _) => one.is_none_or(|one| one == entity),
            Call::Project(one) => *one == entity,
            // Events of any entity may be there.
            Call::Read(_) | Call::Get(_) | Call::Visible => true,
        }
    }

    /// Whether it matters in which order the two happen: they overlap in time and have an entity in common, and one of
    /// them at least appends.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let overlaps = self.begun < other.ended && other.begun < self.ended;
        let shares = (0..ENTITIES.len()).any(|entity| self.touches(entity) && other.touches(entity));
        overlaps && shares && (self.is_append() || other.is_append())
    }
}
