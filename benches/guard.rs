//! What each verb of `batpak-guard` costs, beside a call that does nothing.
//!
//! ```text
//! cargo bench -p batpak-guard
//! ```

use std::convert::Infallible;
use std::panic::resume_unwind;

use batpak_guard::{Denial, Gate, GateSet, Pipeline, Proposal, gate_fn};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

const GATES: [usize; 4] = [0, 1, 8, 64];

fn main() {
    divan::main();
}

struct AtLeast(u64);

impl Gate<u64> for AtLeast {
    fn name(&self) -> &'static str {
        "at_least"
    }

    fn evaluate(&self, n: &u64) -> Result<(), Denial> {
        if *n >= self.0 { Ok(()) } else { Err(Denial::new("at_least", "too small")) }
    }
}

fn gates(len: usize) -> GateSet<u64> {
    let mut gates = GateSet::new();
    for _ in 0..len {
        gates.push(AtLeast(1));
    }
    gates
}

/// A gate that unwinds without the panic hook, which would write a line each time.
fn broken() -> GateSet<u64> {
    let mut gates = GateSet::new();
    gates.push(gate_fn("broken", |_: &u64| resume_unwind(Box::new("broken"))));
    gates
}

#[divan::bench]
fn baseline_nothing(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| black_box(1_u64));
}

/// The same gates, called one by one through boxes, without a set and without a receipt.
#[divan::bench(args = GATES)]
fn baseline_boxed_calls(bencher: Bencher<'_, '_>, len: usize) {
    let gates: Vec<Box<dyn Gate<u64>>> = (0..len).map(|_| Box::new(AtLeast(1)) as _).collect();
    bencher.counter(ItemsCount::new(len)).bench_local(|| gates.iter().all(|gate| gate.evaluate(black_box(&1)).is_ok()));
}

#[divan::bench(args = GATES)]
fn evaluate_passes(bencher: Bencher<'_, '_>, len: usize) {
    let gates = gates(len);
    bencher.counter(ItemsCount::new(len)).bench_local(|| gates.evaluate(black_box(&1), Proposal::new(7_u64)));
}

#[divan::bench(threads = [1, 2])]
fn evaluate_passes_beside_other_threads(bencher: Bencher<'_, '_>) {
    let gates = gates(8);
    bencher.bench(|| gates.evaluate(black_box(&1), Proposal::new(7_u64)));
}

#[divan::bench]
fn evaluate_denies_at_once(bencher: Bencher<'_, '_>) {
    let gates = gates(8);
    bencher.bench_local(|| gates.evaluate(black_box(&0), Proposal::new(7_u64)));
}

#[divan::bench]
fn evaluate_catches_a_panic(bencher: Bencher<'_, '_>) {
    let gates = broken();
    bencher.bench_local(|| gates.evaluate(black_box(&0), Proposal::new(7_u64)));
}

#[divan::bench(args = GATES)]
fn evaluate_all_passes(bencher: Bencher<'_, '_>, len: usize) {
    let gates = gates(len);
    bencher.counter(ItemsCount::new(len)).bench_local(|| gates.evaluate_all(black_box(&1)));
}

#[divan::bench(args = GATES)]
fn evaluate_all_denies(bencher: Bencher<'_, '_>, len: usize) {
    let gates = gates(len);
    bencher.counter(ItemsCount::new(len)).bench_local(|| gates.evaluate_all(black_box(&0)));
}

#[divan::bench(args = [1, 8, 64])]
fn push(bencher: Bencher<'_, '_>, len: usize) {
    bencher.counter(ItemsCount::new(len)).bench_local(|| gates(black_box(len)));
}

#[divan::bench]
fn issued(bencher: Bencher<'_, '_>) {
    let gates = gates(8);
    let receipt = gates.evaluate(&1, Proposal::new(7_u64));
    bencher.bench_local(|| receipt.as_ref().is_ok_and(|receipt| gates.issued(black_box(receipt))));
}

#[divan::bench(args = [1, 8, 64])]
fn receipt_into_parts(bencher: Bencher<'_, '_>, len: usize) {
    let gates = gates(len);
    bencher
        .with_inputs(|| gates.evaluate(&1, Proposal::new(7_u64)))
        .bench_local_values(|receipt| receipt.map(batpak_guard::Receipt::into_parts));
}

#[divan::bench]
fn pipeline_evaluate_and_commit(bencher: Bencher<'_, '_>) {
    let pipeline = Pipeline::new(gates(8));
    bencher.bench_local(|| {
        pipeline
            .evaluate(black_box(&1), Proposal::new(7_u64))
            .map(|receipt| pipeline.commit(receipt, Ok::<_, Infallible>))
    });
}

#[divan::bench]
fn pipeline_commit(bencher: Bencher<'_, '_>) {
    let pipeline = Pipeline::new(gates(8));
    bencher
        .with_inputs(|| pipeline.evaluate(&1, Proposal::new(7_u64)))
        .bench_local_values(|receipt| receipt.map(|receipt| pipeline.commit(receipt, Ok::<_, Infallible>)));
}

#[divan::bench]
fn pipeline_bypass(bencher: Bencher<'_, '_>) {
    let pipeline = Pipeline::new(gates(8));
    bencher.bench_local(|| pipeline.bypass(Proposal::new(7_u64), black_box("restore")));
}

#[divan::bench]
fn denial_new() -> Denial {
    Denial::new(black_box("gate"), black_box("too small"))
}

#[divan::bench]
fn denial_with_context() -> Denial {
    Denial::new(black_box("gate"), black_box("too small"))
        .with_code(black_box("LIMIT"))
        .with_context(black_box("size"), black_box("12"))
        .with_context(black_box("limit"), black_box("10"))
}

#[divan::bench]
fn denial_display(bencher: Bencher<'_, '_>) {
    let denial = Denial::new("gate", "too small");
    bencher.bench_local(|| black_box(&denial).to_string());
}
