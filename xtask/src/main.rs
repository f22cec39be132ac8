//! Development tasks: `cargo xtask help` lists them.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod ci;
mod command;
mod crash;
mod error;
mod fuzz;
mod lint;
mod loom;
mod planted;
mod report;
mod source;
mod without_std;
mod workspace;

use std::process::ExitCode;

use args::Task;
use command::{cargo, run};
use error::Error;

/// The ignored tests but those of `cargo xtask crash`, which measure nothing.
const PERF_GATES: [&str; 7] = ["test", "--release", "--workspace", "--", "--ignored", "--skip", "crash::"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args::parse(&args).and_then(perform) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            error.exit_code()
        }
    }
}

fn perform(task: Task) -> Result<(), Error> {
    match task {
        Task::Help => report::line(args::HELP),
        Task::Lint => lint::run()?,
        Task::Test => run(&mut cargo(&["test", "--workspace"]))?,
        Task::Ci => ci::run()?,
        Task::PerfGates => run(&mut cargo(&PERF_GATES))?,
        Task::Bench(task) => bench::run(task)?,
        Task::Crash(task) => crash::run(task)?,
        Task::Model { cases, seed } => model(cases, seed)?,
        Task::Histories { runs, seed } => histories(runs, seed)?,
        Task::Sim { runs, seed } => sim(runs, seed)?,
        Task::Loom => loom::run()?,
        Task::Fuzz(task) => fuzz::run(&task)?,
        Task::Planted { only } => planted::run(only.as_deref())?,
    }
    Ok(())
}

fn model(cases: u64, seed: u64) -> Result<(), Error> {
    let mut test = cargo(&["test", "--release", "-p", "batpak", "--test", "batpak", "model::", "--", "--nocapture"]);
    run(test.env("BATPAK_MODEL_CASES", cases.to_string()).env("BATPAK_MODEL_SEED", seed.to_string()))
}

fn histories(runs: u64, seed: u64) -> Result<(), Error> {
    let mut test =
        cargo(&["test", "--release", "-p", "batpak", "--test", "batpak", "histories::what", "--", "--nocapture"]);
    run(test.env("BATPAK_HISTORIES_RUNS", runs.to_string()).env("BATPAK_HISTORIES_SEED", seed.to_string()))
}

fn sim(runs: u64, seed: u64) -> Result<(), Error> {
    let mut test = cargo(&["test", "--release", "-p", "batpak", "--test", "sim", "what_was", "--", "--nocapture"]);
    if runs == 1 {
        test.env("BATPAK_SIM_TRACE", "1");
    }
    run(test.env("BATPAK_SIM_RUNS", runs.to_string()).env("BATPAK_SIM_SEED", seed.to_string()))
}
