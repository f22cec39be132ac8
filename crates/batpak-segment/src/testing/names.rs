//! Which file each name stands for, and changes of that which a power cut may take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A change of a directory.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Link { name: PathBuf, inode: usize },
    Rename { from: PathBuf, to: PathBuf, inode: usize },
    Unlink { name: PathBuf },
    Directory { name: PathBuf },
}

impl Change {
    /// The directory that it is a change of.
    pub(crate) fn directory(&self) -> PathBuf {
        let name = match self {
            Self::Link { name, .. } | Self::Unlink { name } | Self::Directory { name } => name,
            Self::Rename { to, .. } => to,
        };
        name.parent().unwrap_or(Path::new("/")).to_owned()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) files: BTreeMap<PathBuf, usize>,
    pub(crate) directories: BTreeSet<PathBuf>,
}

impl Names {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Link { name, inode } => {
                self.files.insert(name.clone(), *inode);
            }
            Change::Rename { from, to, inode } => {
                self.files.remove(from);
                self.files.insert(to.clone(), *inode);
            }
            Change::Unlink { name } => {
                self.files.remove(name);
            }
            Change::Directory { name } => {
                self.directories.insert(name.clone());
            }
        }
    }

    /// The names in a directory, and whether each is a directory itself.
    pub(crate) fn list(&self, path: &Path) -> Vec<(String, bool)> {
        let child = |p: &PathBuf| {
            (p.parent() == Some(path)).then(|| p.file_name().unwrap_or_default().to_string_lossy().into_owned())
        };
        let files = self.files.keys().filter_map(|p| child(p).map(|name| (name, false)));
        let directories = self.directories.iter().filter_map(|p| child(p).map(|name| (name, true)));
        files.chain(directories).collect()
    }

    /// A file cannot be found whose directory is gone.
    pub(crate) fn forget_unreachable(&mut self) {
        let directories = &self.directories;
        self.files.retain(|path, _| path.ancestors().skip(1).all(|parent| directories.contains(parent)));
    }
}
