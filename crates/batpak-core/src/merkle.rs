//! The Merkle tree of RFC 6962, section 2.1, over event hashes, grown leaf by leaf.

use alloc::vec::Vec;

use crate::{
    hash::{EventHash, TreeHash, sha256},
    layout::{HASH_LEN, TREE_LEAF_TAG, TREE_NODE_TAG},
    sha256::Message,
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
        self.join(leaf(event_hash), 1);
    }

    /// Appends leaves, as [`push`](Self::push) does one after the other. It is faster with many at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_core::{EventHash, Frontier};
    ///
    /// let leaves = [EventHash::from_bytes([1; 32]); 100];
    /// let (mut one_by_one, mut at_once) = (Frontier::new(), Frontier::new());
    /// leaves.iter().for_each(|leaf| one_by_one.push(leaf));
    /// at_once.push_all(&leaves);
    /// assert_eq!(at_once, one_by_one);
    /// ```
    pub fn push_all(&mut self, event_hashes: &[EventHash]) {
        let mut rest = event_hashes;
        while !rest.is_empty() {
            let level = rest.len().ilog2().min(self.size.trailing_zeros()).min(GROUP.ilog2());
            let (leaves, behind) = rest.split_at(1 << level);
            self.join(subtree(leaves), leaves.len() as u64);
            rest = behind;
        }
    }

    /// Appends a perfect subtree of so many leaves, of which the size is a multiple.
    fn join(&mut self, subtree: TreeHash, leaves: u64) {
        // Each set bit at the low end of their number is a perfect subtree as large as what it is now joined with.
        let joined = (0..(self.size / leaves).trailing_ones()).fold(subtree, |right, _| match self.peaks.pop() {
            Some(left) => node(&left, &right),
            None => right,
        });
        self.peaks.push(joined);
        self.size += leaves;
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

/// The largest perfect subtree that is made at once.
const GROUP: usize = 64;

/// The root of a perfect subtree of at most so many leaves. Hashes of one level do not depend on each other, so that two
/// are made at a time.
fn subtree(leaves: &[EventHash]) -> TreeHash {
    let mut level = [TreeHash::from_bytes([0; HASH_LEN]); GROUP];
    let mut messages = [Message::new(), Message::new()];
    for (made, pair) in level.chunks_exact_mut(2).zip(leaves.chunks_exact(2)) {
        for (message, leaf) in messages.iter_mut().zip(pair) {
            message.lay_out(leaf_parts(leaf));
        }
        made.copy_from_slice(&digest_both(&messages));
    }
    let mut nodes = leaves.len() / 2;
    while nodes > 1 {
        for at in (0..nodes).step_by(2) {
            for (message, below) in messages.iter_mut().zip(level[2 * at..].chunks_exact(2)) {
                message.lay_out(node_parts(&below[0], &below[1]));
            }
            level[at..at + 2].copy_from_slice(&digest_both(&messages));
        }
        nodes /= 2;
    }
    match leaves {
        [single] => leaf(single),
        _ => node(&level[0], &level[1]),
    }
}

fn digest_both([first, second]: &[Message; 2]) -> [TreeHash; 2] {
    Message::digest_both([first, second]).map(TreeHash::from_bytes)
}

fn leaf(event_hash: &EventHash) -> TreeHash {
    TreeHash::from_bytes(sha256(leaf_parts(event_hash)))
}

fn node(left: &TreeHash, right: &TreeHash) -> TreeHash {
    TreeHash::from_bytes(sha256(node_parts(left, right)))
}

fn leaf_parts(event_hash: &EventHash) -> [&[u8]; 2] {
    [&TREE_LEAF_TAG, event_hash.as_bytes()]
}

fn node_parts<'a>(left: &'a TreeHash, right: &'a TreeHash) -> [&'a [u8]; 3] {
    [&TREE_NODE_TAG, left.as_bytes(), right.as_bytes()]
}
