//! A wallet that spends only what its gates pass.
//!
//! ```text
//! cargo run -p batpak-guard --example spending
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::convert::Infallible;
use std::error::Error;

use batpak_guard::{ContextFamily, Denial, Gate, GateSetFor, PipelineFor, Proposal, gate_fn};

/// What the gates see: the wallet as it is, and the payment that is proposed.
struct Spending<'a> {
    wallet: &'a Wallet,
    payment: &'a Payment,
}

/// `Spending` for every lifetime, so that the gates can be kept while wallets and payments come and go.
struct Spendings;

impl ContextFamily for Spendings {
    type Context<'a> = Spending<'a>;
}

#[derive(Clone, Debug, PartialEq)]
struct Payment {
    to: &'static str,
    cents: u64,
}

impl Payment {
    fn new(to: &'static str, cents: u64) -> Self {
        Self { to, cents }
    }
}

struct Wallet {
    balance_cents: u64,
    payments: Vec<Payment>,
}

/// A gate with a setting of its own.
struct PaymentLimit {
    max_cents: u64,
}

impl Gate<Spending<'_>> for PaymentLimit {
    fn name(&self) -> &'static str {
        "payment_limit"
    }

    fn description(&self) -> &'static str {
        "no single payment above the limit"
    }

    fn evaluate(&self, spending: &Spending<'_>) -> Result<(), Denial> {
        let cents = spending.payment.cents;
        if cents <= self.max_cents {
            return Ok(());
        }
        let message = format!("{cents} cents, at most {} allowed", self.max_cents);
        Err(Denial::new("payment_limit", message)
            .with_code("LIMIT")
            .with_context("to", spending.payment.to)
            .with_context("cents", cents.to_string())
            .with_context("max_cents", self.max_cents.to_string()))
    }
}

fn covered(spending: &Spending<'_>) -> Result<(), Denial> {
    let (balance, cents) = (spending.wallet.balance_cents, spending.payment.cents);
    if cents <= balance { Ok(()) } else { Err(Denial::new("covered", format!("{cents} cents of {balance}"))) }
}

fn gates() -> GateSetFor<Spendings> {
    let mut gates = GateSetFor::<Spendings>::new();
    gates.push(PaymentLimit { max_cents: 10_000 });
    gates.push(gate_fn("covered", covered).with_code("OVERDRAWN"));
    gates
}

impl Wallet {
    fn write(&mut self, payment: Payment) {
        self.balance_cents -= payment.cents;
        self.payments.push(payment);
    }

    fn pay(&mut self, rules: &PipelineFor<Spendings>, payment: &Payment) -> Result<Vec<&'static str>, Box<dyn Error>> {
        let spending = Spending { wallet: self, payment };
        let receipt = rules.evaluate(&spending, Proposal::new(payment.clone()))?;
        let ((), gates_passed) = rules.commit(receipt, |payment| {
            self.write(payment);
            Ok::<_, Infallible>(())
        })?;
        Ok(gates_passed)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let rules = PipelineFor::new(gates());
    let mut wallet = Wallet { balance_cents: 15_000, payments: Vec::new() };

    let gates_passed = wallet.pay(&rules, &Payment::new("baker", 450))?;
    println!("baker: paid, passed {}", gates_passed.join(", "));
    assert_eq!(gates_passed, ["payment_limit", "covered"]);

    let car = Payment::new("car dealer", 900_000);
    for denial in rules.gates().evaluate_all(&Spending { wallet: &wallet, payment: &car }) {
        println!("car dealer: {denial} {:?}", denial.context);
    }
    let denied = wallet.pay(&rules, &car).map_err(|denial| denial.to_string());
    assert_eq!(denied, Err("[payment_limit] 900000 cents, at most 10000 allowed".to_owned()));

    let rent = Payment::new("landlord", 12_000);
    let bypass = rules.bypass(Proposal::new(rent), "rent, agreed by phone")?;
    println!("landlord: paid without asking {:?}: {}", bypass.gates_skipped(), bypass.reason());
    wallet.write(bypass.into_parts().0);

    assert_eq!(wallet.balance_cents, 15_000 - 450 - 12_000);
    assert_eq!(wallet.payments.len(), 2);
    Ok(())
}
