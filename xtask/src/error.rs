//! Why a task ended badly.

use std::io;
use std::process::{ExitCode, ExitStatus};

use crate::args::HELP;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}\n\n{HELP}")]
    Usage(String),
    #[error("`{command}` did not start")]
    Start { command: String, source: io::Error },
    #[error("`{command}` failed: {status}")]
    Failed { command: String, status: ExitStatus },
    #[error("`{command}` printed what cannot be read")]
    Output { command: String, source: serde_json::Error },
    #[error("{path}")]
    File { path: String, source: io::Error },
    #[error("{path}: not Rust: {message}")]
    NotRust { path: String, message: String },
    #[error("{path}: line {line} is not what `benches/compare` prints")]
    Line { path: String, line: usize, source: serde_json::Error },
    #[error("{path}: {message}")]
    Marker { path: String, message: String },
    #[error("{path} was not drawn: {message}")]
    Plot { path: String, message: String },
    #[error("{what} is missing, so nothing was run: {install}")]
    Missing { what: &'static str, install: &'static str },
    #[error("fuzz: {targets} failed")]
    Broken { targets: String },
    #[error("{asked} was asked for and cannot be done: {reason}")]
    CannotBeDone { asked: &'static str, reason: String },
    #[error("lint: {0} found")]
    Findings(usize),
    #[error("the tool `{tool}` fails without any fault: {what}")]
    Tool { tool: &'static str, what: String },
    #[error("planted: {0} not found")]
    NotFound(usize),
}

impl Error {
    /// 2 for a wrong command line, 1 for all else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}
