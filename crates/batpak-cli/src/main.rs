//! The `batpak` program: looks into a store without changing it, also beside the process that writes it.
#![forbid(unsafe_code)]

use batpak::prelude::*;
use clap::{Parser, Subcommand};
use serde_json::json;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Looks into an event store. Nothing is changed, and no lock is taken.
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
    /// Verifies crc, hashes and order of every event. Exit status 1 if anything is wrong.
    Verify {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// Prints events in order, each as a line of JSON.
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
        Command::Verify { dir } => verify(&Store::open_read_only(dir)?, out),
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

fn verify(store: &Store, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let report = store.verify_chain()?;
    let (events, entities, root) = (report.events, report.entities, report.head.root);
    Ok(writeln!(out, "{events} events of {entities} entities are as they were written; head {root}")?)
}

fn events(store: &Store, region: &Region, from: u64, limit: usize, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    for event in store.events(region).from(from).take(limit) {
        let StoredEvent { coordinate, event } = event?;
        let shown = json!({
            "sequence": event.sequence(),
            "id": event.event_id().to_string(),
            "entity": coordinate.entity(),
            "scope": coordinate.scope(),
            "revision": event.revision(),
            "kind": event.kind().to_string(),
            "time_ns": event.time().as_nanos(),
            "hash": event.event_hash().to_string(),
            "payload": event.payload(),
        });
        writeln!(out, "{shown}")?;
    }
    Ok(())
}
