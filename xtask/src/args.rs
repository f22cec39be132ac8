//! The command line.

use std::path::PathBuf;

use crate::error::Error;

pub(crate) const HELP: &str = "\
usage: cargo xtask <task>

  lint              the rules of this workspace that rustc and clippy do not know
  test              all tests that do not depend on the hardware
  ci                format, clippy, docs, lint, dependencies, builds without std
  perf-gates        the ignored tests, in release mode: they measure this machine
  bench             all benches of this workspace
  bench --compare   measures batpak beside other stores and writes docs/BENCHMARKS.md; with `--quick`, less of
                    everything, and the report goes below target/
  bench --report F  writes docs/BENCHMARKS.md from the lines of an earlier comparison
  crash             kill a writing process, cut the power of an ext4 and an xfs under it, make its syncs fail, and check
                    what it had promised; `--kills N`, `--ext4 N`, `--xfs N` and `--failed-syncs N` say how often, and
                    what is asked for so is an error where it cannot be done; `--seed S` repeats a run
  model --cases N   run N random cases of a store beside a plain list of events, in release mode; `--seed S` says which
                    one is the first
  histories --runs N  have several threads use a store at once, N times, in release mode, and check that all they see can
                    have happened in one order; `--seed S` says which one is the first
  sim --runs N      live N random lives of a store on a machine that crashes and fails, in release mode, from the seed of
                    `--seed S` on; a million crashes take about 180,000 lives, and a single one is told step by step
  loom              run what is lock-free in every order that threads can meet in, up to a bound
  fuzz              look for inputs that break a promise, a minute with each target of `fuzz`; `--target T` says with
                    which one alone, `--seconds N` how long. Needs a nightly compiler and cargo-fuzz
  planted           plant the faults of tests/planted in a copy of the sources, one after the other, and see that a test
                    finds each; `--only NAME` plants one
  help              this text";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Lint,
    Test,
    Ci,
    PerfGates,
    Bench(Bench),
    Crash(Crash),
    Model { cases: u64, seed: u64 },
    Histories { runs: u64, seed: u64 },
    Sim { runs: u64, seed: u64 },
    Loom,
    Fuzz(Fuzz),
    Planted { only: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fuzz {
    /// All of them, unless one is named.
    pub(crate) target: Option<String>,
    /// How long, for each.
    pub(crate) seconds: u32,
}

const FUZZ_SECONDS: u32 = 60;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bench {
    All,
    Compare {
        quick: bool,
    },
    /// The report alone, from a file of lines.
    Report(PathBuf),
}

/// How often, where that is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) kills: Option<u32>,
    pub(crate) ext4: Option<u32>,
    pub(crate) xfs: Option<u32>,
    pub(crate) failed_syncs: Option<u32>,
    pub(crate) seed: Option<u64>,
}

pub(crate) fn parse(args: &[String]) -> Result<Task, Error> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["help" | "--help" | "-h"] => Ok(Task::Help),
        ["lint"] => Ok(Task::Lint),
        ["test"] => Ok(Task::Test),
        ["ci"] => Ok(Task::Ci),
        ["perf-gates"] => Ok(Task::PerfGates),
        ["bench"] => Ok(Task::Bench(Bench::All)),
        ["bench", "--compare"] => Ok(Task::Bench(Bench::Compare { quick: false })),
        ["bench", "--compare", "--quick"] => Ok(Task::Bench(Bench::Compare { quick: true })),
        ["bench", "--report", file] => Ok(Task::Bench(Bench::Report(file.into()))),
        ["bench", ..] => Err(Error::Usage("bench takes nothing, `--compare [--quick]` or `--report FILE`".to_owned())),
        ["crash", options @ ..] => crash(options).map(Task::Crash),
        ["model", "--cases", cases] => Ok(Task::Model { cases: number("--cases", cases)?, seed: 1 }),
        ["model", "--cases", cases, "--seed", seed] => {
            Ok(Task::Model { cases: number("--cases", cases)?, seed: number("--seed", seed)? })
        }
        ["model", ..] => Err(Error::Usage("model needs `--cases N [--seed S]`".to_owned())),
        ["histories", "--runs", runs] => Ok(Task::Histories { runs: number("--runs", runs)?, seed: 1 }),
        ["histories", "--runs", runs, "--seed", seed] => {
            Ok(Task::Histories { runs: number("--runs", runs)?, seed: number("--seed", seed)? })
        }
        ["histories", ..] => Err(Error::Usage("histories needs `--runs N [--seed S]`".to_owned())),
        ["sim", "--runs", runs] => Ok(Task::Sim { runs: number("--runs", runs)?, seed: 1 }),
        ["sim", "--runs", runs, "--seed", seed] | ["sim", "--seed", seed, "--runs", runs] => {
            Ok(Task::Sim { runs: number("--runs", runs)?, seed: number("--seed", seed)? })
        }
        ["sim", ..] => Err(Error::Usage("sim needs `--runs N [--seed S]`".to_owned())),
        ["loom"] => Ok(Task::Loom),
        ["fuzz", options @ ..] => fuzz(options).map(Task::Fuzz),
        ["planted"] => Ok(Task::Planted { only: None }),
        ["planted", "--only", name] => Ok(Task::Planted { only: Some((*name).to_owned()) }),
        ["planted", ..] => Err(Error::Usage("planted takes nothing or `--only NAME`".to_owned())),
        [] => Err(Error::Usage("no task given".to_owned())),
        _ => Err(Error::Usage(format!("no such task: `{}`", words.join(" ")))),
    }
}

fn fuzz(options: &[&str]) -> Result<Fuzz, Error> {
    let mut task = Fuzz { target: None, seconds: FUZZ_SECONDS };
    for option in options.chunks(2) {
        match option {
            ["--target", target] => task.target = Some((*target).to_owned()),
            ["--seconds", seconds] => {
                task.seconds = u32::try_from(number("--seconds", seconds)?).unwrap_or(u32::MAX);
            }
            _ => return Err(Error::Usage("fuzz takes nothing, `--target T` and `--seconds N`".to_owned())),
        }
    }
    Ok(task)
}

fn number(option: &str, value: &str) -> Result<u64, Error> {
    let parsed = value.parse().ok().filter(|number| *number > 0);
    parsed.ok_or_else(|| Error::Usage(format!("`{option} {value}`: not a number from 1 to {}", u64::MAX)))
}

fn crash(options: &[&str]) -> Result<Crash, Error> {
    let mut crash = Crash::default();
    for option in options.chunks(2) {
        match option {
            ["--kills", count] => crash.kills = Some(rounds("--kills", count)?),
            ["--ext4", count] => crash.ext4 = Some(rounds("--ext4", count)?),
            ["--xfs", count] => crash.xfs = Some(rounds("--xfs", count)?),
            ["--failed-syncs", count] => crash.failed_syncs = Some(rounds("--failed-syncs", count)?),
            ["--seed", seed] => crash.seed = Some(number("--seed", seed)?),
            _ => {
                let takes = "`--kills N`, `--ext4 N`, `--xfs N`, `--failed-syncs N` and `--seed S`";
                return Err(Error::Usage(format!("crash takes {takes}")));
            }
        }
    }
    Ok(crash)
}

fn rounds(option: &str, count: &str) -> Result<u32, Error> {
    count.parse().map_err(|_| Error::Usage(format!("`{option} {count}`: not a number from 0 to {}", u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::{Bench, Crash, Fuzz, Task, parse};

    fn parsed(line: &str) -> Result<Task, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&args).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_refused(line: &str, says: &str) {
        let message = parsed(line).expect_err("this line is no task");
        assert!(message.starts_with(says), "{message}");
        assert!(message.contains("usage: cargo xtask <task>"), "{message}");
    }

    #[test]
    fn each_task_has_its_word() {
        assert_eq!(parsed("help"), Ok(Task::Help));
        assert_eq!(parsed("lint"), Ok(Task::Lint));
        assert_eq!(parsed("test"), Ok(Task::Test));
        assert_eq!(parsed("ci"), Ok(Task::Ci));
        assert_eq!(parsed("perf-gates"), Ok(Task::PerfGates));
        assert_eq!(parsed("bench"), Ok(Task::Bench(Bench::All)));
        assert_eq!(parsed("bench --compare"), Ok(Task::Bench(Bench::Compare { quick: false })));
        assert_eq!(parsed("bench --compare --quick"), Ok(Task::Bench(Bench::Compare { quick: true })));
        assert_eq!(parsed("bench --report lines"), Ok(Task::Bench(Bench::Report("lines".into()))));
        assert_eq!(parsed("model --cases 40"), Ok(Task::Model { cases: 40, seed: 1 }));
        assert_eq!(parsed("model --cases 40 --seed 7"), Ok(Task::Model { cases: 40, seed: 7 }));
        assert_eq!(parsed("histories --runs 40"), Ok(Task::Histories { runs: 40, seed: 1 }));
        assert_eq!(parsed("histories --runs 40 --seed 7"), Ok(Task::Histories { runs: 40, seed: 7 }));
        assert_eq!(parsed("sim --runs 40"), Ok(Task::Sim { runs: 40, seed: 1 }));
        assert_eq!(parsed("sim --runs 40 --seed 7"), Ok(Task::Sim { runs: 40, seed: 7 }));
        assert_eq!(parsed("sim --seed 7 --runs 40"), Ok(Task::Sim { runs: 40, seed: 7 }));
        assert_eq!(parsed("loom"), Ok(Task::Loom));
        assert_eq!(parsed("crash"), Ok(Task::Crash(Crash::default())));
        let some = Crash { kills: Some(0), xfs: Some(3), ..Crash::default() };
        assert_eq!(parsed("crash --xfs 3 --kills 0"), Ok(Task::Crash(some)));
        let others = Crash { ext4: Some(1), failed_syncs: Some(2), seed: Some(7), ..Crash::default() };
        assert_eq!(parsed("crash --ext4 1 --failed-syncs 2 --seed 7"), Ok(Task::Crash(others)));
        assert_eq!(parsed("fuzz"), Ok(Task::Fuzz(Fuzz { target: None, seconds: 60 })));
        let one = Fuzz { target: Some("json".to_owned()), seconds: 5 };
        assert_eq!(parsed("fuzz --seconds 5 --target json"), Ok(Task::Fuzz(one)));
        assert_eq!(parsed("planted"), Ok(Task::Planted { only: None }));
        assert_eq!(parsed("planted --only x"), Ok(Task::Planted { only: Some("x".to_owned()) }));
    }

    #[test]
    fn a_wrong_line_is_refused_with_what_is_wrong_and_the_usage() {
        check_refused("", "no task given");
        check_refused("lnit", "no such task: `lnit`");
        check_refused("lint --fast", "no such task: `lint --fast`");
        check_refused("bench --quick", "bench takes nothing, `--compare [--quick]`");
        check_refused("crash --ext4", "crash takes `--kills N`, `--ext4 N`");
        check_refused("crash 5", "crash takes `--kills N`, `--ext4 N`");
        check_refused("crash --xfs -1", "`--xfs -1`: not a number");
        check_refused("model", "model needs `--cases N [--seed S]`");
        check_refused("model --seed 1", "model needs `--cases N [--seed S]`");
        check_refused("model --cases 0", "`--cases 0`: not a number");
        check_refused("model --cases 1 --seed x", "`--seed x`: not a number");
        check_refused("histories", "histories needs `--runs N [--seed S]`");
        check_refused("histories --runs 0", "`--runs 0`: not a number");
        check_refused("sim", "sim needs `--runs N [--seed S]`");
        check_refused("sim --runs 0", "`--runs 0`: not a number");
        check_refused("fuzz json", "fuzz takes nothing, `--target T`");
        check_refused("fuzz --seconds 0", "`--seconds 0`: not a number");
        check_refused("fuzz --seconds", "fuzz takes nothing, `--target T`");
        check_refused("planted --only", "planted takes nothing or `--only NAME`");
        check_refused("crash --kills many", "`--kills many`: not a number");
    }
}
