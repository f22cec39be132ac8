//! Reading: one event, or the rows of many.

use crate::store::shared::Shared;
use crate::store::{Store, StoreError, json, payload};
use batpak_core::{Coordinate, Event, EventHeader, EventId, EventKind, EventRef, Region, StoredEvent, Timestamp};
use batpak_index::{Direction, Matches, Row};
use batpak_segment::Position;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::{Deref, Range};

/// What the index knows of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRow {
    /// Id of the event.
    pub event_id: EventId,
    /// Where it is.
    pub coordinate: Coordinate,
    /// Position in the store: 0, 1, 2 … without a gap.
    pub sequence: u64,
    /// Position in its entity's stream: 0, 1, 2 … without a gap.
    pub revision: u64,
    /// Kind of event.
    pub kind: EventKind,
    /// The wall clock when it was appended.
    pub time: Timestamp,
}

/// Rows in the order of their sequence; a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(Vec<EventRow>);

impl Deref for Rows {
    type Target = [EventRow];

    fn deref(&self) -> &[EventRow] {
        &self.0
    }
}

impl IntoIterator for Rows {
    type Item = EventRow;
    type IntoIter = std::vec::IntoIter<EventRow>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a EventRow;
    type IntoIter = std::slice::Iter<'a, EventRow>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// How a payload is read from its bytes.
pub(crate) type DecodePayload<P> = fn(&[u8]) -> Result<P, rmp_serde::decode::Error>;

impl Store {
    /// The event with this id, its payload as JSON.
    ///
    /// # Errors
    /// `NotFound` if there is none that is visible; `Erased` if its payload is gone; `Corrupt` and `Record` if it is
    /// not what was written; `Decode`; `Io`; `Closed`.
    pub fn get(&self, id: EventId) -> Result<StoredEvent<Value>, StoreError> {
        self.fetch_id(id, json::payload_to_json)
    }

    /// The event with this id, its payload as the bytes that were stored: one MessagePack value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_raw(&self, id: EventId) -> Result<StoredEvent<Vec<u8>>, StoreError> {
        self.fetch_id(id, |bytes| Ok(bytes.to_vec()))
    }

    /// The event with this id, its payload as a type of yours.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_typed<T: DeserializeOwned>(&self, id: EventId) -> Result<StoredEvent<T>, StoreError> {
        self.fetch_id(id, payload::decode)
    }

    /// The event with this sequence, its payload as JSON.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn read(&self, sequence: u64) -> Result<StoredEvent<Value>, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        let row = shared.visible_row(sequence)?;
        shared.fetch(row, &mut Vec::new(), json::payload_to_json)
    }

    /// The rows of exactly this entity, in order. It cannot fail: of a closed store it returns none. See
    /// [`try_stream`](Self::try_stream).
    pub fn stream(&self, entity: &str) -> Rows {
        self.try_stream(entity).unwrap_or_default()
    }

    /// The rows of exactly this entity, in order; none if there is no such entity.
    ///
    /// # Errors
    /// `Closed`.
    pub fn try_stream(&self, entity: &str) -> Result<Rows, StoreError> {
        self.query(&Region::entity(entity))
    }

    /// The rows of a region, in order.
    ///
    /// # Errors
    /// `Closed`; and if the region names tags, a correlation or a cause, as [`get`](Self::get).
    pub fn query(&self, region: &Region) -> Result<Rows, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        let mut matches = shared.matches(region, 0..shared.visible(), Direction::Forward);
        let mut rows = Vec::new();
        let mut buffer = Vec::new();
        while let Some(row) = shared.next_match(&mut matches, region, &mut buffer)? {
            rows.push(shared.event_row(&row)?);
        }
        Ok(Rows(rows))
    }

    fn fetch_id<P>(&self, id: EventId, decode: DecodePayload<P>) -> Result<StoredEvent<P>, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        let sequence = id.sequence();
        let row = shared.visible_row(sequence)?;
        if row.id != id {
            return Err(StoreError::NotFound { sequence });
        }
        shared.fetch(row, &mut Vec::new(), decode)
    }
}

impl Shared {
    fn visible_row(&self, sequence: u64) -> Result<&Row, StoreError> {
        let visible = sequence < self.visible();
        visible.then(|| self.live.row(sequence)).flatten().ok_or(StoreError::NotFound { sequence })
    }

    pub(crate) fn matches(&self, region: &Region, range: Range<u64>, direction: Direction) -> Matches {
        self.live.matches(region, range, direction)
    }

    /// The next row that belongs to the region, its record asked where the row does not suffice.
    pub(crate) fn next_match(
        &self,
        matches: &mut Matches,
        region: &Region,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Row>, StoreError> {
        let ask_record = matches.needs_record();
        for row in matches {
            if !ask_record || region.matches(&self.read_row(&row, buffer)?) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    pub(crate) fn read_row<'b>(&self, row: &Row, buffer: &'b mut Vec<u8>) -> Result<EventRef<'b>, StoreError> {
        let event = self.read_record(Position { sequence: row.sequence(), offset: row.offset }, buffer)?;
        if event.event_id() == row.id {
            return Ok(event);
        }
        let reason = format!("event {} stands where event {} belongs", event.event_id(), row.id);
        Err(StoreError::Corrupt { segment: None, offset: Some(row.offset), reason })
    }

    pub(crate) fn event_row(&self, row: &Row) -> Result<EventRow, StoreError> {
        let sequence = row.sequence();
        let coordinate = self.live.coordinate(row.coordinate).ok_or(StoreError::NotFound { sequence })?;
        Ok(EventRow {
            event_id: row.id,
            coordinate: coordinate.clone(),
            sequence,
            revision: row.revision,
            kind: row.kind,
            time: row.time,
        })
    }

    /// Reads and decodes the event of a row.
    pub(crate) fn fetch<P>(
        &self,
        row: &Row,
        buffer: &mut Vec<u8>,
        decode: DecodePayload<P>,
    ) -> Result<StoredEvent<P>, StoreError> {
        let sequence = row.sequence();
        let coordinate = self.live.coordinate(row.coordinate).ok_or(StoreError::NotFound { sequence })?;
        let event = self.read_row(row, buffer)?;
        let payload = decode(payload_of(&event)?).map_err(|source| StoreError::Decode { sequence, source })?;
        Ok(StoredEvent { coordinate: coordinate.clone(), event: Event::new(EventHeader::from(&event), payload) })
    }
}

/// Decodes the record that stands at `position`, and sees that it belongs there. What has an unknown critical extension
/// is listed and verified like any other event; only who reads it is refused.
pub(crate) fn decode_at(position: Position, record: &[u8]) -> Result<EventRef<'_>, StoreError> {
    let sequence = position.sequence;
    let event =
        EventRef::decode_unchecked_extensions(record).map_err(|source| StoreError::Record { sequence, source })?;
    if event.sequence() == sequence {
        return Ok(event);
    }
    let reason = format!("event {} stands where event {sequence} belongs", event.sequence());
    Err(StoreError::Corrupt { segment: None, offset: Some(position.offset), reason })
}

/// The payload of an event, if it is still there.
pub(crate) fn payload_of<'a>(event: &EventRef<'a>) -> Result<&'a [u8], StoreError> {
    event.content().payload().ok_or(StoreError::Erased { sequence: event.sequence() })
}
