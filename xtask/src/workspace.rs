//! What the rules look at: the packages of the workspace and its source files.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::command::{capture, cargo, line, root};
use crate::error::Error;
use crate::source::Source;

const SOURCE_DIRECTORIES: &[&str] = &["crates", "xtask", "tests", "benches", "examples"];

/// All paths are relative to the root, with `/` between their parts.
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) sources: Vec<Source>,
}

/// One package, as `cargo metadata` describes it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) edition: String,
    pub(crate) manifest_path: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for a normal one.
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self, Error> {
        let Metadata { mut packages, workspace_root, .. } = metadata()?;
        for package in &mut packages {
            package.make_paths_relative(&workspace_root);
        }
        let mut sources = Vec::new();
        for directory in SOURCE_DIRECTORIES {
            read_sources(&root().join(directory), &mut sources)?;
        }
        Ok(Self { packages, sources })
    }
}

impl Package {
    fn make_paths_relative(&mut self, root: &Path) {
        self.manifest_path = relative(root, Path::new(&self.manifest_path));
        for target in &mut self.targets {
            target.src_path = relative(root, Path::new(&target.src_path));
        }
    }
}

pub(crate) fn target_directory() -> Result<PathBuf, Error> {
    metadata().map(|metadata| metadata.target_directory)
}

fn metadata() -> Result<Metadata, Error> {
    let mut command = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let output = capture(&mut command)?;
    serde_json::from_slice(&output).map_err(|source| Error::Output { command: line(&command), source })
}

/// Reads every `.rs` file below `directory`. A package with its own manifest below `tests` or `benches` that is not a
/// member stays out: its targets are not known here.
fn read_sources(directory: &Path, sources: &mut Vec<Source>) -> Result<(), Error> {
    for path in entries(directory)? {
        if path.is_dir() {
            if !is_left_out(&path) {
                read_sources(&path, sources)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
            sources.push(Source::parse(relative(root(), &path), &text)?);
        }
    }
    Ok(())
}

fn is_left_out(directory: &Path) -> bool {
    let is_member = directory.parent().is_some_and(|parent| parent == root().join("crates"));
    directory.ends_with("target") || (directory.join("Cargo.toml").exists() && !is_member)
}

/// The sorted paths in a directory; none where there is no such directory.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory).map_err(|source| failed(directory, source))?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|source| failed(directory, source))?;
    paths.sort();
    Ok(paths)
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

/// `path` seen from `root`, without `..`, by its text alone.
fn relative(root: &Path, path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.strip_prefix(root).unwrap_or(path).components() {
        if part == Component::ParentDir {
            parts.pop();
        } else {
            parts.push(part.as_os_str().to_string_lossy().into_owned());
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Workspace, relative};

    #[test]
    fn a_path_that_goes_up_is_seen_from_the_root() {
        let path = Path::new("/root/crates/batpak/../../tests/batpak/main.rs");
        assert_eq!(relative(Path::new("/root"), path), "tests/batpak/main.rs");
    }

    #[test]
    fn this_workspace_can_be_read() {
        let workspace = Workspace::read().expect("cargo metadata and the sources can be read");
        assert!(workspace.packages.iter().any(|package| package.manifest_path == "xtask/Cargo.toml"));
        assert!(workspace.sources.iter().any(|source| source.path == "xtask/src/workspace.rs"));
    }
}
