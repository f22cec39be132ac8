//! One thread that waits for the disk with every append, beside three that do not.

use std::time::Duration;

use super::threads::{at_once, together};
use super::{How, Opened, Run, attempt};
use crate::engine::{Candidate, Failure, Level};
use crate::line::{Line, Place, TurnLine, print};

const WORKLOAD: &str = "mixed";
const LEVELS: [Level; 4] = [Level::Synced, Level::Written, Level::Written, Level::Written];

pub(crate) fn mixed(run: &Run<'_>) -> Result<(), Failure> {
    let candidates = run.those(|facts| facts.syncs && facts.has_written() && facts.engine != "floor-pwrite");
    for round in 0..run.rounds() {
        for candidate in &candidates {
            attempt(WORKLOAD, candidate.facts.engine, || turn(run, candidate, round))?;
        }
    }
    Ok(())
}

fn turn(run: &Run<'_>, candidate: &Candidate, round: u32) -> Result<(), Failure> {
    let threads = LEVELS.len() as u64;
    let how = How { level: Level::Written, threads, max_events: run.scaled(100_000, 1_000_000) };
    let opened = Opened::new(run, candidate, &how)?;
    let turns = at_once(&opened, &LEVELS, Duration::from_millis(run.scaled(300, 2000)))?;
    let (synced, written) = turns.split_at(1);
    for (role, turns) in [("synced", synced), ("written", written)] {
        let place = Place {
            workload: WORKLOAD,
            engine: candidate.facts.engine,
            role: Some(role),
            round,
            threads: turns.len() as u64,
            batch: 1,
            stored: 0,
        };
        print(&Line::Turn(TurnLine::new(place, &together(turns)?)))?;
    }
    Ok(())
}
