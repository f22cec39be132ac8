//! The state of an entity from its events: of one that was not asked for before, and again when nothing is new.

use std::path::Path;
use std::time::Duration;

use batpak::prelude::{Event, EventKind, EventSourced, Freshness, Projection, Store, StoreConfig, ValueInput};
use serde_json::Value;

use super::ENGINE;
use crate::answer::{Answer, Decoded, check_json};
use crate::engine::Failure;
use crate::fill::{Content, Entity, Fill};
use crate::line::{Line, Place, TurnLine, print};
use crate::measure::{Limit, Turn};
use crate::workloads::{Run, attempt};

#[derive(Default)]
struct Typed(Answer);

impl Projection for Typed {
    type Event = Decoded;

    fn apply(&mut self, event: &Event<Decoded>) {
        self.0.add(event.payload().check());
    }
}

struct Json(Answer);

impl EventSourced for Json {
    type Input = ValueInput;

    fn from_events(events: &[Event<Value>]) -> Option<Self> {
        events.first()?;
        let mut state = Self(Answer::default());
        for event in events {
            state.apply_event(event);
        }
        Some(state)
    }

    fn apply_event(&mut self, event: &Event<Value>) {
        self.0.add(check_json(event.payload()));
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[]
    }
}

pub(crate) fn project(run: &Run<'_>) -> Result<(), Failure> {
    let Ok(candidate) = run.candidate(ENGINE) else { return Ok(()) };
    let content = Content::new(run.readable_events());
    for round in 0..run.rounds() {
        attempt("project", ENGINE, || {
            let dir = run.shelf.closed(candidate, Fill::one_by_one(content.stored))?;
            turns(run, &dir, &content, round)
        })?;
    }
    Ok(())
}

fn turns(run: &Run<'_>, dir: &Path, content: &Content, round: u32) -> Result<(), Failure> {
    let store = Store::open(StoreConfig::new(dir))?;
    let time = Duration::from_millis(run.scaled(50, 500));
    let tell = |workload, commits, project: &mut dyn FnMut(u64) -> Result<(), Failure>| {
        let mut turn = Turn::new()?;
        turn.run(Limit { commits, time }, project)?;
        let batch = content.entities[0].events.events;
        let place = Place { stored: content.stored, ..Place::alone(workload, ENGINE, round, batch) };
        print(&Line::Turn(TurnLine::new(place, &turn)))
    };
    // Each entity once for each sort of projection, as long as nothing is new that is the first time.
    let every = content.entities.len() as u64;
    let entity = |n: u64| usize::try_from(n).ok().and_then(|n| content.entities.get(n)).ok_or("no such entity");
    tell("project", every, &mut |n| state(&store, entity(n)?, |typed: Typed| typed.0))?;
    tell("project-json", every, &mut |n| state(&store, entity(n)?, |json: Json| json.0))?;
    let mut kept = store.projected::<Typed>(&entity(0)?.name);
    tell("project-again", u64::MAX, &mut |_| {
        let state = kept.newest()?.ok_or("it has no state")?;
        state.0.expect(entity(0)?.events)
    })?;
    Ok(store.close()?)
}

fn state<T: EventSourced>(store: &Store, entity: &Entity, answer: impl FnOnce(T) -> Answer) -> Result<(), Failure> {
    let state: T = store.project(&entity.name, &Freshness::Consistent)?.ok_or("it has no state")?;
    answer(state).expect(entity.events)
}
