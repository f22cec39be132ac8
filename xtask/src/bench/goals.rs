//! The figures to reach.

use super::figures::{FLOOR, Figure, Figures, Row};
use super::lines::Memory;
use super::text::{bytes, rate, ratio, time};

/// One of them: what it is about, what was measured, and whether that is enough.
pub(super) struct Goal {
    pub(super) work: &'static str,
    pub(super) row: Option<Row<'static>>,
    /// How figures of that row are told.
    pub(super) told: fn(&Figure) -> String,
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
    let mut goals = appending(figures);
    goals.extend(opening(figures));
    goals.extend(reading(figures));
    goals.extend(many_entities(figures));
    goals
}

fn appending(figures: &Figures) -> Vec<Goal> {
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
        disk(figures, "disk per event, one by one", 1, 270.0),
        disk(figures, "disk per event, in batches of 1000", 1000, 240.0),
    ]
}

const MILLION: f64 = 1e6;
const TEN_MILLION: f64 = 1e7;
const MIB: f64 = 1024.0 * 1024.0;

fn opening(figures: &Figures) -> Vec<Goal> {
    let open = |stored| Row { stored: Some(stored), ..Row::new("open") };
    let with = |workload, role| Row { role: Some(role), ..Row::new(workload) };
    let opened = memory(figures, "opened");
    let heap = memory(figures, "before").zip(opened).map(|(before, opened)| opened.heap_bytes - before.heap_bytes);
    let resident = opened.map(|memory| memory.resident_bytes);
    let peak = memory(figures, "appended").map(|memory| memory.peak_bytes);
    vec![
        takes_at_most(figures, "open a million events after a close", open(MILLION), 1e6),
        takes_at_most(figures, "the same, ten million", open(TEN_MILLION), 5e6),
        takes_at_most(figures, "open after a kill, active segment nearly full", with("open-killed", "full"), 100e6),
        takes_at_most(figures, "close with a full active segment", with("close", "full"), 20e6),
        takes_at_most(figures, "close with a small one", with("close", "small"), 5e6),
        occupies_at_most("heap of ten million events, opened", heap, MIB),
        occupies_at_most("resident, ten million events opened", resident, 32.0 * MIB),
        occupies_at_most("most ever resident, with 100,000 appended then", peak, 1024.0 * MIB),
    ]
}

fn reading(figures: &Figures) -> Vec<Goal> {
    let of_million = |workload| Row { stored: Some(MILLION), ..Row::new(workload) };
    vec![
        takes_at_most(figures, "`get` at random, a JSON value", of_million("get"), 900.0),
        takes_at_most(figures, "an entity's 1000 events of a million, typed", of_million("entity"), 150e3),
        takes_at_most(figures, "the same, written in batches", of_million("entity-batched"), 150e3),
        takes_at_most(figures, "list these 1000 rows", of_million("list"), 20e3),
        at_least_per_second(figures, "replay all, typed", of_million("replay"), 8e6),
        takes_at_most(figures, "project 1000 events, typed", of_million("project"), 200e3),
        takes_at_most(figures, "the same, JSON values", of_million("project-json"), 400e3),
        takes_at_most(figures, "a state that is kept, nothing new", of_million("project-again"), 2e3),
        two_threads(figures, "`get` by two threads, of one thread", 1.9),
    ]
}

fn many_entities(figures: &Figures) -> Vec<Goal> {
    let of_million = |workload| Row { stored: Some(MILLION), ..Row::new(workload) };
    let pairs = [
        ("append, a million entities", of_million("entities-append"), Row::new("append-written")),
        ("`get`, a million entities", of_million("entities-get"), of_million("get")),
        ("1000 events of one of them", of_million("entities-entity"), of_million("entity-batched")),
        ("list 1000 rows of one of them", of_million("entities-list"), of_million("list")),
    ];
    pairs.map(|(work, row, usual)| at_most_times(figures, work, row, usual, 2.0)).into()
}

fn at_least_per_second(figures: &Figures, work: &'static str, row: Row<'static>, goal: f64) -> Goal {
    let measured = figures.figure(row, OURS).map(|figure| figure.per_second);
    goal_of(work, Some(row), rate(goal), measured, rate, |measured| measured >= goal)
}

/// One commit or read, at the median.
fn takes_at_most(figures: &Figures, work: &'static str, row: Row<'static>, goal: f64) -> Goal {
    let measured = figures.figure(row, OURS).map(|figure| figure.p50_ns);
    let goal = goal_of(work, Some(row), time(goal), measured, time, |measured| measured <= goal);
    Goal { told: |figure| time(figure.p50_ns), ..goal }
}

/// How much longer it takes than what it is like.
fn at_most_times(figures: &Figures, work: &'static str, row: Row<'static>, usual: Row<'static>, goal: f64) -> Goal {
    let measured = figures.ratio_of((usual, OURS), (row, OURS));
    goal_of(work, None, format!("{} times the usual", ratio(goal)), measured, ratio, |measured| measured <= goal)
}

fn two_threads(figures: &Figures, work: &'static str, goal: f64) -> Goal {
    let row = |threads| Row { threads, stored: Some(MILLION), ..Row::new("get-threads") };
    let measured = figures.ratio_of((row(2), OURS), (row(1), OURS));
    goal_of(work, None, ratio(goal), measured, ratio, |measured| measured >= goal)
}

/// What a process has in memory with ten million events.
fn memory<'a>(figures: &'a Figures, when: &str) -> Option<&'a Memory> {
    let is_it = |memory: &&Memory| memory.engine == OURS && memory.when == when && memory.stored >= TEN_MILLION;
    figures.memory().find(is_it)
}

fn occupies_at_most(work: &'static str, measured: Option<f64>, goal: f64) -> Goal {
    goal_of(work, None, bytes(goal), measured, bytes, |measured| measured <= goal)
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

fn disk(figures: &Figures, work: &'static str, batch: u32, goal: f64) -> Goal {
    let ours = figures.disk(batch).find(|disk| disk.engine == OURS);
    occupies_at_most(work, ours.map(|disk| disk.file_bytes / disk.events), goal)
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
    Goal {
        work,
        row,
        told: |figure| rate(figure.per_second),
        to_reach,
        measured: super::text::or_dash(measured, show),
        is_reached,
    }
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
        assert_eq!(said[..expected.len()], expected);
        assert!(said[expected.len()..].contains(&("1.20 µs", Some(false))));
        assert!(said[expected.len()..].contains(&("30.0 MiB", Some(true))));
    }
}
