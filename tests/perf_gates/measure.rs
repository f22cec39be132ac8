//! Time, in turns.

use std::time::{Duration, Instant};

/// Runs both in turns, now one first and now the other; how much of the floor's speed the other one reaches: the median
/// of the turns.
pub(crate) fn of_floor(turns: u32, mut floor: impl FnMut(), mut measured: impl FnMut()) -> f64 {
    let ratio = |turn: u32| {
        let (floor, measured) = if turn.is_multiple_of(2) {
            let floor = seconds(&mut floor);
            (floor, seconds(&mut measured))
        } else {
            let measured = seconds(&mut measured);
            (seconds(&mut floor), measured)
        };
        floor / measured
    };
    median((0..turns).map(ratio).collect())
}

fn seconds(work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The time that so many of a thousand do not exceed.
pub(crate) fn per_mille(mut times: Vec<Duration>, part: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * part / 1000).saturating_sub(1)]
}
