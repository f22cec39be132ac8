//! The figures as Markdown, a table for each place in the document.

use std::collections::BTreeSet;

use super::document::Filling;
use super::figures::{Figure, Figures, Row};
use super::goals::{self, Goal};
use super::lines::{Disk, Facts, Role, Survives};
use super::read_tables;
use super::text::{Table, or_dash, rate, ratio, time};

/// What was measured: a commit, or a commit and changes.
pub(super) struct Origin {
    pub(super) commit: String,
    pub(super) is_changed: bool,
}

pub(super) fn all(figures: &Figures, origin: &Origin) -> Vec<Filling> {
    let filling = |name, text| Filling { name, text };
    let throughput = |workload| throughput(figures, Row::new(workload));
    let mut all = vec![
        filling("machine", machine(figures, origin)),
        filling("goals", goals(figures)),
        filling("fdatasync", fdatasync(figures)),
        filling("append-written", throughput("append-written")),
        filling("append-synced", throughput("append-synced")),
        filling("threads-synced", threads(figures, "threads-synced")),
        filling("mixed", mixed(figures)),
        filling("batch-synced", throughput("batch-synced")),
        filling("bulk", throughput("bulk")),
        filling("bulk-written", throughput("bulk-written")),
        filling("disk", disk(figures)),
        filling("disk-parts", disk_parts(figures)),
        filling("engines", engines(figures)),
        filling("missing", missing(figures)),
    ];
    all.extend(read_tables::all(figures));
    all
}

fn machine(figures: &Figures, origin: &Origin) -> String {
    let Some(machine) = figures.machine() else { return "Nothing was measured.\n".to_owned() };
    let changes = if origin.is_changed { ", with changes that are not in it" } else { "" };
    let quick = if machine.mode == "full" { "" } else { " --quick" };
    let mut table = Table::new(&["", ""]);
    let mut row = |what: &str, text: String| table.row([what.to_owned(), text]);
    row("command", format!("`cargo xtask bench --compare{quick}`"));
    row("commit", format!("{}{changes}", origin.commit));
    row("machine", format!("{}, {} cores", machine.cpu, machine.cores));
    row("kernel", machine.kernel.clone());
    row("file system", machine.file_system.clone());
    row("load average before", ratio(machine.load));
    row("events", format!("payload {} bytes, {} entities in turn", machine.payload_bytes, machine.entities));
    row("rounds", figures.rounds().to_string());
    row("it took", or_dash(figures.seconds(), |seconds| format!("{seconds:.0} s")));
    table.finish()
}

fn goals(figures: &Figures) -> String {
    let mut table = Table::new(&["work", "to reach", "batpak", "reached", "of the floor", "best peer", "batpak 0.10"]);
    for Goal { work, row, told, to_reach, measured, is_reached } in goals::all(figures) {
        let reached = match is_reached {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        let of_floor = row.and_then(|row| figures.figure(row, goals::OURS)).and_then(|figure| figure.of_floor);
        let best = row.map_or_else(|| "–".to_owned(), |row| best_peers(figures, row, told));
        let upstream = row.and_then(|row| upstream(figures, row));
        let upstream = upstream.map_or_else(|| "–".to_owned(), |figure| told(&figure));
        let cells = [work.to_owned(), to_reach, measured, reached.to_owned(), or_dash(of_floor, ratio), best];
        table.row(cells.into_iter().chain([upstream]));
    }
    table.finish()
}

/// The best peer, and the best one with an index if that is another.
fn best_peers(figures: &Figures, row: Row<'_>, told: fn(&Figure) -> String) -> String {
    let best = [false, true].map(|needs_index| figures.best_peer(row, needs_index));
    let named = |(engine, figure): (&Facts, Figure)| {
        let index = if engine.has_index { "" } else { " (no index)" };
        format!("{} {}{index}", engine.engine, told(&figure))
    };
    match best {
        [None, _] => "–".to_owned(),
        [Some(any), Some(with_index)] if any.0.engine != with_index.0.engine => {
            format!("{}; {}", named(any), named(with_index))
        }
        [Some(any), _] => named(any),
    }
}

fn upstream(figures: &Figures, row: Row<'_>) -> Option<Figure> {
    let engine = figures.engines().find(|engine| engine.role == Role::Upstream)?;
    figures.figure(row, &engine.engine)
}

fn fdatasync(figures: &Figures) -> String {
    let mut table = Table::new(&["before", "samples", "p50", "p99"]);
    for line in figures.fdatasync() {
        table.row([line.at.clone(), line.samples.to_string(), time(line.p50_ns), time(line.p99_ns)]);
    }
    table.finish()
}

fn throughput(figures: &Figures, row: Row<'_>) -> String {
    let head = [
        "engine",
        "events",
        "per second",
        "lowest – highest",
        "of the floor",
        "of the best peer",
        "p50",
        "p99",
        "p99.9",
        "p99.99",
        "worst",
        "note",
    ];
    let mut table = Table::new(&head);
    let best = figures.best_peer(row, false).map(|(engine, _)| engine.engine.as_str());
    let mut is_empty = true;
    for engine in figures.engines() {
        let name = engine.engine.as_str();
        let Some(figure) = figures.figure(row, name) else { continue };
        is_empty = false;
        let of_best = best.and_then(|best| figures.ratio(row, name, best));
        table.row([
            bold_if_ours(engine),
            format!("{:.0}", figure.events),
            rate(figure.per_second),
            format!("{} – {}", rate(figure.lowest), rate(figure.highest)),
            of_floor(&figure),
            or_dash(of_best, ratio),
            time(figure.p50_ns),
            time(figure.p99_ns),
            or_dash(figures.quantile(row, name, 0.999), time),
            or_dash(figures.quantile(row, name, 0.9999), time),
            time(figure.worst_ns),
            note(engine, row),
        ]);
    }
    or_nothing(is_empty, table)
}

/// The median of the short turns, and in brackets the ratio of the whole time, if that is another.
fn of_floor(figure: &Figure) -> String {
    let shown = or_dash(figure.of_floor, ratio);
    match figure.of_floor_in_all.map(ratio) {
        Some(in_all) if in_all != shown => format!("{shown} ({in_all})"),
        _ => shown,
    }
}

pub(super) fn or_nothing(is_empty: bool, table: Table) -> String {
    if is_empty { "Not measured in this run.\n".to_owned() } else { table.finish() }
}

pub(super) fn bold_if_ours(engine: &Facts) -> String {
    if engine.role == Role::Ours { format!("**{}**", engine.engine) } else { engine.engine.clone() }
}

/// What makes an engine's figure another thing than that of the others.
fn note(engine: &Facts, row: Row<'_>) -> String {
    let is_written = row.workload.ends_with("-written");
    let notes = [
        (!engine.syncs && engine.role == Role::Peer).then_some("never syncs"),
        (is_written && engine.written == Survives::NothingBeforeSync).then_some("in memory until the sync"),
        (!engine.has_index && engine.role == Role::Peer).then_some("no index"),
    ];
    notes.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Speed and latencies by the number of threads.
pub(super) fn threads(figures: &Figures, workload: &str) -> String {
    let threads = figures.threads(workload);
    let head: Vec<String> = threads.iter().map(|threads| format!("{threads} threads")).collect();
    let head: Vec<&str> = ["engine"].into_iter().chain(head.iter().map(String::as_str)).collect();
    let mut table = Table::new(&head);
    for engine in figures.engines() {
        let cells: Vec<String> = threads
            .iter()
            .map(|threads| {
                let row = Row { threads: *threads, ..Row::new(workload) };
                let figure = figures.figure(row, &engine.engine);
                figure.map_or_else(
                    || "–".to_owned(),
                    |figure| {
                        format!("{}, p50 {}, p99 {}", rate(figure.per_second), time(figure.p50_ns), time(figure.p99_ns))
                    },
                )
            })
            .collect();
        if cells.iter().any(|cell| cell != "–") {
            table.row([bold_if_ours(engine)].into_iter().chain(cells));
        }
    }
    or_nothing(threads.is_empty(), table)
}

fn mixed(figures: &Figures) -> String {
    let head = ["engine", "one `Synced` thread", "p50", "p99", "three `Written` threads", "p50", "p99"];
    let mut table = Table::new(&head);
    let mut is_empty = true;
    for engine in figures.engines() {
        let of = |role, threads| figures.figure(Row { threads, role: Some(role), ..Row::new("mixed") }, &engine.engine);
        let (Some(synced), Some(written)) = (of("synced", 1), of("written", 3)) else { continue };
        is_empty = false;
        let cells = [synced, written]
            .into_iter()
            .flat_map(|figure| [rate(figure.per_second), time(figure.p50_ns), time(figure.p99_ns)]);
        table.row([bold_if_ours(engine)].into_iter().chain(cells));
    }
    or_nothing(is_empty, table)
}

fn disk(figures: &Figures) -> String {
    let head = ["engine", "commits", "events", "files", "allocated", "written by the process", "written to the device"];
    let mut table = Table::new(&head);
    let mut is_empty = true;
    for (batch, commits) in [(1, "one by one"), (1000, "batches of 1000")] {
        for disk in figures.disk(batch) {
            is_empty = false;
            table.row([disk.engine.clone(), commits.to_owned()].into_iter().chain(disk_cells(disk)));
        }
    }
    or_nothing(is_empty, table)
}

fn disk_cells(disk: &Disk) -> [String; 5] {
    let per_event = |bytes: f64| format!("{:.0} B", bytes / disk.events);
    [
        format!("{:.0}", disk.events),
        per_event(disk.file_bytes),
        per_event(disk.allocated_bytes),
        per_event(disk.process_written),
        disk.device_written.map_or_else(|| "–".to_owned(), per_event),
    ]
}

fn disk_parts(figures: &Figures) -> String {
    let ours = |batch| figures.disk(batch).find(|disk| disk.engine == goals::OURS);
    let (Some(single), Some(batch)) = (ours(1), ours(1000)) else { return or_nothing(true, Table::new(&[])) };
    let mut table = Table::new(&["what", "one by one", "in batches of 1000"]);
    let show = |bytes: f64| format!("{bytes:.1} B");
    for (one, other) in single.parts.iter().zip(&batch.parts) {
        table.row([one.what.clone(), show(one.bytes_per_event), show(other.bytes_per_event)]);
    }
    let sum = |disk: &Disk| show(disk.file_bytes / disk.events);
    table.row(["**in all**".to_owned(), sum(single), sum(batch)]);
    table.finish()
}

fn engines(figures: &Figures) -> String {
    let mut table =
        Table::new(&["engine", "version", "an event that is only written survives", "finds by entity", "how"]);
    for engine in figures.engines() {
        let survives = match engine.written {
            Survives::ProcessDeath => "the death of the process",
            Survives::NothingBeforeSync => "nothing before the next sync",
            Survives::AlwaysSynced => "(every commit is synced)",
        };
        let index = if engine.has_index { "yes" } else { "no" };
        let cells = [&engine.engine, &engine.version, survives, index, &engine.settings];
        table.row(cells.map(str::to_owned));
    }
    table.finish()
}

fn missing(figures: &Figures) -> String {
    let mut table = Table::new(&["engine", "workload", "why"]);
    // What fails with one number of threads fails with another one, too.
    let mut told = BTreeSet::new();
    for missing in figures.missing() {
        let workload = missing.workload.as_deref().unwrap_or("all");
        if told.insert((&missing.engine, workload, &missing.reason)) {
            table.row([missing.engine.clone(), workload.to_owned(), missing.reason.clone()]);
        }
    }
    if told.is_empty() { "Every engine came through every workload.\n".to_owned() } else { table.finish() }
}

#[cfg(test)]
mod tests {
    use super::{Origin, all};
    use crate::bench::figures::Figures;
    use crate::bench::lines::tests::sample;

    #[track_caller]
    fn check(name: &str, lines: &[&str]) {
        let origin = Origin { commit: "0123456789ab".to_owned(), is_changed: false };
        let fillings = all(&Figures::new(sample()), &origin);
        let filling = fillings.iter().find(|filling| filling.name == name).expect("there is such a table");
        for line in lines {
            assert!(filling.text.lines().any(|text| text == *line), "no line\n{line}\nin\n{}", filling.text);
        }
    }

    #[test]
    fn the_machine_and_the_command_are_named() {
        let lines = ["| command | `cargo xtask bench --compare` |", "| commit | 0123456789ab |", "| rounds | 2 |"];
        check("machine", &lines);
    }

    #[test]
    fn a_goal_stands_beside_floor_peer_and_upstream() {
        let line = "| one by one, `Written`, sync every 1000, one thread | 1.00 M/s | 950 k/s | **no** | 0.70 | \
                    fjall 300 k/s | – |";
        check("goals", &[line]);
    }

    #[test]
    fn what_makes_a_peer_another_thing_is_noted() {
        let commitlog = "| commitlog | 1500000 | 650 k/s | 650 k/s – 650 k/s | 0.33 | 2.17 | 1.40 µs | 2.50 µs | – | – | \
                         8.00 ms | never syncs, no index |";
        let redb = "| redb | 1500000 | 700 k/s | 700 k/s – 700 k/s | 0.35 | 2.33 | 2.90 µs | 4.50 µs | – | – | 8.00 ms | \
                    in memory until the sync |";
        check("append-written", &[commitlog, redb]);
    }

    #[test]
    fn threads_stand_side_by_side() {
        let line = "| **batpak** | 60.0 k/s, p50 230 µs, p99 700 µs | 90.0 k/s, p50 630 µs, p99 1.70 ms |";
        check("threads-synced", &["| engine | 16 threads | 64 threads |", line]);
        check("mixed", &["| **batpak** | 9.00 k/s | 120 µs | 260 µs | 90.0 k/s | 20.0 µs | 160 µs |"]);
    }

    #[test]
    fn bytes_are_per_event_and_what_failed_is_said() {
        let shown = "| **batpak** | 4096 | 7.00 k/s | 7.00 k/s – 7.00 k/s | 0.80 (0.70) | – | 120 µs | 260 µs | – | – | \
                     900 µs |  |";
        check("append-synced", &[shown]);
        check("disk", &["| batpak | one by one | 1000 | 300 B | 304 B | 400 B | 500 B |"]);
        check("bulk", &["Not measured in this run."]);
        check("missing", &["| okaywal | bulk | it failed |"]);
    }
}
