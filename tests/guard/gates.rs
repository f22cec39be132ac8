use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use batpak_guard::{DENIED, Denial, Gate, GateSet, Proposal, gate_fn};

struct AtMost(u32);

impl Gate<u32> for AtMost {
    fn name(&self) -> &'static str {
        "at_most"
    }

    fn evaluate(&self, n: &u32) -> Result<(), Denial> {
        if *n <= self.0 { Ok(()) } else { Err(Denial::new("at_most", format!("{n} > {}", self.0))) }
    }
}

struct Described;

impl Gate<u32> for Described {
    fn name(&self) -> &'static str {
        "described"
    }

    fn evaluate(&self, _: &u32) -> Result<(), Denial> {
        Err(Denial::new("described", "no"))
    }

    fn description(&self) -> &'static str {
        "denies every number"
    }
}

#[test]
fn a_gate_that_says_no_more_is_described_by_its_name() {
    assert_eq!(AtMost(1).description(), "at_most");
    assert_eq!(Described.description(), "denies every number");
}

#[track_caller]
fn check_same_as_described(gate: &dyn Gate<u32>) {
    assert_eq!(gate.name(), "described");
    assert_eq!(gate.description(), "denies every number");
    assert_eq!(gate.evaluate(&1), Err(Denial::new("described", "no")));
}

#[test]
fn a_box_or_an_arc_of_a_gate_is_that_gate() {
    check_same_as_described(&Described);
    check_same_as_described(&(Box::new(Described) as Box<dyn Gate<u32>>));
    check_same_as_described(&(Arc::new(Described) as Arc<dyn Gate<u32>>));
}

#[test]
fn one_gate_can_serve_two_sets() {
    let gate: Arc<dyn Gate<u32>> = Arc::new(AtMost(5));
    let (mut first, mut second) = (GateSet::new(), GateSet::new());
    first.push(Arc::clone(&gate));
    second.push(gate);
    assert!(first.evaluate(&5, Proposal::new(())).is_ok());
    assert!(second.evaluate(&6, Proposal::new(())).is_err());
}

#[test]
fn one_type_can_be_a_gate_for_two_contexts() {
    struct Never;
    impl Gate<str> for Never {
        fn name(&self) -> &'static str {
            "never"
        }
        fn evaluate(&self, text: &str) -> Result<(), Denial> {
            Err(Denial::new("never", text))
        }
    }
    impl Gate<[u8]> for Never {
        fn name(&self) -> &'static str {
            "never"
        }
        fn evaluate(&self, bytes: &[u8]) -> Result<(), Denial> {
            Err(Denial::new("never", bytes.len().to_string()))
        }
    }
    let mut texts: GateSet<str> = GateSet::new();
    texts.push(Never);
    let mut slices: GateSet<[u8]> = GateSet::new();
    slices.push(Never);
    assert_eq!(texts.evaluate_all("abc")[0].message, "abc");
    assert_eq!(slices.evaluate_all(b"abc")[0].message, "3");
}

#[test]
fn a_closure_can_be_a_gate_and_can_keep_what_it_captured() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut gates = GateSet::new();
    gates.push(gate_fn("odd", move |n: &u32| {
        counter.fetch_add(1, Ordering::Relaxed);
        if n % 2 == 1 { Ok(()) } else { Err(Denial::new("odd", format!("{n} is even"))) }
    }));
    assert!(gates.evaluate(&1, Proposal::new(())).is_ok());
    assert_eq!(gates.evaluate_all(&2), [Denial::new("odd", "2 is even")]);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn a_closure_gate_has_a_name_a_description_and_a_code() {
    let plain = gate_fn("g", |_: &u32| Err(Denial::new("g", "no")));
    assert_eq!(Gate::<u32>::name(&plain), "g");
    assert_eq!(Gate::<u32>::description(&plain), "g");
    assert_eq!(plain.evaluate(&1), Err(Denial::new("g", "no")));

    let full = plain.with_code("CODE").with_description("denies");
    assert_eq!(Gate::<u32>::name(&full), "g");
    assert_eq!(Gate::<u32>::description(&full), "denies");
    assert_eq!(full.evaluate(&1), Err(Denial::new("g", "no").with_code("CODE")));
    assert!(format!("{full:?}").contains("\"CODE\""));
}

#[test]
fn a_code_that_the_closure_gives_stands() {
    let gate = gate_fn("g", |own: &&'static str| Err(Denial::new("g", "no").with_code(own)));
    let code_of = |own| gate.with_code("OUTER").evaluate(&own).map_err(|denial| denial.code);
    assert_eq!(code_of("INNER"), Err("INNER"));
    assert_eq!(code_of(DENIED), Err("OUTER"));
}
