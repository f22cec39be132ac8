//! Appending: one by one, in batches, without waiting, again, and what must be refused.

use crate::draft::{Draft, SEATS};
use crate::session::{Session, tolerate};
use crate::trace::trace;
use batpak::EventKind;
use batpak::store::{AppendReceipt, Durability, StoreError, Ticket};
use std::sync::mpsc;
use std::time::Duration;

type Receipts = Result<Vec<AppendReceipt>, StoreError>;

impl Session<'_> {
    pub(crate) fn draft(&mut self) -> Draft {
        let number = self.life.model.next_number();
        Draft::random(number, self.life.size.text_max, &mut self.life.random)
    }

    /// Some events, with conditions that hold.
    pub(crate) fn drafts(&mut self, most: usize) -> Vec<Draft> {
        let mut drafts: Vec<Draft> = Vec::new();
        for _ in 0..=self.life.random.index(most) {
            let mut draft = self.draft();
            let before = drafts.iter().filter(|before| before.entity == draft.entity).count() as u64;
            let len = self.life.model.len_of(draft.entity) + before;
            draft.expected = self.life.random.chance(30).then_some(len);
            drafts.push(draft);
        }
        drafts
    }

    pub(crate) fn append(&mut self) {
        let drafts = self.drafts(1);
        self.append_drafts(drafts);
    }

    /// While the sync is under way that an event waits for, nobody sees it.
    pub(crate) fn append_watched(&mut self) {
        let mut drafts = self.drafts(3);
        drafts[0].durability = Some(Durability::Synced);
        let (store, acknowledged) = (self.store.clone(), self.life.model.acknowledged as u64);
        let has_failed = self.has_failed();
        self.life.files.during_the_next_sync(move || {
            assert!(has_failed || store.diagnostics().visible <= acknowledged, "an event is visible before its sync");
        });
        self.append_drafts(drafts);
        self.life.files.forget_what_happens();
    }

    pub(crate) fn append_batch(&mut self) {
        let drafts = self.drafts(6);
        self.append_drafts(drafts);
    }

    pub(crate) fn append_drafts(&mut self, drafts: Vec<Draft>) {
        let has_failed = self.has_failed();
        let told = self.tell(&drafts);
        assert!(!has_failed || told.is_err(), "after a failure nothing is accepted");
        self.settle(drafts, told);
    }

    fn tell(&self, drafts: &[Draft]) -> Receipts {
        match drafts {
            [draft] => {
                let (coordinate, payload) = (draft.coordinate(), draft.payload());
                let receipt = self.store.append_with_options(&coordinate, draft.kind, &payload, draft.options());
                receipt.map(|receipt| vec![receipt])
            }
            _ => self.store.append_batch(drafts.iter().map(Draft::item)),
        }
    }

    /// Several commits before anybody asks what has become of them.
    pub(crate) fn submit_some(&mut self) {
        let has_failed = self.has_failed();
        let mut waiting = Vec::new();
        for _ in 0..=self.life.random.below(4) {
            // How long streams are is not known before the tickets tell.
            let drafts: Vec<Draft> = (0..=self.life.random.below(3)).map(|_| self.draft()).collect();
            let ticket = self.store.submit_batch(drafts.iter().map(Draft::item));
            waiting.push((drafts, ticket));
        }
        if self.life.random.chance(50) {
            let stepped = self.store.sync_as_due();
            self.note(stepped.map(drop));
        }
        for (drafts, ticket) in waiting {
            let told = ticket.and_then(Ticket::wait);
            assert!(!has_failed || told.is_err(), "after a failure nothing is accepted");
            self.settle(drafts, told);
        }
    }

    /// What is appended while a sync is under way is not covered by it.
    pub(crate) fn sync_while_others_append(&mut self) {
        let drafts = self.drafts(3);
        let items: Vec<_> = drafts.iter().map(Draft::item).collect();
        let (store, (send, receive)) = (self.store.clone(), mpsc::channel());
        self.life.files.during_the_next_sync(move || {
            let _ = send.send(store.submit_batch(items));
        });
        let before = self.store.diagnostics().visible;
        let synced = self.sync();
        self.life.files.forget_what_happens();
        self.check_watermarks();
        let now = self.store.diagnostics();
        let is_early = now.visible > before && now.durable <= before;
        assert!(!is_early || !self.is_to_be_synced(&drafts), "an event is visible before its sync: {now:?}");
        match receive.try_recv() {
            Ok(ticket) => {
                let told = ticket.and_then(Ticket::wait);
                self.settle(drafts, told);
            }
            Err(_) => self.life.model.lost.push(drafts),
        }
        self.note(synced);
    }

    /// What was refused or lost is appended again.
    pub(crate) fn append_lost(&mut self) {
        let lost = &mut self.life.model.lost;
        if lost.is_empty() {
            return self.append();
        }
        let which = self.life.random.index(lost.len());
        let mut drafts = lost.swap_remove(which);
        // Somebody else may have the seat now.
        let is_sold = |draft: &Draft| SEATS.contains(&draft.entity) && self.life.model.len_of(draft.entity) > 0;
        if drafts.iter().any(is_sold) {
            return self.append();
        }
        // The streams may be others now.
        for draft in &mut drafts {
            draft.expected = None;
        }
        self.append_drafts(drafts);
    }

    /// Notes what has become of a commit.
    pub(crate) fn settle(&mut self, drafts: Vec<Draft>, told: Receipts) {
        let now = self.now();
        trace(|| format!("{} events: {told:?}", drafts.len()));
        match told {
            // It is told to nobody.
            Ok(_) if self.has_crashed() => self.life.model.take_unknown(drafts, now),
            Ok(receipts) => {
                let is_synced = self.is_to_be_synced(&drafts)
                    || receipts.iter().any(|receipt| receipt.durability == Durability::Synced);
                let model = &mut self.life.model;
                model.take(drafts, &receipts, now);
                model.promise_by(&self.policy, now);
                if is_synced {
                    model.promise(model.acknowledged);
                }
            }
            Err(error) => {
                tolerate(&self.life.files, &error);
                self.note_failure(&error);
                if error.is_outcome_unknown() {
                    self.life.model.take_unknown(drafts, now);
                } else {
                    self.life.model.lost.push(drafts);
                }
            }
        }
    }

    /// Whether a commit counts only once it survives a power cut.
    fn is_to_be_synced(&self, drafts: &[Draft]) -> bool {
        let default = if self.policy.every_n_events == 1 { Durability::Synced } else { Durability::Written };
        drafts.iter().any(|draft| draft.durability.unwrap_or(default) == Durability::Synced)
    }

    fn now(&self) -> Duration {
        batpak::store::Clock::monotonic(&*self.life.clock)
    }

    /// A commit with something wrong in it, perhaps behind what would be right: nothing of it is to be there.
    pub(crate) fn append_what_is_refused(&mut self) {
        let mut drafts = self.drafts(4);
        let has_wrong_kind = self.life.random.chance(40);
        let last = drafts.last_mut().expect("at least one");
        if has_wrong_kind {
            last.kind = EventKind::from_u16(0xD001);
        } else {
            last.key = None;
            last.expected = Some(1_000_000);
        }
        match self.tell(&drafts) {
            Ok(_) => assert!(self.has_crashed(), "accepted: {drafts:?}"),
            Err(StoreError::Conflict { .. } | StoreError::ReservedKind { .. }) => {}
            Err(error) => {
                tolerate(&self.life.files, &error);
                self.note_failure(&error);
                assert!(self.has_crashed() || !error.is_outcome_unknown(), "a refusal leaves nothing: {error:?}");
            }
        }
    }
}
