//! One frame: valid at its place or not.

use crate::bytes::{Bytes, Result, check, index, text};
use crate::header::Id;

pub(crate) const MAGIC: [u8; 4] = [0xAE, 0x62, 0x70, 0x66];
pub(crate) const NO_SEQUENCE: u64 = u64::MAX;
pub(crate) const CRITICAL: u16 = 1;

pub(crate) const LINK: u16 = 1;
pub(crate) const SEAL: u16 = 2;
pub(crate) const MARK: u16 = 3;
pub(crate) const KIND_DESCRIPTION: u16 = 257;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
    pub(crate) previous: u32,
    pub(crate) first_sequence: u64,
    pub(crate) mark: u64,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) typed: Vec<FrameRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FrameRecord {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) body: Vec<u8>,
}

/// The frame at the beginning of `bytes`, if it is valid at `offset` of this segment.
pub(crate) fn read(bytes: &[u8], offset: u64, segment_id: &Id) -> Result<Frame> {
    let mut header = Bytes(bytes);
    check(header.array()? == MAGIC, || "no magic".to_owned())?;
    let len = header.u32()?;
    check(len >= 40 && len % 8 == 0, || format!("frame length {len}"))?;
    let whole = bytes.get(..index(u64::from(len))).ok_or(format!("frame length {len} of {}", bytes.len()))?;
    let crc = header.u32()?;
    let (previous, first_sequence, mark) = (header.u32()?, header.u64()?, header.u64()?);
    let (record_count, typed_count, flags) = (header.u32()?, header.u16()?, header.u16()?);
    check(mark <= offset, || format!("durable mark {mark} at {offset}"))?;
    check(flags == 0, || format!("frame flags {flags:#06x}"))?;

    let mut items = Items { bytes: Bytes(&whole[40..]), segment_id, crcs: Vec::new() };
    let positions = (0..u64::from(record_count)).map(|n| first_sequence.wrapping_add(n));
    let records = items.take(positions)?;
    let typed = items.take((0..typed_count).map(|_| NO_SEQUENCE))?;
    let padding = items.bytes.0;
    check(padding.len() < 8 && padding.iter().all(|byte| *byte == 0), || "padding".to_owned())?;
    check(crc == frame_crc(whole, &items.crcs, segment_id, offset), || "frame crc".to_owned())?;

    let typed = typed.iter().map(|content| FrameRecord::read(content)).collect::<Result<_>>()?;
    let len = u64::from(len);
    Ok(Frame { offset, len, crc, previous, first_sequence, mark, records, typed })
}

struct Items<'a> {
    bytes: Bytes<'a>,
    segment_id: &'a Id,
    crcs: Vec<u8>,
}

impl Items<'_> {
    fn take(&mut self, positions: impl Iterator<Item = u64>) -> Result<Vec<Vec<u8>>> {
        positions.map(|position| self.next(position)).collect()
    }

    fn next(&mut self, position: u64) -> Result<Vec<u8>> {
        let len = self.bytes.u32()?;
        let crc = self.bytes.u32()?;
        let content = self.bytes.take(index(u64::from(len)))?;
        check(crc == item_crc(content, position, self.segment_id), || format!("item crc of {position}"))?;
        self.crcs.extend(crc.to_le_bytes());
        Ok(content.to_vec())
    }
}

pub(crate) fn item_crc(content: &[u8], position: u64, segment_id: &Id) -> u32 {
    let len = u32::try_from(content.len()).expect("an item fits a frame");
    crc_of(&[&len.to_le_bytes(), content, &position.to_le_bytes(), segment_id])
}

pub(crate) fn frame_crc(frame: &[u8], item_crcs: &[u8], segment_id: &Id, offset: u64) -> u32 {
    crc_of(&[&frame[..8], &frame[12..40], item_crcs, segment_id, &offset.to_le_bytes()])
}

fn crc_of(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

impl FrameRecord {
    fn read(content: &[u8]) -> Result<Self> {
        let mut bytes = Bytes(content);
        Ok(Self { kind: bytes.u16()?, flags: bytes.u16()?, body: bytes.0.to_vec() })
    }

    /// A critical type that is not known is refused, another one is skipped.
    pub(crate) fn check_known(&self) -> Result<()> {
        let known = matches!(self.kind, LINK | SEAL | MARK | 256 | KIND_DESCRIPTION);
        check(known || self.flags & CRITICAL == 0, || format!("critical frame record of type {:#x}", self.kind))
    }

    /// What it says of a kind, if that is what it is for.
    pub(crate) fn description(&self) -> Result<Option<Description>> {
        if self.kind == KIND_DESCRIPTION { Description::read(&self.body).map(Some) } else { Ok(None) }
    }
}

/// What is said of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) kind: u16,
    pub(crate) version: u16,
    pub(crate) name: String,
    pub(crate) fields: Vec<String>,
}

impl Description {
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        let mut bytes = Bytes(body);
        let (kind, version) = (bytes.u16()?, bytes.u16()?);
        let name = text(bytes.counted16()?, 1, 256)?;
        let count = bytes.u16()?;
        let fields = (0..count).map(|_| text(bytes.counted16()?, 1, 256)).collect::<Result<_>>()?;
        bytes.end()?;
        check(version > 0 && count <= 1024 && body.len() <= 65536, || format!("the description of kind {kind:#06x}"))?;
        Ok(Self { kind, version, name, fields })
    }
}

/// What the first frame of a segment says about the segment before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) first_sequence: u64,
    pub(crate) previous: Id,
    pub(crate) end_sequence: u64,
    pub(crate) count: u64,
    pub(crate) seal_crc: u32,
}

/// What the last frame of a segment says about the segment after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) next_link: Id,
    pub(crate) end_sequence: u64,
    pub(crate) count: u64,
}

impl Link {
    fn read(body: &[u8]) -> Result<Self> {
        let mut bytes = Bytes(body);
        let link = Self {
            first_sequence: bytes.u64()?,
            previous: bytes.array()?,
            end_sequence: bytes.u64()?,
            count: bytes.u64()?,
            seal_crc: bytes.u32()?,
        };
        bytes.take(4)?;
        bytes.end()?;
        Ok(link)
    }
}

impl Seal {
    fn read(body: &[u8]) -> Result<Self> {
        let mut bytes = Bytes(body);
        let seal = Self { next_link: bytes.array()?, end_sequence: bytes.u64()?, count: bytes.u64()? };
        bytes.end()?;
        Ok(seal)
    }
}

impl Frame {
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.first_sequence + self.records.len() as u64
    }

    pub(crate) fn link(&self) -> Result<Option<Link>> {
        self.alone(LINK)?.map(|record| Link::read(&record.body)).transpose()
    }

    pub(crate) fn seal(&self) -> Result<Option<Seal>> {
        self.alone(SEAL)?.map(|record| Seal::read(&record.body)).transpose()
    }

    pub(crate) fn is_mark(&self) -> bool {
        self.typed.iter().any(|record| record.kind == MARK)
    }

    /// The frame record of this type, which has a frame to itself.
    fn alone(&self, kind: u16) -> Result<Option<&FrameRecord>> {
        let Some(record) = self.typed.iter().find(|record| record.kind == kind) else { return Ok(None) };
        let alone = self.records.is_empty() && self.typed.len() == 1;
        check(alone, || format!("frame record {kind} is not alone in its frame"))?;
        Ok(Some(record))
    }
}
