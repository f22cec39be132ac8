use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use batpak_guard::{Denial, Gate, GateSet, GateSetFor, Pipeline, Plain, Proposal, gate_fn};

use crate::{open, shut};

/// A gate that says that it was asked.
fn logs(name: &'static str, passes: bool) -> impl Gate<Cell<Vec<&'static str>>> {
    gate_fn(name, move |log: &Cell<Vec<&'static str>>| {
        let mut names = log.take();
        names.push(name);
        log.set(names);
        if passes { Ok(()) } else { Err(Denial::new(name, "no")) }
    })
}

fn four_of_which_two_deny() -> GateSet<Cell<Vec<&'static str>>> {
    let mut gates = GateSet::new();
    gates.push(logs("a", true));
    gates.push(logs("b", false));
    gates.push(logs("c", true));
    gates.push(logs("d", false));
    gates
}

#[test]
fn evaluate_asks_in_order_and_stops_at_the_first_denial() {
    let log = Cell::default();
    let denied = four_of_which_two_deny().evaluate(&log, Proposal::new(1));
    assert_eq!(denied.map(|_| ()), Err(Denial::new("b", "no")));
    assert_eq!(log.take(), ["a", "b"]);
}

#[test]
fn evaluate_all_asks_every_gate_and_returns_the_denials_in_order() {
    let log = Cell::default();
    let denials = four_of_which_two_deny().evaluate_all(&log);
    assert_eq!(denials, [Denial::new("b", "no"), Denial::new("d", "no")]);
    assert_eq!(log.take(), ["a", "b", "c", "d"]);
}

#[test]
fn evaluate_all_of_gates_that_pass_is_empty() {
    let mut gates = GateSet::new();
    gates.push(open("a"));
    assert_eq!(gates.evaluate_all(&()), []);
}

#[test]
fn a_receipt_names_every_gate_in_the_order_in_which_it_was_pushed() {
    let mut gates = GateSet::new();
    gates.push(open("z"));
    gates.push(open("a"));
    gates.push(open("m"));
    let receipt = gates.evaluate(&(), Proposal::new('p')).unwrap();
    assert_eq!(receipt.gates_passed().join(", "), "z, a, m");
    assert_eq!(receipt.into_parts(), ('p', vec!["z", "a", "m"]));
}

#[test]
fn an_empty_set_passes_and_names_nothing() {
    let gates: GateSet<()> = GateSet::default();
    assert_eq!(gates.evaluate_all(&()), []);
    let receipt = gates.evaluate(&(), Proposal::new(1)).unwrap();
    assert!(receipt.gates_passed().is_empty());
    assert_eq!(receipt.into_parts(), (1, vec![]));
}

#[test]
fn gates_of_one_name_are_all_asked_and_all_named() {
    let mut gates = GateSet::new();
    gates.push(open("limit"));
    gates.push(open("limit"));
    let receipt = gates.evaluate(&(), Proposal::new(())).unwrap();
    assert_eq!(receipt.gates_passed(), ["limit", "limit"]);

    gates.push(shut("limit"));
    assert_eq!(gates.evaluate_all(&()), [Denial::new("limit", "shut")]);
    assert!(gates.evaluate(&(), Proposal::new(())).is_err());
}

#[test]
fn a_denial_keeps_the_gate_that_it_names() {
    let mut gates = GateSet::new();
    gates.push(gate_fn("outer", |(): &()| Err(Denial::new("inner", "no"))));
    assert_eq!(gates.evaluate_all(&())[0].gate, "inner");
}

#[test]
fn a_gate_is_asked_for_its_name_once() {
    struct Fickle(AtomicUsize);
    impl Gate<()> for Fickle {
        fn name(&self) -> &'static str {
            ["first", "second"][self.0.fetch_add(1, Ordering::Relaxed).min(1)]
        }
        fn evaluate(&self, (): &()) -> Result<(), Denial> {
            Ok(())
        }
    }
    let mut gates = GateSet::new();
    gates.push(Fickle(AtomicUsize::new(0)));
    for _ in 0..3 {
        let receipt = gates.evaluate(&(), Proposal::new(())).unwrap();
        assert_eq!(receipt.gates_passed(), ["first"]);
    }
}

#[test]
fn a_set_lists_and_describes_its_gates() {
    let mut gates = GateSet::new();
    gates.push(open("a"));
    gates.push(gate_fn("b", |(): &()| Ok(())).with_description("passes"));
    assert_eq!(gates.names(), ["a", "b"]);
    assert_eq!(gates.descriptions().collect::<Vec<_>>(), ["a", "passes"]);
    assert_eq!(format!("{gates:?}"), r#"GateSet(["a", "b"])"#);
}

#[test]
fn a_set_knows_the_receipts_that_it_issued() {
    let mut gates = GateSet::new();
    gates.push(open("a"));
    let mut twin = GateSet::new();
    twin.push(open("a"));
    let receipt = gates.evaluate(&(), Proposal::new(())).unwrap();
    assert!(gates.issued(&receipt));
    assert!(!twin.issued(&receipt), "the same names are not the same gates");
}

#[test]
fn a_receipt_does_not_answer_for_a_gate_that_came_later() {
    let mut gates = GateSet::new();
    let early = gates.evaluate(&(), Proposal::new(())).unwrap();
    gates.push(open("a"));
    assert!(!gates.issued(&early));
    assert_eq!(early.gates_passed(), [""; 0]);

    let late = gates.evaluate(&(), Proposal::new(())).unwrap();
    assert!(gates.issued(&late));
}

#[test]
fn moving_a_set_does_not_disown_its_receipts() {
    let mut gates = GateSet::new();
    gates.push(open("a"));
    let receipt = gates.evaluate(&(), Proposal::new(())).unwrap();
    let moved = Box::new(gates);
    assert!(moved.issued(&receipt));
}

fn is_send_and_sync<T: Send + Sync>() {}

#[test]
fn sets_and_pipelines_cross_threads_whatever_their_context_is() {
    is_send_and_sync::<GateSet<std::rc::Rc<()>>>();
    is_send_and_sync::<Pipeline<std::rc::Rc<()>>>();
    is_send_and_sync::<GateSetFor<Plain<str>>>();
}

#[test]
fn threads_evaluate_one_set_at_the_same_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut gates = GateSet::new();
    gates.push(gate_fn("even", move |n: &usize| {
        counter.fetch_add(1, Ordering::Relaxed);
        if n.is_multiple_of(2) { Ok(()) } else { Err(Denial::new("even", n.to_string())) }
    }));
    let gates = &gates;
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for n in 0..250 {
                    let passed = gates.evaluate(&(n + thread), Proposal::new(n)).is_ok();
                    assert_eq!(passed, (n + thread) % 2 == 0);
                }
            });
        }
    });
    assert_eq!(asked.load(Ordering::Relaxed), 1000);
}
