//! What one would write by hand instead of a store: frames of the same length with a crc32c, one after the other in a
//! file that was filled with zeros before. No hash, no index.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

const CRC_LEN: usize = size_of::<u32>();

/// How long the store's frame of so many of our events is, as the format says.
pub(crate) const fn frame_len(events: usize) -> usize {
    const NAMES: usize = "account-0000".len() + "bench".len();
    (40 + events * (8 + 10 + NAMES + 16 + 68 + 64)).next_multiple_of(8)
}

pub(crate) struct Floor {
    file: File,
    frame: Vec<u8>,
    frames: u32,
    capacity: u32,
}

impl Floor {
    /// A file with room for `capacity` frames; then the first ones are written again.
    pub(crate) fn new(path: &Path, frame_len: usize, capacity: u32) -> Self {
        let file = File::options().read(true).write(true).create_new(true).open(path).expect("there is no such file");
        let floor = Self { file, frame: vec![0; frame_len], frames: 0, capacity };
        for number in 0..capacity {
            floor.file.write_all_at(&floor.frame, floor.offset(number)).expect("there is room");
        }
        floor.file.sync_all().expect("it can be synced");
        floor
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where frame `number` is.
    pub(crate) fn offset(&self, number: u32) -> u64 {
        u64::from(number % self.capacity) * self.frame.len() as u64
    }

    /// Writes so many frames, one by one.
    pub(crate) fn write(&mut self, frames: u32) {
        for number in self.frames..self.frames + frames {
            self.frame[CRC_LEN..].fill(u8::try_from(number % 256).expect("it fits"));
            let crc = crc32c::crc32c(&self.frame[CRC_LEN..]);
            let bytes = (0..4).map(|byte| u8::try_from(crc >> (8 * byte) & 255).expect("it fits"));
            self.frame.splice(..CRC_LEN, bytes);
            self.file.write_all_at(&self.frame, self.offset(number)).expect("there is room");
        }
        self.frames += frames;
    }

    pub(crate) fn sync(&self) {
        self.file.sync_data().expect("it can be synced");
    }

    /// Writes one frame and waits for the disk; how many seconds that took.
    pub(crate) fn write_and_sync(&mut self) -> f64 {
        let start = Instant::now();
        self.write(1);
        self.sync();
        start.elapsed().as_secs_f64()
    }

    /// Writes so many frames and waits for the disk after each.
    pub(crate) fn write_and_sync_each(&mut self, frames: u32) {
        for _ in 0..frames {
            self.write_and_sync();
        }
    }
}
