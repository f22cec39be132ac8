//! When parts are merged: four of a size become one of the next, as in a number that is counted up in base four. So each
//! event is written a logarithm of times, and there is a logarithm of parts.

use std::ops::Range;

/// How many parts of a size become one of the next.
pub const FAN_IN: usize = 4;
/// Parts of fewer events are of one size.
pub const SMALL_PART: u64 = 1 << 12;

/// Which parts of these sizes to merge: the newest ones that are of one size or smaller, if there are `enough` of them,
/// and `most` events in them at most.
///
/// # Examples
/// ```
/// use batpak_index::{FAN_IN, to_merge};
///
/// assert_eq!(to_merge(&[900_000, 70_000, 70_000, 70_000, 70_000], FAN_IN, u64::MAX), Some(1..5));
/// assert_eq!(to_merge(&[900_000, 70_000, 70_000, 70_000], FAN_IN, u64::MAX), None);
/// ```
pub fn to_merge(sizes: &[u64], enough: usize, most: u64) -> Option<Range<usize>> {
    let largest = sizes.iter().map(|size| class_of(*size)).max()?;
    (0..=largest).find_map(|class| {
        let from = sizes.iter().rposition(|size| class_of(*size) > class).map_or(0, |before| before + 1);
        let newest = &sizes[from..];
        let sum: u64 = newest.iter().sum();
        (newest.len() >= enough && sum <= most.min(u32::MAX.into())).then_some(from..sizes.len())
    })
}

/// Each class is four times as large as the one before.
fn class_of(size: u64) -> u32 {
    (size / SMALL_PART).checked_ilog2().map_or(0, |log| log / 2 + 1)
}
