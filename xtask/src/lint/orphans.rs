//! Every source file is compiled: a manifest names it, or another file declares it as a module.
//!
//! Cargo does not look into the `tests` and `benches` of the root by itself, so a test that no manifest names would
//! never run, and nobody would notice.

use super::Finding;
use crate::source::Source;
use crate::workspace::Package;

pub(super) fn check(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    sources.iter().filter(|source| is_orphan(source, packages, sources)).map(finding).collect()
}

fn is_orphan(source: &Source, packages: &[Package], sources: &[Source]) -> bool {
    let path = source.path.as_str();
    match tree_of(path) {
        _ if is_target(path, packages) => false,
        Some(Tree::Modules(root)) => !is_declared(path, root, sources) && !is_shared(path, sources),
        Some(Tree::Samples(root)) => !has_target(root, packages),
        None => false,
    }
}

/// The directory whose files declare each other.
enum Tree<'a> {
    Modules(&'a str),
    /// Below a test's own directory: not modules but samples, which some test reads.
    Samples(&'a str),
}

fn tree_of(path: &str) -> Option<Tree<'_>> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["crates", _, "src", ..] => Some(Tree::Modules(first(path, 3))),
        ["xtask", "src", ..] | ["tests" | "benches" | "examples", _, _] => Some(Tree::Modules(first(path, 2))),
        ["tests" | "benches" | "examples", _] => Some(Tree::Modules(first(path, 1))),
        ["tests" | "benches" | "examples", ..] => Some(Tree::Samples(first(path, 2))),
        _ => None,
    }
}

/// The first `count` parts of a path, with the `/` behind them.
fn first(path: &str, count: usize) -> &str {
    let end = path.match_indices('/').nth(count - 1).map_or(path.len(), |(at, _)| at + 1);
    &path[..end]
}

fn is_target(path: &str, packages: &[Package]) -> bool {
    packages.iter().flat_map(|package| &package.targets).any(|target| target.src_path == path)
}

fn has_target(directory: &str, packages: &[Package]) -> bool {
    packages.iter().flat_map(|package| &package.targets).any(|target| target.src_path.starts_with(directory))
}

fn is_declared(path: &str, root: &str, sources: &[Source]) -> bool {
    let mut others = sources.iter().filter(|other| other.path != path && other.path.starts_with(root));
    others.any(|other| other.contains(&["mod", module_name(path)]))
}

/// Whether some `#[path = "…"]` ends with the directory and the name of this file.
fn is_shared(path: &str, sources: &[Source]) -> bool {
    let end = path.match_indices('/').nth_back(1).map_or(path, |(at, _)| &path[at..]);
    sources.iter().any(|other| other.has_text_ending(end))
}

fn module_name(path: &str) -> &str {
    let module = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    module.rsplit('/').next().unwrap_or(module)
}

fn finding(source: &Source) -> Finding {
    let what = "no manifest names this file, and no file declares it as a module: it is never compiled".to_owned();
    Finding { place: source.path.clone(), what }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::source::sample;
    use crate::workspace::{Package, Target};

    /// A workspace whose manifests name the test `tests/core/main.rs` and the bench `benches/core.rs`.
    #[track_caller]
    fn check_files(files: &[(&str, &str)], expected: &[&str]) {
        let targets = ["crates/batpak-core/src/lib.rs", "tests/core/main.rs", "benches/core.rs"];
        let target = |path: &str| Target { kind: Vec::new(), src_path: path.to_owned() };
        let package = Package { targets: targets.map(target).into(), ..Package::default() };
        let sources: Vec<_> = files.iter().map(|(path, text)| sample(path, text)).collect();
        let places: Vec<_> = check(&[package], &sources).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn a_test_or_bench_that_no_manifest_names_is_found() {
        check_files(&[("tests/core/main.rs", ""), ("tests/ghost/main.rs", "")], &["tests/ghost/main.rs"]);
        check_files(&[("benches/core.rs", ""), ("benches/ghost.rs", "")], &["benches/ghost.rs"]);
    }

    #[test]
    fn a_module_that_nothing_declares_is_found() {
        let declared = [("tests/core/main.rs", "mod chain;"), ("tests/core/chain.rs", "")];
        check_files(&declared, &[]);
        check_files(&[("tests/core/main.rs", "// mod chain;"), ("tests/core/chain.rs", "")], &["tests/core/chain.rs"]);
        let library = [("crates/batpak-core/src/lib.rs", "mod a;"), ("crates/batpak-core/src/b.rs", "")];
        check_files(&library, &["crates/batpak-core/src/b.rs"]);
    }

    #[test]
    fn a_module_of_another_test_does_not_count() {
        let elsewhere = [("tests/core/main.rs", "mod ids;"), ("tests/core/ids.rs", ""), ("tests/ghost/ids.rs", "")];
        check_files(&elsewhere, &["tests/ghost/ids.rs"]);
    }

    #[test]
    fn a_module_may_be_shared_by_its_path() {
        let text = "#[path = \"../model/stream.rs\"] mod stream;";
        check_files(&[("tests/core/main.rs", text), ("tests/model/stream.rs", "")], &[]);
        check_files(&[("tests/core/main.rs", text), ("tests/mode/stream.rs", "")], &["tests/mode/stream.rs"]);
    }

    #[test]
    fn a_directory_module_has_the_name_of_the_directory() {
        let files = [("crates/batpak-core/src/lib.rs", "mod row;"), ("crates/batpak-core/src/row/mod.rs", "")];
        check_files(&files, &[]);
    }

    #[test]
    fn the_samples_of_a_test_are_no_modules() {
        check_files(&[("tests/core/samples/bad.rs", "")], &[]);
        check_files(&[("tests/ghost/samples/bad.rs", "")], &["tests/ghost/samples/bad.rs"]);
    }
}
