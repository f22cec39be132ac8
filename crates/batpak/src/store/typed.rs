//! Appending typed payloads: kind and version come from the type.

use crate::EventPayload;
use crate::store::{AppendOptions, AppendReceipt, Store, StoreError, Ticket};
use batpak_core::{Coordinate, EventKind};

/// What is stored beside a payload of what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) kind: EventKind,
    /// The version of the payload's type, 0 for an untyped one.
    pub(crate) version: u16,
}

impl Written {
    pub(crate) fn untyped(kind: EventKind) -> Self {
        Self { kind, version: 0 }
    }

    #[inline]
    pub(crate) fn as_type_of(payload: &impl EventPayload) -> Self {
        let info = payload.kind_info();
        Self { kind: info.kind, version: info.version }
    }
}

impl Store {
    /// Appends an event whose kind the type of its payload says, with the store's default durability.
    ///
    /// # Errors
    /// See [`append_with_options`](Self::append_with_options).
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
    /// See [`append_with_options`](Self::append_with_options).
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
