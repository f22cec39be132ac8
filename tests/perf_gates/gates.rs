//! Bounds on figures, as gates.

use batpak::guard::{Denial, GateSet, gate_fn};

/// What a figure must not be below or above.
pub(crate) struct Bound<F> {
    name: &'static str,
    figure: fn(&F) -> f64,
    limit: Limit,
}

#[derive(Clone, Copy)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

pub(crate) fn at_least<F>(name: &'static str, least: f64, figure: fn(&F) -> f64) -> Bound<F> {
    Bound { name, figure, limit: Limit::AtLeast(least) }
}

pub(crate) fn at_most<F>(name: &'static str, most: f64, figure: fn(&F) -> f64) -> Bound<F> {
    Bound { name, figure, limit: Limit::AtMost(most) }
}

impl<F> Bound<F> {
    fn check(&self, figures: &F) -> Result<(), Denial> {
        let measured = (self.figure)(figures);
        let is_kept = match self.limit {
            Limit::AtLeast(least) => measured >= least,
            Limit::AtMost(most) => measured <= most,
        };
        if is_kept { Ok(()) } else { Err(Denial::new(self.name, self.says(measured))) }
    }

    fn says(&self, measured: f64) -> String {
        match self.limit {
            Limit::AtLeast(least) => format!("{measured:.3}, at least {least} is asked"),
            Limit::AtMost(most) => format!("{measured:.3}, at most {most} is asked"),
        }
    }
}

pub(crate) fn set<F: 'static>(bounds: impl IntoIterator<Item = Bound<F>>) -> GateSet<F> {
    let mut gates = GateSet::new();
    for bound in bounds {
        gates.push(gate_fn(bound.name, move |figures: &F| bound.check(figures)));
    }
    gates
}

/// Says every figure, which `--nocapture` shows, and fails with every bound that is not kept.
#[track_caller]
#[expect(clippy::print_stdout, reason = "this is what a test says")]
pub(crate) fn hold<F: 'static>(figures: &F, bounds: impl IntoIterator<Item = Bound<F>>) {
    let bounds = bounds.into_iter().inspect(|bound| {
        println!("{}: {}", bound.name, bound.says((bound.figure)(figures)));
    });
    let denials: Vec<String> = set(bounds).evaluate_all(figures).iter().map(ToString::to_string).collect();
    assert!(denials.is_empty(), "{}", denials.join("; "));
}
