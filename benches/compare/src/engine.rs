//! What is measured: something that takes events and keeps them.

use std::error::Error;
use std::path::Path;

use serde::Serialize;

use crate::archive::Archive;
use crate::event::Event;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// What an acknowledged event survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    /// The death of the process, or what the engine has in place of that: see [`Facts::written`].
    Written,
    /// A power cut.
    Synced,
}

/// One open store or log.
pub(crate) trait Engine: Sync {
    /// Appends one event. When it returns, the event and all before it are as safe as `level` says.
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure>;

    /// Appends events as one commit.
    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure>;

    fn close(self: Box<Self>) -> Result<(), Failure>;
}

/// How an engine is to be opened.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    /// An empty directory.
    pub(crate) dir: &'a Path,
    /// What most appends will ask for.
    pub(crate) level: Level,
    pub(crate) threads: u64,
    /// At most so many events come, for what is allocated ahead.
    pub(crate) max_events: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Floor,
    Ours,
    /// The crate of the same name that is published.
    Upstream,
    Peer,
}

/// What survives of an event that is only written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Survives {
    /// It is there after the process has died.
    ProcessDeath,
    /// It is in the memory of the process until the next sync.
    NothingBeforeSync,
    /// There is no such level: every commit is synced.
    AlwaysSynced,
}

/// What is to be known of an engine to read its figures.
#[derive(Clone, Serialize)]
pub(crate) struct Facts {
    pub(crate) engine: &'static str,
    pub(crate) version: String,
    pub(crate) role: Role,
    pub(crate) written: Survives,
    /// Whether it can make an event survive a power cut. One that cannot is no measure for the others.
    pub(crate) syncs: bool,
    /// Whether it syncs by itself after every 1000 events; for others the appending thread does it.
    pub(crate) keeps_sync_policy: bool,
    /// Whether it finds the events of an entity.
    pub(crate) has_index: bool,
    pub(crate) settings: &'static str,
    /// How it keeps events that are read again, if it takes part in that.
    pub(crate) reading: Option<&'static str>,
}

impl Facts {
    pub(crate) fn has_written(&self) -> bool {
        self.written != Survives::AlwaysSynced
    }
}

/// An engine that can be opened.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) facts: Facts,
    pub(crate) open: fn(Opening<'_>) -> Result<Box<dyn Engine>, Failure>,
    pub(crate) reading: Option<Reading>,
}

/// How an engine's events are kept where they are read.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// Opens it for appending: a new one, or one that was filled before.
    pub(crate) fill: fn(Opening<'_>) -> Result<Box<dyn Engine>, Failure>,
    /// Opens what was filled.
    pub(crate) open: fn(&Path) -> Result<Box<dyn Archive>, Failure>,
}
