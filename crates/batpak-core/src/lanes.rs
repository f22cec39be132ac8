//! The compression of SHA-256 (FIPS 180-4, section 6.2.2) on two messages at once: the only unsafe code of this crate.
//!
//! The instructions of a processor for it wait for each other within one message, so it takes another one meanwhile.

#![expect(unsafe_code, reason = "instructions that not every processor has")]

use crate::sha256::START;
use sha2::block_api::compress256;

const BLOCK: usize = 64;

/// The states behind all blocks of two messages, which need not be as many.
#[inline]
pub(crate) fn compress_both(blocks: [&[[u8; BLOCK]]; 2]) -> [[u32; 8]; 2] {
    let both = blocks[0].len().min(blocks[1].len());
    let (first, rest_of_first) = blocks[0].split_at(both);
    let (second, rest_of_second) = blocks[1].split_at(both);
    let mut states = compress_equal(first, second);
    for (state, rest) in states.iter_mut().zip([rest_of_first, rest_of_second]) {
        if !rest.is_empty() {
            compress256(state, rest);
        }
    }
    states
}

#[cfg(target_arch = "x86_64")]
cpufeatures::new!(has_sha, "sha", "sse2", "ssse3", "sse4.1");

/// The same for as many blocks of each.
#[inline]
fn compress_equal(first: &[[u8; BLOCK]], second: &[[u8; BLOCK]]) -> [[u32; 8]; 2] {
    #[cfg(target_arch = "x86_64")]
    if has_sha::get() {
        // SAFETY: the processor has every instruction that the function is compiled for: `has_sha` names the same
        // ones. Nothing else is asked of who calls it; it takes no pointers.
        return unsafe { x86_64::compress(first, second) };
    }
    let mut states = [START; 2];
    compress256(&mut states[0], first);
    compress256(&mut states[1], second);
    states
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::BLOCK;
    use crate::layout;
    use crate::sha256::START;
    use core::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    };

    /// FIPS 180-4, section 4.2.2: what is added in each round, by four rounds, and by four of those.
    const ADDED: [[[u32; 4]; 4]; 4] = [
        [
            [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
            [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
            [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
            [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        ],
        [
            [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
            [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
            [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
            [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        ],
        [
            [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
            [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
            [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
            [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        ],
        [
            [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
            [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
            [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
            [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
        ],
    ];

    /// One vector of each message.
    type Both = [__m128i; 2];

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    pub(super) fn compress(first: &[[u8; BLOCK]], second: &[[u8; BLOCK]]) -> [[u32; 8]; 2] {
        let (abef, cdgh) = load_state(&START);
        let (mut abef, mut cdgh) = ([abef; 2], [cdgh; 2]);
        for (first, second) in first.iter().zip(second) {
            let before = (abef, cdgh);
            let (one, two) = (load_block(first), load_block(second));
            // The last sixteen words of the message schedule, with the oldest of which each turn begins.
            let [mut w0, mut w1, mut w2, mut w3] = [0, 1, 2, 3].map(|at| [one[at], two[at]]);
            let [added, further @ ..] = &ADDED;
            four_rounds(&mut abef, &mut cdgh, w0, added[0]);
            four_rounds(&mut abef, &mut cdgh, w1, added[1]);
            four_rounds(&mut abef, &mut cdgh, w2, added[2]);
            four_rounds(&mut abef, &mut cdgh, w3, added[3]);
            for added in further {
                w0 = schedule(w0, w1, w2, w3);
                four_rounds(&mut abef, &mut cdgh, w0, added[0]);
                w1 = schedule(w1, w2, w3, w0);
                four_rounds(&mut abef, &mut cdgh, w1, added[1]);
                w2 = schedule(w2, w3, w0, w1);
                four_rounds(&mut abef, &mut cdgh, w2, added[2]);
                w3 = schedule(w3, w0, w1, w2);
                four_rounds(&mut abef, &mut cdgh, w3, added[3]);
            }
            abef = add(abef, before.0);
            cdgh = add(cdgh, before.1);
        }
        [store_state(abef[0], cdgh[0]), store_state(abef[1], cdgh[1])]
    }

    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn four_rounds(abef: &mut Both, cdgh: &mut Both, w: Both, added: [u32; 4]) {
        let word = |at: usize| added[at].cast_signed();
        let added = _mm_set_epi32(word(3), word(2), word(1), word(0));
        let low = add(w, [added; 2]);
        *cdgh = two_rounds(*cdgh, *abef, low);
        let high = [_mm_shuffle_epi32(low[0], 0x0E), _mm_shuffle_epi32(low[1], 0x0E)];
        *abef = two_rounds(*abef, *cdgh, high);
    }

    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn two_rounds(cdgh: Both, abef: Both, added: Both) -> Both {
        [_mm_sha256rnds2_epu32(cdgh[0], abef[0], added[0]), _mm_sha256rnds2_epu32(cdgh[1], abef[1], added[1])]
    }

    /// The next four words of the message schedule behind these sixteen.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn schedule(w0: Both, w1: Both, w2: Both, w3: Both) -> Both {
        let small = [_mm_sha256msg1_epu32(w0[0], w1[0]), _mm_sha256msg1_epu32(w0[1], w1[1])];
        let seventh = [_mm_alignr_epi8(w3[0], w2[0], 4), _mm_alignr_epi8(w3[1], w2[1], 4)];
        let sum = add(small, seventh);
        [_mm_sha256msg2_epu32(sum[0], w3[0]), _mm_sha256msg2_epu32(sum[1], w3[1])]
    }

    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn add(a: Both, b: Both) -> Both {
        [_mm_add_epi32(a[0], b[0]), _mm_add_epi32(a[1], b[1])]
    }

    /// The words of a state as the instructions have them: a, b, e, f and c, d, g, h, each from the high end.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn load_state(state: &[u32; 8]) -> (__m128i, __m128i) {
        let word = |at: usize| state[at].cast_signed();
        (_mm_set_epi32(word(0), word(1), word(4), word(5)), _mm_set_epi32(word(2), word(3), word(6), word(7)))
    }

    /// The words of a block, the first one at the low end.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn load_block(block: &[u8; BLOCK]) -> [__m128i; 4] {
        let in_words = _mm_set_epi64x(0x0C0D_0E0F_0809_0A0B, 0x0405_0607_0001_0203);
        let [a, b, c, d] = layout::quarters(block);
        [
            _mm_shuffle_epi8(_mm_set_epi64x(a[1], a[0]), in_words),
            _mm_shuffle_epi8(_mm_set_epi64x(b[1], b[0]), in_words),
            _mm_shuffle_epi8(_mm_set_epi64x(c[1], c[0]), in_words),
            _mm_shuffle_epi8(_mm_set_epi64x(d[1], d[0]), in_words),
        ]
    }

    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn store_state(abef: __m128i, cdgh: __m128i) -> [u32; 8] {
        [
            _mm_extract_epi32(abef, 3).cast_unsigned(),
            _mm_extract_epi32(abef, 2).cast_unsigned(),
            _mm_extract_epi32(cdgh, 3).cast_unsigned(),
            _mm_extract_epi32(cdgh, 2).cast_unsigned(),
            _mm_extract_epi32(abef, 1).cast_unsigned(),
            _mm_extract_epi32(abef, 0).cast_unsigned(),
            _mm_extract_epi32(cdgh, 1).cast_unsigned(),
            _mm_extract_epi32(cdgh, 0).cast_unsigned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, compress_both};
    use crate::sha256::START;
    use alloc::vec::Vec;
    use sha2::block_api::compress256;

    /// Both messages of every number of blocks, against one after the other.
    #[test]
    fn two_at_once_are_as_one_after_the_other() {
        let bytes: Vec<u8> = (0..10 * BLOCK).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
        let (blocks, _) = bytes.as_chunks();
        for (first, second) in (0..=5).flat_map(|first| (0..=5).map(move |second| (first, second))) {
            let pieces = [&blocks[..first], &blocks[5..5 + second]];
            let mut expected = [START; 2];
            compress256(&mut expected[0], pieces[0]);
            compress256(&mut expected[1], pieces[1]);
            assert_eq!(compress_both(pieces), expected, "{first} and {second} blocks");
        }
    }
}
