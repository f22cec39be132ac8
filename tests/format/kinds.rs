//! What is said of kinds: the reader finds in the segments and in the file of kinds what the store says.

use crate::bytes::{Bytes, Result, check, index};
use crate::deterministic::{DIR, Machine};
use crate::directory::{self, Files};
use crate::frame::Description;
use batpak::{Coordinate, EventKind, EventPayload, KindDescription, KindInfo};
use serde::de::Error;
use serde::{Deserializer, Serializer};

struct Noted(&'static KindInfo);

const INFOS: &[KindInfo] = &[
    KindInfo { kind: EventKind::custom(0xF, 0xFFF), version: 1, name: "note.made", fields: &["text", "by"] },
    KindInfo { kind: EventKind::custom(1, 1), version: 0xFFFF, name: "größe", fields: &[] },
];

impl EventPayload for Noted {
    const KINDS: &'static [KindInfo] = INFOS;

    fn kind_info(&self) -> &'static KindInfo {
        self.0
    }

    const KIND_LIST: &'static [EventKind] = &[INFOS[0].kind, INFOS[1].kind];

    fn write_to<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_unit()
    }

    fn read_from<'de, D: Deserializer<'de>>(_: EventKind, _: u16, _: D) -> std::result::Result<Self, D::Error> {
        Err(D::Error::custom("it is not read"))
    }
}

/// A description, and the first sequence of its frame.
type Described = (u64, Description);

fn in_segments(files: &Files) -> Result<Vec<Described>> {
    let mut found = Vec::new();
    for frame in directory::read(files)?.segments.iter().flat_map(|segment| &segment.frames) {
        for record in &frame.typed {
            found.extend(record.description()?.map(|description| (frame.first_sequence, description)));
        }
    }
    Ok(found)
}

/// The end of what the file says, where the last event stands, its hash, and what is said.
fn in_file(file: &[u8], store_id: &[u8; 16]) -> Result<(u64, u64, [u8; 32], Vec<Described>)> {
    let mut bytes = Bytes(file);
    check(bytes.array()? == *b"BATPAKKD" && bytes.u32()? == 1, || "no file of kinds".to_owned())?;
    check(bytes.u32()? == crc32c::crc32c(&file[16..]), || "crc".to_owned())?;
    check(bytes.array()? == *store_id, || "another store".to_owned())?;
    let (end, offset, hash) = (bytes.u64()?, bytes.u64()?, bytes.array()?);
    let mut described = Vec::new();
    for _ in 0..bytes.u64()? {
        let (sequence, len) = (bytes.u64()?, bytes.u64()?);
        described.push((sequence, Description::read(bytes.take(index(len))?)?));
    }
    bytes.end()?;
    Ok((end, offset, hash, described))
}

fn said(kind: &KindDescription) -> Description {
    let (name, fields) = (kind.name().to_owned(), kind.fields().to_vec());
    Description { kind: kind.kind().as_u16(), version: kind.version(), name, fields }
}

#[test]
fn the_reader_finds_what_the_store_says_of_kinds() {
    let machine = Machine::new(&Files::new());
    let store = batpak::store::Store::open(machine.config().with_enable_checkpoint(true)).expect("open");
    let place = Coordinate::new("a", "x").expect("a coordinate");
    for (n, info) in [(0, &INFOS[0]), (1, &INFOS[0]), (2, &INFOS[1]), (3, &INFOS[0])] {
        store.append_typed(&place, &Noted(info)).expect("append");
        store.append(&place, INFOS[1].kind, &n).expect("append");
    }
    let kinds: Vec<Description> = store.kinds().expect("kinds").iter().map(said).collect();
    store.close().expect("close");

    let truth = machine.truth();
    let found = in_segments(&truth).expect("it can be read");
    assert_eq!(found.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [0, 4]);
    assert_eq!([&found[1].1, &found[0].1], [&kinds[0], &kinds[1]]);

    let read = directory::read(&truth).expect("it can be read");
    let header = &read.segments[0].header;
    let file = machine.files.read(format!("{DIR}/batpak.kinds")).expect("a file");
    let (end, offset, hash, described) = in_file(&file, &header.store_id).expect("a file of kinds");
    assert_eq!((end, described), (8, found));
    assert_eq!(hash, read.events[7].hash);
    let record = &read.segments[0].frames.iter().find(|frame| frame.first_sequence == 7).expect("a frame").records[0];
    let segment = &truth["0000000000.0000.fbat"];
    assert_eq!(&segment[index(offset) + 8..][..record.len()], record);
}
