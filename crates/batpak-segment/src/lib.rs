//! A crash-safe log of opaque records in a directory of segment files.
#![deny(unsafe_code)]

mod directory;
mod error;
mod file_system;
mod frame;
mod header;
mod layout;
mod log;
mod mapping;
mod memory;
mod reader;
mod real;
mod recover;
mod scan;
mod snapshot;
mod sync;

pub use error::{Damage, Failure, LogError};
pub use file_system::{
    Clock, DirectoryEntry, Entropy, EntryKind, Environment, File, FileSystem, Lock, Mapping, OpenMode, read_full,
    write_full,
};
pub use frame::Frame;
pub use header::{Id, LogHead};
pub use layout::{FIRST_USER_TYPE, FORMAT};
pub use log::{Appended, Log, LogConfig, Unsynced};
pub use memory::MemoryFileSystem;
pub use reader::{LogReader, Position, Record, Records};
pub use real::{RealFileSystem, SystemClock, SystemEntropy};
pub use recover::{Repair, Torn, Unrecovered};

use header::{Link, Seal};
