//! Copying a log into a directory of its own, while it is written.

use crate::directory;
use crate::error::LogError;
use crate::file_system::Environment;
use crate::frame::{Frame, Place};
use crate::header::SegmentHeader;
use crate::layout::{self, SEGMENT_HEADER_LEN};
use crate::reader::{LogReader, Segment, copy_items};
use crate::recover::read_all;
use std::path::Path;

/// Copies the records below `end` into `dir`. The last segment is written last: before that the copy is not a log.
pub(crate) fn copy(env: &Environment, source: &LogReader, end: u64, dir: &Path) -> Result<(), LogError> {
    let fs = &*env.file_system;
    directory::create_dir(fs, dir).map_err(LogError::io("create", dir))?;
    if !directory::list(fs, dir)?.segments.is_empty() {
        return Err(LogError::NotEmpty { path: dir.to_owned() });
    }
    if let [sealed @ .., last] = source.segments_below(end).as_slice() {
        for segment in sealed {
            let bytes = read_all(env, &segment.path)?;
            let content = bytes.get(SEGMENT_HEADER_LEN..).unwrap_or(&[]);
            directory::create_segment(fs, dir, &segment.header, content)?;
        }
        copy_prefix(env, source, last, end, dir)?;
    }
    Ok(())
}

/// Copies the frames below `end` into a segment with an id of its own, because a frame is bound to its segment.
fn copy_prefix(env: &Environment, source: &LogReader, segment: &Segment, end: u64, dir: &Path) -> Result<(), LogError> {
    let id = directory::random_id(env)?;
    let header = SegmentHeader {
        segment_id: id,
        last_link: id,
        epoch: segment.header.epoch.saturating_add(1),
        created_ns: env.clock.wall_ns(),
        ..segment.header
    };
    let mut copy = Copy::new(&header, segment.link.first_sequence);
    copy.add(&mut Frame::link(&segment.link));
    let mut frames = source.frames(segment.link.first_sequence, end);
    let mut frame = Frame::new();
    while let Some(original) = frames.next_frame()? {
        copy_items(&original, &mut frame);
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
