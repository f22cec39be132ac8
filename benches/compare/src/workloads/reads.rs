//! Reading a store that was filled before: engines in turn, the same operation again and again.

use std::sync::Barrier;
use std::time::Duration;

use super::threads::together;
use super::{Run, attempt};
use crate::answer::{Answer, Decoding};
use crate::archive::{Archive, Key};
use crate::engine::{Candidate, Failure};
use crate::event::{Event, mix};
use crate::fill::{Content, Fill};
use crate::line::{Line, Place, TurnLine, print};
use crate::measure::{Limit, Turn};
use crate::shelf::reading;

/// What is read by one operation.
#[derive(Clone, Copy)]
pub(crate) enum Verb {
    /// An event at random.
    Get(Decoding),
    /// All events of an entity, each time another one.
    Entity,
    /// The rows of an entity, each time another one.
    List,
    Replay,
}

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) workload: &'static str,
    pub(crate) verb: Verb,
    /// One number of threads after the other, in the same round.
    pub(crate) threads: &'static [u64],
}

impl Plan {
    pub(crate) const fn alone(workload: &'static str, verb: Verb) -> Self {
        Self { workload, verb, threads: &[1] }
    }
}

const SINGLE: &[Plan] = &[
    Plan::alone("get", Verb::Get(Decoding::Json)),
    Plan::alone("get-typed", Verb::Get(Decoding::Typed)),
    Plan { workload: "get-threads", verb: Verb::Get(Decoding::Json), threads: &[1, 2] },
    Plan::alone("entity", Verb::Entity),
    Plan::alone("list", Verb::List),
    Plan::alone("replay", Verb::Replay),
];

const BATCHED: &[Plan] = &[Plan::alone("entity-batched", Verb::Entity), Plan::alone("replay-batched", Verb::Replay)];

/// Events that were written one by one, and in batches of 1000 that go over all entities.
pub(crate) fn reads(run: &Run<'_>) -> Result<(), Failure> {
    let content = Content::new(run.readable_events());
    for (fill, plans) in [(Fill::one_by_one(content.stored), SINGLE), (Fill::in_batches(content.stored, 1000), BATCHED)]
    {
        let mut opened = Vec::new();
        for candidate in run.readable() {
            attempt("reads", candidate.facts.engine, || {
                let dir = run.shelf.closed(candidate, fill)?;
                opened.push((candidate, (reading(candidate)?.open)(&dir)?));
                Ok(())
            })?;
        }
        for plan in plans {
            rounds(run, *plan, &content, &opened)?;
        }
        for (_, archive) in opened {
            archive.close()?;
        }
    }
    Ok(())
}

/// Engine after engine, round after round. One that cannot do it is asked once.
fn rounds(
    run: &Run<'_>,
    plan: Plan,
    content: &Content,
    opened: &[(&Candidate, Box<dyn Archive>)],
) -> Result<(), Failure> {
    let mut able: Vec<_> = opened.iter().map(|(candidate, archive)| (candidate.facts.engine, &**archive)).collect();
    for round in 0..run.rounds() {
        let mut failed = Vec::new();
        for (engine, archive) in &able {
            attempt(plan.workload, engine, || {
                failed.push(*engine);
                turn(run, plan, content, *archive, engine, round)?;
                failed.pop();
                Ok(())
            })?;
        }
        able.retain(|(engine, _)| !failed.contains(engine));
    }
    Ok(())
}

pub(crate) fn turn(
    run: &Run<'_>,
    plan: Plan,
    content: &Content,
    archive: &dyn Archive,
    engine: &'static str,
    round: u32,
) -> Result<(), Failure> {
    let Plan { workload, verb, threads } = plan;
    let samples = run.scaled(10_000, 100_000);
    let time = Duration::from_millis(run.scaled(30, 500));
    let batch = match verb {
        Verb::Get(_) => 1,
        Verb::Entity | Verb::List => content.entities[0].events.events,
        Verb::Replay => content.stored,
    };
    for threads in threads.iter().copied() {
        let operations: Result<Vec<_>, _> = (0..threads)
            .map(|thread| operation(verb, archive, content, thread * samples..(thread + 1) * samples))
            .collect();
        let turns = at_once(operations?, time)?;
        let place = Place { workload, engine, role: None, round, threads, batch, stored: content.stored };
        print(&Line::Turn(TurnLine::new(place, &together(&turns)?)))?;
    }
    Ok(())
}

/// Reads the `n`th time, and fails if the answer is wrong.
type Operation<'a> = Box<dyn FnMut(u64) -> Result<(), Failure> + Send + 'a>;

fn operation<'a>(
    verb: Verb,
    archive: &'a dyn Archive,
    content: &'a Content,
    samples: std::ops::Range<u64>,
) -> Result<Operation<'a>, Failure> {
    let entities = &content.entities;
    Ok(match verb {
        Verb::Get(decoding) => {
            let samples = sampled(archive, content.stored, samples)?;
            Box::new(move |n| {
                let (key, expected) = samples[index(n, samples.len())];
                archive.get(key, decoding)?.expect(expected)
            })
        }
        Verb::Entity => Box::new(move |n| {
            let entity = &entities[index(mix(n), entities.len())];
            archive.entity(&entity.name)?.expect(entity.events)
        }),
        Verb::List => Box::new(move |n| {
            let entity = &entities[index(mix(n), entities.len())];
            archive.list(&entity.name)?.expect(entity.rows)
        }),
        Verb::Replay => Box::new(move |_| archive.replay()?.expect(content.all)),
    })
}

/// Keys of events at random, and what each has to come to.
fn sampled(archive: &dyn Archive, stored: u64, samples: std::ops::Range<u64>) -> Result<Vec<(Key, Answer)>, Failure> {
    let sequences: Vec<u64> = samples.map(|sample| mix(sample) % stored).collect();
    let expected = sequences.iter().map(|sequence| Answer::one(Event::nth(0, 1, *sequence).payload().check()));
    Ok(archive.keys(&sequences)?.into_iter().zip(expected).collect())
}

fn index(n: u64, len: usize) -> usize {
    usize::try_from(n % len as u64).unwrap_or(0)
}

/// Each operation on a thread of its own, for `time`, after a tenth of it to get warm.
fn at_once(operations: Vec<Operation<'_>>, time: Duration) -> Result<Vec<Turn>, Failure> {
    let barrier = Barrier::new(operations.len());
    std::thread::scope(|scope| {
        let running: Vec<_> = operations
            .into_iter()
            .map(|mut operation| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let warm = Turn::new()?.run(Limit { commits: u64::MAX, time: time / 10 }, &mut operation);
                    barrier.wait();
                    warm?;
                    let mut turn = Turn::new()?;
                    turn.run(Limit { commits: u64::MAX, time }, &mut operation)?;
                    Ok(turn)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect()
    })
}
