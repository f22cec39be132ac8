//! The benches, and the report of the comparison with other stores.

mod document;
mod figures;
mod goals;
mod lines;
mod plots;
mod read_tables;
mod tables;
mod text;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::args::Bench;
use crate::command::{capture, cargo, git, root, run as run_command, works};
use crate::error::Error;
use crate::report;
use crate::workspace::target_directory;
use figures::Figures;
use tables::Origin;

const DOCUMENT: &str = "BENCHMARKS.md";
const THREADS_PLOT: &str = "threads.svg";
const LATENCY_PLOT: &str = "latency.svg";

pub(crate) fn run(task: Bench) -> Result<(), Error> {
    match task {
        Bench::All => run_command(&mut cargo(&["bench", "--workspace"])),
        Bench::Compare { quick } => compare(quick),
        Bench::Report(lines) => write_report(&lines, &docs()),
    }
}

fn docs() -> PathBuf {
    root().join("docs")
}

/// Builds and runs `benches/compare`, keeps its lines, and writes the report. That of a quick run does not replace the
/// figures in `docs`.
fn compare(quick: bool) -> Result<(), Error> {
    let target = target_directory()?;
    let dir = target.join("compare");
    fs::create_dir_all(&dir).map_err(|source| file_error(&dir, source))?;
    let lines = dir.join(if quick { "quick.jsonl" } else { "full.jsonl" });
    let out = File::create(&lines).map_err(|source| file_error(&lines, source))?;
    let mut command = cargo(&["run", "--release", "--manifest-path", "benches/compare/Cargo.toml", "--target-dir"]);
    command.arg(&target).arg("--");
    if quick {
        command.arg("--quick");
    }
    run_command(command.stdout(out))?;
    report::line(format!("the lines are in {}", lines.display()));
    let to = if quick { dir } else { docs() };
    write_report(&lines, &to)
}

/// Puts the figures of `lines` into the text of `docs/BENCHMARKS.md`, and that and the plots into `to`.
fn write_report(lines: &Path, to: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(lines).map_err(|source| file_error(lines, source))?;
    let figures = Figures::new(lines::parse(&text, lines)?);
    let source = docs().join(DOCUMENT);
    let document = fs::read_to_string(&source).map_err(|error| file_error(&source, error))?;
    let tables = tables::all(&figures, &origin()?);
    let document = document::fill(&document, &tables)
        .map_err(|message| Error::Marker { path: source.display().to_string(), message })?;
    plots::throughput_by_threads(&figures, &to.join(THREADS_PLOT))?;
    plots::latency_distribution(&figures, &to.join(LATENCY_PLOT))?;
    let path = to.join(DOCUMENT);
    fs::write(&path, document).map_err(|source| file_error(&path, source))?;
    report::line(format!("the report is in {}", path.display()));
    Ok(())
}

/// The commit that is checked out, and whether what is measured differs from it.
fn origin() -> Result<Origin, Error> {
    let commit = capture(&mut git(&["rev-parse", "--short=12", "HEAD"]))?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let is_changed = !works(&mut git(&["diff", "--quiet", "HEAD", "--", "crates", "benches/compare"]));
    Ok(Origin { commit, is_changed })
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}
