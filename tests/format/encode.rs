//! Files made by hand, from the document alone.

use crate::bytes::hex;
use crate::chain;
use crate::frame::{self, CRITICAL, Frame, FrameRecord, LINK, Link, MARK, NO_SEQUENCE, SEAL};
use crate::header::{self, HEADER_LEN, Header, Id};
use crate::record::{self, Content, Event};

pub(crate) fn header(header: &Header) -> Vec<u8> {
    let mut bytes = header::MAGIC.to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(256_u32.to_le_bytes());
    for id in [header.segment_id, header.store_id, header.first_link, header.last_link, header.previous_link] {
        bytes.extend(id);
    }
    for number in [header.epoch, header.number, header.last_number] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(header.generation.to_le_bytes());
    bytes.extend(header.features.to_le_bytes());
    bytes.extend(header.head_size.to_le_bytes());
    bytes.extend(header.head_root);
    bytes.extend(header.created.to_le_bytes());
    bytes.resize(HEADER_LEN, 0);
    seal_header(&mut bytes);
    bytes
}

/// Sets the crc of a header.
pub(crate) fn seal_header(file: &mut [u8]) {
    let crc = crc32c::crc32c(&file[..252]);
    file[252..256].copy_from_slice(&crc.to_le_bytes());
}

/// A frame of these contents; its length and crc are computed.
pub(crate) fn frame(frame: &Frame, segment_id: &Id) -> Vec<u8> {
    let mut items = Vec::new();
    let mut crcs = Vec::new();
    let typed: Vec<Vec<u8>> = frame.typed.iter().map(frame_record).collect();
    let positions = (frame.first_sequence..).take(frame.records.len()).chain(std::iter::repeat(NO_SEQUENCE));
    for (content, position) in frame.records.iter().chain(&typed).zip(positions) {
        let crc = frame::item_crc(content, position, segment_id).to_le_bytes();
        items.extend(u32_of(content.len()).to_le_bytes());
        items.extend(crc);
        items.extend(content);
        crcs.extend(crc);
    }
    let len = (40 + items.len()).next_multiple_of(8);
    let mut bytes = frame::MAGIC.to_vec();
    bytes.extend(u32_of(len).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(frame.previous.to_le_bytes());
    bytes.extend(frame.first_sequence.to_le_bytes());
    bytes.extend(frame.mark.to_le_bytes());
    bytes.extend(u32_of(frame.records.len()).to_le_bytes());
    bytes.extend(u16_of(frame.typed.len()).to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(items);
    bytes.resize(len, 0);
    let crc = frame::frame_crc(&bytes, &crcs, segment_id, frame.offset);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn frame_record(record: &FrameRecord) -> Vec<u8> {
    [&record.kind.to_le_bytes()[..], &record.flags.to_le_bytes(), &record.body].concat()
}

fn u32_of(len: usize) -> u32 {
    u32::try_from(len).expect("a small file")
}

fn u16_of(len: usize) -> u16 {
    u16::try_from(len).expect("a small field")
}

pub(crate) fn record(event: &Event) -> Vec<u8> {
    let mut bytes = match &event.content {
        Content::Payload { salt, payload } => [&head(event, 0)[..], salt, payload].concat(),
        Content::Erased { payload_hash } => [&head(event, 1)[..], payload_hash].concat(),
        Content::Dropped { payload_hash } => [&head(event, 2)[..], payload_hash].concat(),
    };
    bytes.extend(event.id);
    bytes.extend(event.revision.to_le_bytes());
    bytes.extend(event.time.to_le_bytes());
    bytes.extend(event.hash);
    bytes
}

/// A record from its first byte up to its content.
pub(crate) fn head(event: &Event, content: u16) -> Vec<u8> {
    let mut flags = content << record::CONTENT_SHIFT;
    let mut fields = Vec::new();
    let mut field = |bit: u16, bytes: Option<Vec<u8>>| {
        if let Some(bytes) = bytes {
            flags |= bit;
            fields.extend(bytes);
        }
    };
    field(record::CORRELATION, event.correlation_id.map(Vec::from));
    field(record::CAUSATION, event.causation_id.map(Vec::from));
    field(record::KEY, event.key.map(|key| key.to_le_bytes().to_vec()));
    field(record::OCCURRED_AT, event.occurred_at.map(|time| time.to_le_bytes().to_vec()));
    field(record::METADATA, (!event.metadata.is_empty()).then(|| counted16(&event.metadata)));
    field(record::TAGS, (!event.tags.is_empty()).then(|| tags(&event.tags)));
    field(record::EXTENSIONS, (!event.extensions.is_empty()).then(|| extensions(&event.extensions)));

    let (entity, scope) = (event.entity.as_bytes(), event.scope.as_bytes());
    let lens = [u16_of(entity.len()), u16_of(scope.len())];
    let fixed = [flags, event.kind, event.payload_version].into_iter().chain(lens);
    let fixed: Vec<u8> = fixed.flat_map(u16::to_le_bytes).collect();
    [&fixed, entity, scope, &fields].concat()
}

fn counted16(bytes: &[u8]) -> Vec<u8> {
    [&u16_of(bytes.len()).to_le_bytes()[..], bytes].concat()
}

fn tags(tags: &[String]) -> Vec<u8> {
    let count = u8::try_from(tags.len()).expect("few tags");
    std::iter::once(count).chain(tags.iter().flat_map(|tag| counted16(tag.as_bytes()))).collect()
}

fn extensions(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let entry =
        |(kind, bytes): &(u16, Vec<u8>)| [&kind.to_le_bytes()[..], &u32_of(bytes.len()).to_le_bytes(), bytes].concat();
    let area: Vec<u8> = extensions.iter().flat_map(entry).collect();
    [&u32_of(area.len()).to_le_bytes()[..], &area].concat()
}

/// The id of an event: a millisecond, the sequence, and the same 34 bits for all.
pub(crate) fn id(millis: u64, sequence: u64) -> Id {
    let high = u128::from(millis) << 80 | 7 << 76 | u128::from(sequence >> 28) << 64;
    let low = 0b10 << 62 | (sequence & 0xFFF_FFFF) << 34 | 0x1_2345_6789;
    (high | u128::from(low)).to_be_bytes()
}

/// Events as a writer would number and chain them.
#[derive(Debug, Default)]
pub(crate) struct History(pub(crate) Vec<Event>);

impl History {
    /// Adds an event with nothing but a payload and returns its record.
    pub(crate) fn add(&mut self, entity: &str, payload: &[u8]) -> Vec<u8> {
        self.add_with(entity, payload, |_| {})
    }

    /// Adds an event that `change` says more about.
    pub(crate) fn add_with(&mut self, entity: &str, payload: &[u8], change: impl FnOnce(&mut Event)) -> Vec<u8> {
        let sequence = self.0.len() as u64;
        let before = self.0.iter().rev().find(|event| event.entity == entity);
        let previous = before.map_or([0; 32], |event| event.hash);
        let salt = [0x5A; 16];
        let mut event = Event {
            kind: 0x1001,
            payload_version: 0,
            entity: entity.to_owned(),
            scope: "hand".to_owned(),
            correlation_id: None,
            causation_id: None,
            key: None,
            occurred_at: None,
            metadata: Vec::new(),
            tags: Vec::new(),
            extensions: Vec::new(),
            content: Content::Payload { salt, payload: payload.to_vec() },
            id: id(1_700_000_000_000 + sequence, sequence),
            revision: before.map_or(0, |event| event.revision + 1),
            time: 1_700_000_000_000_000_000,
            hash: [0; 32],
        };
        change(&mut event);
        event.hash = chain::event_hash(&event, &previous);
        let record = record(&event);
        self.0.push(event);
        record
    }
}

/// What a writer puts into the header of a new segment; its ids are made of `number`.
pub(crate) fn new_header(number: u8) -> Header {
    let id = |number: u8| [0x10 + number; 16];
    Header {
        segment_id: id(number),
        store_id: [0xEE; 16],
        first_link: id(number),
        last_link: id(number),
        previous_link: number.checked_sub(1).map_or([0; 16], id),
        epoch: 0,
        number: u64::from(number),
        last_number: u64::from(number),
        generation: 0,
        features: 0,
        head_size: 0,
        head_root: [0; 32],
        created: 1_700_000_000_000_000_000,
    }
}

/// A segment that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) header: Header,
    pub(crate) file: Vec<u8>,
    /// The durable mark that the next frames carry.
    pub(crate) mark: u64,
    previous: u32,
    next_sequence: u64,
    count: u64,
}

impl Writer {
    /// A segment with its link.
    pub(crate) fn new(header: Header, link: &Link) -> Self {
        let file = self::header(&header);
        let previous = header::crc_of(&file);
        let (mark, next_sequence) = (HEADER_LEN as u64, link.first_sequence);
        let mut writer = Self { header, file, mark, previous, next_sequence, count: 0 };
        writer.append(Vec::new(), vec![frame_record_of_link(link)]);
        writer
    }

    /// Segment 0 of a store.
    pub(crate) fn first() -> Self {
        let nothing = Link { first_sequence: 0, previous: [0; 16], end_sequence: 0, count: 0, seal_crc: 0 };
        Self::new(new_header(0), &nothing)
    }

    /// Writes the seal, and begins the segment after.
    pub(crate) fn seal(&mut self) -> Self {
        let next = new_header(u8::try_from(self.header.last_number + 1).expect("few segments"));
        self.seal_for(next.first_link);
        Self::new(next, &self.link_after())
    }

    pub(crate) fn seal_for(&mut self, next_link: Id) {
        let body = [&next_link[..], &self.next_sequence.to_le_bytes(), &self.count.to_le_bytes()].concat();
        self.append(Vec::new(), vec![FrameRecord { kind: SEAL, flags: CRITICAL, body }]);
    }

    /// What the segment after says about this one, once it is sealed.
    pub(crate) fn link_after(&self) -> Link {
        Link {
            first_sequence: self.next_sequence,
            previous: self.header.last_link,
            end_sequence: self.next_sequence,
            count: self.count,
            seal_crc: self.previous,
        }
    }

    /// Writes what a close does.
    pub(crate) fn close(&mut self) {
        self.mark = self.file.len() as u64;
        self.append(Vec::new(), vec![FrameRecord { kind: MARK, flags: 0, body: Vec::new() }]);
    }

    pub(crate) fn records(&mut self, records: Vec<Vec<u8>>) -> Vec<u8> {
        self.append(records, Vec::new())
    }

    /// Writes a frame and returns its bytes.
    pub(crate) fn append(&mut self, records: Vec<Vec<u8>>, typed: Vec<FrameRecord>) -> Vec<u8> {
        let count = records.len() as u64;
        let offset = self.file.len() as u64;
        let (previous, first_sequence, mark) = (self.previous, self.next_sequence, self.mark);
        let written = Frame { offset, len: 0, crc: 0, previous, first_sequence, mark, records, typed };
        let bytes = frame(&written, &self.header.segment_id);
        self.file.extend(&bytes);
        self.previous = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
        self.next_sequence += count;
        self.count += count;
        bytes
    }

    pub(crate) fn file_name(&self) -> String {
        self.header.file_name()
    }
}

fn frame_record_of_link(link: &Link) -> FrameRecord {
    let mut body = link.first_sequence.to_le_bytes().to_vec();
    body.extend(link.previous);
    body.extend(link.end_sequence.to_le_bytes());
    body.extend(link.count.to_le_bytes());
    body.extend(link.seal_crc.to_le_bytes());
    body.extend([0; 4]);
    FrameRecord { kind: LINK, flags: CRITICAL, body }
}

/// A UUID as text.
pub(crate) fn uuid(id: Id) -> String {
    let digits = hex(&id);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
