//! Appending typed payloads: kind and version come from the type.

use crate::store::{AppendOptions, AppendReceipt, Store, StoreError, Ticket};
use crate::{EventPayload, KindInfo};
use batpak_core::{Coordinate, EventKind};

/// What is stored beside a payload of what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) kind: EventKind,
    /// The version of the payload's type, 0 for an untyped one.
    pub(crate) version: u16,
    /// What the program knows of the kind of a typed one.
    pub(crate) info: Option<&'static KindInfo>,
}

impl Written {
    pub(crate) fn untyped(kind: EventKind) -> Self {
        Self { kind, version: 0, info: None }
    }

    #[inline]
    pub(crate) fn as_type_of(payload: &impl EventPayload) -> Self {
        let info = payload.kind_info();
        Self { kind: info.kind, version: info.version, info: Some(info) }
    }
}

impl Store {
    /// Appends an event whose kind the type of its payload says, with the store's default durability. The first one of a
    /// kind and version also describes it in the store, see [`kinds`](Self::kinds).
    ///
    /// # Errors
    /// See [`append_typed_with`](Self::append_typed_with).
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1, type_id = 1, name = "account.paid")]
    /// struct Paid {
    ///     cents: i64,
    /// }
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let receipt = store.append_typed(&Coordinate::new("account:7", "bank")?, &Paid { cents: 500 })?;
    /// let event = store.get(receipt.event_id)?.event;
    /// assert_eq!((event.kind(), event.payload_version()), (EventKind::custom(1, 1), 1));
    /// assert_eq!(event.payload()["cents"], 500);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_typed(
        &self,
        coordinate: &Coordinate,
        payload: &impl EventPayload,
    ) -> Result<AppendReceipt, StoreError> {
        self.append_typed_with(coordinate, payload, AppendOptions::default())
    }

    /// Appends an event whose kind the type of its payload says, with a condition, an idempotency key, tags and the
    /// like.
    ///
    /// # Errors
    /// As [`append_with_options`](Self::append_with_options); besides, `KindHasOtherName` and `NameHasOtherKind` if the
    /// kind means something else in this store, `Description` if it cannot be described.
    pub fn append_typed_with(
        &self,
        coordinate: &Coordinate,
        payload: &impl EventPayload,
        options: AppendOptions<'_>,
    ) -> Result<AppendReceipt, StoreError> {
        self.append_written(coordinate, Written::as_type_of(payload), &options, |open| Ok(payload.encode(open)?))
    }

    /// Appends an event whose kind the type of its payload says, without waiting for the disk: see
    /// [`submit`](Self::submit).
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_typed(
        &self,
        coordinate: &Coordinate,
        payload: &impl EventPayload,
        options: AppendOptions<'_>,
    ) -> Result<Ticket<AppendReceipt>, StoreError> {
        self.submit_written(coordinate, Written::as_type_of(payload), &options, |open| Ok(payload.encode(open)?))
    }
}
