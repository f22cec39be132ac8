//! The file of kinds: what describes the kinds of a store, found again without going through its log.

use crate::store::part_file::PartFiles;
use crate::store::{OpenMode, StoreConfig, StoreError};
use batpak_index::{Described, KindsFile, Refused};
use batpak_segment::{LogReader, Position, read_full, write_full};
use std::io;
use std::path::PathBuf;

pub(crate) const NAME: &str = "batpak.kinds";
/// While it is being written.
pub(crate) const TEMPORARY: &str = "batpak.kinds.tmp";

/// The file of kinds of one store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KindsFiles<'s> {
    pub(crate) config: &'s StoreConfig,
    pub(crate) log: &'s LogReader,
}

/// What the file holds: all descriptions beside events below `end`.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) end: u64,
    pub(crate) described: Vec<Described>,
}

/// Reads the file of a store; nothing if there is none.
pub(crate) fn read(config: &StoreConfig, store_id: [u8; 16]) -> Result<Option<KindsFile>, Refused> {
    let file = match config.environment.file_system.open(&path_of(config), OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Refused::new(error)),
    };
    let len = file.len().map_err(Refused::new)?;
    let mut bytes = vec![0; usize::try_from(len).map_err(Refused::new)?];
    let n = read_full(&*file, &mut bytes, 0).map_err(Refused::new)?;
    KindsFile::decode(&bytes[..n], store_id).map(Some)
}

pub(crate) fn path_of(config: &StoreConfig) -> PathBuf {
    config.data_dir.join(NAME)
}

impl KindsFiles<'_> {
    fn parts(&self) -> PartFiles<'_> {
        PartFiles { config: self.config, log: self.log, seen_from: None }
    }

    /// Whether the options want one.
    pub(crate) fn are_wanted(&self) -> bool {
        self.parts().are_wanted()
    }

    /// What the file says, if it is of the history of which `end` events are known. Nothing if there is none, or nothing
    /// that it could say.
    pub(crate) fn load(&self, end: u64) -> Result<Option<Saved>, Refused> {
        if end == 0 || !self.are_wanted() {
            return Ok(None);
        }
        let Some(file) = read(self.config, self.log.store_id())? else { return Ok(None) };
        if file.end > end {
            return Err(Refused::new(format!("it is of events up to {}, and there are {end}", file.end)));
        }
        let Some(sequence) = file.end.checked_sub(1) else { return Ok(None) };
        let position = Position { sequence, offset: file.last_offset };
        let is_same = self.parts().hash_at(position).map_err(Refused::new)? == file.last_hash;
        if !is_same {
            return Err(Refused::new("it is of another history"));
        }
        Ok(Some(Saved { end: file.end, described: file.described }))
    }

    /// Writes the file, which has its name once it is complete. The last of the events before `end` stands at
    /// `last_offset`. It need not survive a power cut: what is not as it was written is noticed.
    pub(crate) fn save(&self, end: u64, last_offset: u64, described: Vec<Described>) -> Result<(), StoreError> {
        let position = Position { sequence: end.saturating_sub(1), offset: last_offset };
        let last_hash = self.parts().hash_at(position)?;
        let bytes = KindsFile { end, last_offset, last_hash, described }.encode(self.log.store_id());
        let path = path_of(self.config);
        self.write(&bytes).map_err(|source| StoreError::Io { operation: "write", path, source })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let fs = &self.config.environment.file_system;
        let temporary = self.config.data_dir.join(TEMPORARY);
        // A leftover of one that was not completed.
        let _ = fs.remove_file(&temporary);
        write_full(&*fs.open(&temporary, OpenMode::CreateNew)?, bytes, 0)?;
        fs.rename(&temporary, &path_of(self.config))
    }
}
