//! Where events are: the index over a log of event records.
#![forbid(unsafe_code)]

mod file;
mod layout;
mod live;
mod matches;
mod names;
mod row;

pub use file::{Loaded, Refused, decode, encode};
pub use live::{Added, EntityHead, Known, Live, LiveWriter};
pub use matches::{Direction, Matches};
pub use row::{Extras, Row};
