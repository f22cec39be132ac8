//! The worked example in the document is what the store writes.

use crate::bytes::hex;
use crate::chain;
use crate::deterministic::Machine;
use crate::directory::{self, Files, Store};
use crate::frame;
use batpak::{Coordinate, EventKind};
use serde_json::json;
use std::fmt::Write as _;

const DOCUMENT: &str = include_str!("../../docs/FORMAT.md");

/// Length and name of each field of the example, in order.
const FIELDS: &[(usize, &str)] = &[
    (8, "magic"),
    (4, "format"),
    (4, "length of the header"),
    (16, "segment id"),
    (16, "store id"),
    (16, "first link id"),
    (16, "last link id"),
    (16, "previous link id"),
    (8, "epoch"),
    (8, "number"),
    (8, "last number"),
    (4, "generation"),
    (4, "required features"),
    (8, "head size"),
    (32, "head root"),
    (8, "created"),
    (76, "reserved"),
    (4, "header crc"),
    (4, "frame: magic"),
    (4, "length"),
    (4, "frame crc"),
    (4, "previous: the header crc"),
    (8, "first sequence"),
    (8, "durable mark"),
    (4, "number of records"),
    (2, "number of frame records"),
    (2, "flags"),
    (4, "frame record item: length"),
    (4, "item crc"),
    (2, "type: link"),
    (2, "flags: critical"),
    (8, "first sequence"),
    (16, "previous link id"),
    (8, "end sequence of the previous segment"),
    (8, "its count"),
    (4, "its seal crc"),
    (4, "reserved"),
    (4, "padding"),
    (4, "frame: magic"),
    (4, "length"),
    (4, "frame crc"),
    (4, "previous: the crc of the link's frame"),
    (8, "first sequence"),
    (8, "durable mark"),
    (4, "number of records"),
    (2, "number of frame records"),
    (2, "flags"),
    (4, "record item: length"),
    (4, "item crc"),
    (2, "flags: a key, tags, a payload"),
    (2, "kind: category 1, type 2"),
    (2, "payload version"),
    (2, "length of the entity"),
    (2, "length of the scope"),
    (6, "entity: door:1"),
    (5, "scope: house"),
    (16, "idempotency key: 0x0102…0f10"),
    (1, "number of tags"),
    (2, "length of the tag"),
    (5, "tag: alarm"),
    (16, "salt"),
    (7, "payload: {\"open\": true}"),
    (16, "event id"),
    (8, "revision"),
    (8, "time"),
    (32, "event hash"),
    (4, "padding"),
    (4, "frame: magic"),
    (4, "length"),
    (4, "frame crc"),
    (4, "previous: the crc of the record's frame"),
    (8, "first sequence"),
    (8, "durable mark: this frame's offset"),
    (4, "number of records"),
    (2, "number of frame records"),
    (2, "flags"),
    (4, "frame record item: length"),
    (4, "item crc"),
    (2, "type: mark"),
    (2, "flags"),
    (4, "padding"),
];

/// A store with one event, closed.
fn files() -> Files {
    let machine = Machine::new(&Files::new());
    let store = machine.open().expect("open");
    let door = Coordinate::new("door:1", "house").expect("a coordinate");
    let options = batpak::store::AppendOptions::default()
        .with_idempotency_key(0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10)
        .with_tags(&["alarm"]);
    let open = json!({"open": true});
    store.append_with_options(&door, EventKind::custom(1, 2), &open, options).expect("append");
    store.close().expect("close");
    machine.truth()
}

/// The file, a line for every 16 bytes of a field.
fn listing(file: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    for (len, name) in FIELDS {
        let field = &file[at..at + len];
        assert!(*name != "frame: magic" || field == frame::MAGIC, "the fields before {at} do not fit");
        let zeros = *len > 16 && field.iter().all(|byte| *byte == 0);
        let lines = if zeros { vec![format!("00 {len} times")] } else { field.chunks(16).map(spaced).collect() };
        for (line, (bytes, name)) in lines.iter().zip(std::iter::once(*name).chain(std::iter::repeat(""))).enumerate() {
            let row = format!("{:4}  {bytes:47}  {name}", at + 16 * line);
            writeln!(text, "{}", row.trim_end()).expect("a string takes everything");
        }
        at += len;
    }
    assert!(file[at..].iter().all(|byte| *byte == 0), "fields to the end");
    text
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| hex(&[*byte])).collect::<Vec<_>>().join(" ")
}

/// What follows from the file.
fn hashes(store: &Store) -> String {
    let event = &store.events[0];
    let head = store.verify().expect("hashes that hold");
    let payload = hex(&chain::payload_hash(&event.content));
    format!("payload hash  {payload}\nevent hash    {}\nhead, size 1  {}\n", hex(&event.hash), hex(&head.root))
}

#[track_caller]
fn check_in_document(block: &str) {
    assert!(DOCUMENT.contains(&format!("```\n{block}```\n")), "the document does not say:\n{block}");
}

#[test]
fn the_example_is_what_the_store_writes() {
    let files = files();
    let (name, file) = files.first_key_value().expect("a segment");
    assert_eq!((name.as_str(), files.len()), ("0000000000.0000.fbat", 1));
    check_in_document(&listing(file));
    check_in_document(&hashes(&directory::read(&files).expect("a store")));
}

/// The bytes in the document are a store by themselves.
#[test]
fn the_example_can_be_typed_in() {
    let (_, section) = DOCUMENT.split_once("## Example").expect("a section");
    let (_, block) = section.split_once("```\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    let mut file = Vec::new();
    for line in block.lines() {
        let mut columns = line[4..].split_ascii_whitespace().peekable();
        let zeros = columns.clone().nth(2).is_some_and(|word| word == "times");
        if zeros {
            let count = columns.nth(1).and_then(|count| count.parse::<usize>().ok()).expect("a number");
            file.resize(file.len() + count, 0);
            continue;
        }
        let bytes = line[6..line.len().min(6 + 47)].split_ascii_whitespace();
        file.extend(bytes.map(|byte| u8::from_str_radix(byte, 16).expect("a byte")));
    }
    let typed = Files::from([("0000000000.0000.fbat".to_owned(), file)]);
    crate::handmade::check_taken(&typed, 1);
    let event = &directory::read(&typed).expect("a store").events[0];
    assert_eq!((event.entity.as_str(), event.tags.as_slice()), ("door:1", ["alarm".to_owned()].as_slice()));
}
