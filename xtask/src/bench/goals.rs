//! The figures to reach.

use super::figures::{FLOOR, Figures, Row};
use super::text::{rate, ratio, time};

/// One of them: what it is about, what was measured, and whether that is enough.
pub(super) struct Goal {
    pub(super) work: &'static str,
    pub(super) row: Option<Row<'static>>,
    pub(super) to_reach: String,
    pub(super) measured: String,
    pub(super) is_reached: Option<bool>,
}

pub(super) const OURS: &str = "batpak";

const WRITTEN: &str = "one by one, `Written`, sync every 1000, one thread";
const SYNCED: &str = "one by one, `Synced`, one thread";
const BATCHES: &str = "batches of 100, `Synced`";
const BULK: &str = "bulk, batches of 1000, a million events";

pub(super) fn all(figures: &Figures) -> Vec<Goal> {
    let written = Row::new("append-written");
    let threads = |threads| Row { threads, ..Row::new("threads-synced") };
    vec![
        at_least_per_second(figures, WRITTEN, written, 1e6),
        at_least_times(figures, "the same, beside fjall", written, "fjall", 2.5),
        at_most(figures, "p99.9 of an append under that load", written, 0.999, 200e3),
        at_most(figures, "p99.99 of an append under that load", written, 0.9999, 1e6),
        at_least_times(figures, SYNCED, Row::new("append-synced"), FLOOR, 0.95),
        at_least_per_second(figures, "one by one, `Synced`, 16 threads", threads(16), 50e3),
        at_least_per_second(figures, "one by one, `Synced`, 64 threads", threads(64), 100e3),
        at_least_times(figures, BATCHES, Row::new("batch-synced"), FLOOR, 0.85),
        at_least_per_second(figures, BULK, Row::new("bulk"), 1.3e6),
        bytes(figures, "disk per event, one by one", 1, 270.0),
        bytes(figures, "disk per event, in batches of 1000", 1000, 240.0),
    ]
}

fn at_least_per_second(figures: &Figures, work: &'static str, row: Row<'static>, goal: f64) -> Goal {
    let measured = figures.figure(row, OURS).map(|figure| figure.per_second);
    goal_of(work, Some(row), rate(goal), measured, rate, |measured| measured >= goal)
}

fn at_least_times(figures: &Figures, work: &'static str, row: Row<'static>, other: &str, goal: f64) -> Goal {
    let to_reach = format!("{} of {other}", ratio(goal));
    let measured = figures.ratio(row, OURS, other);
    goal_of(work, Some(row), to_reach, measured, ratio, |measured| measured >= goal)
}

fn at_most(figures: &Figures, work: &'static str, row: Row<'static>, quantile: f64, goal: f64) -> Goal {
    let measured = figures.quantile(row, OURS, quantile);
    goal_of(work, None, time(goal), measured, time, |measured| measured <= goal)
}

fn bytes(figures: &Figures, work: &'static str, batch: u32, goal: f64) -> Goal {
    let ours = figures.disk(batch).find(|disk| disk.engine == OURS);
    let show = |bytes| format!("{bytes:.0} B");
    goal_of(work, None, show(goal), ours.map(|disk| disk.file_bytes / disk.events), show, |measured| measured <= goal)
}

fn goal_of(
    work: &'static str,
    row: Option<Row<'static>>,
    to_reach: String,
    measured: Option<f64>,
    show: fn(f64) -> String,
    is_enough: impl Fn(f64) -> bool,
) -> Goal {
    let is_reached = measured.map(is_enough);
    Goal { work, row, to_reach, measured: super::text::or_dash(measured, show), is_reached }
}

#[cfg(test)]
mod tests {
    use super::all;
    use crate::bench::figures::Figures;
    use crate::bench::lines::tests::sample;

    #[test]
    fn each_goal_says_what_was_measured_and_whether_that_is_enough() {
        let goals = all(&Figures::new(sample()));
        let said: Vec<_> = goals.iter().map(|goal| (goal.measured.as_str(), goal.is_reached)).collect();
        let expected = [
            ("950 k/s", Some(false)),
            ("3.17", Some(true)),
            ("160 µs", Some(true)),
            ("800 µs", Some(true)),
            ("0.80", Some(false)),
            ("60.0 k/s", Some(true)),
            ("90.0 k/s", Some(false)),
            ("–", None),
            ("–", None),
            ("300 B", Some(false)),
            ("–", None),
        ];
        assert_eq!(said, expected);
    }
}
