//! Coordinates, entities and scopes of the live part, and the newest row of each.

use crate::sync::{AtomicU32, Ordering};
use batpak_core::Coordinate;
use papaya::{Equivalent, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

type Map<K, V> = HashMap<K, V, foldhash::quality::RandomState>;

/// A coordinate that occurs.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) coordinate: Coordinate,
    pub(crate) number: u32,
    pub(crate) entity: Arc<Chain>,
    pub(crate) scope: Arc<Chain>,
    /// Another one of the same entity.
    next: OnceLock<Arc<Name>>,
}

/// The rows of an entity or a scope, by the newest one; each row names the one before.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) number: u32,
    newest: AtomicU32,
}

/// A row by its number within the live part, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl Link {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn to(row: u32) -> Self {
        Self(row + 1)
    }

    pub(crate) fn row(self) -> Option<u32> {
        self.0.checked_sub(1)
    }
}

impl Chain {
    fn new(number: u32) -> Self {
        Self { number, newest: AtomicU32::new(0) }
    }

    pub(crate) fn newest(&self) -> Link {
        // Acquire: pairs with the Release in `set_newest`, so that the row that is named can be read.
        Link(self.newest.load(Ordering::Acquire))
    }

    pub(crate) fn set_newest(&self, link: Link) {
        // Release, after the row was added: pairs with the Acquire in `newest`.
        self.newest.store(link.0, Ordering::Release);
    }
}

/// A coordinate that is found by its entity.
#[derive(Debug)]
struct ByEntity(Coordinate);

impl Hash for ByEntity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.entity().hash(state);
    }
}

impl PartialEq for ByEntity {
    fn eq(&self, other: &Self) -> bool {
        self.0.entity() == other.0.entity()
    }
}

impl Eq for ByEntity {}

impl Equivalent<ByEntity> for str {
    fn equivalent(&self, key: &ByEntity) -> bool {
        self == key.0.entity()
    }
}

/// All names. Readers take no lock; one writer adds.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The first coordinate of each entity; it leads to the others.
    entities: Map<ByEntity, Arc<Name>>,
    scopes: Map<Box<str>, Arc<Chain>>,
    by_number: boxcar::Vec<Arc<Name>>,
}

impl Names {
    pub(crate) fn get(&self, coordinate: &Coordinate) -> Option<Arc<Name>> {
        let entities = self.entities.pin();
        let mut name = entities.get(coordinate.entity())?;
        while name.coordinate.scope() != coordinate.scope() {
            name = name.next.get()?;
        }
        Some(Arc::clone(name))
    }

    pub(crate) fn by_number(&self, number: u32) -> Option<&Arc<Name>> {
        self.by_number.get(number as usize)
    }

    pub(crate) fn entity(&self, entity: &str) -> Option<Arc<Chain>> {
        self.entities.pin().get(entity).map(|name| Arc::clone(&name.entity))
    }

    pub(crate) fn scope(&self, scope: &str) -> Option<Arc<Chain>> {
        self.scopes.pin().get(scope).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Name>> {
        self.by_number.iter().map(|(_, name)| name)
    }

    /// The name of a coordinate, which is added if it is new. Only the writer calls this.
    pub(crate) fn intern(&self, coordinate: &Coordinate) -> Arc<Name> {
        let entities = self.entities.pin();
        let first = entities.get(coordinate.entity());
        let mut last = first;
        while let Some(name) = last {
            if name.coordinate.scope() == coordinate.scope() {
                return Arc::clone(name);
            }
            let Some(next) = name.next.get() else { break };
            last = Some(next);
        }
        let number = u32::try_from(self.by_number.count()).unwrap_or(u32::MAX);
        let name = Arc::new(Name {
            coordinate: coordinate.clone(),
            number,
            entity: first.map_or_else(|| Arc::new(Chain::new(number)), |name| Arc::clone(&name.entity)),
            scope: self.scope_chain(coordinate.scope()),
            next: OnceLock::new(),
        });
        self.by_number.push(Arc::clone(&name));
        match last {
            // Nobody else sets it.
            Some(last) => drop(last.next.set(Arc::clone(&name))),
            None => drop(entities.insert(ByEntity(coordinate.clone()), Arc::clone(&name))),
        }
        name
    }

    fn scope_chain(&self, scope: &str) -> Arc<Chain> {
        let scopes = self.scopes.pin();
        if let Some(chain) = scopes.get(scope) {
            return Arc::clone(chain);
        }
        let chain = Arc::new(Chain::new(0));
        scopes.insert(scope.into(), Arc::clone(&chain));
        chain
    }
}
