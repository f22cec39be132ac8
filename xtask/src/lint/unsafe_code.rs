//! A crate without unsafe code says so at its root, where the compiler holds it to that.

use super::Finding;
use crate::source::Source;
use crate::workspace::{Package, Target};

pub(super) fn check(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    packages.iter().flat_map(|package| check_package(package, sources)).collect()
}

fn check_package(package: &Package, sources: &[Source]) -> Vec<Finding> {
    let directory = package.manifest_path.replace("Cargo.toml", "src/");
    let own: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with(&directory)).collect();
    if own.iter().any(|source| source.contains(&["unsafe"])) {
        return Vec::new();
    }
    let is_root = |source: &Source| package.targets.iter().any(|target| is_root_of(target, source));
    own.into_iter().filter(|source| is_root(source) && !forbids(source)).map(finding).collect()
}

fn is_root_of(target: &Target, source: &Source) -> bool {
    target.src_path == source.path
        && target.kind.iter().any(|kind| kind.ends_with("lib") || kind == "bin" || kind == "proc-macro")
}

fn forbids(source: &Source) -> bool {
    source.inner_attributes().any(|(_, names)| names == ["forbid", "unsafe_code"])
}

fn finding(root: &Source) -> Finding {
    let what = "`#![forbid(unsafe_code)]` is missing, and the crate has no unsafe code".to_owned();
    Finding { place: root.path.clone(), what }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::source::sample;
    use crate::workspace::{Package, Target};

    const LIB: &str = "crates/batpak-guard/src/lib.rs";

    #[track_caller]
    fn check_crate(lib: &str, module: &str, expected: &[&str]) {
        let package = Package {
            manifest_path: "crates/batpak-guard/Cargo.toml".into(),
            targets: vec![Target { kind: vec!["lib".into()], src_path: LIB.into() }],
            ..Package::default()
        };
        let other = sample("crates/batpak-core/src/lib.rs", "fn f() { unsafe { g() } }");
        let sources = [other, sample(LIB, lib), sample("crates/batpak-guard/src/gate.rs", module)];
        let places: Vec<_> = check(&[package], &sources).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn a_root_that_does_not_forbid_is_found() {
        check_crate("mod gate;", "fn f() {}", &[LIB]);
        check_crate("#![deny(unsafe_code)]", "fn f() {}", &[LIB]);
        check_crate("// #![forbid(unsafe_code)]", "fn f() {}", &[LIB]);
    }

    #[test]
    fn a_root_that_forbids_passes() {
        check_crate("#![forbid(unsafe_code)]", "fn f() {}", &[]);
    }

    #[test]
    fn a_crate_with_unsafe_code_cannot_forbid_it() {
        check_crate("mod gate;", "fn f() { unsafe { g() } }", &[]);
    }
}
