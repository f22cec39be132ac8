//! What happened in some lives.

use std::fmt::{self, Display, Formatter};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) lives: u64,
    /// Power cuts and kills during a call, each with an open of what was left.
    pub(crate) crashes: u64,
    /// Of those, the ones during which a store was being opened.
    pub(crate) crashes_while_opening: u64,
    /// Errors that calls gave and all else that went wrong with them.
    pub(crate) faults: u64,
    /// Times that a store was compared with what it had promised.
    pub(crate) comparisons: u64,
    pub(crate) events: u64,
    /// Depends on every call of every life.
    pub(crate) digest: u64,
}

impl Tally {
    /// The sum does not depend on the order.
    pub(crate) fn add(&mut self, other: &Self) {
        self.lives += other.lives;
        self.crashes += other.crashes;
        self.crashes_while_opening += other.crashes_while_opening;
        self.faults += other.faults;
        self.comparisons += other.comparisons;
        self.events += other.events;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { lives, crashes, crashes_while_opening, faults, comparisons, events, digest } = self;
        write!(f, "{lives} lives, {crashes} crashes ({crashes_while_opening} while opening), {faults} faults, ")?;
        write!(f, "{comparisons} comparisons, {events} events, digest {digest:016x}")
    }
}
