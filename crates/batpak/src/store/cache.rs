//! States that were projected, kept in memory: each is asked again at the cost of what is new.

use crate::store::projection::{advance, event_for, region_of};
use crate::store::shared::Shared;
use crate::store::{EventSourced, Freshness, ProjectionInput, Store, StoreError};
use batpak_core::{EventRef, Region};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// The most states of one type that are kept.
const STATES_MAX: usize = 16 << 10;
const STRIPES: usize = 16;

type Hasher = foldhash::fast::RandomState;

/// The states that a store keeps, by their type.
#[derive(Default)]
pub(crate) struct States(RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>, Hasher>>);

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("States")
    }
}

impl States {
    fn of_type<T: Send + Sync + 'static>(&self) -> Arc<OfType<T>> {
        let id = TypeId::of::<T>();
        let found = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let any = found.unwrap_or_else(|| {
            let mut types = self.0.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(types.entry(id).or_insert_with(|| Arc::new(OfType::<T>::default())))
        });
        // What is kept under the id of a type is of that type.
        any.downcast().unwrap_or_default()
    }
}

/// The states of one type.
struct OfType<T> {
    stripes: [Mutex<Stripe<T>>; STRIPES],
    hasher: Hasher,
}

impl<T> Default for OfType<T> {
    fn default() -> Self {
        Self { stripes: std::array::from_fn(|_| Mutex::new(Stripe::default())), hasher: Hasher::default() }
    }
}

impl<T> OfType<T> {
    fn stripe(&self, region: &Region) -> MutexGuard<'_, Stripe<T>> {
        let hash = self.hasher.hash_one(region);
        let at = usize::try_from(hash % STRIPES as u64).unwrap_or_default();
        self.stripes[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// States that were used lately, and those that were used before them. When there is no more room the older half goes.
struct Stripe<T> {
    newer: HashMap<Region, Kept<T>, Hasher>,
    older: HashMap<Region, Kept<T>, Hasher>,
}

impl<T> Default for Stripe<T> {
    fn default() -> Self {
        Self { newer: HashMap::default(), older: HashMap::default() }
    }
}

impl<T> Stripe<T> {
    fn get(&mut self, region: &Region) -> Option<Kept<T>> {
        if let Some(kept) = self.newer.get(region) {
            return Some(kept.clone());
        }
        let (region, kept) = self.older.remove_entry(region)?;
        self.put(&region, kept.clone());
        Some(kept)
    }

    /// Keeps a state, unless a newer one is kept.
    fn put(&mut self, region: &Region, kept: Kept<T>) {
        if let Some(known) = self.newer.get_mut(region) {
            if known.next <= kept.next {
                *known = kept;
            }
            return;
        }
        if self.newer.len() >= STATES_MAX / STRIPES / 2 {
            self.older = std::mem::take(&mut self.newer);
        }
        if let Entry::Vacant(vacant) = self.newer.entry(region.clone()) {
            vacant.insert(kept);
        }
    }
}

/// A state that holds all events before `next`.
pub(crate) struct Kept<T> {
    pub(crate) state: Option<Arc<T>>,
    pub(crate) next: u64,
    /// When that was all there were.
    at: Duration,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), next: self.next, at: self.at }
    }
}

impl Store {
    /// The state of an entity, from the store's memory: what is new is read, and nothing if nothing is new. `None` if
    /// there is no event that matters.
    ///
    /// The states of the last 8192 to 16,384 entities and regions that were asked for are kept, for each type. They are
    /// made of visible events only and never written to disk, so a power cut leaves none that is ahead of the store.
    ///
    /// # Errors
    /// As [`project`](Self::project).
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use serde::{Deserialize, Serialize};
    /// use std::time::Duration;
    ///
    /// #[derive(Serialize, Deserialize, EventPayload)]
    /// #[batpak(category = 1, type_id = 1, name = "account.paid")]
    /// struct Paid(i64);
    ///
    /// #[derive(Clone, Debug, Default, PartialEq)]
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
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let account = Coordinate::new("account:7", "bank")?;
    /// store.append_typed(&account, &Paid(500))?;
    /// let balance = store.state::<Balance>("account:7", &Freshness::Consistent)?;
    /// assert_eq!(balance.as_deref(), Some(&Balance(500)));
    ///
    /// // A minute is still new enough here.
    /// store.append_typed(&account, &Paid(-200))?;
    /// let stale = Freshness::MaybeStale { max_stale: Duration::from_secs(60) };
    /// assert_eq!(store.state::<Balance>("account:7", &stale)?.as_deref(), Some(&Balance(500)));
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state<T>(&self, entity: &str, freshness: &Freshness) -> Result<Option<Arc<T>>, StoreError>
    where
        T: EventSourced + Clone + Send + Sync + 'static,
    {
        self.state_over(&Region::entity(entity), freshness)
    }

    /// The state that is made from the events of a region, from the store's memory, as [`state`](Self::state).
    ///
    /// # Errors
    /// As [`project`](Self::project).
    pub fn state_over<T>(&self, region: &Region, freshness: &Freshness) -> Result<Option<Arc<T>>, StoreError>
    where
        T: EventSourced + Clone + Send + Sync + 'static,
    {
        self.shared().check_open()?;
        let region = region_of::<T>(region);
        Ok(self.shared().kept(&region, freshness)?.state)
    }
}

impl Shared {
    /// The state of a region that was narrowed to the kinds that matter.
    pub(crate) fn kept<T>(&self, region: &Region, freshness: &Freshness) -> Result<Kept<T>, StoreError>
    where
        T: EventSourced + Clone + Send + Sync + 'static,
    {
        let states = self.states.of_type::<T>();
        let known = states.stripe(region).get(region);
        // Before the watermark is read: the state is as new as that at least.
        let now = self.config.environment.clock.monotonic();
        if let (Some(known), Freshness::MaybeStale { max_stale }) = (&known, freshness)
            && now.saturating_sub(known.at) <= *max_stale
        {
            return Ok(known.clone());
        }
        let mut kept = known.unwrap_or(Kept { state: None, next: 0, at: now });
        kept.at = now;
        let (Kept { state, next, .. }, end) = (&mut kept, self.visible());
        if *next < end {
            self.check_kinds(T::Input::known_kinds())?;
        }
        advance(self, region, next, end, |record| take_shared(state, record))?;
        states.stripe(region).put(region, kept.clone());
        Ok(kept)
    }
}

/// Gives an event to a state that others may hold: it is cloned then, once.
fn take_shared<T: EventSourced + Clone>(state: &mut Option<Arc<T>>, record: &EventRef<'_>) -> Result<(), StoreError> {
    let event = event_for::<T>(record)?;
    match state {
        Some(state) => Arc::make_mut(state).apply_event(&event),
        None => *state = T::from_events(std::slice::from_ref(&event)).map(Arc::new),
    }
    Ok(())
}
