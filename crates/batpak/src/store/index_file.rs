//! The index file of a store: where it is, when it is used, when it is written.

use crate::store::open::{OpenIndexPath, RefusedFile};
use crate::store::shared::{Shared, Writing};
use crate::store::{File, OpenMode, StoreConfig};
use batpak_core::EventRef;
use batpak_index::{LiveWriter, Loaded, Refused};
use batpak_segment::{LogReader, Position, read_full, write_full};
use std::io;

pub(crate) const NAME: &str = "batpak.index";
const TEMPORARY_NAME: &str = "batpak.index.tmp";

/// Loads the index file the way that the options prefer, or says why it is not used.
pub(crate) fn load(config: &StoreConfig, log: &LogReader) -> Result<(LiveWriter, OpenIndexPath), Vec<RefusedFile>> {
    if !config.enable_mmap_index && !config.enable_checkpoint {
        return Err(Vec::new());
    }
    let fs = &config.environment.file_system;
    let file = match fs.open(&config.data_dir.join(NAME), OpenMode::Read) {
        // A store without events has none.
        Err(error) if error.kind() == io::ErrorKind::NotFound && log.end_sequence() == 0 => return Err(Vec::new()),
        opened => opened.map_err(|error| refused(&Refused::new(error)))?,
    };
    let (loaded, path) = read(config, &*file, log.store_id()).map_err(|reason| refused(&reason))?;
    check_history(&loaded, log).map_err(|reason| refused(&reason))?;
    Ok((loaded.index, path))
}

fn refused(reason: &Refused) -> Vec<RefusedFile> {
    vec![RefusedFile { name: NAME.to_owned(), reason: reason.to_string() }]
}

/// Where a file cannot be mapped it is read.
fn read(config: &StoreConfig, file: &dyn File, store_id: [u8; 16]) -> Result<(Loaded, OpenIndexPath), Refused> {
    if config.enable_mmap_index
        && let Ok(len) = file.len()
        && let Ok(Some(mapping)) = file.map(len)
    {
        return Ok((batpak_index::decode((*mapping).as_ref(), store_id)?, OpenIndexPath::Mmap));
    }
    let len = file.len().map_err(Refused::new)?;
    let mut bytes = vec![0; usize::try_from(len).map_err(Refused::new)?];
    let n = read_full(file, &mut bytes, 0).map_err(Refused::new)?;
    Ok((batpak_index::decode(&bytes[..n], store_id)?, OpenIndexPath::Checkpoint))
}

/// The newest event that the file knows is in the log, with the same hash: it is of this history.
fn check_history(loaded: &Loaded, log: &LogReader) -> Result<(), Refused> {
    let live = loaded.index.live();
    let Some(newest) = live.len().checked_sub(1).and_then(|last| live.row(last)) else {
        return Err(Refused::new("it is empty"));
    };
    let position = Position { sequence: newest.sequence(), offset: newest.offset };
    let mut buffer = Vec::new();
    let record = log.read(position, &mut buffer).map_err(Refused::new)?;
    let event = EventRef::decode(record).map_err(Refused::new)?;
    if event.event_hash() == loaded.last_hash { Ok(()) } else { Err(Refused::new("it is of another history")) }
}

/// Writes the index file, if there is anything new to put into it.
pub(crate) fn save(shared: &Shared, writing: &Writing) -> io::Result<()> {
    let config = &shared.config;
    let unchanged = shared.live.len() == shared.report.events_restored;
    if !config.enable_mmap_index && !config.enable_checkpoint || unchanged {
        return Ok(());
    }
    let bytes = batpak_index::encode(&writing.commit().index, shared.reader.store_id()).map_err(io::Error::other)?;
    let fs = &config.environment.file_system;
    let temporary = config.data_dir.join(TEMPORARY_NAME);
    // A leftover of a process that died here before.
    let _ = fs.remove_file(&temporary);
    let file = fs.open(&temporary, OpenMode::CreateNew)?;
    write_full(&*file, &bytes, 0)?;
    fs.rename(&temporary, &config.data_dir.join(NAME))
}
