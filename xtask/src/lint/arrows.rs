//! Which crate may know which: normal, build and dev dependencies alike.

use super::Finding;
use crate::workspace::{Dependency, Package};

const ALLOWED: &[(&str, &[&str])] = &[
    ("batpak-core", &[]),
    ("batpak-segment", &[]),
    ("batpak-guard", &[]),
    ("batpak-macros", &[]),
    ("batpak-index", &["batpak-core", "batpak-segment"]),
    ("batpak", &["batpak-core", "batpak-segment", "batpak-index", "batpak-guard", "batpak-macros"]),
    ("batpak-cli", &["batpak"]),
    ("xtask", &[]),
];

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(|package| check_package(package, packages)).collect()
}

fn check_package(from: &Package, packages: &[Package]) -> impl Iterator<Item = Finding> {
    let arrows = from.dependencies.iter().filter(|to| to.name != from.name && is_member(&to.name, packages));
    arrows.filter(|to| !is_allowed(&from.name, &to.name)).map(|to| finding(from, to))
}

fn is_member(name: &str, packages: &[Package]) -> bool {
    packages.iter().any(|package| package.name == name)
}

fn is_allowed(from: &str, to: &str) -> bool {
    ALLOWED.iter().any(|(name, known)| *name == from && known.contains(&to))
}

fn finding(from: &Package, to: &Dependency) -> Finding {
    let kind = to.kind.as_deref().unwrap_or("normal");
    let what = format!("{} -> {} ({kind} dependency): this arrow is not allowed", from.name, to.name);
    Finding { place: from.manifest_path.clone(), what }
}

#[cfg(test)]
mod tests {
    use super::{ALLOWED, check};
    use crate::workspace::{Dependency, Package};

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency =
            |(name, kind): &(&str, Option<&str>)| Dependency { name: (*name).into(), kind: kind.map(Into::into) };
        Package { name: name.into(), dependencies: dependencies.iter().map(dependency).collect(), ..Package::default() }
    }

    /// The whole workspace, where `name` has these dependencies and all others have none.
    #[track_caller]
    fn check_arrows(name: &str, dependencies: &[(&str, Option<&str>)], expected: &[&str]) {
        let others = ALLOWED.iter().filter(|(other, _)| *other != name).map(|(other, _)| package(other, &[]));
        let packages: Vec<_> = others.chain([package(name, dependencies)]).collect();
        let found: Vec<_> = check(&packages).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_arrows_of_the_house_are_allowed() {
        for (name, known) in ALLOWED {
            let dependencies: Vec<_> = known.iter().map(|known| (*known, None)).collect();
            check_arrows(name, &dependencies, &[]);
        }
    }

    #[test]
    fn an_arrow_upwards_is_found() {
        let what = "batpak-core -> batpak-index (normal dependency): this arrow is not allowed";
        check_arrows("batpak-core", &[("serde", None), ("batpak-index", None)], &[what]);
    }

    #[test]
    fn a_dev_or_build_dependency_is_an_arrow_too() {
        let dev = "batpak-segment -> batpak-core (dev dependency): this arrow is not allowed";
        let build = "batpak-guard -> batpak-core (build dependency): this arrow is not allowed";
        check_arrows("batpak-segment", &[("batpak-core", Some("dev"))], &[dev]);
        check_arrows("batpak-guard", &[("batpak-core", Some("build"))], &[build]);
    }

    #[test]
    fn the_program_knows_the_facade_alone() {
        let what = "batpak-cli -> batpak-segment (normal dependency): this arrow is not allowed";
        check_arrows("batpak-cli", &[("batpak", None), ("batpak-segment", None)], &[what]);
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_has_no_arrows() {
        let what = "batpak-new -> batpak (normal dependency): this arrow is not allowed";
        check_arrows("batpak-new", &[("batpak", None)], &[what]);
    }

    #[test]
    fn a_crate_may_name_itself() {
        check_arrows("batpak-core", &[("batpak-core", Some("dev"))], &[]);
    }
}
