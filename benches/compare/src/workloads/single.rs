//! One thread, engines in turn: events one by one or in batches, synced after every 1000.

use std::time::Duration;

use super::{How, Opened, Run, attempt};
use crate::engine::{Candidate, Facts, Failure, Level};
use crate::event::Event;
use crate::line::{Line, Place, TurnLine, print};
use crate::measure::{Limit, Turn};

pub(crate) struct Plan {
    pub(crate) workload: &'static str,
    pub(crate) level: Level,
    pub(crate) batch: u64,
    pub(crate) events: u64,
    pub(crate) time: Duration,
}

/// One by one at `Written`. Enough events that segments are sealed and tables are flushed, or as many as fit the time.
pub(crate) fn append_written(run: &Run<'_>) -> Result<(), Failure> {
    let plan = Plan {
        workload: "append-written",
        level: Level::Written,
        batch: 1,
        events: run.scaled(100_000, 1_500_000),
        time: Duration::from_millis(run.scaled(400, 6000)),
    };
    rounds(run, &plan, Facts::has_written)
}

/// A million events in batches of 1000. A batch is synced; batpak also runs at `Written`, where a sync may overlap with
/// the next batch and 1000 events are at risk. For the others that would be the same again.
pub(crate) fn bulk(run: &Run<'_>) -> Result<(), Failure> {
    let plan = Plan {
        workload: "bulk",
        level: Level::Synced,
        batch: 1000,
        events: run.scaled(100_000, 1_000_000),
        time: Duration::from_secs(run.scaled(2, 15)),
    };
    rounds(run, &plan, |facts| facts.engine != "floor-pwrite")?;
    let plan = Plan { workload: "bulk-written", level: Level::Written, ..plan };
    rounds(run, &plan, |facts| facts.engine == "floor" || facts.keeps_sync_policy)
}

fn rounds(run: &Run<'_>, plan: &Plan, wanted: impl Fn(&Facts) -> bool) -> Result<(), Failure> {
    let candidates = run.those(wanted);
    for round in 0..run.rounds() {
        for candidate in &candidates {
            attempt(plan.workload, candidate.facts.engine, || turn(run, plan, candidate, round))?;
        }
    }
    Ok(())
}

fn turn(run: &Run<'_>, plan: &Plan, candidate: &Candidate, round: u32) -> Result<(), Failure> {
    let how = How { level: plan.level, threads: 1, max_events: plan.events };
    let mut opened = Opened::new(run, candidate, &how)?;
    let mut turn = Turn::new()?;
    let limit = Limit { commits: plan.events / plan.batch, time: plan.time };
    turn.run(limit, |n| commit(&opened, n, plan.batch, plan.level))?;
    opened.close()?;
    let place = Place::alone(plan.workload, candidate.facts.engine, round, plan.batch);
    print(&Line::Turn(TurnLine::new(place, &turn)))
}

/// Commit number `n` of the only thread.
pub(crate) fn commit(opened: &Opened, n: u64, batch: u64, level: Level) -> Result<(), Failure> {
    if batch == 1 {
        return opened.append(&Event::nth(0, 1, n), level);
    }
    let events: Vec<Event> = (n * batch..(n + 1) * batch).map(|n| Event::nth(0, 1, n)).collect();
    opened.append_batch(&events, level)
}
