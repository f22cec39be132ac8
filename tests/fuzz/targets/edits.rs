//! Changes to bytes that were right.

use arbitrary::Arbitrary;

/// A change to a file. Places beyond its end are taken modulo its length.
#[derive(Clone, Debug, Arbitrary)]
pub(super) enum Edit {
    Flip {
        at: u32,
        bits: u8,
    },
    Set {
        at: u32,
        bytes: Vec<u8>,
    },
    Zero {
        at: u32,
        len: u16,
    },
    /// As a disk writes it: 512 bytes at a multiple of 512.
    ZeroSector {
        sector: u16,
    },
    Copy {
        from: u32,
        to: u32,
        len: u16,
    },
    Cut {
        len: u32,
    },
    Extend {
        bytes: Vec<u8>,
    },
}

const SECTOR: usize = 512;

impl Edit {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        let whole = bytes.len();
        match self {
            Self::Extend { bytes: more } => bytes.extend_from_slice(more),
            _ if whole == 0 => {}
            Self::Flip { at, bits } => {
                let at = place(*at, whole);
                bytes[at] ^= bits;
            }
            Self::Set { at, bytes: new } => put(bytes, place(*at, whole), new),
            Self::Zero { at, len } => put(bytes, place(*at, whole), &vec![0; usize::from(*len)]),
            Self::ZeroSector { sector } => put(bytes, usize::from(*sector) * SECTOR % whole, &[0; SECTOR]),
            Self::Copy { from, to, len } => {
                let from = place(*from, whole);
                let end = whole.min(from + usize::from(*len));
                let copied = bytes[from..end].to_vec();
                put(bytes, place(*to, whole), &copied);
            }
            Self::Cut { len } => {
                let len = place(*len, whole);
                bytes.truncate(len);
            }
        }
    }
}

fn place(at: u32, whole: usize) -> usize {
    usize::try_from(at).expect("an index") % whole
}

/// As much of `new` as there is room for.
fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    let len = new.len().min(bytes.len() - at);
    bytes[at..at + len].copy_from_slice(&new[..len]);
}
