//! What is read: a store that was filled, closed and opened again.

use crate::answer::{Answer, Decoding, of_payload};
use crate::engine::Failure;
use crate::event::RECORD_HEAD_LEN;

/// What an event is found by: a sequence, or an id.
pub(crate) type Key = u128;

/// A store with events in it. What it decodes it adds up.
pub(crate) trait Archive: Sync {
    /// The keys of the events with these sequences.
    fn keys(&self, sequences: &[u64]) -> Result<Vec<Key>, Failure>;

    /// One event.
    fn get(&self, key: Key, decoding: Decoding) -> Result<Answer, Failure>;

    /// The events of an entity in the order of their revisions, each decoded to a type.
    fn entity(&self, entity: &str) -> Result<Answer, Failure>;

    /// Revisions and sequences of the events of an entity, in order.
    fn list(&self, entity: &str) -> Result<Answer, Failure>;

    /// All events in the order of their sequence, each decoded to a type.
    fn replay(&self) -> Result<Answer, Failure>;

    fn close(self: Box<Self>) -> Result<(), Failure>;
}

/// What is done with a record.
pub(crate) type See<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>;
/// What is done with a revision and a sequence.
pub(crate) type SeeRow<'a> = &'a mut dyn FnMut(u64, u64);

/// A store that keeps records as they were given: those that [`Event::record`](crate::event::Event::record) makes.
pub(crate) trait Records: Sync {
    fn record(&self, sequence: u64, see: See<'_>) -> Result<(), Failure>;

    fn records_of(&self, entity: &str, see: See<'_>) -> Result<(), Failure>;

    fn rows_of(&self, entity: &str, see: SeeRow<'_>) -> Result<(), Failure>;

    fn records(&self, see: See<'_>) -> Result<(), Failure>;

    fn close(self: Box<Self>) -> Result<(), Failure> {
        // Dropping it closes it.
        Ok(())
    }
}

impl<R: Records> Archive for R {
    fn keys(&self, sequences: &[u64]) -> Result<Vec<Key>, Failure> {
        Ok(sequences.iter().map(|sequence| Key::from(*sequence)).collect())
    }

    fn get(&self, key: Key, decoding: Decoding) -> Result<Answer, Failure> {
        let sequence = u64::try_from(key)?;
        decoded(decoding, |see| self.record(sequence, see))
    }

    fn entity(&self, entity: &str) -> Result<Answer, Failure> {
        decoded(Decoding::Typed, |see| self.records_of(entity, see))
    }

    fn list(&self, entity: &str) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        self.rows_of(entity, &mut |revision, sequence| answer.add_row(revision, sequence))?;
        Ok(answer)
    }

    fn replay(&self) -> Result<Answer, Failure> {
        decoded(Decoding::Typed, |see| self.records(see))
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        Records::close(self)
    }
}

fn decoded(decoding: Decoding, read: impl FnOnce(See<'_>) -> Result<(), Failure>) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    read(&mut |record| {
        let payload = record.get(RECORD_HEAD_LEN..).ok_or("a record is too short")?;
        answer.add(of_payload(payload, decoding)?);
        Ok(())
    })?;
    Ok(answer)
}
