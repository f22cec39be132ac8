//! One thread, each engine beside the floor in short turns: the disk drifts, so that only what was measured within
//! milliseconds can be compared.

use std::time::{Duration, Instant};

use super::single::commit;
use super::{How, Opened, Run, attempt};
use crate::engine::{Candidate, Failure, Level};
use crate::line::{Line, Place, TurnLine, print};
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
    let mut sides =
        [(Opened::new(run, floor, &how)?, Turn::new()?), (Opened::new(run, candidate, &how)?, Turn::new()?)];
    let limit = Limit { commits: plan.short_turn, time: plan.time };
    let start = Instant::now();
    for _ in 0..plan.short_turns {
        for (opened, turn) in &mut sides {
            turn.run(limit, |n| commit(opened, n, plan.batch, Level::Synced))?;
        }
        // Whoever was second is first now.
        sides.reverse();
        if start.elapsed() >= plan.time {
            break;
        }
    }
    if sides[0].0.dir().file_name().is_none_or(|name| name != FLOOR) {
        sides.reverse();
    }
    let [(_, floor_turn), (_, turn)] = &sides;
    let place = Place {
        workload: plan.workload,
        engine: candidate.facts.engine,
        role: None,
        round,
        threads: 1,
        batch: plan.batch,
    };
    print(&Line::Turn(TurnLine::new(place, turn, Some(floor_turn))))?;
    print(&Line::Turn(TurnLine::new(Place { engine: FLOOR, ..place }, floor_turn, Some(floor_turn))))
}
