//! Contexts that borrow.

use core::fmt;
use core::marker::PhantomData;

/// Names a context type for every lifetime, so that one gate set can serve borrowed contexts for as long as it lives.
///
/// A `GateSet<View<'a>>` is tied to one `'a`: it cannot be kept in a struct and evaluated with views that are made
/// later. A [`GateSetFor<F>`](crate::GateSetFor) with `F::Context<'a> = View<'a>` can. Its gates are those that take
/// every lifetime, which `impl Gate<View<'_>> for …` and `gate_fn(…, |view: &View<'_>| …)` do. The compiler does not find
/// `F` by itself: name it, as in `GateSetFor::<F>::new()`.
///
/// # Examples
///
/// ```
/// use batpak_guard::{ContextFamily, Denial, Gate, GateSetFor, Proposal};
///
/// struct View<'a> {
///     rows: &'a [u32],
///     proposed: &'a [u32],
/// }
///
/// struct Views;
///
/// impl ContextFamily for Views {
///     type Context<'a> = View<'a>;
/// }
///
/// struct NotTwice;
///
/// impl Gate<View<'_>> for NotTwice {
///     fn name(&self) -> &'static str {
///         "not_twice"
///     }
///
///     fn evaluate(&self, view: &View<'_>) -> Result<(), Denial> {
///         match view.proposed.iter().find(|row| view.rows.contains(row)) {
///             None => Ok(()),
///             Some(row) => Err(Denial::new("not_twice", format!("{row} is there already"))),
///         }
///     }
/// }
///
/// struct Table {
///     rows: Vec<u32>,
///     gates: GateSetFor<Views>,
/// }
///
/// impl Table {
///     fn append(&mut self, proposed: &[u32]) -> Result<(), Denial> {
///         let view = View { rows: &self.rows, proposed };
///         let receipt = self.gates.evaluate(&view, Proposal::new(proposed))?;
///         self.rows.extend(receipt.into_parts().0);
///         Ok(())
///     }
/// }
///
/// let mut table = Table { rows: Vec::new(), gates: GateSetFor::new() };
/// table.gates.push(NotTwice);
/// assert_eq!(table.append(&[1, 2]), Ok(()));
/// assert_eq!(table.append(&[3, 2]), Err(Denial::new("not_twice", "2 is there already")));
/// assert_eq!(table.rows, [1, 2]);
/// ```
pub trait ContextFamily {
    /// The context that borrows for `'a`.
    type Context<'a>: ?Sized;
}

/// The family of a context that is the same type for every lifetime. Has no values.
///
/// [`GateSet<C>`](crate::GateSet) is `GateSetFor<Plain<C>>`; there is seldom a reason to write `Plain` oneself.
pub struct Plain<C: ?Sized> {
    never: core::convert::Infallible,
    context: PhantomData<fn(&C)>,
}

impl<C: ?Sized> ContextFamily for Plain<C> {
    type Context<'a> = C;
}

impl<C: ?Sized> fmt::Debug for Plain<C> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.never {}
    }
}
