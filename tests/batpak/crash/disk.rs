//! A file system of its own: an image in memory, mounted through a loop device. It can lose its power and fill up.
//!
//! What a test that dies leaves mounted goes with the mount namespace that `cargo xtask crash` runs it in.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Ext4,
    Xfs,
}

impl Format {
    /// As small as the file system allows.
    fn image_mib(self) -> u64 {
        match self {
            Self::Ext4 => 64,
            Self::Xfs => 320,
        }
    }

    fn make(self, image: &Path) {
        let options: &[&str] = match self {
            // The journal stands in front, and with it all that has a fixed place.
            Self::Ext4 => &["mkfs.ext4", "-q", "-F", "-b", "4096", "-N", "8192", "-J", "size=4,location=0"],
            Self::Xfs => &["mkfs.xfs", "-q"],
        };
        run(Command::new(options[0]).args(&options[1..]).arg(image));
    }
}

#[derive(Debug)]
pub(super) struct Disk {
    /// Where the memory is mounted that holds the image.
    memory: TempDir,
}

impl Disk {
    /// A new file system on an image for which there are so many MiB of memory.
    pub(super) fn new(format: Format, memory_mib: u64) -> Self {
        let memory = tempfile::Builder::new().prefix("batpak-crash-").tempdir().expect("makes a directory");
        let size = format!("size={memory_mib}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "batpak-crash"]).arg(memory.path()));
        let disk = Self { memory };
        let image = File::create(disk.image()).expect("creates");
        image.set_len(format.image_mib() << 20).expect("grows");
        format.make(&disk.image());
        fs::create_dir(disk.root()).expect("creates");
        disk.mount();
        disk
    }

    /// A new file system that is as large as its memory.
    pub(super) fn with_room(format: Format) -> Self {
        Self::new(format, format.image_mib() + 1)
    }

    /// Where the file system is mounted.
    pub(super) fn root(&self) -> PathBuf {
        self.memory.path().join("root")
    }

    fn image(&self) -> PathBuf {
        self.memory.path().join("image")
    }

    fn ballast(&self) -> PathBuf {
        self.memory.path().join("ballast")
    }

    /// Memory for what has a fixed place in the file system, so that only the content of files can fail.
    pub(super) fn reserve_fixed(&self, mib: u64) {
        run(Command::new("fallocate").args(["-l", &format!("{mib}m")]).arg(self.image()));
    }

    /// Has every block written by itself: of two blocks of which the image has room for one, the loop device writes that
    /// one and reports success for both.
    pub(super) fn write_single_blocks(&self) {
        let device = run(Command::new("findmnt").args(["-n", "-o", "SOURCE"]).arg(self.root()));
        let name = Path::new(device.trim()).file_name().expect("a device");
        let limit = Path::new("/sys/block").join(name).join("queue/max_sectors_kb");
        fs::write(limit, "4").expect("is set");
    }

    /// From now on blocks of the image that were never written cannot be.
    pub(super) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("creates");
        for len in [1 << 20, 4 << 10] {
            let zeros = vec![0; len];
            let full = (0..).find_map(|_: u64| ballast.write_all(&zeros).err()).expect("it is bounded");
            assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        }
    }

    pub(super) fn free(&self) {
        fs::remove_file(self.ballast()).expect("removes");
    }

    /// Nothing gets to the image any more, and its journal is not flushed. The page cache is gone once it was mounted
    /// anew.
    pub(super) fn cut_power(&self) {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.root()));
    }

    /// Drops the page cache. Mounting replays the journal.
    pub(super) fn mount_anew(&self) {
        run(Command::new("umount").arg(self.root()));
        self.mount();
    }

    fn mount(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.root()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for path in [&*self.root(), self.memory.path()] {
            let _ = Command::new("umount").arg("--lazy").arg(path).stderr(Stdio::null()).status();
        }
    }
}

/// Returns what it printed.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
