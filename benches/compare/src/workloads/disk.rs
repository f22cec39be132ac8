//! What an event takes on the disk, and what is written to the device for it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::single::commit;
use super::{How, Opened, Run, attempt};
use crate::engine::{Candidate, Failure, Level, Role};
use crate::engines::frame_len;
use crate::event::{NAMES_LEN, PAYLOAD_LEN};
use crate::line::{DiskLine, Line, Part, print};
use crate::machine::{Written, settle, size, written};
use crate::measure::{Limit, Turn};

const WORKLOAD: &str = "disk";

/// One by one and in batches of 1000, synced after every 1000 events.
pub(crate) fn disk(run: &Run<'_>) -> Result<(), Failure> {
    let events = run.scaled(20_000, 200_000);
    for batch in [1, 1000] {
        for candidate in run.those(|facts| facts.engine != "floor-pwrite" && facts.engine != "floor-zeroed") {
            let facts = &candidate.facts;
            // Engines that sync each event, or take a tenth of a millisecond for it, would take minutes.
            let is_slow = batch == 1 && (!facts.has_written() || facts.role == Role::Upstream);
            let events = if is_slow { events / 10 } else { events };
            attempt(WORKLOAD, facts.engine, || turn(run, candidate, batch, events))?;
        }
    }
    Ok(())
}

fn turn(run: &Run<'_>, candidate: &Candidate, batch: u64, events: u64) -> Result<(), Failure> {
    let how = How { level: Level::Written, threads: 1, max_events: events };
    let mut opened = Opened::new(run, candidate, &how)?;
    let before = written(run.dir);
    let mut turn = Turn::new()?;
    let limit = Limit { commits: events / batch, time: Duration::from_mins(1) };
    turn.run(limit, |n| commit(&opened, n, batch, Level::Written))?;
    opened.close()?;
    settle(run.dir)?;
    let after = written(run.dir);
    let events = turn.commits * batch;
    let (file_bytes, allocated_bytes) = size(opened.dir())?;
    let parts = match candidate.facts.role {
        Role::Ours => parts(opened.dir(), events, batch)?,
        Role::Floor | Role::Upstream | Role::Peer => Vec::new(),
    };
    print(&Line::Disk(DiskLine {
        workload: WORKLOAD,
        engine: candidate.facts.engine,
        batch,
        events,
        file_bytes,
        allocated_bytes,
        process_written: after.process - before.process,
        device_written: difference(before, after),
        parts,
    }))
}

fn difference(before: Written, after: Written) -> Option<u64> {
    Some(after.device? - before.device?)
}

/// Where the bytes of batpak's files go: what the format says of our events, and for the rest the files themselves.
fn parts(dir: &Path, events: u64, batch: u64) -> Result<Vec<Part>, Failure> {
    let per_event = |bytes: usize| bytes as f64 / batch as f64;
    let frame = frame_len(usize::try_from(batch)?);
    let padding = frame - 40 - usize::try_from(batch)? * (8 + 10 + NAMES_LEN + 16 + PAYLOAD_LEN + 64);
    let mut parts = vec![
        Part { what: "frame header", bytes_per_event: per_event(40) },
        Part { what: "item header", bytes_per_event: 8.0 },
        Part { what: "record head", bytes_per_event: 10.0 },
        Part { what: "entity and scope", bytes_per_event: NAMES_LEN as f64 },
        Part { what: "salt", bytes_per_event: 16.0 },
        Part { what: "payload", bytes_per_event: PAYLOAD_LEN as f64 },
        Part { what: "trailer: id, revision, time, hash", bytes_per_event: 64.0 },
        Part { what: "padding", bytes_per_event: per_event(padding) },
    ];
    let in_frames: f64 = parts.iter().map(|part| part.bytes_per_event).sum();
    let mut segments = 0;
    let mut other = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let is_segment = entry.path().extension().is_some_and(|extension| extension == "fbat");
        *(if is_segment { &mut segments } else { &mut other }) += entry.metadata()?.len();
    }
    let of_segments = segments as f64 / events as f64 - in_frames;
    parts.push(Part { what: "segment headers, links, seals, room ahead", bytes_per_event: of_segments });
    parts.push(Part { what: "index and other files", bytes_per_event: other as f64 / events as f64 });
    Ok(parts)
}
