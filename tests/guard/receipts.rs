use std::marker::PhantomData;

use batpak_guard::{BypassReceipt, GateSet, Proposal, Receipt};

use crate::open;

/// Says whether a type has a trait: the inherent constant, which is there only if so, goes before the trait's.
macro_rules! has {
    ($type:ty, $trait:path) => {{
        struct Probe<T>(PhantomData<T>);
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T> Otherwise for Probe<T> {}
        impl<T: $trait> Probe<T> {
            const HAS: bool = true;
        }
        const { assert!(Probe::<u8>::HAS, "the probe sees what is there") };
        const { assert!(!<Probe<u8> as Otherwise>::HAS) };
        Probe::<$type>::HAS
    }};
}

fn receipt<T>(payload: T) -> Receipt<T> {
    let mut gates = GateSet::new();
    gates.push(open("a"));
    gates.push(open("b"));
    let Ok(receipt) = gates.evaluate(&(), Proposal::new(payload)) else {
        unreachable!("open gates pass");
    };
    receipt
}

#[test]
fn receipts_cannot_be_copied_or_made_from_nothing() {
    let receipt = [has!(Receipt<u8>, Clone), has!(Receipt<u8>, Default)];
    assert_eq!(receipt, [false, false]);
    let bypass = [has!(BypassReceipt<u8>, Clone), has!(BypassReceipt<u8>, Default)];
    assert_eq!(bypass, [false, false]);
}

#[test]
fn a_receipt_shows_and_returns_the_payload_that_was_proposed() {
    let receipt = receipt(String::from("p"));
    assert_eq!(receipt.payload(), "p");
    assert_eq!(receipt.gates_passed(), ["a", "b"]);
    assert_eq!(receipt.into_parts(), (String::from("p"), vec!["a", "b"]));
}

#[test]
fn a_receipt_carries_payloads_that_cannot_be_copied() {
    struct Unique(u8);
    let (Unique(n), _) = receipt(Unique(3)).into_parts();
    assert_eq!(n, 3);
}

#[test]
fn a_receipt_outlives_its_gates_and_crosses_threads() {
    let names = std::thread::spawn(|| receipt(1)).join().unwrap().into_parts().1;
    assert_eq!(names, vec!["a", "b"]);
}

#[test]
fn a_proposal_shows_its_payload_and_gives_it_back() {
    let proposal = Proposal::new(vec![1]);
    assert_eq!(proposal.payload(), &[1]);
    assert_eq!(proposal.into_payload(), [1]);
}
