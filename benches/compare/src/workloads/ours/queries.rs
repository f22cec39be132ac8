//! Queries that return a hundred rows, whatever the store holds: by entity, kind, tag and scope.

use std::path::Path;
use std::time::Duration;

use batpak::prelude::{
    AppendOptions, BatchAppendItem, CausationRef, Coordinate, EventKind, Region, Store, StoreConfig,
};

use super::{ENGINE, event, fill, item, usual_kind};
use crate::engine::Failure;
use crate::event::SCOPE;
use crate::line::{Line, Place, TurnLine, print};
use crate::measure::{Limit, Turn};
use crate::workloads::{Run, attempt};

const RETURNED: u64 = 100;
const RARE: &str = "rare";

/// A sort of query, with where its events are among those between two of them.
const QUERIES: &[(&str, u64)] = &[("query-entity", 0), ("query-kind", 1), ("query-tag", 2), ("query-scope", 3)];

pub(crate) fn queries(run: &Run<'_>) -> Result<(), Failure> {
    if run.candidate(ENGINE).is_err() {
        return Ok(());
    }
    for stored in run.scaled::<&[u64]>(&[10_000, 100_000], &[10_000, 100_000, 1_000_000, 10_000_000]) {
        attempt("queries", ENGINE, || {
            let dir = run.shelf.made(&format!("batpak-queries-{stored}"), |dir| {
                fill(Store::open(StoreConfig::new(dir))?, *stored, |n| item_of(n, stored / RETURNED))
            })?;
            turns(run, &dir, *stored)
        })?;
    }
    Ok(())
}

fn rare_kind() -> EventKind {
    EventKind::custom(1, 2)
}

/// Of every `step` events one is of the rare entity, one of the rare kind, one has the rare tag, one the rare scope.
fn item_of(n: u64, step: u64) -> Result<BatchAppendItem, Failure> {
    let usual = event(n).name();
    let (entity, scope, kind, tags): (_, _, _, &[&str]) = match n % step {
        0 => (RARE, SCOPE, usual_kind(), &[]),
        1 => (usual, SCOPE, rare_kind(), &[]),
        2 => (usual, SCOPE, usual_kind(), &[RARE]),
        3 => ("guest", RARE, usual_kind(), &[]),
        _ => return item(n, usual),
    };
    let (payload, options) = (event(n).payload(), AppendOptions::default().with_tags(tags));
    let coordinate = Coordinate::new(entity, scope)?;
    Ok(BatchAppendItem::new(coordinate, kind, &payload, options, CausationRef::None)?)
}

fn region(workload: &str) -> Region {
    match workload {
        "query-entity" => Region::entity(RARE),
        "query-kind" => Region::kind(rare_kind()),
        "query-tag" => Region::tag(RARE),
        _ => Region::scope(RARE),
    }
}

fn turns(run: &Run<'_>, dir: &Path, stored: u64) -> Result<(), Failure> {
    let store = Store::open(StoreConfig::new(dir))?;
    let time = Duration::from_millis(run.scaled(20, 300));
    let step = stored / RETURNED;
    for round in 0..run.rounds() {
        for (workload, first) in QUERIES {
            let region = region(workload);
            let mut turn = Turn::new()?;
            turn.run(Limit { commits: u64::MAX, time }, |_| {
                let rows = store.query(&region)?;
                let expected = (*first..stored).step_by(usize::try_from(step)?);
                let is_right = rows.iter().map(|row| row.sequence).eq(expected);
                if is_right { Ok(()) } else { Err(format!("{workload}: wrong rows, {} of them", rows.len()).into()) }
            })?;
            let place = Place { stored, ..Place::alone(workload, ENGINE, round, RETURNED) };
            print(&Line::Turn(TurnLine::new(place, &turn)))?;
        }
    }
    Ok(store.close()?)
}
