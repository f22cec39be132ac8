//! The thread that freezes, beside others that write parts of the index.

use crate::fixtures::{DIR, Machine, append, at};
use crate::support::PATIENCE;
use batpak::store::{
    DirectoryEntry, Environment, File, FileSystem, Lock, MemoryFileSystem, OpenMode, Store, StoreConfig,
};
use serde_json::json;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// Files in memory; the thread that freezes waits before it gives a file its name.
#[derive(Clone, Debug)]
struct HeldFiles {
    files: MemoryFileSystem,
    hold: Arc<(Mutex<Hold>, Condvar)>,
}

#[derive(Debug, Default, PartialEq)]
enum Hold {
    #[default]
    Wanted,
    Waiting,
    Over,
}

impl HeldFiles {
    fn wait(&self, until: impl Fn(&Hold) -> bool) -> std::sync::MutexGuard<'_, Hold> {
        let (state, change) = &*self.hold;
        let state = state.lock().expect("a lock");
        let (state, time) = change.wait_timeout_while(state, PATIENCE, |hold| !until(hold)).expect("a lock");
        assert!(!time.timed_out(), "{state:?}");
        state
    }

    fn let_go(&self) {
        *self.hold.0.lock().expect("a lock") = Hold::Over;
        self.hold.1.notify_all();
    }
}

impl FileSystem for HeldFiles {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.files.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.files.read_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.files.open(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if std::thread::current().name() == Some("batpak-index") {
            let mut hold = self.hold.0.lock().expect("a lock");
            if *hold == Hold::Wanted {
                *hold = Hold::Waiting;
            }
            drop(hold);
            self.hold.1.notify_all();
            drop(self.wait(|hold| *hold == Hold::Over));
        }
        self.files.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.files.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.files.sync_dir(path)
    }

    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        self.files.try_lock(path, holder)
    }
}

/// Freezing and mending used the same temporary file: the part that was frozen meanwhile was in no file, or a file got
/// the name of one part and the bytes of another while it was mapped.
#[test]
fn a_part_that_is_mended_does_not_take_the_file_of_one_that_is_frozen() {
    let machine = Machine::new();
    let store = machine.open();
    for n in 0..2000 {
        append(&store, &at("old", "x"), &json!(n));
    }
    store.close().expect("close");
    // Rows that nobody has asked for yet.
    machine.edit(machine.index(), |bytes| bytes[4096] ^= 1);

    let files = HeldFiles { files: machine.files.clone(), hold: Arc::default() };
    let environment = Environment { file_system: Arc::new(files.clone()), ..Environment::default() };
    let store =
        Store::open(StoreConfig::new(DIR).with_environment(environment).with_segment_max_bytes(512)).expect("open");
    for n in 0..3 {
        append(&store, &at("new", "x"), &json!(n));
    }
    drop(files.wait(|hold| *hold == Hold::Waiting));
    store.read(0).expect("an event");
    assert_eq!(store.diagnostics().index_parts_rebuilt, 1);
    files.let_go();
    let start = Instant::now();
    while store.diagnostics().events_to_freeze > 0 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert_eq!(machine.indexes().len(), 3, "the old part and two new ones: {:?}", machine.indexes());
    store.close().expect("close");
    let reader = machine.open_read_only();
    let report = reader.diagnostics().open_report.expect("a report");
    assert_eq!((report.events_restored, report.refused), (2003, vec![]));
}

/// What a process leaves that dies while it writes a part would stay for ever.
#[test]
fn a_part_that_was_not_completed_is_removed() {
    let machine = Machine::new();
    machine.open().close().expect("close");
    let left = format!("{DIR}/0000000000000-0000000000004.index.tmp");
    machine.files.write(&left, *b"half");
    machine.open().close().expect("close");
    assert!(machine.files.read(&left).is_err());
}
