//! What an append can say besides coordinate, kind and payload.

use crate::store::typed::Written;
use crate::store::{Durability, StoreError, payload};
use crate::{EventPayload, KindInfo};
use batpak_core::{Coordinate, Event, EventId, EventKind, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Options of one append. All are absent by default.
///
/// # Examples
/// ```
/// use batpak::prelude::*;
///
/// let options = AppendOptions::default().expect_new().with_idempotency_key(idempotency_key("order-7/paid"));
/// assert_eq!(options.expected_sequence, Some(0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendOptions<'a> {
    /// How many events have ever been appended to the entity, at this moment: 0 means that it must not exist yet.
    /// Otherwise the append is a [conflict](StoreError::is_conflict). In a batch, earlier items count.
    pub expected_sequence: Option<u64>,
    /// What makes a retry of this append a repetition: with the key of an event that is there, the first receipt is
    /// returned and nothing is appended, whatever the condition says. It is kept as long as the store.
    pub idempotency_key: Option<u128>,
    /// What links the events of one undertaking.
    pub correlation_id: Option<EventId>,
    /// The event that brought this one about.
    pub causation_id: Option<EventId>,
    /// What else the event concerns: at most 16, each of 1 to 256 bytes without control characters, each once.
    pub tags: &'a [&'a str],
    /// Bytes of the application, at most 4096. Not erased with the payload: no personal data here.
    pub metadata: &'a [u8],
    /// When it happened, if that is not when it is appended.
    pub occurred_at: Option<Timestamp>,
    /// Durability of this append, if it is not the store's default.
    pub durability: Option<Durability>,
}

impl<'a> AppendOptions<'a> {
    /// The entity must have had exactly `len` events.
    #[must_use]
    pub fn expect_len(mut self, len: u64) -> Self {
        self.expected_sequence = Some(len);
        self
    }

    /// The entity must not exist yet.
    #[must_use]
    pub fn expect_new(self) -> Self {
        self.expect_len(0)
    }

    /// Sets [`idempotency_key`](Self::idempotency_key).
    #[must_use]
    pub fn with_idempotency_key(mut self, key: u128) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// Sets [`correlation_id`](Self::correlation_id).
    #[must_use]
    pub fn with_correlation_id(mut self, id: EventId) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// Sets [`causation_id`](Self::causation_id).
    #[must_use]
    pub fn with_causation_id(mut self, id: EventId) -> Self {
        self.causation_id = Some(id);
        self
    }

    /// The event is brought about by `event`, and belongs to the same undertaking: sets causation and correlation.
    #[must_use]
    pub fn caused_by<P>(self, event: &Event<P>) -> Self {
        let correlation = event.correlation_id().unwrap_or(event.event_id());
        self.with_causation_id(event.event_id()).with_correlation_id(correlation)
    }

    /// Sets [`tags`](Self::tags).
    #[must_use]
    pub fn with_tags(mut self, tags: &'a [&'a str]) -> Self {
        self.tags = tags;
        self
    }

    /// Sets [`metadata`](Self::metadata).
    #[must_use]
    pub fn with_metadata(mut self, metadata: &'a [u8]) -> Self {
        self.metadata = metadata;
        self
    }

    /// Sets [`occurred_at`](Self::occurred_at).
    #[must_use]
    pub fn with_occurred_at(mut self, time: Timestamp) -> Self {
        self.occurred_at = Some(time);
        self
    }

    /// Sets [`durability`](Self::durability).
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }
}

/// An idempotency key from words: the first 16 bytes of their SHA-256.
///
/// # Examples
/// ```
/// use batpak::store::idempotency_key;
///
/// assert_eq!(idempotency_key("order-7/paid"), idempotency_key("order-7/paid"));
/// assert_ne!(idempotency_key("order-7/paid"), idempotency_key("order-7/sent"));
/// ```
pub fn idempotency_key(words: &str) -> u128 {
    let hash = Sha256::digest(words.as_bytes());
    hash.iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}

/// What brought an item of a batch about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CausationRef {
    /// Nothing, or what the options say.
    #[default]
    None,
    /// This event. The correlation id is what the options say.
    Event(EventId),
    /// An earlier item of the same batch, by its position from 0. If the options name no correlation id, the item also
    /// belongs to the same undertaking as its cause.
    Item(usize),
}

/// One event of a batch, its payload already encoded.
#[derive(Clone, Debug)]
pub struct BatchAppendItem {
    pub(crate) coordinate: Coordinate,
    pub(crate) kind: EventKind,
    pub(crate) version: u16,
    pub(crate) info: Option<&'static KindInfo>,
    pub(crate) payload: Vec<u8>,
    pub(crate) expected_sequence: Option<u64>,
    pub(crate) idempotency_key: Option<u128>,
    pub(crate) correlation_id: Option<EventId>,
    pub(crate) causation_id: Option<EventId>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) durability: Option<Durability>,
    pub(crate) cause: CausationRef,
    /// It is a record of the store itself: its kind is a reserved one.
    pub(crate) by_store: bool,
}

impl BatchAppendItem {
    /// An event of `kind` at `coordinate`. `cause` goes before the causation id of the options.
    ///
    /// # Errors
    /// `Encode` if the payload cannot be encoded.
    pub fn new(
        coordinate: Coordinate,
        kind: EventKind,
        payload: &impl Serialize,
        options: AppendOptions<'_>,
        cause: CausationRef,
    ) -> Result<Self, StoreError> {
        // Growing to the size of a usual payload takes longer than encoding it.
        let mut encoded = Vec::with_capacity(128);
        payload::encode(payload, &mut encoded)?;
        Ok(Self::written(coordinate, Written::untyped(kind), encoded, options, cause))
    }

    /// An event of a typed payload at `coordinate`. `cause` goes before the causation id of the options.
    ///
    /// # Errors
    /// `Encode` if the payload cannot be encoded.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1)]
    /// enum OrderEvent {
    ///     #[batpak(type_id = 1, name = "order.placed")]
    ///     Placed { books: u32 },
    ///     #[batpak(type_id = 2, name = "order.packed")]
    ///     Packed,
    /// }
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let order = Coordinate::new("order:7", "shop")?;
    /// let options = AppendOptions::default();
    /// store.append_batch([
    ///     BatchAppendItem::typed(order.clone(), &OrderEvent::Placed { books: 3 }, options, CausationRef::None)?,
    ///     BatchAppendItem::typed(order.clone(), &OrderEvent::Packed, options, CausationRef::Item(0))?,
    /// ])?;
    /// assert_eq!(store.events(&Region::all()).typed::<OrderEvent>().count(), 2);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn typed(
        coordinate: Coordinate,
        payload: &impl EventPayload,
        options: AppendOptions<'_>,
        cause: CausationRef,
    ) -> Result<Self, StoreError> {
        let mut encoded = Vec::with_capacity(128);
        payload.encode(&mut encoded)?;
        Ok(Self::written(coordinate, Written::as_type_of(payload), encoded, options, cause))
    }

    fn written(
        coordinate: Coordinate,
        written: Written,
        payload: Vec<u8>,
        options: AppendOptions<'_>,
        cause: CausationRef,
    ) -> Self {
        Self {
            coordinate,
            kind: written.kind,
            version: written.version,
            info: written.info,
            payload,
            expected_sequence: options.expected_sequence,
            idempotency_key: options.idempotency_key,
            correlation_id: options.correlation_id,
            causation_id: options.causation_id,
            tags: options.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            metadata: options.metadata.to_vec(),
            occurred_at: options.occurred_at,
            durability: options.durability,
            cause,
            by_store: false,
        }
    }
}
