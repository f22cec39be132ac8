//! How often events are written, and how many parts there are, while parts of a size come one after the other.

use batpak_index::{small_to_merge, to_merge};

/// Parts of this size come; returns the most parts that there were, and the events that were written by merging.
fn merged(size: u64, parts: u64) -> (usize, u64) {
    let (mut sizes, mut most, mut written) = (Vec::new(), 0, 0);
    for _ in 0..parts {
        sizes.push(size);
        while let Some(which) = to_merge(&sizes) {
            assert!(which.len() > 1, "{which:?} of {sizes:?}");
            let sum = sizes[which.clone()].iter().sum();
            written += sum;
            sizes.splice(which, [sum]);
        }
        most = most.max(sizes.len());
        assert_eq!(sizes.iter().sum::<u64>() % size, 0);
    }
    (most, written)
}

/// A store that rewrote its whole index again and again would stand still one day.
#[test]
fn events_are_written_a_logarithm_of_times() {
    for size in [1, 10, 4096, 300_000] {
        for parts in [1_u64, 10, 100, 1000, 5000] {
            let (most, written) = merged(size, parts);
            let levels = u64::from(parts.ilog(4)) + 1;
            assert!(written <= size * parts * (levels + 1), "{written} of {parts} parts of {size}");
            assert!(most as u64 <= 3 * (levels + 1) + 1, "{most} of {parts} parts of {size}");
        }
    }
}

#[test]
fn what_is_merged_is_the_end() {
    assert_eq!(to_merge(&[]), None);
    assert_eq!(to_merge(&[10, 10, 10]), None);
    assert_eq!(to_merge(&[10, 10, 10, 10]), Some(0..4));
    assert_eq!(to_merge(&[1000, 10, 10, 10, 1, 10]), Some(1..6));
    assert_eq!(to_merge(&[1 << 31; 4]), None, "a part has less than 2^32 events");
    assert_eq!(small_to_merge(&[]), None);
    assert_eq!(small_to_merge(&[4000, 90, 6]), Some(0..3));
    assert_eq!(small_to_merge(&[4000, 91, 6]), Some(1..3));
}
