//! Random bytes, drawn seldom and handed out in small pieces.

use crate::store::StoreError;
use batpak_segment::Entropy;
use std::sync::Arc;

/// How much is drawn at once: 256 salts.
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
            self.entropy.fill(&mut *self.bytes).map_err(|source| StoreError::Io {
                operation: "draw randomness for",
                path: "the store".into(),
                source,
            })?;
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
        Ok(self.take::<8>()?.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    }
}
