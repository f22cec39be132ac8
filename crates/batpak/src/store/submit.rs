//! Appending without waiting: a ticket says later what became of it.

use crate::store::job::Job;
use crate::store::place::{Settled, Told};
use crate::store::receipt::Receipts;
use crate::store::room::Queued;
use crate::store::shared::{Shared, Writing};
use crate::store::typed::Written;
use crate::store::{AppendOptions, AppendReceipt, BatchAppendItem, Store, StoreError, payload};
use batpak_core::{Coordinate, EventKind, OpenRecord};
use serde::Serialize;
use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

impl Store {
    /// Appends an event as [`append_with_options`](Self::append_with_options) does, but does not wait for the disk:
    /// what became of it is told by the ticket. Events that one thread submits and appends are in the order of the
    /// calls.
    ///
    /// # Errors
    /// What is wrong with the event itself: `ReservedKind`, `Field`, `TooLarge`, `Encode`; `ReadOnly`, `Closed`. What
    /// depends on other events (`Conflict`, `KeyReused`) or on the disk (`Failed`, `Io`) is told by the ticket.
    ///
    /// # Durability
    /// The event is as durable as its options say once the ticket tells its receipt. A ticket that is dropped takes
    /// nothing back.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(StoreConfig::synced(dir.path()))?;
    /// let coordinate = Coordinate::new("sensor:7", "plant")?;
    /// let tickets: Result<Vec<_>, _> = (0..100)
    ///     .map(|reading| store.submit(&coordinate, EventKind::custom(1, 1), &reading, AppendOptions::default()))
    ///     .collect();
    /// for (ticket, sequence) in tickets?.into_iter().zip(0..) {
    ///     let receipt = ticket.wait()?;
    ///     assert_eq!((receipt.sequence, receipt.durability), (sequence, Durability::Synced));
    /// }
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit(
        &self,
        coordinate: &Coordinate,
        kind: EventKind,
        payload: &impl Serialize,
        options: AppendOptions<'_>,
    ) -> Result<Ticket<AppendReceipt>, StoreError> {
        self.submit_written(coordinate, Written::untyped(kind), &options, |open| Ok(payload::encode(payload, open)?))
    }

    /// Submits an event whose payload is written by `write`.
    pub(crate) fn submit_written(
        &self,
        coordinate: &Coordinate,
        written: Written,
        options: &AppendOptions<'_>,
        write: impl FnOnce(&mut OpenRecord<'_>) -> Result<(), StoreError>,
    ) -> Result<Ticket<AppendReceipt>, StoreError> {
        let writing = self.shared().writing()?;
        let durability = options.durability.unwrap_or(self.shared().config.durability());
        let mut job = Job::begin();
        job.durability = durability;
        self.propose_written(writing, &mut job, coordinate, written, options, write)?;
        let inner = self.submit_job(writing, job)?;
        Ok(Ticket { inner, told: |receipts| receipts.into_iter().next() })
    }

    /// Appends several events as one commit, as [`append_batch`](Self::append_batch) does, without waiting for the
    /// disk.
    ///
    /// # Errors
    /// As [`submit`](Self::submit); besides, `RepeatedKey` and `CauseNotBefore`.
    pub fn submit_batch(
        &self,
        items: impl IntoIterator<Item = BatchAppendItem>,
    ) -> Result<Ticket<Vec<AppendReceipt>>, StoreError> {
        let items: Vec<BatchAppendItem> = items.into_iter().collect();
        let writing = self.shared().writing()?;
        let inner = if items.is_empty() {
            TicketInner { shared: Arc::clone(&self.inner.shared), state: State::Counts(Receipts::new()) }
        } else {
            let mut job = Job::begin();
            self.propose_batch(writing, &mut job, &items)?;
            self.submit_job(writing, job)?
        };
        Ok(Ticket { inner, told: |receipts| Some(receipts.into_vec()) })
    }

    fn submit_job(&self, writing: &Writing, mut job: Box<Job>) -> Result<TicketInner, StoreError> {
        self.inner.background.ensure(&self.inner.shared)?;
        let shared = Arc::clone(&self.inner.shared);
        writing.freezing.ensure(&shared);
        let looked_up = shared.look_up(&mut job, false);
        let state = match looked_up.and_then(|()| shared.place_in_turn(writing, &mut job)) {
            Ok(Some(settled)) => State::placed(writing, settled, job),
            Ok(None) => {
                let queued = writing.commit().backlog.push(job)?;
                writing.signal.now();
                State::Queued(queued)
            }
            Err(error) => State::Refused(error),
        };
        Ok(TicketInner { shared, state })
    }
}

/// What becomes of something submitted: `T` is an [`AppendReceipt`], or those of a batch. It can be waited for, asked,
/// or awaited; it needs no runtime, and nobody has to wait for it: a thread of the store drives the disk.
#[must_use = "only the ticket tells whether the event was appended"]
pub struct Ticket<T> {
    inner: TicketInner,
    told: fn(Receipts) -> Option<T>,
}

struct TicketInner {
    shared: Arc<Shared>,
    state: State,
}

enum State {
    Queued(Arc<Queued>),
    /// It counts once everything below the sequence is durable.
    Appended(Receipts, u64),
    /// It counts already.
    Counts(Receipts),
    /// It repeats something or was refused because of something, which may have to be durable first.
    Other(Settled, Box<Job>),
    Refused(StoreError),
    Told,
}

impl State {
    /// Has the thread of the store sync what the result waits for.
    fn placed(writing: &Writing, settled: Settled, mut job: Box<Job>) -> Self {
        if let Some(sequence) = settled.wait_for {
            writing.signal.sync_to(sequence);
        }
        if !matches!(settled.told, Told::Appended) {
            return Self::Other(settled, job);
        }
        let receipts = std::mem::take(&mut job.receipts);
        job.end();
        match settled.wait_for {
            Some(sequence) => Self::Appended(receipts, sequence),
            None => Self::Counts(receipts),
        }
    }

    /// Below which sequence all has to be durable before the result counts.
    fn wait_for(&self) -> Option<u64> {
        match self {
            Self::Appended(_, sequence) => Some(*sequence),
            Self::Other(settled, _) => settled.wait_for,
            Self::Queued(_) | Self::Counts(_) | Self::Refused(_) | Self::Told => None,
        }
    }
}

impl<T> Ticket<T> {
    /// Waits until the event is visible and as durable as it was to be, and returns its receipt.
    ///
    /// # Errors
    /// As [`Store::append_with_options`] and [`Store::append_batch`]. `Closed` if the result was told before.
    pub fn wait(mut self) -> Result<T, StoreError> {
        let receipts = self.inner.wait()?;
        (self.told)(receipts).ok_or(StoreError::Closed)
    }

    /// The result, once, if it is there; does not wait. `None` until then, and after it was told.
    pub fn try_wait(&mut self) -> Option<Result<T, StoreError>> {
        let result = self.inner.try_wait()?;
        Some(result.and_then(|receipts| (self.told)(receipts).ok_or(StoreError::Closed)))
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, StoreError>;

    /// Ready once. It must not be polled after that, and stays pending if it is.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ticket = self.get_mut();
        loop {
            if let Some(result) = ticket.try_wait() {
                return Poll::Ready(result);
            }
            // What happened before the waker was left is seen by asking again.
            if !ticket.inner.leave(context.waker()) {
                continue;
            }
            return ticket.try_wait().map_or(Poll::Pending, Poll::Ready);
        }
    }
}

impl<T> Debug for Ticket<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let state = match &self.inner.state {
            State::Queued(_) => "queued",
            State::Appended(..) | State::Other(..) => "placed",
            State::Counts(_) | State::Refused(_) => "ready",
            State::Told => "told",
        };
        f.debug_struct("Ticket").field("state", &state).finish_non_exhaustive()
    }
}

impl TicketInner {
    fn wait(&mut self) -> Result<Receipts, StoreError> {
        let shared = Arc::clone(&self.shared);
        let writing = shared.writing_or_none().ok_or(StoreError::ReadOnly)?;
        if let State::Queued(_) = self.state {
            shared.work_off(writing);
            self.look(writing);
        }
        match std::mem::replace(&mut self.state, State::Told) {
            State::Counts(receipts) => Ok(receipts),
            State::Appended(receipts, sequence) => {
                shared.make_durable(writing, sequence).map_err(StoreError::in_flight)?;
                Ok(receipts)
            }
            State::Other(settled, mut job) => {
                shared.conclude(writing, settled, &mut job)?;
                Ok(job.receipts)
            }
            State::Refused(error) => Err(error),
            // Nobody could commit it, because the file system panicked.
            State::Queued(_) => Err(writing.log.sync().err().map_or(StoreError::Closed, StoreError::from)),
            State::Told => Err(StoreError::Closed),
        }
    }

    fn try_wait(&mut self) -> Option<Result<Receipts, StoreError>> {
        let shared = Arc::clone(&self.shared);
        let writing = shared.writing_or_none()?;
        self.look(writing);
        let failed = || writing.log.failure().is_some();
        let is_ready = match &self.state {
            State::Queued(_) => failed(),
            State::Told => false,
            state => state.wait_for().is_none_or(|sequence| shared.settled() >= sequence || failed()),
        };
        is_ready.then(|| self.wait())
    }

    /// Sees whether what was queued has its place now.
    fn look(&mut self, writing: &Writing) {
        let State::Queued(queued) = &self.state else { return };
        let Some((job, result)) = queued.take() else { return };
        self.state = match result {
            Ok(settled) => State::placed(writing, settled, job),
            Err(error) => State::Refused(error),
        };
    }

    /// Leaves a waker; false if what it would be called for has happened.
    fn leave(&self, waker: &Waker) -> bool {
        if let State::Queued(queued) = &self.state {
            return queued.wake_when_done(waker);
        }
        if let (Some(sequence), Some(writing)) = (self.state.wait_for(), self.shared.writing_or_none()) {
            writing.wakers.add(sequence, waker);
        }
        true
    }
}
