//! How far readers in other processes may look: a number in a small file, of this start of the machine.

use crate::directory::WATERMARK_NAME;
use crate::file_system::{Environment, File, OpenMode, SharedMapping, read_full, write_full};
use crate::layout;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What makes the file one of ours, and of this version of it.
const MAGIC: u64 = 0x6261_7470_616B_7631;
const WORDS: usize = 5;
const WORD: usize = size_of::<u64>();
const LEN: usize = WORDS * WORD;
const BOOT: usize = 1;
const SEQUENCE: usize = 3;
/// The same with all bits the other way round: what was read in two halves shows.
const INVERSE: usize = 4;
/// How often a number that does not fit its inverse is read again. The writer may have died between the two.
const READINGS: u32 = 1000;

/// The writer's side.
#[derive(Debug)]
pub struct SharedWatermark(Place);

#[derive(Debug)]
enum Place {
    Mapped(Box<dyn SharedMapping>),
    /// Where files cannot be mapped, each change is a write.
    Written(Arc<dyn File>, [u8; 16]),
}

impl SharedWatermark {
    /// Says in the file of the log in `dir` that nothing from `sequence` on may be seen. The file of a writer before is
    /// used again, so that who reads it goes on. `None` where one start of the machine cannot be told from another.
    ///
    /// # Errors
    /// What the system reports.
    pub fn publish(env: &Environment, dir: &Path, sequence: u64) -> io::Result<Option<Self>> {
        let fs = &*env.file_system;
        let Some(boot) = fs.boot_id()? else { return Ok(None) };
        let path = dir.join(WATERMARK_NAME);
        let file = match fs.open(&path, OpenMode::Write) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs.open(&path, OpenMode::CreateNew)?,
            opened => opened?,
        };
        // Longer ones are not of this version, and no part of a file may be mapped by every file system.
        if file.len()? > LEN as u64 {
            file.set_len(LEN as u64)?;
        }
        write_full(&*file, &bytes_of(sequence, boot), 0)?;
        let mapping = file.map_shared(LEN as u64)?;
        Ok(Some(Self(mapping.map_or_else(|| Place::Written(file, boot), Place::Mapped))))
    }

    /// Everything below `sequence` may be seen. Called by one thread at a time.
    #[inline]
    pub fn set(&self, sequence: u64) {
        match &self.0 {
            Place::Mapped(mapping) => {
                let words = mapping.words();
                // Release: who sees the number sees the events below it in the tail. Readers are other processes, which
                // ask the system for the words: it orders what it reads for them.
                words[SEQUENCE].store(sequence, Ordering::Release);
                words[INVERSE].store(!sequence, Ordering::Release);
            }
            // What cannot be written stays unseen by others, which is no wrong answer.
            Place::Written(file, boot) => drop(write_full(&**file, &bytes_of(sequence, *boot), 0)),
        }
    }
}

fn bytes_of(sequence: u64, boot: [u8; 16]) -> [u8; LEN] {
    let [first, second] = halves(boot);
    let mut bytes = [0; LEN];
    for (place, word) in bytes.chunks_exact_mut(WORD).zip([MAGIC, first, second, sequence, !sequence]) {
        place.copy_from_slice(&layout::word_bytes(word));
    }
    bytes
}

/// The side of readers in other processes.
#[derive(Debug)]
pub struct WatermarkReader {
    file: Arc<dyn File>,
    boot: [u8; 16],
}

impl WatermarkReader {
    /// Opens the file of the log in `dir`; `None` if there is none.
    ///
    /// # Errors
    /// What the system reports.
    pub fn open(env: &Environment, dir: &Path) -> io::Result<Option<Self>> {
        let fs = &*env.file_system;
        let Some(boot) = fs.boot_id()? else { return Ok(None) };
        match fs.open(&dir.join(WATERMARK_NAME), OpenMode::Read) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(Self { file: opened?, boot })),
        }
    }

    /// Below which sequence everything may be seen; `None` if that was not said since the machine started.
    ///
    /// # Errors
    /// What the system reports.
    pub fn sequence(&self) -> io::Result<Option<u64>> {
        for _ in 1..READINGS {
            let Some([sequence, inverse]) = self.numbers()? else { return Ok(None) };
            if sequence == inverse {
                return Ok(Some(sequence));
            }
            std::hint::spin_loop();
        }
        // The number is written before its inverse, and rises: the less one holds.
        Ok(self.numbers()?.map(|[sequence, inverse]| sequence.min(inverse)))
    }

    /// The number and what its inverse stands for, if they were said since the machine started.
    fn numbers(&self) -> io::Result<Option<[u64; 2]>> {
        let mut bytes = [0; LEN];
        if read_full(&*self.file, &mut bytes, 0)? < bytes.len() {
            return Ok(None);
        }
        let words: [u64; WORDS] = std::array::from_fn(|word| layout::word(&bytes[word * WORD..]));
        let is_said = words[0] == MAGIC && words[BOOT..SEQUENCE] == halves(self.boot);
        Ok(is_said.then(|| [words[SEQUENCE], !words[INVERSE]]))
    }
}

fn halves(boot: [u8; 16]) -> [u64; 2] {
    std::array::from_fn(|half| layout::word(&boot[half * WORD..]))
}
