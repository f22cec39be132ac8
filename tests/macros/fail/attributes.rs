use batpak::EventPayload;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventPayload)]
struct Bare(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(type_id = 1, name = "a")]
struct NoCategory(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, name = "a")]
struct NoTypeId(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1)]
struct NoName(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(version = 2)]
struct NoneOfThem(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, typeid = 1, name = "a")]
struct Unknown(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, type_id = 2, name = "a")]
struct Twice(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 0xD, type_id = 1, name = "a")]
struct Reserved(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 16, type_id = 1, name = "a")]
struct LargeCategory(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 0x1000, name = "a")]
struct LargeTypeId(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, version = 0, name = "a")]
struct VersionZero(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = " ")]
struct EmptyName(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "a")]
struct Borrowed<'a>(&'a str);

#[derive(EventPayload)]
#[batpak(category = 1, type_id = 1, name = "a")]
union Either {
    a: u8,
    b: i8,
}

fn main() {}
