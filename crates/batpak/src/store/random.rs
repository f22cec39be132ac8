//! Random bytes, drawn seldom and handed out in small pieces.

use crate::store::StoreError;
use batpak_segment::Entropy;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use std::sync::Arc;

/// How much is made of one seed, in bytes: 256 salts, for which the system is called once.
const DRAW: usize = 4096;

#[derive(Debug)]
pub(crate) struct RandomPool {
    entropy: Arc<dyn Entropy>,
    bytes: Box<[u8; DRAW]>,
    used: usize,
}

impl RandomPool {
    pub(crate) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, bytes: Box::new([0; DRAW]), used: DRAW }
    }

    /// The next `N` bytes, each handed out once.
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        if self.used + N > DRAW {
            let mut seed = [0; 32];
            self.entropy.fill(&mut seed).map_err(|source| StoreError::Io {
                operation: "draw randomness for",
                path: "the store".into(),
                source,
            })?;
            // The seed is gone afterwards: what was handed out cannot be made again.
            ChaCha20Rng::from_seed(seed).fill_bytes(&mut *self.bytes);
            self.used = 0;
        }
        let mut out = [0; N];
        let taken = &mut self.bytes[self.used..self.used + N];
        out.copy_from_slice(taken);
        // What was handed out is secret from now on: it does not stay here.
        taken.fill(0);
        self.used += N;
        Ok(out)
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> Result<u64, StoreError> {
        Ok(self.take::<8>()?.into_iter().fold(0, |bits, byte| bits << 8 | u64::from(byte)))
    }
}
