//! Cursors: pulling the events of a region in order, as they come.

use crate::store::read::Scan;
use crate::store::{EventRow, Store, StoreError};
use batpak_core::Region;
use batpak_index::Direction;

/// A place in a region. Each poll gives the next event after it: none is missed and none comes twice.
#[derive(Debug)]
pub struct Cursor {
    store: Store,
    region: Region,
    /// Everything below was given or does not belong to the region.
    next: u64,
    /// How the events below `end` are gone through.
    scan: Option<Scan>,
    end: u64,
}

impl Clone for Cursor {
    fn clone(&self) -> Self {
        self.store.cursor_guaranteed(&self.region).starting_at(self.next)
    }
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
        Cursor { store: self.clone(), region: region.clone(), next: 0, scan: None, end: 0 }
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
        let shared = self.store.shared();
        shared.check_open()?;
        loop {
            if let Some(mut scan) = self.scan.take() {
                if let Some(row) = scan.next_event_row(shared)? {
                    self.next = row.sequence + 1;
                    self.scan = Some(scan);
                    return Ok(Some(row));
                }
                self.next = self.end;
            }
            self.end = shared.visible();
            if self.next >= self.end {
                return Ok(None);
            }
            self.scan = Some(Scan::new(shared, &self.region, self.next..self.end, Direction::Forward));
        }
    }

    /// The sequence from which on events were not given yet. A cursor that [starts there](Self::starting_at) goes on
    /// where this one is.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The same region, from `sequence` on.
    #[must_use]
    pub fn starting_at(mut self, sequence: u64) -> Self {
        self.next = sequence;
        self.scan = None;
        self
    }
}
