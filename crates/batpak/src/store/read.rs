//! Reading: one event, or the rows of many.

use crate::event_payload::{EventPayload, PayloadError};
use crate::store::lost::is_lost;
use crate::store::rebuild::Attempts;
use crate::store::shared::Shared;
use crate::store::{Store, StoreError, payload};
use batpak_core::{Coordinate, Event, EventHeader, EventId, EventKind, EventRef, Region, StoredEvent, Timestamp};
use batpak_index::{Damaged, Direction, Matches, Row};
use batpak_segment::{Pinned, Position, SegmentView};
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

impl EventRow {
    #[inline]
    pub(crate) fn new(row: &Row, coordinate: Coordinate) -> Self {
        Self {
            event_id: row.id,
            coordinate,
            sequence: row.sequence(),
            revision: row.revision,
            kind: row.kind,
            time: row.time,
        }
    }
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
pub(crate) type DecodePayload<P> = fn(EventKind, u16, &[u8]) -> Result<P, PayloadError>;

impl Store {
    /// The event with this id, its payload as JSON.
    ///
    /// # Errors
    /// `NotFound` if there is none that is visible; `Erased` if its payload is gone; `Corrupt` and `Record` if it is
    /// not what was written; `Payload` if it cannot be decoded; `Io`; `Closed`.
    pub fn get(&self, id: EventId) -> Result<StoredEvent<Value>, StoreError> {
        self.fetch_id(id, payload::show)
    }

    /// The event with this id, its payload as the bytes that were stored, where they stand: one MessagePack value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let receipt = store.append(&Coordinate::new("seat:4", "hall")?, EventKind::custom(1, 1), &7)?;
    /// assert_eq!(**store.get_raw(receipt.event_id)?.event.payload(), [7]);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_raw(&self, id: EventId) -> Result<StoredEvent<RawPayload>, StoreError> {
        let row = self.row_of_id(id)?;
        self.shared().pin(&row)
    }

    /// The event with this id, its payload as the type of its kind. An older version is taken to the newest one.
    ///
    /// # Errors
    /// As [`get`](Self::get). `Payload` besides if its kind is none of the type's, or its version is newer than this
    /// program knows.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, PartialEq, Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1, type_id = 1, name = "seat.taken")]
    /// struct Taken {
    ///     by: String,
    /// }
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let taken = Taken { by: "Ada".to_owned() };
    /// let receipt = store.append_typed(&Coordinate::new("seat:4", "hall")?, &taken)?;
    /// assert_eq!(store.get_typed::<Taken>(receipt.event_id)?.event.into_payload(), taken);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_typed<T: EventPayload>(&self, id: EventId) -> Result<StoredEvent<T>, StoreError> {
        let stored = self.fetch_id(id, T::decode)?;
        self.shared().check_kinds(std::slice::from_ref(stored.event.payload().kind_info()))?;
        Ok(stored)
    }

    /// The event with this id, its payload as any type, whatever its kind and version.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let receipt = store.append(&Coordinate::new("seat:4", "hall")?, EventKind::custom(1, 1), &("Ada", 7))?;
    /// let (by, row) = store.get_as::<(String, u32)>(receipt.event_id)?.event.into_payload();
    /// assert_eq!((by.as_str(), row), ("Ada", 7));
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_as<T: DeserializeOwned>(&self, id: EventId) -> Result<StoredEvent<T>, StoreError> {
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
        shared.fetch(&row, payload::show)
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
        let visible = shared.visible();
        let mut scan = Scan::new(shared, region, 0..visible, Direction::Forward);
        let (mut rows, mut found) = (Vec::new(), Vec::new());
        while scan.next_rows(shared, &mut found)? {
            scan.add_event_rows(shared, &found, &mut rows)?;
        }
        Ok(Rows(rows))
    }

    fn fetch_id<P>(&self, id: EventId, decode: DecodePayload<P>) -> Result<StoredEvent<P>, StoreError> {
        let row = self.row_of_id(id)?;
        self.shared().fetch(&row, decode)
    }

    pub(crate) fn row_of_id(&self, id: EventId) -> Result<Row, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        let sequence = id.sequence();
        let row = shared.visible_row(sequence)?;
        if row.id == id { Ok(row) } else { Err(StoreError::UnknownId { id }) }
    }
}

impl Shared {
    fn visible_row(&self, sequence: u64) -> Result<Row, StoreError> {
        if sequence < self.visible() { self.row(sequence) } else { Err(StoreError::NotFound { sequence }) }
    }

    /// The row of an event, visible or not.
    pub(crate) fn row(&self, sequence: u64) -> Result<Row, StoreError> {
        self.ask(|tiers| tiers.row(sequence))?.ok_or(StoreError::NotFound { sequence })
    }

    /// The coordinate of an event, visible or not.
    pub(crate) fn coordinate_of(&self, sequence: u64) -> Result<Coordinate, StoreError> {
        self.ask(|tiers| tiers.coordinate(sequence))?.ok_or(StoreError::NotFound { sequence })
    }

    /// Shows the event of a row.
    #[inline]
    pub(crate) fn with_row<T>(
        &self,
        row: &Row,
        look: impl FnOnce(&EventRef<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_record(position_of(row), |bytes| look(&event_of(row, bytes)?))
    }

    /// Reads and decodes the event of a row.
    #[inline]
    fn fetch<P>(&self, row: &Row, decode: DecodePayload<P>) -> Result<StoredEvent<P>, StoreError> {
        self.with_row(row, |event| decoded(event, event.coordinate(), decode))
    }

    /// The event of a row, its payload where it stands.
    fn pin(&self, row: &Row) -> Result<StoredEvent<RawPayload>, StoreError> {
        let record = self.reader.pin(position_of(row)).map_err(|error| self.damaged(error))?;
        let event = event_of(row, &record)?;
        let payload = payload_of(&event)?;
        let at = payload.as_ptr().addr() - record.as_ptr().addr();
        let range = at..at + payload.len();
        let (coordinate, header) = (event.coordinate(), EventHeader::from(&event));
        Ok(StoredEvent { coordinate, event: Event::new(header, RawPayload { record, range }) })
    }
}

/// The bytes of a payload. As long as it lives it holds the mapping of its segment, which is not counted by
/// [`fd_budget`](crate::store::StoreConfig::fd_budget).
#[derive(Debug)]
pub struct RawPayload {
    record: Pinned,
    range: Range<usize>,
}

impl Deref for RawPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.record[self.range.clone()]
    }
}

impl AsRef<[u8]> for RawPayload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

fn position_of(row: &Row) -> Position {
    Position { sequence: row.sequence(), offset: row.offset.into() }
}

/// The event of a record that a row leads to.
#[inline]
fn event_of<'r>(row: &Row, record: &'r [u8]) -> Result<EventRef<'r>, StoreError> {
    let event = EventRef::decode(record).map_err(|source| StoreError::Record { sequence: row.sequence(), source })?;
    if event.event_id() == row.id {
        return Ok(event);
    }
    let reason = format!("event {} stands where event {} belongs", event.event_id(), row.id);
    Err(StoreError::Corrupt { segment: None, offset: Some(row.offset.into()), reason })
}

#[cold]
pub(crate) fn not_decoded(event: &EventRef<'_>, error: PayloadError) -> StoreError {
    StoreError::Payload { sequence: event.sequence(), kind: event.kind(), error }
}

#[inline]
fn decoded<P>(
    event: &EventRef<'_>,
    coordinate: Coordinate,
    decode: DecodePayload<P>,
) -> Result<StoredEvent<P>, StoreError> {
    let payload =
        decode(event.kind(), event.payload_version(), payload_of(event)?).map_err(|error| not_decoded(event, error))?;
    Ok(StoredEvent { coordinate, event: Event::new(EventHeader::from(event), payload) })
}

/// Going through the events of a region: rows from the index, records from the segments.
#[derive(Debug)]
pub(crate) struct Scan {
    region: Region,
    matches: Matches,
    ask_record: bool,
    view: Option<SegmentView>,
    buffer: Vec<u8>,
}

/// Records that lie closer to each other than this, in bytes, are brought by the memory itself.
const NEAR: u32 = 1024;

impl Scan {
    pub(crate) fn new(shared: &Shared, region: &Region, range: Range<u64>, direction: Direction) -> Self {
        let matches = shared.index.snapshot().matches(region, range, direction);
        let ask_record = matches.needs_record();
        Self { region: region.clone(), matches, ask_record, view: None, buffer: Vec::new() }
    }

    /// The next row whose event is to be read. Where it has to look for it, it looks at the records of all that it
    /// finds.
    #[inline]
    pub(crate) fn next_to_read(&mut self, shared: &Shared) -> Result<Option<Row>, StoreError> {
        if self.matches.found().is_empty() {
            self.look_ahead(shared)?;
        }
        self.next_row(shared)
    }

    fn look_ahead(&mut self, shared: &Shared) -> Result<(), StoreError> {
        self.find(shared)?;
        let Some(view) = &self.view else { return Ok(()) };
        let mut last = 0;
        for row in self.matches.found() {
            if row.offset.abs_diff(last) > NEAR && view.covers().contains(&row.sequence()) {
                view.touch(row.offset.into());
            }
            last = row.offset;
        }
        Ok(())
    }

    /// Looks for the rows that are next.
    fn find(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let mut attempts = Attempts::default();
        while let Err(damaged) = self.matches.find() {
            attempts.rebuild(shared, &damaged)?;
            self.matches.resume(shared.index.snapshot());
        }
        Ok(())
    }

    /// The next row that belongs to the region, its record asked where the row does not suffice.
    #[inline]
    fn next_row(&mut self, shared: &Shared) -> Result<Option<Row>, StoreError> {
        loop {
            if self.matches.found().is_empty() {
                self.find(shared)?;
            }
            let Some(row) = self.matches.next_found() else { return Ok(None) };
            if !self.ask_record || self.belongs(shared, &row)? {
                return Ok(Some(row));
            }
        }
    }

    /// The next row that belongs to the region, where damaged parts of the index cannot be mended.
    pub(crate) fn next_or_damage(&mut self, shared: &Shared) -> Result<Result<Option<Row>, Damaged>, StoreError> {
        loop {
            match self.matches.next_row() {
                Ok(Some(row)) if self.ask_record && !self.belongs(shared, &row)? => {}
                other => return Ok(other),
            }
        }
    }

    /// Asks the record.
    fn belongs(&mut self, shared: &Shared, row: &Row) -> Result<bool, StoreError> {
        let region = std::mem::replace(&mut self.region, Region::none());
        let belongs = self.with_row(shared, row, |event| Ok(region.matches(event)));
        self.region = region;
        belongs
    }

    /// The coordinate of the row that was given last.
    #[inline]
    pub(crate) fn coordinate(&mut self, shared: &Shared, row: &Row) -> Result<Coordinate, StoreError> {
        match self.matches.coordinate(row) {
            Ok(Some(coordinate)) => Ok(coordinate),
            Ok(None) => shared.coordinate_of(row.sequence()),
            Err(damaged) => {
                shared.rebuild(&damaged)?;
                self.matches.resume(shared.index.snapshot());
                shared.coordinate_of(row.sequence())
            }
        }
    }

    #[inline]
    pub(crate) fn next_event_row(&mut self, shared: &Shared) -> Result<Option<EventRow>, StoreError> {
        let Some(row) = self.next_row(shared)? else { return Ok(None) };
        Ok(Some(EventRow::new(&row, self.coordinate(shared, &row)?)))
    }

    /// Puts the rows that are next into `rows`. False if there are none.
    fn next_rows(&mut self, shared: &Shared, rows: &mut Vec<Row>) -> Result<bool, StoreError> {
        self.find(shared)?;
        self.matches.take_found(rows);
        let any = !rows.is_empty();
        if self.ask_record {
            let mut kept = Vec::with_capacity(rows.len());
            for row in &*rows {
                if self.belongs(shared, row)? {
                    kept.push(*row);
                }
            }
            *rows = kept;
        }
        Ok(any)
    }

    fn add_event_rows(&mut self, shared: &Shared, found: &[Row], rows: &mut Vec<EventRow>) -> Result<(), StoreError> {
        rows.reserve(found.len());
        for same in found.chunk_by(|one, other| one.coordinate == other.coordinate) {
            let coordinate = self.coordinate(shared, &same[0])?;
            rows.extend(same.iter().map(|row| EventRow::new(row, coordinate.clone())));
        }
        Ok(())
    }

    /// The event of the row that was given last.
    #[inline]
    pub(crate) fn event<P>(
        &mut self,
        shared: &Shared,
        row: &Row,
        decode: DecodePayload<P>,
    ) -> Result<StoredEvent<P>, StoreError> {
        let coordinate = self.coordinate(shared, row)?;
        self.with_row(shared, row, |event| decoded(event, coordinate, decode))
    }

    /// Shows the event of a row. The segment is looked up once for all of its events.
    #[inline]
    pub(crate) fn with_row<T>(
        &mut self,
        shared: &Shared,
        row: &Row,
        look: impl FnOnce(&EventRef<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let position = position_of(row);
        let view = match &mut self.view {
            Some(view) if view.covers().contains(&position.sequence) => view,
            view => {
                let new = shared.reader.view(position.sequence).map_err(|error| shared.damaged(error))?;
                view.insert(new)
            }
        };
        let bytes = view.read(position, &mut self.buffer).map_err(|error| shared.damaged(error))?;
        look(&event_of(row, bytes)?)
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
    let sequence = event.sequence();
    let missing = || if is_lost(event) { StoreError::Lost { sequence } } else { StoreError::Erased { sequence } };
    event.content().payload().ok_or_else(missing)
}
