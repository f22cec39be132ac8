use batpak::EventPayload;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1)]
enum NotOnTheEnum {
    #[batpak(type_id = 1, name = "a")]
    A,
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
enum NoKind {
    #[batpak(type_id = 1, name = "a")]
    A,
    B { cents: i64 },
    #[batpak(name = "c")]
    C,
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
enum Repeated {
    #[batpak(type_id = 1, name = "a")]
    A,
    #[batpak(type_id = 1, name = "b")]
    B,
    #[batpak(type_id = 2, name = "a")]
    C,
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
#[serde(tag = "type")]
enum Tagged {
    #[batpak(type_id = 1, name = "a")]
    A,
    #[batpak(type_id = 2, name = "b")]
    #[serde(skip)]
    B,
}

#[derive(EventPayload)]
enum Empty {}

fn main() {}
