//! When parts are merged: four of a size become one of the next, as in a number that is counted up in base four. So each
//! event is written a logarithm of times, and there is a logarithm of parts.

use std::ops::Range;

/// How many parts of a size become one of the next.
const FAN_IN: usize = 4;
/// So few events that a part of them is made in a millisecond.
const SMALL: u64 = 1 << 12;
/// A part has fewer events.
const EVENTS_MAX: u64 = u32::MAX as u64;

/// Which parts of these sizes to merge: the newest ones, once there are four of one size among them.
///
/// # Examples
/// ```
/// use batpak_index::to_merge;
///
/// assert_eq!(to_merge(&[900_000, 70_000, 70_000, 70_000, 70_000]), Some(1..5));
/// assert_eq!(to_merge(&[900_000, 70_000, 70_000, 70_000]), None);
/// ```
pub fn to_merge(sizes: &[u64]) -> Option<Range<usize>> {
    let largest = sizes.iter().map(|size| class_of(*size)).max()?;
    (0..=largest).find_map(|class| {
        let from = sizes.iter().rposition(|size| class_of(*size) > class).map_or(0, |before| before + 1);
        let newest = &sizes[from..];
        let of_class = newest.iter().filter(|size| class_of(**size) == class).count();
        let fits = newest.iter().sum::<u64>() < EVENTS_MAX;
        (of_class >= FAN_IN && fits).then_some(from..sizes.len())
    })
}

/// Each class is four times as large as the one before.
fn class_of(size: u64) -> u32 {
    size.checked_ilog2().map_or(0, |log| log / 2)
}

/// Which of the newest parts are so small together that they are better one, if there are several.
///
/// # Examples
/// ```
/// use batpak_index::small_to_merge;
///
/// assert_eq!(small_to_merge(&[900_000, 1000, 10]), Some(1..3));
/// assert_eq!(small_to_merge(&[900_000, 10]), None);
/// ```
pub fn small_to_merge(sizes: &[u64]) -> Option<Range<usize>> {
    let mut sum = 0;
    let small = sizes.iter().rev().take_while(|size| {
        sum += **size;
        sum <= SMALL
    });
    let from = sizes.len() - small.count();
    (sizes.len() - from > 1).then_some(from..sizes.len())
}
