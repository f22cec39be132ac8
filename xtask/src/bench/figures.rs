//! What the lines of one run come to: medians of rounds, and ratios of what was measured in the same round.

use super::lines::{Disk, Facts, Fdatasync, Line, Machine, Memory, Missing, Role, Survives, Turn};

pub(super) struct Figures {
    lines: Vec<Line>,
}

/// Which turns: those of one row in a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) workload: &'a str,
    pub(super) threads: u32,
    pub(super) role: Option<&'a str>,
    /// How many events the store held, if that is to be told apart.
    pub(super) stored: Option<f64>,
}

impl<'a> Row<'a> {
    pub(super) fn new(workload: &'a str) -> Self {
        Self { workload, threads: 1, role: None, stored: None }
    }
}

/// A row's figures for one engine: medians over the rounds, but the worst of all latencies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// Events of one commit, or that one read returns.
    pub(super) batch: f64,
    pub(super) stored: f64,
    pub(super) events: f64,
    pub(super) per_second: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
    pub(super) of_floor: Option<f64>,
    /// The same of the whole time, where `of_floor` is the median of short turns.
    pub(super) of_floor_in_all: Option<f64>,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    pub(super) worst_ns: f64,
}

pub(super) const FLOOR: &str = "floor";

impl Figures {
    pub(super) fn new(lines: Vec<Line>) -> Self {
        Self { lines }
    }

    pub(super) fn machine(&self) -> Option<&Machine> {
        self.lines.iter().find_map(|line| if let Line::Run(machine) = line { Some(machine) } else { None })
    }

    pub(super) fn seconds(&self) -> Option<f64> {
        self.lines.iter().find_map(|line| if let Line::End { seconds } = line { Some(*seconds) } else { None })
    }

    pub(super) fn engines(&self) -> impl Iterator<Item = &Facts> {
        self.lines.iter().filter_map(|line| if let Line::Engine(engine) = line { Some(engine) } else { None })
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = &Missing> {
        self.lines.iter().filter_map(|line| if let Line::Missing(missing) = line { Some(missing) } else { None })
    }

    pub(super) fn fdatasync(&self) -> impl Iterator<Item = &Fdatasync> {
        self.lines.iter().filter_map(|line| if let Line::Fdatasync(line) = line { Some(line) } else { None })
    }

    pub(super) fn disk(&self, batch: u32) -> impl Iterator<Item = &Disk> {
        let disks = self.lines.iter().filter_map(|line| if let Line::Disk(disk) = line { Some(disk) } else { None });
        disks.filter(move |disk| disk.batch == batch)
    }

    /// The number of rounds of which there are turns.
    pub(super) fn rounds(&self) -> u32 {
        self.turns().map(|turn| turn.round + 1).max().unwrap_or(0)
    }

    /// The numbers of threads of a workload, rising.
    pub(super) fn threads(&self, workload: &str) -> Vec<u32> {
        let mut threads: Vec<u32> =
            self.turns().filter(|turn| turn.workload == workload).map(|turn| turn.threads).collect();
        threads.sort_unstable();
        threads.dedup();
        threads
    }

    /// How many events there were in the stores of a workload, rising.
    pub(super) fn stored(&self, workload: &str) -> Vec<f64> {
        let mut stored: Vec<f64> =
            self.turns().filter(|turn| turn.workload == workload).map(|turn| turn.stored).collect();
        stored.sort_by(f64::total_cmp);
        stored.dedup();
        stored
    }

    pub(super) fn memory(&self) -> impl Iterator<Item = &Memory> {
        self.lines.iter().filter_map(|line| if let Line::Memory(memory) = line { Some(memory) } else { None })
    }

    fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.lines.iter().filter_map(|line| if let Line::Turn(turn) = line { Some(turn) } else { None })
    }

    fn turns_of(&self, row: Row<'_>, engine: &str) -> Vec<&Turn> {
        let is_of = |turn: &&Turn| {
            turn.workload == row.workload
                && turn.threads == row.threads
                && turn.role.as_deref() == row.role
                && turn.engine == engine
                && row.stored.is_none_or(|stored| is_same(turn.stored, stored))
        };
        self.turns().filter(is_of).collect()
    }

    pub(super) fn figure(&self, row: Row<'_>, engine: &str) -> Option<Figure> {
        let turns = self.turns_of(row, engine);
        let rates: Vec<f64> = turns.iter().map(|turn| turn.events_per_second).collect();
        Some(Figure {
            batch: median(turns.iter().map(|turn| turn.batch).collect())?,
            stored: median(turns.iter().map(|turn| turn.stored).collect())?,
            events: median(turns.iter().map(|turn| turn.events).collect())?,
            per_second: median(rates.clone())?,
            lowest: rates.iter().copied().reduce(f64::min)?,
            highest: rates.iter().copied().reduce(f64::max)?,
            of_floor: self.ratio(row, engine, FLOOR),
            of_floor_in_all: median(turns.iter().filter_map(|turn| in_all(turn)).collect()),
            p50_ns: median(turns.iter().map(|turn| turn.p50_ns).collect())?,
            p99_ns: median(turns.iter().map(|turn| turn.p99_ns).collect())?,
            worst_ns: turns.iter().map(|turn| turn.worst_ns).reduce(f64::max)?,
        })
    }

    /// How many times faster `engine` is than `other`: the median of the rounds.
    pub(super) fn ratio(&self, row: Row<'_>, engine: &str, other: &str) -> Option<f64> {
        if engine == other {
            return self.turns_of(row, engine).first().map(|_| 1.0);
        }
        self.ratio_of((row, engine), (row, other))
    }

    /// How many times faster one engine is in its row than another one, or the same one, in another row.
    pub(super) fn ratio_of(&self, (row, engine): (Row<'_>, &str), other: (Row<'_>, &str)) -> Option<f64> {
        let others = self.turns_of(other.0, other.1);
        let turns = self.turns_of(row, engine);
        let ratios = turns.into_iter().filter_map(|turn| {
            // Each engine had the floor beside it in short turns.
            if let (Some(of_floor), FLOOR) = (turn.of_floor, other.1) {
                return Some(of_floor);
            }
            let other = others.iter().find(|other| other.round == turn.round)?;
            Some(speed(turn) / speed(other))
        });
        median(ratios.collect())
    }

    /// The fastest peer that keeps the promise of the row, among those with an index or among all.
    pub(super) fn best_peer(&self, row: Row<'_>, needs_index: bool) -> Option<(&Facts, Figure)> {
        let is_written = row.workload.ends_with("-written") || row.role == Some("written");
        let counts = |engine: &&Facts| {
            let keeps = engine.syncs && !(is_written && engine.written == Survives::NothingBeforeSync);
            engine.role == Role::Peer && keeps && (engine.has_index || !needs_index)
        };
        let rates = self.engines().filter(counts).filter_map(|engine| {
            let turns = self.turns_of(row, &engine.engine);
            Some((engine, median(turns.iter().map(|turn| speed(turn)).collect())?))
        });
        let (best, _) = rates.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        Some((best, self.figure(row, &best.engine)?))
    }

    /// Latency of a commit at a quantile: the median of the rounds, and the worst of all for 1.
    pub(super) fn quantile(&self, row: Row<'_>, engine: &str, quantile: f64) -> Option<f64> {
        let points = self.quantiles(row, engine);
        points.into_iter().find(|(point, _)| is_same(*point, quantile)).map(|(_, ns)| ns)
    }

    /// The latencies of commits at all quantiles that every round tells.
    pub(super) fn quantiles(&self, row: Row<'_>, engine: &str) -> Vec<(f64, f64)> {
        let turns = self.turns_of(row, engine);
        let Some(first) = turns.first() else { return Vec::new() };
        let points = first.quantiles.iter().filter_map(|(quantile, _)| {
            let same = |turn: &&Turn| turn.quantiles.iter().find(|(q, _)| is_same(*q, *quantile)).map(|(_, ns)| *ns);
            let values: Option<Vec<f64>> = turns.iter().map(same).collect();
            let value = if *quantile >= 1.0 { values?.into_iter().reduce(f64::max) } else { median(values?) };
            Some((*quantile, value?))
        });
        points.collect()
    }
}

fn in_all(turn: &Turn) -> Option<f64> {
    Some(turn.events_per_second / turn.floor_per_second?)
}

/// What turns of one workload are compared by: the ratio to the floor beside it, or events per second.
fn speed(turn: &Turn) -> f64 {
    turn.of_floor.unwrap_or(turn.events_per_second)
}

fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(values[middle - 1], upper)) }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Row, median};
    use crate::bench::lines::tests::sample;

    fn figures() -> Figures {
        Figures::new(sample())
    }

    #[track_caller]
    fn assert_near(value: Option<f64>, expected: f64) {
        let value = value.expect("there is a figure");
        assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}");
    }

    #[test]
    fn the_median_of_two_is_between_them() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
    }

    #[test]
    fn a_ratio_is_that_of_each_round() {
        let row = Row::new("append-written");
        // 0.5 in one round and 0.9 in the other; the ratio of the medians would be 0.63.
        assert_near(figures().ratio(row, "batpak", "floor"), 0.7);
        assert_near(figures().ratio(row, "floor", "floor"), 1.0);
        assert_near(figures().ratio(row, "batpak", "fjall"), f64::midpoint(1.0 / 0.3, 0.9 / 0.3));
        assert_eq!(figures().ratio(row, "batpak", "lmdb"), None);
    }

    #[test]
    fn short_turns_are_compared_with_the_floor_between_them() {
        let row = Row::new("append-synced");
        assert_near(figures().ratio(row, "batpak", "floor"), 0.8);
        assert_near(figures().figure(row, "batpak").and_then(|figure| figure.of_floor_in_all), 0.7);
    }

    #[test]
    fn a_peer_that_promises_less_is_not_the_best() {
        let figures = figures();
        let best = figures.best_peer(Row::new("append-written"), false).map(|(engine, _)| engine.engine.as_str());
        assert_eq!(best, Some("fjall"));
    }

    #[test]
    fn quantiles_are_medians_and_the_worst_is_the_worst() {
        let row = Row::new("append-written");
        assert_near(figures().quantile(row, "batpak", 0.999), 160_000.0);
        assert_near(figures().quantile(row, "batpak", 1.0), 4_000_000.0);
        assert_eq!(figures().quantile(row, "batpak", 0.9), None);
        let figure = figures().figure(row, "batpak").expect("there are turns");
        assert_near(Some(figure.worst_ns), 4_000_000.0);
        assert_near(Some(figure.per_second), 950_000.0);
    }
}
