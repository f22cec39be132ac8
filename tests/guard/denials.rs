use std::error::Error;

use batpak_guard::{DENIED, Denial, GATE_DEFECT, GateSet, Proposal, gate_fn};

#[test]
fn a_denial_displays_its_gate_and_its_message_and_nothing_else() {
    let denial =
        Denial::new("spend_limit", "12 euros, at most 10 allowed").with_code("LIMIT").with_context("limit", "10");
    assert_eq!(denial.to_string(), "[spend_limit] 12 euros, at most 10 allowed");
}

#[test]
fn a_message_may_be_borrowed_or_owned() {
    let borrowed: &str = &String::from("no");
    assert_eq!(Denial::new("g", borrowed), Denial::new("g", String::from("no")));
}

#[test]
fn context_keeps_the_order_in_which_it_was_added_and_keys_that_repeat() {
    let denial = Denial::new("g", "m")
        .with_context("z", String::from("1"))
        .with_context("a", "2")
        .with_context("z", 3.to_string());
    let mut seen = Vec::new();
    for (k, v) in &denial.context {
        seen.push(format!("{k}={v}"));
    }
    assert_eq!(seen, ["z=1", "a=2", "z=3"]);
    assert!(format!("{:?}", denial.context).contains("\"a\", \"2\""));
}

#[test]
fn a_denial_has_a_code_also_when_none_was_given() {
    assert_eq!(Denial::new("g", "m").code, DENIED);
    assert_eq!(Denial::new("g", "m").with_code("X").with_code("Y").code, "Y");
    assert!(!DENIED.is_empty());
}

#[test]
fn only_the_code_of_a_defect_makes_a_defect() {
    assert!(Denial::new("g", "m").with_code(GATE_DEFECT).is_defect());
    assert!(!Denial::new(GATE_DEFECT, GATE_DEFECT).is_defect());
    assert_eq!(GATE_DEFECT, "GATE_DEFECT");
}

#[test]
fn a_denial_is_an_error_that_crosses_threads() {
    let error: Box<dyn Error + Send + Sync> = Denial::new("g", "m").into();
    assert_eq!(error.to_string(), "[g] m");
    assert!(error.source().is_none());
}

#[test]
fn a_denial_that_names_no_gate_gets_the_name_in_the_set() {
    let mut gates = GateSet::new();
    gates.push(gate_fn("first", |(): &()| Err(Denial::new("", "no").with_code("X"))));
    gates.push(gate_fn("second", |(): &()| Err(Denial::new("itself", "no"))));
    let denials = gates.evaluate_all(&());
    assert_eq!(denials, [Denial::new("first", "no").with_code("X"), Denial::new("itself", "no")]);
    assert_eq!(gates.evaluate(&(), Proposal::new(())).expect_err("denied").gate, "first");
}
