//! Going through the events of a region, one after the other.

use crate::store::read::{DecodePayload, Scan};
use crate::store::shared::Shared;
use crate::store::{EventRow, Store, StoreError, payload};
use crate::{EventPayload, KindInfo};
use batpak_core::{Region, StoredEvent};
use batpak_index::Direction;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

/// The events of a region, read as they are asked for. It sees what was visible when the first one was asked for.
pub struct Events<P = Value> {
    store: Store,
    region: Region,
    start: Start,
    decode: DecodePayload<P>,
    /// What the program knows of the kinds, if they are read as a type.
    kinds: Option<&'static [KindInfo]>,
    scan: Option<Scan>,
    ended: bool,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    direction: Direction,
    from: Option<u64>,
}

impl<P> fmt::Debug for Events<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("region", &self.region).field("start", &self.start).finish_non_exhaustive()
    }
}

impl Store {
    /// The events of a region in the order of their sequence, payloads as JSON. Nothing is read before it is asked
    /// for.
    ///
    /// # Errors
    /// Each event comes as a `Result`, with the errors of [`get`](Self::get). What follows an event that cannot be read
    /// comes nevertheless; `Closed` is the end.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let seat = Coordinate::new("seat:4", "hall")?;
    /// for n in 0..3 {
    ///     store.append(&seat, EventKind::custom(1, 1), &n)?;
    /// }
    /// let newest = store.events(&Region::entity("seat:4")).backward().decoded::<u32>().next().expect("three events")?;
    /// assert_eq!(*newest.event.payload(), 2);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(&self, region: &Region) -> Events {
        Events {
            store: self.clone(),
            region: region.clone(),
            start: Start { direction: Direction::Forward, from: None },
            decode: payload::show,
            kinds: None,
            scan: None,
            ended: false,
        }
    }
}

impl<P> Events<P> {
    /// Begins at this sequence, which is the first one, or the last one backward.
    #[must_use]
    pub fn from(mut self, sequence: u64) -> Self {
        self.start.from = Some(sequence);
        self
    }

    /// Goes against the order.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.start.direction = Direction::Backward;
        self
    }

    /// Payloads as the bytes that were stored: one MessagePack value each.
    pub fn raw(self) -> Events<Vec<u8>> {
        self.decoded_by(|_, _, bytes| Ok(bytes.to_vec()))
    }

    /// The rows only: what the index knows, without reading the events.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// for n in 0..100 {
    ///     store.append(&Coordinate::new("seat:4", "hall")?, EventKind::custom(1, 1), &n)?;
    /// }
    /// let newest: Result<Vec<_>, _> = store.events(&Region::scope("hall")).backward().rows().take(3).collect();
    /// assert_eq!(newest?.iter().map(|row| row.sequence).collect::<Vec<_>>(), [99, 98, 97]);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rows(self) -> EventRows {
        EventRows(self.decoded_by(|_, _, _| Ok(())))
    }

    /// Of these, the events of the kinds of `T`, payloads as `T`. Older versions are taken to the newest one. Say it
    /// before the first event is asked for.
    ///
    /// # Errors
    /// `Payload` for an event whose version is newer than this program knows. Before all others `Lost`, if one of them
    /// may have been lost, and `KindHasOtherName` or `NameHasOtherKind`, behind which nothing comes, if a kind means
    /// something else in this store.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1, type_id = 1, name = "seat.taken")]
    /// struct Taken(String);
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let seat = Coordinate::new("seat:4", "hall")?;
    /// store.append_typed(&seat, &Taken("Ada".to_owned()))?;
    /// store.append(&seat, EventKind::custom(1, 2), &"left")?;
    /// let mut taken = store.events(&Region::scope("hall")).typed::<Taken>();
    /// assert_eq!(taken.next().expect("one event")?.event.payload().0, "Ada");
    /// assert!(taken.next().is_none());
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn typed<T: EventPayload>(mut self) -> Events<T> {
        self.region = self.region.with_kinds(T::KIND_LIST.iter().copied());
        self.kinds = Some(T::KINDS);
        self.decoded_by(T::decode)
    }

    /// Payloads as any type, whatever their kinds and versions.
    pub fn decoded<T: DeserializeOwned>(self) -> Events<T> {
        self.decoded_by(payload::decode)
    }

    fn decoded_by<Q>(self, decode: DecodePayload<Q>) -> Events<Q> {
        let Self { store, region, start, kinds, scan, ended, .. } = self;
        Events { store, region, start, decode, kinds, scan, ended }
    }

    /// The store, and where it is gone through. Of a closed one there is nothing but this error: whoever skips errors
    /// would never come to an end.
    #[inline]
    fn ready(&mut self) -> Option<Result<(&Shared, &mut Scan), StoreError>> {
        if self.ended {
            return None;
        }
        let shared = self.store.shared();
        if let Err(closed) = shared.check_open() {
            self.ended = true;
            return Some(Err(closed));
        }
        if self.scan.is_none() {
            let range = self.start.range(shared.visible());
            self.scan = Some(Scan::new(shared, &self.region, range.clone(), self.start.direction));
            if let Some(kinds) = self.kinds {
                if let Err(other) = shared.check_kinds(kinds) {
                    self.ended = true;
                    return Some(Err(other));
                }
                if let Err(lost) = shared.check_lost(&self.region, range) {
                    return Some(Err(lost));
                }
            }
        }
        self.scan.as_mut().map(|scan| Ok((shared, scan)))
    }
}

impl Start {
    /// The sequences that are gone through.
    fn range(self, visible: u64) -> Range<u64> {
        match (self.direction, self.from) {
            (_, None) => 0..visible,
            (Direction::Forward, Some(from)) => from.min(visible)..visible,
            (Direction::Backward, Some(from)) => 0..from.saturating_add(1).min(visible),
        }
    }
}

impl<P> Iterator for Events<P> {
    type Item = Result<StoredEvent<P>, StoreError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let decode = self.decode;
        let (shared, scan) = match self.ready()? {
            Ok(scan) => scan,
            Err(closed) => return Some(Err(closed)),
        };
        match scan.next_to_read(shared) {
            Ok(Some(row)) => Some(scan.event(shared, &row, decode)),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl<P> FusedIterator for Events<P> {}

/// The rows of a region, found as they are asked for. It sees what was visible when the first one was asked for.
#[derive(Debug)]
pub struct EventRows(Events<()>);

impl Iterator for EventRows {
    type Item = Result<EventRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (shared, scan) = match self.0.ready()? {
            Ok(scan) => scan,
            Err(closed) => return Some(Err(closed)),
        };
        let row = scan.next_event_row(shared).transpose();
        self.0.ended = row.is_none();
        row
    }
}

impl FusedIterator for EventRows {}
