//! Reading a log past whatever is wrong in it.

use crate::store::{DIR, LINK_END, append, config, environment, open_in, segment};
use batpak_segment::{
    Damage, DirectoryEntry, Environment, File, FileSystem, Frame, Inspected, Inspection, Lock, LogError,
    MemoryFileSystem, OpenMode, Step,
};
use std::io;
use std::ops::ControlFlow::{Break, Continue};
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, Default)]
struct Seen {
    whole: Vec<u64>,
    broken: Vec<(u64, Vec<u8>)>,
    defects: Vec<LogError>,
    inspected: Inspected,
}

fn inspect(env: &Environment) -> Seen {
    let mut seen = Seen::default();
    let inspection = Inspection::open(env, Path::new(DIR)).unwrap();
    let inspected = inspection.run(|step| {
        match step {
            Step::Record(position, bytes) => {
                assert_eq!(bytes, text(position.sequence).as_bytes());
                seen.whole.push(position.sequence);
            }
            Step::Broken(position, bytes) => seen.broken.push((position.sequence, bytes.to_vec())),
            Step::Defect(error) => seen.defects.push(error),
            Step::Segment(_) | Step::FrameRecord(..) => {}
        }
        Continue(())
    });
    seen.inspected = inspected.unwrap();
    seen
}

fn text(sequence: u64) -> String {
    format!("the record with the number {sequence}")
}

/// Segments of ten records, one by one; the last one is active and has five.
fn small() -> MemoryFileSystem {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), config(LINK_END + 88 + 10 * 80)).unwrap();
    for sequence in 0..25 {
        append(&log, &[text(sequence).as_bytes()]);
    }
    log.close().unwrap();
    fs
}

fn edit(fs: &MemoryFileSystem, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs.read(segment(number)).unwrap();
    change(&mut bytes);
    fs.write(segment(number), bytes);
}

fn except(lost: &[u64]) -> Vec<u64> {
    (0..25).filter(|sequence| !lost.contains(sequence)).collect()
}

#[test]
fn a_whole_log_has_no_defects() {
    let fs = small();
    let seen = inspect(&environment(&fs));
    assert_eq!((seen.whole, seen.broken.len(), seen.defects.len()), (except(&[]), 0, 0));
    assert_eq!((seen.inspected.segments.len(), seen.inspected.frames), (3, 25 + 3 + 3));
    assert!(seen.inspected.repair.closed_cleanly && seen.inspected.repair.torn.is_none());
}

#[test]
fn it_ends_beside_a_writer_who_is_faster() {
    let fs = MemoryFileSystem::new();
    let env = environment(&fs);
    let (log, _) = open_in(&env, config(LINK_END + 88 + 10 * 80)).unwrap();
    let mut appended = 0;
    let mut append_some = |count| {
        for sequence in appended..appended + count {
            append(&log, &[text(sequence).as_bytes()]);
        }
        appended += count;
    };
    append_some(25);
    let (mut whole, mut is_behind) = (Vec::new(), false);
    let inspected = Inspection::open(&env, Path::new(DIR)).unwrap().run(|step| {
        match step {
            Step::Record(position, _) => {
                whole.push(position.sequence);
                is_behind |= position.sequence >= 1000;
                append_some(2);
            }
            Step::Defect(error) => panic!("{error}"),
            Step::Segment(_) | Step::FrameRecord(..) | Step::Broken(..) => {}
        }
        if is_behind { Break(()) } else { Continue(()) }
    });
    // To the end of the segment that was written to when it was opened.
    assert_eq!(whole, (0..30).collect::<Vec<_>>());
    assert_eq!(inspected.map(|inspected| inspected.repair.closed_cleanly), Some(false));
}

#[test]
fn one_bad_byte_costs_at_most_one_record_and_is_named() {
    for number in 0..3 {
        let len = small().read(segment(number)).unwrap().len();
        for at in 0..len {
            let fs = small();
            edit(&fs, number, |bytes| bytes[at] ^= 0x10);
            let seen = inspect(&environment(&fs));
            assert!(seen.whole.len() >= 24, "segment {number} byte {at}: {seen:?}");
            assert!(seen.whole.is_sorted(), "{seen:?}");
            let is_told = !seen.defects.is_empty() || !seen.inspected.repair.closed_cleanly;
            assert!(is_told, "segment {number} byte {at}");
            let first = seen.defects.first();
            assert!(
                matches!(
                    first,
                    None | Some(
                        LogError::Damaged { .. } | LogError::ForeignFile { .. } | LogError::UnsupportedFormat { .. }
                    )
                ),
                "{first:?}"
            );
        }
    }
}

#[test]
fn the_records_of_a_bad_batch_are_told_apart() {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), config(1 << 20)).unwrap();
    let mut frame = Frame::new();
    (0..25).for_each(|sequence| frame.push(text(sequence).as_bytes()));
    let items: Vec<u64> = (0..25).map(|index| frame.record_offset(index)).collect();
    log.append_frame(&mut frame).unwrap();
    log.close().unwrap();
    let at = |index: usize, offset: usize| usize::try_from(LINK_END + items[index]).unwrap() + offset;
    // The length, then the crc, then the content of one in the middle; then of the last.
    for (index, offset) in [(7, 0), (7, 1), (7, 3), (7, 5), (7, 20), (24, 0), (24, 5), (24, 20)] {
        let fs = fs.deep_clone();
        edit(&fs, 0, |bytes| bytes[at(index, offset)] ^= 1);
        let seen = inspect(&environment(&fs));
        assert_eq!(seen.whole, except(&[index as u64]), "{index} {offset}");
        assert_eq!(seen.broken.len(), 1, "{index} {offset}");
        assert_eq!(seen.broken[0].0, index as u64);
        if index == 7 && offset < 8 {
            assert_eq!(seen.broken[0].1, text(7).as_bytes(), "where the next one begins, this one ends");
        }
    }
}

#[test]
fn what_is_torn_is_no_defect_and_no_record() {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), config(1 << 20)).unwrap();
    (0..25).for_each(|sequence| append(&log, &[text(sequence).as_bytes()]));
    let died = fs.deep_clone();
    let at = usize::try_from(LINK_END).unwrap() + 20 * 80 + 60;
    edit(&died, 0, |bytes| bytes[at] ^= 1);
    let seen = inspect(&environment(&died));
    assert_eq!((seen.whole.len(), seen.defects.len()), (20, 0), "{seen:?}");
    let torn = seen.inspected.repair.torn.unwrap();
    assert_eq!((torn.segment, torn.frames), (0, 4));
    // Once it is known to be durable it is damage.
    log.sync().unwrap();
    append(&log, &[b"behind the sync"]);
    let died = fs.deep_clone();
    edit(&died, 0, |bytes| bytes[at] ^= 1);
    let mut defects = Vec::new();
    Inspection::open(&environment(&died), Path::new(DIR)).unwrap().run(|step| {
        if let Step::Defect(error) = step {
            defects.push(error);
        }
        Continue(())
    });
    assert!(
        matches!(
            defects[..],
            [LogError::Damaged { segment: 0, damage: Damage::ItemCrc { .. } | Damage::FrameCrc { .. }, .. }]
        ),
        "{defects:?}"
    );
}

#[test]
fn a_missing_segment_is_told_where_it_is_missed() {
    for (number, left) in [(0, 10..25), (1, 0..10)] {
        let fs = small();
        fs.remove_file(&segment(number)).unwrap();
        let seen = inspect(&environment(&fs));
        assert!(
            matches!(seen.defects[..], [LogError::MissingSegment { number: found }] if found == number),
            "{seen:?}"
        );
        assert!(left.take(5).all(|sequence| seen.whole.contains(&sequence)));
    }
    let fs = small();
    fs.remove_file(&segment(2)).unwrap();
    let seen = inspect(&environment(&fs));
    assert!(matches!(seen.defects[..], [LogError::MissingSegment { number: 2 }]), "{seen:?}");
    assert_eq!(seen.whole.len(), 20);
}

#[test]
fn it_can_be_broken_off() {
    let inspection = Inspection::open(&environment(&small()), Path::new(DIR)).unwrap();
    let mut records = 0;
    let inspected = inspection.run(|step| {
        records += u32::from(matches!(step, Step::Record(..)));
        if records == 12 { Break(()) } else { Continue(()) }
    });
    assert_eq!((records, inspected), (12, None));
}

/// Files of which one block cannot be read.
#[derive(Debug)]
struct BadBlock(MemoryFileSystem);

#[derive(Debug)]
struct BadFile(Arc<dyn File>);

const BAD: std::ops::Range<u64> = 4096..8192;

impl File for BadFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset + buf.len() as u64;
        let is_bad = offset < BAD.end && end > BAD.start && self.0.len()? > BAD.start;
        if is_bad { Err(io::Error::other("a bad sector")) } else { self.0.read_at(buf, offset) }
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

impl FileSystem for BadBlock {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.0.read_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(BadFile(self.0.open(path, mode)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn boot_id(&self) -> io::Result<Option<[u8; 16]>> {
        self.0.boot_id()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn try_lock(&self, path: &Path, holder: &str) -> io::Result<Option<Box<dyn Lock>>> {
        self.0.try_lock(path, holder)
    }
}

/// A disk with one bad sector gives an error for all that is read with it.
#[test]
fn a_bad_sector_costs_what_stands_in_it() {
    let fs = MemoryFileSystem::new();
    let (log, _) = open_in(&environment(&fs), config(1 << 20)).unwrap();
    (0..200).for_each(|sequence| append(&log, &[text(sequence).as_bytes()]));
    log.close().unwrap();
    let env = Environment { file_system: Arc::new(BadBlock(fs.clone())), ..Environment::default() };
    let seen = inspect(&env);
    assert!(seen.defects.iter().any(|error| matches!(error, LogError::Io { .. })), "{:?}", seen.defects);
    assert!(
        seen.defects.iter().any(|error| matches!(error, LogError::Damaged { segment: 0, .. })),
        "{:?}",
        seen.defects
    );
    // Frames of 80 bytes in a block of 4096.
    assert!((200 - 53..=200 - 51).contains(&seen.whole.len()), "{}", seen.whole.len());
}
