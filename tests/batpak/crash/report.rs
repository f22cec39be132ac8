//! What the process that dies tells its parent, a line each.

use batpak::prelude::*;
use std::fmt;
use std::io::Write;
use std::str::SplitWhitespace;

/// So that other output of the test harness is not taken for a report. It may stand before one, on the same line.
const MARK: &str = "batpak-report";

/// Where an event belongs: to which commit, and to which of how many items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: EventId,
    pub(super) commit: u64,
    pub(super) item: u32,
    pub(super) items: u32,
}

#[derive(Debug)]
pub(super) enum Report {
    /// The store is open and holds so many events.
    Opened { events: u64 },
    /// An event was acknowledged.
    Appended { sequence: u64, event: Known },
    /// Every event below this sequence survives a power cut.
    Durable { below: u64 },
    /// Opening or an append was refused, and nothing has failed.
    Refused { why: String },
    /// A write or sync has failed, and since then nothing was accepted. The system may forget that, so that another
    /// sync of the newest segment then succeeds.
    Failed { why: String, second_sync_succeeds: bool },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { events } => write!(f, "{MARK} opened {events}"),
            Self::Appended { sequence, event: Known { id, commit, item, items } } => {
                write!(f, "{MARK} appended {sequence} {id} {commit} {item} {items}")
            }
            Self::Durable { below } => write!(f, "{MARK} durable {below}"),
            Self::Refused { why } => write!(f, "{MARK} refused {why}"),
            Self::Failed { why, second_sync_succeeds } => write!(f, "{MARK} failed {second_sync_succeeds} {why}"),
        }
    }
}

impl Report {
    /// Says all at once, before the process goes on.
    pub(super) fn say(reports: &[Self]) {
        let mut lines: Vec<u8> = Vec::new();
        let written = reports.iter().try_for_each(|report| writeln!(lines, "{report}"));
        let mut out = std::io::stdout().lock();
        let said = written.and_then(|()| out.write_all(&lines)).and_then(|()| out.flush());
        said.expect("the parent listens until it kills");
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        // A line that was cut by the kill has no end, and is no report.
        let mut words = line.strip_suffix('\n')?.split_once(MARK)?.1.split_whitespace();
        Some(match words.next()? {
            "opened" => Self::Opened { events: number(&mut words) },
            "appended" => Self::Appended { sequence: number(&mut words), event: known(&mut words) },
            "durable" => Self::Durable { below: number(&mut words) },
            "refused" => Self::Refused { why: rest(words) },
            "failed" => Self::Failed { second_sync_succeeds: words.next() == Some("true"), why: rest(words) },
            other => panic!("a report of another kind: {other}"),
        })
    }
}

fn known(words: &mut SplitWhitespace<'_>) -> Known {
    let id = words.next().expect("an id").parse().expect("an id");
    let (commit, item, items) = (number(words), number(words), number(words));
    let small = |number| u32::try_from(number).expect("small");
    Known { id, commit, item: small(item), items: small(items) }
}

fn number(words: &mut SplitWhitespace<'_>) -> u64 {
    words.next().expect("a number").parse().expect("a number")
}

fn rest(words: SplitWhitespace<'_>) -> String {
    words.collect::<Vec<_>>().join(" ")
}
