//! No `#![allow(…)]`: an exception stands at the smallest item that needs it, with its reason.

use super::Finding;
use crate::source::Source;

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> impl Iterator<Item = Finding> {
    let allowing = source.inner_attributes().filter(|(_, names)| names.contains(&"allow"));
    allowing.map(|(line, _)| Finding {
        place: format!("{}:{line}", source.path),
        what: "`#![allow]` covers a whole file: put `#[expect(…, reason = \"…\")]` on the item".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::source::sample;

    #[track_caller]
    fn check_lines(text: &str, expected: &[&str]) {
        let found = check(&[sample("tests/core/main.rs", text)]);
        let places: Vec<_> = found.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn a_file_that_allows_is_found() {
        check_lines("//! Docs.\n#![allow(clippy::panic)]", &["tests/core/main.rs:2"]);
        check_lines("#![cfg_attr(test, allow(dead_code))]", &["tests/core/main.rs:1"]);
    }

    #[test]
    fn other_attributes_are_not() {
        check_lines("#![no_std]\n#![expect(unsafe_code, reason = \"allow\")]\n#[expect(x)] fn f() {}", &[]);
    }
}
