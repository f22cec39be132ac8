//! One event in three versions: the newest program reads what all of them wrote.
//!
//! `cargo run --release -p batpak --example schema`. The page `docs/guide/schema.md` writes it step by step.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use batpak::prelude::*;
use std::error::Error;
use std::path::Path;

/// The program as it was first.
mod first {
    use batpak::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 3)]
    pub(crate) enum OrderEvent {
        #[batpak(type_id = 1, name = "order.placed")]
        Placed { item: String, euros: u32 },
    }
}

/// The second release: prices in cents, and a note that may be missing.
mod second {
    use batpak::prelude::*;
    use serde::{Deserialize, Serialize};

    /// As it was stored before.
    #[derive(Deserialize)]
    struct PlacedV1 {
        item: String,
        euros: u32,
    }

    #[derive(Serialize, Deserialize, EventPayload)]
    #[batpak(category = 3)]
    pub(crate) enum OrderEvent {
        #[batpak(type_id = 1, version = 2, name = "order.placed", upcast(Placed::from_v1))]
        Placed(Placed),
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Placed {
        pub(crate) item: String,
        pub(crate) cents: u64,
        pub(crate) note: Option<String>,
    }
}
