//! Stores that are filled once and read by several workloads. They go with the directory of the run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::child;
use crate::engine::{Candidate, Failure, Level, Opening, Reading};
use crate::fill::Fill;
use crate::line::progress;
use crate::machine::settle;

pub(crate) struct Shelf {
    root: PathBuf,
    /// By name, with what went wrong.
    made: RefCell<BTreeMap<String, Result<(), String>>>,
}

impl Shelf {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.join("shelf"), made: RefCell::default() }
    }

    /// A store that was filled and closed.
    pub(crate) fn closed(&self, candidate: &Candidate, fill: Fill) -> Result<PathBuf, Failure> {
        self.made(&name(candidate, fill, "closed"), |dir| {
            let opening = Opening { dir, level: Level::Written, threads: 1, max_events: fill.events() };
            let engine = (reading(candidate)?.fill)(opening)?;
            fill.put(&*engine, candidate.facts.keeps_sync_policy)?;
            engine.close()
        })
    }

    /// A store whose process was killed when it had filled it.
    pub(crate) fn killed(&self, candidate: &Candidate, fill: Fill) -> Result<PathBuf, Failure> {
        self.made(&name(candidate, fill, "killed"), |dir| child::fill_and_kill(candidate.facts.engine, dir, fill))
    }

    /// What `make` puts into a directory, unless that was done before.
    pub(crate) fn made(&self, name: &str, make: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<PathBuf, Failure> {
        let dir = self.root.join(name);
        if !self.made.borrow().contains_key(name) {
            progress(&format!("filling {name}"));
            fs::create_dir_all(&dir)?;
            let outcome = make(&dir).map_err(|error| format!("it could not be filled: {error}"));
            self.made.borrow_mut().insert(name.to_owned(), outcome);
            settle(&self.root)?;
        }
        match self.made.borrow().get(name) {
            Some(Err(error)) => Err(error.clone().into()),
            _ => Ok(dir),
        }
    }

    /// Removes a store that was changed.
    pub(crate) fn discard(&self, dir: &Path) -> Result<(), Failure> {
        let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.made.borrow_mut().remove(name);
        Ok(fs::remove_dir_all(dir)?)
    }
}

pub(crate) fn reading(candidate: &Candidate) -> Result<Reading, Failure> {
    candidate.reading.ok_or_else(|| "its events are not read again".into())
}

fn name(candidate: &Candidate, fill: Fill, end: &str) -> String {
    format!("{}-{}x{}-{}-{end}", candidate.facts.engine, fill.batches, fill.batch, fill.singles)
}

/// A copy of a store, which goes when this goes.
pub(crate) struct Copied(PathBuf);

impl Copied {
    pub(crate) fn new(dir: &Path) -> Result<Self, Failure> {
        let copy = Self(dir.with_extension("copy"));
        copy_all(dir, &copy.0)?;
        settle(&copy.0)?;
        Ok(copy)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
