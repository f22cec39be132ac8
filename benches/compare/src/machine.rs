//! The machine: what it is, what a sync costs, what was written to the disk, what is in memory.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, major, minor, syncfs};

use crate::engine::Failure;
use crate::line::{FdatasyncLine, MemoryLine, RunLine};
use crate::measure::{Limit, Turn};

const WRITE_LEN: usize = 128;
const SECTOR: u64 = 512;

pub(crate) fn describe(mode: &'static str, dir: &Path, payload_bytes: usize, entities: u64) -> RunLine {
    RunLine {
        mode,
        cpu: field("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        file_system: file_system(dir),
        load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        payload_bytes,
        entities,
    }
}

/// Measures what it costs to write 128 bytes and sync them.
pub(crate) fn fdatasync(at: &'static str, dir: &Path, samples: u64) -> Result<FdatasyncLine, Failure> {
    let path = dir.join("fdatasync");
    let file = File::create(&path)?;
    fallocate(&file, FallocateFlags::empty(), 0, samples * WRITE_LEN as u64)?;
    file.sync_all()?;
    let mut turn = Turn::new()?;
    turn.run(Limit { commits: samples, time: Duration::from_secs(5) }, |n| {
        file.write_all_at(&[0xa5; WRITE_LEN], n * WRITE_LEN as u64)?;
        Ok(file.sync_data()?)
    })?;
    fs::remove_file(path)?;
    let quantile = |quantile| turn.latencies.value_at_quantile(quantile);
    Ok(FdatasyncLine { at, samples: turn.commits, p50_ns: quantile(0.5), p99_ns: quantile(0.99) })
}

/// Writes out what lies in the caches of the file system, so that one engine does not pay for another.
pub(crate) fn settle(dir: &Path) -> Result<(), Failure> {
    Ok(syncfs(File::open(dir)?)?)
}

/// What this process has in memory at this moment.
pub(crate) fn memory(engine: &'static str, stored: u64, when: &'static str) -> MemoryLine {
    // SAFETY: it has no preconditions.
    let heap = unsafe { libc::mallinfo2() };
    let status = |name| {
        let field = field("/proc/self/status", name);
        field.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
    };
    MemoryLine {
        engine,
        stored,
        when,
        heap_bytes: (heap.uordblks + heap.hblkhd) as u64,
        resident_bytes: status("VmRSS"),
        anonymous_bytes: status("RssAnon"),
        peak_bytes: status("VmHWM"),
    }
}

/// What has been written so far.
#[derive(Clone, Copy)]
pub(crate) struct Written {
    pub(crate) process: u64,
    pub(crate) device: Option<u64>,
}

pub(crate) fn written(dir: &Path) -> Written {
    let process = field("/proc/self/io", "write_bytes").parse().unwrap_or(0);
    Written { process, device: device_written(dir) }
}

fn device_written(dir: &Path) -> Option<u64> {
    let device = fs::metadata(dir).ok()?.dev();
    let stat = format!("/sys/dev/block/{}:{}/stat", major(device), minor(device));
    let stat = fs::read_to_string(stat).ok()?;
    let sectors: u64 = stat.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors * SECTOR)
}

/// The length of the files below `dir`, and what is allocated for them.
pub(crate) fn size(dir: &Path) -> Result<(u64, u64), Failure> {
    let mut sum = (0, 0);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let (len, allocated) =
            if metadata.is_dir() { size(&entry.path())? } else { (metadata.len(), metadata.blocks() * SECTOR) };
        sum = (sum.0 + len, sum.1 + allocated);
    }
    Ok(sum)
}

/// Type and options of the mount that holds `dir`: the longest mount point that is a prefix of it.
fn file_system(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    let mounts = read("/proc/mounts");
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?, words.next()?))
    });
    let holding = mounts.filter(|(point, ..)| dir.starts_with(point)).max_by_key(|(point, ..)| point.len());
    holding.map_or_else(|| "unknown".to_owned(), |(_, kind, options)| format!("{kind} ({options})"))
}

/// The value behind the first `name:` of a file of lines.
fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let values = text.lines().filter_map(|line| line.split_once(':'));
    let value = values.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next();
    value.unwrap_or_else(|| "unknown".to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
