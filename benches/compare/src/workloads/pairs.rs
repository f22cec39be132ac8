//! One thread, each engine beside the floor in short turns: the disk drifts, so that only what was measured within
//! milliseconds can be compared.

use std::time::{Duration, Instant};

use super::single::commit;
use super::{How, Opened, Run, attempt};
use crate::engine::{Candidate, Failure, Level};
use crate::line::{Line, Place, TurnLine, per_second, print};
use crate::measure::{Limit, Turn};

/// The engine that all others are paired with.
const FLOOR: &str = "floor";

struct Plan {
    workload: &'static str,
    batch: u64,
    /// Commits of one engine before the other one's turn.
    short_turn: u64,
    short_turns: u64,
    time: Duration,
}

/// One by one, synced.
pub(crate) fn append_synced(run: &Run<'_>) -> Result<(), Failure> {
    let short_turns = run.scaled(4, 64);
    rounds(run, &Plan { workload: "append-synced", batch: 1, short_turn: 64, short_turns, time: time(run) })
}

/// In batches of 100, synced.
pub(crate) fn batch_synced(run: &Run<'_>) -> Result<(), Failure> {
    let short_turns = run.scaled(4, 64);
    rounds(run, &Plan { workload: "batch-synced", batch: 100, short_turn: 16, short_turns, time: time(run) })
}

fn time(run: &Run<'_>) -> Duration {
    Duration::from_millis(run.scaled(500, 3000))
}

fn rounds(run: &Run<'_>, plan: &Plan) -> Result<(), Failure> {
    let floor = run.candidate(FLOOR)?;
    let candidates = run.those(|facts| facts.syncs && facts.engine != FLOOR && facts.engine != "floor-pwrite");
    for round in 0..run.rounds() {
        for candidate in &candidates {
            attempt(plan.workload, candidate.facts.engine, || pair(run, plan, floor, candidate, round))?;
        }
    }
    Ok(())
}

fn pair(run: &Run<'_>, plan: &Plan, floor: &Candidate, candidate: &Candidate, round: u32) -> Result<(), Failure> {
    let max_events = plan.batch * plan.short_turn * plan.short_turns;
    let how = How { level: Level::Synced, threads: 1, max_events };
    let mut sides = [Side::new(run, floor, &how)?, Side::new(run, candidate, &how)?];
    let mut ratios = Vec::new();
    let start = Instant::now();
    while (ratios.len() as u64) < plan.short_turns && start.elapsed() < plan.time {
        // Now one is first and now the other.
        let order = if ratios.len().is_multiple_of(2) { [0, 1] } else { [1, 0] };
        let mut per_commit = [0.0, 0.0];
        for side in order {
            per_commit[side] = sides[side].short_turn(plan)?;
        }
        ratios.push(per_commit[0] / per_commit[1]);
    }
    let [floor_turn, turn] = sides.map(|side| side.turn);
    let place = Place::alone(plan.workload, candidate.facts.engine, round, plan.batch);
    let floor_per_second = Some(per_second(&floor_turn, plan.batch));
    let of_floor = median(ratios);
    print(&Line::Turn(TurnLine { floor_per_second, of_floor, ..TurnLine::new(place, &turn) }))?;
    let place = Place { engine: FLOOR, ..place };
    print(&Line::Turn(TurnLine { floor_per_second, of_floor: Some(1.0), ..TurnLine::new(place, &floor_turn) }))
}

struct Side {
    opened: Opened,
    turn: Turn,
}

impl Side {
    fn new(run: &Run<'_>, candidate: &Candidate, how: &How) -> Result<Self, Failure> {
        Ok(Self { opened: Opened::new(run, candidate, how)?, turn: Turn::new()? })
    }

    /// Returns the seconds for a commit.
    fn short_turn(&mut self, plan: &Plan) -> Result<f64, Failure> {
        let (commits, elapsed) = (self.turn.commits, self.turn.elapsed);
        let limit = Limit { commits: plan.short_turn, time: plan.time };
        self.turn.run(limit, |n| commit(&self.opened, n, plan.batch, Level::Synced))?;
        Ok(self.turn.elapsed.saturating_sub(elapsed).as_secs_f64() / (self.turn.commits - commits) as f64)
    }
}

fn median(mut ratios: Vec<f64>) -> Option<f64> {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}
