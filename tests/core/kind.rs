//! Which kinds there are.

use batpak_core::{EventKind, KindError};

static KINDS: [EventKind; 2] = [EventKind::custom(0xF, 1), EventKind::custom(0x1, 0xFFF)];

#[test]
fn kinds_can_stand_in_statics() {
    assert_eq!(KINDS.map(EventKind::as_u16), [0xF001, 0x1FFF]);
}

#[test]
fn every_category_but_the_reserved_ones_is_the_applications() {
    for category in 0..=u8::MAX {
        let verdict = EventKind::try_custom(category, 7).map(|kind| (kind.category(), kind.type_id()));
        match category {
            0x0 | 0xD => assert_eq!(verdict, Err(KindError::Reserved { category })),
            0x1..=0xF => assert_eq!(verdict, Ok((category, 7))),
            _ => assert_eq!(verdict, Err(KindError::Category { category })),
        }
    }
}

#[test]
fn one_past_the_last_type_is_refused() {
    assert_eq!(EventKind::try_custom(1, 0xFFF).map(EventKind::type_id), Ok(0xFFF));
    let error = EventKind::try_custom(1, 0x1000).unwrap_err();
    assert_eq!(error, KindError::Type { type_id: 0x1000 });
    assert_eq!(error.to_string(), "event type is 0x1000, at most 0xfff is allowed");
}

#[test]
#[should_panic(expected = "the event categories 0x0 and 0xd are reserved")]
fn custom_panics_for_a_reserved_category() {
    let _ = EventKind::custom(0xD, 1);
}

#[test]
#[should_panic(expected = "an event category is at most 0xf")]
fn custom_panics_for_a_category_past_the_last() {
    let _ = EventKind::custom(16, 1);
}

#[test]
#[should_panic(expected = "an event type is at most 0xfff")]
fn custom_panics_for_a_type_past_the_last() {
    let _ = EventKind::custom(1, 0x1000);
}

#[test]
fn any_number_of_a_record_is_kept() {
    for number in 0..=u16::MAX {
        let kind = EventKind::from_u16(number);
        assert_eq!(kind.as_u16(), number);
        assert_eq!(u16::from(kind.category()) << 12 | kind.type_id(), number);
        assert_eq!(kind.is_reserved(), number < 0x1000 || number & 0xF000 == 0xD000);
    }
}

#[test]
fn it_is_shown_as_category_and_type() {
    assert_eq!(EventKind::from_u16(0xF001).to_string(), "f:001");
    assert_eq!(format!("{:?}", EventKind::from_u16(0x0ABC)), "EventKind(0:abc)");
}
