//! Gates in order.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::ask::ask;
use crate::{ContextFamily, Denial, Gate, Plain, Proposal, Receipt};

/// Gates in the order in which they were pushed, for a context of type `C`.
///
/// All methods are those of [`GateSetFor`]. A context type with lifetimes is better served by a
/// [`ContextFamily`].
pub type GateSet<C> = GateSetFor<Plain<C>>;

type AnyGate<F> = dyn for<'a> Gate<<F as ContextFamily>::Context<'a>>;

/// Gates in the order in which they were pushed, for the contexts of the family `F`.
///
/// **Empty sets pass.** A set without gates issues a receipt with an empty list of names: nothing was asked, and the
/// receipt says so.
///
/// **Names are labels, not keys.** Two gates may bear one name, such as two limits of one kind; both are evaluated, and
/// the name stands in the receipt twice. What tells their denials apart is the code, the message and the context.
///
/// A set is `Send + Sync` whatever its context is. Evaluation takes `&self` and no lock.
///
/// # Examples
///
/// ```
/// use batpak_guard::{Denial, GateSet, Proposal, gate_fn};
///
/// let mut gates = GateSet::new();
/// gates.push(gate_fn("short", |text: &str| match text.len() {
///     0..=8 => Ok(()),
///     len => Err(Denial::new("short", format!("{len} bytes, at most 8 allowed"))),
/// }));
/// gates.push(gate_fn("ascii", |text: &str| match text.is_ascii() {
///     true => Ok(()),
///     false => Err(Denial::new("ascii", "not ASCII")),
/// }));
///
/// let receipt = gates.evaluate("hello", Proposal::new("hello"))?;
/// assert_eq!(receipt.gates_passed(), ["short", "ascii"]);
///
/// let denials = gates.evaluate_all("Grüße aus Köln");
/// assert_eq!(denials.len(), 2);
/// assert_eq!(denials[0].gate, "short");
/// # Ok::<(), Denial>(())
/// ```
pub struct GateSetFor<F: ContextFamily> {
    gates: Vec<Box<AnyGate<F>>>,
    // Receipts share this list, and are recognised by it. A push while one of them lives makes a new list, so that a
    // receipt belongs to exactly the gates that passed.
    names: Arc<Vec<&'static str>>,
}

impl<F: ContextFamily> GateSetFor<F> {
    /// Returns a set without gates. It passes everything.
    pub fn new() -> Self {
        Self { gates: Vec::new(), names: Arc::default() }
    }

    /// Adds a gate behind those that are there, and asks it for its name, once and for all.
    pub fn push<G>(&mut self, gate: G)
    where
        G: for<'a> Gate<F::Context<'a>> + 'static,
    {
        let name = <G as Gate<F::Context<'static>>>::name(&gate);
        self.gates.push(Box::new(gate));
        Arc::make_mut(&mut self.names).push(name);
    }

    /// Evaluates the gates in order, up to the first denial.
    ///
    /// The gates see `ctx` only. On a denial the proposal is dropped.
    ///
    /// # Errors
    ///
    /// The denial of the first gate that does not pass. With the feature `std`, a gate that panics denies with the code
    /// [`GATE_DEFECT`](crate::GATE_DEFECT).
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::{Denial, GateSet, Proposal, gate_fn};
    ///
    /// let mut gates = GateSet::new();
    /// gates.push(gate_fn("positive", |n: &i32| match n {
    ///     1.. => Ok(()),
    ///     _ => Err(Denial::new("positive", format!("{n} is not positive"))),
    /// }));
    ///
    /// assert_eq!(gates.evaluate(&1, Proposal::new("one"))?.into_parts(), ("one", vec!["positive"]));
    /// assert!(gates.evaluate(&0, Proposal::new("none")).is_err());
    /// # Ok::<(), Denial>(())
    /// ```
    pub fn evaluate<T>(&self, ctx: &F::Context<'_>, proposal: Proposal<T>) -> Result<Receipt<T>, Denial> {
        for (name, gate) in self.named_gates() {
            ask(name, gate, ctx)?;
        }
        Ok(Receipt::issue(proposal, Arc::clone(&self.names)))
    }

    /// Evaluates every gate, also behind a denial, and returns the denials in the order of the gates.
    ///
    /// An empty list means that all passed. It is no receipt: that takes [`evaluate`](Self::evaluate). With the
    /// feature `std`, a gate that panics is one denial with the code [`GATE_DEFECT`](crate::GATE_DEFECT), and those
    /// behind it are still evaluated.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::{Denial, GateSet, gate_fn};
    ///
    /// let mut gates = GateSet::new();
    /// gates.push(gate_fn("first", |_: &()| Err(Denial::new("first", "no"))));
    /// gates.push(gate_fn("second", |_: &()| Ok(())));
    /// gates.push(gate_fn("third", |_: &()| Err(Denial::new("third", "no"))));
    ///
    /// let denials = gates.evaluate_all(&());
    /// assert_eq!(denials, [Denial::new("first", "no"), Denial::new("third", "no")]);
    /// ```
    pub fn evaluate_all(&self, ctx: &F::Context<'_>) -> Vec<Denial> {
        self.named_gates().filter_map(|(name, gate)| ask(name, gate, ctx).err()).collect()
    }

    /// Says whether this set, with the gates that it has now, issued the receipt.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::{Denial, GateSet, Proposal, gate_fn};
    ///
    /// let mut gates = GateSet::new();
    /// gates.push(gate_fn("open", |_: &()| Ok(())));
    /// let receipt = gates.evaluate(&(), Proposal::new(7))?;
    /// assert!(gates.issued(&receipt));
    ///
    /// gates.push(gate_fn("closed", |_: &()| Err(Denial::new("closed", "no"))));
    /// assert!(!gates.issued(&receipt), "it knows nothing of the second gate");
    /// # Ok::<(), Denial>(())
    /// ```
    pub fn issued<T>(&self, receipt: &Receipt<T>) -> bool {
        Arc::ptr_eq(&self.names, receipt.gates())
    }

    /// Names the gates, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::{GateSet, gate_fn};
    ///
    /// let mut gates = GateSet::new();
    /// gates.push(gate_fn("open", |_: &()| Ok(())));
    /// assert_eq!(gates.names(), ["open"]);
    /// ```
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Describes the gates, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::{GateSet, gate_fn};
    ///
    /// let mut gates = GateSet::new();
    /// gates.push(gate_fn("open", |_: &()| Ok(())).with_description("never denies"));
    /// assert_eq!(gates.descriptions().collect::<Vec<_>>(), ["never denies"]);
    /// ```
    pub fn descriptions(&self) -> impl Iterator<Item = &'static str> {
        self.gates.iter().map(|gate| Gate::<F::Context<'static>>::description(&**gate))
    }

    pub(crate) fn shared_names(&self) -> Arc<Vec<&'static str>> {
        Arc::clone(&self.names)
    }

    fn named_gates(&self) -> impl Iterator<Item = (&'static str, &AnyGate<F>)> {
        self.names.iter().copied().zip(self.gates.iter().map(|gate| &**gate))
    }
}

impl<F: ContextFamily> Default for GateSetFor<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: ContextFamily> fmt::Debug for GateSetFor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GateSet").field(&self.names).finish()
    }
}
