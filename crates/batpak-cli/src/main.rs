//! The `batpak` program: looks into a store without changing it, also beside the process that writes it, and saves what
//! is left of a damaged one.
#![forbid(unsafe_code)]

use batpak::prelude::*;
use batpak::store::{self, Finding};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Looks into an event store, which is not changed nor locked.
#[derive(Parser)]
#[command(name = "batpak", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints counts, the open report and the head, as one JSON object.
    Stats {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// Verifies all of a store, also one that does not open: checksums, order, links, hashes, and the index. Prints each
    /// thing that is wrong as a line of JSON. Exit status 1 if there is any.
    Verify {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// Copies every event that can be read from a damaged store into a new one, and prints what is lost as lines of
    /// JSON. Exit status 0 also if something is lost.
    Salvage {
        /// Directory of the damaged store. Nobody may be writing it.
        dir: PathBuf,
        /// Directory of the new store. There must be none in it.
        into: PathBuf,
    },
    /// Prints what is known of kinds: number, version, name and fields, each as a line of JSON.
    Kinds {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// Prints events in order, each as a line of JSON. Kinds are shown by name where they have one. In the place of one that
    /// cannot be read stands the error; exit status 1 then.
    Events {
        /// Directory of the store.
        dir: PathBuf,
        /// Only those of this entity.
        #[arg(long)]
        entity: Option<String>,
        /// Only those of this scope.
        #[arg(long)]
        scope: Option<String>,
        /// Begins at this sequence.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// At most so many.
        #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
        limit: usize,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "batpak: {}", chain_of(&*error));
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// An error and its causes on one line.
fn chain_of(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}

fn run(command: &Command, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Stats { dir } => stats(&Store::open_read_only(dir)?, out),
        Command::Verify { dir } => verify(dir, out),
        Command::Salvage { dir, into } => salvage(dir, into, out),
        Command::Kinds { dir } => kinds(&Store::open_read_only(dir)?, out),
        Command::Events { dir, entity, scope, from, limit } => {
            let mut region = Region::all();
            if let Some(entity) = entity {
                region = region.with_entity(entity);
            }
            if let Some(scope) = scope {
                region = region.with_scope(scope);
            }
            events(&Store::open_read_only(dir)?, &region, *from, *limit, out)
        }
    }
}

fn stats(store: &Store, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let (stats, head) = (store.stats()?, store.head()?);
    let report = store.diagnostics().open_report.ok_or("the store has no open report")?;
    let shown = json!({
        "events": stats.events,
        "entities": stats.entities,
        "segments": stats.segments,
        "segment_bytes": stats.segment_bytes,
        "closed_cleanly": report.closed_cleanly,
        "head": {"size": head.size, "root": head.root.to_string()},
    });
    Ok(writeln!(out, "{shown}")?)
}

fn verify(dir: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut written = Ok(());
    let report = store::verify(dir, |finding| {
        written = writeln!(out, "{}", shown(&finding));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    if let Some(torn) = report.torn {
        writeln!(
            out,
            "not closed: {} from segment {} offset {} on will be cut",
            counted(torn.bytes, "byte", "bytes"),
            torn.segment,
            torn.offset
        )?;
    }
    let events = counted(report.events, "event", "events");
    match report.head {
        Some(head) if report.is_intact() => {
            let entities = counted(report.entities, "entity", "entities");
            let lost = match report.stubs {
                0 => String::new(),
                count => format!(" ({count} lost before it was salvaged)"),
            };
            Ok(writeln!(out, "all is as it was written: {events}{lost} of {entities}; head {}", head.root)?)
        }
        _ => {
            let findings = counted(report.findings, "finding", "findings");
            Err(format!("{findings}, {events} read, {} lost", report.events_lost).into())
        }
    }
}

fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn shown(finding: &Finding) -> Value {
    let events = (!finding.events.is_empty()).then(|| [finding.events.start, finding.events.end - 1]);
    json!({
        "subject": format!("{:?}", finding.subject).to_lowercase(),
        "segment": finding.segment,
        "offset": finding.offset,
        "events": events,
        "file": finding.file.as_ref().map(|file| file.display().to_string()),
        "error": chain_of(&finding.error),
    })
}

fn salvage(dir: &Path, into: &Path, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let report = store::salvage(dir, into)?;
    for lost in &report.lost {
        let (segment, offset) = (lost.segment, lost.offset);
        let shown = json!({"first": lost.first, "count": lost.count, "segment": segment, "offset": offset, "reason": lost.reason});
        writeln!(out, "{shown}")?;
    }
    for rehashed in &report.rehashed {
        writeln!(out, "{}", json!({"entity": rehashed.entity, "new_hashes_from": rehashed.first}))?;
    }
    let (events, places) = (counted(report.events, "event", "events"), report.lost.len() as u64);
    Ok(writeln!(out, "{events} saved, {} lost", counted(places, "place", "places"))?)
}

fn kinds(store: &Store, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    for described in store.kinds()? {
        let shown = json!({
            "kind": described.kind().to_string(),
            "version": described.version(),
            "name": described.name(),
            "fields": described.fields(),
        });
        writeln!(out, "{shown}")?;
    }
    Ok(())
}

fn events(store: &Store, region: &Region, from: u64, limit: usize, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // Where the names cannot be read, events are shown without them.
    let kinds = store.kinds().unwrap_or_default();
    let names: HashMap<_, _> = kinds.iter().map(|described| (described.kind(), described.name())).collect();
    let mut not_read = 0;
    for event in store.events(region).from(from).take(limit) {
        let StoredEvent { coordinate, event } = match event {
            Ok(event) => event,
            Err(error) => {
                not_read += 1;
                writeln!(out, "{}", json!({"error": chain_of(&error)}))?;
                continue;
            }
        };
        let shown = json!({
            "sequence": event.sequence(),
            "id": event.event_id().to_string(),
            "entity": coordinate.entity(),
            "scope": coordinate.scope(),
            "revision": event.revision(),
            "kind": names.get(&event.kind()).map_or_else(|| event.kind().to_string(), ToString::to_string),
            "time_ns": event.time().as_nanos(),
            "hash": event.event_hash().to_string(),
            "payload": event.payload(),
        });
        writeln!(out, "{shown}")?;
    }
    match not_read {
        0 => Ok(()),
        count => Err(format!("{} cannot be read", counted(count, "event", "events")).into()),
    }
}
