//! Closures as gates.

use core::fmt;

use crate::{DENIED, Denial, Gate};

/// Makes a gate of a closure.
///
/// Write the closure's argument with its type, `|ctx: &Ctx|`. One that is written `|ctx: &Ctx<'_>|` serves contexts of
/// every lifetime.
///
/// # Examples
///
/// ```
/// use batpak_guard::{Denial, Gate, gate_fn};
///
/// let even = gate_fn("even", |n: &u32| match n % 2 {
///     0 => Ok(()),
///     _ => Err(Denial::new("even", format!("{n} is odd"))),
/// })
/// .with_code("ODD")
/// .with_description("the number is divisible by two");
///
/// assert_eq!(even.evaluate(&2), Ok(()));
/// assert_eq!(even.evaluate(&3), Err(Denial::new("even", "3 is odd").with_code("ODD")));
/// ```
pub fn gate_fn<F>(name: &'static str, evaluate: F) -> GateFn<F> {
    GateFn { name, description: name, code: DENIED, evaluate }
}

/// A gate made by [`gate_fn`].
#[derive(Clone, Copy)]
pub struct GateFn<F> {
    name: &'static str,
    description: &'static str,
    code: &'static str,
    evaluate: F,
}

impl<F> GateFn<F> {
    /// Sets the code of every denial for which the closure gives none of its own.
    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// Sets what [`Gate::description`] returns.
    #[must_use]
    pub fn with_description(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    fn coded(&self, denial: Denial) -> Denial {
        if denial.code == DENIED { denial.with_code(self.code) } else { denial }
    }
}

impl<C, F> Gate<C> for GateFn<F>
where
    C: ?Sized,
    F: Fn(&C) -> Result<(), Denial> + Send + Sync,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn evaluate(&self, ctx: &C) -> Result<(), Denial> {
        (self.evaluate)(ctx).map_err(|denial| self.coded(denial))
    }

    fn description(&self) -> &'static str {
        self.description
    }
}

impl<F> fmt::Debug for GateFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateFn").field("name", &self.name).field("code", &self.code).finish_non_exhaustive()
    }
}
