//! Reading by hand: the file is mapped and its frames are checked once, and vectors keep where each event is.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use super::{FRAME_HEADER_LEN, ITEM_LEN, preallocated};
use crate::archive::{Records, See, SeeRow};
use crate::engine::{Failure, Reading};
use crate::event::{ENTITIES, ENTITY_LEN, PAYLOAD_LEN, RECORD_HEAD_LEN, names};

pub(super) const READING: Reading =
    Reading { fill: |opening| (preallocated().open)(opening), open: |dir| Ok(Box::new(Scanned::open(dir)?)) };

pub(super) const HOW: &str = "frames mapped, all checked by their crc32c at the opening; where an event is stands in a vector of \
                              all and in one for each entity, in memory";

const RECORD_LEN: usize = RECORD_HEAD_LEN + PAYLOAD_LEN;
const ENTITY_AT: usize = RECORD_HEAD_LEN - crate::event::NAMES_LEN;
const SEQUENCE_AT: usize = size_of::<u64>();

struct Scanned {
    /// The log, and the tail behind it.
    maps: Vec<Mmap>,
    events: Vec<At>,
    entities: Vec<Vec<u32>>,
}

/// Where a record is: in which map, and at which byte.
#[derive(Clone, Copy)]
struct At {
    map: u32,
    byte: u32,
}

impl Scanned {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let entities = names().iter().map(|_| Vec::new()).collect();
        let mut scanned = Self { maps: Vec::new(), events: Vec::new(), entities };
        for name in ["log", "tail"] {
            let path = dir.join(name);
            if path.exists() {
                // SAFETY: nobody changes a file of a store that was closed, or whose process has died.
                let map = unsafe { Mmap::map(&File::open(path)?)? };
                scanned.scan(&map)?;
                scanned.maps.push(map);
            }
        }
        Ok(scanned)
    }

    /// Goes through frames until one is not whole, or belongs to another place: the tail is written over.
    fn scan(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let map = u32::try_from(self.maps.len())?;
        let mut at = 0;
        while let Some(frame) = frame(&bytes[at..]) {
            let items = (frame.len() - FRAME_HEADER_LEN) / ITEM_LEN;
            for item in 0..items {
                let byte = at + FRAME_HEADER_LEN + item * ITEM_LEN;
                let record = &bytes[byte..byte + RECORD_LEN];
                let sequence = record[SEQUENCE_AT..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
                if sequence != Some(self.events.len() as u64) {
                    return Ok(());
                }
                let number = u32::try_from(self.events.len())?;
                self.entities[entity(&record[ENTITY_AT..ENTITY_AT + ENTITY_LEN])?].push(number);
                self.events.push(At { map, byte: u32::try_from(byte)? });
            }
            at += frame.len();
        }
        Ok(())
    }

    fn at(&self, number: usize) -> Result<&[u8], Failure> {
        let at = self.events.get(number).ok_or("no such event")?;
        let byte = at.byte as usize;
        Ok(&self.maps[at.map as usize][byte..byte + RECORD_LEN])
    }
}

/// The frame that `bytes` begin with.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let len = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let frame = bytes.get(..len).filter(|frame| frame.len() > FRAME_HEADER_LEN)?;
    let stored = u32::from_le_bytes(*frame[4..].first_chunk()?);
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &[0; 4]), &frame[8..]);
    (crc == stored).then_some(frame)
}

/// The number at the end of the entity's name.
fn entity(name: &[u8]) -> Result<usize, Failure> {
    let number: usize = str::from_utf8(&name[name.len() - 4..])?.parse()?;
    if (number as u64) < ENTITIES { Ok(number) } else { Err("no such entity".into()) }
}

impl Records for Scanned {
    fn record(&self, sequence: u64, see: See<'_>) -> Result<(), Failure> {
        see(self.at(usize::try_from(sequence)?)?)
    }

    fn records_of(&self, name: &str, see: See<'_>) -> Result<(), Failure> {
        self.entities[entity(name.as_bytes())?].iter().try_for_each(|number| see(self.at(*number as usize)?))
    }

    fn rows_of(&self, name: &str, see: SeeRow<'_>) -> Result<(), Failure> {
        let numbers = &self.entities[entity(name.as_bytes())?];
        for (revision, sequence) in (0..).zip(numbers) {
            see(revision, u64::from(*sequence));
        }
        Ok(())
    }

    fn records(&self, see: See<'_>) -> Result<(), Failure> {
        (0..self.events.len()).try_for_each(|number| see(self.at(number)?))
    }
}
