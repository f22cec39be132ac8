//! SHA-256 (FIPS 180-4) over a few short pieces. The compression is that of `sha2`; what is done here is to gather
//! blocks and to pad, which for two blocks takes the general hasher as long as one compression.

use crate::layout;
use sha2::block_api::compress256;

const BLOCK: usize = 64;
/// Where the length of the message stands in the last block.
const LEN_AT: usize = BLOCK - 8;

/// The square roots of the first eight primes, as the standard has them.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A hash that is not finished.
#[derive(Debug, Clone)]
pub(crate) struct Sha256 {
    state: [u32; 8],
    /// The beginning of the next block.
    block: [u8; BLOCK],
    filled: usize,
    /// Whole blocks that were taken in.
    blocks: u64,
}

impl Sha256 {
    pub(crate) fn new() -> Self {
        Self { state: START, block: [0; BLOCK], filled: 0, blocks: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
        self.block[self.filled..self.filled + first.len()].copy_from_slice(first);
        self.filled += first.len();
        if self.filled < BLOCK {
            return;
        }
        compress256(&mut self.state, &[self.block]);
        let (whole, rest) = rest.as_chunks();
        compress256(&mut self.state, whole);
        self.blocks += 1 + whole.len() as u64;
        self.block[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    pub(crate) fn finish(mut self) -> [u8; layout::HASH_LEN] {
        let bits = (self.blocks * BLOCK as u64 + self.filled as u64) * 8;
        self.block[self.filled] = 0x80;
        self.block[self.filled + 1..].fill(0);
        if self.filled >= LEN_AT {
            compress256(&mut self.state, &[self.block]);
            self.block = [0; BLOCK];
        }
        self.block[LEN_AT..].copy_from_slice(&layout::message_bits(bits));
        compress256(&mut self.state, &[self.block]);
        layout::digest(self.state)
    }
}

/// The longest message that is laid out as a whole: four blocks, with what is padded.
const SHORT_MAX: usize = 4 * BLOCK - 9;

/// The hash of a few pieces, one after the other. Short messages, as nearly all are, are laid out with their padding and
/// compressed at once.
#[inline]
pub(crate) fn digest<const N: usize>(parts: [&[u8]; N]) -> [u8; layout::HASH_LEN] {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    if len > SHORT_MAX {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        return hash.finish();
    }
    let mut message = [0; 4 * BLOCK];
    let mut at = 0;
    for part in parts {
        message[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    message[len] = 0x80;
    let end = (len + 9).next_multiple_of(BLOCK);
    message[end - 8..end].copy_from_slice(&layout::message_bits(len as u64 * 8));
    let mut state = START;
    compress256(&mut state, message[..end].as_chunks().0);
    layout::digest(state)
}

#[cfg(test)]
mod tests {
    use super::{Sha256, digest};
    use alloc::vec::Vec;
    use sha2::Digest;

    /// Every length about the ends of blocks, in pieces of every length.
    #[test]
    fn it_is_the_standard_hash() {
        let message: Vec<u8> = (0..300_u16).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
        for len in 0..message.len() {
            let message = &message[..len];
            let expected: [u8; 32] = sha2::Sha256::digest(message).into();
            let (first, rest) = message.split_at(len / 3);
            assert_eq!(digest([first, rest]), expected, "{len} bytes at once");
            for piece in [1, 7, 8, 31, 55, 56, 63, 64, 65, 127, 128, 300] {
                let mut hash = Sha256::new();
                message.chunks(piece).for_each(|piece| hash.update(piece));
                assert_eq!(hash.finish(), expected, "{len} bytes in pieces of {piece}");
            }
        }
    }
}
