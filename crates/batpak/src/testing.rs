//! What tests of programs that use a store need: a disk that fails when told to, a clock that is set, and a crash at
//! each call that a store makes to its files. With the feature `testing` only.

pub use batpak_segment::testing::{Fault, FaultyFileSystem, ManualClock, Operation, When};
