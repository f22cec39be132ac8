use batpak::EventPayload;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct V1(u8);

struct V2(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, version = 3, name = "a", upcast(v1_to_v2, Self::from_v2))]
struct StepsThatDoNotFit(u8);

fn v1_to_v2(old: V1) -> V2 {
    V2(old.0)
}

impl StepsThatDoNotFit {
    fn from_v2(old: V1) -> Self {
        Self(old.0)
    }
}

#[derive(EventPayload)]
enum Events {
    NoPayload(V1),
}

fn main() {}
