//! What sort of event it is.

use core::fmt;

const TYPE_BITS: u32 = 12;
const TYPE_MAX: u16 = (1 << TYPE_BITS) - 1;
const CATEGORY_MAX: u8 = 0xF;
/// Kept for the store itself.
const RESERVED: [u8; 2] = [0x0, 0xD];

/// What sort of event it is: a category of 4 bits and a type of 12 bits within it.
///
/// The categories 0x0 and 0xD are kept for the store itself. The others are the application's. It is shown as category
/// and type in hexadecimal, `f:001`.
///
/// # Examples
///
/// ```
/// use batpak_core::EventKind;
///
/// static KINDS: [EventKind; 1] = [EventKind::custom(0xF, 1)];
///
/// assert_eq!((KINDS[0].category(), KINDS[0].type_id()), (0xF, 1));
/// assert_eq!(KINDS[0].to_string(), "f:001");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct EventKind(u16);

/// Why a category and a type are no [`EventKind`] of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KindError {
    /// The category does not fit 4 bits.
    #[error("event category is {category:#x}, at most 0xf is allowed")]
    Category {
        /// The category.
        category: u8,
    },
    /// The type does not fit 12 bits.
    #[error("event type is {type_id:#x}, at most 0xfff is allowed")]
    Type {
        /// The type.
        type_id: u16,
    },
    /// The category is kept for the store itself.
    #[error("event category {category:#x} is reserved, as are 0x0 and 0xd")]
    Reserved {
        /// The category.
        category: u8,
    },
}

impl EventKind {
    /// The kind of `category` and `type_id`, for constants.
    ///
    /// # Panics
    ///
    /// If the category is above 0xF or reserved (0x0 and 0xD), or the type is above 0xFFF. In a constant or a static
    /// that is a compile error:
    ///
    /// ```compile_fail
    /// # use batpak_core::EventKind;
    /// static KIND: EventKind = EventKind::custom(0xD, 1);
    /// ```
    #[track_caller]
    pub const fn custom(category: u8, type_id: u16) -> Self {
        assert!(category <= CATEGORY_MAX, "an event category is at most 0xf");
        assert!(type_id <= TYPE_MAX, "an event type is at most 0xfff");
        assert!(!is_reserved(category), "the event categories 0x0 and 0xd are reserved");
        Self::join(category, type_id)
    }

    /// The kind of `category` and `type_id`, for values that are not known when compiling.
    ///
    /// # Errors
    ///
    /// If the category is above 0xF or reserved (0x0 and 0xD), or the type is above 0xFFF.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_core::{EventKind, KindError};
    ///
    /// assert_eq!(EventKind::try_custom(1, 0xFFF), Ok(EventKind::custom(1, 0xFFF)));
    /// assert_eq!(EventKind::try_custom(16, 0), Err(KindError::Category { category: 16 }));
    /// ```
    pub const fn try_custom(category: u8, type_id: u16) -> Result<Self, KindError> {
        if category > CATEGORY_MAX {
            return Err(KindError::Category { category });
        }
        if type_id > TYPE_MAX {
            return Err(KindError::Type { type_id });
        }
        if is_reserved(category) {
            return Err(KindError::Reserved { category });
        }
        Ok(Self::join(category, type_id))
    }

    const fn join(category: u8, type_id: u16) -> Self {
        Self((category as u16) << TYPE_BITS | type_id)
    }

    /// The kind with this number as it stands in a record, reserved or not.
    pub const fn from_u16(number: u16) -> Self {
        Self(number)
    }

    /// The number that stands in a record: the category in the upper 4 bits, the type in the lower 12.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// The category, 0 to 0xF.
    pub const fn category(self) -> u8 {
        (self.0 >> TYPE_BITS) as u8
    }

    /// The type within its category, 0 to 0xFFF.
    pub const fn type_id(self) -> u16 {
        self.0 & TYPE_MAX
    }

    /// Whether its category is kept for the store itself. No public way to append accepts such a kind.
    #[inline]
    pub const fn is_reserved(self) -> bool {
        is_reserved(self.category())
    }
}

const fn is_reserved(category: u8) -> bool {
    category == RESERVED[0] || category == RESERVED[1]
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{:03x}", self.category(), self.type_id())
    }
}

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKind({self})")
    }
}
