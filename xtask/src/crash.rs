//! Kills, power cuts and failed syncs under a process that writes. What cannot be done here is said, and is not passed.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::args::Crash;
use crate::command::{capture, cargo, run as run_command, works};
use crate::error::Error;
use crate::report;

/// One of the ways in which a process or its disk can die.
#[derive(Clone, Copy)]
struct Part {
    name: &'static str,
    option: &'static str,
    test: &'static str,
    rounds: u32,
    needs: Needs,
}

#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    /// Root, loop devices, and programs, each with the package that has it.
    Disk(&'static [(&'static str, &'static str)]),
}

const MOUNT: (&str, &str) = ("mount", "mount");
const UNSHARE: (&str, &str) = ("unshare", "util-linux");
const FALLOCATE: (&str, &str) = ("fallocate", "util-linux");
const FINDMNT: (&str, &str) = ("findmnt", "util-linux");
const MKFS_EXT4: (&str, &str) = ("mkfs.ext4", "e2fsprogs");
const MKFS_XFS: (&str, &str) = ("mkfs.xfs", "xfsprogs");
/// It cuts the power of both file systems.
const XFS_IO: (&str, &str) = ("xfs_io", "xfsprogs");

const KILLS: Part = Part {
    name: "kills",
    option: "--kills",
    test: "crash::kill::a_killed_process_loses_nothing_that_it_acknowledged",
    rounds: 100,
    needs: Needs::Nothing,
};
const EXT4: Part = Part {
    name: "power cuts on ext4",
    option: "--ext4",
    test: "crash::power::a_power_cut_on_ext4_takes_nothing_that_was_durable",
    rounds: 50,
    needs: Needs::Disk(&[MOUNT, UNSHARE, MKFS_EXT4, XFS_IO]),
};
const XFS: Part = Part {
    name: "power cuts on xfs",
    option: "--xfs",
    test: "crash::power::a_power_cut_on_xfs_takes_nothing_that_was_durable",
    rounds: 40,
    needs: Needs::Disk(&[MOUNT, UNSHARE, MKFS_XFS, XFS_IO]),
};
const FAILED_SYNCS: Part = Part {
    name: "failed syncs",
    option: "--failed-syncs",
    test: "crash::failed_sync::after_a_failed_sync_nothing_is_accepted_and_what_was_durable_is_there",
    rounds: 20,
    needs: Needs::Disk(&[MOUNT, UNSHARE, FALLOCATE, FINDMNT, MKFS_EXT4, XFS_IO]),
};

pub(crate) fn run(task: Crash) -> Result<(), Error> {
    let parts = [(KILLS, task.kills), (EXT4, task.ext4), (XFS, task.xfs), (FAILED_SYNCS, task.failed_syncs)];
    let mut verdicts = Vec::new();
    for (part, asked) in parts {
        verdicts.push(run_part(&part, asked, task.seed)?);
    }
    verdicts.into_iter().for_each(report::line);
    Ok(())
}

/// Returns what is to be said of it at the end.
fn run_part(part: &Part, asked: Option<u32>, seed: Option<u64>) -> Result<String, Error> {
    let rounds = asked.unwrap_or(part.rounds);
    if rounds == 0 {
        return Ok(verdict(part, "left out"));
    }
    match (missing(part.needs), asked) {
        (Some(reason), None) => Ok(verdict(part, &format!("SKIPPED, {reason}"))),
        (Some(reason), Some(_)) => Err(Error::CannotBeDone { asked: part.option, reason }),
        (None, _) => {
            let start = Instant::now();
            run_command(&mut test(part, rounds, seed))?;
            Ok(verdict(part, &format!("{rounds} rounds ok, {:.0} s", start.elapsed().as_secs_f64())))
        }
    }
}

fn verdict(part: &Part, said: &str) -> String {
    format!("crash: {:<20}{said}", part.name)
}

/// Why it cannot be done here.
fn missing(needs: Needs) -> Option<String> {
    let Needs::Disk(programs) = needs else { return None };
    if capture(Command::new("id").arg("-u")).ok().as_deref() != Some(b"0\n") {
        return Some("it needs root".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("there are no loop devices".to_owned());
    }
    let missing = programs.iter().find(|(program, _)| !is_installed(program));
    missing.map(|(program, package)| format!("`{program}` is missing, of the package {package}"))
}

fn is_installed(program: &str) -> bool {
    works(Command::new("sh").args(["-c", "command -v \"$1\"", "sh", program]))
}

fn test(part: &Part, rounds: u32, seed: Option<u64>) -> Command {
    let words =
        ["test", "-p", "batpak", "--test", "batpak", part.test, "--", "--exact", "--nocapture", "--include-ignored"];
    let mut test = match part.needs {
        Needs::Nothing => cargo(&words),
        Needs::Disk(_) => alone(&cargo(&words)),
    };
    test.env("BATPAK_CRASH_ROUNDS", rounds.to_string());
    if let Some(seed) = seed {
        test.env("BATPAK_CRASH_SEED", seed.to_string());
    }
    test
}

/// The same command in a mount namespace of its own: what it mounts ends with it, however it ends.
fn alone(command: &Command) -> Command {
    let mut alone = Command::new("unshare");
    alone.arg("--mount").arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        alone.current_dir(dir);
    }
    alone
}

#[cfg(test)]
mod tests {
    use super::{EXT4, KILLS, Needs, Part, missing, run_part};

    const IMPOSSIBLE: Part = Part { needs: Needs::Disk(&[("no-such-program", "no-such-package")]), ..EXT4 };

    #[test]
    fn what_cannot_be_done_is_said_and_not_passed() {
        assert_eq!(missing(KILLS.needs), None);
        assert!(missing(IMPOSSIBLE.needs).is_some());
        let said = run_part(&IMPOSSIBLE, None, None).expect("it is skipped");
        assert!(said.starts_with("crash: power cuts on ext4  SKIPPED, "), "{said}");
    }

    #[test]
    fn what_was_asked_for_and_cannot_be_done_is_an_error() {
        let error = run_part(&IMPOSSIBLE, Some(1), None).expect_err("it cannot be done");
        assert!(error.to_string().starts_with("--ext4 was asked for and cannot be done: "), "{error}");
    }

    #[test]
    fn what_is_to_be_done_no_time_is_left_out() {
        let said = run_part(&IMPOSSIBLE, Some(0), None).expect("there is nothing to do");
        assert_eq!(said, "crash: power cuts on ext4  left out");
    }
}
