//! What tests of programs that use a store need: a disk that fails when told to, a clock that is set, and a crash at
//! each call that a store makes to its files. With the feature `testing` only.

mod crashes;

pub use batpak_segment::testing::{Death, Fault, FaultyFileSystem, ManualClock, Operation, When};
pub use crashes::{Crashed, every_crash, every_kill};
