//! Runs each fuzz target over its inputs that are kept here: those that together reach what was ever reached
//! (`corpus`), and those that once made it fail (`crashes`). `cargo xtask fuzz` looks for more.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use targets::{TARGETS, Target};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files in a directory, by name; none if there is no such directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn replay(target: &Target, paths: &[PathBuf]) {
    for path in paths {
        let data = fs::read(path).expect("an input");
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&data)));
        assert!(outcome.is_ok(), "{} fails on {}", target.name, path.display());
    }
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let kept = root().join("tests/fuzz");
    let corpus = files(&kept.join("corpus").join(name));
    assert!(!corpus.is_empty(), "{name} has no inputs");
    replay(target, &corpus);
    replay(target, &files(&kept.join("crashes").join(name)));
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn each_target_is_replayed() {
            let replayed = BTreeSet::from([$(stringify!($name)),*]);
            assert_eq!(replayed, TARGETS.iter().map(|target| target.name).collect());
        }
    };
}

replays! { record segment index watermark json names region directory program }

/// `cargo fuzz` runs what stands in `fuzz/fuzz_targets`, this test what stands in `targets`.
#[test]
fn each_target_has_a_program_and_nothing_else_has() {
    let stem = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let programs = files(&root().join("fuzz/fuzz_targets"));
    assert_eq!(programs.iter().map(stem).collect::<BTreeSet<_>>(), names);
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("a manifest");
    for (path, name) in programs.iter().zip(&names) {
        let text = fs::read_to_string(path).expect("a program");
        assert!(text.contains(&format!("run(\"{name}\", data)")), "{}", path.display());
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    for kept in ["corpus", "crashes"] {
        let dirs = files(&root().join("tests/fuzz").join(kept));
        assert!(dirs.iter().map(stem).all(|dir| names.contains(&dir)), "{kept} of no target");
    }
}
