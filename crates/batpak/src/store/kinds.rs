//! What a store knows of its kinds: the descriptions that stand in the log beside the first event of each kind and
//! version, and the file in which they are found again.
//!
//! They are looked for when they are first needed: in the file, and beside the events behind its end.

use crate::event_payload::KindInfo;
use crate::store::job::Job;
use crate::store::kinds_file::{KindsFiles, NAME, Saved};
use crate::store::shared::Shared;
use crate::store::{RefusedFile, Store, StoreConfig, StoreError};
use arc_swap::ArcSwapOption;
use batpak_core::{EventKind, KindDescription};
use batpak_index::{Described, Refused};
use batpak_segment::{Frame, FrameRecord, LogReader, Position};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The type of the frame record that describes a kind.
const DESCRIPTION_TYPE: u16 = 257;

/// The descriptions of a store. The first one of a kind says what it means, and those that contradict are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    kinds: HashMap<EventKind, Named, foldhash::fast::RandomState>,
    names: HashMap<Box<str>, EventKind, foldhash::fast::RandomState>,
    described: Vec<Described>,
}

#[derive(Clone, Debug)]
struct Named {
    name: Box<str>,
    versions: SmallVec<[u16; 4]>,
}

impl Table {
    /// Whether a kind is described as the program knows it.
    #[inline]
    fn knows(&self, kind: EventKind, version: u16, name: &str) -> bool {
        self.kinds.get(&kind).is_some_and(|named| *named.name == *name && named.versions.contains(&version))
    }

    /// Refuses a kind that has another name, and a name that is that of another kind.
    fn check(&self, kind: EventKind, name: &str) -> Result<(), StoreError> {
        if let Some(named) = self.kinds.get(&kind) {
            if *named.name == *name {
                return Ok(());
            }
            let (stored, program) = (named.name.to_string(), name.to_owned());
            return Err(StoreError::KindHasOtherName { kind, stored, program });
        }
        match self.names.get(name) {
            Some(stored) if *stored != kind => {
                Err(StoreError::NameHasOtherKind { name: name.to_owned(), stored: *stored, program: kind })
            }
            _ => Ok(()),
        }
    }

    fn check_all(&self, infos: &[KindInfo]) -> Result<(), StoreError> {
        infos.iter().try_for_each(|info| self.check(info.kind, info.name))
    }

    /// Adds a description, unless it is known or contradicts what is.
    pub(crate) fn add(&mut self, described: Described) {
        let description = &described.description;
        let (kind, version, name) = (description.kind(), description.version(), description.name());
        if self.knows(kind, version, name) || self.check(kind, name).is_err() {
            return;
        }
        self.names.insert(name.into(), kind);
        let new = || Named { name: name.into(), versions: SmallVec::new() };
        self.kinds.entry(kind).or_insert_with(new).versions.push(version);
        self.described.push(described);
    }

    /// Those that stand beside events below `end`, in their order.
    pub(crate) fn before(&self, end: u64) -> impl Iterator<Item = &Described> {
        self.described.iter().filter(move |described| described.sequence < end)
    }
}

/// What a program says of a kind, to be kept.
fn description_of(info: &KindInfo) -> Result<KindDescription, StoreError> {
    Ok(KindDescription::new(info.kind, info.version, info.name, info.fields.iter().copied())?)
}

/// The description in a frame record; nothing if it is about something else.
pub(crate) fn description_in(at: Position, record_type: u16, body: &[u8]) -> Result<Option<Described>, StoreError> {
    if record_type != DESCRIPTION_TYPE {
        return Ok(None);
    }
    let sequence = at.sequence;
    let description = KindDescription::decode(body).map_err(|error| StoreError::Corrupt {
        segment: None,
        offset: Some(at.offset),
        reason: format!("what describes a kind beside event {sequence} cannot be read: {error}"),
    })?;
    Ok(Some(Described { sequence, description }))
}

/// Refuses kinds of a program that contradict one another, or cannot be described.
pub(crate) fn check_program(infos: &[KindInfo]) -> Result<(), StoreError> {
    let mut table = Table::default();
    for info in infos {
        if info.kind.is_reserved() {
            return Err(StoreError::ReservedKind { kind: info.kind });
        }
        table.check(info.kind, info.name).map_err(within_program)?;
        table.add(Described { sequence: 0, description: description_of(info)? });
    }
    Ok(())
}

/// What one type of the program says against another one.
fn within_program(error: StoreError) -> StoreError {
    match error {
        StoreError::KindHasOtherName { kind, stored: first, program: second } => {
            StoreError::KindUsedTwice { kind, first, second }
        }
        StoreError::NameHasOtherKind { name, stored: first, program: second } => {
            StoreError::NameUsedTwice { name, first, second }
        }
        other => other,
    }
}

/// The kinds of an open store.
#[derive(Debug)]
pub(crate) struct Kinds {
    /// None as long as nobody has looked for them. It is replaced with the state locked.
    table: ArcSwapOption<Table>,
    state: Mutex<State>,
    /// The end of what the file holds; 0 if it holds nothing. Held while it is written.
    saved: Mutex<u64>,
}

#[derive(Debug)]
struct State {
    /// Descriptions beside events below it are in the table, once there is one. What this process appends is added when
    /// it is committed.
    end: u64,
    refused: Option<RefusedFile>,
}

impl Kinds {
    /// The kinds of a store that is being opened. If the program says its own, they are compared.
    pub(crate) fn open(config: &StoreConfig, log: &LogReader) -> Result<Self, StoreError> {
        let state = State { end: log.end_sequence(), refused: None };
        let kinds = Self { table: ArcSwapOption::empty(), state: Mutex::new(state), saved: Mutex::default() };
        if !config.events.is_empty() {
            kinds.load(&KindsFiles { config, log })?.check_all(&config.events)?;
        }
        Ok(kinds)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saved(&self) -> MutexGuard<'_, u64> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table, which is made if nobody has needed it before.
    fn load(&self, files: &KindsFiles<'_>) -> Result<Arc<Table>, StoreError> {
        let mut state = self.state();
        if let Some(table) = self.table.load_full() {
            return Ok(table);
        }
        let mut table = Table::default();
        let mut from = 0;
        match files.load(state.end) {
            Ok(Some(Saved { end, described })) => {
                for described in described {
                    table.add(described);
                }
                (from, *self.saved()) = (end, end);
            }
            Ok(None) => {}
            Err(refused) => state.refused = Some(refused_file(&refused)),
        }
        add_from(&mut table, files.log, from, state.end)?;
        let table = Arc::new(table);
        self.table.store(Some(Arc::clone(&table)));
        Ok(table)
    }

    /// Adds what stands beside the events that have come since, for a store that another process writes.
    fn follow(&self, files: &KindsFiles<'_>) -> Result<(), StoreError> {
        let loaded = self.load(files)?;
        let (mut state, end) = (self.state(), files.log.end_sequence());
        if state.end < end {
            let mut table = Table::clone(&self.table.load_full().unwrap_or(loaded));
            add_from(&mut table, files.log, state.end, end)?;
            self.table.store(Some(Arc::new(table)));
            state.end = end;
        }
        Ok(())
    }

    /// Refuses what contradicts the table as it is now, with the commit lock held.
    pub(crate) fn check(&self, descriptions: &[KindDescription]) -> Result<(), StoreError> {
        let Some(table) = (!descriptions.is_empty()).then(|| self.table.load_full()).flatten() else { return Ok(()) };
        descriptions.iter().try_for_each(|description| table.check(description.kind(), description.name()))
    }

    /// Adds what stands beside a commit that begins with the event `sequence`, with the commit lock held: what is frozen
    /// later is in the table.
    pub(crate) fn add(&self, sequence: u64, descriptions: &mut Vec<KindDescription>) {
        let _state = self.state();
        let mut table = self.table.load_full().map_or_else(Table::default, |table| Table::clone(&table));
        for description in descriptions.drain(..) {
            table.add(Described { sequence, description });
        }
        self.table.store(Some(Arc::new(table)));
    }

    pub(crate) fn refused(&self) -> Option<RefusedFile> {
        self.state().refused.clone()
    }
}

fn refused_file(refused: &Refused) -> RefusedFile {
    RefusedFile { name: NAME.to_owned(), reason: refused.to_string() }
}

/// Adds the descriptions that stand beside the events from `from` up to `end`.
fn add_from(table: &mut Table, log: &LogReader, from: u64, end: u64) -> Result<(), StoreError> {
    for found in log.frame_records(from..end) {
        let FrameRecord { position, record_type, body } = found?;
        if let Some(described) = description_in(position, record_type, &body)? {
            table.add(described);
        }
    }
    Ok(())
}

/// Has a commit carry a description.
pub(crate) fn push_description(frame: &mut Frame, description: &KindDescription) -> Result<(), StoreError> {
    let mut body = Vec::new();
    description.encode(&mut body);
    Ok(frame.push_frame_record(DESCRIPTION_TYPE, &body)?)
}

impl Job {
    /// Has the commit carry the description of a kind.
    fn describe(&mut self, info: &KindInfo) -> Result<(), StoreError> {
        let mut own = Table::default();
        for description in &self.descriptions {
            own.add(Described { sequence: 0, description: description.clone() });
        }
        own.check(info.kind, info.name).map_err(within_program)?;
        if own.knows(info.kind, info.version, info.name) {
            return Ok(());
        }
        let description = description_of(info)?;
        push_description(&mut self.frame, &description)?;
        self.descriptions.push(description);
        Ok(())
    }
}

impl Shared {
    fn kinds_files(&self) -> KindsFiles<'_> {
        KindsFiles { config: &self.config, log: &self.reader }
    }

    fn kinds_table(&self) -> Result<Arc<Table>, StoreError> {
        self.kinds.load(&self.kinds_files()).map_err(|error| self.known(error))
    }

    /// Refuses kinds of the program that mean something else in the store. What cannot be read of the store is not
    /// compared.
    #[inline]
    pub(crate) fn check_kinds(&self, infos: &[KindInfo]) -> Result<(), StoreError> {
        if infos.is_empty() {
            return Ok(());
        }
        match &*self.kinds.table.load() {
            Some(table) => table.check_all(infos),
            None => self.kinds_table().map_or(Ok(()), |table| table.check_all(infos)),
        }
    }

    #[cold]
    fn admit_unknown_kind(&self, job: &mut Job, info: &KindInfo) -> Result<(), StoreError> {
        let table = self.kinds_table()?;
        table.check(info.kind, info.name)?;
        if table.knows(info.kind, info.version, info.name) { Ok(()) } else { job.describe(info) }
    }

    /// Puts the descriptions into their file, as far as the events beside which they stand are frozen: those are
    /// durable.
    pub(crate) fn save_kinds(&self) -> Result<(), StoreError> {
        let files = self.kinds_files();
        // Before the table: what is frozen was committed before, and what stands beside it is in the table.
        let end = self.index.tiers().frozen_end();
        let Some(last) = end.checked_sub(1).filter(|_| files.are_wanted()) else { return Ok(()) };
        let table = self.kinds_table()?;
        let mut saved = self.kinds.saved();
        if *saved == end {
            return Ok(());
        }
        let offset = u64::from(self.row(last)?.offset);
        files.save(end, offset, table.before(end).cloned().collect())?;
        *saved = end;
        Ok(())
    }
}

impl Store {
    /// Sees that a kind means in this store what it means to the program, before an event of it is proposed. If the
    /// store does not know this version of it, the commit will carry the description.
    #[inline]
    pub(crate) fn admit_kind(&self, job: &mut Job, info: &KindInfo) -> Result<(), StoreError> {
        let shared = self.shared();
        let is_known = |table: &Arc<Table>| table.knows(info.kind, info.version, info.name);
        if shared.kinds.table.load().as_ref().is_some_and(is_known) {
            return Ok(());
        }
        shared.admit_unknown_kind(job, info)
    }

    /// What the programs that wrote typed events have said of their kinds, in the order of kinds and versions. Kinds of
    /// which all events were appended without a type are not among them.
    ///
    /// # Errors
    /// `Corrupt` if what is damaged in the log is met, and `Io`, where they are not in a file of their own and the log
    /// has to be gone through; `Closed`.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// store.append(&Coordinate::new("order:7", "shop")?, EventKind::custom(1, 1), &3)?;
    /// assert!(store.kinds()?.is_empty());
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kinds(&self) -> Result<Vec<KindDescription>, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        if shared.is_read_only() {
            shared.kinds.follow(&shared.kinds_files())?;
        }
        let table = shared.kinds_table()?;
        let visible = table.before(shared.visible());
        let mut kinds: Vec<KindDescription> = visible.map(|described| described.description.clone()).collect();
        kinds.sort_by_key(|description| (description.kind(), description.version()));
        Ok(kinds)
    }
}
