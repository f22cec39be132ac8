//! One record: one event.

use crate::bytes::{Bytes, Result, check, index, text};
use crate::header::Id;

pub(crate) const CORRELATION: u16 = 1 << 0;
pub(crate) const CAUSATION: u16 = 1 << 1;
pub(crate) const KEY: u16 = 1 << 2;
pub(crate) const OCCURRED_AT: u16 = 1 << 3;
pub(crate) const METADATA: u16 = 1 << 4;
pub(crate) const TAGS: u16 = 1 << 5;
pub(crate) const EXTENSIONS: u16 = 1 << 6;
pub(crate) const CONTENT_SHIFT: u16 = 8;
pub(crate) const CONTENT_MASK: u16 = 0b11 << CONTENT_SHIFT;
const KNOWN: u16 = 0x7F | CONTENT_MASK;
const CRITICAL_EXTENSION: u16 = 1 << 15;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: u16,
    pub(crate) payload_version: u16,
    pub(crate) entity: String,
    pub(crate) scope: String,
    pub(crate) correlation_id: Option<Id>,
    pub(crate) causation_id: Option<Id>,
    pub(crate) key: Option<u128>,
    pub(crate) occurred_at: Option<i64>,
    pub(crate) metadata: Vec<u8>,
    pub(crate) tags: Vec<String>,
    pub(crate) extensions: Vec<(u16, Vec<u8>)>,
    pub(crate) content: Content,
    pub(crate) id: Id,
    pub(crate) revision: u64,
    pub(crate) time: i64,
    pub(crate) hash: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Payload { salt: [u8; 16], payload: Vec<u8> },
    Erased { payload_hash: [u8; 32] },
    Dropped { payload_hash: [u8; 32] },
}

impl Event {
    /// Reads a record and checks that its id holds this sequence.
    pub(crate) fn read(record: &[u8], sequence: u64) -> Result<Self> {
        let body = record.len().checked_sub(64).ok_or(format!("a record of {} bytes", record.len()))?;
        let mut trailer = Bytes(&record[body..]);
        let mut bytes = Bytes(&record[..body]);
        let flags = bytes.u16()?;
        check(flags & !KNOWN == 0, || format!("record flags {flags:#06x}"))?;
        let (kind, payload_version) = (bytes.u16()?, bytes.u16()?);
        let (entity, scope) = (bytes.u16()?, bytes.u16()?);
        let has = |bit| flags & bit != 0;
        let event = Self {
            kind,
            payload_version,
            entity: text(bytes.take(usize::from(entity))?, 1, 1024)?,
            scope: text(bytes.take(usize::from(scope))?, 1, 1024)?,
            correlation_id: has(CORRELATION).then(|| bytes.array()).transpose()?,
            causation_id: has(CAUSATION).then(|| bytes.array()).transpose()?,
            key: has(KEY).then(|| bytes.u128()).transpose()?,
            occurred_at: has(OCCURRED_AT).then(|| bytes.i64()).transpose()?,
            metadata: has(METADATA).then(|| metadata(&mut bytes)).transpose()?.unwrap_or_default(),
            tags: has(TAGS).then(|| tags(&mut bytes)).transpose()?.unwrap_or_default(),
            extensions: has(EXTENSIONS).then(|| extensions(&mut bytes)).transpose()?.unwrap_or_default(),
            content: content((flags & CONTENT_MASK) >> CONTENT_SHIFT, &mut bytes)?,
            id: trailer.array()?,
            revision: trailer.u64()?,
            time: trailer.i64()?,
            hash: trailer.array()?,
        };
        check_id(event.id, sequence)?;
        check(event.revision < 1 << 40, || format!("revision {}", event.revision))?;
        event.check_dropped(flags)?;
        Ok(event)
    }

    fn check_dropped(&self, flags: u16) -> Result<()> {
        let blank = self.kind == 0 && self.payload_version == 0 && self.time == 0;
        let dropped = matches!(self.content, Content::Dropped { .. });
        check(!dropped || blank && flags & 0x7F & !KEY == 0, || "a dropped record says too much".to_owned())
    }
}

fn metadata(bytes: &mut Bytes<'_>) -> Result<Vec<u8>> {
    let metadata = bytes.counted16()?;
    check((1..=4096).contains(&metadata.len()), || format!("{} bytes of metadata", metadata.len()))?;
    Ok(metadata.to_vec())
}

fn tags(bytes: &mut Bytes<'_>) -> Result<Vec<String>> {
    let count = bytes.u8()?;
    check((1..=16).contains(&count), || format!("{count} tags"))?;
    let tags = (0..count).map(|_| text(bytes.counted16()?, 1, 256)).collect::<Result<Vec<_>>>()?;
    let repeated = tags.iter().enumerate().any(|(at, tag)| tags[..at].contains(tag));
    check(!repeated, || "a tag twice".to_owned())?;
    Ok(tags)
}

fn extensions(bytes: &mut Bytes<'_>) -> Result<Vec<(u16, Vec<u8>)>> {
    let mut area = Bytes(bytes.counted32()?);
    check((1..=65535).contains(&area.len()), || format!("{} bytes of extensions", area.len()))?;
    let mut extensions: Vec<(u16, Vec<u8>)> = Vec::new();
    while area.len() > 0 {
        let kind = area.u16()?;
        check(kind & CRITICAL_EXTENSION == 0, || format!("critical extension of type {kind:#06x}"))?;
        check(extensions.last().is_none_or(|(last, _)| *last < kind), || "order of extensions".to_owned())?;
        extensions.push((kind, area.counted32()?.to_vec()));
    }
    Ok(extensions)
}

fn content(value: u16, bytes: &mut Bytes<'_>) -> Result<Content> {
    let content = match value {
        0 => Content::Payload { salt: bytes.array()?, payload: bytes.take(bytes.len())?.to_vec() },
        1 => Content::Erased { payload_hash: bytes.array()? },
        2 => Content::Dropped { payload_hash: bytes.array()? },
        _ => return Err(format!("content {value}")),
    };
    bytes.end()?;
    Ok(content)
}

/// The sequence is the 12 bits of `rand_a` and the first 28 of `rand_b`.
fn check_id(id: Id, sequence: u64) -> Result<()> {
    let number = u128::from_be_bytes(id);
    let bits = |from: u32, len: u32| u64::try_from(number >> (128 - from - len) & ((1 << len) - 1)).expect("few bits");
    check(bits(48, 4) == 7 && bits(64, 2) == 0b10, || "an id that is no UUIDv7".to_owned())?;
    let named = bits(52, 12) << 28 | bits(66, 28);
    check(named == sequence, || format!("the id of {named} at {sequence}"))
}

/// Milliseconds since 1970-01-01 UTC in an id.
pub(crate) fn id_millis(id: Id) -> usize {
    id[..6].iter().fold(0, |millis, byte| millis << 8 | index(u64::from(*byte)))
}
