//! A store without threads: a test says when it does what they would do.

use crate::store::{Store, StoreError, background, freeze};

impl Store {
    /// Does what the thread that syncs ahead of appends would do now, of a store that is opened
    /// [without threads](crate::store::StoreConfig::without_threads); false if that is nothing.
    ///
    /// # Errors
    /// `Failed` if a write or sync failed, now or before; `ReadOnly`; `Closed`.
    pub fn sync_as_due(&self) -> Result<bool, StoreError> {
        let shared = self.shared();
        background::step(shared, shared.writing()?)
    }

    /// Does what the thread that freezes and merges parts of the index would do now, of a store that is opened
    /// [without threads](crate::store::StoreConfig::without_threads); false if that is nothing.
    ///
    /// # Errors
    /// `ReadOnly`; `Closed`. What cannot be frozen now is tried again later.
    pub fn freeze_as_due(&self) -> Result<bool, StoreError> {
        let shared = self.shared();
        Ok(freeze::step(shared, shared.writing()?))
    }
}
