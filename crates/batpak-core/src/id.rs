//! The identifier of an event, which holds its sequence.

use core::{fmt, str::FromStr};

use uuid::{Uuid, fmt::Hyphenated};

use crate::layout;

const SEQUENCE_BITS: u32 = 40;
const MILLIS_BITS: u32 = 48;
const RANDOM_BITS: u32 = 34;
/// The part of the sequence that follows the variant; the rest follows the version.
const SEQUENCE_LOW_BITS: u32 = 28;

// From the least significant bit up: 34 random, 28 of the sequence, variant, 12 of the sequence, version, time.
const SEQUENCE_LOW_SHIFT: u32 = RANDOM_BITS;
const VARIANT_SHIFT: u32 = SEQUENCE_LOW_SHIFT + SEQUENCE_LOW_BITS;
const SEQUENCE_HIGH_SHIFT: u32 = VARIANT_SHIFT + 2;
const VERSION_SHIFT: u32 = SEQUENCE_HIGH_SHIFT + SEQUENCE_BITS - SEQUENCE_LOW_BITS;
const MILLIS_SHIFT: u32 = VERSION_SHIFT + 4;
const _: () = assert!(MILLIS_SHIFT + MILLIS_BITS == u128::BITS, "stable since format 1");

const VERSION_AND_VARIANT: u128 = 0x7 << VERSION_SHIFT | 0b10 << VARIANT_SHIFT;
const VERSION_AND_VARIANT_MASK: u128 = 0xF << VERSION_SHIFT | 0b11 << VARIANT_SHIFT;

/// The highest sequence, 2^40 - 1.
pub const MAX_SEQUENCE: u64 = (1 << SEQUENCE_BITS) - 1;

/// The highest revision, 2^40 - 1.
pub const MAX_REVISION: u64 = MAX_SEQUENCE;

const MAX_MILLIS: u64 = (1 << MILLIS_BITS) - 1;

/// The identifier of an event: a `UUIDv7` that holds the event's sequence, so that an id leads to its event.
///
/// Ids are strictly increasing if their sequences are and their milliseconds never go back. Any 128 bits can be held,
/// since ids also name causes from elsewhere; [`is_composed`](Self::is_composed) tells those that have the layout of
/// this store. It is shown as a hyphenated UUID.
///
/// # Examples
///
/// ```
/// use batpak_core::EventId;
///
/// let id = EventId::compose(1_700_000_000_000, 5, 99)?;
/// assert_eq!((id.millis(), id.sequence()), (1_700_000_000_000, 5));
/// assert_eq!(id.to_string(), "018bcfe5-6800-7000-8000-001400000063");
/// assert_eq!("018bcfe5-6800-7000-8000-001400000063".parse(), Ok(id));
/// # Ok::<(), batpak_core::EventIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(u128);

/// Why there is no [`EventId`] of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventIdError {
    /// The sequence does not fit 40 bits: no further event can be appended.
    #[error("sequence is {sequence}, at most {MAX_SEQUENCE} is possible")]
    Sequence {
        /// The sequence.
        sequence: u64,
    },
    /// The time does not fit 48 bits.
    #[error("unix time is {millis} ms, at most {MAX_MILLIS} is possible")]
    Millis {
        /// Milliseconds since 1970-01-01 UTC.
        millis: u64,
    },
    /// The text is no hyphenated UUID.
    #[error("text of {bytes} bytes is no hyphenated UUID, which has 36")]
    Text {
        /// The length of the text in bytes.
        bytes: usize,
    },
}

impl EventId {
    /// The id of the event `sequence` (0 to [`MAX_SEQUENCE`]), at `millis` milliseconds since 1970-01-01 UTC (below
    /// 2^48), with the lower 34 bits of `random`.
    ///
    /// To keep ids increasing, pass no less milliseconds than for the event before.
    ///
    /// # Errors
    ///
    /// If the sequence or the milliseconds are past their limit. It never wraps.
    pub const fn compose(millis: u64, sequence: u64, random: u64) -> Result<Self, EventIdError> {
        if sequence > MAX_SEQUENCE {
            return Err(EventIdError::Sequence { sequence });
        }
        if millis > MAX_MILLIS {
            return Err(EventIdError::Millis { millis });
        }
        let high = (sequence >> SEQUENCE_LOW_BITS) as u128;
        let low = (sequence & mask(SEQUENCE_LOW_BITS)) as u128;
        let random = (random & mask(RANDOM_BITS)) as u128;
        Ok(Self(
            (millis as u128) << MILLIS_SHIFT
                | high << SEQUENCE_HIGH_SHIFT
                | VERSION_AND_VARIANT
                | low << SEQUENCE_LOW_SHIFT
                | random,
        ))
    }

    /// The sequence of the event, if this store has made the id; otherwise 40 bits without a meaning.
    #[inline]
    pub const fn sequence(self) -> u64 {
        let high = self.bits(SEQUENCE_HIGH_SHIFT, SEQUENCE_BITS - SEQUENCE_LOW_BITS);
        high << SEQUENCE_LOW_BITS | self.bits(SEQUENCE_LOW_SHIFT, SEQUENCE_LOW_BITS)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn millis(self) -> u64 {
        self.bits(MILLIS_SHIFT, MILLIS_BITS)
    }

    /// The 34 bits that [`compose`](Self::compose) took from its `random`.
    pub const fn random(self) -> u64 {
        self.bits(0, RANDOM_BITS)
    }

    /// Whether version and variant are those of a `UUIDv7`, as in every id that [`compose`](Self::compose) made.
    #[inline]
    pub const fn is_composed(self) -> bool {
        self.0 & VERSION_AND_VARIANT_MASK == VERSION_AND_VARIANT
    }

    #[expect(clippy::cast_possible_truncation, reason = "the mask leaves at most 48 bits")]
    const fn bits(self, shift: u32, count: u32) -> u64 {
        (self.0 >> shift) as u64 & mask(count)
    }

    /// The id with this number.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The number, whose order is that of the ids.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The id in the byte order of RFC 9562: the first byte is the most significant one.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(layout::id_from_bytes(bytes))
    }

    /// Its bytes in the order of RFC 9562: the first byte is the most significant one.
    pub const fn to_bytes(self) -> [u8; 16] {
        layout::id_to_bytes(self.0)
    }
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_u128(self.0).hyphenated(), f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        match text.parse::<Hyphenated>() {
            Ok(id) => Ok(Self(id.into_uuid().as_u128())),
            Err(_) => Err(EventIdError::Text { bytes: text.len() }),
        }
    }
}

#[cfg(feature = "serde")]
mod serde_impl {
    use core::fmt;

    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{Error, Visitor},
    };

    use super::EventId;

    impl Serialize for EventId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if serializer.is_human_readable() {
                serializer.collect_str(self)
            } else {
                serializer.serialize_bytes(&self.to_bytes())
            }
        }
    }

    impl<'de> Deserialize<'de> for EventId {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            if deserializer.is_human_readable() {
                deserializer.deserialize_str(IdVisitor)
            } else {
                deserializer.deserialize_bytes(IdVisitor)
            }
        }
    }

    struct IdVisitor;

    impl Visitor<'_> for IdVisitor {
        type Value = EventId;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an event id: a hyphenated UUID, or its 16 bytes")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<EventId, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<EventId, E> {
            match bytes.try_into() {
                Ok(bytes) => Ok(EventId::from_bytes(bytes)),
                Err(_) => Err(E::invalid_length(bytes.len(), &self)),
            }
        }
    }
}
