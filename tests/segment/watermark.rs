//! The file that tells readers in other processes how far they may look.

use batpak_segment::{Environment, MemoryFileSystem, SharedWatermark, WatermarkReader};
use std::path::Path;
use std::sync::Arc;

const NAME: &str = "/log/batpak.visible";
const SEQUENCE_AT: usize = 24;

fn published(sequence: u64) -> (MemoryFileSystem, Environment) {
    let files = MemoryFileSystem::new();
    files.write("/log/other", *b"");
    let env = Environment { file_system: Arc::new(files.clone()), ..Environment::default() };
    SharedWatermark::publish(&env, Path::new("/log"), sequence).expect("published").expect("a file");
    (files, env)
}

fn said(env: &Environment) -> Option<u64> {
    let reader = WatermarkReader::open(env, Path::new("/log")).expect("opens").expect("a file");
    reader.sequence().expect("reads")
}

/// A writer that died between the two words left every later reader waiting for ever.
#[test]
fn a_number_without_its_inverse_is_not_waited_for() {
    for changed in [0, 3, 9] {
        let (files, env) = published(5);
        let mut bytes = files.read(NAME).expect("a file");
        bytes[SEQUENCE_AT] = changed;
        files.write(NAME, bytes);
        assert_eq!(said(&env), Some(u64::from(changed).min(5)));
    }
}

/// Something behind the words made every later opening fail where files cannot be mapped in part.
#[test]
fn a_file_that_is_too_long_or_too_short_is_used_again() {
    for len in [0, 7, 39, 41, 48, 4096] {
        let (files, env) = published(5);
        files.write(NAME, vec![0xAA; len]);
        let writer = SharedWatermark::publish(&env, Path::new("/log"), 7).expect("published").expect("a file");
        assert_eq!(said(&env), Some(7), "{len}");
        writer.set(8);
        assert_eq!(said(&env), Some(8), "{len}");
    }
}

/// What was shown before a power cut hid the synced events that had not been shown yet.
#[test]
fn what_was_shown_before_the_machine_started_anew_does_not_count() {
    let (before, env) = published(5);
    assert_eq!(said(&env), Some(5));
    let (after, env) = published(9);
    after.write(NAME, before.read(NAME).expect("a file"));
    assert_eq!(said(&env), None);
}
