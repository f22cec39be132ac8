//! What happens in a life, told line by line if `BATPAK_SIM_TRACE` is set.

use std::fmt::Display;
use std::sync::LazyLock;

static IS_WANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("BATPAK_SIM_TRACE").is_some());

pub(crate) fn trace<T: Display>(what: impl FnOnce() -> T) {
    if *IS_WANTED {
        eprintln!("{}", what());
    }
}
