//! Measures batpak beside other stores and logs, all in one run, and prints JSON lines.

mod answer;
mod archive;
mod args;
mod child;
mod engine;
mod engines;
mod event;
mod fill;
mod line;
mod machine;
mod measure;
mod shelf;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use args::Args;
use engine::{Candidate, Failure, Role};
use line::{Line, print, progress};
use shelf::Shelf;
use workloads::ours::{entities, project, queries};
use workloads::{Run, crash, disk, memory, mixed, opening, pairs, reads, single, threads};

/// A name, and what is run under it.
type Workload = (&'static str, fn(&Run<'_>) -> Result<(), Failure>);

const WORKLOADS: &[Workload] = &[
    ("append-written", single::append_written),
    ("append-synced", pairs::append_synced),
    ("threads-synced", threads::threads_synced),
    ("mixed", mixed::mixed),
    ("batch-synced", pairs::batch_synced),
    ("bulk", single::bulk),
    ("disk", disk::disk),
    ("reads", reads::reads),
    ("open", opening::open),
    ("killed", crash::killed),
    ("project", project::project),
    ("entities", entities::entities),
    ("queries", queries::queries),
    ("memory", memory::memory),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((word, words)) if word == child::WORD => child::run(words),
        _ => args::parse(words).and_then(|args| compare(&args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("compare: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn compare(args: &Args) -> Result<(), Failure> {
    if args.help {
        progress(args::HELP);
        return Ok(());
    }
    check(args)?;
    let dir = Directory::new(args.dir.clone())?;
    let candidates: Vec<Candidate> =
        engines::all().into_iter().filter(|candidate| takes_part(args, candidate)).collect();
    let run = Run { candidates: &candidates, dir: &dir.0, shelf: Shelf::new(&dir.0), quick: args.quick };
    let start = Instant::now();
    let mode = if args.quick { "quick" } else { "full" };
    print(&Line::Run(machine::describe(mode, &dir.0, event::PAYLOAD_LEN, event::ENTITIES)))?;
    for candidate in &candidates {
        print(&Line::Engine(&candidate.facts))?;
    }
    for (name, workload) in WORKLOADS.iter().filter(|(name, _)| args.wants(name)) {
        probe(&run, name)?;
        workload(&run)?;
    }
    probe(&run, "end")?;
    print(&Line::End { seconds: start.elapsed().as_secs_f64() })
}

/// The floor always takes part: the others are measured by it.
fn takes_part(args: &Args, candidate: &Candidate) -> bool {
    candidate.facts.role == Role::Floor || args.wants_engine(candidate.facts.engine)
}

fn check(args: &Args) -> Result<(), Failure> {
    let workload = |only: &&String| !WORKLOADS.iter().any(|(name, _)| name == only);
    if let Some(unknown) = args.only.iter().find(workload) {
        return Err(format!("no such workload: `{unknown}`\n\n{}", args::HELP).into());
    }
    let engines = engines::all();
    let engine = |wanted: &&String| !engines.iter().any(|candidate| candidate.facts.engine == wanted.as_str());
    match args.engines.iter().find(engine) {
        Some(unknown) => Err(format!("no such engine: `{unknown}`").into()),
        None => Ok(()),
    }
}

fn probe(run: &Run<'_>, before: &'static str) -> Result<(), Failure> {
    machine::settle(run.dir)?;
    print(&Line::Fdatasync(machine::fdatasync(before, run.dir, run.scaled(200, 2000))?))
}

/// The directory for the data of this run, which goes when this goes.
struct Directory(PathBuf);

impl Directory {
    /// In `parent`, or beside the program: on the disk of the checkout, not in memory like `/tmp` may be.
    fn new(parent: Option<PathBuf>) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let parent = parent.unwrap_or_else(|| program.parent().unwrap_or(Path::new(".")).to_path_buf());
        let dir = parent.join(format!("compare-data-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
