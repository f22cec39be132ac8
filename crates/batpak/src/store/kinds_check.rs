//! Comparing the file of kinds with the descriptions that stand in the log.

use crate::store::kinds::{Table, description_in};
use crate::store::kinds_file::{path_of, read};
use crate::store::verify::{Finding, Subject};
use crate::store::{StoreConfig, StoreError};
use batpak_core::EventRef;
use batpak_index::{KindsFile, Refused};
use batpak_segment::Position;

/// The file of kinds of a store, if it has one, and what was met in the log so far.
pub(crate) struct KindsCheck<'c> {
    config: &'c StoreConfig,
    file: Result<Option<KindsFile>, Refused>,
    table: Table,
    is_of_another_history: bool,
}

impl<'c> KindsCheck<'c> {
    /// Reads the file, before the log is: what it is about is there then.
    pub(crate) fn new(config: &'c StoreConfig, store_id: [u8; 16], is_wanted: bool) -> Self {
        let file = if is_wanted { read(config, store_id) } else { Ok(None) };
        Self { config, file, table: Table::default(), is_of_another_history: false }
    }

    /// Takes what stands beside an event.
    pub(crate) fn take(&mut self, position: Position, record_type: u16, body: &[u8]) -> Result<(), StoreError> {
        if let Some(described) = description_in(position, record_type, body)? {
            self.table.add(described);
        }
        Ok(())
    }

    /// Compares the event that the file names as its last one.
    #[inline]
    pub(crate) fn compare(&mut self, position: Position, event: &EventRef<'_>) {
        if let Ok(Some(file)) = &self.file
            && file.end == position.sequence + 1
        {
            let is_same = file.last_offset == position.offset && file.last_hash == event.event_hash();
            self.is_of_another_history = !is_same;
        }
    }

    /// What is wrong with the file once all of the log was read, in which there are `end` events.
    pub(crate) fn finish(&self, end: u64) -> Option<Finding> {
        let reason = match &self.file {
            Err(refused) => refused.to_string(),
            Ok(file) => self.what_differs(file.as_ref()?, end)?,
        };
        let path = path_of(self.config);
        let reason = format!("{}: {reason}", path.display());
        let error = StoreError::Corrupt { segment: None, offset: None, reason };
        Some(Finding { file: Some(path), ..Finding::of(Subject::Index, error) })
    }

    fn what_differs(&self, file: &KindsFile, end: u64) -> Option<String> {
        if file.end > end {
            return Some(format!("it is of events up to {}, and there are {end}", file.end));
        }
        if self.is_of_another_history {
            return Some("it is of another history".to_owned());
        }
        let differs = self.table.before(file.end).ne(&file.described);
        differs.then(|| "it does not say of kinds what the segments say".to_owned())
    }
}
