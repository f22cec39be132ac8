//! The directory of a log: which files are its segments, and in what order.

use crate::ends::{Ends, first_link, last_seal};
use crate::error::{Damage, LogError};
use crate::file_system::{EntryKind, Environment, File, FileSystem, OpenMode, read_full, write_full};
use crate::header::{Id, SegmentHeader, parse_file_name};
use crate::layout::{self, FORMAT, HeaderBytes, LINK_FRAME_LEN, SEGMENT_HEADER_LEN};
use crate::walk::{holds_frames, past_errors};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const LOCK_NAME: &str = "batpak.lock";
pub(crate) const TAIL_NAME: &str = "batpak.tail";
pub(crate) const WATERMARK_NAME: &str = "batpak.visible";
const TEMPORARY: &str = ".tmp";

/// A segment's file, its header read and checked.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    /// Whether the header is as it was written. What reads past damage also takes what its frames agree with.
    pub(crate) is_whole: bool,
    pub(crate) header_crc: u32,
    pub(crate) ends: Ends,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The segments in order, one for each number.
    pub(crate) segments: Vec<SegmentFile>,
    /// Segments that others replace, and files that were never finished.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// Lists `dir` and checks that its segments follow each other.
pub(crate) fn list(fs: &dyn FileSystem, dir: &Path) -> Result<Listing, LogError> {
    list_after(fs, dir, None)
}

/// Lists the segments behind the one with the header `before`; the others are not read.
pub(crate) fn list_after(fs: &dyn FileSystem, dir: &Path, before: Option<&SegmentHeader>) -> Result<Listing, LogError> {
    let is_before = |name: &str| {
        let named = parse_file_name(name).zip(before);
        named.is_some_and(|((number, _), before)| number <= before.last_number)
    };
    let mut listing = Listing::default();
    let mut found = Vec::new();
    let entries = fs.read_dir(dir).map_err(LogError::io("list", dir))?;
    for entry in entries {
        let path = dir.join(&entry.name);
        if entry.name.ends_with(TEMPORARY) && entry.kind == EntryKind::File {
            listing.leftovers.push(path);
        } else if has_segment_extension(&entry.name) && !is_before(&entry.name) {
            if entry.kind != EntryKind::File {
                return Err(LogError::ForeignFile { path, reason: "not a regular file" });
            }
            found.push(read_segment_file(fs, path, &entry.name)?);
        }
    }
    choose(found, &mut listing).into_iter().next().map_or(Ok(()), Err)?;
    check_order(&listing.segments, before)?;
    Ok(listing)
}

/// Whether a directory holds anything that is named like a segment, whole or not.
pub(crate) fn holds_segments(fs: &dyn FileSystem, dir: &Path) -> io::Result<bool> {
    Ok(fs.read_dir(dir)?.iter().any(|entry| has_segment_extension(&entry.name)))
}

fn has_segment_extension(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "fbat")
}

/// Opens one segment's file and reads its header and its ends.
fn read_segment_file(fs: &dyn FileSystem, path: PathBuf, name: &str) -> Result<SegmentFile, LogError> {
    let file = fs.open(&path, OpenMode::Read).map_err(LogError::io("open", &path))?;
    let mut bytes = [0; SEGMENT_HEADER_LEN + LINK_FRAME_LEN];
    let n = read_full(&*file, &mut bytes, 0).map_err(LogError::io("read", &path))?;
    let (head, first) = bytes[..n].split_at(n.min(SEGMENT_HEADER_LEN));
    let header = check_header(head, &path, name)?;
    let (id, header_crc) = (&header.segment_id, layout::header_crc(head));
    let len = file.len().map_err(LogError::io("read", &path))?;
    let seal = last_seal(&*file, len, id).map_err(LogError::io("read", &path))?;
    let ends = Ends { link: first_link(first, id, header_crc), seal, len };
    Ok(SegmentFile { path, header, is_whole: true, header_crc, ends })
}

/// Reads a header, which has to be that of the file with this name.
fn check_header(bytes: &[u8], path: &Path, name: &str) -> Result<SegmentHeader, LogError> {
    let path = path.to_owned();
    let header = match layout::decode_header(bytes) {
        HeaderBytes::Header(header) => header,
        HeaderBytes::OlderCrate => return Err(LogError::OlderCrate { path }),
        HeaderBytes::NotASegment => {
            return Err(LogError::ForeignFile { path, reason: "it does not begin like one" });
        }
        HeaderBytes::NewerFormat(found) => {
            return Err(LogError::UnsupportedFormat { path, found, supported: FORMAT });
        }
        HeaderBytes::UnknownFeatures(value) => {
            return Err(LogError::UnsupportedFeature { path, what: "features", value });
        }
        HeaderBytes::BadCrc { found, expected } => {
            let segment = parse_file_name(name).map_or(0, |(number, _)| number);
            let damage = Damage::HeaderCrc { found, expected };
            return Err(LogError::Damaged { segment, offset: 0, damage });
        }
    };
    if parse_file_name(name) != Some((header.number, header.generation)) {
        return Err(LogError::ForeignFile { path, reason: "its name is not that of its number and generation" });
    }
    if header.last_number < header.number {
        return Err(LogError::ForeignFile { path, reason: "its last number is below its number" });
    }
    Ok(header)
}

/// Where files stand for the same number, the higher generation wins. Returns those of which none wins; the first is
/// kept then.
fn choose(mut found: Vec<SegmentFile>, listing: &mut Listing) -> Vec<LogError> {
    let mut conflicts = Vec::new();
    found.sort_by_key(|file| (std::cmp::Reverse(file.header.generation), file.header.number));
    let mut chosen = BTreeMap::<u64, SegmentFile>::new();
    for file in found {
        let (first, last) = (file.header.number, file.header.last_number);
        // Those that were chosen do not overlap, so no other one can if the last one that begins there does not.
        let rival = chosen.range(..=last).next_back().map(|(_, other)| other);
        match rival.filter(|other| first <= other.header.last_number) {
            None => drop(chosen.insert(first, file)),
            Some(other) if replaces(&other.header, &file.header) => listing.leftovers.push(file.path),
            Some(other) => conflicts.push(LogError::DuplicateSegment {
                number: first.max(other.header.number),
                first: other.path.clone(),
                second: file.path,
            }),
        }
    }
    listing.segments = chosen.into_values().collect();
    conflicts
}

/// Lists `dir` as far as it can be understood, and what is wrong with it. Of several files for a number, one is kept.
pub(crate) fn survey(fs: &dyn FileSystem, dir: &Path) -> Result<(Vec<SegmentFile>, Vec<LogError>), LogError> {
    let (mut found, mut defects) = (Vec::new(), Vec::new());
    let entries = fs.read_dir(dir).map_err(LogError::io("list", dir))?;
    for entry in entries.into_iter().filter(|entry| has_segment_extension(&entry.name)) {
        let path = dir.join(&entry.name);
        if entry.kind != EntryKind::File {
            defects.push(LogError::ForeignFile { path, reason: "not a regular file" });
            continue;
        }
        match read_segment_file(fs, path.clone(), &entry.name) {
            Ok(file) => found.push(file),
            Err(error) => {
                found.extend(read_past_header(fs, path, &entry.name));
                defects.push(error);
            }
        }
    }
    let mut listing = Listing::default();
    defects.extend(choose(found, &mut listing));
    Ok((listing.segments, defects))
}

/// A segment whose header is not as it was written, if there are frames of a segment that it can be.
fn read_past_header(fs: &dyn FileSystem, path: PathBuf, name: &str) -> Option<SegmentFile> {
    let (number, generation) = parse_file_name(name)?;
    let file = past_errors(fs.open(&path, OpenMode::Read).ok()?);
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    let n = read_full(&*file, &mut bytes, 0).ok()?;
    let len = file.len().ok()?;
    let fields = layout::header_fields(&bytes);
    let (header_crc, ends) = (layout::header_crc(&bytes), Ends { link: None, seal: None, len });
    match layout::decode_header(&bytes[..n]) {
        // It has only the name of another.
        HeaderBytes::Header(header) => return Some(SegmentFile { path, header, is_whole: true, header_crc, ends }),
        // What this version does not know is no damage.
        HeaderBytes::UnknownFeatures(_) => return None,
        HeaderBytes::NewerFormat(_) if layout::header_crc_is_right(&bytes) => return None,
        _ => {}
    }
    // A writer gives all three the same value.
    let ids = [fields.segment_id, fields.first_link, fields.last_link];
    let segment_id = ids.into_iter().filter(|_| n == bytes.len()).find(|id| holds_frames(&file, id))?;
    let last_number = if generation == 0 { number } else { fields.last_number.max(number) };
    let header = SegmentHeader { segment_id, number, last_number, generation, ..fields };
    Some(SegmentFile { path, header, is_whole: false, header_crc, ends })
}

fn replaces(newer: &SegmentHeader, older: &SegmentHeader) -> bool {
    newer.generation > older.generation && newer.number <= older.number && older.last_number <= newer.last_number
}

/// Numbers without a gap, from 0 or after `before`, each linked to the one before.
fn check_order<'a>(segments: &'a [SegmentFile], mut before: Option<&'a SegmentHeader>) -> Result<(), LogError> {
    let mut next = before.map_or(0, |before| before.last_number + 1);
    if segments.is_empty() && before.is_some() {
        return Err(LogError::MissingSegment { number: next });
    }
    for file in segments {
        let header = &file.header;
        if header.number != next {
            return Err(LogError::MissingSegment { number: next });
        }
        let broken = |reason| LogError::BrokenLink { number: header.number, reason };
        if before.is_some_and(|b| b.store_id != header.store_id) {
            return Err(broken("it is of another store"));
        }
        if before.map_or([0; 16], |b| b.last_link) != header.previous_link {
            return Err(broken("it names another one as previous"));
        }
        next = header.last_number.checked_add(1).ok_or_else(|| broken("its last number is too high"))?;
        before = Some(header);
    }
    Ok(())
}

/// Makes a segment's file: content written and synced under a temporary name, then renamed. The caller syncs the
/// directory.
pub(crate) fn create_segment(
    fs: &dyn FileSystem,
    dir: &Path,
    header: &SegmentHeader,
    content: &[u8],
) -> Result<(SegmentFile, Arc<dyn File>), LogError> {
    let path = dir.join(header.file_name());
    let temporary = dir.join(header.file_name() + TEMPORARY);
    let bytes = layout::encode_header(header);
    let file = create_temporary(fs, &temporary).map_err(LogError::io("create", &temporary))?;
    write_full(&*file, &bytes, 0).map_err(LogError::io("write", &temporary))?;
    write_full(&*file, content, SEGMENT_HEADER_LEN as u64).map_err(LogError::io("write", &temporary))?;
    file.sync().map_err(LogError::io("sync", &temporary))?;
    fs.rename(&temporary, &path).map_err(LogError::io("rename", &temporary))?;
    let header_crc = layout::header_crc(&bytes);
    let (link, len) = (first_link(content, &header.segment_id, header_crc), (bytes.len() + content.len()) as u64);
    let ends = Ends { link, seal: None, len };
    Ok((SegmentFile { path, header: *header, is_whole: true, header_crc, ends }, file))
}

fn create_temporary(fs: &dyn FileSystem, path: &Path) -> io::Result<Arc<dyn File>> {
    match fs.open(path, OpenMode::CreateNew) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs.remove_file(path)?;
            fs.open(path, OpenMode::CreateNew)
        }
        other => other,
    }
}

/// Makes the entry of a log's new directory durable, and those of all above it: whoever made them, even a process
/// that died right after, may not have synced them. What may not be opened or synced was not made for this log.
pub(crate) fn sync_parents(fs: &dyn FileSystem, dir: &Path) -> Result<(), LogError> {
    for parent in dir.ancestors().skip(1) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        match fs.sync_dir(parent) {
            Err(e) if !may_be_left_unsynced(e.kind()) => return Err(LogError::io("sync", parent)(e)),
            _ => {}
        }
    }
    Ok(())
}

fn may_be_left_unsynced(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(kind, InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported)
}

/// A random identifier.
pub(crate) fn random_id(env: &Environment) -> Result<Id, LogError> {
    let mut id = [0; 16];
    env.entropy.fill(&mut id).map_err(LogError::io("draw randomness", ""))?;
    Ok(id)
}
