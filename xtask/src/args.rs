//! The command line.

use crate::error::Error;

pub(crate) const HELP: &str = "\
usage: cargo xtask <task>

  lint              the rules of this workspace that rustc and clippy do not know
  test              all tests that do not depend on the hardware
  ci                format, clippy, docs, lint, dependencies, builds without std
  perf-gates        the ignored tests, in release mode: they measure this machine
  kill --rounds N   kill a writing process N times, and check what it had acknowledged
  help              this text";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Lint,
    Test,
    Ci,
    PerfGates,
    Kill { rounds: u32 },
}

pub(crate) fn parse(args: &[String]) -> Result<Task, Error> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["help" | "--help" | "-h"] => Ok(Task::Help),
        ["lint"] => Ok(Task::Lint),
        ["test"] => Ok(Task::Test),
        ["ci"] => Ok(Task::Ci),
        ["perf-gates"] => Ok(Task::PerfGates),
        ["kill", "--rounds", count] => Ok(Task::Kill { rounds: rounds(count)? }),
        ["kill", ..] => Err(Error::Usage("kill needs `--rounds N`".to_owned())),
        [] => Err(Error::Usage("no task given".to_owned())),
        _ => Err(Error::Usage(format!("no such task: `{}`", words.join(" ")))),
    }
}

fn rounds(count: &str) -> Result<u32, Error> {
    match count.parse() {
        Ok(rounds) if rounds > 0 => Ok(rounds),
        _ => Err(Error::Usage(format!("`--rounds {count}`: not a number from 1 to {}", u32::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Task, parse};

    fn parsed(line: &str) -> Result<Task, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&args).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_refused(line: &str, says: &str) {
        let message = parsed(line).expect_err("this line is no task");
        assert!(message.starts_with(says), "{message}");
        assert!(message.contains("usage: cargo xtask <task>"), "{message}");
    }

    #[test]
    fn each_task_has_its_word() {
        assert_eq!(parsed("help"), Ok(Task::Help));
        assert_eq!(parsed("lint"), Ok(Task::Lint));
        assert_eq!(parsed("test"), Ok(Task::Test));
        assert_eq!(parsed("ci"), Ok(Task::Ci));
        assert_eq!(parsed("perf-gates"), Ok(Task::PerfGates));
        assert_eq!(parsed("kill --rounds 40"), Ok(Task::Kill { rounds: 40 }));
    }

    #[test]
    fn a_wrong_line_is_refused_with_what_is_wrong_and_the_usage() {
        check_refused("", "no task given");
        check_refused("lnit", "no such task: `lnit`");
        check_refused("lint --fast", "no such task: `lint --fast`");
        check_refused("kill", "kill needs `--rounds N`");
        check_refused("kill --rounds", "kill needs `--rounds N`");
        check_refused("kill --rounds 0", "`--rounds 0`: not a number");
        check_refused("kill --rounds many", "`--rounds many`: not a number");
    }
}
