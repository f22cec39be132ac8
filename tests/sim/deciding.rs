//! Transactions: seats that are sold once, and conditions of every sort.

use crate::draft::{Draft, ENTITIES, SEATS, TAGS};
use crate::session::{Session, tolerate};
use batpak::Region;
use batpak::store::{Condition, Rows, StoreError, Transaction};

impl Session<'_> {
    /// Sells a seat if nobody has it, as far as the transaction can see; perhaps somebody else is faster.
    pub(crate) fn sell(&mut self) {
        let seat = *self.life.random.pick::<&str>(&SEATS);
        let mut transaction = self.store.transaction();
        let read = transaction.query(&Region::entity(seat));
        let is_sold = self.is_sold(seat);
        match read {
            Ok(rows) => self.check_read(&rows, is_sold),
            Err(error) => return self.note(Err(error)),
        }
        if is_sold {
            transaction.require(Condition::is_new(seat));
        } else if self.life.random.chance(30) {
            let sale = self.sale(seat);
            self.append_drafts(vec![sale]);
        }
        for condition in self.conditions() {
            transaction.require(condition);
        }
        let sale = vec![self.sale(seat), self.draft()];
        self.commit(transaction, seat, sale);
    }

    /// Whether somebody has a seat, as far as anybody was told.
    fn is_sold(&self, seat: &str) -> bool {
        self.life.model.len_of(seat) > 0
    }

    /// After a failure events are visible that were not acknowledged.
    fn check_read(&self, rows: &Rows, is_sold: bool) {
        assert!(self.has_crashed() || self.has_failed() || rows.len() == usize::from(is_sold), "{rows:?}");
    }

    fn sale(&mut self, seat: &'static str) -> Draft {
        Draft { entity: seat, ..self.draft() }
    }

    /// Some conditions that hold.
    fn conditions(&mut self) -> Vec<Condition> {
        let (model, random) = (&self.life.model, &mut self.life.random);
        let known = &model.events[..model.acknowledged];
        let entity = *random.pick::<&str>(&ENTITIES);
        let len = model.len_of(entity);
        let tag = *random.pick::<&str>(&TAGS);
        let tagged = known.iter().rposition(|event| event.draft.tags.contains(&tag));
        let since = tagged.map_or(0, |sequence| sequence as u64 + 1);
        let exists = if len > 0 { Condition::exists(entity) } else { Condition::is_new(entity) };
        let all = [
            Condition::len(entity, len),
            exists,
            Condition::none_since(Region::tag(tag), since),
            Condition::none_since(Region::all(), known.len() as u64),
        ];
        all.into_iter().filter(|_| random.chance(25)).collect()
    }

    /// Of two that sell a seat one is refused.
    fn commit(&mut self, mut transaction: Transaction, seat: &str, sale: Vec<Draft>) {
        let has_failed = self.has_failed();
        for draft in &sale {
            transaction.push(draft.item());
        }
        let told = transaction.commit();
        assert!(!has_failed || told.is_err(), "after a failure nothing is accepted");
        match told {
            Ok(_) if !self.has_crashed() && self.is_sold(seat) => panic!("{seat} is sold twice"),
            Err(StoreError::Condition { condition, event }) => {
                self.life.tally.overtaken += 1;
                let events = &self.life.model.events;
                let newest = events.iter().rposition(|event| event.draft.entity == seat);
                let told = newest.and_then(|newest| events[newest].told).map(|(id, _)| id);
                assert!(self.has_crashed() || self.is_sold(seat) && event == told, "{condition}: {event:?}");
            }
            told => self.settle(sale, told),
        }
    }

    /// A condition that does not hold: nothing of the commit is to be there.
    pub(crate) fn commit_what_is_refused(&mut self) {
        let (drafts, entity) = (self.drafts(3), *self.life.random.pick::<&str>(&ENTITIES));
        let len = self.life.model.len_of(entity);
        let fails = match len {
            0 => Condition::exists(entity),
            1 => Condition::is_new(entity),
            len if self.life.random.chance(50) => Condition::len(entity, len - 1),
            _ => Condition::none_since(Region::entity(entity), 0),
        };
        let mut transaction = self.store.transaction();
        for draft in &drafts {
            transaction.push(Draft { key: None, ..draft.clone() }.item());
        }
        transaction.require(fails);
        match transaction.commit() {
            Ok(_) => assert!(self.has_crashed(), "accepted: {drafts:?}"),
            Err(StoreError::Condition { .. }) => {}
            Err(error) => {
                tolerate(&self.life.files, &error);
                self.note_failure(&error);
                assert!(self.has_crashed() || !error.is_outcome_unknown(), "a refusal leaves nothing: {error:?}");
            }
        }
    }
}
