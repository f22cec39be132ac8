//! What needs a process of its own: appends until it is killed, and memory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::engine::{Candidate, Engine, Failure, Level, Opening, Role};
use crate::engines;
use crate::event::Event;
use crate::fill::Fill;
use crate::line::{Line, print};
use crate::machine::memory;
use crate::shelf::reading;

/// The first word of a child's command line.
pub(crate) const WORD: &str = "child";
const FILLED: &str = "filled";

/// Fills a store in another process, and kills that.
pub(crate) fn fill_and_kill(engine: &str, dir: &Path, fill: Fill) -> Result<(), Failure> {
    let numbers = [fill.batches, fill.batch, fill.singles];
    let mut child = command("fill", engine, dir, &numbers)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    child.kill()?;
    child.wait()?;
    if line.trim() == FILLED { Ok(()) } else { Err("the process that fills it ended too early".into()) }
}

/// Prints what a process takes that opens a store of `stored` events and appends `appends` to it.
pub(crate) fn open_and_append(engine: &str, dir: &Path, stored: u64, appends: u64) -> Result<(), Failure> {
    let status = command("memory", engine, dir, &[stored, appends])?.status()?;
    if status.success() { Ok(()) } else { Err("the process that is measured failed".into()) }
}

fn command(task: &str, engine: &str, dir: &Path, numbers: &[u64]) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([WORD, task, engine]).arg(dir).args(numbers.iter().map(u64::to_string));
    Ok(command)
}

/// The child.
pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fill", engine, dir, batches, batch, singles] => {
            let fill = Fill { batches: batches.parse()?, batch: batch.parse()?, singles: singles.parse()? };
            fill_and_wait(&candidate(engine)?, Path::new(dir), fill)
        }
        ["memory", engine, dir, stored, appends] => {
            measure(&candidate(engine)?, Path::new(dir), stored.parse()?, appends.parse()?)
        }
        _ => Err(format!("a child does not do `{}`", words.join(" ")).into()),
    }
}

fn candidate(engine: &str) -> Result<Candidate, Failure> {
    let found = engines::all().into_iter().find(|candidate| candidate.facts.engine == engine);
    found.ok_or_else(|| format!("no engine `{engine}`").into())
}

fn open(candidate: &Candidate, dir: &Path, max_events: u64) -> Result<Box<dyn Engine>, Failure> {
    (reading(candidate)?.fill)(Opening { dir, level: Level::Written, threads: 1, max_events })
}

fn fill_and_wait(candidate: &Candidate, dir: &Path, fill: Fill) -> Result<(), Failure> {
    let engine = open(candidate, dir, fill.events())?;
    fill.put(&*engine, candidate.facts.keeps_sync_policy)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{FILLED}")?;
    out.flush()?;
    // Until it is killed, or whoever would do that has died.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    std::process::abort()
}

fn measure(candidate: &Candidate, dir: &Path, stored: u64, appends: u64) -> Result<(), Failure> {
    let tell = |when| print(&Line::Memory(memory(candidate.facts.engine, stored, when)));
    tell("before")?;
    if candidate.facts.role == Role::Floor {
        // It does not append to what was closed.
        let archive = (reading(candidate)?.open)(dir)?;
        tell("opened")?;
        return archive.close();
    }
    let engine = open(candidate, dir, stored + appends)?;
    tell("opened")?;
    for event in (stored..stored + appends).map(|n| Event::nth(0, 1, n)) {
        engine.append(&event, Level::Written)?;
    }
    tell("appended")?;
    engine.close()
}
