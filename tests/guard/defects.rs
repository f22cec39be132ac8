use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use batpak_guard::{Denial, GATE_DEFECT, Gate, GateSet, Pipeline, Proposal, gate_fn};

use crate::{open, shut};

/// A gate that panics with the message of a literal. Panics that the hook does not print keep the output readable.
fn broken(name: &'static str) -> impl Gate<()> {
    gate_fn(name, |(): &()| resume_unwind(Box::new("out of cheese")))
}

fn defect(gate: &'static str, message: &str) -> Denial {
    Denial::new(gate, message).with_code(GATE_DEFECT)
}

#[test]
fn a_panicking_gate_denies_and_does_not_pass() {
    let mut gates = GateSet::new();
    gates.push(open("a"));
    gates.push(broken("b"));
    let denial = gates.evaluate(&(), Proposal::new(1)).unwrap_err();
    assert_eq!(denial, defect("b", "gate panicked: out of cheese"));
    assert_eq!(denial.code, "GATE_DEFECT");
    assert!(denial.is_defect());
}

#[test]
fn a_panic_in_a_pipeline_is_a_denial_too() {
    let mut gates = GateSet::new();
    gates.push(broken("b"));
    let denial = Pipeline::new(gates).evaluate(&(), Proposal::new(1)).unwrap_err();
    assert!(denial.is_defect());
}

#[test]
fn evaluate_stops_at_a_defect_as_at_any_denial() {
    let mut gates = GateSet::new();
    gates.push(broken("a"));
    gates.push(shut("b"));
    assert_eq!(gates.evaluate(&(), Proposal::new(1)).unwrap_err().gate, "a");
}

#[test]
fn evaluate_all_goes_on_behind_a_defect_and_keeps_the_order() {
    let mut gates = GateSet::new();
    gates.push(shut("a"));
    gates.push(broken("b"));
    gates.push(open("c"));
    gates.push(broken("d"));
    gates.push(shut("e"));
    let denials = gates.evaluate_all(&());
    let seen: Vec<_> = denials.iter().map(|denial| (denial.gate, denial.is_defect())).collect();
    assert_eq!(seen, [("a", false), ("b", true), ("d", true), ("e", false)]);
}

#[track_caller]
fn check_message(gate: impl Gate<()> + 'static, message: &str) {
    let mut gates = GateSet::new();
    gates.push(gate);
    assert_eq!(gates.evaluate_all(&()), [defect("g", message)]);
}

#[test]
fn the_message_of_the_panic_stands_in_the_denial() {
    let literal = gate_fn("g", |(): &()| resume_unwind(Box::new("literal")));
    check_message(literal, "gate panicked: literal");
    let formatted = gate_fn("g", |(): &()| resume_unwind(Box::new(format!("{} of {}", 3, 2))));
    check_message(formatted, "gate panicked: 3 of 2");
    let number = gate_fn("g", |(): &()| resume_unwind(Box::new(42)));
    check_message(number, "gate panicked with a value that is not text");
}

#[test]
fn panics_of_the_language_are_caught_like_those_of_the_macro() {
    let mut gates = GateSet::new();
    gates.push(gate_fn("index", |rows: &Vec<u8>| if rows[0] == 1 { Ok(()) } else { Err(Denial::new("index", "no")) }));
    let denial = gates.evaluate(&vec![], Proposal::new(())).unwrap_err();
    assert!(denial.message.starts_with("gate panicked: index out of bounds"), "{denial}");
    assert!(gates.evaluate(&vec![1], Proposal::new(())).is_ok(), "the set goes on");
}

/// The value of a panic whose drop panics with `Twice`, whose drop panics in turn.
struct Once;

impl Drop for Once {
    fn drop(&mut self) {
        resume_unwind(Box::new(Twice));
    }
}

struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        resume_unwind(Box::new("the second value was dropped"));
    }
}

#[test]
fn a_panic_that_panics_again_when_it_is_dropped_is_one_denial() {
    let mut gates = GateSet::new();
    gates.push(gate_fn("g", |(): &()| resume_unwind(Box::new(Once))));

    let denials = catch_unwind(AssertUnwindSafe(|| gates.evaluate_all(&())));
    // What escapes is forgotten before the test fails: the test harness hangs when it drops such a value.
    let denials = denials.map_err(std::mem::forget);
    let message = "gate panicked with a value that is not text";
    assert_eq!(denials, Ok(vec![defect("g", message)]));
}

/// The name in a defect is the set's, which the gate gave when it was pushed: a broken gate is not asked again.
#[test]
fn a_gate_that_panics_in_every_later_call_is_still_named() {
    struct Broken(Mutex<bool>);
    impl Gate<()> for Broken {
        fn name(&self) -> &'static str {
            let mut asked = self.0.lock().unwrap();
            assert!(!*asked, "asked for its name twice");
            *asked = true;
            "g"
        }
        fn evaluate(&self, (): &()) -> Result<(), Denial> {
            resume_unwind(Box::new("again"))
        }
    }
    let mut gates = GateSet::new();
    gates.push(Broken(Mutex::new(false)));
    assert_eq!(gates.evaluate_all(&()), [defect("g", "gate panicked: again")]);
    assert_eq!(gates.evaluate_all(&()), [defect("g", "gate panicked: again")]);
}
