//! A disk that fails when told to, a clock that is set, randomness that a seed decides: whatever a log may meet, and
//! again the same way.
//!
//! # What the disk may do
//! **A power cut.** Until a sync of a file returns, each 512-byte sector that was written since the last one holds the
//! old bytes or any of the newer ones, whatever other sectors hold: writes are lost, torn and reordered. A new length may
//! be lost. Until a sync of its directory returns, a new name, a rename, a removal and a new directory may be lost, each
//! by itself. What a sync had covered when it returned holds. A call during which the power fails may have its effect or
//! not; a sync has none.
//!
//! **The death of the process.** Everything that was written is there, nothing more is durable than before, and locks are
//! free. What is stored in a mapping afterwards goes nowhere.
//!
//! **A sync that fails** leaves its sectors clean in memory and undecided on the disk: programs read the new bytes, a later
//! sync succeeds and does not write them, and a power cut may take them. The changes of a directory whose sync fails are
//! left to the next one.
//!
//! **An error.** Any call can fail once; all calls that change something can fail from some moment on, as on a full disk
//! or one that became read-only; all calls can fail from some moment on. A read or write can be short or interrupted,
//! once or again and again. Room can run out at a block of 4096 bytes.
//!
//! **Mappings.** A file that is mapped for writing holds what was stored in it when its process dies. It is not synced:
//! after a power cut any sector holds what it held before or what was stored last. Bytes that are mapped for reading must
//! stay as they are: changing them is a panic.
//!
//! # What it does not do
//! What was durable does not change by itself: for that, change a file with [`FaultyFileSystem::put`]. A sector is not
//! torn within. Two processes do not run at once; threads do, and then a seed does not decide everything.

mod disk;
mod fault;
mod faulty;
mod file;
mod inode;
mod machine;
mod names;
mod outside;
mod random;

pub use fault::{Death, Fault, Operation, When};
pub use faulty::FaultyFileSystem;
pub use outside::ManualClock;
