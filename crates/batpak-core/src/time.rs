//! When it happened.

const NANOS_PER_MILLI: u64 = 1_000_000;

/// A point in time, in nanoseconds since 1970-01-01 UTC: from the year 1677 to 2262.
///
/// It is the wall clock as read, and may go back. The order of events is their sequence.
///
/// # Examples
///
/// ```
/// use batpak_core::Timestamp;
///
/// let second = Timestamp::from_nanos(1_000_000_000);
/// assert_eq!(second.as_nanos(), 1_000_000_000);
/// assert_eq!(second.unix_millis(), 1000);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest, in the year 1677.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest, in the year 2262.
    pub const MAX: Self = Self(i64::MAX);

    /// The time so many nanoseconds after 1970-01-01 UTC.
    #[inline]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since 1970-01-01 UTC, 0 for what was before. It always fits an [`EventId`](crate::EventId).
    #[inline]
    pub const fn unix_millis(self) -> u64 {
        if self.0 < 0 { 0 } else { self.0.unsigned_abs() / NANOS_PER_MILLI }
    }
}

#[cfg(feature = "std")]
mod system_time {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::Timestamp;

    /// Saturates: what is before the year 1677 becomes [`Timestamp::MIN`], what is after 2262 [`Timestamp::MAX`], so
    /// that a clock gone wild never fails an append.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use batpak_core::Timestamp;
    ///
    /// assert_eq!(Timestamp::from(UNIX_EPOCH + Duration::from_nanos(5)), Timestamp::from_nanos(5));
    /// assert_eq!(Timestamp::from(UNIX_EPOCH + Duration::from_secs(1 << 40)), Timestamp::MAX);
    /// ```
    impl From<SystemTime> for Timestamp {
        fn from(time: SystemTime) -> Self {
            match time.duration_since(UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_nanos()).map_or(Self::MAX, Self),
                Err(before) => i64::try_from(before.duration().as_nanos()).map_or(Self::MIN, |nanos| Self(-nanos)),
            }
        }
    }

    /// As exact as the system's clock type: 1 ns on Unix, 100 ns on Windows.
    impl From<Timestamp> for SystemTime {
        fn from(time: Timestamp) -> Self {
            let distance = Duration::from_nanos(time.0.unsigned_abs());
            if time.0 < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
        }
    }
}
