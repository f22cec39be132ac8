//! Policy gates in front of an action: may this happen, and who said so?
//!
//! A [`Gate`] looks at a context and passes or returns a [`Denial`]. A [`GateSet`] asks its gates in the order in
//! which they were pushed. Only when all of them pass does a [`Proposal`] become a [`Receipt`], and code that takes a
//! receipt by value cannot be reached without one: nobody outside this crate can make, copy or deserialize it. A
//! [`Pipeline`] adds the commit, which spends the receipt, and the bypass, which must name its reason.
//!
//! Use this crate where a decision must be named, ordered and shown afterwards: limits, permissions, invariants before
//! a write, thresholds in a test. It stores nothing, does no I/O, starts no thread and has no dependencies. It is not
//! for authentication, for rules written in a language of their own, or for checks that must wait: a gate answers at
//! once, from what its context holds.
//!
//! # Panicking gates
//!
//! A panic is never a pass. With the feature `std` (on by default) a gate that panics denies, with the code
//! [`GATE_DEFECT`]. Without `std`, or when panics abort, it unwinds or aborts as it would anywhere else, and there is
//! no receipt. The panic hook runs in either case.
//!
//! # Examples
//!
//! ```
//! use batpak_guard::{Denial, GateSet, Proposal, gate_fn};
//!
//! struct Account {
//!     balance_cents: u64,
//!     withdrawal_cents: u64,
//! }
//!
//! let mut gates = GateSet::new();
//! gates.push(gate_fn("enough_money", |account: &Account| {
//!     if account.withdrawal_cents <= account.balance_cents {
//!         Ok(())
//!     } else {
//!         Err(Denial::new("enough_money", "the withdrawal is more than the balance")
//!             .with_code("OVERDRAWN")
//!             .with_context("balance_cents", account.balance_cents.to_string()))
//!     }
//! }));
//!
//! let account = Account { balance_cents: 500, withdrawal_cents: 300 };
//! let receipt = gates.evaluate(&account, Proposal::new(300_u64))?;
//! assert_eq!(receipt.gates_passed(), ["enough_money"]);
//! assert_eq!(receipt.into_parts(), (300, vec!["enough_money"]));
//!
//! let account = Account { balance_cents: 500, withdrawal_cents: 501 };
//! let Err(denial) = gates.evaluate(&account, Proposal::new(501_u64)) else { unreachable!() };
//! assert_eq!(denial.code, "OVERDRAWN");
//! assert_eq!(denial.to_string(), "[enough_money] the withdrawal is more than the balance");
//! # Ok::<(), Denial>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod ask;
mod bypass;
mod context;
mod denial;
mod gate;
mod gate_fn;
mod gate_set;
mod pipeline;
mod proposal;
mod receipt;

pub use bypass::{BypassReceipt, EmptyReason};
pub use context::{ContextFamily, Plain};
pub use denial::{DENIED, Denial, GATE_DEFECT};
pub use gate::Gate;
pub use gate_fn::{GateFn, gate_fn};
pub use gate_set::{GateSet, GateSetFor};
pub use pipeline::{CommitError, Pipeline, PipelineFor};
pub use proposal::Proposal;
pub use receipt::Receipt;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
