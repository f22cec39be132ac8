//! Copying a log into a directory of its own, while it is written.

use crate::catalog::Segment;
use crate::directory;
use crate::error::LogError;
use crate::examine::read_all;
use crate::file_system::{Environment, FileSystem};
use crate::frame::{Frame, Place};
use crate::header::SegmentHeader;
use crate::layout::{self, SEGMENT_HEADER_LEN};
use crate::opened::Slot;
use crate::reader::LogReader;
use crate::recover::take_lock;
use crate::scan::{Chain, rest};
use crate::sync::Written;
use std::path::Path;
use std::sync::Arc;

/// Copies what stands before `cut` into `dir`. The last segment is written last: before that the copy is not a log.
pub(crate) fn copy(env: &Environment, source: &LogReader, cut: &Written, dir: &Path) -> Result<(), LogError> {
    let fs = &*env.file_system;
    fs.create_dir_all(dir).map_err(LogError::io("create", dir))?;
    refuse_a_log(fs, dir)?;
    let lock = take_lock(env, dir)?;
    refuse_a_log(fs, dir)?;
    directory::sync_parents(fs, dir)?;
    let mut made = Vec::new();
    let result = copy_segments(env, &source.segments_to(cut.segment), cut, dir, &mut made);
    if result.is_err() {
        for name in made.iter().rev() {
            // What cannot be removed makes the next snapshot into this directory fail, which says enough.
            let _ = fs.remove_file(&dir.join(name));
        }
    }
    drop(lock);
    result
}

fn refuse_a_log(fs: &dyn FileSystem, dir: &Path) -> Result<(), LogError> {
    let taken = directory::holds_segments(fs, dir).map_err(LogError::io("list", dir))?;
    if taken { Err(LogError::NotEmpty { path: dir.to_owned() }) } else { Ok(()) }
}

fn copy_segments(
    env: &Environment,
    segments: &[Arc<Slot>],
    cut: &Written,
    dir: &Path,
    made: &mut Vec<String>,
) -> Result<(), LogError> {
    let fs = &*env.file_system;
    let [sealed @ .., last] = segments else { return Ok(()) };
    for Slot { segment, .. } in sealed.iter().map(|slot| &**slot) {
        made.push(segment.header.file_name());
        copy_sealed(env, segment, dir)?;
    }
    fs.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    made.push(last.segment.header.file_name());
    copy_prefix(env, &last.segment, cut.offset, dir)?;
    fs.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// Copies a sealed segment byte for byte, once it is seen to be whole.
fn copy_sealed(env: &Environment, segment: &Segment, dir: &Path) -> Result<(), LogError> {
    let bytes = read_all(env, &segment.path)?;
    let (header, number) = (&segment.header, segment.header.number);
    let mut chain = Chain::new(segment.header_crc);
    while chain.seal().is_none() {
        let at = chain.at;
        let taken = chain.take(rest(&bytes, at), &header.segment_id);
        taken.map_err(|stop| stop.into_error(&segment.path, number, at))?;
    }
    let frames = rest(&bytes, SEGMENT_HEADER_LEN as u64);
    directory::create_segment(&*env.file_system, dir, header, frames).map(drop)
}

/// Copies the frames below `end` into a segment with an id of its own, because a frame is bound to its segment.
fn copy_prefix(env: &Environment, segment: &Segment, end: u64, dir: &Path) -> Result<(), LogError> {
    let id = directory::random_id(env)?;
    let header = SegmentHeader {
        segment_id: id,
        last_link: id,
        epoch: segment.header.epoch.saturating_add(1),
        created_ns: env.clock.wall_ns(),
        ..segment.header
    };
    let bytes = read_all(env, &segment.path)?;
    let mut copy = Copy::new(&header, segment.link.first_sequence);
    let mut chain = Chain::new(segment.header_crc);
    let mut frame = Frame::new();
    while chain.at < end {
        let at = chain.at;
        let taken = chain.take(rest(&bytes, at), &segment.header.segment_id);
        let original = taken.map_err(|stop| stop.into_error(&segment.path, segment.header.number, at))?;
        frame.clear();
        frame.push_items(&original);
        copy.add(&mut frame);
    }
    copy.add(&mut Frame::mark());
    directory::create_segment(&*env.file_system, dir, &header, &copy.bytes).map(drop)
}

/// The content of a segment in the making. All of it is synced before the file has its name, so that each frame can
/// say that everything before it is durable.
struct Copy {
    id: [u8; 16],
    bytes: Vec<u8>,
    previous: u32,
    sequence: u64,
}

impl Copy {
    fn new(header: &SegmentHeader, sequence: u64) -> Self {
        let previous = layout::header_crc(&layout::encode_header(header));
        Self { id: header.segment_id, bytes: Vec::new(), previous, sequence }
    }

    fn add(&mut self, frame: &mut Frame) {
        let at = (SEGMENT_HEADER_LEN + self.bytes.len()) as u64;
        let place = Place {
            segment_id: &self.id,
            offset: at,
            previous: self.previous,
            first_sequence: self.sequence,
            durable_mark: at,
        };
        let records = frame.len() as u64;
        let (bytes, crc) = frame.finish(&place);
        self.bytes.extend_from_slice(bytes);
        self.previous = crc;
        self.sequence += records;
    }
}
