//! Tests of the tests: each patch in `tests/planted` breaks one promise, and some tool has to notice.
//!
//! A patch is applied to a copy of the sources, which is then built and given to one tool after the other, from the
//! quickest to the slowest, until one of them fails. A patch that does not apply, does not build, or is noticed by no tool
//! is a failure of this task; so is a tool that fails without any patch.

mod faults;
mod sources;
mod table;
mod tools;
mod trial;

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::report;
use crate::workspace::target_directory;
use faults::Fault;
use sources::Sources;
use table::{Row, Verdict};
use tools::{TOOLS, Tool};
use trial::Outcome;

/// Tries all faults, or the one with this name.
pub(crate) fn run(only: Option<&str>) -> Result<(), Error> {
    let faults = chosen(faults::all()?, only)?;
    let sources = Sources::copied_to(&target_directory()?.join("planted"))?;
    for tool in TOOLS {
        report::line(format!("planted: {:<10} {}", tool.name, tool.line()));
    }
    if only.is_none() {
        try_without_fault(&sources)?;
    }
    let mut rows = Vec::new();
    for fault in &faults {
        report::line(format!("planted: {}: {}", fault.name, fault.says));
        let row = Row { fault: fault.name.clone(), verdict: try_fault(&sources, fault)? };
        report::line(format!("planted: {row}"));
        rows.push(row);
    }
    report::line(table::of(&rows));
    match rows.iter().filter(|row| !row.verdict.is_found()).count() {
        0 => Ok(()),
        count => Err(Error::NotFound(count)),
    }
}

fn chosen(faults: Vec<Fault>, only: Option<&str>) -> Result<Vec<Fault>, Error> {
    let Some(name) = only else { return Ok(faults) };
    let chosen: Vec<Fault> = faults.into_iter().filter(|fault| fault.name == name).collect();
    if chosen.is_empty() { Err(Error::Usage(format!("there is no tests/planted/{name}.patch"))) } else { Ok(chosen) }
}

/// What fails by itself finds nothing.
fn try_without_fault(sources: &Sources) -> Result<(), Error> {
    for tool in TOOLS {
        let begun = Instant::now();
        match trial::of(tool, sources, "none")? {
            Outcome::Passed => {
                report::line(format!("planted: {:<10} {}, no fault", tool.name, seconds(begun.elapsed())));
            }
            outcome => return Err(Error::Tool { tool: tool.name, what: outcome.to_string() }),
        }
    }
    Ok(())
}

fn try_fault(sources: &Sources, fault: &Fault) -> Result<Verdict, Error> {
    if !sources.apply(fault)? {
        return Ok(Verdict::DoesNotApply);
    }
    let verdict = found_by(sources, fault);
    sources.restore(fault)?;
    verdict
}

fn found_by(sources: &Sources, fault: &Fault) -> Result<Verdict, Error> {
    let begun = Instant::now();
    for tool in tools_for(fault) {
        let what = match trial::of(tool, sources, &fault.name)? {
            Outcome::Passed => continue,
            Outcome::NotBuilt => return Ok(Verdict::DoesNotBuild),
            outcome => outcome.to_string(),
        };
        return Ok(Verdict::Found { tool: tool.name, what, after: begun.elapsed() });
    }
    Ok(Verdict::NotFound { after: begun.elapsed() })
}

/// Those that run what the fault is in.
fn tools_for(fault: &Fault) -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().filter(|tool| fault.files.iter().any(|file| tool.runs(file)))
}

fn seconds(time: Duration) -> String {
    format!("{:>6.1} s", time.as_secs_f64())
}
