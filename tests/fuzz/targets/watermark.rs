//! The file that tells readers how far they may look, of any bytes: a number that it says, or none.

use super::world::{DIR, World};
use batpak_segment::{SharedWatermark, WatermarkReader};
use std::path::Path;

const NAME: &str = "/store/batpak.visible";
const LEN: usize = 40;

pub(super) fn run(data: &[u8]) {
    let world = World::new(0);
    let (environment, dir) = (world.environment(), Path::new(DIR));
    world.files.write(format!("{DIR}/other"), *b"");
    let said = || {
        let reader = WatermarkReader::open(&environment, dir).expect("opens");
        reader.and_then(|reader| reader.sequence().expect("reads"))
    };
    assert_eq!(said(), None);
    // The bytes of this start of the machine, so that not all inputs are refused for being of another one.
    drop(SharedWatermark::publish(&environment, dir, 5).expect("published"));
    assert_eq!(said(), Some(5));
    let mut bytes = world.files.read(NAME).expect("a file");
    if let Some((&keep, rest)) = data.split_first() {
        bytes.truncate(usize::from(keep) % (LEN + 1));
        bytes.extend_from_slice(rest);
    }
    world.files.write(NAME, bytes.clone());
    let found = said();
    check(found, &bytes);
    // A new writer takes the file, if it is as long as what it maps.
    if let Ok(Some(writer)) = SharedWatermark::publish(&environment, dir, 7) {
        assert_eq!(said(), Some(7));
        writer.set(9);
        assert_eq!(said(), Some(9));
    }
}

/// What is said is the number, or what stands for it the other way round.
fn check(found: Option<u64>, bytes: &[u8]) {
    let Some(found) = found else { return };
    let word = |at: usize| bytes[at..at + 8].iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
    let (sequence, inverse) = if cfg!(target_endian = "little") { (word(24), word(32)) } else { return };
    assert_eq!(found, sequence.min(!inverse));
}
