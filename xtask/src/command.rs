//! Running other programs.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::error::Error;

/// `cargo` with `args`, at the root of the workspace: the same `cargo` that runs this program.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

pub(crate) fn rustc(args: &[&str]) -> Command {
    let mut command = Command::new("rustc");
    command.args(args).current_dir(root());
    command
}

pub(crate) fn git(args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(args).current_dir(root());
    command
}

pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Runs the command to its end; what it prints is seen.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|source| Error::Start { command: line(command), source })?;
    if status.success() { Ok(()) } else { Err(Error::Failed { command: line(command), status }) }
}

/// Runs the command to its end and returns what it printed on its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<Vec<u8>, Error> {
    let Output { status, stdout, .. } =
        command.stderr(Stdio::inherit()).output().map_err(|source| Error::Start { command: line(command), source })?;
    if status.success() { Ok(stdout) } else { Err(Error::Failed { command: line(command), status }) }
}

/// Whether the command can be run here.
pub(crate) fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::{cargo, line, run, works};

    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        let error = run(cargo(&["--no-such-option"]).stderr(Stdio::null())).expect_err("cargo has no such option");
        assert!(error.to_string().starts_with("`cargo --no-such-option` failed: "), "{error}");
    }

    #[test]
    fn a_missing_subcommand_does_not_work() {
        assert!(works(&mut cargo(&["--version"])));
        assert!(!works(&mut cargo(&["no-such-subcommand", "--version"])));
    }

    #[test]
    fn a_command_is_shown_as_typed() {
        assert_eq!(line(&cargo(&["test", "--workspace"])), "cargo test --workspace");
    }
}
