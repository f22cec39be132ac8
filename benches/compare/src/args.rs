//! The command line.

use std::path::PathBuf;

use crate::engine::Failure;

pub(crate) const HELP: &str = "\
usage: compare [--quick] [--only WORKLOAD,…] [--engines NAME,…] [--dir PATH]

  --quick    few events and one round: to see that all works, not to quote
  --only     these workloads: append-written, append-synced, threads-synced, mixed, batch-synced, bulk, disk, reads,
             open, killed, memory, project, entities, queries
  --engines  these engines, and the floor
  --dir      where to put the data, on the disk to be measured; by default below the directory of the build

Prints JSON lines.";

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) quick: bool,
    pub(crate) help: bool,
    pub(crate) only: Vec<String>,
    pub(crate) engines: Vec<String>,
    pub(crate) dir: Option<PathBuf>,
}

pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Args, Failure> {
    let mut args = Args::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value\n\n{HELP}"));
        match word.as_str() {
            "--quick" => args.quick = true,
            "--help" | "-h" => args.help = true,
            "--only" => args.only = list(&value()?),
            "--engines" => args.engines = list(&value()?),
            "--dir" => args.dir = Some(value()?.into()),
            _ => return Err(format!("no such option: `{word}`\n\n{HELP}").into()),
        }
    }
    Ok(args)
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}

impl Args {
    pub(crate) fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == workload)
    }

    pub(crate) fn wants_engine(&self, engine: &str) -> bool {
        self.engines.is_empty() || self.engines.iter().any(|name| name == engine)
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, parse};

    fn parsed(line: &str) -> Result<Args, String> {
        parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_can_be_combined() {
        let args = parsed("--quick --only bulk,disk --engines fjall").unwrap();
        assert!(args.quick && args.wants("disk") && !args.wants("mixed"));
        assert!(args.wants_engine("fjall") && !args.wants_engine("redb"));
        assert!(parsed("").unwrap().wants("mixed"));
    }

    #[test]
    fn a_wrong_option_is_refused() {
        assert!(parsed("--fast").unwrap_err().starts_with("no such option"));
        assert!(parsed("--only").unwrap_err().starts_with("`--only` needs a value"));
    }
}
