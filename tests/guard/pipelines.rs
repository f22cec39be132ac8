use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use batpak_guard::{CommitError, Denial, EmptyReason, GateSet, Pipeline, Proposal, gate_fn};

use crate::{open, shut};

fn pipeline() -> Pipeline<u32> {
    let mut gates = GateSet::new();
    gates.push(gate_fn("small", |n: &u32| match n {
        0..10 => Ok(()),
        _ => Err(Denial::new("small", n.to_string())),
    }));
    gates.push(gate_fn("even", |n: &u32| match n % 2 {
        0 => Ok(()),
        _ => Err(Denial::new("even", n.to_string())),
    }));
    Pipeline::new(gates)
}

#[test]
fn evaluate_denies_as_its_gates_do() {
    let denied = |n| pipeline().evaluate(&n, Proposal::new(())).map(|_| ()).map_err(|d| d.gate);
    assert_eq!(denied(11), Err("small"));
    assert_eq!(denied(9), Err("even"));
    assert_eq!(denied(8), Ok(()));
    assert_eq!(pipeline().gates().names(), ["small", "even"]);
}

#[test]
fn commit_runs_the_closure_on_the_payload_and_names_the_gates_that_passed() {
    let pipeline = pipeline();
    let receipt = pipeline.evaluate(&4, Proposal::new(vec![4])).unwrap();
    let committed = pipeline.commit(receipt, |mut rows| {
        rows.push(5);
        Ok::<_, Infallible>(rows)
    });
    assert_eq!(committed, Ok((vec![4, 5], vec!["small", "even"])));
}

#[test]
fn commit_does_not_ask_the_gates_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut gates = GateSet::new();
    gates.push(gate_fn("once", move |(): &()| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }));
    let pipeline = Pipeline::new(gates);
    let receipt = pipeline.evaluate(&(), Proposal::new(())).unwrap();
    pipeline.commit(receipt, Ok::<_, Infallible>).unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_commit_that_fails_returns_its_error_as_the_source() {
    let pipeline = pipeline();
    let receipt = pipeline.evaluate(&4, Proposal::new("x")).unwrap();
    let error = pipeline.commit(receipt, str::parse::<u8>).unwrap_err();
    assert_eq!(error.to_string(), "the gates passed and the commit failed");
    assert_eq!(error.source().unwrap().to_string(), "invalid digit found in string");
    assert!(matches!(error, CommitError::Failed(_)));
}

/// Without this, whoever holds a pipeline with strict gates could commit anything with the receipt of an empty set.
#[track_caller]
fn check_foreign(pipeline: &Pipeline<()>, foreign: &GateSet<()>, names: &[&'static str]) {
    let Ok(receipt) = foreign.evaluate(&(), Proposal::new(())) else {
        unreachable!("open gates pass");
    };
    let mut ran = false;
    let refused = pipeline.commit(receipt, |()| {
        ran = true;
        Ok::<_, Infallible>(())
    });
    let gates_passed = names.to_vec();
    assert_eq!(refused, Err(CommitError::ForeignReceipt { gates_passed }));
    assert!(!ran);
}

#[test]
fn a_receipt_of_other_gates_does_not_commit() {
    let mut gates = GateSet::new();
    gates.push(shut("a"));
    let pipeline = Pipeline::new(gates);
    check_foreign(&pipeline, &GateSet::new(), &[]);

    let mut same_name = GateSet::new();
    same_name.push(open("a"));
    check_foreign(&pipeline, &same_name, &["a"]);
}

#[test]
fn a_receipt_from_before_the_last_gate_does_not_commit() {
    let mut gates = GateSet::new();
    let early = gates.evaluate(&(), Proposal::new(())).unwrap();
    gates.push(shut("a"));
    let refused = Pipeline::new(gates).commit(early, Ok::<_, Infallible>);
    assert_eq!(refused, Err(CommitError::ForeignReceipt { gates_passed: vec![] }));
}

#[test]
fn a_foreign_receipt_is_refused_with_the_gates_that_it_names() {
    let error = CommitError::<Infallible>::ForeignReceipt { gates_passed: vec!["a", "b"] };
    let message = "receipt was not issued by this pipeline, it names the gates [a, b]";
    assert_eq!(error.to_string(), message);
    assert!(error.source().is_none());
}

#[test]
fn bypass_asks_no_gate_and_records_why_and_which() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut gates = GateSet::new();
    gates.push(gate_fn("asked", move |(): &()| {
        counter.fetch_add(1, Ordering::Relaxed);
        Err(Denial::new("asked", "no"))
    }));
    let bypass = Pipeline::new(gates).bypass(Proposal::new(7), "restore from backup").unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(bypass.payload(), &7);
    assert_eq!(bypass.reason(), "restore from backup");
    assert_eq!(bypass.gates_skipped(), ["asked"]);
    assert_eq!(bypass.into_parts(), (7, String::from("restore from backup")));
}

#[track_caller]
fn check_blank(reason: &str) {
    let refused = pipeline().bypass(Proposal::new(()), reason).map(|_| ());
    assert_eq!(refused, Err(EmptyReason));
}

#[test]
fn bypass_refuses_a_blank_reason() {
    check_blank("");
    check_blank("   ");
    check_blank("\t\r\n");
    check_blank("\u{a0}\u{2003}");
    assert_eq!(EmptyReason.to_string(), "a bypass needs a reason, and this one is blank");
}

#[test]
fn a_reason_is_kept_as_it_was_given() {
    let bypass = pipeline().bypass(Proposal::new(()), String::from(" see log ")).unwrap();
    assert_eq!(bypass.reason(), " see log ");
}

#[test]
fn a_pipeline_shows_its_gates_for_debugging() {
    assert_eq!(format!("{:?}", pipeline()), r#"Pipeline(["small", "even"])"#);
}
