//! Cursors: pulling the events of a region in order, as they come.

use crate::store::{EventRow, Store, StoreError};
use batpak_core::Region;
use batpak_index::{Direction, Matches};
use std::collections::VecDeque;

/// How many sequences are looked through at once.
const STEP: u64 = 4096;

/// A place in a region. Each poll gives the next event after it: none is missed and none comes twice.
#[derive(Clone, Debug)]
pub struct Cursor {
    store: Store,
    region: Region,
    /// Everything below was looked through.
    next: u64,
    found: VecDeque<EventRow>,
}

impl Store {
    /// A cursor before the first event of a region, also if there is none yet.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let mut cursor = store.cursor_guaranteed(&Region::entity("seat:4"));
    /// assert!(cursor.poll().is_none());
    /// store.append(&Coordinate::new("seat:4", "hall")?, EventKind::custom(1, 1), &"taken")?;
    /// assert_eq!(cursor.poll().expect("one event").sequence, 0);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cursor_guaranteed(&self, region: &Region) -> Cursor {
        Cursor { store: self.clone(), region: region.clone(), next: 0, found: VecDeque::new() }
    }
}

impl Cursor {
    /// The next event, if there is one now. It cannot fail: where [`try_poll`](Self::try_poll) returns an error, it
    /// returns `None` and stays where it is.
    pub fn poll(&mut self) -> Option<EventRow> {
        self.try_poll().ok().flatten()
    }

    /// The next event, if there is one now.
    ///
    /// # Errors
    /// `Closed`; and if the region names tags, a correlation or a cause, those of [`Store::get`], once every event before
    /// the one that cannot be read was given. The cursor stays where it is; it goes on behind that event if it
    /// [starts](Self::starting_at) there.
    pub fn try_poll(&mut self) -> Result<Option<EventRow>, StoreError> {
        loop {
            self.store.shared().check_open()?;
            if let Some(row) = self.found.pop_front() {
                return Ok(Some(row));
            }
            if !self.look_further()? {
                return Ok(None);
            }
        }
    }

    /// The sequence from which on events were not given yet. A cursor that [starts there](Self::starting_at) goes on
    /// where this one is.
    pub fn position(&self) -> u64 {
        self.found.front().map_or(self.next, |row| row.sequence)
    }

    /// The same region, from `sequence` on.
    #[must_use]
    pub fn starting_at(mut self, sequence: u64) -> Self {
        self.next = sequence;
        self.found.clear();
        self
    }

    /// Looks through the next sequences; false if there are none.
    fn look_further(&mut self) -> Result<bool, StoreError> {
        let shared = self.store.shared();
        let visible = shared.visible();
        if self.next >= visible {
            return Ok(false);
        }
        // Chains are followed from their newest event, so going in steps would follow them again and again.
        let all_at_once = Matches::follows_chains(&self.region);
        let end = if all_at_once { visible } else { visible.min(self.next + STEP) };
        let mut matches = shared.matches(&self.region, self.next..end, Direction::Forward);
        let mut buffer = Vec::new();
        loop {
            match shared.next_match(&mut matches, &self.region, &mut buffer) {
                Ok(Some(row)) => self.found.push_back(shared.event_row(&row)?),
                Ok(None) => break,
                Err(error) => return self.stop_before(error),
            }
        }
        self.next = end;
        Ok(true)
    }

    /// Gives what was found before an event that cannot be read, or says why there is nothing more.
    fn stop_before(&mut self, error: StoreError) -> Result<bool, StoreError> {
        let newest = self.found.back().ok_or(error)?;
        self.next = newest.sequence + 1;
        Ok(true)
    }
}
