//! What the store records of its gates: denials, and commits that went past them.

use crate::event_payload::{EventPayload, KindInfo};
use crate::store::{AppendOptions, BatchAppendItem, CausationRef, StoreError};
use batpak_core::{Coordinate, EventId, EventKind};
use batpak_guard::Denial;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The entity of the records of bypasses of which it was not said where they go. Their scope is that of the first event.
pub const BYPASSED: &str = "batpak.bypassed";

/// The payload of an event that records a denial.
///
/// # Examples
/// ```
/// use batpak::guard::{Denial, gate_fn};
/// use batpak::prelude::*;
///
/// let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let mut gates = WriteGates::new();
/// gates.push(gate_fn("closed", |_: &WriteContext<'_>| Err(Denial::new("", "no sales today").with_code("CLOSED"))));
/// let gates = WritePipeline::new(gates);
///
/// let mut sale = store.transaction();
/// sale.record_at(&Coordinate::new("denials", "shop")?);
/// sale.append(&Coordinate::new("order:7", "shop")?, EventKind::custom(1, 1), &"a chair")?;
/// assert!(sale.commit_through(&gates).is_err());
///
/// let denials = Region::kind(DenialRecord::KIND);
/// let stored = store.events(&denials).typed::<DenialRecord>().next().expect("it was recorded")?;
/// let record = stored.event.payload();
/// assert_eq!((&*record.gate, &*record.code, &*record.message), ("closed", "CLOSED", "no sales today"));
/// assert_eq!((&*record.events[0].entity, record.event_count), ("order:7", 1));
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DenialRecord {
    /// The gate that denied.
    pub gate: String,
    /// The code of the denial.
    pub code: String,
    /// Its message.
    pub message: String,
    /// The keys and values of its context, in order.
    pub context: Vec<(String, String)>,
    /// The events that were refused, the first 256 of them.
    pub events: Vec<RefusedEvent>,
    /// How many there were.
    pub event_count: u64,
}

/// What is recorded of an event that was refused. Not its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RefusedEvent {
    /// Its entity.
    pub entity: String,
    /// Its scope.
    pub scope: String,
    /// What sort of event it was to be.
    pub kind: EventKind,
}

/// The payload of an event that records a commit past the gates. It is the last event of that commit, and caused by the
/// first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BypassRecord {
    /// Why the gates were not asked.
    pub reason: String,
    /// Their names, in order.
    pub gates_skipped: Vec<String>,
    /// How many events were appended without asking: those with the sequences before that of this record.
    pub event_count: u64,
}

/// The most events that a denial's record names.
const NAMED_MAX: usize = 256;

impl DenialRecord {
    /// The kind of such an event.
    pub const KIND: EventKind = EventKind::from_u16(0xD001);

    pub(crate) fn new(denial: &Denial, refused: &[BatchAppendItem]) -> Self {
        let events = refused.iter().take(NAMED_MAX).map(|item| RefusedEvent {
            entity: item.coordinate.entity().to_owned(),
            scope: item.coordinate.scope().to_owned(),
            kind: item.kind,
        });
        Self {
            gate: denial.gate.to_owned(),
            code: denial.code.to_owned(),
            message: denial.message.clone(),
            context: denial.context.clone(),
            events: events.collect(),
            event_count: refused.len() as u64,
        }
    }

    /// Its event at `coordinate`, which has the cause and the correlation that the first refused event names.
    pub(crate) fn item(
        &self,
        coordinate: Coordinate,
        refused: Option<&BatchAppendItem>,
    ) -> Result<BatchAppendItem, StoreError> {
        let options = AppendOptions {
            correlation_id: refused.and_then(|item| item.correlation_id),
            causation_id: refused.and_then(outer_cause),
            ..AppendOptions::default()
        };
        record(coordinate, self, options, CausationRef::None)
    }
}

impl BypassRecord {
    /// The kind of such an event.
    pub const KIND: EventKind = EventKind::from_u16(0xD002);

    /// Its event at `coordinate`, behind those of the commit.
    pub(crate) fn item(&self, coordinate: Coordinate) -> Result<BatchAppendItem, StoreError> {
        record(coordinate, self, AppendOptions::default(), CausationRef::Item(0))
    }
}

impl EventPayload for DenialRecord {
    const KINDS: &'static [KindInfo] = &[KindInfo {
        kind: Self::KIND,
        version: 1,
        name: "batpak.denied",
        fields: &["gate", "code", "message", "context", "events", "event_count"],
    }];

    const KIND_LIST: &'static [EventKind] = &[Self::KIND];

    fn kind_info(&self) -> &'static KindInfo {
        &Self::KINDS[0]
    }

    fn write_to<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.serialize(to)
    }

    fn read_from<'de, D: Deserializer<'de>>(_: EventKind, _: u16, from: D) -> Result<Self, D::Error> {
        Self::deserialize(from)
    }
}

impl EventPayload for BypassRecord {
    const KINDS: &'static [KindInfo] = &[KindInfo {
        kind: Self::KIND,
        version: 1,
        name: "batpak.bypassed",
        fields: &["reason", "gates_skipped", "event_count"],
    }];

    const KIND_LIST: &'static [EventKind] = &[Self::KIND];

    fn kind_info(&self) -> &'static KindInfo {
        &Self::KINDS[0]
    }

    fn write_to<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.serialize(to)
    }

    fn read_from<'de, D: Deserializer<'de>>(_: EventKind, _: u16, from: D) -> Result<Self, D::Error> {
        Self::deserialize(from)
    }
}

fn outer_cause(item: &BatchAppendItem) -> Option<EventId> {
    match item.cause {
        CausationRef::Event(id) => Some(id),
        CausationRef::None => item.causation_id,
        CausationRef::Item(_) => None,
    }
}

fn record(
    coordinate: Coordinate,
    payload: &impl EventPayload,
    options: AppendOptions<'_>,
    cause: CausationRef,
) -> Result<BatchAppendItem, StoreError> {
    let item = BatchAppendItem::typed(coordinate, payload, options, cause)?;
    Ok(BatchAppendItem { by_store: true, ..item })
}
