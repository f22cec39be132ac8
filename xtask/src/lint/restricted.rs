//! Names that only certain files of the crates may use.

use super::Finding;
use crate::source::{PathUse, Source};

struct Restriction {
    /// Paths, or parts of paths, that count as a use.
    names: &'static [&'static str],
    /// File paths, or parts of them, where the use is right.
    only_in: &'static [&'static str],
    reason: &'static str,
}

const RESTRICTIONS: &[Restriction] = &[
    Restriction {
        names: &["to_le_bytes", "from_le_bytes", "to_be_bytes", "from_be_bytes", "to_ne_bytes", "from_ne_bytes"],
        only_in: &["layout.rs", "layout"],
        reason: "byte order is decided in the layout modules",
    },
    Restriction {
        names: &["std::fs", "std::os::unix::fs", "std::os::windows::fs", "rustix::fs"],
        only_in: &["crates/batpak-segment/src/real.rs"],
        reason: "all access to files goes through one place, which tests replace",
    },
];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    sources.iter().filter(|source| is_in_a_crate(&source.path)).flat_map(check_source).collect()
}

fn is_in_a_crate(path: &str) -> bool {
    matches!(path.split('/').collect::<Vec<_>>().as_slice(), ["crates", _, "src", ..])
}

fn check_source(source: &Source) -> Vec<Finding> {
    let restrictions: Vec<_> = RESTRICTIONS.iter().filter(|restriction| !restriction.covers(&source.path)).collect();
    let paths = source.paths();
    let breaches = paths.iter().flat_map(|path| restrictions.iter().filter_map(|it| it.breach(source, path)));
    breaches.collect()
}

impl Restriction {
    fn covers(&self, file: &str) -> bool {
        let parts: Vec<&str> = file.split('/').collect();
        self.only_in.iter().any(|place| contains(&parts, &place.split('/').collect::<Vec<_>>()))
    }

    fn breach(&self, source: &Source, path: &PathUse) -> Option<Finding> {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        let name = self.names.iter().find(|name| contains(&segments, &name.split("::").collect::<Vec<_>>()))?;
        let what = format!("`{name}` outside of {}: {}", self.only_in.join(", "), self.reason);
        Some(Finding { place: format!("{}:{}", source.path, path.line), what })
    }
}

fn contains(parts: &[&str], run: &[&str]) -> bool {
    parts.windows(run.len()).any(|window| window == run)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::source::sample;

    #[track_caller]
    fn check_lines(path: &str, text: &str, lines: &[usize]) {
        let found: Vec<_> = check(&[sample(path, text)]).into_iter().map(|finding| finding.place).collect();
        let expected: Vec<_> = lines.iter().map(|line| format!("{path}:{line}")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn byte_order_outside_of_a_layout_is_found() {
        let text = "fn f() {\n  1_u32.to_le_bytes();\n  u64::from_be_bytes(x);\n  y.map(i64::from_ne_bytes);\n}";
        check_lines("crates/batpak-core/src/encode.rs", text, &[2, 3, 4]);
        check_lines("crates/batpak-core/src/layouts.rs", text, &[2, 3, 4]);
        check_lines("crates/batpak-core/src/layout.rs", text, &[]);
        check_lines("crates/batpak-index/src/layout/row.rs", text, &[]);
    }

    #[test]
    fn the_file_system_outside_of_its_one_file_is_found() {
        let text = "use std::{\n  fs::File,\n  io,\n};\nfn f() { std::fs::read(x) }\nuse std::os::unix::fs::FileExt;";
        check_lines("crates/batpak-segment/src/log.rs", text, &[2, 5, 6]);
        check_lines("crates/batpak-cli/src/main.rs", text, &[2, 5, 6]);
        check_lines("crates/batpak/src/real.rs", text, &[2, 5, 6]);
        check_lines("crates/batpak-segment/src/real.rs", text, &[]);
    }

    #[test]
    fn tests_and_tasks_may_use_both() {
        let text = "fn f() { std::fs::write(x, 1_u32.to_le_bytes()) }";
        check_lines("tests/segment/main.rs", text, &[]);
        check_lines("xtask/src/main.rs", text, &[]);
    }

    #[test]
    fn a_name_that_only_resembles_one_is_not_a_use() {
        check_lines("crates/batpak/src/lib.rs", "use crate::fs; fn to_le_bytes_of() { my::std_fs::read() }", &[]);
    }
}
