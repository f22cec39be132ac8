//! Randomness that is counted, and fails or panics when told to.

use batpak::store::Entropy;
use std::io;
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Error,
    Panic,
}

#[derive(Debug, Default)]
struct State {
    fills: u64,
    next: u64,
    refuse: Option<(u64, Refusal)>,
}

#[derive(Debug, Default)]
pub(crate) struct TestEntropy {
    state: Mutex<State>,
}

impl TestEntropy {
    pub(crate) fn fills(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).fills
    }

    /// The `nth` call from now on fails; the next one is 1.
    pub(crate) fn fail_at(&self, nth: u64) {
        self.refuse_at(nth, Refusal::Error);
    }

    /// The `nth` call from now on panics; the next one is 1.
    pub(crate) fn panic_at(&self, nth: u64) {
        self.refuse_at(nth, Refusal::Panic);
    }

    fn refuse_at(&self, nth: u64, refusal: Refusal) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refuse = Some((state.fills + nth, refusal));
    }
}

impl Entropy for TestEntropy {
    fn fill(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fills += 1;
        match state.refuse.filter(|(at, _)| *at == state.fills) {
            Some((_, Refusal::Error)) => return Err(io::Error::other("no randomness")),
            Some((_, Refusal::Panic)) => panic!("no randomness"),
            None => {}
        }
        // SplitMix64: every 8 bytes differ from all others.
        for chunk in buf.chunks_mut(8) {
            state.next = state.next.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut bits = state.next;
            bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            bits ^= bits >> 31;
            for byte in chunk {
                *byte = u8::try_from(bits & 0xFF).expect("8 bits");
                bits >>= 8;
            }
        }
        Ok(())
    }
}
