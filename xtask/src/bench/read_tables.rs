//! The tables of what reads, opens and closes a store.

use super::document::Filling;
use super::figures::{Figure, Figures, Row};
use super::goals::OURS;
use super::lines::Memory;
use super::tables::{bold_if_ours, or_nothing, threads};
use super::text::{Table, bytes, count, or_dash, rate, ratio, time};

/// Workloads with a table each, in which every engine has a line.
const WORKLOADS: &[&str] =
    &["open", "get", "get-typed", "entity", "entity-batched", "list", "replay", "replay-batched"];

const QUERIES: &[(&str, &str)] =
    &[("entity", "query-entity"), ("kind", "query-kind"), ("tag", "query-tag"), ("scope", "query-scope")];

/// With nearly as many entities as events, and the same with a thousand of them.
const ENTITIES: &[(&str, &str, &str)] = &[
    ("append one by one, `Written`", "entities-append", "append-written"),
    ("`get` at random, a JSON value", "entities-get", "get"),
    ("`get` at random, typed", "entities-get-typed", "get-typed"),
    ("the events of one entity, typed", "entities-entity", "entity-batched"),
    ("the rows of one entity", "entities-list", "list"),
];

const PROJECTIONS: &[(&str, &str)] = &[
    ("typed", "project"),
    ("JSON values", "project-json"),
    ("typed, a state that is kept, nothing new", "project-again"),
];

pub(super) fn all(figures: &Figures) -> Vec<Filling> {
    let filling = |name, text| Filling { name, text };
    let mut all: Vec<Filling> = WORKLOADS.iter().map(|name| filling(name, times(figures, name, &[None]))).collect();
    let by_segment = [Some("full"), Some("small")];
    all.extend([
        filling("open-killed", times(figures, "open-killed", &by_segment)),
        filling("close", times(figures, "close", &by_segment)),
        filling("get-threads", threads(figures, "get-threads")),
        filling("project", projections(figures)),
        filling("entities", entities(figures)),
        filling("queries", queries(figures)),
        filling("memory", memory(figures)),
        filling("readers", readers(figures)),
    ]);
    all
}

/// What one operation takes, by engine, for each size of the stores and each role.
fn times(figures: &Figures, workload: &str, roles: &[Option<&str>]) -> String {
    let head = [
        "engine",
        "events in the store",
        "returned",
        "p50",
        "p99",
        "worst",
        "per second",
        "lowest – highest",
        "of the floor",
        "of the best peer",
    ];
    let mut table = Table::new(&head);
    let mut is_empty = true;
    for (role, stored) in groups(figures, workload, roles) {
        let row = Row { role, stored, ..Row::new(workload) };
        let best = figures.best_peer(row, false).map(|(engine, _)| engine.engine.as_str());
        for engine in figures.engines().filter(|engine| engine.reading.is_some()) {
            let name = engine.engine.as_str();
            let figure = figures.figure(row, name);
            is_empty &= figure.is_none();
            let of_best = best.and_then(|best| figures.ratio(row, name, best));
            let cells = figure.map_or_else(|| std::array::from_fn(|_| "–".to_owned()), |figure| cells(&figure, role));
            table.row([bold_if_ours(engine)].into_iter().chain(cells).chain([or_dash(of_best, ratio)]));
        }
    }
    or_nothing(is_empty, table)
}

fn cells(figure: &Figure, role: Option<&str>) -> [String; 8] {
    let segment = role.map(|role| format!(", active segment {role}")).unwrap_or_default();
    [
        format!("{}{segment}", count(figure.stored)),
        count(figure.batch),
        time(figure.p50_ns),
        time(figure.p99_ns),
        time(figure.worst_ns),
        rate(figure.per_second),
        format!("{} – {}", rate(figure.lowest), rate(figure.highest)),
        or_dash(figure.of_floor, ratio),
    ]
}

/// What is compared with each other. Stores that differ in their roles do not all hold the same number of events.
fn groups<'a>(figures: &Figures, workload: &str, roles: &[Option<&'a str>]) -> Vec<(Option<&'a str>, Option<f64>)> {
    if roles != [None] {
        return roles.iter().map(|role| (*role, None)).collect();
    }
    figures.stored(workload).into_iter().map(|stored| (None, Some(stored))).collect()
}

fn projections(figures: &Figures) -> String {
    let mut table = Table::new(&["payloads", "events in the store", "of the entity", "p50", "p99", "worst"]);
    let mut is_empty = true;
    for (what, workload) in PROJECTIONS {
        let Some(figure) = figures.figure(Row::new(workload), OURS) else { continue };
        is_empty = false;
        let times = [figure.p50_ns, figure.p99_ns, figure.worst_ns].map(time);
        table.row([(*what).to_owned(), count(figure.stored), count(figure.batch)].into_iter().chain(times));
    }
    or_nothing(is_empty, table)
}

fn entities(figures: &Figures) -> String {
    let mut table = Table::new(&["work", "events in the store", "p50", "with 1000 entities", "times as long"]);
    let mut is_empty = true;
    for (work, workload, usual) in ENTITIES {
        let Some(figure) = figures.figure(Row::new(workload), OURS) else { continue };
        is_empty = false;
        // Per event: in a quick run an entity has not the same number of events in both.
        let times = figures.ratio_of((Row::new(usual), OURS), (Row::new(workload), OURS));
        let usual = figures.figure(Row::new(usual), OURS);
        table.row([
            (*work).to_owned(),
            count(figure.stored),
            time(figure.p50_ns),
            or_dash(usual.map(|usual| usual.p50_ns), time),
            or_dash(times, ratio),
        ]);
    }
    or_nothing(is_empty, table)
}

fn queries(figures: &Figures) -> String {
    let stored = figures.stored(QUERIES[0].1);
    let head: Vec<String> = stored.iter().map(|stored| format!("of {}", count(*stored))).collect();
    let head: Vec<&str> = ["100 rows by"].into_iter().chain(head.iter().map(String::as_str)).collect();
    let mut table = Table::new(&head);
    for (what, workload) in QUERIES {
        let p50 = |stored: &f64| {
            let row = Row { stored: Some(*stored), ..Row::new(workload) };
            or_dash(figures.figure(row, OURS).map(|figure| figure.p50_ns), time)
        };
        table.row([(*what).to_owned()].into_iter().chain(stored.iter().map(p50)));
    }
    or_nothing(stored.is_empty(), table)
}

fn memory(figures: &Figures) -> String {
    let head = ["engine", "events in the store", "when", "heap", "resident", "of that anonymous", "most ever resident"];
    let mut table = Table::new(&head);
    let mut is_empty = true;
    for memory in figures.memory() {
        is_empty = false;
        let Memory { engine, stored, when, heap_bytes, resident_bytes, anonymous_bytes, peak_bytes } = memory;
        let sizes = [*heap_bytes, *resident_bytes, *anonymous_bytes, *peak_bytes].map(bytes);
        table.row([engine.clone(), count(*stored), when.clone()].into_iter().chain(sizes));
    }
    or_nothing(is_empty, table)
}

fn readers(figures: &Figures) -> String {
    let mut table = Table::new(&["engine", "how its events are kept where they are read"]);
    let mut is_empty = true;
    for engine in figures.engines() {
        let Some(reading) = &engine.reading else { continue };
        is_empty = false;
        table.row([bold_if_ours(engine), reading.clone()]);
    }
    or_nothing(is_empty, table)
}

#[cfg(test)]
mod tests {
    use super::all;
    use crate::bench::figures::Figures;
    use crate::bench::lines::tests::sample;

    #[track_caller]
    fn check(name: &str, line: &str) {
        let fillings = all(&Figures::new(sample()));
        let filling = fillings.iter().find(|filling| filling.name == name).expect("there is such a table");
        assert!(filling.text.lines().any(|text| text == line), "no line\n{line}\nin\n{}", filling.text);
    }

    #[test]
    fn who_cannot_do_it_has_a_dash() {
        check(
            "get",
            "| **batpak** | 1,000,000 | 1 | 1.20 µs | 3.00 µs | 9.00 µs | 800 k/s | 800 k/s – 800 k/s | – | 0.80 |",
        );
        check("get", "| fjall | – | – | – | – | – | – | – | – | – |");
        check("list", "Not measured in this run.");
    }

    #[test]
    fn a_closing_tells_its_segment() {
        let line = "| **batpak** | 290,000, active segment full | 1 | 15.0 ms | 15.0 ms | 15.0 ms | 66.7 /s | 66.7 /s – 66.7 /s | – | – |";
        check("close", line);
    }

    #[test]
    fn memory_is_told_in_binary_units() {
        check("memory", "| batpak | 10,000,000 | opened | 2.00 MiB | 30.0 MiB | 4.00 MiB | 31.0 MiB |");
    }
}
