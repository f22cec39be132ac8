//! A copy of the sources, below the target directory, in which faults are planted.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::faults::Fault;
use crate::command::{capture, git, root};
use crate::error::Error;

/// The copy, and beside it what is built of it.
#[derive(Debug)]
pub(crate) struct Sources {
    place: PathBuf,
}

impl Sources {
    /// Makes the copy like the work tree, ignored files left out. What is like it already is not written, so that only
    /// what has changed is built.
    pub(crate) fn copied_to(place: &Path) -> Result<Self, Error> {
        let sources = Self { place: place.to_owned() };
        let names = names()?;
        remove_others(&sources.root(), &sources.root(), &names)?;
        names.iter().try_for_each(|name| sources.copy(name))?;
        Ok(sources)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.place.join("sources")
    }

    /// Where the copy is built.
    pub(crate) fn target(&self) -> PathBuf {
        self.place.join("build")
    }

    /// Where what a tool prints about a fault is kept.
    pub(crate) fn log(&self, fault: &str, tool: &str) -> PathBuf {
        self.place.join(format!("{fault}.{tool}.log"))
    }

    /// An empty directory beside the copy.
    pub(crate) fn emptied(&self, name: &str) -> Result<PathBuf, Error> {
        let place = self.place.join(name);
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&place, error)),
            _ => {}
        }
        fs::create_dir_all(&place).map_err(|source| failed(&place, source))?;
        Ok(place)
    }

    /// Plants a fault; false if it does not apply.
    pub(crate) fn apply(&self, fault: &Fault) -> Result<bool, Error> {
        let mut apply = Command::new("git");
        apply.arg("apply").arg(&fault.path).current_dir(self.root());
        // The copy may lie within a repository, and is none of its work trees.
        apply.env("GIT_CEILING_DIRECTORIES", &self.place).env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
        let status = apply.status().map_err(|source| Error::Start { command: "git apply".to_owned(), source })?;
        Ok(status.success())
    }

    /// Takes a fault out again.
    pub(crate) fn restore(&self, fault: &Fault) -> Result<(), Error> {
        fault.files.iter().try_for_each(|name| self.copy(name))
    }

    fn copy(&self, name: &str) -> Result<(), Error> {
        let (from, to) = (root().join(name), self.root().join(name));
        let bytes = fs::read(&from).map_err(|source| failed(&from, source))?;
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory).map_err(|source| failed(directory, source))?;
        }
        fs::write(&to, bytes).map_err(|source| failed(&to, source))
    }
}

/// The files that git knows or would add, and that are there.
fn names() -> Result<BTreeSet<String>, Error> {
    let listed = capture(&mut git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let listed = String::from_utf8_lossy(&listed);
    let names = listed.split('\0').filter(|name| root().join(name).is_file());
    Ok(names.map(str::to_owned).collect())
}

/// Removes what is in the copy and not among `names`.
fn remove_others(directory: &Path, root: &Path, names: &BTreeSet<String>) -> Result<(), Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|source| failed(directory, source))?,
    };
    for entry in entries {
        let path = entry.map_err(|source| failed(directory, source))?.path();
        if path.is_dir() {
            remove_others(&path, root, names)?;
        } else if !names.contains(&*path.strip_prefix(root).unwrap_or(&path).to_string_lossy()) {
            fs::remove_file(&path).map_err(|source| failed(&path, source))?;
        }
    }
    Ok(())
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}
