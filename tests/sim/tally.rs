//! What happened in some lives.

use std::fmt::{self, Display, Formatter};
use std::ops::AddAssign;

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
    /// Torn ends that were cut.
    pub(crate) torn: u64,
    /// Commits that were found in a tail.
    pub(crate) from_tail: u64,
    /// Times that a store was opened with the help of index files.
    pub(crate) restored: u64,
    /// Files of the index that were of no use.
    pub(crate) refused: u64,
    pub(crate) freezes: u64,
    pub(crate) merges: u64,
    /// Transactions of which what they rested on had changed.
    pub(crate) overtaken: u64,
    /// Times that what a crash had left was verified before anybody opened it.
    pub(crate) verified_left: u64,
    /// Of those, the ones with a torn end.
    pub(crate) verified_torn: u64,
    /// Times that a store that had recovered was verified.
    pub(crate) verified: u64,
    /// Times that events were saved into a new store.
    pub(crate) salvaged: u64,
    /// Depends on every call of every life.
    pub(crate) digest: u64,
}

impl Tally {
    /// Whether everything that can happen has happened often enough in so many lives.
    pub(crate) fn is_enough(&self) -> bool {
        let Self { torn, from_tail, restored, refused, freezes, merges, overtaken, .. } = *self;
        let Self { verified_left, verified, salvaged, .. } = *self;
        let work = [torn, from_tail, restored, refused, freezes, merges, overtaken];
        let often = work.into_iter().chain([verified_left, verified, salvaged]).all(|count| count * 25 >= self.lives);
        let often = often && self.verified_torn * 400 >= self.lives;
        self.crashes >= 5 * self.lives && self.faults >= 2 * self.lives && often
    }
}

/// The sum does not depend on the order.
impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lives += other.lives;
        self.crashes += other.crashes;
        self.crashes_while_opening += other.crashes_while_opening;
        self.faults += other.faults;
        self.comparisons += other.comparisons;
        self.torn += other.torn;
        self.from_tail += other.from_tail;
        self.restored += other.restored;
        self.refused += other.refused;
        self.freezes += other.freezes;
        self.merges += other.merges;
        self.overtaken += other.overtaken;
        self.verified_left += other.verified_left;
        self.verified_torn += other.verified_torn;
        self.verified += other.verified;
        self.salvaged += other.salvaged;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { lives, crashes, crashes_while_opening, faults, comparisons, .. } = self;
        write!(f, "{lives} lives, {crashes} crashes ({crashes_while_opening} while opening), {faults} faults, ")?;
        let Self { torn, from_tail, restored, refused, .. } = self;
        write!(f, "{comparisons} comparisons; {torn} torn ends, {from_tail} commits from tails, ")?;
        let Self { freezes, merges, overtaken, digest, .. } = self;
        write!(f, "{restored} indexes restored, {refused} files refused, {freezes} freezes, {merges} merges, ")?;
        let Self { verified_left, verified_torn, verified, salvaged, .. } = self;
        write!(f, "{overtaken} transactions overtaken; {verified_left} verified before they were opened ")?;
        write!(f, "({verified_torn} torn), {verified} after, {salvaged} salvaged; digest {digest:016x}")
    }
}
