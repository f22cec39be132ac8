use std::convert::Infallible;

use batpak_guard::{ContextFamily, Denial, Gate, GateSet, GateSetFor, PipelineFor, Proposal, gate_fn};

/// What a store would show its gates: its rows, and those that are proposed.
struct View<'a> {
    rows: &'a [String],
    proposed: &'a [&'a str],
}

struct Views;

impl ContextFamily for Views {
    type Context<'a> = View<'a>;
}

struct NotTwice;

impl Gate<View<'_>> for NotTwice {
    fn name(&self) -> &'static str {
        "not_twice"
    }

    fn evaluate(&self, view: &View<'_>) -> Result<(), Denial> {
        match view.proposed.iter().find(|row| view.rows.iter().any(|old| old == *row)) {
            None => Ok(()),
            Some(row) => Err(Denial::new("not_twice", *row)),
        }
    }
}

/// Keeps its gates for as long as it lives, and evaluates them with views that borrow from itself and from callers.
struct Store {
    rows: Vec<String>,
    pipeline: PipelineFor<Views>,
}

impl Store {
    fn new() -> Self {
        let mut gates = GateSetFor::<Views>::new();
        gates.push(NotTwice);
        gates.push(gate_fn("not_empty", |view: &View<'_>| {
            if view.proposed.is_empty() { Err(Denial::new("not_empty", "nothing proposed")) } else { Ok(()) }
        }));
        gates.push(Box::new(NotTwice));
        let pipeline = PipelineFor::new(gates);
        Self { rows: Vec::new(), pipeline }
    }

    fn append(&mut self, proposed: &[&str]) -> Result<Vec<&'static str>, Denial> {
        let view = View { rows: &self.rows, proposed };
        let receipt = self.pipeline.evaluate(&view, Proposal::new(proposed))?;
        let Ok(((), passed)) = self.pipeline.commit(receipt, |proposed| {
            self.rows.extend(proposed.iter().map(ToString::to_string));
            Ok::<_, Infallible>(())
        }) else {
            unreachable!("the receipt is its own, and the commit cannot fail");
        };
        Ok(passed)
    }
}

#[test]
fn a_set_that_is_kept_serves_contexts_that_are_made_later() {
    let mut store = Store::new();
    {
        let short = String::from("a");
        let passed = store.append(&[&short, "b"]);
        assert_eq!(passed, Ok(vec!["not_twice", "not_empty", "not_twice"]));
    }
    assert_eq!(store.append(&["c", "b"]), Err(Denial::new("not_twice", "b")));
    assert_eq!(store.append(&[]), Err(Denial::new("not_empty", "nothing proposed")));
    assert_eq!(store.rows, ["a", "b"]);
}

#[test]
fn a_set_of_one_lifetime_is_enough_for_a_function() {
    let rows = [String::from("a")];
    let view = View { rows: &rows, proposed: &["a"] };
    let mut gates = GateSet::new();
    gates.push(NotTwice);
    assert_eq!(gates.evaluate_all(&view), [Denial::new("not_twice", "a")]);
}

#[test]
fn a_family_can_name_an_unsized_context() {
    struct Slices;
    impl ContextFamily for Slices {
        type Context<'a> = [&'a str];
    }
    let mut gates: GateSetFor<Slices> = GateSetFor::default();
    gates.push(gate_fn(
        "no_blank",
        |texts: &[&str]| {
            if texts.contains(&"") { Err(Denial::new("no_blank", "blank")) } else { Ok(()) }
        },
    ));
    let text = String::from("a");
    assert!(gates.evaluate(&[text.as_str()], Proposal::new(())).is_ok());
    assert!(gates.evaluate(&[text.as_str(), ""], Proposal::new(())).is_err());
}

#[test]
fn a_payload_may_borrow_what_the_context_borrows() {
    let text = String::from("payload");
    let mut gates: GateSet<str> = GateSet::new();
    gates.push(gate_fn("any", |_: &str| Ok(())));
    let receipt = gates.evaluate(&text, Proposal::new(text.as_str())).unwrap();
    assert_eq!(*receipt.payload(), "payload");
}
