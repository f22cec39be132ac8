//! Development tasks: `cargo xtask help` lists them.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod ci;
mod command;
mod error;
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
        Task::PerfGates => run(&mut cargo(&["test", "--release", "--workspace", "--", "--ignored"]))?,
        Task::Bench(task) => bench::run(task)?,
        Task::Kill { rounds } => kill(rounds)?,
        Task::Model { cases, seed } => model(cases, seed)?,
        Task::Sim { runs, seed } => sim(runs, seed)?,
        Task::Loom => loom::run()?,
        Task::Planted { only } => planted::run(only.as_deref())?,
    }
    Ok(())
}

fn kill(rounds: u32) -> Result<(), Error> {
    let mut test = cargo(&["test", "-p", "batpak", "--test", "batpak", "kill", "--", "--nocapture"]);
    run(test.env("BATPAK_KILL_ROUNDS", rounds.to_string()))
}

fn model(cases: u64, seed: u64) -> Result<(), Error> {
    let mut test = cargo(&["test", "--release", "-p", "batpak", "--test", "batpak", "model::", "--", "--nocapture"]);
    run(test.env("BATPAK_MODEL_CASES", cases.to_string()).env("BATPAK_MODEL_SEED", seed.to_string()))
}

fn sim(runs: u64, seed: u64) -> Result<(), Error> {
    let mut test = cargo(&["test", "--release", "-p", "batpak", "--test", "sim", "what_was", "--", "--nocapture"]);
    if runs == 1 {
        test.env("BATPAK_SIM_TRACE", "1");
    }
    run(test.env("BATPAK_SIM_RUNS", runs.to_string()).env("BATPAK_SIM_SEED", seed.to_string()))
}
