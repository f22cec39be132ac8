//! What somebody wants to do.

/// A payload that no gate has passed yet.
///
/// Gates look at a context, not at the proposal: whoever builds the context sees to it that it shows what is proposed.
///
/// # Examples
///
/// ```
/// use batpak_guard::Proposal;
///
/// let proposal = Proposal::new("transfer 5");
/// assert_eq!(proposal.payload(), &"transfer 5");
/// assert_eq!(proposal.into_payload(), "transfer 5");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a proposal does nothing until gates evaluate it"]
pub struct Proposal<T> {
    payload: T,
}

impl<T> Proposal<T> {
    /// Proposes `payload`.
    pub const fn new(payload: T) -> Self {
        Self { payload }
    }

    /// Shows the payload.
    pub const fn payload(&self) -> &T {
        &self.payload
    }

    /// Takes the payload back.
    pub fn into_payload(self) -> T {
        self.payload
    }
}
