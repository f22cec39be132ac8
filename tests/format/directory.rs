//! A directory of segments: which files count, in which order, and whether they link.

use crate::bytes::{Result, check, index};
use crate::chain::{self, Head};
use crate::frame;
use crate::header::Header;
use crate::record::Event;
use crate::segment::Segment;
use std::collections::BTreeMap;
use std::path::Path;

/// Names and contents of the files of a directory.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) segments: Vec<Segment>,
    pub(crate) events: Vec<Event>,
    pub(crate) frames_from_tail: usize,
}

/// Reads the files of a directory on disk.
pub(crate) fn files(dir: &Path) -> Files {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let entries = entries.map(|entry| entry.expect("an entry"));
    let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().expect("a name in UTF-8");
    entries.map(|entry| (name(&entry), std::fs::read(entry.path()).expect("a file"))).collect()
}

/// Reads a store: every crc, link and seal is checked, and every event decoded; hashes are left to [`chain`].
pub(crate) fn read(files: &Files) -> Result<Store> {
    let mut segments = Vec::new();
    for file in covering(files)? {
        let next = Segment::read(file, end_sequence(&segments))?;
        segments.push(next);
    }
    check(!segments.is_empty(), || "no segment".to_owned())?;
    let frames_from_tail = match files.get("batpak.tail") {
        Some(tail) => take_tail(&mut segments, tail)?,
        None => 0,
    };
    check_order(&segments)?;
    let events = events(&segments)?;
    Ok(Store { segments, events, frames_from_tail })
}

impl Store {
    /// Recomputes all hashes, and the head from them.
    pub(crate) fn verify(&self) -> Result<Head> {
        chain::verify(&self.events)
    }
}

fn end_sequence(segments: &[Segment]) -> u64 {
    segments.iter().rev().find_map(Segment::end_sequence).unwrap_or(0)
}

/// The segment files in order of their number, without those that a higher generation stands for.
fn covering(files: &Files) -> Result<Vec<&[u8]>> {
    let mut found = Vec::new();
    for (name, file) in files.iter().filter(|(name, _)| name.ends_with(".fbat")) {
        let header = Header::read(file).map_err(|error| format!("{name}: {error}"))?;
        check(header.file_name() == *name, || format!("{name} has the header of {}", header.file_name()))?;
        found.push((header, file.as_slice()));
    }
    found.sort_by_key(|(header, _)| std::cmp::Reverse(header.generation));
    let mut taken: Vec<(Header, &[u8])> = Vec::new();
    for (header, file) in found {
        let over = taken.iter().find(|(other, _)| overlap(other, &header));
        let Some((over, _)) = over else {
            taken.push((header, file));
            continue;
        };
        let covered = over.generation > header.generation && covers(over, &header);
        check(covered, || format!("{} overlaps {}", over.file_name(), header.file_name()))?;
    }
    taken.sort_by_key(|(header, _)| header.number);
    Ok(taken.into_iter().map(|(_, file)| file).collect())
}

fn overlap(a: &Header, b: &Header) -> bool {
    a.number <= b.last_number && b.number <= a.last_number
}

fn covers(a: &Header, b: &Header) -> bool {
    a.number <= b.number && b.last_number <= a.last_number
}

/// Takes the frames of the tail that continue the active segment: the last that holds a frame and has no seal.
fn take_tail(segments: &mut [Segment], tail: &[u8]) -> Result<usize> {
    if tail.len() < 65536 || !tail.len().is_power_of_two() {
        return Ok(0);
    }
    let active = active(segments)?;
    let first_sequence = end_sequence(&segments[..active]);
    let segment = &mut segments[active];
    let mut taken = 0;
    loop {
        let at = index(segment.end) % tail.len();
        let unrolled = [&tail[at..], &tail[..at]].concat();
        match frame::read(&unrolled, segment.end, &segment.header.segment_id) {
            Ok(next) if segment.continues(&next, first_sequence) => segment.push(next)?,
            _ => return Ok(taken),
        }
        taken += 1;
    }
}

/// The segment that is written to: the last one, or the one before if that has no seal yet.
fn active(segments: &[Segment]) -> Result<usize> {
    let last = segments.len() - 1;
    let Some(before) = last.checked_sub(1) else { return Ok(last) };
    let unsealed = segments[last].is_empty() && segments[before].seal()?.is_none();
    Ok(if unsealed { before } else { last })
}

fn check_order(segments: &[Segment]) -> Result<()> {
    let first = &segments[0];
    check(first.header.number == 0, || "segment 0 is missing".to_owned())?;
    check(first.header.previous_link == [0; 16], || "segment 0 names one before".to_owned())?;
    check_first_link(first)?;
    for pair in segments.windows(2) {
        let number = pair[1].header.number;
        check_pair(&pair[0], &pair[1]).map_err(|error| format!("segment {number}: {error}"))?;
    }
    let active = active(segments)?;
    for Segment { header, torn_to, .. } in &segments[..active] {
        check(torn_to.is_none(), || format!("bytes behind the seal of segment {}", header.number))?;
    }
    for segment in &segments[..active] {
        check(segment.seal()?.is_some(), || format!("segment {} has no seal", segment.header.number))?;
    }
    let last = &segments[segments.len() - 1];
    check(last.seal()?.is_none(), || format!("segment {} is missing", last.header.last_number + 1))
}

fn check_first_link(first: &Segment) -> Result<()> {
    let Some(link) = first.link()? else { return Ok(()) };
    let zero = link.first_sequence == 0 && link.previous == [0; 16] && link.end_sequence == 0;
    check(zero && link.count == 0 && link.seal_crc == 0, || "the link of segment 0 is not zero".to_owned())
}

fn check_pair(before: &Segment, after: &Segment) -> Result<()> {
    let (a, b) = (&before.header, &after.header);
    check(b.number == a.last_number + 1, || format!("{} follows {}", b.number, a.last_number))?;
    check(a.store_id == b.store_id, || "another store".to_owned())?;
    check(b.previous_link == a.last_link, || "another previous link id".to_owned())?;
    let seal = before.seal()?;
    if let Some(seal) = &seal {
        check(seal.next_link == b.first_link, || "the seal names another segment".to_owned())?;
        check(Some(seal.end_sequence) == before.end_sequence(), || "end sequence of the seal".to_owned())?;
        check(seal.count == before.record_count(), || "count of the seal".to_owned())?;
    }
    let Some(link) = after.link()? else { return Ok(()) };
    let seal = seal.ok_or("the segment before has no seal")?;
    check(link.previous == a.last_link, || "the link names another segment".to_owned())?;
    check(link.first_sequence == seal.end_sequence, || "first sequence of the link".to_owned())?;
    check(link.end_sequence == seal.end_sequence, || "end sequence of the link".to_owned())?;
    let merged = a.number < a.last_number;
    check(merged || link.count == seal.count, || "count of the link".to_owned())?;
    let seal_crc = before.frames.last().map_or(0, |frame| frame.crc);
    check(!a.is_original() || link.seal_crc == seal_crc, || "seal crc of the link".to_owned())
}

fn events(segments: &[Segment]) -> Result<Vec<Event>> {
    let frames = segments.iter().flat_map(|segment| &segment.frames);
    let records = frames.flat_map(|frame| (frame.first_sequence..).zip(&frame.records));
    records
        .map(|(sequence, record)| Event::read(record, sequence).map_err(|error| format!("event {sequence}: {error}")))
        .collect()
}
