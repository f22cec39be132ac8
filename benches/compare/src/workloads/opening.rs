//! Opening a store that was closed.

use std::time::{Duration, Instant};

use super::{Run, attempt};
use crate::archive::Archive;
use crate::engine::{Candidate, Failure};
use crate::fill::{Content, Fill};
use crate::line::{Line, Place, TurnLine, print};
use crate::machine::settle;
use crate::measure::Turn;
use crate::shelf::reading;

const WORKLOAD: &str = "open";
const TIME: Duration = Duration::from_secs(1);

/// A million events, and for those whose stores are filled fast enough ten million.
pub(crate) fn open(run: &Run<'_>) -> Result<(), Failure> {
    rounds(run, &run.readable(), Fill::in_batches(run.readable_events(), 1000))?;
    if run.quick {
        return Ok(());
    }
    rounds(run, &run.large(), run.large_fill())
}

fn rounds(run: &Run<'_>, candidates: &[&Candidate], fill: Fill) -> Result<(), Failure> {
    let content = Content::new(fill.events());
    for round in 0..run.rounds() {
        for candidate in candidates {
            attempt(WORKLOAD, candidate.facts.engine, || turn(run, candidate, fill, &content, round))?;
        }
    }
    Ok(())
}

fn turn(run: &Run<'_>, candidate: &Candidate, fill: Fill, content: &Content, round: u32) -> Result<(), Failure> {
    let dir = run.shelf.closed(candidate, fill)?;
    settle(run.dir)?;
    let mut turn = Turn::new()?;
    let start = Instant::now();
    while turn.commits < run.scaled(2, 20) && start.elapsed() < TIME {
        let archive = turn.time(|| (reading(candidate)?.open)(&dir))?;
        check(&*archive, content)?;
        archive.close()?;
    }
    let place = Place { stored: content.stored, ..Place::alone(WORKLOAD, candidate.facts.engine, round, 1) };
    print(&Line::Turn(TurnLine::new(place, &turn)))
}

/// Whether the last event is there, and all of its entity.
pub(crate) fn check(archive: &dyn Archive, content: &Content) -> Result<(), Failure> {
    let entity = content.last_entity()?;
    archive.entity(&entity.name)?.expect(entity.events)
}
