//! All checks, one after the other, up to the first that fails.

use std::time::Instant;

use crate::command::{cargo, run as run_command, works};
use crate::error::Error;
use crate::{lint, loom, report, without_std};

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
    Step { name: "loom", check: || loom::run().map(passed) },
];

pub(crate) fn run() -> Result<(), Error> {
    run_steps(STEPS, report::line)
}

/// Says one line about each step that was done.
fn run_steps(steps: &[Step], say: impl Fn(String)) -> Result<(), Error> {
    for step in steps {
        let start = Instant::now();
        let result = (step.check)();
        say(format!("ci: {:<12} {:>6.1} s  {}", step.name, start.elapsed().as_secs_f64(), verdict(&result)));
        result?;
    }
    Ok(())
}

fn verdict(result: &Result<Outcome, Error>) -> String {
    match result {
        Ok(Outcome::Passed) => "ok".to_owned(),
        Ok(Outcome::Skipped(reason)) => format!("SKIPPED, {reason}"),
        Err(_) => "FAILED".to_owned(),
    }
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

/// The part of `deny.toml` that needs no network. A skip that matches nothing is an error too.
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
    use std::cell::RefCell;

    use super::{Outcome, Step, run_steps};
    use crate::error::Error;

    const PASSING: Step = Step { name: "passing", check: || Ok(Outcome::Passed) };
    const SKIPPED: Step = Step { name: "skipped", check: || Ok(Outcome::Skipped("not here")) };
    const FAILING: Step = Step { name: "failing", check: || Err(Error::Findings(1)) };

    #[track_caller]
    fn check(steps: &[Step], passes: bool, verdicts: &[&str]) {
        let lines = RefCell::new(Vec::new());
        let result = run_steps(steps, |line| lines.borrow_mut().push(line));
        assert_eq!(result.is_ok(), passes);
        let lines = lines.into_inner();
        let said: Vec<_> = lines.iter().filter_map(|line| line.split(" s  ").nth(1)).collect();
        assert_eq!(said, verdicts);
    }

    #[test]
    fn a_skipped_step_is_said_and_passes() {
        check(&[PASSING, SKIPPED, PASSING], true, &["ok", "SKIPPED, not here", "ok"]);
    }

    #[test]
    fn the_first_failure_ends_the_run() {
        check(&[PASSING, FAILING, PASSING], false, &["ok", "FAILED"]);
    }
}
