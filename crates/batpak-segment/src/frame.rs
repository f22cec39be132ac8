//! Frames over slices: one commit's records and frame records, built and parsed.

use crate::error::{Damage, LogError};
use crate::header::{Id, Link, Seal};
use crate::layout::{
    self, CRITICAL, FRAME_HEADER_LEN, FRAME_LIMIT, FrameCrc, FrameHeader, ITEM_HEADER_LEN, LINK_TYPE, MARK_TYPE,
    NO_SEQUENCE, SEAL_TYPE, padded,
};

/// A commit in the making: records, and frame records beside them.
///
/// It can be cleared and used again, which keeps its memory. Everything that does not depend on the place in the log
/// is laid out as it is pushed, so that the log has little left to do when it appends it.
///
/// # Examples
/// ```
/// use batpak_segment::{FIRST_USER_TYPE, Frame};
///
/// let mut frame = Frame::new();
/// frame.push(b"a record");
/// frame.push_with(|buffer| {
///     buffer.extend_from_slice(b"another, written in place");
///     Ok::<_, std::io::Error>(())
/// })?;
/// frame.push_frame_record(FIRST_USER_TYPE, b"no record: it has no sequence")?;
/// assert_eq!(frame.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Frame {
    /// Space for the header, then the items of the records.
    bytes: Vec<u8>,
    /// Where each record's item begins.
    items: Vec<usize>,
    /// Where the items of the records end.
    records_end: usize,
    /// Contents of frame records.
    typed: Vec<Vec<u8>>,
}

impl Default for Frame {
    fn default() -> Self {
        Self { bytes: vec![0; FRAME_HEADER_LEN], items: Vec::new(), records_end: FRAME_HEADER_LEN, typed: Vec::new() }
    }
}

impl Frame {
    /// An empty frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties it and keeps its memory.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.truncate(FRAME_HEADER_LEN);
        self.items.clear();
        self.typed.clear();
        self.records_end = FRAME_HEADER_LEN;
    }

    /// Adds a record.
    pub fn push(&mut self, record: &[u8]) {
        let item = self.begin_item();
        self.bytes.extend_from_slice(record);
        self.end_item(item);
    }

    /// Adds a record that `write` appends to the buffer it is given.
    ///
    /// # Errors
    /// Those of `write`; the frame is then as it was before.
    pub fn push_with<T, E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>) -> Result<T, E> {
        let item = self.begin_item();
        match write(&mut self.bytes) {
            Ok(value) => {
                self.end_item(item);
                Ok(value)
            }
            Err(error) => {
                self.bytes.truncate(item);
                Err(error)
            }
        }
    }

    /// Adds a frame record; its type is at least [`FIRST_USER_TYPE`](crate::FIRST_USER_TYPE). Readers that do
    /// not know the type skip it.
    ///
    /// # Errors
    /// `InvalidOption` if the type belongs to the log itself.
    pub fn push_frame_record(&mut self, record_type: u16, body: &[u8]) -> Result<(), LogError> {
        if record_type < layout::FIRST_USER_TYPE {
            return Err(LogError::InvalidOption {
                field: "frame record type",
                min: u64::from(layout::FIRST_USER_TYPE),
                max: u64::from(u16::MAX),
                value: u64::from(record_type),
            });
        }
        self.push_typed(record_type, 0, body);
        Ok(())
    }

    pub(crate) fn push_typed(&mut self, record_type: u16, flags: u16, body: &[u8]) {
        let mut content = Vec::with_capacity(layout::TYPED_HEADER_LEN + body.len());
        layout::encode_typed(&mut content, record_type, flags, body);
        self.typed.push(content);
    }

    /// Adds all that another frame holds.
    pub(crate) fn push_items(&mut self, source: &FrameRef<'_>) {
        for item in source.items() {
            match item {
                Item::Record { content } => self.push(content),
                Item::Typed { record_type, flags, body } => self.push_typed(record_type, flags, body),
                // Chains take no such frame.
                Item::Malformed { .. } => {}
            }
        }
    }

    pub(crate) fn link(link: &Link) -> Self {
        let mut frame = Self::new();
        frame.push_typed(LINK_TYPE, CRITICAL, &layout::encode_link(link));
        frame
    }

    pub(crate) fn seal(seal: &Seal) -> Self {
        let mut frame = Self::new();
        frame.push_typed(SEAL_TYPE, CRITICAL, &layout::encode_seal(seal));
        frame
    }

    pub(crate) fn mark() -> Self {
        let mut frame = Self::new();
        frame.push_typed(MARK_TYPE, 0, &[]);
        frame
    }

    /// Number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it holds no record and no frame record.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.typed.is_empty()
    }

    /// The bytes of a record; they may be changed until the frame is appended.
    ///
    /// # Panics
    /// If there are not more than `index` records.
    #[inline]
    pub fn record_mut(&mut self, index: usize) -> &mut [u8] {
        let from = self.items[index] + ITEM_HEADER_LEN;
        let to = self.items.get(index + 1).copied().unwrap_or(self.records_end);
        &mut self.bytes[from..to]
    }

    /// Offset of a record's item from the start of the frame, in bytes.
    ///
    /// # Panics
    /// If there are not more than `index` records.
    #[inline]
    pub fn record_offset(&self, index: usize) -> u64 {
        self.items[index] as u64
    }

    /// Length in bytes that it has in a segment.
    #[inline]
    pub fn encoded_len(&self) -> u64 {
        let typed: usize = self.typed.iter().map(|content| ITEM_HEADER_LEN + content.len()).sum();
        padded(self.records_end + typed) as u64
    }

    fn begin_item(&mut self) -> usize {
        self.bytes.truncate(self.records_end);
        let item = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ITEM_HEADER_LEN]);
        item
    }

    fn end_item(&mut self, item: usize) {
        self.items.push(item);
        self.records_end = self.bytes.len();
    }

    /// Writes what depends on the place and returns the frame's bytes and its crc. The caller has checked that the
    /// lengths and counts fit their fields.
    pub(crate) fn finish(&mut self, place: &Place<'_>) -> (&[u8], u32) {
        self.lay_out_frame_records();
        let header = FrameHeader {
            len: narrow(self.bytes.len()),
            crc: 0,
            previous: place.previous,
            first_sequence: place.first_sequence,
            durable_mark: place.durable_mark,
            records: narrow(self.items.len()),
            typed: u16::try_from(self.typed.len()).unwrap_or(u16::MAX),
            flags: 0,
        };
        layout::encode_frame_header(&mut self.bytes, &header);
        let mut crc = FrameCrc::begin(&self.bytes);
        for index in 0..self.items.len() {
            let to = self.items.get(index + 1).copied().unwrap_or(self.records_end);
            let item = &mut self.bytes[self.items[index]..to];
            crc.item(finish_item(item, place.first_sequence + index as u64, place.segment_id));
        }
        let mut at = self.records_end;
        for content in &self.typed {
            let to = at + ITEM_HEADER_LEN + content.len();
            crc.item(finish_item(&mut self.bytes[at..to], NO_SEQUENCE, place.segment_id));
            at = to;
        }
        let crc = crc.finish(place.segment_id, place.offset);
        layout::put_frame_crc(&mut self.bytes, crc);
        (&self.bytes, crc)
    }

    fn lay_out_frame_records(&mut self) {
        self.bytes.truncate(self.records_end);
        for content in &self.typed {
            self.bytes.extend_from_slice(&[0; ITEM_HEADER_LEN]);
            self.bytes.extend_from_slice(content);
        }
        self.bytes.resize(padded(self.bytes.len()), 0);
    }

    /// Whether all lengths and counts fit their fields and the frame is within `limit` bytes.
    pub(crate) fn check(&self, limit: u64) -> Result<(), LogError> {
        let len = self.encoded_len();
        let limit = limit.min(FRAME_LIMIT);
        if len > limit {
            return Err(LogError::TooLarge { field: "frame bytes", limit, value: len });
        }
        let typed = self.typed.len() as u64;
        if typed > u64::from(u16::MAX) {
            return Err(LogError::TooLarge { field: "frame records", limit: u16::MAX.into(), value: typed });
        }
        Ok(())
    }
}

/// A length below [`FRAME_LIMIT`], which [`Frame::check`] has seen.
fn narrow(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn finish_item(item: &mut [u8], position: u64, segment_id: &Id) -> u32 {
    layout::finish_item(item, narrow(item.len() - ITEM_HEADER_LEN), position, segment_id)
}

/// Where a frame stands: all that its crc binds it to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) segment_id: &'a Id,
    pub(crate) offset: u64,
    pub(crate) previous: u32,
    pub(crate) first_sequence: u64,
    pub(crate) durable_mark: u64,
}

/// A frame that is valid at its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameRef<'a> {
    pub(crate) header: FrameHeader,
    bytes: &'a [u8],
}

/// One item of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item<'a> {
    /// A record.
    Record { content: &'a [u8] },
    /// A frame record.
    Typed { record_type: u16, flags: u16, body: &'a [u8] },
    /// A frame record that is too short for a type.
    Malformed { len: usize },
}

impl Item<'_> {
    fn content_len(&self) -> usize {
        match self {
            Self::Record { content } => content.len(),
            Self::Typed { body, .. } => layout::TYPED_HEADER_LEN + body.len(),
            Self::Malformed { len } => *len,
        }
    }
}

impl<'a> FrameRef<'a> {
    /// Parses the frame at the beginning of `bytes`, which reach to the end of what is there, and checks every crc.
    pub(crate) fn parse(bytes: &'a [u8], segment_id: &Id, offset: u64) -> Result<Self, Damage> {
        let frame = Self::parse_outside(bytes, segment_id, offset)?;
        frame.check_items(segment_id, 0)?;
        Ok(frame)
    }

    /// The same, but for the crcs over the contents of its items.
    pub(crate) fn parse_outside(bytes: &'a [u8], segment_id: &Id, offset: u64) -> Result<Self, Damage> {
        let len = frame_len(bytes)?;
        let bytes = &bytes[..len];
        let header = layout::decode_frame_header(bytes);
        let frame = Self { header, bytes };
        frame.check_frame(segment_id, offset)?;
        Ok(frame)
    }

    /// Checks everything but the contents of the items. It comes first: bytes that only look like a frame fail here,
    /// before their lengths cost anything.
    fn check_frame(&self, segment_id: &Id, offset: u64) -> Result<(), Damage> {
        if self.header.flags != 0 {
            return Err(Damage::NotZero);
        }
        let mut crc = FrameCrc::begin(self.bytes);
        let mut at = FRAME_HEADER_LEN;
        for _ in 0..self.item_count() {
            let (len, item_crc) = self.item_header(at)?;
            crc.item(item_crc);
            at += ITEM_HEADER_LEN + len;
        }
        let found = crc.finish(segment_id, offset);
        if found != self.header.crc {
            return Err(Damage::FrameCrc { found, expected: self.header.crc });
        }
        if self.header.durable_mark > offset {
            return Err(Damage::Mark { found: self.header.durable_mark, offset });
        }
        let padding = &self.bytes[at..];
        if padding.len() >= layout::FRAME_ALIGN || padding.iter().any(|b| *b != 0) {
            return Err(Damage::NotZero);
        }
        Ok(())
    }

    /// Checks the contents of its frame records.
    pub(crate) fn check_frame_records(&self, segment_id: &Id) -> Result<(), Damage> {
        self.check_items(segment_id, self.header.records.into())
    }

    /// Checks the contents of its items from the one with this number on.
    fn check_items(&self, segment_id: &Id, from: u64) -> Result<(), Damage> {
        let mut at = FRAME_HEADER_LEN;
        for index in 0..self.item_count() {
            let (len, expected) = self.item_header(at)?;
            let next = at + ITEM_HEADER_LEN + len;
            if index >= from {
                let content = &self.bytes[at + ITEM_HEADER_LEN..next];
                let found = layout::item_crc(narrow(len), content, self.position(index), segment_id);
                if found != expected {
                    return Err(Damage::ItemCrc { found, expected });
                }
            }
            at = next;
        }
        Ok(())
    }

    fn item_count(&self) -> u64 {
        u64::from(self.header.records) + u64::from(self.header.typed)
    }

    fn position(&self, index: u64) -> u64 {
        if index < u64::from(self.header.records) {
            self.header.first_sequence.wrapping_add(index)
        } else {
            NO_SEQUENCE
        }
    }

    /// Length and crc of the item at `at`, once it is known to fit.
    #[inline]
    fn item_header(&self, at: usize) -> Result<(usize, u32), Damage> {
        let rest = &self.bytes[at..];
        if rest.len() < ITEM_HEADER_LEN {
            return Err(Damage::Length { value: ITEM_HEADER_LEN as u64, available: rest.len() as u64 });
        }
        let (len, crc) = layout::decode_item_header(rest);
        let available = rest.len() - ITEM_HEADER_LEN;
        if len as usize > available {
            return Err(Damage::Length { value: len.into(), available: available as u64 });
        }
        Ok((len as usize, crc))
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// One past the sequence of its last record.
    pub(crate) fn end_sequence(&self) -> u64 {
        self.header.first_sequence.saturating_add(self.header.records.into())
    }

    /// Its items, in order.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let frame = *self;
        let mut at = FRAME_HEADER_LEN;
        (0..frame.item_count()).map_while(move |index| {
            let (len, _) = frame.item_header(at).ok()?;
            let content = &frame.bytes[at + ITEM_HEADER_LEN..at + ITEM_HEADER_LEN + len];
            at += ITEM_HEADER_LEN + len;
            Some(frame.item(index, content))
        })
    }

    /// Its frame records that are not the log's own: where each stands in it, its type and its body.
    pub(crate) fn user_records(&self) -> impl Iterator<Item = (usize, u16, &'a [u8])> + use<'a> {
        let mut at = FRAME_HEADER_LEN;
        self.items().filter_map(move |item| {
            let (from, content) = (at, item.content_len());
            at += ITEM_HEADER_LEN + content;
            match item {
                Item::Typed { record_type, body, .. } if record_type >= layout::FIRST_USER_TYPE => {
                    Some((from, record_type, body))
                }
                _ => None,
            }
        })
    }

    /// The contents of its records, in order.
    #[inline]
    pub(crate) fn records(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let frame = *self;
        let mut at = FRAME_HEADER_LEN;
        (0..frame.header.records).map_while(move |_| {
            let (len, _) = frame.item_header(at).ok()?;
            let content = &frame.bytes[at + ITEM_HEADER_LEN..at + ITEM_HEADER_LEN + len];
            at += ITEM_HEADER_LEN + len;
            Some(content)
        })
    }

    fn item(&self, index: u64, content: &'a [u8]) -> Item<'a> {
        if index < u64::from(self.header.records) {
            return Item::Record { content };
        }
        match layout::decode_typed(content) {
            Some((record_type, flags, body)) => Item::Typed { record_type, flags, body },
            None => Item::Malformed { len: content.len() },
        }
    }
}

/// The length of the frame at the beginning of `bytes`, if one is there and fits.
#[inline]
pub(crate) fn frame_len(bytes: &[u8]) -> Result<usize, Damage> {
    if bytes.len() < FRAME_HEADER_LEN {
        return Err(Damage::NoFrame);
    }
    let len = layout::claimed_frame_len(bytes).ok_or(Damage::NoFrame)? as usize;
    let fits = len <= bytes.len() && len >= FRAME_HEADER_LEN && len.is_multiple_of(layout::FRAME_ALIGN);
    if !fits {
        return Err(Damage::Length { value: len as u64, available: bytes.len() as u64 });
    }
    Ok(len)
}
