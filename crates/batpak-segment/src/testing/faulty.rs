//! The file system: each call asks the machine what it is to do.

use crate::file_system::{DirectoryEntry, EntryKind, Environment, File, FileSystem, Lock, OpenMode};
use crate::testing::disk::Disk;
use crate::testing::fault::{Death, Fault, Operation, When};
use crate::testing::file::FaultyFile;
use crate::testing::machine::{Machine, Verdict};
use crate::testing::outside::{MachineEntropy, ManualClock};
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file system in memory that keeps what is durable and what is not apart, and fails when told to. Clones share it.
///
/// # Examples
/// ```
/// use batpak_segment::testing::{Fault, FaultyFileSystem, Operation, When};
/// use batpak_segment::{LogConfig, LogError, Unrecovered};
///
/// let files = FaultyFileSystem::seeded(1);
/// let open = |files: &FaultyFileSystem| {
///     Unrecovered::open(files.environment(), "/log".as_ref(), LogConfig::default())?.recover()
/// };
/// let (log, _) = open(&files)?;
/// log.append(b"durable")?;
/// log.sync()?;
/// log.append(b"written")?;
/// files.plan(When::Next(Operation::Sync), Fault::Crash);
/// assert!(matches!(log.sync(), Err(LogError::Failed { .. })));
///
/// let (log, _) = open(&files.after_power_cut(7))?;
/// assert!((1..=2).contains(&log.next_sequence()));
/// # Ok::<(), LogError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FaultyFileSystem {
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
        f.debug_struct("Meanwhile").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl Default for FaultyFileSystem {
    fn default() -> Self {
        Self::new()
    }
}

/// Everything is assigned whole under this lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaultyFileSystem {
    /// An empty one, whose identifiers are those of no other one in this process.
    pub fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        Self::seeded(MADE.fetch_add(1, Ordering::Relaxed))
    }

    /// An empty one: the same calls give the same results, and randomness gives the same bytes.
    pub fn seeded(seed: u64) -> Self {
        Self::of(Machine::new(Disk::new(), seed))
    }

    fn of(machine: Machine) -> Self {
        Self { machine: Arc::new(Mutex::new(machine)), meanwhile: Arc::default() }
    }

    pub(crate) fn machine(&self) -> MutexGuard<'_, Machine> {
        lock(&self.machine)
    }

    /// Everything outside a log: these files, a clock that stands still, identifiers that never repeat.
    pub fn environment(&self) -> Environment {
        let entropy = Arc::new(MachineEntropy(self.clone()));
        Environment { file_system: Arc::new(self.clone()), clock: Arc::new(ManualClock::new()), entropy }
    }

    /// Plans a fault. At its call it goes before what has gone wrong for good.
    pub fn plan(&self, when: When, fault: Fault) {
        self.machine().faults.push((when, fault));
    }

    /// Has something happen while the next file is synced.
    pub fn during_the_next_sync(&self, act: impl FnOnce() + Send + 'static) {
        self.during(Operation::Sync, "", act);
    }

    /// Has something happen before a file is next written or synced, or one is opened whose name ends so.
    pub fn during(&self, operation: Operation, name: &'static str, act: impl FnOnce() + Send + 'static) {
        lock(&self.meanwhile).push(Meanwhile { operation, name, act: Box::new(act) });
    }

    /// What was to happen during a call does not happen any more.
    pub fn forget_what_happens(&self) {
        let forgotten = std::mem::take(&mut *lock(&self.meanwhile));
        drop(forgotten);
    }

    /// Lets happen what is to happen now.
    pub(crate) fn let_happen(&self, operation: Operation, path: &Path) {
        let mut all = lock(&self.meanwhile);
        let is_due = |next: &Meanwhile| next.operation == operation && path.to_string_lossy().ends_with(next.name);
        let due = all.iter().position(is_due).map(|index| all.remove(index));
        drop(all);
        if let Some(Meanwhile { act, .. }) = due {
            act();
        }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.machine().calls.len() as u64
    }

    /// What was called, in order, beginning after `skip` calls.
    pub fn operations_since(&self, skip: u64) -> Vec<Operation> {
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        self.machine().calls.iter().copied().skip(skip).collect()
    }

    /// A number that depends on every call since the first machine was made, on its bytes and on whether it succeeded.
    pub fn digest(&self) -> u64 {
        self.machine().digest
    }

    /// How much was read from files, what is mapped left out.
    pub fn bytes_read(&self) -> u64 {
        self.machine().bytes_read
    }

    /// How many faults have happened.
    pub fn hits(&self) -> u64 {
        self.machine().hits
    }

    /// How many calls have failed by a fault, reads and writes left out that were interrupted: whoever uses the disk has to
    /// make those again.
    pub fn errors(&self) -> u64 {
        self.machine().errors
    }

    /// The machine after a power cut, of which `seed` decides what is left.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> Self {
        Self::of(self.machine().successor(Some(seed)))
    }

    /// The machine after the death of the process: nothing that was written is lost, nothing more is durable.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        Self::of(self.machine().successor(None))
    }

    /// Whether the power has failed as planned.
    pub fn has_crashed(&self) -> bool {
        self.machine().crashed
    }

    /// The system writes what is mapped to the disk, which it may do whenever it likes.
    pub fn write_back(&self) {
        self.machine().disk.write_back();
    }

    /// From now on the files may grow by so many blocks of 4096 bytes, all of them together.
    pub fn set_room(&self, blocks: usize) {
        let mut machine = self.machine();
        machine.disk.blocks = machine.disk.blocks_taken().saturating_add(blocks);
    }

    /// Whether room can be reserved, and whether files can be mapped.
    pub fn set_abilities(&self, allocates: bool, maps: bool) {
        let mut machine = self.machine();
        (machine.disk.allocates, machine.disk.maps) = (allocates, maps);
    }

    /// All files and what programs read in them, in order, lock files left out.
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let machine = self.machine();
        let is_lock = |path: &Path| path.extension().is_some_and(|extension| extension == "lock");
        let files = machine.disk.files().filter(|(path, _)| !is_lock(path));
        files.map(|(path, inode)| (path.to_owned(), machine.disk.inodes[inode].live().into_owned())).collect()
    }

    /// Replaces a file's content, durably.
    pub fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = path.as_ref();
        let mut machine = self.machine();
        let parent = path.parent().unwrap_or(Path::new("/"));
        machine.disk.create_directories(parent);
        let inode = machine.disk.create(path);
        machine.disk.inodes[inode].write(bytes, 0);
        machine.disk.inodes[inode].sync();
        for directory in parent.ancestors() {
            machine.disk.sync_dir(directory);
        }
    }

    /// Runs one call: `act` has its effect, given whether only half of it is wanted.
    pub(crate) fn call<T>(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut Machine, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut machine = self.machine();
        let mut panics = false;
        let result = match machine.decide(operation) {
            Verdict::Do => act(&mut machine, false),
            Verdict::Half => act(&mut machine, true),
            Verdict::DoAndPanic => {
                panics = true;
                act(&mut machine, false)
            }
            verdict @ (Verdict::DoAndCrash | Verdict::DoAndDie) => {
                let unseen = operation.has_effect().then(|| act(&mut machine, false));
                // What it made may take the lock when it is dropped.
                drop(machine);
                drop(unseen);
                if matches!(verdict, Verdict::DoAndDie) {
                    resume_unwind(Box::new(Death));
                }
                return Err(io::Error::other("the power fails"));
            }
            Verdict::Refuse(error) => {
                let again = operation.moves_bytes() && error.kind() == io::ErrorKind::Interrupted;
                machine.errors += u64::from(!again);
                Err(error)
            }
        };
        machine.note(result.is_ok().into());
        drop(machine);
        assert!(!panics, "a panic that was planned");
        result
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl FileSystem for FaultyFileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::CreateDirectory, |machine, _| {
            machine.note_path(path);
            machine.disk.create_directories(path);
            Ok(())
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.call(Operation::List, |machine, _| {
            machine.note_path(path);
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
            machine.note_path(path);
            let inode = match (machine.disk.find(path), mode) {
                (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
                (None, OpenMode::CreateNew) => machine.disk.create(path),
                (found, _) => found.ok_or_else(not_found)?,
            };
            Ok(Arc::new(FaultyFile { file_system: self.clone(), inode }) as Arc<dyn File>)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Operation::Rename, |machine, _| {
            machine.note_path(from);
            machine.note_path(to);
            machine.disk.rename(from, to).then_some(()).ok_or_else(not_found)
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::Remove, |machine, _| {
            machine.note_path(path);
            machine.disk.remove(path).then_some(()).ok_or_else(not_found)
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Operation::SyncDirectory, |machine, _| {
            machine.note_path(path);
            machine.disk.sync_dir(path);
            Ok(())
        })
    }

    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        self.call(Operation::Lock, |machine, _| {
            machine.note_path(path);
            if !machine.locked.insert(path.to_owned()) {
                return Ok(None);
            }
            let inode = machine.disk.find(path).unwrap_or_else(|| machine.disk.create(path));
            machine.disk.inodes[inode].write(holder.as_bytes(), 0);
            Ok(Some(Box::new(FaultyLock { file_system: self.clone(), path: path.to_owned() }) as Box<dyn Lock>))
        })
    }

    fn boot_id(&self) -> io::Result<Option<[u8; 16]>> {
        Ok(Some(self.machine().disk.boot_id))
    }
}

#[derive(Debug)]
struct FaultyLock {
    file_system: FaultyFileSystem,
    path: PathBuf,
}

impl Lock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        self.file_system.machine().locked.remove(&self.path);
    }
}
