//! What is left of an event whose payload was erased, that was dropped, or that was lost.

use alloc::vec::Vec;

use crate::{
    coordinate::Coordinate,
    decode::{Content, EventRef},
    hash::{EventHash, PayloadHash},
    id::EventId,
    kind::EventKind,
    layout::{self, Flags, HEAD_LEN, Head, TRAILER_LEN, Trailer},
    time::Timestamp,
};

impl EventRef<'_> {
    /// Appends to `out` the record without salt and payload. All other fields stay, and the event hash still follows
    /// from them. An event that was erased or dropped before is copied.
    pub fn write_erased(&self, out: &mut Vec<u8>) {
        let Content::Payload { .. } = self.content() else {
            return out.extend_from_slice(self.record());
        };
        let head = Head { flags: self.head().flags.with(Flags::ERASED), ..self.head() };
        out.extend_from_slice(&head.to_bytes());
        out.extend_from_slice(&self.head_bytes()[HEAD_LEN..]);
        write_end(out, self.payload_hash(), self.trailer());
    }

    /// Appends to `out` what remains of the event when it is dropped: entity, scope, key, id, revision, and the hashes
    /// of payload and event.
    pub fn write_dropped(&self, out: &mut Vec<u8>) {
        let flags = self.head().flags.only(Flags::KEY).with(Flags::DROPPED);
        let head = Head { flags, kind: EventKind::from_u16(0), payload_version: 0, ..self.head() };
        out.extend_from_slice(&head.to_bytes());
        out.extend_from_slice(self.entity().as_bytes());
        out.extend_from_slice(self.scope().as_bytes());
        if let Some(key) = self.idempotency_key() {
            layout::put_u128(out, key);
        }
        let place = Trailer { time: Timestamp::from_nanos(0), ..self.trailer() };
        write_end(out, self.payload_hash(), place);
    }
}

impl EventRef<'_> {
    /// Appends to `out` the record as if `previous` were the hash of the event before it in its entity's stream, and
    /// returns its event hash. All other fields stay. That of a dropped event cannot be computed: it is copied.
    pub fn write_relinked(&self, previous: &EventHash, out: &mut Vec<u8>) -> EventHash {
        let hash = self.compute_event_hash(previous).unwrap_or(self.event_hash());
        let (body, _) = self.record().split_at(self.record().len() - TRAILER_LEN);
        out.extend_from_slice(body);
        out.extend_from_slice(&Trailer { hash, ..self.trailer() }.to_bytes());
        hash
    }
}

/// Appends to `out` what stands in the place of an event that is lost: the stub of a dropped event, of which the hash of
/// the payload is not known and 32 zero bytes. `event_hash` is [`EventHash::GENESIS`] if that is not known either.
///
/// # Examples
///
/// ```
/// use batpak_core::{Content, Coordinate, EventHash, EventId, EventRef, PayloadHash, write_lost};
///
/// let id = EventId::compose(1_700_000_000_000, 7, 0)?;
/// let mut record = Vec::new();
/// write_lost(&Coordinate::new("account:7", "lost")?, id, 3, EventHash::GENESIS, &mut record);
///
/// let event = EventRef::decode(&record)?;
/// assert_eq!((event.sequence(), event.revision()), (7, 3));
/// assert_eq!(event.content(), Content::Dropped { payload_hash: PayloadHash::from_bytes([0; 32]) });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_lost(coordinate: &Coordinate, id: EventId, revision: u64, event_hash: EventHash, out: &mut Vec<u8>) {
    let head = Head {
        flags: Flags::DROPPED,
        kind: EventKind::from_u16(0),
        payload_version: 0,
        entity_len: layout::len_u16(coordinate.entity().len()),
        scope_len: layout::len_u16(coordinate.scope().len()),
    };
    out.extend_from_slice(&head.to_bytes());
    out.extend_from_slice(coordinate.entity().as_bytes());
    out.extend_from_slice(coordinate.scope().as_bytes());
    let place = Trailer { id, revision, time: Timestamp::from_nanos(0), hash: event_hash };
    write_end(out, PayloadHash::from_bytes([0; layout::HASH_LEN]), place);
}

fn write_end(out: &mut Vec<u8>, payload_hash: PayloadHash, place: Trailer) {
    out.extend_from_slice(payload_hash.as_bytes());
    out.extend_from_slice(&place.to_bytes());
}
