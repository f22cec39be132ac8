//! The file system in memory, where it does more than a map of vectors.

#![expect(clippy::host_endian_bytes, reason = "the words of a mapping are the bytes of its file")]

use crate::store::{DIR, append, environment, open_in};
use batpak_segment::testing::FaultyFileSystem;
use batpak_segment::{File, FileSystem, LogConfig, MemoryFileSystem, OpenMode, RealFileSystem, WritePath};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const PATH: &str = "/file";

fn file(fs: &MemoryFileSystem, content: &[u8]) -> Arc<dyn File> {
    fs.write(PATH, content);
    fs.open(Path::new(PATH), OpenMode::Write).unwrap()
}

#[test]
fn a_mapping_and_its_file_are_the_same_bytes() {
    let fs = MemoryFileSystem::new();
    let file = file(&fs, b"before it was mapped");
    file.allocate(24).unwrap();
    let mapping = file.map_shared(24).unwrap().unwrap();
    let words = mapping.words();
    assert_eq!(words[0].load(Ordering::Relaxed).to_ne_bytes(), *b"before i");
    words[1].store(u64::from_ne_bytes(*b"x is xx "), Ordering::Relaxed);
    assert_eq!(file.write_at(b"NOT mapped", 14).unwrap(), 10);
    assert_eq!(fs.read(PATH).unwrap(), b"before ix is xNOT mapped");
    let mut part = [0; 5];
    assert_eq!(file.read_at(&mut part, 13).unwrap(), 5);
    assert_eq!(part, *b"xNOT ");
    assert_eq!(file.read_at(&mut part, 22).unwrap(), 2);
    let again = file.map_shared(24).unwrap().unwrap();
    words[2].store(0, Ordering::Relaxed);
    assert_eq!(again.words()[2].load(Ordering::Relaxed), 0);
}

#[test]
fn a_boot_is_told_from_another_one() {
    let fs = MemoryFileSystem::new();
    let id = |fs: &dyn FileSystem| fs.boot_id().unwrap().unwrap();
    assert_eq!((id(&fs), id(&fs)), (id(&fs.clone()), id(&fs.deep_clone())));
    assert_ne!(id(&fs), id(&MemoryFileSystem::new()));
    let fs = FaultyFileSystem::new();
    assert_eq!(id(&fs), id(&fs.after_kill()));
    assert_ne!(id(&fs), id(&fs.after_power_cut(0)));
}

#[cfg(target_os = "linux")]
#[test]
fn the_boot_of_the_machine_is_the_one_that_the_system_names() {
    let id = RealFileSystem.boot_id().unwrap().unwrap();
    let text = id.map(|byte| format!("{byte:02x}")).concat();
    let told = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(text, told.trim_end().replace('-', ""));
}

#[test]
fn the_first_bytes_of_a_file_are_mapped_while_it_grows_behind_them() {
    let fs = MemoryFileSystem::new();
    let file = file(&fs, b"stays, and what changes");
    let mapping = file.map(5).unwrap().unwrap();
    file.write_at(b" and grows", 23).unwrap();
    assert_eq!((*mapping).as_ref(), b"stays");
    assert_eq!((*file.map(33).unwrap().unwrap()).as_ref(), b"stays, and what changes and grows");
    assert_eq!(file.map(34).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_file_that_is_mapped_keeps_its_length() {
    let fs = MemoryFileSystem::new();
    let file = file(&fs, &[1; 16]);
    assert_eq!(file.map_shared(8).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(file.map_shared(24).unwrap_err().kind(), ErrorKind::InvalidInput);
    let _mapping = file.map_shared(16).unwrap();
    assert_eq!(file.write_at(&[2; 2], 15).unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(file.allocate(17).unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(file.set_len(8).unwrap_err().kind(), ErrorKind::ResourceBusy);
    file.allocate(3).unwrap();
    assert_eq!(fs.read(PATH).unwrap(), [1; 16]);
}

#[test]
fn a_copy_of_the_machine_has_what_was_mapped_and_nothing_later() {
    let fs = MemoryFileSystem::new();
    let config = LogConfig { write_path: WritePath::Tail, ..LogConfig::default() };
    let (log, _) = open_in(&environment(&fs), config).unwrap();
    append(&log, &[b"there"]);
    let copy = fs.deep_clone();
    append(&log, &[b"later"]);
    let (copied, repair) = open_in(&environment(&copy), config).unwrap();
    assert_eq!((copied.next_sequence(), repair.from_tail), (1, 1));
    drop(log);
    assert!(!fs.files().contains(&Path::new(DIR).join("batpak.tail")), "nothing is only in the tail after a close");
}
