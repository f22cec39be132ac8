//! The header of a segment and its file name.

use crate::bytes::{Bytes, Result, check};

pub(crate) const HEADER_LEN: usize = 256;
pub(crate) const MAGIC: &[u8; 8] = b"BATPAKSG";

pub(crate) type Id = [u8; 16];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) segment_id: Id,
    pub(crate) store_id: Id,
    pub(crate) first_link: Id,
    pub(crate) last_link: Id,
    pub(crate) previous_link: Id,
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) last_number: u64,
    pub(crate) generation: u32,
    pub(crate) features: u32,
    pub(crate) head_size: u64,
    pub(crate) head_root: [u8; 32],
    pub(crate) created: i64,
}

impl Header {
    /// Reads the first 256 bytes of a segment.
    pub(crate) fn read(file: &[u8]) -> Result<Self> {
        let whole = file.get(..HEADER_LEN).ok_or(format!("{} bytes have no header", file.len()))?;
        let mut bytes = Bytes(whole);
        check(&bytes.array()? == MAGIC, || "no magic".to_owned())?;
        let (format, len) = (bytes.u32()?, bytes.u32()?);
        check(format == 1, || format!("format {format}, this reader knows 1"))?;
        check(crc_of(whole) == crc32c::crc32c(&whole[..252]), || "header crc".to_owned())?;
        check(len == 256, || format!("header length {len}"))?;
        let header = Self::fields(&mut bytes)?;
        check(header.features == 0, || format!("required features {:#x}", header.features))?;
        check(header.number <= header.last_number, || "number above last number".to_owned())?;
        Ok(header)
    }

    fn fields(bytes: &mut Bytes<'_>) -> Result<Self> {
        Ok(Self {
            segment_id: bytes.array()?,
            store_id: bytes.array()?,
            first_link: bytes.array()?,
            last_link: bytes.array()?,
            previous_link: bytes.array()?,
            epoch: bytes.u64()?,
            number: bytes.u64()?,
            last_number: bytes.u64()?,
            generation: bytes.u32()?,
            features: bytes.u32()?,
            head_size: bytes.u64()?,
            head_root: bytes.array()?,
            created: bytes.i64()?,
        })
    }

    /// Whether a later link may compare the crc of this segment's seal.
    pub(crate) fn is_original(&self) -> bool {
        self.generation == 0 && self.first_link == self.segment_id
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{:010}.{:04}.fbat", self.number, self.generation)
    }
}

/// What the header says its crc is; the first frame names it.
pub(crate) fn crc_of(file: &[u8]) -> u32 {
    u32::from_le_bytes(file[252..256].try_into().expect("four bytes"))
}
