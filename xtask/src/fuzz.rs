//! Looks for bytes with which a promise does not hold, with each target of `fuzz` for some time.
//!
//! It begins with what `cargo test` replays. What it finds on its way stays below the target directory, and so does an
//! input that breaks something: as a test it is put into `tests/fuzz/crashes`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::args::Fuzz;
use crate::command::{root, run as run_command, works};
use crate::error::Error;
use crate::report;
use crate::workspace::target_directory;

/// No target needs more, or what it does with a small input grows without bound.
const MEMORY_MIB: u32 = 2048;
/// No input takes longer, or it never ends.
const INPUT_SECONDS: u32 = 20;

pub(crate) fn run(task: &Fuzz) -> Result<(), Error> {
    let targets = chosen(names()?, task.target.as_deref())?;
    check_tools()?;
    let place = target_directory()?.join("fuzz");
    let broken: Vec<String> = targets.into_iter().filter(|name| !holds(name, task.seconds, &place)).collect();
    if broken.is_empty() { Ok(()) } else { Err(Error::Broken { targets: broken.join(", ") }) }
}

/// All targets, by the programs that there are.
fn names() -> Result<Vec<String>, Error> {
    let place = root().join("fuzz/fuzz_targets");
    let failed = |source| Error::File { path: place.display().to_string(), source };
    let paths: Result<Vec<PathBuf>, _> =
        fs::read_dir(&place).map_err(failed)?.map(|it| it.map(|it| it.path())).collect();
    let paths = paths.map_err(|source| Error::File { path: place.display().to_string(), source })?;
    let mut names: Vec<String> =
        paths.iter().filter_map(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn chosen(names: Vec<String>, target: Option<&str>) -> Result<Vec<String>, Error> {
    match target {
        None => Ok(names),
        Some(target) if names.iter().any(|name| name == target) => Ok(vec![target.to_owned()]),
        Some(target) => Err(Error::Usage(format!("no fuzz target `{target}`, there are {}", names.join(", ")))),
    }
}

/// What is missing is an error: what was not run has not passed.
fn check_tools() -> Result<(), Error> {
    let tools: [(&'static str, &[&str], &'static str); 2] = [
        ("a nightly compiler", &["rustc", "--version"], "rustup toolchain install nightly --profile minimal"),
        ("cargo-fuzz", &["cargo", "fuzz", "--version"], "cargo install cargo-fuzz --locked"),
    ];
    for (what, words, install) in tools {
        if !works(&mut nightly(words)) {
            return Err(Error::Missing { what, install });
        }
    }
    Ok(())
}

fn nightly(words: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).args(words).current_dir(root());
    command
}

fn holds(name: &str, seconds: u32, place: &Path) -> bool {
    let start = Instant::now();
    let result = prepare(name, place).and_then(|corpus| run_command(&mut fuzz(name, seconds, place, &corpus)));
    let verdict = match &result {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("FAILED: {error}; see {}", artifacts(name, place).display()),
    };
    report::line(format!("fuzz: {name:<10} {:>6.0} s  {verdict}", start.elapsed().as_secs_f64()));
    result.is_ok()
}

fn artifacts(name: &str, place: &Path) -> PathBuf {
    place.join("artifacts").join(name)
}

/// Makes the directories that it writes to; returns where new inputs are put.
fn prepare(name: &str, place: &Path) -> Result<PathBuf, Error> {
    let corpus = place.join("corpus").join(name);
    for dir in [&corpus, &artifacts(name, place)] {
        fs::create_dir_all(dir).map_err(|source| Error::File { path: dir.display().to_string(), source })?;
    }
    Ok(corpus)
}

/// Without a sanitizer: what is fuzzed is safe Rust but for dependencies, and runs twice as often without. Debug
/// assertions and checks of overflow are on.
fn fuzz(name: &str, seconds: u32, place: &Path, corpus: &Path) -> Command {
    let mut command = nightly(&["cargo", "fuzz", "run", "--fuzz-dir", "fuzz", "--sanitizer", "none", "--target-dir"]);
    command.arg(place.join("target")).arg(name).arg(corpus);
    let kept = ["corpus", "crashes"].map(|kept| root().join("tests/fuzz").join(kept).join(name));
    command.args(kept.iter().filter(|kept| kept.exists())).arg("--");
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-timeout={INPUT_SECONDS}"));
    command.arg(format!("-rss_limit_mb={MEMORY_MIB}")).arg("-print_final_stats=1");
    command.arg(format!("-artifact_prefix={}/", artifacts(name, place).display()));
    command
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{chosen, fuzz, names};
    use crate::command::line;

    #[test]
    fn each_target_is_run_unless_one_is_chosen() {
        let all = names().expect("the programs can be listed");
        assert!(all.len() >= 9 && all.contains(&"record".to_owned()), "{all:?}");
        assert_eq!(chosen(all.clone(), None).expect("all"), all);
        assert_eq!(chosen(all.clone(), Some("json")).expect("one"), ["json"]);
        let error = chosen(all, Some("jsno")).expect_err("no such target").to_string();
        assert!(error.starts_with("no fuzz target `jsno`, there are directory, index, json"), "{error}");
    }

    #[test]
    fn what_is_found_stays_below_the_target_directory() {
        let command = line(&fuzz("json", 7, Path::new("/t"), Path::new("/t/corpus/json")));
        assert!(command.starts_with("rustup run nightly cargo fuzz run"), "{command}");
        assert!(command.contains(" json /t/corpus/json "), "{command}");
        assert!(command.contains(" -max_total_time=7 ") && command.ends_with("/t/artifacts/json/"), "{command}");
    }
}
