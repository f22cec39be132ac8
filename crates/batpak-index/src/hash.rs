//! By what numbers values are found: XXH3 of the value, seeded by the store and by what kind of value it is.
//!
//! Two values may have the same number. What is found by a number is compared with the value that was looked for.

use crate::layout;
use batpak_core::{EventId, EventKind};
use twox_hash::XxHash3_64;

/// What a value is.
#[derive(Clone, Copy, Debug)]
enum Field {
    Entity,
    Scope,
    Kind,
    Category,
    Tag,
    Correlation,
    Causation,
    Key,
}

/// Differs from store to store, so that nobody can choose names that get the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn of(store_id: [u8; 16]) -> Self {
        Self(XxHash3_64::oneshot(&store_id))
    }

    fn bits(self, field: Field, value: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.0.wrapping_add(field as u64), value)
    }

    fn hash(self, field: Field, value: &[u8]) -> u64 {
        layout::hash_of_other(self.bits(field, value))
    }

    pub(crate) fn entity(self, entity: &str) -> u64 {
        layout::hash_of_entity(self.bits(Field::Entity, entity.as_bytes()))
    }

    pub(crate) fn scope(self, scope: &str) -> u64 {
        self.hash(Field::Scope, scope.as_bytes())
    }

    pub(crate) fn kind(self, kind: EventKind) -> u64 {
        self.hash(Field::Kind, &layout::bytes_of_u64(kind.as_u16().into()))
    }

    pub(crate) fn category(self, category: u8) -> u64 {
        self.hash(Field::Category, &[category])
    }

    pub(crate) fn tag(self, tag: &str) -> u64 {
        self.hash(Field::Tag, tag.as_bytes())
    }

    pub(crate) fn correlation(self, id: EventId) -> u64 {
        self.hash(Field::Correlation, &layout::bytes_of_u128(id.as_u128()))
    }

    pub(crate) fn causation(self, id: EventId) -> u64 {
        self.hash(Field::Causation, &layout::bytes_of_u128(id.as_u128()))
    }

    pub(crate) fn key(self, key: u128) -> u64 {
        self.hash(Field::Key, &layout::bytes_of_u128(key))
    }
}
