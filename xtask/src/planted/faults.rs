//! The patches: a line that says what is broken, and a unified diff.

use std::fs;
use std::path::PathBuf;

use crate::command::root;
use crate::error::Error;

/// A patch.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// The files that it changes, from the root.
    pub(crate) files: Vec<String>,
    /// Its first line.
    pub(crate) says: String,
}

pub(crate) fn all() -> Result<Vec<Fault>, Error> {
    let directory = root().join("tests/planted");
    let failed = |source| Error::File { path: directory.display().to_string(), source };
    let entries = fs::read_dir(&directory).map_err(failed)?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Result<Fault, Error> {
    let text = fs::read_to_string(&path);
    let text = text.map_err(|source| Error::File { path: path.display().to_string(), source })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let says = text.lines().next().unwrap_or_default().to_owned();
    Ok(Fault { name, path, files: changed_by(&text), says })
}

fn changed_by(patch: &str) -> Vec<String> {
    patch.lines().filter_map(|line| line.strip_prefix("+++ b/")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{all, changed_by};
    use crate::command::{capture, git};

    #[test]
    fn a_patch_names_the_files_that_it_changes() {
        let patch = "What it breaks.\n\n--- a/crates/x/src/a.rs\n+++ b/crates/x/src/a.rs\n@@ -1 +1 @@\n-a\n+++b\n";
        assert_eq!(changed_by(patch), ["crates/x/src/a.rs"]);
    }

    #[test]
    fn every_fault_says_what_it_breaks_and_still_applies() {
        let faults = all().expect("the patches can be read");
        assert!(faults.len() >= 20, "{} faults", faults.len());
        for fault in faults {
            assert!(fault.says.ends_with('.') && !fault.files.is_empty(), "{fault:?}");
            let path = fault.path.to_string_lossy().into_owned();
            let checked = capture(&mut git(&["apply", "--check", &path]));
            assert!(checked.is_ok(), "{} does not apply any more", fault.name);
        }
    }
}
