//! What the program prints: one JSON object on each line.

use std::io::Write as _;

use serde::Serialize;

use crate::engine::{Facts, Failure};
use crate::measure::{Latencies, Turn};

/// The points at which a distribution is told.
const QUANTILES: &[f64] =
    &[0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.999_95, 0.999_99, 1.0];

#[derive(Serialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    /// The machine and the run.
    Run(RunLine),
    Engine(&'a Facts),
    /// An engine that this build has not, or a workload that an engine did not come through.
    Missing {
        engine: &'a str,
        workload: Option<&'a str>,
        reason: String,
    },
    Fdatasync(FdatasyncLine),
    Turn(TurnLine),
    Disk(DiskLine),
    Memory(MemoryLine),
    End {
        seconds: f64,
    },
}

#[derive(Serialize)]
pub(crate) struct RunLine {
    pub(crate) mode: &'static str,
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
    /// What else was going on when the run began: processes that ran or waited for the disk, over a minute.
    pub(crate) load: f64,
    pub(crate) payload_bytes: usize,
    pub(crate) entities: u64,
}

/// 128 bytes written and synced, again and again, in a file that was allocated ahead.
#[derive(Serialize)]
pub(crate) struct FdatasyncLine {
    pub(crate) at: &'static str,
    pub(crate) samples: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
}

#[derive(Serialize)]
pub(crate) struct TurnLine {
    pub(crate) workload: &'static str,
    pub(crate) engine: &'static str,
    /// What these threads did, where not all did the same.
    pub(crate) role: Option<&'static str>,
    pub(crate) round: u32,
    pub(crate) threads: u64,
    pub(crate) batch: u64,
    /// Events that were in the store before, where that matters.
    pub(crate) stored: u64,
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    pub(crate) events_per_second: f64,
    /// What the floor did in the same turns, where the two were interleaved.
    pub(crate) floor_per_second: Option<f64>,
    /// The median over pairs of short turns of how much of the floor's speed it reached.
    pub(crate) of_floor: Option<f64>,
    /// Latencies of a commit.
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) worst_ns: u64,
    pub(crate) quantiles: Vec<(f64, u64)>,
}

/// Where and how a turn took place.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) workload: &'static str,
    pub(crate) engine: &'static str,
    pub(crate) role: Option<&'static str>,
    pub(crate) round: u32,
    pub(crate) threads: u64,
    pub(crate) batch: u64,
    pub(crate) stored: u64,
}

impl Place {
    /// One thread, which does all that there is to do.
    pub(crate) fn alone(workload: &'static str, engine: &'static str, round: u32, batch: u64) -> Self {
        Self { workload, engine, role: None, round, threads: 1, batch, stored: 0 }
    }
}

impl TurnLine {
    pub(crate) fn new(place: Place, turn: &Turn) -> Self {
        let Place { workload, engine, role, round, threads, batch, stored } = place;
        let at = |quantile| turn.latencies.value_at_quantile(quantile);
        Self {
            workload,
            engine,
            role,
            round,
            threads,
            batch,
            stored,
            events: turn.commits * batch,
            seconds: turn.elapsed.as_secs_f64(),
            events_per_second: per_second(turn, batch),
            floor_per_second: None,
            of_floor: None,
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            worst_ns: turn.latencies.max(),
            quantiles: quantiles(&turn.latencies),
        }
    }
}

pub(crate) fn per_second(turn: &Turn, batch: u64) -> f64 {
    (turn.commits * batch) as f64 / turn.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Those of which there are at least ten samples beyond, and the worst.
fn quantiles(latencies: &Latencies) -> Vec<(f64, u64)> {
    let samples = latencies.len() as f64;
    let told = QUANTILES.iter().filter(|quantile| **quantile >= 1.0 || (1.0 - **quantile) * samples >= 9.999);
    told.map(|quantile| (*quantile, latencies.value_at_quantile(*quantile))).collect()
}

/// All of it is bytes; those that end in `written` are of the whole turn, up to the last sync after closing.
#[derive(Serialize)]
pub(crate) struct DiskLine {
    pub(crate) workload: &'static str,
    pub(crate) engine: &'static str,
    pub(crate) batch: u64,
    pub(crate) events: u64,
    pub(crate) file_bytes: u64,
    pub(crate) allocated_bytes: u64,
    /// `write_bytes` of `/proc/self/io`: what this process made dirty and sent to storage, by pages.
    pub(crate) process_written: u64,
    /// Sectors written of the block device that holds the directory, by whomever, with the journal of the file system.
    pub(crate) device_written: Option<u64>,
    pub(crate) parts: Vec<Part>,
}

/// Where bytes of an event go, per event.
#[derive(Serialize)]
pub(crate) struct Part {
    pub(crate) what: &'static str,
    pub(crate) bytes_per_event: f64,
}

/// What a process of its own has in memory that does nothing but open a store and append to it.
#[derive(Serialize)]
pub(crate) struct MemoryLine {
    pub(crate) engine: &'static str,
    /// Events in the store when it is opened.
    pub(crate) stored: u64,
    pub(crate) when: &'static str,
    /// In use on the heap, by `mallinfo2`: of Rust and of C, mapped blocks included.
    pub(crate) heap_bytes: u64,
    /// `VmRSS`: with the pages of mapped files.
    pub(crate) resident_bytes: u64,
    /// `RssAnon`: without them.
    pub(crate) anonymous_bytes: u64,
    /// `VmHWM`: the most that was resident so far.
    pub(crate) peak_bytes: u64,
}

/// Prints a line.
pub(crate) fn print(line: &Line<'_>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Tells the person at the terminal how far it is. A closed terminal is no reason to fail.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
