//! Payloads that do something while they are encoded.

use serde::{Serialize, Serializer};
use std::fmt;

/// Calls a function when it is encoded, and is encoded as a number.
pub(crate) struct Calls<F>(pub(crate) F);

impl<F: Fn()> Serialize for Calls<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0)();
        serializer.serialize_u8(7)
    }
}

impl<F> fmt::Debug for Calls<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}
