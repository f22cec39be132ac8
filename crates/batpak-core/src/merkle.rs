//! The Merkle tree of RFC 6962, section 2.1, over event hashes, grown leaf by leaf.

use alloc::vec::Vec;

use crate::{
    hash::{EventHash, TreeHash, sha256},
    layout::{TREE_LEAF_TAG, TREE_NODE_TAG},
};

/// A Merkle tree that grows at its end and keeps only its peaks: the roots of the largest perfect subtrees, at most 64.
///
/// # Examples
///
/// ```
/// use batpak_core::{EventHash, Frontier};
///
/// let mut tree = Frontier::new();
/// tree.push(&EventHash::from_bytes([1; 32]));
/// let resumed = Frontier::from_peaks(tree.size(), tree.peaks())?;
/// assert_eq!(resumed.root(), tree.root());
/// # Ok::<(), batpak_core::FrontierError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    // The largest first: one for each bit that is set in the size.
    peaks: Vec<TreeHash>,
}

/// Why a size and peaks are no [`Frontier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tree of {size} leaves has {} peaks, not {peaks}", .size.count_ones())]
#[non_exhaustive]
pub struct FrontierError {
    /// The number of leaves.
    pub size: u64,
    /// The number of peaks that were given.
    pub peaks: usize,
}

impl Frontier {
    /// A tree without leaves.
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The tree of `size` leaves with these [peaks](Self::peaks), which are trusted.
    ///
    /// # Errors
    ///
    /// If their number is not that of the bits that are set in `size`.
    pub fn from_peaks(size: u64, peaks: &[TreeHash]) -> Result<Self, FrontierError> {
        if u32::try_from(peaks.len()) == Ok(size.count_ones()) {
            Ok(Self { size, peaks: peaks.into() })
        } else {
            Err(FrontierError { size, peaks: peaks.len() })
        }
    }

    /// Appends a leaf.
    pub fn push(&mut self, event_hash: &EventHash) {
        // Each set bit at the low end of the size is a perfect subtree as large as what it is now joined with.
        let joined = (0..self.size.trailing_ones()).fold(leaf(event_hash), |right, _| match self.peaks.pop() {
            Some(left) => node(&left, &right),
            None => right,
        });
        self.peaks.push(joined);
        self.size += 1;
    }

    /// The number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, the largest first.
    pub fn peaks(&self) -> &[TreeHash] {
        &self.peaks
    }

    /// The root. That of a tree without leaves is the SHA-256 of nothing.
    pub fn root(&self) -> TreeHash {
        match self.peaks.split_last() {
            Some((last, larger)) => larger.iter().rev().fold(*last, |right, left| node(left, &right)),
            None => TreeHash::from_bytes(sha256([])),
        }
    }
}

fn leaf(event_hash: &EventHash) -> TreeHash {
    TreeHash::from_bytes(sha256([&TREE_LEAF_TAG, event_hash.as_bytes()]))
}

fn node(left: &TreeHash, right: &TreeHash) -> TreeHash {
    TreeHash::from_bytes(sha256([&TREE_NODE_TAG, left.as_bytes(), right.as_bytes()]))
}
