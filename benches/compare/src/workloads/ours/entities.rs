//! As many entities as there are events, nearly: every hundredth event goes to one of ten entities, each other one to an
//! entity of its own. The ten are what is listed and read.

use std::time::Duration;

use batpak::prelude::{Coordinate, Store, StoreConfig};

use super::{BATCH, ENGINE, event, fill, item, usual_kind};
use crate::answer::{Answer, Decoding};
use crate::engine::Failure;
use crate::event::SCOPE;
use crate::fill::{Content, Entity};
use crate::line::{Line, Place, TurnLine, print};
use crate::measure::{Limit, Turn};
use crate::shelf::reading;
use crate::workloads::reads::{Plan, Verb, turn};
use crate::workloads::{Run, attempt};

const LONG: u64 = 10;
const ONE_IN: u64 = 100;

const PLANS: &[Plan] = &[
    Plan::alone("entities-get", Verb::Get(Decoding::Json)),
    Plan::alone("entities-get-typed", Verb::Get(Decoding::Typed)),
    Plan::alone("entities-entity", Verb::Entity),
    Plan::alone("entities-list", Verb::List),
];

pub(crate) fn entities(run: &Run<'_>) -> Result<(), Failure> {
    let Ok(candidate) = run.candidate(ENGINE) else { return Ok(()) };
    let content = content(run.readable_events());
    for round in 0..run.rounds() {
        attempt("entities-append", ENGINE, || append(run, content.stored, round))?;
        attempt("entities", ENGINE, || {
            let dir = run.shelf.made("batpak-entities", |dir| {
                fill(Store::open(StoreConfig::new(dir))?, content.stored, |n| item(n, &name(n)))
            })?;
            let archive = (reading(candidate)?.open)(&dir)?;
            PLANS.iter().try_for_each(|plan| turn(run, *plan, &content, &*archive, ENGINE, round))?;
            archive.close()
        })?;
    }
    Ok(())
}

/// What the event number `n` belongs to.
fn name(n: u64) -> String {
    if n.is_multiple_of(ONE_IN) { long(n / ONE_IN % LONG) } else { format!("account-{n:08}") }
}

fn long(number: u64) -> String {
    format!("long-{number}")
}

fn content(stored: u64) -> Content {
    let mut all = Answer::default();
    (0..stored).for_each(|n| all.add(event(n).payload().check()));
    let entities = (0..LONG).map(|number| {
        let mut entity = Entity { name: long(number), ..Entity::default() };
        let sequences = (number * ONE_IN..stored).step_by(1000);
        for (revision, sequence) in (0..).zip(sequences) {
            entity.events.add(event(sequence).payload().check());
            entity.rows.add_row(revision, sequence);
        }
        entity
    });
    Content { stored, all, entities: entities.collect() }
}

/// One by one at `Written`: as with a thousand entities, but for the names.
fn append(run: &Run<'_>, events: u64, round: u32) -> Result<(), Failure> {
    let dir = run.dir.join("batpak-entities-append");
    let store = Store::open(StoreConfig::new(&dir))?;
    let mut turn = Turn::new()?;
    let limit = Limit { commits: BATCH, time: Duration::MAX };
    while turn.commits < events {
        // Who appends has its coordinate: making it is no part of the append.
        let first = turn.commits;
        let coordinates: Result<Vec<_>, _> =
            (first..first + BATCH).map(|n| Coordinate::new(name(n).as_str(), SCOPE)).collect();
        let coordinates = coordinates?;
        turn.run(limit, |n| {
            let coordinate = &coordinates[usize::try_from(n - first)?];
            store.append(coordinate, usual_kind(), &event(n).payload())?;
            Ok(())
        })?;
    }
    store.close()?;
    std::fs::remove_dir_all(&dir)?;
    let place = Place { stored: events, ..Place::alone("entities-append", ENGINE, round, 1) };
    print(&Line::Turn(TurnLine::new(place, &turn)))
}
