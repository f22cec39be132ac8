//! What the person at the terminal reads. A closed terminal or pipe is no reason to fail.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;

pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints the error and its causes on the error output.
pub(crate) fn error(error: &dyn Error) {
    let mut out = std::io::stderr();
    let _ = writeln!(out, "xtask: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(out, "  because: {error}");
        cause = error.source();
    }
}
