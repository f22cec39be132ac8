//! SHA-256 (FIPS 180-4) over a few short pieces. The compression is that of `sha2`; what is done here is to gather
//! blocks and to pad, which for two blocks takes the general hasher as long as one compression.

use crate::lanes::compress_both;
use crate::layout;
use sha2::block_api::compress256;

const BLOCK: usize = 64;
/// Where the length of the message stands in the last block.
const LEN_AT: usize = BLOCK - 8;

/// The square roots of the first eight primes, as the standard has them.
pub(crate) const START: [u32; 8] =
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

/// The blocks of the longest message that is laid out as a whole.
const SHORT_BLOCKS: usize = 4;

/// A short message with its padding.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    blocks: [[u8; BLOCK]; SHORT_BLOCKS],
    used: usize,
}

impl Message {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { blocks: [[0; BLOCK]; SHORT_BLOCKS], used: 0 }
    }

    /// Lays out a few pieces, one after the other, in place of what was there; if they are too long, it does nothing
    /// and says so.
    #[inline]
    pub(crate) fn lay_out<const N: usize>(&mut self, parts: [&[u8]; N]) -> bool {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let used = (len + 9).div_ceil(BLOCK);
        if used > SHORT_BLOCKS {
            return false;
        }
        let bytes = self.blocks.as_flattened_mut();
        let mut at = 0;
        for part in parts {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let end = used * BLOCK;
        bytes[len] = 0x80;
        bytes[len + 1..end - 8].fill(0);
        bytes[end - 8..end].copy_from_slice(&layout::message_bits(len as u64 * 8));
        self.used = used;
        true
    }

    /// Takes it away.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Puts other bytes in place of those from `at` on.
    #[inline]
    pub(crate) fn replace(&mut self, at: usize, bytes: &[u8]) {
        self.blocks.as_flattened_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    #[inline]
    fn blocks(&self) -> &[[u8; BLOCK]] {
        &self.blocks[..self.used]
    }

    #[inline]
    pub(crate) fn digest(&self) -> [u8; layout::HASH_LEN] {
        let mut state = START;
        compress256(&mut state, self.blocks());
        layout::digest(state)
    }

    /// The hashes of two messages, which take little longer than that of one.
    #[inline]
    pub(crate) fn digest_both([first, second]: [&Self; 2]) -> [[u8; layout::HASH_LEN]; 2] {
        compress_both([first.blocks(), second.blocks()]).map(layout::digest)
    }
}

/// The hash of a few pieces, one after the other. Short messages, as nearly all are, are laid out with their padding and
/// compressed at once.
#[inline]
pub(crate) fn digest<const N: usize>(parts: [&[u8]; N]) -> [u8; layout::HASH_LEN] {
    let mut message = Message::new();
    if message.lay_out(parts) {
        return message.digest();
    }
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::{Message, Sha256, digest};
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

    /// Two messages of every length about the ends of blocks, laid out where others were before.
    #[test]
    fn two_at_once_are_the_standard_hash() {
        let bytes: Vec<u8> = (0..=255).collect();
        let [mut first, mut second] = [Message::new(), Message::new()];
        for (one, two) in (0..256).flat_map(|one| (0..256).map(move |two| (one, two))) {
            let is_short = first.lay_out([&bytes[..one / 2], &bytes[one / 2..one]]);
            assert_eq!(is_short, one < 248);
            assert_eq!(second.lay_out([&bytes[256 - two..]]), two < 248);
            if one < 248 && two < 248 {
                let expected: [[u8; 32]; 2] =
                    [&bytes[..one], &bytes[256 - two..]].map(|bytes| sha2::Sha256::digest(bytes).into());
                assert_eq!(Message::digest_both([&first, &second]), expected, "{one} and {two} bytes");
            }
        }
    }
}
