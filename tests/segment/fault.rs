//! A file system that fails when told to.

use crate::disk::Disk;
use crate::random::Random;
use batpak_segment::{
    Clock, DirectoryEntry, Entropy, EntryKind, Environment, File, FileSystem, Lock, Mapping, OpenMode, SharedMapping,
};
use std::collections::BTreeSet;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateDirectory,
    List,
    Open,
    Create,
    Rename,
    Remove,
    SyncDirectory,
    Lock,
    Read,
    Write,
    Length,
    SetLength,
    Allocate,
    Map,
    Sync,
}

impl Operation {
    fn changes(self) -> bool {
        !matches!(self, Self::List | Self::Open | Self::Lock | Self::Read | Self::Length | Self::Map)
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power fails: this call may or may not have an effect, all later ones fail.
    Crash,
    /// This call fails.
    Once(io::ErrorKind),
    /// This call and all later ones that change something fail.
    ForGood(io::ErrorKind),
    /// A read or write does half of what it was asked for. A reservation does half and fails; nothing is mapped.
    Short,
    /// A write does half, and all that change something fail afterwards.
    ShortThenFull,
    /// The implementation panics.
    Panic,
}

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// At the call of this number; the first is 1.
    Call(u64),
    /// At the next call that does this.
    Next(Operation),
}

#[derive(Debug)]
struct Machine {
    disk: Disk,
    locked: BTreeSet<PathBuf>,
    calls: Vec<Operation>,
    faults: Vec<(When, Fault)>,
    hits: u64,
    bytes_read: u64,
    crashed: bool,
    full: Option<io::ErrorKind>,
}

/// What a call is to do.
enum Verdict {
    Do,
    Half,
    DoAndCrash,
    Refuse(io::Error),
}

impl Machine {
    fn new(disk: Disk) -> Self {
        let (calls, faults) = (Vec::new(), Vec::new());
        Self { disk, locked: BTreeSet::new(), calls, faults, hits: 0, bytes_read: 0, crashed: false, full: None }
    }

    fn decide(&mut self, operation: Operation) -> (Verdict, bool) {
        self.calls.push(operation);
        if self.crashed {
            return (Verdict::Refuse(io::Error::other("the power has failed")), false);
        }
        if let Some(kind) = self.full.filter(|_| operation.changes()) {
            return (Verdict::Refuse(kind.into()), false);
        }
        let number = self.calls.len() as u64;
        let due = |when: &When| *when == When::Call(number) || *when == When::Next(operation);
        let Some(at) = self.faults.iter().position(|(when, _)| due(when)) else { return (Verdict::Do, false) };
        self.hits += 1;
        match self.faults.remove(at).1 {
            Fault::Crash => {
                self.crashed = true;
                self.disk.unmap();
                (Verdict::DoAndCrash, false)
            }
            Fault::Once(kind) => (Verdict::Refuse(kind.into()), false),
            Fault::ForGood(kind) => {
                self.full = Some(kind);
                (if operation.changes() { Verdict::Refuse(kind.into()) } else { Verdict::Do }, false)
            }
            Fault::Short => (Verdict::Half, false),
            Fault::ShortThenFull => {
                self.full = Some(io::ErrorKind::StorageFull);
                (Verdict::Half, false)
            }
            Fault::Panic => (Verdict::Do, true),
        }
    }
}

/// A file system in memory that keeps what is durable and what is not apart, and fails when told to.
#[derive(Clone, Debug)]
pub(crate) struct FaultFileSystem {
    machine: Arc<Mutex<Machine>>,
    meanwhile: Arc<Mutex<Vec<Meanwhile>>>,
}

/// Something that happens during a call.
struct Meanwhile {
    operation: Operation,
    /// How the name of the file that is opened ends.
    name: &'static str,
    act: Box<dyn FnOnce() + Send>,
}

impl Debug for Meanwhile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile")
    }
}

type Guard<'a> = MutexGuard<'a, Machine>;

impl FaultFileSystem {
    pub(crate) fn new() -> Self {
        Self::with(Disk::new())
    }

    fn with(disk: Disk) -> Self {
        Self { machine: Arc::new(Mutex::new(Machine::new(disk))), meanwhile: Arc::default() }
    }

    fn machine(&self) -> Guard<'_> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a fault.
    pub(crate) fn plan(&self, when: When, fault: Fault) {
        self.machine().faults.push((when, fault));
    }

    /// Has something happen while the next file is synced.
    pub(crate) fn during_the_next_sync(&self, act: impl FnOnce() + Send + 'static) {
        self.during(Operation::Sync, "", act);
    }

    /// Has something happen before a file is next written or synced, or one is opened whose name ends so.
    pub(crate) fn during(&self, operation: Operation, name: &'static str, act: impl FnOnce() + Send + 'static) {
        self.meanwhile.lock().unwrap().push(Meanwhile { operation, name, act: Box::new(act) });
    }

    /// Lets happen what is to happen now.
    fn let_happen(&self, operation: Operation, path: &Path) {
        let path = path.to_string_lossy();
        let mut all = self.meanwhile.lock().unwrap();
        let due = all.iter().position(|next| next.operation == operation && path.ends_with(next.name));
        let due = due.map(|index| all.remove(index));
        drop(all);
        if let Some(Meanwhile { act, .. }) = due {
            act();
        }
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.machine().calls.len() as u64
    }

    /// What was called, in order, beginning after `skip` calls.
    pub(crate) fn operations_since(&self, skip: u64) -> Vec<Operation> {
        self.machine().calls[usize::try_from(skip).unwrap()..].to_vec()
    }

    /// How much was read from files, what is mapped left out.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.machine().bytes_read
    }

    /// How many faults have happened.
    pub(crate) fn hits(&self) -> u64 {
        self.machine().hits
    }

    /// The machine after a power cut.
    pub(crate) fn after_crash(&self, seed: u64) -> Self {
        Self::with(self.machine().disk.after_power_cut(&mut Random::new(seed)))
    }

    /// The machine after the death of the process: nothing that was written is lost, nothing more is durable.
    pub(crate) fn after_kill(&self) -> Self {
        Self::with(self.machine().disk.after_kill())
    }

    /// Whether the power has failed as planned.
    pub(crate) fn has_crashed(&self) -> bool {
        self.machine().crashed
    }

    /// The system writes what is mapped to the disk, which it may do whenever it likes.
    pub(crate) fn write_back(&self) {
        self.machine().disk.write_back();
    }

    /// From now on the files may grow by so many blocks of 4096 bytes, all of them together.
    pub(crate) fn set_room(&self, blocks: usize) {
        let mut machine = self.machine();
        machine.disk.blocks = machine.disk.blocks_taken().saturating_add(blocks);
    }

    /// Whether room can be reserved, and whether files can be mapped.
    pub(crate) fn set_abilities(&self, allocates: bool, maps: bool) {
        let mut machine = self.machine();
        (machine.disk.allocates, machine.disk.maps) = (allocates, maps);
    }

    /// All files and what programs read in them, lock files left out.
    pub(crate) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let machine = self.machine();
        let mut files = Vec::new();
        let mut directories = vec![PathBuf::from("/")];
        while let Some(directory) = directories.pop() {
            for (name, is_directory) in machine.disk.list(&directory) {
                let path = directory.join(name);
                match machine.disk.find(&path) {
                    _ if is_directory => directories.push(path),
                    Some(inode) if path.extension().is_none_or(|e| e != "lock") => {
                        files.push((path, machine.disk.inodes[inode].live().to_vec()));
                    }
                    _ => {}
                }
            }
        }
        files.sort();
        files
    }

    /// Replaces a file's content, durably.
    pub(crate) fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = path.as_ref();
        let mut machine = self.machine();
        let parent = path.parent().unwrap().to_owned();
        machine.disk.create_directories(&parent);
        let inode = machine.disk.create(path);
        machine.disk.inodes[inode].write(bytes, 0);
        machine.disk.inodes[inode].sync();
        for directory in parent.ancestors() {
            machine.disk.sync_dir(directory);
        }
    }

    /// Everything outside a log: these files, a clock that stands still, identifiers that never repeat.
    pub(crate) fn environment(&self) -> Environment {
        Environment { file_system: Arc::new(self.clone()), clock: Arc::new(Stopped), entropy: Arc::new(Counter) }
    }

    /// Runs one call: `act` has its effect, given whether only half of it is wanted.
    fn call<T>(&self, operation: Operation, act: impl FnOnce(&mut Machine, bool) -> io::Result<T>) -> io::Result<T> {
        let mut machine = self.machine();
        let (verdict, panic) = machine.decide(operation);
        let has_effect = !matches!(operation, Operation::Sync | Operation::SyncDirectory);
        let result = match verdict {
            Verdict::Do => act(&mut machine, false),
            Verdict::Half => act(&mut machine, true),
            Verdict::DoAndCrash => {
                let unseen = has_effect.then(|| act(&mut machine, false));
                drop(machine);
                drop(unseen);
                return Err(io::Error::other("the power fails"));
            }
            Verdict::Refuse(error) => Err(error),
        };
        drop(machine);
        assert!(!panic, "a panic that was planned");
        result
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl FileSystem for FaultFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::CreateDirectory, |machine, _| {
            machine.disk.create_directories(path);
            Ok(())
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.call(Operation::List, |machine, _| {
            if !machine.disk.is_directory(path) {
                return Err(not_found());
            }
            let kind = |is_directory| if is_directory { EntryKind::Directory } else { EntryKind::File };
            let entries = machine.disk.list(path).into_iter();
            Ok(entries.map(|(name, is_directory)| DirectoryEntry { name, kind: kind(is_directory) }).collect())
        })
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let operation = if mode == OpenMode::CreateNew { Operation::Create } else { Operation::Open };
        self.let_happen(operation, path);
        self.call(operation, |machine, _| {
            let inode = match (machine.disk.find(path), mode) {
                (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
                (None, OpenMode::CreateNew) => machine.disk.create(path),
                (found, _) => found.ok_or_else(not_found)?,
            };
            Ok(Arc::new(FaultFile { file_system: self.clone(), inode }) as Arc<dyn File>)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Operation::Rename, |machine, _| machine.disk.rename(from, to).then_some(()).ok_or_else(not_found))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::Remove, |machine, _| machine.disk.remove(path).then_some(()).ok_or_else(not_found))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::SyncDirectory, |machine, _| {
            machine.disk.sync_dir(path);
            Ok(())
        })
    }

    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        self.call(Operation::Lock, |machine, _| {
            if !machine.locked.insert(path.to_owned()) {
                return Ok(None);
            }
            let inode = machine.disk.find(path).unwrap_or_else(|| machine.disk.create(path));
            machine.disk.inodes[inode].write(holder.as_bytes(), 0);
            Ok(Some(Box::new(FaultLock { file_system: self.clone(), path: path.to_owned() }) as Box<dyn Lock>))
        })
    }

    fn boot_id(&self) -> io::Result<Option<[u8; 16]>> {
        Ok(Some(self.machine().disk.boot_id))
    }
}

#[derive(Debug)]
struct FaultLock {
    file_system: FaultFileSystem,
    path: PathBuf,
}

impl Lock for FaultLock {}

impl Drop for FaultLock {
    fn drop(&mut self) {
        self.file_system.machine().locked.remove(&self.path);
    }
}

#[derive(Debug)]
struct FaultMapping(Arc<[u8]>);

impl AsRef<[u8]> for FaultMapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Mapping for FaultMapping {}

#[derive(Debug)]
struct SharedFaultMapping(Arc<[AtomicU64]>);

impl SharedMapping for SharedFaultMapping {
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}

#[derive(Debug)]
struct FaultFile {
    file_system: FaultFileSystem,
    inode: usize,
}

fn half(len: usize, is_half: bool) -> usize {
    if is_half { len.div_ceil(2) } else { len }
}

impl File for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file_system.call(Operation::Read, |machine, is_half| {
            let live = machine.disk.inodes[self.inode].live();
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(live.len());
            let n = half(buf.len().min(live.len() - from), is_half);
            buf[..n].copy_from_slice(&live[from..from + n]);
            machine.bytes_read += n as u64;
            Ok(n)
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.file_system.let_happen(Operation::Write, Path::new(""));
        self.file_system.call(Operation::Write, |machine, is_half| {
            let from = usize::try_from(offset).unwrap();
            let end = machine.disk.room(self.inode, from + half(buf.len(), is_half));
            if end <= from && !buf.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            machine.disk.inodes[self.inode].write(&buf[..end - from], from);
            Ok(end - from)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.file_system.call(Operation::Length, |machine, _| Ok(machine.disk.inodes[self.inode].len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file_system.call(Operation::SetLength, |machine, _| {
            machine.disk.inodes[self.inode].set_len(usize::try_from(len).unwrap());
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file_system.call(Operation::Allocate, |machine, is_half| {
            if !machine.disk.allocates {
                return Err(io::ErrorKind::Unsupported.into());
            }
            let (now, wanted) = (machine.disk.inodes[self.inode].len(), usize::try_from(len).unwrap());
            let possible = machine.disk.room(self.inode, wanted);
            let end = if is_half { usize::midpoint(now, possible.max(now)) } else { possible };
            machine.disk.inodes[self.inode].set_len(end.max(now));
            if end < wanted { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn map(&self, len: u64) -> io::Result<Option<Box<dyn Mapping>>> {
        self.file_system.call(Operation::Map, |machine, is_half| {
            if is_half || !machine.disk.maps {
                return Ok(None);
            }
            let (inode, len) = (&mut machine.disk.inodes[self.inode], usize::try_from(len).unwrap());
            if inode.len() < len {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let bytes = inode.map(len);
            Ok(Some(Box::new(FaultMapping(bytes)) as Box<dyn Mapping>))
        })
    }

    fn map_shared(&self, len: u64) -> io::Result<Option<Box<dyn SharedMapping>>> {
        self.file_system.call(Operation::Map, |machine, is_half| {
            if is_half || !machine.disk.maps {
                return Ok(None);
            }
            let words = machine.disk.inodes[self.inode].map_shared(usize::try_from(len).unwrap());
            Ok(Some(Box::new(SharedFaultMapping(words)) as Box<dyn SharedMapping>))
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.file_system.let_happen(Operation::Sync, Path::new(""));
        let result = self.file_system.call(Operation::Sync, |machine, _| {
            machine.disk.inodes[self.inode].sync();
            Ok(())
        });
        let mut machine = self.file_system.machine();
        if result.is_err() && !machine.crashed {
            machine.disk.inodes[self.inode].lose_sync();
        }
        drop(machine);
        result
    }
}

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn wall_ns(&self) -> i64 {
        1_700_000_000_000_000_000
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Bytes that differ at each call, so that no two identifiers are ever the same.
#[derive(Debug)]
struct Counter;

static DRAWN: AtomicU64 = AtomicU64::new(1);

impl Entropy for Counter {
    fn fill(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut random = Random::new(DRAWN.fetch_add(1, Ordering::Relaxed));
        buf.fill_with(|| u8::try_from(random.below(256)).unwrap_or(0));
        Ok(())
    }
}
