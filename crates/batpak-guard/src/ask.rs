//! One question to one gate, and what becomes of its panic.

use crate::{Denial, Gate};

#[cfg(not(feature = "std"))]
pub(crate) fn ask<C, G>(name: &'static str, gate: &G, ctx: &C) -> Result<(), Denial>
where
    C: ?Sized,
    G: Gate<C> + ?Sized,
{
    gate.evaluate(ctx).map_err(|denial| denial.named(name))
}

#[cfg(feature = "std")]
pub(crate) fn ask<C, G>(name: &'static str, gate: &G, ctx: &C) -> Result<(), Denial>
where
    C: ?Sized,
    G: Gate<C> + ?Sized,
{
    use std::panic::{AssertUnwindSafe, catch_unwind};

    // AssertUnwindSafe: the crate keeps no state that a gate could leave half changed. What the gate and its context
    // change behind a shared reference is theirs; a mutex among it is poisoned as usual.
    match catch_unwind(AssertUnwindSafe(|| gate.evaluate(ctx))) {
        Ok(answer) => answer.map_err(|denial| denial.named(name)),
        Err(panic) => Err(defect::denial(name, panic)),
    }
}

#[cfg(feature = "std")]
mod defect {
    use alloc::boxed::Box;
    use alloc::format;
    use alloc::string::String;
    use core::any::Any;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::{Denial, GATE_DEFECT};

    #[cold]
    pub(super) fn denial(gate: &'static str, panic: Box<dyn Any + Send>) -> Denial {
        let message = match text(&*panic) {
            Some(text) => format!("gate panicked: {text}"),
            None => String::from("gate panicked with a value that is not text"),
        };
        discard(panic);
        Denial::new(gate, message).with_code(GATE_DEFECT)
    }

    fn text(panic: &(dyn Any + Send)) -> Option<&str> {
        match panic.downcast_ref::<&'static str>() {
            Some(text) => Some(text),
            None => panic.downcast_ref::<String>().map(String::as_str),
        }
    }

    // A panic's value can panic once more when it is dropped, and so can the value of that panic: it is leaked.
    fn discard(panic: Box<dyn Any + Send>) {
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            core::mem::forget(again);
        }
    }
}
