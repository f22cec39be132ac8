//! What one would write by hand: frames as long as those of batpak, with a crc32c, one after the other in a file that
//! was allocated ahead. No hash, no index, no group sync.

mod archive;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use memmap2::MmapMut;
use rustix::fs::{FallocateFlags, fallocate};

use crate::engine::{Candidate, Engine, Facts, Failure, Level, Opening, Role, Survives};
use crate::event::{Event, NAMES_LEN, PAYLOAD_LEN};

const FRAME_HEADER_LEN: usize = 40;
/// Item header, record head, names, salt, payload, trailer.
const ITEM_LEN: usize = 8 + 10 + NAMES_LEN + 16 + PAYLOAD_LEN + 64;

const TAIL_LEN: usize = 1 << 20;
const ALLOCATED_MIN: u64 = 16 << 20;

/// How long batpak's frame of so many of our events is.
pub(crate) const fn frame_len(events: usize) -> usize {
    (FRAME_HEADER_LEN + events * ITEM_LEN).next_multiple_of(8)
}

pub(crate) fn preallocated() -> Candidate {
    Candidate {
        facts: Facts {
            reading: Some(archive::HOW),
            ..facts(
                "floor",
                true,
                "Synced: pwrite and fdatasync, file by fallocate. Written: copied into a mapped file of 1 MiB that \
                 survives the process, and with each sync from there to the log by one pwrite",
            )
        },
        open: |opening| open(opening, Ahead::Fallocate, opening.level == Level::Written),
        reading: Some(archive::READING),
    }
}

pub(crate) fn zeroed() -> Candidate {
    Candidate {
        facts: Facts {
            written: Survives::AlwaysSynced,
            ..facts("floor-zeroed", true, "pwrite and fdatasync, file filled with zeros and synced before")
        },
        open: |opening| open(opening, Ahead::Zeros, false),
        reading: None,
    }
}

pub(crate) fn plain() -> Candidate {
    Candidate {
        facts: Facts {
            syncs: true,
            ..facts("floor-pwrite", false, "Written: a pwrite for each append, file by fallocate")
        },
        open: |opening| open(opening, Ahead::Fallocate, false),
        reading: None,
    }
}

fn facts(engine: &'static str, syncs: bool, settings: &'static str) -> Facts {
    Facts {
        engine,
        version: "-".to_owned(),
        role: Role::Floor,
        written: Survives::ProcessDeath,
        syncs,
        keeps_sync_policy: false,
        has_index: false,
        settings,
        reading: None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Fallocate,
    Zeros,
}

struct Floor {
    log: File,
    inner: Mutex<Inner>,
}

struct Inner {
    frame: Vec<u8>,
    /// Where the next byte goes in the log.
    at: u64,
    tail: Option<MmapMut>,
    /// How much of the tail is not in the log yet.
    in_tail: usize,
}

fn open(opening: Opening<'_>, ahead: Ahead, with_tail: bool) -> Result<Box<dyn Engine>, Failure> {
    let log = new_file(opening, "log")?;
    let len = (opening.max_events * frame_len(1) as u64).max(ALLOCATED_MIN);
    fallocate(&log, FallocateFlags::empty(), 0, len)?;
    if ahead == Ahead::Zeros {
        let zeros = vec![0; 1 << 20];
        for at in (0..len).step_by(zeros.len()) {
            log.write_all_at(&zeros, at)?;
        }
    }
    log.sync_all()?;
    File::open(opening.dir)?.sync_all()?;
    let tail = if with_tail { Some(new_tail(opening)?) } else { None };
    Ok(Box::new(Floor { log, inner: Mutex::new(Inner { frame: Vec::new(), at: 0, tail, in_tail: 0 }) }))
}

fn new_tail(opening: Opening<'_>) -> Result<MmapMut, Failure> {
    let file = new_file(opening, "tail")?;
    fallocate(&file, FallocateFlags::empty(), 0, TAIL_LEN as u64)?;
    // SAFETY: the file was just made in a directory of this run; nobody else opens or truncates it.
    let mut tail = unsafe { MmapMut::map_mut(&file)? };
    tail.fill(0);
    Ok(tail)
}

fn new_file(opening: Opening<'_>, name: &str) -> Result<File, Failure> {
    let path = opening.dir.join(name);
    Ok(File::options().read(true).write(true).create_new(true).open(path)?)
}

impl Inner {
    fn put(&mut self, log: &File, events: &[Event], level: Level) -> Result<(), Failure> {
        self.fill_frame(events)?;
        let len = self.frame.len();
        match &mut self.tail {
            Some(tail) if len <= TAIL_LEN => {
                if self.in_tail + len > TAIL_LEN {
                    log.write_all_at(&tail[..self.in_tail], self.at)?;
                    self.at += self.in_tail as u64;
                    self.in_tail = 0;
                }
                tail[self.in_tail..self.in_tail + len].copy_from_slice(&self.frame);
                self.in_tail += len;
                if level == Level::Synced {
                    log.write_all_at(&tail[..self.in_tail], self.at)?;
                    self.at += self.in_tail as u64;
                    self.in_tail = 0;
                }
            }
            _ => {
                log.write_all_at(&self.frame, self.at)?;
                self.at += len as u64;
            }
        }
        if level == Level::Synced {
            log.sync_data()?;
        }
        Ok(())
    }

    fn fill_frame(&mut self, events: &[Event]) -> Result<(), Failure> {
        self.frame.clear();
        self.frame.resize(FRAME_HEADER_LEN, 0);
        for (number, event) in events.iter().enumerate() {
            event.record(&mut self.frame)?;
            self.frame.resize(FRAME_HEADER_LEN + (number + 1) * ITEM_LEN, 0xa5);
        }
        self.frame.resize(frame_len(events.len()), 0);
        let len = u32::try_from(self.frame.len())?;
        self.frame[..4].copy_from_slice(&len.to_le_bytes());
        let crc = crc32c::crc32c(&self.frame);
        self.frame[4..8].copy_from_slice(&crc.to_le_bytes());
        Ok(())
    }
}

impl Engine for Floor {
    fn append(&self, event: &Event, level: Level) -> Result<(), Failure> {
        self.append_batch(std::slice::from_ref(event), level)
    }

    fn append_batch(&self, events: &[Event], level: Level) -> Result<(), Failure> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).put(&self.log, events, level)
    }

    fn close(self: Box<Self>) -> Result<(), Failure> {
        let Inner { at, tail, in_tail, .. } = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(tail) = tail {
            self.log.write_all_at(&tail[..in_tail], at)?;
        }
        self.log.set_len(at + in_tail as u64)?;
        Ok(self.log.sync_all()?)
    }
}
