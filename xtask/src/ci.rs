//! All checks, one after the other, up to the first that fails.

use std::time::Instant;

use crate::command::{cargo, run as run_command, works};
use crate::error::Error;
use crate::{lint, report, without_std};

struct Step {
    name: &'static str,
    check: fn() -> Result<Outcome, Error>,
}

#[derive(Debug)]
enum Outcome {
    Passed,
    Skipped(&'static str),
}

const STEPS: &[Step] = &[
    Step { name: "format", check: format },
    Step { name: "clippy", check: clippy },
    Step { name: "docs", check: docs },
    Step { name: "lint", check: || lint::run().map(passed) },
    Step { name: "dependencies", check: dependencies },
    Step { name: "without std", check: || without_std::run().map(passed) },
];

pub(crate) fn run() -> Result<(), Error> {
    STEPS.iter().try_for_each(timed)
}

/// Does the step and prints one line about it.
fn timed(step: &Step) -> Result<(), Error> {
    let start = Instant::now();
    let result = (step.check)();
    let outcome = match &result {
        Ok(Outcome::Passed) => "ok".to_owned(),
        Ok(Outcome::Skipped(reason)) => format!("SKIPPED, {reason}"),
        Err(_) => "FAILED".to_owned(),
    };
    report::line(format_args!("ci: {:<12} {:>6.1} s  {outcome}", step.name, start.elapsed().as_secs_f64()));
    result.map(drop)
}

fn passed((): ()) -> Outcome {
    Outcome::Passed
}

fn format() -> Result<Outcome, Error> {
    run_command(&mut cargo(&["fmt", "--all", "--check"])).map(passed)
}

fn clippy() -> Result<Outcome, Error> {
    run_command(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])).map(passed)
}

fn docs() -> Result<Outcome, Error> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    run_command(doc.env("RUSTDOCFLAGS", "-D warnings")).map(passed)
}

/// The part of `deny.toml` that needs no network. A skip that no longer matches anything is an error too.
fn dependencies() -> Result<Outcome, Error> {
    if !works(&mut cargo(&["deny", "--version"])) {
        return Ok(Outcome::Skipped("cargo-deny is not installed"));
    }
    let stale_skips = ["-D", "unmatched-skip", "-D", "unnecessary-skip"];
    let mut deny = cargo(&["deny", "check"]);
    run_command(deny.args(stale_skips).args(["bans", "licenses", "sources"])).map(passed)
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Step, timed};
    use crate::error::Error;

    #[test]
    fn a_failing_step_is_an_error_and_a_skipped_one_is_not() {
        let failing = Step { name: "failing", check: || Err(Error::Findings(1)) };
        let skipped = Step { name: "skipped", check: || Ok(Outcome::Skipped("not here")) };
        assert!(timed(&failing).is_err());
        assert!(timed(&skipped).is_ok());
    }
}
