//! The lines that `benches/compare` prints. Numbers are kept as they are needed: as `f64`.

use std::path::Path;

use serde::Deserialize;

use crate::error::Error;

#[derive(Debug, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    Run(Machine),
    Engine(Facts),
    Missing(Missing),
    Fdatasync(Fdatasync),
    Turn(Turn),
    Disk(Disk),
    Memory(Memory),
    End { seconds: f64 },
}

#[derive(Debug, Deserialize)]
pub(super) struct Machine {
    pub(super) mode: String,
    pub(super) cpu: String,
    pub(super) cores: u32,
    pub(super) kernel: String,
    pub(super) file_system: String,
    pub(super) load: f64,
    pub(super) payload_bytes: u32,
    pub(super) entities: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    Floor,
    Ours,
    Upstream,
    Peer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Survives {
    ProcessDeath,
    NothingBeforeSync,
    AlwaysSynced,
}

#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    pub(super) engine: String,
    pub(super) version: String,
    pub(super) role: Role,
    pub(super) written: Survives,
    pub(super) syncs: bool,
    pub(super) has_index: bool,
    pub(super) settings: String,
    #[serde(default)]
    pub(super) reading: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Missing {
    pub(super) engine: String,
    pub(super) workload: Option<String>,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fdatasync {
    pub(super) at: String,
    pub(super) samples: u32,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub(super) workload: String,
    pub(super) engine: String,
    pub(super) role: Option<String>,
    pub(super) round: u32,
    pub(super) threads: u32,
    /// Events of one commit, or that one read returns.
    pub(super) batch: f64,
    /// Events that were in the store before, where that matters.
    #[serde(default)]
    pub(super) stored: f64,
    pub(super) events: f64,
    pub(super) events_per_second: f64,
    pub(super) floor_per_second: Option<f64>,
    pub(super) of_floor: Option<f64>,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    pub(super) worst_ns: f64,
    /// Pairs of quantile and nanoseconds.
    pub(super) quantiles: Vec<(f64, f64)>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Disk {
    pub(super) engine: String,
    pub(super) batch: u32,
    pub(super) events: f64,
    pub(super) file_bytes: f64,
    pub(super) allocated_bytes: f64,
    pub(super) process_written: f64,
    pub(super) device_written: Option<f64>,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Memory {
    pub(super) engine: String,
    pub(super) stored: f64,
    pub(super) when: String,
    pub(super) heap_bytes: f64,
    pub(super) resident_bytes: f64,
    pub(super) anonymous_bytes: f64,
    pub(super) peak_bytes: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    pub(super) what: String,
    pub(super) bytes_per_event: f64,
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Line>, Error> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    let parsed = lines.map(|(number, line)| {
        serde_json::from_str(line).map_err(|source| Error::Line {
            path: path.display().to_string(),
            line: number + 1,
            source,
        })
    });
    parsed.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::{Line, parse};

    /// A run of two rounds, as `benches/compare` prints it, in part.
    pub(crate) const SAMPLE: &str = include_str!("sample.jsonl");

    pub(crate) fn sample() -> Vec<Line> {
        parse(SAMPLE, Path::new("sample.jsonl")).expect("the sample is what the program prints")
    }

    #[test]
    fn every_kind_of_line_can_be_read() {
        let lines = sample();
        assert!(lines.iter().any(|line| matches!(line, Line::Run(machine) if machine.cores == 2)));
        assert!(lines.iter().any(|line| matches!(line, Line::Disk(disk) if disk.parts.len() == 2)));
        assert!(lines.iter().any(|line| matches!(line, Line::Missing(missing) if missing.engine == "okaywal")));
        assert!(lines.iter().any(|line| matches!(line, Line::End { seconds } if *seconds > 600.0)));
    }

    #[test]
    fn a_line_that_is_something_else_is_named() {
        let error = parse("{\"line\":\"end\",\"seconds\":1}\n\nhello\n", Path::new("lines")).expect_err("not JSON");
        assert_eq!(error.to_string(), "lines: line 3 is not what `benches/compare` prints");
    }
}
