//! What tests of programs that use a store need: a store in memory that tells what a command has appended, a clock that
//! is set, a disk that fails when told to, a crash at each call that a store makes to its files, and a lock over the
//! payloads of events. With the feature `testing` only.

mod crashes;
mod events_lock;
mod given;

pub use batpak_segment::testing::{Death, Fault, FaultyFileSystem, ManualClock, Operation, When};
pub use crashes::{Crashed, every_crash, every_kill};
pub use events_lock::{EventsLockError, check_events_lock};
pub use given::{Outcome, TestStore};
