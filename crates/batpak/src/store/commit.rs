//! The commit: what happens under the one short lock.

use crate::store::exposure::Exposure;
use crate::store::job::Job;
use crate::store::look_up::Frozen;
use crate::store::random::RandomPool;
use crate::store::receipt::AppendReceipt;
use crate::store::room::Backlog;
use crate::store::shared::Shared;
use crate::store::{Durability, StoreError};
use batpak_core::{Assigned, Coordinate, EventHash, EventId, EventKind, RecordDraft, Timestamp};
use batpak_index::{Added, EntityHead, Extras, IndexWriter, Known, Marks};
use batpak_segment::{Log, Unsynced};
use std::collections::VecDeque;

/// The writer's state.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) index: IndexWriter,
    random: RandomPool,
    /// The millisecond in the newest id.
    last_millis: u64,
    /// Commits that asked to be synced and are not yet, as first sequence and end.
    unsynced: VecDeque<(u64, u64)>,
    pub(crate) exposure: Exposure,
    /// The events of the commit that is under way, empty between commits.
    placed: Vec<Placed>,
    pub(crate) backlog: Backlog,
}

/// An event, all done but its place.
#[derive(Debug)]
pub(crate) struct Proposed {
    pub(crate) stream: Stream,
    pub(crate) kind: EventKind,
    pub(crate) draft: Option<RecordDraft>,
    /// Length of the payload, which ends where the record's last 64 bytes begin.
    pub(crate) payload_len: usize,
    pub(crate) expected: Option<u64>,
    pub(crate) key: Option<u128>,
    pub(crate) extras: Extras,
    /// What it is found by besides its coordinate and kind.
    pub(crate) marks: Marks,
    /// What was looked up about it in what is frozen.
    pub(crate) frozen: Frozen,
    /// The correlation id that the options name.
    pub(crate) correlation: Option<EventId>,
    /// The earlier item that is the cause.
    pub(crate) cause: Option<usize>,
}

/// Where an event belongs.
#[derive(Debug)]
pub(crate) enum Stream {
    Known(Known),
    New(Coordinate),
}

impl Stream {
    pub(crate) fn coordinate(&self) -> &Coordinate {
        match self {
            Self::Known(known) => known.coordinate(),
            Self::New(coordinate) => coordinate,
        }
    }

    /// Whether its entity has an event that is live, or had one when this was made.
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Known(known) if known.has_events())
    }
}

/// What a commit came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was appended from this sequence on, and has its receipts; below which sequence all has to be durable before
    /// they count.
    Appended { first: u64, wait_for: Option<u64>, unsynced: Unsynced },
    /// It repeats an earlier commit, whose first event is this.
    Replayed { first: u64 },
    /// It repeats a part of an earlier commit, or of several, as far as to this event.
    PartialReplay { first: usize, item: usize, newest: Option<u64> },
    /// A condition does not hold because of this event; or of none.
    Conflict { entity: String, expected: u64, actual: u64, newest: Option<u64> },
    /// This one of its guards does not hold.
    Stands { guard: usize },
    /// It has no events, and its guards hold; or it was to repeat a commit, and repeats none.
    Nothing,
    /// The active segment has no room for it. Nothing was done.
    NoRoom,
    /// More has come, or been frozen, than was looked at, or what has to be looked at is damaged. Nothing was done.
    Unknown,
}

impl Commit {
    pub(crate) fn new(index: IndexWriter, random: RandomPool, last_millis: u64) -> Self {
        Self {
            index,
            random,
            last_millis,
            unsynced: VecDeque::new(),
            exposure: Exposure::default(),
            placed: Vec::new(),
            backlog: Backlog::default(),
        }
    }

    /// What a batch comes to of which a key is known: it repeats an earlier commit, as a whole or in part.
    fn replayed(&self, proposed: &[Proposed]) -> Option<Outcome> {
        let known = |item: usize| {
            let event: &Proposed = &proposed[item];
            event.key.and_then(|key| self.index.key(key).or(event.frozen.key))
        };
        let first = (0..proposed.len()).find(|item| known(*item).is_some())?;
        let partial = |item| {
            let newest = (0..proposed.len()).filter_map(known).max();
            Some(Outcome::PartialReplay { first, item, newest })
        };
        let Some(base) = known(first).and_then(|sequence| sequence.checked_sub(first as u64)) else {
            return partial(0);
        };
        let differs = |item: &usize| proposed[*item].key.is_some() && known(*item) != Some(base + *item as u64);
        match (0..proposed.len()).find(differs) {
            Some(item) => partial(item),
            None => Some(Outcome::Replayed { first: base }),
        }
    }

    /// Whether an event needs to know something that is frozen and was not looked up.
    #[inline]
    fn must_look_up(&self, job: &Job) -> bool {
        let frozen_end = self.index.frozen_end();
        frozen_end > 0 && job.proposed.iter().any(|event| !self.knows_enough(event, job.looked_up_to >= frozen_end))
    }

    #[inline]
    fn knows_enough(&self, event: &Proposed, looked_up: bool) -> bool {
        let knows_head = match &event.stream {
            Stream::Known(known) => self.index.is_current(known) && self.index.own_head(known).is_some(),
            Stream::New(_) => false,
        };
        let knows_key = event.key.is_none_or(|key| self.index.key(key).is_some());
        (knows_head || looked_up && event.frozen.head.is_some())
            && (knows_key || looked_up && event.frozen.is_key_known)
    }

    /// Gives every event its place and hash, in `placed`, or returns which condition does not hold; heads are then as
    /// they were.
    fn assign(
        &mut self,
        Job { proposed, frame, .. }: &mut Job,
        first: u64,
        time: Timestamp,
    ) -> Result<Option<Outcome>, StoreError> {
        let millis = self.last_millis.max(time.unix_millis());
        for (item, event) in proposed.iter_mut().enumerate() {
            let known = match &event.stream {
                Stream::Known(known) => self.index.renew(known),
                Stream::New(coordinate) => self.index.intern(coordinate),
            };
            let head = self.index.head(&known).or(event.frozen.head).unwrap_or_default();
            let before = self.index.own_head(&known);
            if let Some(expected) = event.expected.filter(|expected| *expected != head.len) {
                let entity = event.stream.coordinate().entity().to_owned();
                // An earlier item of the batch, which will never be, is no event that stands against it.
                self.undo_heads();
                let newest = self.index.head(&known).or(event.frozen.head).and_then(|head| head.newest);
                return Ok(Some(Outcome::Conflict { entity, expected, actual: head.len, newest }));
            }
            let sequence = first + item as u64;
            let id = EventId::compose(millis, sequence, self.random.bits()?).map_err(|_| StoreError::TooLarge {
                field: "sequence",
                limit: batpak_core::MAX_SEQUENCE,
                value: sequence,
            })?;
            let Some(mut draft) = event.draft.take() else { continue };
            let record = frame.record_mut(item);
            let mut correlation = event.correlation;
            if let Some(cause) = event.cause {
                let cause = &self.placed[cause];
                let linked = correlation.or(cause.correlation).unwrap_or(cause.id);
                draft.set_cause(record, linked, cause.id);
                event.marks.extend(self.index.index().marks(std::iter::empty(), Some(linked), Some(cause.id), None));
                correlation = Some(linked);
            }
            let place = Assigned { id, revision: head.len, time, previous: head.hash };
            let hash = draft.assign(record, &place);
            self.index.set_head(&known, Some(EntityHead { len: head.len + 1, newest: Some(sequence), hash }));
            self.placed.push(Placed { known, before, revision: head.len, id, hash, correlation });
        }
        self.last_millis = millis;
        Ok(None)
    }

    /// Appends the events to the log and shows them to the index. All or nothing.
    pub(crate) fn append(
        &mut self,
        shared: &Shared,
        log: &Log,
        job: &mut Job,
        time: Timestamp,
    ) -> Result<Outcome, StoreError> {
        if let Some(cause) = log.failure() {
            let (reason, kind) = (cause.to_string(), cause.kind);
            // The first try of a repetition may or may not be there after reopening.
            let outcome_unknown = job
                .proposed
                .iter()
                .any(|event| event.key.is_some_and(|key| self.index.key(key).is_some()) || event.frozen.key.is_some());
            return Err(StoreError::Failed { reason, kind, outcome_unknown });
        }
        if self.must_look_up(job) {
            return Ok(Outcome::Unknown);
        }
        if let Some(replayed) = self.replayed(&job.proposed) {
            return Ok(replayed);
        }
        if job.only_repeats {
            return Ok(Outcome::Nothing);
        }
        if let Some(other) = self.check_guards(shared, job)? {
            return Ok(other);
        }
        if job.proposed.is_empty() {
            return Ok(Outcome::Nothing);
        }
        if !log.has_room(&job.frame) {
            return Ok(Outcome::NoRoom);
        }
        // Not empty if randomness panicked in the middle of the last commit.
        self.undo_heads();
        let first = log.next_sequence();
        match self.assign(job, first, time) {
            Ok(None) => {}
            Ok(Some(other)) => return Ok(other),
            Err(error) => {
                self.undo_heads();
                return Err(error);
            }
        }
        let appended = match log.append_frame(&mut job.frame) {
            Ok(appended) => appended,
            Err(error) => {
                self.undo_heads();
                return Err(StoreError::from(error).in_flight());
            }
        };
        job.receipts.clear();
        for (item, (place, event)) in self.placed.drain(..).zip(&job.proposed).enumerate() {
            let added = Added {
                id: place.id,
                offset: offset_of(appended.offset + job.frame.record_offset(item)),
                revision: place.revision,
                time,
                kind: event.kind,
                extras: event.extras,
                marks: &event.marks,
                key: event.key,
            };
            self.index.add(&place.known, &added);
            job.receipts.push(AppendReceipt {
                event_id: place.id,
                sequence: first + item as u64,
                revision: place.revision,
                event_hash: place.hash,
                durability: job.durability,
                replay: None,
            });
        }
        let wait_for = self.wait_for(job.durability, first, first + job.receipts.len() as u64);
        Ok(Outcome::Appended { first, wait_for, unsynced: appended.unsynced })
    }

    /// What stands against the guards of a job, if anything does.
    fn check_guards(&self, shared: &Shared, job: &mut Job) -> Result<Option<Outcome>, StoreError> {
        let (visible, end) = (shared.visible(), self.index.end());
        for (at, guard) in job.guards.iter_mut().enumerate() {
            if guard.is_behind(visible) || !guard.look_locked(shared, end)? {
                return Ok(Some(Outcome::Unknown));
            }
            if !guard.holds() {
                return Ok(Some(Outcome::Stands { guard: at }));
            }
        }
        Ok(None)
    }

    fn undo_heads(&mut self) {
        while let Some(place) = self.placed.pop() {
            if self.index.is_current(&place.known) {
                self.index.set_head(&place.known, place.before);
            }
        }
    }

    /// What has to be durable before a commit is visible: itself, or what it stands behind, or nothing.
    fn wait_for(&mut self, durability: Durability, first: u64, end: u64) -> Option<u64> {
        if durability == Durability::Synced {
            self.unsynced.push_back((first, end));
            return Some(end);
        }
        self.unsynced.back().map(|(_, end)| *end)
    }

    /// What may be visible now: everything below the first commit that waits for its sync.
    pub(crate) fn settle(&mut self, durable: u64) -> u64 {
        while self.unsynced.front().is_some_and(|(_, end)| *end <= durable) {
            self.unsynced.pop_front();
        }
        let written = self.index.end();
        self.exposure.settle(durable, written);
        self.unsynced.front().map_or(written, |(first, _)| *first)
    }
}

/// An event with its place.
#[derive(Debug)]
struct Placed {
    known: Known,
    /// The head that its entity had in the live part before it.
    before: Option<EntityHead>,
    revision: u64,
    id: EventId,
    hash: EventHash,
    correlation: Option<EventId>,
}

/// Segments are shorter than 2 GiB: their limit is 1 GiB, as is that of a commit that has one for itself.
fn offset_of(offset: u64) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
