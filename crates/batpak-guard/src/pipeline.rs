//! Evaluate, then commit; or bypass, and say why.

use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::{BypassReceipt, ContextFamily, Denial, EmptyReason, GateSetFor, Plain, Proposal, Receipt};

/// A fixed gate set and the ways past it, for a context of type `C`.
///
/// All methods are those of [`PipelineFor`].
pub type Pipeline<C> = PipelineFor<Plain<C>>;

/// A fixed gate set and the ways past it, for the contexts of the family `F`.
///
/// # Examples
///
/// ```
/// use batpak_guard::{Denial, GateSet, Pipeline, Proposal, gate_fn};
///
/// let mut gates = GateSet::new();
/// gates.push(gate_fn("limit", |cents: &u32| match cents {
///     0..=1000 => Ok(()),
///     _ => Err(Denial::new("limit", format!("{cents} cents, at most 1000 allowed"))),
/// }));
/// let pipeline = Pipeline::new(gates);
/// let mut ledger: Vec<u32> = Vec::new();
///
/// let receipt = pipeline.evaluate(&700, Proposal::new(700))?;
/// let (len, gates_passed) = pipeline.commit(receipt, |cents| {
///     ledger.push(cents);
///     Ok::<_, std::io::Error>(ledger.len())
/// })?;
/// assert_eq!((len, gates_passed), (1, vec!["limit"]));
///
/// assert!(pipeline.evaluate(&5000, Proposal::new(5000)).is_err());
/// let bypass = pipeline.bypass(Proposal::new(5000), "refund, approved by two people")?;
/// assert_eq!(bypass.gates_skipped(), ["limit"]);
/// ledger.push(bypass.into_parts().0);
/// assert_eq!(ledger, [700, 5000]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PipelineFor<F: ContextFamily> {
    gates: GateSetFor<F>,
}

impl<F: ContextFamily> PipelineFor<F> {
    /// Takes the gates, which do not change any more.
    pub fn new(gates: GateSetFor<F>) -> Self {
        Self { gates }
    }

    /// Shows the gates.
    pub fn gates(&self) -> &GateSetFor<F> {
        &self.gates
    }

    /// Evaluates the gates in order, up to the first denial, as [`GateSetFor::evaluate`] does.
    ///
    /// # Errors
    ///
    /// The denial of the first gate that does not pass.
    pub fn evaluate<T>(&self, ctx: &F::Context<'_>, proposal: Proposal<T>) -> Result<Receipt<T>, Denial> {
        self.gates.evaluate(ctx, proposal)
    }

    /// Spends a receipt: runs `commit` with its payload, and returns the result with the names of the gates that had
    /// passed.
    ///
    /// The gates are not asked again. The receipt is gone whatever `commit` does, also when it fails or panics: to try
    /// again, evaluate again.
    ///
    /// # Errors
    ///
    /// [`CommitError::ForeignReceipt`] when the receipt was not issued by these gates; `commit` has not run then.
    /// [`CommitError::Failed`] with the error that `commit` returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::{CommitError, GateSet, Pipeline, Proposal, gate_fn};
    ///
    /// let mut gates = GateSet::new();
    /// gates.push(gate_fn("open", |_: &()| Ok(())));
    /// let pipeline = Pipeline::new(gates);
    ///
    /// let receipt = pipeline.evaluate(&(), Proposal::new("12"))?;
    /// assert_eq!(pipeline.commit(receipt, str::parse::<u8>), Ok((12, vec!["open"])));
    ///
    /// let foreign = GateSet::new().evaluate(&(), Proposal::new("12"))?;
    /// let refused = pipeline.commit(foreign, str::parse::<u8>);
    /// assert_eq!(refused, Err(CommitError::ForeignReceipt { gates_passed: vec![] }));
    /// # Ok::<(), batpak_guard::Denial>(())
    /// ```
    pub fn commit<T, R, E>(
        &self,
        receipt: Receipt<T>,
        commit: impl FnOnce(T) -> Result<R, E>,
    ) -> Result<(R, Vec<&'static str>), CommitError<E>> {
        let ours = self.gates.issued(&receipt);
        let (payload, gates_passed) = receipt.into_parts();
        if !ours {
            return Err(CommitError::ForeignReceipt { gates_passed });
        }
        match commit(payload) {
            Ok(result) => Ok((result, gates_passed)),
            Err(error) => Err(CommitError::Failed(error)),
        }
    }

    /// Goes past the gates without asking them, and records why.
    ///
    /// # Errors
    ///
    /// [`EmptyReason`] when `reason` is empty or white space only. The proposal is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::{EmptyReason, GateSet, Pipeline, Proposal, gate_fn};
    ///
    /// let mut gates = GateSet::new();
    /// gates.push(gate_fn("open", |_: &()| Ok(())));
    /// let pipeline = Pipeline::new(gates);
    ///
    /// let bypass = pipeline.bypass(Proposal::new(7), "restore from backup")?;
    /// assert_eq!(bypass.gates_skipped(), ["open"]);
    /// assert_eq!(bypass.into_parts(), (7, "restore from backup".to_owned()));
    ///
    /// assert!(pipeline.bypass(Proposal::new(7), " ").is_err());
    /// # Ok::<(), EmptyReason>(())
    /// ```
    pub fn bypass<T>(&self, proposal: Proposal<T>, reason: impl Into<String>) -> Result<BypassReceipt<T>, EmptyReason> {
        BypassReceipt::issue(proposal, reason.into(), self.gates.shared_names())
    }
}

impl<F: ContextFamily> fmt::Debug for PipelineFor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pipeline").field(&self.gates.names()).finish()
    }
}

/// Why a commit did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitError<E> {
    /// Other gates issued the receipt. Nothing has run, and the payload was dropped: evaluate with the pipeline that
    /// is to commit.
    ForeignReceipt {
        /// The gates that had passed, elsewhere.
        gates_passed: Vec<&'static str>,
    },
    /// The commit ran and returned this error.
    Failed(E),
}

impl<E> fmt::Display for CommitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignReceipt { gates_passed } => {
                let names = gates_passed.join(", ");
                write!(f, "receipt was not issued by this pipeline, it names the gates [{names}]")
            }
            Self::Failed(_) => f.write_str("the gates passed and the commit failed"),
        }
    }
}

impl<E: Error + 'static> Error for CommitError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ForeignReceipt { .. } => None,
            Self::Failed(error) => Some(error),
        }
    }
}
