//! That the tree is that of RFC 6962.

use batpak_core::{EventHash, Frontier, TreeHash};
use sha2::{Digest, Sha256};

fn leaves(count: u8) -> Vec<EventHash> {
    (0..count).map(|leaf| EventHash::from_bytes([leaf; 32])).collect()
}

/// RFC 6962, section 2.1, word for word.
fn definition(leaves: &[EventHash]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => Sha256::new().chain_update([0]).chain_update(leaf.as_bytes()).finalize().into(),
        _ => {
            let k = (1..leaves.len()).filter(|k| k.is_power_of_two()).max().unwrap();
            let (left, right) = (definition(&leaves[..k]), definition(&leaves[k..]));
            Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
        }
    }
}

#[test]
fn the_root_of_nothing_is_the_hash_of_the_empty_string() {
    let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Frontier::new().root().to_string(), known);
    assert_eq!(Frontier::new().size(), 0);
}

#[test]
fn every_size_has_the_root_of_the_definition() {
    let leaves = leaves(130);
    let mut tree = Frontier::new();
    for size in 0..leaves.len() {
        assert_eq!(tree.root().as_bytes(), &definition(&leaves[..size]), "{size} leaves");
        assert_eq!(tree.size(), size as u64);
        assert_eq!(tree.peaks().len(), size.count_ones() as usize);
        tree.push(&leaves[size]);
    }
}

#[test]
fn leaves_may_come_in_groups_of_any_size() {
    let leaves = leaves(200);
    let mut expected = Frontier::new();
    for size in 0..=leaves.len() {
        for cut in [0, size.min(1), size / 3, size / 2, size.saturating_sub(1)] {
            let mut tree = Frontier::new();
            tree.push_all(&leaves[..cut]);
            tree.push_all(&leaves[cut..size]);
            assert_eq!(tree, expected, "{cut} of {size} leaves first");
        }
        leaves.get(size).into_iter().for_each(|leaf| expected.push(leaf));
    }
}

#[test]
fn a_resumed_tree_grows_like_the_first() {
    let leaves = leaves(40);
    for cut in 0..leaves.len() {
        let mut tree = Frontier::new();
        for leaf in &leaves[..cut] {
            tree.push(leaf);
        }
        let mut resumed = Frontier::from_peaks(tree.size(), tree.peaks()).unwrap();
        for leaf in &leaves[cut..] {
            resumed.push(leaf);
        }
        assert_eq!(resumed.root().as_bytes(), &definition(&leaves));
    }
}

#[test]
fn peaks_that_do_not_fit_the_size_are_refused() {
    let peak = TreeHash::from_bytes([0; 32]);
    let refused = |size, peaks: &[TreeHash]| Frontier::from_peaks(size, peaks).unwrap_err().to_string();
    assert_eq!(refused(7, &[peak]), "a tree of 7 leaves has 3 peaks, not 1");
    assert_eq!(refused(0, &[peak]), "a tree of 0 leaves has 0 peaks, not 1");
    assert_eq!(refused(1, &[]), "a tree of 1 leaves has 1 peaks, not 0");
}

#[test]
fn a_leaf_is_never_taken_for_a_node() {
    let mut tree = Frontier::new();
    for leaf in leaves(2) {
        tree.push(&leaf);
    }
    let mut root_as_leaf = Frontier::new();
    root_as_leaf.push(&EventHash::from_bytes(*tree.root().as_bytes()));
    assert_ne!(tree.root(), root_as_leaf.root());
}
