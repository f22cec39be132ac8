//! Segments as the format says, written and read without the library.

#![expect(clippy::little_endian_bytes, reason = "it writes what the format says")]

pub(super) const HEADER_LEN: usize = 256;
const FRAME_HEADER_LEN: usize = 40;
const MAGIC: [u8; 4] = [0xAE, b'b', b'p', b'f'];
pub(super) const ID: [u8; 16] = [5; 16];
const NO_SEQUENCE: u64 = u64::MAX;

/// The header of segment 0 of a store.
pub(super) fn header() -> Vec<u8> {
    let mut out = vec![0; HEADER_LEN];
    out[..8].copy_from_slice(b"BATPAKSG");
    out[8..12].copy_from_slice(&1_u32.to_le_bytes());
    out[12..16].copy_from_slice(&256_u32.to_le_bytes());
    out[16..32].copy_from_slice(&ID);
    out[32..48].copy_from_slice(&[6; 16]);
    out[48..64].copy_from_slice(&ID);
    out[64..80].copy_from_slice(&ID);
    let crc = crc32c::crc32c(&out[..252]);
    out[252..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// A frame that is valid at its place, whatever it says.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) offset: u64,
    pub(super) previous: u32,
    pub(super) first_sequence: u64,
    pub(super) mark: u64,
    pub(super) records: &'a [Vec<u8>],
    pub(super) typed: &'a [Vec<u8>],
}

impl Layout<'_> {
    /// Its bytes and its crc.
    pub(super) fn bytes(&self) -> (Vec<u8>, u32) {
        let mut out = vec![0; FRAME_HEADER_LEN];
        let mut crcs = Vec::new();
        for (number, record) in (0..).zip(self.records) {
            crcs.extend(push_item(&mut out, record, self.first_sequence.wrapping_add(number)));
        }
        for typed in self.typed {
            crcs.extend(push_item(&mut out, typed, NO_SEQUENCE));
        }
        out.resize(out.len().next_multiple_of(8), 0);
        self.put_header(&mut out);
        let crc = [&out[..8], &out[12..FRAME_HEADER_LEN], &crcs, &ID, &self.offset.to_le_bytes()].concat();
        let crc = crc32c::crc32c(&crc);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        (out, crc)
    }

    fn put_header(&self, out: &mut [u8]) {
        let len = u32::try_from(out.len()).expect("a length");
        out[..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&len.to_le_bytes());
        out[12..16].copy_from_slice(&self.previous.to_le_bytes());
        out[16..24].copy_from_slice(&self.first_sequence.to_le_bytes());
        out[24..32].copy_from_slice(&self.mark.to_le_bytes());
        out[32..36].copy_from_slice(&u32::try_from(self.records.len()).expect("few").to_le_bytes());
        out[36..38].copy_from_slice(&u16::try_from(self.typed.len()).expect("few").to_le_bytes());
    }
}

fn push_item(out: &mut Vec<u8>, content: &[u8], position: u64) -> [u8; 4] {
    let len = u32::try_from(content.len()).expect("a length").to_le_bytes();
    let crc = item_crc(content, position, ID).to_le_bytes();
    out.extend([&len[..], &crc, content].concat());
    crc
}

fn item_crc(content: &[u8], position: u64, id: [u8; 16]) -> u32 {
    let len = u32::try_from(content.len()).expect("a length").to_le_bytes();
    crc32c::crc32c(&[&len[..], content, &position.to_le_bytes(), &id].concat())
}

/// A frame record of this type.
pub(super) fn typed(record_type: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    [&record_type.to_le_bytes()[..], &flags.to_le_bytes(), body].concat()
}

pub(super) fn link(first_sequence: u64) -> Vec<u8> {
    let mut body = [0; 48];
    body[..8].copy_from_slice(&first_sequence.to_le_bytes());
    typed(1, 1, &body)
}

pub(super) fn seal(next: [u8; 16], end: u64, count: u64) -> Vec<u8> {
    typed(2, 1, &[&next[..], &end.to_le_bytes(), &count.to_le_bytes()].concat())
}

pub(super) fn mark() -> Vec<u8> {
    typed(3, 0, &[])
}

/// A record that was read: sequence, offset of its item, content.
pub(super) type Found = (u64, u64, Vec<u8>);

/// Where reading goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) at: u64,
    id: [u8; 16],
    previous: u32,
    /// Unknown before the first frame.
    sequence: Option<u64>,
    /// Whether the last frame is a seal, which nothing continues.
    is_sealed: bool,
}

/// The records of all frames that continue each other from the header on, and where they end.
pub(super) fn read_all(file: &[u8]) -> (Vec<Found>, End) {
    let previous = file.get(252..256).map_or(0, |bytes| u32_at(bytes, 0));
    let id = file.get(16..32).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    let start = End { at: 256, id, previous, sequence: None, is_sealed: false };
    read_from(file.get(256..).unwrap_or_default(), start)
}

/// The same of `bytes`, which stand where `end` is.
pub(super) fn read_from(mut bytes: &[u8], mut end: End) -> (Vec<Found>, End) {
    let mut all = Vec::new();
    while let Some((records, len, next)) = read_frame(bytes, end) {
        all.extend(records);
        bytes = &bytes[len..];
        end = next;
    }
    (all, end)
}

fn read_frame(bytes: &[u8], end: End) -> Option<(Vec<Found>, usize, End)> {
    let header = bytes.get(..FRAME_HEADER_LEN).filter(|header| header.starts_with(&MAGIC))?;
    let len = u32_at(header, 4) as usize;
    let frame = bytes.get(..len).filter(|_| len >= FRAME_HEADER_LEN && len.is_multiple_of(8))?;
    let (crc, first) = (u32_at(header, 8), u64_at(header, 16));
    let (records, typed) = (u32_at(header, 32), u32_at(header, 36));
    // Flags stand behind the number of frame records.
    if u32_at(header, 12) != end.previous || end.sequence.is_some_and(|it| it != first) || typed > 0xFFFF {
        return None;
    }
    // Nothing but what stands before a frame can be durable when it is written.
    if u64_at(header, 24) > end.at {
        return None;
    }
    let (mut at, mut crcs, mut found, mut beside) = (FRAME_HEADER_LEN, Vec::new(), Vec::new(), Vec::new());
    for item in 0..u64::from(records) + u64::from(typed) {
        let head = frame.get(at..at + 8)?;
        let content = frame.get(at + 8..(at + 8).checked_add(u32_at(head, 0) as usize)?)?;
        let position = if item < records.into() { first.wrapping_add(item) } else { NO_SEQUENCE };
        if item_crc(content, position, end.id) != u32_at(head, 4) {
            return None;
        }
        if item < records.into() {
            found.push((position, end.at + at as u64, content.to_vec()));
        } else {
            beside.push(content);
        }
        crcs.extend_from_slice(&head[4..8]);
        at += 8 + content.len();
    }
    let all = [&frame[..8], &frame[12..FRAME_HEADER_LEN], &crcs, &end.id, &end.at.to_le_bytes()].concat();
    let padded = len - at < 8 && frame[at..].iter().all(|byte| *byte == 0);
    let is_sealed = beside_records(&beside, header, end)?;
    let sequence = Some(first.saturating_add(records.into()));
    let next = End { at: end.at + len as u64, previous: crc, sequence, is_sealed, ..end };
    (padded && crc32c::crc32c(&all) == crc).then_some((found, len, next))
}

/// Whether the frame records of a frame make it a seal; nothing if they may not stand where `end` is.
fn beside_records(beside: &[&[u8]], header: &[u8], end: End) -> Option<bool> {
    let (first, mark) = (header[16..24].to_vec(), u64_at(header, 24));
    let is_alone = u32_at(header, 32) == 0 && beside.len() == 1;
    let is_first = end.sequence.is_none();
    if end.is_sealed || is_first && !is_alone {
        return None;
    }
    let mut is_sealed = false;
    for content in beside {
        let (head, body) = content.split_at_checked(4)?;
        let is_link = is_alone && is_first && body.len() == 48 && body.starts_with(&first);
        let is_seal = is_alone && !is_first && body.len() == 32 && body[16..].starts_with(&first);
        let is_mark = is_alone && !is_first && mark == end.at;
        let is_right = match u32_at(content, 0) & 0xFFFF {
            1 => is_link,
            2 => is_seal,
            3 => is_mark || head[2] & 1 == 0,
            _ => head[2] & 1 == 0,
        };
        if !is_right || is_first && !is_link {
            return None;
        }
        is_sealed |= head.starts_with(&[2, 0]);
    }
    Some(is_sealed)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
