//! The engines, a module each.

mod batpak;
mod commitlog;
mod fjall;
mod floor;
mod lmdb;
mod okaywal;
mod raft_engine;
mod redb;
mod sqlite;
mod upstream;

use std::cell::RefCell;

use crate::engine::{Candidate, Failure};
use crate::event::{ENTITY_LEN, Event};

pub(crate) use floor::frame_len;

/// The floor comes first: others are compared with it.
pub(crate) fn all() -> Vec<Candidate> {
    vec![
        floor::preallocated(),
        floor::zeroed(),
        floor::plain(),
        batpak::candidate(),
        upstream::candidate(),
        fjall::candidate(),
        redb::candidate(),
        lmdb::candidate(),
        sqlite::candidate(),
        raft_engine::candidate(),
        okaywal::candidate(),
        commitlog::candidate(),
    ]
}

/// The highest version of a package in the lock file, or the one that begins with `major`.
fn locked(package: &str, major: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let name = format!("name = \"{package}\"");
    let versions = lock.split("[[package]]").filter(|entry| entry.lines().any(|line| line == name));
    let versions = versions.filter_map(|entry| entry.lines().find_map(|line| line.strip_prefix("version = ")));
    let versions = versions.map(|version| version.trim_matches('"')).filter(|version| version.starts_with(major));
    versions.last().unwrap_or("unknown").to_owned()
}

/// Runs `use_it` with the record of the event, in a buffer of this thread that is used again.
fn with_record<T>(event: &Event, use_it: impl FnOnce(&[u8]) -> Result<T, Failure>) -> Result<T, Failure> {
    thread_local! {
        static RECORD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    RECORD.with_borrow_mut(|record| {
        record.clear();
        event.record(record)?;
        use_it(record)
    })
}

/// Revision and sequence in an entry of an index from entity and revision to the sequence.
fn row(key: &[u8], value: &[u8]) -> Result<(u64, u64), Failure> {
    let revision = key.get(ENTITY_LEN..).and_then(<[u8]>::first_chunk);
    let (Some(revision), Some(sequence)) = (revision, value.first_chunk()) else {
        return Err("an entry is too short".into());
    };
    Ok((u64::from_be_bytes(*revision), u64::from_be_bytes(*sequence)))
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn every_engine_has_a_name_of_its_own_and_a_version() {
        let mut names: Vec<&str> = all().iter().map(|candidate| candidate.facts.engine).collect();
        assert!(all().iter().all(|candidate| candidate.facts.version != "unknown"));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len());
    }
}
