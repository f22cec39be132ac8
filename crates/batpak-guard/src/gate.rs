//! What a gate is.

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::Denial;

/// A named rule that passes or denies, by what it finds in a context of type `C`.
///
/// The context holds everything that the gate may look at; the proposal is not shown to it. A context may borrow
/// (`impl Gate<View<'_>> for …`) and may be unsized (`impl Gate<str> for …`). Gates are shared between threads and
/// evaluated by any number of them at a time.
///
/// A gate that only needs a closure is made by [`gate_fn`](crate::gate_fn). `Box` and `Arc` of a gate are gates.
///
/// # Examples
///
/// ```
/// use batpak_guard::{Denial, Gate};
///
/// struct MaxLen(usize);
///
/// impl Gate<str> for MaxLen {
///     fn name(&self) -> &'static str {
///         "max_len"
///     }
///
///     fn evaluate(&self, text: &str) -> Result<(), Denial> {
///         if text.len() <= self.0 {
///             Ok(())
///         } else {
///             Err(Denial::new("max_len", format!("{} bytes, at most {} allowed", text.len(), self.0)))
///         }
///     }
/// }
///
/// assert_eq!(MaxLen(3).evaluate("abc"), Ok(()));
/// let denied = MaxLen(3).evaluate("abcd").map_err(|denial| denial.message);
/// assert_eq!(denied, Err("4 bytes, at most 3 allowed".to_owned()));
/// ```
pub trait Gate<C: ?Sized>: Send + Sync {
    /// Names the gate. A [`GateSet`](crate::GateSet) asks for the name once, when the gate is pushed.
    fn name(&self) -> &'static str;

    /// Passes or denies.
    ///
    /// # Errors
    ///
    /// The reason why the gate does not pass.
    fn evaluate(&self, ctx: &C) -> Result<(), Denial>;

    /// Says for people what the gate checks. The name, unless the gate says more.
    fn description(&self) -> &'static str {
        self.name()
    }
}

impl<C: ?Sized, G: Gate<C> + ?Sized> Gate<C> for Box<G> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn evaluate(&self, ctx: &C) -> Result<(), Denial> {
        (**self).evaluate(ctx)
    }

    fn description(&self) -> &'static str {
        (**self).description()
    }
}

impl<C: ?Sized, G: Gate<C> + ?Sized> Gate<C> for Arc<G> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn evaluate(&self, ctx: &C) -> Result<(), Denial> {
        (**self).evaluate(ctx)
    }

    fn description(&self) -> &'static str {
        (**self).description()
    }
}
