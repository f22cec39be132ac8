//! What is left of an event whose payload was erased, or that was dropped.

use alloc::vec::Vec;

use crate::{
    decode::{Content, EventRef},
    hash::PayloadHash,
    kind::EventKind,
    layout::{self, Flags, HEAD_LEN, Head, Trailer},
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

fn write_end(out: &mut Vec<u8>, payload_hash: PayloadHash, place: Trailer) {
    out.extend_from_slice(payload_hash.as_bytes());
    out.extend_from_slice(&place.to_bytes());
}
