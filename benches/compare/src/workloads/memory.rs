//! What a process takes that opens a store and appends to it.

use super::{Run, attempt};
use crate::child::open_and_append;
use crate::engine::{Candidate, Failure};
use crate::fill::Fill;
use crate::machine::settle;

const APPENDS: u64 = 100_000;

/// A million events; in a full run of every engine, and ten million of some.
pub(crate) fn memory(run: &Run<'_>) -> Result<(), Failure> {
    if run.quick {
        return each(run, &run.large(), run.large_fill());
    }
    each(run, &run.readable(), Fill::in_batches(run.readable_events(), 1000))?;
    each(run, &run.large(), run.large_fill())
}

fn each(run: &Run<'_>, candidates: &[&Candidate], fill: Fill) -> Result<(), Failure> {
    for candidate in candidates {
        let engine = candidate.facts.engine;
        attempt("memory", engine, || {
            let dir = run.shelf.closed(candidate, fill)?;
            settle(run.dir)?;
            open_and_append(engine, &dir, fill.events(), APPENDS)?;
            run.shelf.discard(&dir)
        })?;
    }
    Ok(())
}
