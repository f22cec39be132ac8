//! Every package says its version and its edition. Cargo fills in 0.0.0 and 2015 where they are missing.

use super::Finding;
use crate::workspace::Package;

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> impl Iterator<Item = Finding> {
    let version = (package.version == "0.0.0").then_some("no version");
    let edition = (package.edition == "2015").then_some("no edition");
    let place = &package.manifest_path;
    [version, edition].into_iter().flatten().map(|what| Finding { place: place.clone(), what: what.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::workspace::Package;

    #[track_caller]
    fn check_fields(version: &str, edition: &str, expected: &[&str]) {
        let package = Package { version: version.into(), edition: edition.into(), ..Package::default() };
        let found: Vec<_> = check(&[package]).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_cargo_had_to_fill_in_is_found() {
        check_fields("0.0.0", "2024", &["no version"]);
        check_fields("0.1.0", "2015", &["no edition"]);
        check_fields("0.0.0", "2015", &["no version", "no edition"]);
    }

    #[test]
    fn a_complete_package_passes() {
        check_fields("0.1.0", "2024", &[]);
    }
}
