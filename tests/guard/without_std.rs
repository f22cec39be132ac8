use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use batpak_guard::{GateSet, Proposal, gate_fn};

#[test]
fn a_panic_reaches_the_caller_and_yields_no_receipt() {
    let mut gates = GateSet::new();
    gates.push(gate_fn("broken", |(): &()| resume_unwind(Box::new("out of cheese"))));

    let evaluated = catch_unwind(AssertUnwindSafe(|| gates.evaluate(&(), Proposal::new(1))));
    assert!(evaluated.is_err());
    let evaluated = catch_unwind(AssertUnwindSafe(|| gates.evaluate_all(&())));
    assert!(evaluated.is_err());
}
