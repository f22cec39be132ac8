//! What a timestamp can hold.

use batpak_core::{EventId, Timestamp};

#[test]
fn milliseconds_are_whole_and_never_negative() {
    for (nanos, millis) in [(0, 0), (999_999, 0), (1_000_000, 1), (-1, 0), (i64::MIN, 0), (i64::MAX, 9_223_372_036_854)]
    {
        assert_eq!(Timestamp::from_nanos(nanos).unix_millis(), millis);
    }
}

#[test]
fn the_wildest_clock_still_makes_ids() {
    for time in [Timestamp::MIN, Timestamp::MAX] {
        assert!(EventId::compose(time.unix_millis(), 0, 0).is_ok());
    }
}

#[cfg(feature = "std")]
mod system_time {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use batpak_core::Timestamp;

    #[test]
    fn it_comes_back_exactly() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_700, i64::MIN, i64::MAX] {
            let time = SystemTime::from(Timestamp::from_nanos(nanos));
            assert_eq!(Timestamp::from(time), Timestamp::from_nanos(nanos));
        }
    }

    #[test]
    fn what_is_too_far_away_saturates() {
        let far = Duration::from_secs(1 << 40);
        assert_eq!(Timestamp::from(UNIX_EPOCH + far), Timestamp::MAX);
        assert_eq!(Timestamp::from(UNIX_EPOCH - far), Timestamp::MIN);
    }
}
