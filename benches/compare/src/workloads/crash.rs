//! Opening a store whose process was killed, and closing one, with an active segment that is nearly full and with one
//! that has just begun.

use super::opening::check;
use super::{Run, attempt};
use crate::engine::{Candidate, Failure, Level, Opening, Role, Survives};
use crate::engines::frame_len;
use crate::event::Event;
use crate::fill::{Content, Fill};
use crate::line::{Line, Place, TurnLine, print};
use crate::measure::Turn;
use crate::shelf::{Copied, reading};

const OPEN: &str = "open-killed";
const CLOSE: &str = "close";
/// What batpak seals a segment at, if not told otherwise.
const SEGMENT_LEN: u64 = 64 << 20;
/// Of an engine that keeps nothing before the next sync, some are there.
const PEERS_QUICK: u64 = 5000;
/// Appended before closing, so that there is something to be done.
const APPENDS: u64 = 1000;

pub(crate) fn killed(run: &Run<'_>) -> Result<(), Failure> {
    for (role, percent_of_segment) in [("full", 95), ("small", 3)] {
        for round in 0..run.rounds() {
            for candidate in run.readable() {
                let fill = fill(run, candidate, percent_of_segment);
                attempt(OPEN, candidate.facts.engine, || turn(run, candidate, fill, role, round))?;
            }
        }
    }
    Ok(())
}

/// Nearly two segments of batpak in batches of 1000, and from there one by one until so much of a segment is used.
/// In a quick run there are no sealed segments, and peers have few events.
fn fill(run: &Run<'_>, candidate: &Candidate, percent_of_segment: u64) -> Fill {
    let singles = |percent| percent * SEGMENT_LEN / 100 / frame_len(1) as u64;
    if run.quick {
        let is_ours = candidate.facts.role == Role::Ours;
        return Fill::one_by_one(if is_ours { singles(percent_of_segment) } else { PEERS_QUICK });
    }
    let batches = 2 * SEGMENT_LEN * 99 / 100 / frame_len(1000) as u64;
    Fill { batches, batch: 1000, singles: singles(percent_of_segment + 2) }
}

fn turn(run: &Run<'_>, candidate: &Candidate, fill: Fill, role: &'static str, round: u32) -> Result<(), Failure> {
    let facts = &candidate.facts;
    let content = Content::new(match facts.written {
        Survives::NothingBeforeSync => fill.synced_events(),
        Survives::ProcessDeath | Survives::AlwaysSynced => fill.events(),
    });
    let copy = Copied::new(&run.shelf.killed(candidate, fill)?)?;
    let stored = content.stored;
    let tell = |workload, turn: &Turn| {
        let place = Place { role: Some(role), stored, ..Place::alone(workload, facts.engine, round, 1) };
        print(&Line::Turn(TurnLine::new(place, turn)))
    };
    let mut opening = Turn::new()?;
    let archive = opening.time(|| (reading(candidate)?.open)(copy.dir()))?;
    check(&*archive, &content)?;
    archive.close()?;
    tell(OPEN, &opening)?;
    // The floor keeps nothing open that would have to be closed.
    if facts.role == Role::Floor {
        return Ok(());
    }
    let mut closing = Turn::new()?;
    let opening = Opening { dir: copy.dir(), level: Level::Written, threads: 1, max_events: stored + APPENDS };
    let engine = (reading(candidate)?.fill)(opening)?;
    for n in stored..stored + APPENDS {
        engine.append(&Event::nth(0, 1, n), Level::Written)?;
    }
    closing.time(|| engine.close())?;
    tell(CLOSE, &closing)
}
