//! What `batpak-guard` promises, through its public API.

mod borrowed;
#[cfg(feature = "std")]
mod defects;
mod denials;
mod gates;
mod manifest;
mod pipelines;
mod receipts;
mod sets;
#[cfg(not(feature = "std"))]
mod without_std;

use batpak_guard::{Denial, Gate, gate_fn};

/// A gate that passes everything.
fn open(name: &'static str) -> impl Gate<()> {
    gate_fn(name, |(): &()| Ok(()))
}

/// A gate that passes nothing.
fn shut(name: &'static str) -> impl Gate<()> {
    gate_fn(name, move |(): &()| Err(Denial::new(name, "shut")))
}
