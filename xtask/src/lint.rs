//! The rules of this workspace that neither rustc nor clippy knows.

mod arrows;
mod attributes;
mod manifests;
mod orphans;
mod restricted;
mod unsafe_code;

use std::fmt;

use crate::error::Error;
use crate::report;
use crate::workspace::Workspace;

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// A file, with `:line` where there is one.
    place: String,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

pub(crate) fn run() -> Result<(), Error> {
    let workspace = Workspace::read()?;
    let findings = findings(&workspace);
    findings.iter().for_each(report::line);
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings(findings.len())) }
}

fn findings(workspace: &Workspace) -> Vec<Finding> {
    let Workspace { packages, sources } = workspace;
    [
        arrows::check(packages),
        manifests::check(packages),
        orphans::check(packages, sources),
        restricted::check(sources),
        unsafe_code::check(packages, sources),
        attributes::check(sources),
    ]
    .concat()
}
