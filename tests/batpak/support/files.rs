//! Files in memory that keep what a power cut leaves apart, hold a sync until it is let go, and fail when told to.
//!
//! What counts are segments: the lock and derived files are passed on as they are.

use batpak::store::{DirectoryEntry, File, FileSystem, Lock, MemoryFileSystem, OpenMode};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Write,
    Sync,
    SyncDirectory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Error(io::ErrorKind),
    /// Half of a write is done; the next one fails.
    Half,
    Panic,
}

#[derive(Debug, Default)]
struct State {
    creates: u64,
    /// Writes and syncs that have ended well.
    writes: u64,
    syncs: u64,
    directory_syncs: u64,
    /// What readers in other processes were told.
    shown: Vec<u64>,
    /// Syncs that wait to be let go, and those that may go.
    held: bool,
    blocked: u64,
    permits: u64,
    planned: Vec<(Operation, u64, Fault)>,
    /// Which file each name stands for, now and after a power cut, and what that leaves of each file.
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<u64, Vec<u8>>,
    /// Files whose sync has failed: further ones succeed and write nothing, until what is cached was forgotten.
    stuck: BTreeSet<u64>,
    next: u64,
}

impl State {
    fn fault(&mut self, operation: Operation) -> Option<Fault> {
        let due = self.planned.iter().position(|(planned, nth, _)| *planned == operation && *nth == 1);
        for (planned, nth, _) in &mut self.planned {
            if *planned == operation {
                *nth -= 1;
            }
        }
        due.map(|at| self.planned.remove(at).2)
    }
}

#[derive(Debug, Default)]
struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a planned fault says, once the state is free again.
    fn check(&self, operation: Operation) -> io::Result<Option<Fault>> {
        let fault = self.state().fault(operation);
        match fault {
            Some(Fault::Error(kind)) => Err(kind.into()),
            // A test that has failed drops its store while it panics: a second panic would hide the first.
            Some(Fault::Panic) if std::thread::panicking() => Err(io::ErrorKind::Other.into()),
            Some(Fault::Panic) => panic!("planned for {operation:?}"),
            other => Ok(other),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct TestFiles {
    memory: MemoryFileSystem,
    control: Arc<Control>,
}

impl TestFiles {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Files that are all durable.
    pub(crate) fn of(memory: MemoryFileSystem) -> Self {
        let files = Self { memory, control: Arc::default() };
        for path in files.memory.files() {
            let bytes = files.memory.read(&path).expect("it is there");
            let mut state = files.control.state();
            let number = state.next;
            state.next += 1;
            state.names.insert(path.clone(), number);
            state.durable_names.insert(path, number);
            state.durable.insert(number, bytes);
        }
        files
    }

    pub(crate) fn memory(&self) -> &MemoryFileSystem {
        &self.memory
    }

    /// The machine after a power cut: what was synced, under the names whose directory was.
    pub(crate) fn after_power_cut(&self) -> Self {
        let memory = MemoryFileSystem::new();
        let state = self.control.state();
        for (path, number) in &state.durable_names {
            memory.write(path, state.durable.get(number).cloned().unwrap_or_default());
        }
        drop(state);
        Self::of(memory)
    }

    /// The machine after the death of the process: all that was written.
    pub(crate) fn after_kill(&self) -> Self {
        Self::of(self.memory.deep_clone())
    }

    /// The `nth` call from now on goes wrong; the next one is 1.
    pub(crate) fn plan(&self, operation: Operation, nth: u64, fault: Fault) {
        self.control.state().planned.push((operation, nth, fault));
    }

    /// Returns whether there was none left.
    pub(crate) fn forget_plans(&self) -> bool {
        std::mem::take(&mut self.control.state().planned).is_empty()
    }

    pub(crate) fn creates(&self) -> u64 {
        self.control.state().creates
    }

    /// Below which sequences readers in other processes were told that everything may be seen, one after the other.
    pub(crate) fn shown(&self) -> Vec<u64> {
        self.control.state().shown.clone()
    }

    pub(crate) fn writes(&self) -> u64 {
        self.control.state().writes
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.control.state().syncs
    }

    pub(crate) fn directory_syncs(&self) -> u64 {
        self.control.state().directory_syncs
    }

    /// From now on every sync waits.
    pub(crate) fn hold_syncs(&self) {
        self.control.state().held = true;
    }

    /// Lets one sync go, that waits or comes next.
    pub(crate) fn let_one_sync_go(&self) {
        self.control.state().permits += 1;
        self.control.changed.notify_all();
    }

    /// Lets all go, and those that come.
    pub(crate) fn let_syncs_go(&self) {
        let mut state = self.control.state();
        state.held = false;
        state.permits = 0;
        drop(state);
        self.control.changed.notify_all();
    }

    #[track_caller]
    pub(crate) fn wait_for_blocked_syncs(&self, count: u64) {
        self.wait(|state| state.blocked >= count);
    }

    #[track_caller]
    pub(crate) fn wait_for_syncs(&self, count: u64) {
        self.wait(|state| state.syncs >= count);
    }

    #[track_caller]
    pub(crate) fn wait_for_writes(&self, count: u64) {
        self.wait(|state| state.writes >= count);
    }

    #[track_caller]
    fn wait(&self, until: impl Fn(&State) -> bool) {
        let waited =
            self.control.changed.wait_timeout_while(self.control.state(), super::PATIENCE, |state| !until(state));
        let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "it did not happen: {state:?}");
    }
}

fn is_segment(path: &Path) -> bool {
    path.to_string_lossy().contains(".fbat")
}

impl FileSystem for TestFiles {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.memory.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.memory.read_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if path.ends_with("batpak.visible") && mode != OpenMode::Read {
            let file = self.memory.open(path, mode)?;
            return Ok(Arc::new(WatermarkFile { file, control: Arc::clone(&self.control) }));
        }
        if !is_segment(path) {
            return self.memory.open(path, mode);
        }
        if mode == OpenMode::CreateNew {
            self.control.check(Operation::Create)?;
        }
        let file = self.memory.open(path, mode)?;
        let mut state = self.control.state();
        if mode == OpenMode::CreateNew {
            state.creates += 1;
            let number = state.next;
            state.next += 1;
            state.names.insert(path.to_owned(), number);
        }
        let number = state.names.get(path).copied().expect("every segment has a number");
        Ok(Arc::new(TestFile { file, number, control: Arc::clone(&self.control) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.memory.rename(from, to)?;
        let mut state = self.control.state();
        if let Some(number) = state.names.remove(from) {
            state.names.insert(to.to_owned(), number);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.memory.remove_file(path)?;
        self.control.state().names.remove(path);
        Ok(())
    }

    fn boot_id(&self) -> io::Result<Option<[u8; 16]>> {
        self.memory.boot_id()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.control.check(Operation::SyncDirectory)?;
        let mut state = self.control.state();
        state.directory_syncs += 1;
        state.durable_names.retain(|name, _| name.parent() != Some(path));
        let names: Vec<_> = state.names.iter().map(|(name, number)| (name.clone(), *number)).collect();
        state.durable_names.extend(names.into_iter().filter(|(name, _)| name.parent() == Some(path)));
        Ok(())
    }

    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        self.memory.try_lock(path, holder)
    }
}

#[derive(Debug)]
struct TestFile {
    file: Arc<dyn File>,
    number: u64,
    control: Arc<Control>,
}

impl TestFile {
    fn content(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.file.len()?).expect("it is in memory")];
        let n = self.file.read_at(&mut bytes, 0)?;
        bytes.truncate(n);
        Ok(bytes)
    }
}

impl File for TestFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let buf = match self.control.check(Operation::Write)? {
            Some(Fault::Half) => {
                self.control.state().planned.push((Operation::Write, 1, Fault::Error(io::ErrorKind::StorageFull)));
                &buf[..buf.len() / 2]
            }
            _ => buf,
        };
        let n = self.file.write_at(buf, offset)?;
        self.control.state().writes += 1;
        self.control.changed.notify_all();
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    /// What is durable afterwards is what was there when it began.
    fn sync(&self) -> io::Result<()> {
        let content = self.content()?;
        let mut state = self.control.state();
        if state.held {
            state.blocked += 1;
            self.control.changed.notify_all();
            let wait = |state: &mut State| state.held && state.permits == 0;
            // A test that has failed lets nobody go any more.
            let waited = self.control.changed.wait_timeout_while(state, super::PATIENCE, wait);
            let (locked, result) = waited.unwrap_or_else(PoisonError::into_inner);
            state = locked;
            state.blocked -= 1;
            if result.timed_out() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            state.permits = state.permits.saturating_sub(1);
        }
        drop(state);
        if let Err(error) = self.control.check(Operation::Sync) {
            self.control.state().stuck.insert(self.number);
            return Err(error);
        }
        let mut state = self.control.state();
        if !state.stuck.contains(&self.number) {
            state.durable.insert(self.number, content);
        }
        state.syncs += 1;
        drop(state);
        self.control.changed.notify_all();
        Ok(())
    }

    /// What was stuck is gone: what is not durable reads as zeros.
    fn forget_cached(&self, _from: u64) {
        let mut state = self.control.state();
        if !state.stuck.remove(&self.number) {
            return;
        }
        let mut bytes = state.durable.get(&self.number).cloned().unwrap_or_default();
        let len = self.file.len().and_then(|len| usize::try_from(len).map_err(io::Error::other));
        bytes.resize(len.expect("it is in memory"), 0);
        self.file.write_at(&bytes, 0).expect("it is in memory");
    }
}

/// The file of the watermark. It cannot be mapped, so that each change is a write.
#[derive(Debug)]
struct WatermarkFile {
    file: Arc<dyn File>,
    control: Arc<Control>,
}

impl File for WatermarkFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let sequence = buf[24..32].iter().rev().fold(0, |sequence, byte| sequence << 8 | u64::from(*byte));
        self.control.state().shown.push(sequence);
        self.file.write_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
