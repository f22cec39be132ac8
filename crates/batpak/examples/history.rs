//! Stores the history of a git repository as events, and looks at it from several sides.
//!
//! `cargo run --release --example history` takes the repository it stands in, `-- PATH` another one.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that shows something")]

use batpak::prelude::*;
use batpak::store::ChainReport;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Split};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// At the coordinate of its author.
#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 1, name = "repository.committed")]
struct Committed {
    hash: String,
    subject: String,
}

/// At the coordinate of its path; caused by its commit.
#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1, type_id = 2, name = "repository.changed")]
struct Changed {
    commit: String,
    /// Lines, or nothing for a binary file.
    added: Option<u64>,
    deleted: Option<u64>,
}

#[derive(Default)]
struct Author {
    commits: u64,
    newest: String,
}

impl Projection for Author {
    type Event = Committed;

    fn apply(&mut self, event: &Event<Committed>) {
        self.commits += 1;
        self.newest.clone_from(&event.payload().subject);
    }
}

#[derive(Default)]
struct File {
    changes: u64,
    lines: i64,
}

impl Projection for File {
    type Event = Changed;

    fn apply(&mut self, event: &Event<Changed>) {
        let signed = |lines: Option<u64>| i64::try_from(lines.unwrap_or(0)).unwrap_or(i64::MAX);
        self.changes += 1;
        self.lines = self.lines.saturating_add(signed(event.payload().added) - signed(event.payload().deleted));
    }
}

fn main() -> ExitCode {
    let repository = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    match run(&repository) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("history: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(repository: &Path) -> Result<(), Box<dyn Error>> {
    let commits = count_commits(repository)?;
    let dir = tempfile::tempdir()?;
    let mut steps = Steps::default();

    let store = Store::open(StoreConfig::new(dir.path()).with_batch_max_events(1 << 20))?;
    let loaded = load(repository, &store, commits)?;
    steps.took(&format!("load {} events of {commits} commits", loaded.events));
    store.close()?;
    steps.took("close");

    let store = Store::open(dir.path())?;
    steps.took("open again");
    show_open_report(&store);
    steps.reset();

    if let Some((path, _)) = newest_of_largest(&loaded.files) {
        let file: File = store.project(path, &Freshness::Consistent)?.unwrap_or_default();
        steps.took(&format!("project {path}: {} lines after {} changes", file.lines, file.changes));
        let ancestry = walk_ancestry(&store, path)?;
        steps.took(&format!("walk the ancestry of {path}"));
        for line in &ancestry {
            println!("      {line}");
        }
        steps.reset();
    }
    if let Some((name, _)) = newest_of_largest(&loaded.authors) {
        let author: Author = store.project(name, &Freshness::Consistent)?.unwrap_or_default();
        steps.took(&format!("project {name}: {} commits, newest \"{}\"", author.commits, author.newest));
    }
    let ChainReport { events, entities, head, .. } = store.verify_chain()?;
    steps.took(&format!("verify the chains of {entities} entities, {events} events; head {}", head.root));
    let stats = store.stats()?;
    println!("{} events in {} bytes, {} segment(s)", stats.events, stats.segment_bytes, stats.segments);
    store.close()?;
    Ok(())
}

fn git(repository: &Path, arguments: &[&str]) -> Result<Child, String> {
    Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("git cannot be started: {error}"))
}

/// Number of commits; a directory that is no repository, or has no history, is an error of one line.
fn count_commits(repository: &Path) -> Result<u64, Box<dyn Error>> {
    let shown = repository.display();
    let inside = git(repository, &["rev-parse", "--git-dir"])?.wait_with_output()?;
    if !inside.status.success() {
        let said = String::from_utf8_lossy(&inside.stderr);
        let said = said.lines().next().unwrap_or("git says no more").to_owned();
        return Err(format!("{shown} is not a git repository ({said})").into());
    }
    let counted = git(repository, &["rev-list", "--count", "HEAD"])?.wait_with_output()?;
    let count = String::from_utf8_lossy(&counted.stdout).trim().parse().unwrap_or(0);
    if count == 0 {
        return Err(format!("the repository in {shown} has no commit yet").into());
    }
    Ok(count)
}

/// What was loaded: how many events, and how many of them at each file and author.
#[derive(Default)]
struct Loaded {
    events: u64,
    files: HashMap<String, u64>,
    authors: HashMap<String, u64>,
}

fn load(repository: &Path, store: &Store, commits: u64) -> Result<Loaded, Box<dyn Error>> {
    let scope = name("repository:", &repository.canonicalize()?.file_name().unwrap_or_default().to_string_lossy());
    let format = "--format=%H%x00%an <%ae>%x00%at%x00%s";
    let mut child = git(repository, &["log", "--reverse", "--numstat", "--no-renames", "-z", format])?;
    let mut complaints = child.stderr.take();
    let output = child.stdout.take().ok_or("git has no output")?;
    let bar = ProgressBar::new(commits).with_style(ProgressStyle::with_template(
        "{bar:40} {human_pos} of {human_len} commits, {per_sec}, {eta} left",
    )?);
    let mut loaded = Loaded::default();
    let mut log = GitLog { tokens: BufReader::new(output).split(0).peekable() };
    while let Some(commit) = log.next_commit()? {
        let batch = batch(&scope, &commit, &mut loaded)?;
        loaded.events += store.append_batch(batch)?.len() as u64;
        *loaded.authors.entry(commit.author).or_default() += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !child.wait()?.success() {
        let mut said = String::new();
        complaints.as_mut().map(|pipe| pipe.read_to_string(&mut said)).transpose()?;
        return Err(format!("git log failed: {}", said.lines().next().unwrap_or_default()).into());
    }
    Ok(loaded)
}

/// A commit as git tells it.
struct GitCommit {
    hash: String,
    author: String,
    seconds: String,
    subject: String,
    /// Lines added, lines deleted and path of each file, with tabs between them.
    changes: Vec<String>,
}

/// The output of `git log`: four fields for a commit and one for each file, each ended by a zero byte.
struct GitLog {
    tokens: Peekable<Split<BufReader<ChildStdout>>>,
}

impl GitLog {
    fn next_commit(&mut self) -> Result<Option<GitCommit>, Box<dyn Error>> {
        if self.tokens.peek().is_none() {
            return Ok(None);
        }
        let (hash, author, seconds, subject) = (self.field()?, self.field()?, self.field()?, self.field()?);
        let mut changes = Vec::new();
        while self.tokens.peek().is_some_and(|token| token.as_ref().is_ok_and(|bytes| bytes.contains(&b'\t'))) {
            changes.push(self.field()?.trim_start_matches('\n').to_owned());
        }
        Ok(Some(GitCommit { hash, author: name("author:", &author), seconds, subject, changes }))
    }

    fn field(&mut self) -> Result<String, Box<dyn Error>> {
        let bytes = self.tokens.next().ok_or("git log ended within a commit")??;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// One commit: its own event first, then one for each file, caused by it.
fn batch(scope: &str, commit: &GitCommit, loaded: &mut Loaded) -> Result<Vec<BatchAppendItem>, Box<dyn Error>> {
    let seconds: Option<i64> = commit.seconds.parse().ok();
    let occurred_at = seconds.and_then(|s| s.checked_mul(1_000_000_000)).map(Timestamp::from_nanos);
    let options = AppendOptions { occurred_at, ..AppendOptions::default() };
    let committed = Committed { hash: commit.hash.clone(), subject: commit.subject.clone() };
    let keyed = options.with_idempotency_key(idempotency_key(&commit.hash));
    let at = Coordinate::new(&commit.author, scope)?;
    let mut items = vec![BatchAppendItem::typed(at, &committed, keyed, CausationRef::None)?];
    for change in &commit.changes {
        let mut parts = change.splitn(3, '\t');
        let (added, deleted) = (lines(parts.next()), lines(parts.next()));
        let path = name("file:", parts.next().unwrap_or_default());
        let changed = Changed { commit: commit.hash.clone(), added, deleted };
        let at = Coordinate::new(&path, scope)?;
        items.push(BatchAppendItem::typed(at, &changed, options, CausationRef::Item(0))?);
        *loaded.files.entry(path).or_default() += 1;
    }
    Ok(items)
}

/// Lines added or deleted; git says `-` for a binary file.
fn lines(text: Option<&str>) -> Option<u64> {
    text?.parse().ok()
}

/// A name that a coordinate accepts: control characters replaced, at most 1024 bytes.
fn name(prefix: &str, text: &str) -> String {
    let mut name: String =
        prefix.chars().chain(text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c })).collect();
    while name.len() > 1024 {
        name.pop();
    }
    name
}

/// The one with the most events; of several the last one by name.
fn newest_of_largest(counts: &HashMap<String, u64>) -> Option<(&String, &u64)> {
    counts.iter().max_by_key(|(name, count)| (**count, *name))
}

/// The newest changes of a file, each with the commit that caused it.
fn walk_ancestry(store: &Store, path: &str) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    for change in store.events(&Region::entity(path)).backward().typed::<Changed>().take(5) {
        let change = change?.event;
        let Some(cause) = change.causation_id() else { continue };
        let commit = store.get_typed::<Committed>(cause)?;
        let Committed { hash, subject } = commit.event.payload();
        lines.push(format!(
            "{}. {:.10} {subject} ({})",
            change.revision(),
            hash,
            commit.coordinate.entity().trim_start_matches("author:")
        ));
    }
    Ok(lines)
}

fn show_open_report(store: &Store) {
    if let Some(report) = store.diagnostics().open_report {
        println!(
            "      index by {:?}: {} events restored, {} read from {} segment(s), closed cleanly: {}",
            report.path, report.events_restored, report.events_scanned, report.segments, report.closed_cleanly
        );
    }
}

/// Prints what each step took.
struct Steps(Instant);

impl Default for Steps {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Steps {
    fn took(&mut self, what: &str) {
        let elapsed: Duration = self.0.elapsed();
        println!("{:>9.3} ms  {what}", elapsed.as_secs_f64() * 1000.0);
        self.reset();
    }

    fn reset(&mut self) {
        self.0 = Instant::now();
    }
}
