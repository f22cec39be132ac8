//! This repository's batpak where events are read.

use std::path::Path;

use batpak::prelude::{EventId, Region, Store, StoreConfig};

use super::Ours;
use crate::answer::{Answer, Decoded, Decoding, check_json};
use crate::archive::{Archive, Key};
use crate::engine::{Failure, Reading};

pub(super) const READING: Reading =
    Reading { fill: |opening| Ok(Box::new(Ours::open(opening)?)), open: |dir| Ok(Box::new(Opened::open(dir)?)) };

pub(super) const HOW: &str = "as it is written, with the defaults";

struct Opened(Store);

impl Opened {
    fn open(dir: &Path) -> Result<Self, Failure> {
        Ok(Self(Store::open(StoreConfig::new(dir))?))
    }

    fn decoded(&self, region: &Region) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        for event in self.0.events(region).decoded::<Decoded>() {
            answer.add(event?.event.payload().check());
        }
        Ok(answer)
    }
}

impl Archive for Opened {
    fn keys(&self, sequences: &[u64]) -> Result<Vec<Key>, Failure> {
        sequences.iter().map(|sequence| Ok(self.0.read(*sequence)?.event.event_id().as_u128())).collect()
    }

    fn get(&self, key: Key, decoding: Decoding) -> Result<Answer, Failure> {
        let id = EventId::from_u128(key);
        let check = match decoding {
            Decoding::Json => check_json(self.0.get(id)?.event.payload()),
            Decoding::Typed => self.0.get_as::<Decoded>(id)?.event.payload().check(),
        };
        Ok(Answer::one(check))
    }

    fn entity(&self, entity: &str) -> Result<Answer, Failure> {
        self.decoded(&Region::entity(entity))
    }

    fn list(&self, entity: &str) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        for row in &self.0.stream(entity) {
            answer.add_row(row.revision, row.sequence);
        }
        Ok(answer)
    }

    fn replay(&self) -> Result<Answer, Failure> {
        self.decoded(&Region::all())
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.0.close()?)
    }
}
