//! Proof that gates passed.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::Proposal;

/// Proof that every gate of one gate set passed for this payload, with their names.
///
/// Only an evaluation makes one. It can be moved and spent, not copied: it is neither `Clone` nor `Default`, and has
/// no serialized form to be read back from. It says what was true of the context that was evaluated, at that time.
///
/// An empty gate set also issues receipts, with an empty list of names. Whoever takes receipts from strangers asks
/// [`GateSetFor::issued`](crate::GateSetFor::issued), as [`Pipeline::commit`](crate::PipelineFor::commit) does.
///
/// # Examples
///
/// ```
/// use batpak_guard::{Denial, GateSet, Proposal, gate_fn};
///
/// let mut gates = GateSet::new();
/// gates.push(gate_fn("open", |_: &()| Ok(())));
///
/// let receipt = gates.evaluate(&(), Proposal::new(7))?;
/// assert_eq!(receipt.payload(), &7);
/// assert_eq!(receipt.gates_passed(), ["open"]);
/// # Ok::<(), Denial>(())
/// ```
///
/// It cannot be written by hand:
///
/// ```compile_fail,E0451
/// let forged = batpak_guard::Receipt { payload: 7, gates: Default::default() };
/// ```
///
/// And it is spent once:
///
/// ```compile_fail,E0382
/// # use batpak_guard::{GateSet, Proposal};
/// let receipt = GateSet::new().evaluate(&(), Proposal::new(7)).unwrap();
/// let first = receipt.into_parts();
/// let second = receipt.into_parts();
/// ```
#[derive(Debug)]
#[must_use = "nothing has happened yet: a receipt only says that it may"]
pub struct Receipt<T> {
    payload: T,
    gates: Arc<Vec<&'static str>>,
}

impl<T> Receipt<T> {
    pub(crate) fn issue(proposal: Proposal<T>, gates: Arc<Vec<&'static str>>) -> Self {
        Self { payload: proposal.into_payload(), gates }
    }

    pub(crate) fn gates(&self) -> &Arc<Vec<&'static str>> {
        &self.gates
    }

    /// Shows the payload that the gates passed.
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// Names the gates that passed, in the order in which they were evaluated.
    pub fn gates_passed(&self) -> &[&'static str] {
        &self.gates
    }

    /// Spends the receipt: returns the payload and the names of the gates that passed.
    pub fn into_parts(self) -> (T, Vec<&'static str>) {
        (self.payload, Arc::unwrap_or_clone(self.gates))
    }
}
