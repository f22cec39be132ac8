use batpak::EventPayload;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, version = 2, name = "a")]
struct NoStep(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 2, version = 4, name = "b", upcast(v1_to_v2))]
struct NoMiddleStep(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 3, version = 2, name = "c", upcast(v1_to_v2, Self::from_v2))]
struct NewVersionNotSaid(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
enum InAVariant {
    #[batpak(type_id = 4, version = 3, name = "d", upcast(v1_to_v2))]
    NoLastStep(u8),
}

fn other(old: u8) -> Option<u8> {
    Some(old)
}

fn taken(old: u8) -> u8 {
    old
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 5, version = 2, name = "e", upcast(other))]
struct OtherType(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 6, version = 3, name = "f", upcast(taken, other))]
struct OtherTypeInTheEnd(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 7, version = 3, name = "g", upcast(other, Self::from_v2))]
struct OtherTypeInTheMiddle(u8);

impl OtherTypeInTheMiddle {
    fn from_v2(old: u8) -> Self {
        Self(old)
    }
}

fn main() {}
