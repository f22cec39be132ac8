//! Deciding on a state and appending what was decided, again if the state has changed meanwhile.

use crate::event_payload::EventPayload;
use crate::store::condition::Guard;
use crate::store::job::Job;
use crate::store::projection::region_of;
use crate::store::receipt::Receipts;
use crate::store::{
    AppendOptions, AppendReceipt, BatchAppendItem, CausationRef, Condition, Freshness, Projection, Store, StoreError,
    Transaction,
};
use batpak_core::{Coordinate, Region};
use std::cell::Cell;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often something is decided before it is given up.
const ATTEMPTS_MAX: u32 = 100;

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError<R> {
    /// The decision itself: the command is refused.
    #[error(transparent)]
    Refused(R),
    /// What was decided was overtaken, each time.
    #[error("overtaken {attempts} times: what was decided on has changed each time")]
    Overtaken {
        /// How often it was decided.
        attempts: u32,
        /// What stood against it last.
        #[source]
        last: StoreError,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a transaction came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed<V> {
    /// What the function returned.
    pub value: V,
    /// The receipts of its events, in order.
    pub receipts: Vec<AppendReceipt>,
}

/// Those that decide on the same state go one behind the other: of several at once all but one would be overtaken.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turns: [Mutex<()>; 32],
    hasher: foldhash::fast::RandomState,
}

thread_local! {
    /// Whether this thread has a turn. What it decides within that does not wait for another one.
    static HAS_TURN: Cell<bool> = const { Cell::new(false) };
}

struct Turn<'t> {
    _lock: MutexGuard<'t, ()>,
}

impl Turns {
    fn take(&self, region: &Region) -> Option<Turn<'_>> {
        if HAS_TURN.replace(true) {
            return None;
        }
        let at = usize::try_from(self.hasher.hash_one(region) % self.turns.len() as u64).unwrap_or_default();
        Some(Turn { _lock: self.turns[at].lock().unwrap_or_else(PoisonError::into_inner) })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        HAS_TURN.set(false);
    }
}

impl Store {
    /// Decides on the state of an entity, and appends the events that are returned to it as one commit, if no event that
    /// matters to the state has come meanwhile; otherwise it decides again, on the new state. No events: nothing is
    /// appended.
    ///
    /// The state is that of [`state`](Self::state), its default if there is no event that matters. Threads that decide on
    /// one entity go one behind the other. It is decided 100 times at most.
    ///
    /// # Errors
    /// `Refused` with the error that `decide` returned; `Overtaken`; `Store` with what reading or appending failed with.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1, type_id = 1, name = "account.paid")]
    /// struct Paid(i64);
    ///
    /// #[derive(Clone, Default)]
    /// struct Balance(i64);
    ///
    /// impl Projection for Balance {
    ///     type Event = Paid;
    ///
    ///     fn apply(&mut self, event: &Event<Paid>) {
    ///         self.0 += event.payload().0;
    ///     }
    /// }
    ///
    /// #[derive(Debug, thiserror::Error)]
    /// #[error("it would be overdrawn")]
    /// struct Overdrawn;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let account = Coordinate::new("account:7", "bank")?;
    /// let pay = |cents: i64| {
    ///     store.decide(&account, |balance: &Balance| {
    ///         if balance.0 + cents < 0 { Err(Overdrawn) } else { Ok([Paid(cents)]) }
    ///     })
    /// };
    /// pay(500)?;
    /// assert_eq!(pay(-200)?[0].revision, 1);
    /// assert!(matches!(pay(-301), Err(DecideError::Refused(Overdrawn))));
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decide<T, I, R>(
        &self,
        coordinate: &Coordinate,
        mut decide: impl FnMut(&T) -> Result<I, R>,
    ) -> Result<Vec<AppendReceipt>, DecideError<R>>
    where
        T: Projection + Clone + Send + Sync + 'static,
        I: IntoIterator<Item = T::Event>,
    {
        let region = Region::entity(coordinate.entity());
        let decide = |state: &T| {
            let events = decide(state)?.into_iter();
            Ok(events.map(|event| (coordinate.clone(), event)).collect::<Vec<_>>())
        };
        self.decide_over(&region, decide)
    }

    /// The same over the events of a region: decides on the state that is made from them, and appends the events that are
    /// returned, each at its coordinate.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    pub fn decide_over<T, I, R>(
        &self,
        region: &Region,
        mut decide: impl FnMut(&T) -> Result<I, R>,
    ) -> Result<Vec<AppendReceipt>, DecideError<R>>
    where
        T: Projection + Clone + Send + Sync + 'static,
        I: IntoIterator<Item = (Coordinate, T::Event)>,
    {
        let shared = self.shared();
        shared.writing()?;
        let region = region_of::<T>(region);
        let none = T::default();
        let _turn = shared.turns.take(&region);
        retried(|| {
            let kept = shared.kept::<T>(&region, &Freshness::Consistent)?;
            let events = decide(kept.state.as_deref().unwrap_or(&none)).map_err(DecideError::Refused)?;
            let items: Result<Vec<_>, _> = events.into_iter().map(|(at, event)| typed_item(at, &event)).collect();
            let items = items?;
            if items.is_empty() {
                return Ok(Vec::new());
            }
            let condition = Condition::none_since(region.clone(), kept.next);
            Ok(self.append_guarded(&items, condition)?.into_vec())
        })
    }

    /// Runs `act` on a new transaction and commits it; again if something that it read has changed meanwhile, 100 times at
    /// most. What `act` does besides is done again, too. It reads what it appended itself when it is called again after a
    /// crash, before any idempotency key is looked at: whether that was its own has to be told from what it reads.
    ///
    /// # Errors
    /// `Refused` with the error that `act` returned: nothing is appended then. `Overtaken`; `Store` with what the commit
    /// failed with.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let (seat, ann) = (Coordinate::new("seat:4", "hall")?, Coordinate::new("buyer:ann", "hall")?);
    /// let sold = EventKind::custom(1, 1);
    /// let buy = || {
    ///     store.transact(|tx| {
    ///         if !tx.query(&Region::entity("seat:4"))?.is_empty() {
    ///             return Ok(false);
    ///         }
    ///         tx.append(&seat, sold, &"ann")?;
    ///         tx.append(&ann, sold, &"seat:4")?;
    ///         Ok::<_, StoreError>(true)
    ///     })
    /// };
    /// assert!(buy()?.value);
    /// assert!(!buy()?.value);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transact<V, R>(
        &self,
        mut act: impl FnMut(&mut Transaction) -> Result<V, R>,
    ) -> Result<Committed<V>, DecideError<R>> {
        let mut attempt = |store: &Self| {
            let mut transaction = store.transaction();
            let value = act(&mut transaction).map_err(DecideError::Refused)?;
            let receipts = transaction.commit()?;
            Ok(Committed { value, receipts })
        };
        match attempt(self) {
            Err(DecideError::Store(error)) if error.is_conflict() => {}
            other => return other,
        }
        // Those that were overtaken go one behind the other.
        let _turn = self.shared().turns.take(&Region::none());
        retried(|| attempt(self))
    }

    /// Appends a batch under a condition.
    fn append_guarded(&self, items: &[BatchAppendItem], condition: Condition) -> Result<Receipts, StoreError> {
        let writing = self.shared().writing()?;
        let mut job = Job::begin();
        self.propose_batch(writing, &mut job, items)?;
        job.guards.push(Guard::new(condition));
        self.commit(writing, &mut job)?;
        let receipts = std::mem::take(&mut job.receipts);
        job.end();
        Ok(receipts)
    }
}

fn retried<V, R>(mut attempt: impl FnMut() -> Result<V, DecideError<R>>) -> Result<V, DecideError<R>> {
    let mut attempts = 1;
    loop {
        match attempt() {
            Err(DecideError::Store(last)) if last.is_conflict() => {
                if attempts == ATTEMPTS_MAX {
                    return Err(DecideError::Overtaken { attempts, last });
                }
                attempts += 1;
            }
            other => return other,
        }
    }
}

fn typed_item<E: EventPayload>(coordinate: Coordinate, event: &E) -> Result<BatchAppendItem, StoreError> {
    BatchAppendItem::typed(coordinate, event, AppendOptions::default(), CausationRef::None)
}
