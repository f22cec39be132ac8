//! One tool run on what is planted.

use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::sources::Sources;
use super::tools::Tool;
use crate::command::{cargo, line};
use crate::error::Error;

/// After this a test that does not end counts as one that fails.
const LIMIT: Duration = Duration::from_mins(10);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    NotBuilt,
    /// A test failed.
    Failed(String),
    /// The process ended without saying which test had failed.
    Died,
    /// It did not end.
    Hung,
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("all passed"),
            Self::NotBuilt => f.write_str("it does not build"),
            Self::Failed(test) => f.write_str(test),
            Self::Died => f.write_str("the process died"),
            Self::Hung => f.write_str("a test did not end"),
        }
    }
}

/// Builds a tool with what is planted, and runs it up to its first failure.
pub(crate) fn of(tool: &Tool, sources: &Sources, fault: &str) -> Result<Outcome, Error> {
    let Some(program) = built(tool, sources)? else { return Ok(Outcome::NotBuilt) };
    let log = sources.log(fault, tool.name);
    let mut out = File::create(&log).map_err(|source| failed(&log, source))?;
    let errors = out.try_clone().map_err(|source| failed(&log, source))?;
    let started = command(tool, sources, &program)?.stdout(Stdio::piped()).stderr(errors).spawn();
    let not_run = |source| Error::Start { command: tool.line(), source };
    let mut child = Running(started.map_err(not_run)?);
    let lines = child.0.stdout.take().map(lines_of);
    if let Some(outcome) = lines.and_then(|lines| watch(&lines, &mut out)) {
        return Ok(outcome);
    }
    let status = child.0.wait().map_err(not_run)?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Died })
}

/// How a tool is run.
fn command(tool: &Tool, sources: &Sources, program: &Path) -> Result<Command, Error> {
    let mut test = Command::new(program);
    test.args(tool.filter).envs(tool.environment.iter().copied());
    // Why a test has failed is told at once. Several threads tell a test's name and how it ended in one line.
    let threads = thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
    test.arg("--nocapture").env("RUST_TEST_THREADS", threads.to_string());
    // Where cargo would run it.
    test.current_dir(sources.root().join("crates").join(tool.package));
    // What it leaves when it is ended early is removed with this.
    test.env("TMPDIR", sources.emptied("files")?);
    Ok(test)
}

/// A process that is not left behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines_of(out: ChildStdout) -> Receiver<String> {
    let (send, lines) = channel();
    thread::spawn(move || {
        BufReader::new(out).lines().map_while(Result::ok).take_while(|line| send.send(line.clone()).is_ok()).count()
    });
    lines
}

/// Waits for the first test that fails; nothing if there is none before the output ends.
fn watch(lines: &Receiver<String>, log: &mut File) -> Option<Outcome> {
    let begun = Instant::now();
    loop {
        match lines.recv_timeout(LIMIT.saturating_sub(begun.elapsed())) {
            Ok(line) => {
                // What is printed is for who wants to know more.
                let _ = writeln!(log, "{line}");
                if let Some(test) = failed_test(&line) {
                    return Some(Outcome::Failed(test.to_owned()));
                }
            }
            Err(RecvTimeoutError::Timeout) => return Some(Outcome::Hung),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// The test that a line says has failed.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// What cargo says of something that it has built.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// The program of a tool; nothing if it does not build.
fn built(tool: &Tool, sources: &Sources) -> Result<Option<PathBuf>, Error> {
    let mut build = cargo(&["test", "--quiet", "--no-run", "--message-format", "json-render-diagnostics"]);
    build.args(["--package", tool.package, "--test", tool.test, "--target-dir"]).arg(sources.target());
    // Nobody debugs what is planted, and it is linked quicker without.
    build.current_dir(sources.root()).env("CARGO_PROFILE_TEST_DEBUG", "0");
    // A warning about what a fault leaves unused helps nobody.
    build.env("RUSTFLAGS", "--cap-lints allow");
    let output = build.stderr(Stdio::inherit()).output();
    let output = output.map_err(|source| Error::Start { command: line(&build), source })?;
    if !output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    Ok(messages.filter_map(|message| message.executable).next_back())
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::failed_test;

    #[test]
    fn a_failed_test_is_known_by_its_line() {
        assert_eq!(failed_test("test sync::a_sync_fails ... FAILED"), Some("sync::a_sync_fails"));
        assert_eq!(failed_test("test sync::a_sync_fails ... ok"), None);
        assert_eq!(failed_test("test result: FAILED. 1 passed; 1 failed"), None);
    }
}
