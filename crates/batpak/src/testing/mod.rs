//! What tests of programs that use a store need: a disk that fails when told to, a clock that is set, a crash at each
//! call that a store makes to its files, and a lock over the payloads of events. With the feature `testing` only.

mod crashes;
mod events_lock;

pub use batpak_segment::testing::{Death, Fault, FaultyFileSystem, ManualClock, Operation, When};
pub use crashes::{Crashed, every_crash, every_kill};
pub use events_lock::{EventsLockError, check_events_lock};
