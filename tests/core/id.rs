//! What an id holds, and that ids rise.

use batpak_core::{EventId, EventIdError, MAX_SEQUENCE};
use proptest::prelude::*;
use uuid_check::version_and_variant;

const MAX_MILLIS: u64 = (1 << 48) - 1;

/// RFC 9562, sections 4.1 and 4.2, over the text, so that it shares nothing with the code.
mod uuid_check {
    pub(crate) fn version_and_variant(text: &str) -> (char, bool) {
        let chars: Vec<char> = text.chars().collect();
        (chars[14], matches!(chars[19], '8' | '9' | 'a' | 'b'))
    }
}

#[test]
fn the_bits_stand_where_the_format_says() {
    let id = EventId::compose(0x0123_4567_89AB, 0xFE_D123_4567, 0x2_ABCD_EF01).unwrap();
    // 48 bits of time, 7, the upper 12 bits of the sequence, 10, the lower 28, 34 random ones.
    let expected = 0x0123_4567_89AB << 80 | 0x7 << 76 | 0xFED << 64 | 0b10 << 62 | 0x123_4567 << 34 | 0x2_ABCD_EF01;
    assert_eq!(id.as_u128(), expected);
    assert_eq!(id.to_bytes()[..6], [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB]);
}

#[test]
fn a_sequence_past_the_last_is_an_error_and_does_not_wrap() {
    assert_eq!(MAX_SEQUENCE, (1 << 40) - 1);
    assert_eq!(EventId::compose(0, MAX_SEQUENCE, 0).map(EventId::sequence), Ok(MAX_SEQUENCE));
    for sequence in [MAX_SEQUENCE + 1, u64::MAX] {
        assert_eq!(EventId::compose(0, sequence, 0), Err(EventIdError::Sequence { sequence }));
    }
    let message = EventId::compose(0, MAX_SEQUENCE + 1, 0).unwrap_err().to_string();
    assert_eq!(message, "sequence is 1099511627776, at most 1099511627775 is possible");
}

#[test]
fn a_time_past_the_last_is_an_error_and_does_not_wrap() {
    assert_eq!(EventId::compose(MAX_MILLIS, 0, 0).map(EventId::millis), Ok(MAX_MILLIS));
    for millis in [MAX_MILLIS + 1, u64::MAX] {
        assert_eq!(EventId::compose(millis, 0, 0), Err(EventIdError::Millis { millis }));
    }
}

#[test]
fn other_text_than_a_hyphenated_uuid_is_refused() {
    let text = "018bcfe5-6800-7000-8000-001400000063";
    assert_eq!(text.parse::<EventId>().unwrap().to_string(), text);
    for wrong in ["", "018bcfe5680070008000001400000063", &text[1..], &format!("{{{text}}}"), &format!("{text} ")] {
        assert_eq!(wrong.parse::<EventId>(), Err(EventIdError::Text { bytes: wrong.len() }));
    }
}

#[test]
fn ids_from_elsewhere_are_told_apart() {
    assert!(!EventId::from_u128(0).is_composed());
    assert!(!EventId::from_u128(u128::MAX).is_composed());
    assert!(EventId::compose(0, 0, 0).unwrap().is_composed());
}

proptest! {
    #[test]
    fn an_id_gives_back_what_it_was_made_of(
        millis in 0..=MAX_MILLIS, sequence in 0..=MAX_SEQUENCE, random: u64
    ) {
        let id = EventId::compose(millis, sequence, random).unwrap();
        prop_assert_eq!((id.millis(), id.sequence()), (millis, sequence));
        prop_assert_eq!(version_and_variant(&id.to_string()), ('7', true));
        prop_assert!(id.is_composed());
    }

    #[test]
    fn ids_rise_with_the_sequence_as_long_as_time_does_not_fall(
        (first, later) in (0..=MAX_MILLIS).prop_flat_map(|first| (Just(first), first..=MAX_MILLIS)),
        (sequence, next) in (0..MAX_SEQUENCE).prop_flat_map(|first| (Just(first), first + 1..=MAX_SEQUENCE)),
        stands_still: bool,
        randoms: (u64, u64),
    ) {
        let later = if stands_still { first } else { later };
        let one = EventId::compose(first, sequence, randoms.0).unwrap();
        let other = EventId::compose(later, next, randoms.1).unwrap();
        prop_assert!(one < other);
        prop_assert!(one.to_bytes() < other.to_bytes());
        prop_assert!(one.to_string() < other.to_string());
    }

    #[test]
    fn every_form_gives_the_same_id_back(number: u128) {
        let id = EventId::from_u128(number);
        prop_assert_eq!(EventId::from_bytes(id.to_bytes()), id);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(id.as_u128(), number);
    }
}
