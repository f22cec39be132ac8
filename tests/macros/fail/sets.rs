use batpak::EventPayload;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
enum Orders {
    #[batpak(type_id = 1, name = "order.placed")]
    Placed,
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "payment")]
struct Payment(u8);

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 2, name = "order.placed")]
struct SameName(u8);

#[derive(EventPayload)]
enum SameKinds {
    Orders(Orders),
    Payment(Payment),
}

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 3)]
enum SameNames {
    Name(SameName),
    #[batpak(type_id = 1, name = "order.placed")]
    Placed,
}

fn main() {}
