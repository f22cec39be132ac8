//! raft-engine where events are read: by entity only.

use super::{Entries, Raft};
use crate::archive::{Records, See, SeeRow};
use crate::engine::{Failure, Reading};
use crate::event::names;

pub(super) const READING: Reading =
    Reading { fill: |opening| Ok(Box::new(Raft::open(opening.dir)?)), open: |dir| Ok(Box::new(Raft::open(dir)?)) };

pub(super) const HOW: &str = "as it is written: an entity is a group, a revision an entry";

impl Records for Raft {
    fn record(&self, _sequence: u64, _see: See<'_>) -> Result<(), Failure> {
        Err("it finds nothing by sequence: there is no order over all groups".into())
    }

    fn records_of(&self, entity: &str, see: See<'_>) -> Result<(), Failure> {
        let number = names().binary_search_by(|name| name.as_str().cmp(entity)).map_err(|_| "no such entity")?;
        let group = number as u64 + 1;
        let (first, last) = (self.log.first_index(group), self.log.last_index(group));
        let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
        let mut entries = Vec::new();
        self.log.fetch_entries_to::<Entries>(group, first, last + 1, None, &mut entries)?;
        entries.iter().try_for_each(|entry| see(&entry.value))
    }

    fn rows_of(&self, _entity: &str, _see: SeeRow<'_>) -> Result<(), Failure> {
        Err("its interface shows no entries without reading them".into())
    }

    fn records(&self, _see: See<'_>) -> Result<(), Failure> {
        Err("there is no order over all groups".into())
    }
}
