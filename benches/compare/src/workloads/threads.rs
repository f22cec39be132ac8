//! Several threads, each appending synced events one by one.

use std::sync::Barrier;
use std::time::Duration;

use super::{How, Opened, Run, attempt};
use crate::engine::{Candidate, Failure, Level};
use crate::event::Event;
use crate::line::{Line, Place, TurnLine, print};
use crate::measure::{Limit, Turn};

const WORKLOAD: &str = "threads-synced";
const THREADS: &[u64] = &[1, 2, 4, 8, 16, 64];

pub(crate) fn threads_synced(run: &Run<'_>) -> Result<(), Failure> {
    let candidates = run.those(|facts| facts.syncs && facts.engine != "floor-pwrite" && facts.engine != "floor-zeroed");
    for round in 0..run.rounds() {
        for threads in THREADS {
            for candidate in &candidates {
                let engine = candidate.facts.engine;
                attempt(WORKLOAD, engine, || turn(run, candidate, round, *threads))?;
            }
        }
    }
    Ok(())
}

fn turn(run: &Run<'_>, candidate: &Candidate, round: u32, threads: u64) -> Result<(), Failure> {
    let how = How { level: Level::Synced, threads, max_events: run.scaled(20_000, 200_000) };
    let opened = Opened::new(run, candidate, &how)?;
    let levels = vec![Level::Synced; usize::try_from(threads)?];
    let time = Duration::from_millis(run.scaled(150, 1000));
    let turns = at_once(&opened, &levels, time)?;
    let place =
        Place { workload: WORKLOAD, engine: candidate.facts.engine, role: None, round, threads, batch: 1, stored: 0 };
    print(&Line::Turn(TurnLine::new(place, &together(&turns)?)))
}

/// One thread for each of `levels` appends at its level for `time`.
pub(crate) fn at_once(opened: &Opened, levels: &[Level], time: Duration) -> Result<Vec<Turn>, Failure> {
    let barrier = Barrier::new(levels.len());
    let threads = levels.len() as u64;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .zip(levels)
            .map(|(thread, level)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut turn = Turn::new()?;
                    barrier.wait();
                    let limit = Limit { commits: u64::MAX, time };
                    turn.run(limit, |n| opened.append(&Event::nth(thread, threads, n), *level))?;
                    Ok(turn)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect()
    })
}

/// What the threads did together.
pub(crate) fn together(turns: &[Turn]) -> Result<Turn, Failure> {
    let mut sum = Turn::new()?;
    for turn in turns {
        sum.commits += turn.commits;
        sum.elapsed = sum.elapsed.max(turn.elapsed);
        sum.latencies.add(&turn.latencies)?;
    }
    Ok(sum)
}
