//! Coordinates, entities and scopes that occur, and the newest event of each.

use crate::row::Link;
use batpak_core::Coordinate;
use papaya::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Map<K, V> = HashMap<K, V, foldhash::quality::RandomState>;

/// A coordinate that occurs.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) coordinate: Coordinate,
    pub(crate) number: u32,
    pub(crate) entity: Arc<Chain>,
    pub(crate) scope: Arc<Chain>,
}

/// The events of an entity or a scope, by the newest one; each row names the one before.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) number: u32,
    newest: AtomicU64,
}

impl Chain {
    fn new(number: u32) -> Self {
        Self { number, newest: AtomicU64::new(Link::NONE.as_u64()) }
    }

    pub(crate) fn newest(&self) -> Link {
        // Acquire: pairs with the Release in `set_newest`, so that the row that is named can be read.
        Link::from_u64(self.newest.load(Ordering::Acquire))
    }

    pub(crate) fn set_newest(&self, link: Link) {
        self.newest.store(link.as_u64(), Ordering::Release);
    }
}

/// All names. Readers take no lock; one writer adds.
#[derive(Debug, Default)]
pub(crate) struct Names {
    coordinates: Map<Coordinate, Arc<Name>>,
    entities: Map<Box<str>, Arc<Chain>>,
    scopes: Map<Box<str>, Arc<Chain>>,
    by_number: boxcar::Vec<Arc<Name>>,
}

impl Names {
    pub(crate) fn get(&self, coordinate: &Coordinate) -> Option<Arc<Name>> {
        self.coordinates.pin().get(coordinate).cloned()
    }

    pub(crate) fn by_number(&self, number: u32) -> Option<&Arc<Name>> {
        self.by_number.get(number as usize)
    }

    pub(crate) fn entity(&self, entity: &str) -> Option<Arc<Chain>> {
        self.entities.pin().get(entity).cloned()
    }

    pub(crate) fn scope(&self, scope: &str) -> Option<Arc<Chain>> {
        self.scopes.pin().get(scope).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_number.count()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Name>> {
        self.by_number.iter().map(|(_, name)| name)
    }

    /// The name of a coordinate, which is added if it is new. Only the writer calls this.
    pub(crate) fn intern(&self, coordinate: &Coordinate) -> Arc<Name> {
        if let Some(name) = self.get(coordinate) {
            return name;
        }
        let name = Arc::new(Name {
            coordinate: coordinate.clone(),
            number: u32::try_from(self.by_number.count()).unwrap_or(u32::MAX),
            entity: chain(&self.entities, coordinate.entity()),
            scope: chain(&self.scopes, coordinate.scope()),
        });
        self.by_number.push(Arc::clone(&name));
        self.coordinates.pin().insert(coordinate.clone(), Arc::clone(&name));
        name
    }
}

fn chain(map: &Map<Box<str>, Arc<Chain>>, name: &str) -> Arc<Chain> {
    let map = map.pin();
    if let Some(chain) = map.get(name) {
        return Arc::clone(chain);
    }
    let chain = Arc::new(Chain::new(u32::try_from(map.len()).unwrap_or(u32::MAX)));
    map.insert(name.into(), Arc::clone(&chain));
    chain
}
