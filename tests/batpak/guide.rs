//! The pages of the guide hold the examples, which are compiled and run: a page that differs tells a reader something
//! that was never tried.

/// The example is here for its own tests.
#[path = "../../crates/batpak/examples/ledger.rs"]
#[expect(dead_code, reason = "the program itself is run where the examples are")]
mod bank;

/// The lines of the blocks of a page that are marked as Rust and nothing else.
fn program(page: &str) -> Vec<&str> {
    let mut within = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        match line {
            "```rust" => within = true,
            "```" => within = false,
            line if within && !line.is_empty() => lines.push(line),
            _ => {}
        }
    }
    lines
}

/// The lines of an example behind its documentation and the lints that it is excused from.
fn code(example: &str) -> Vec<&str> {
    let lines = example.lines().filter(|line| !line.is_empty());
    lines.skip_while(|line| line.starts_with("//!") || line.starts_with("#![")).collect()
}

#[track_caller]
fn check(page: &str, example: &str) {
    let (page, example) = (program(page), code(example));
    for (page, example) in page.iter().zip(&example) {
        assert_eq!(page, example);
    }
    assert_eq!(page.len(), example.len());
}

macro_rules! pages {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            check(
                include_str!(concat!("../../docs/guide/", stringify!($name), ".md")),
                include_str!(concat!("../../crates/batpak/examples/", stringify!($name), ".rs")),
            );
        }
    )*};
}

pages! { audit ledger schema seats }
