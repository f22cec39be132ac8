//! Where an event stands: the entity that owns its stream, and the scope that groups entities.

use alloc::{string::String, sync::Arc};
use core::{cmp::Ordering, fmt};

use crate::name::{NAME_MAX_BYTES, NameFault, check_name};

/// The entity that an event belongs to, and the scope that groups entities (a tenant, a room, a workspace).
///
/// Each has 1 to 1024 bytes and no control characters. A clone copies no text. The order is that of the entity, then
/// that of the scope. It is shown as `entity@scope`, which is for people: either part may hold an `@` itself.
///
/// Coordinates cannot be erased from a store: put no personal data there.
///
/// # Examples
///
/// ```
/// use batpak_core::Coordinate;
///
/// let coordinate = Coordinate::new("account:7", "bank")?;
/// assert_eq!((coordinate.entity(), coordinate.scope()), ("account:7", "bank"));
/// assert_eq!(coordinate.to_string(), "account:7@bank");
/// # Ok::<(), batpak_core::CoordinateError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Coordinate {
    text: Arc<str>,
    scope_at: usize,
}

/// Why two strings are no [`Coordinate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {fault}")]
#[non_exhaustive]
pub struct CoordinateError {
    /// `entity` or `scope`.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: NameFault,
}

impl Coordinate {
    /// The coordinate of `entity` in `scope`, each of 1 to 1024 bytes without control characters.
    ///
    /// # Errors
    ///
    /// The first part that is empty, too long or has a control character.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_core::Coordinate;
    ///
    /// let error = Coordinate::new("account:7", "a\0b").unwrap_err();
    /// assert_eq!(error.to_string(), "scope has the control character U+0000 at byte 1");
    /// ```
    pub fn new(entity: impl AsRef<str>, scope: impl AsRef<str>) -> Result<Self, CoordinateError> {
        let (entity, scope) = (entity.as_ref(), scope.as_ref());
        check("entity", entity)?;
        check("scope", scope)?;
        Ok(Self::join(entity, scope))
    }

    /// For parts that were checked before.
    pub(crate) fn join(entity: &str, scope: &str) -> Self {
        let mut text = String::with_capacity(entity.len() + scope.len());
        text.push_str(entity);
        text.push_str(scope);
        Self { text: text.into(), scope_at: entity.len() }
    }

    /// The entity: who owns the stream.
    #[inline]
    pub fn entity(&self) -> &str {
        &self.text[..self.scope_at]
    }

    /// The scope: what groups entities.
    #[inline]
    pub fn scope(&self) -> &str {
        &self.text[self.scope_at..]
    }
}

fn check(field: &'static str, name: &str) -> Result<(), CoordinateError> {
    check_name(name, NAME_MAX_BYTES).map_err(|fault| CoordinateError { field, fault })
}

impl Ord for Coordinate {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.entity(), self.scope()).cmp(&(other.entity(), other.scope()))
    }
}

impl PartialOrd for Coordinate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinate").field("entity", &self.entity()).field("scope", &self.scope()).finish()
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.entity(), self.scope())
    }
}

#[cfg(feature = "serde")]
mod serde_impl {
    use alloc::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::Coordinate;

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "Coordinate")]
    struct Parts<'a> {
        #[serde(borrow)]
        entity: Cow<'a, str>,
        #[serde(borrow)]
        scope: Cow<'a, str>,
    }

    impl Serialize for Coordinate {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            Parts { entity: self.entity().into(), scope: self.scope().into() }.serialize(serializer)
        }
    }

    impl<'de> Deserialize<'de> for Coordinate {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let parts = Parts::deserialize(deserializer)?;
            Self::new(parts.entity, parts.scope).map_err(D::Error::custom)
        }
    }
}
