//! That a stream of events is a chain.

use batpak_core::{Chain, ChainError, EventHash, HashCheck, verify_chain};

use crate::samples::{Owned, decoded, place, stream};

fn verify(records: &[Vec<u8>]) -> Result<Chain, ChainError> {
    verify_chain(records.iter().map(|record| decoded(record)))
}

#[test]
fn a_stream_links_from_its_first_event() {
    let records = stream("account:7", 5);
    let last = decoded(&records[4]).event_hash();
    assert_eq!(verify(&records), Ok(Chain::after(4, last)));
    assert_eq!(verify(&records).map(|chain| (chain.next_revision(), chain.previous())), Ok((5, last)));
}

#[test]
fn no_events_link() {
    assert_eq!(verify(&[]), Ok(Chain::new()));
    assert_eq!((Chain::new().next_revision(), Chain::new().previous()), (0, EventHash::GENESIS));
}

#[test]
fn a_missing_event_shows() {
    let mut records = stream("account:7", 5);
    records.remove(2);
    assert_eq!(verify(&records), Err(ChainError::Revision { expected: 2, revision: 3 }));
    records.remove(0);
    assert_eq!(verify(&records), Err(ChainError::Revision { expected: 0, revision: 1 }));
}

#[test]
fn exchanged_events_show() {
    let mut records = stream("account:7", 5);
    records.swap(1, 2);
    assert_eq!(verify(&records), Err(ChainError::Revision { expected: 1, revision: 2 }));
}

#[test]
fn a_changed_payload_shows() {
    let mut records = stream("account:7", 5);
    let at = records[3].len() - 64 - 1;
    records[3][at] ^= 1;
    assert!(matches!(verify(&records), Err(ChainError::Hash { revision: 3, .. })));
}

#[test]
fn an_event_that_was_replaced_with_its_own_hash_shows_in_the_next() {
    let mut records = stream("account:7", 5);
    let previous = decoded(&records[1]).event_hash();
    records[2] = Owned::plain("account:7", "bank").record(b"forged", &place(12, 2, previous));
    let error = verify(&records).unwrap_err();
    assert!(matches!(error, ChainError::Hash { revision: 3, .. }));
    assert!(error.to_string().starts_with("event hash of revision 3 is "));
}

#[test]
fn another_entitys_event_shows() {
    let mut records = stream("account:7", 3);
    records[2].clone_from(&stream("account:8", 3)[2]);
    assert_eq!(verify(&records), Err(ChainError::Entity { revision: 2 }));
}

#[test]
fn an_entity_may_have_events_in_several_scopes() {
    let mut records = stream("account:7", 1);
    let previous = decoded(&records[0]).event_hash();
    records.push(Owned::plain("account:7", "elsewhere").record(b"", &place(11, 1, previous)));
    assert!(verify(&records).is_ok());
}

#[test]
fn erased_and_dropped_events_leave_a_chain_that_verifies() {
    let mut records = stream("account:7", 5);
    let whole = verify(&records);
    let (mut erased, mut dropped) = (Vec::new(), Vec::new());
    decoded(&records[1]).write_erased(&mut erased);
    decoded(&records[3]).write_dropped(&mut dropped);
    (records[1], records[3]) = (erased, dropped);
    assert_eq!(verify(&records), whole);
}

#[test]
fn a_chain_goes_on_where_it_was_left_and_stays_there_after_an_error() {
    let records = stream("account:7", 5);
    let mut chain = verify(&records[..3]).unwrap();
    let before = chain;
    assert!(chain.link(&decoded(&records[4])).is_err());
    assert_eq!(chain, before);
    chain.link(&decoded(&records[3])).unwrap();
    chain.link(&decoded(&records[4])).unwrap();
    assert_eq!(Ok(chain), verify(&records));
}

/// The results of checking the hashes of these events, linked one after the other, in pairs and alone.
fn check_later(records: &[Vec<u8>]) -> [Vec<Result<(), ChainError>>; 2] {
    let (mut chain, mut alone, mut paired) = (Chain::new(), Vec::new(), Vec::new());
    let mut checks: Vec<HashCheck> = Vec::new();
    for record in records {
        let mut check = HashCheck::new();
        chain.link_later(&decoded(record), &mut check).unwrap();
        alone.push(check.clone().check());
        checks.push(check);
    }
    assert_eq!(chain.next_revision(), records.len() as u64);
    checks.resize(records.len().next_multiple_of(2), HashCheck::new());
    for pair in checks.as_chunks_mut().0 {
        paired.extend(HashCheck::check_both(pair));
    }
    paired.truncate(records.len());
    [alone, paired]
}

#[test]
fn hashes_may_be_checked_later_two_at_a_time() {
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut previous = EventHash::GENESIS;
    let lengths = [0, 1, 39, 40, 100, 5, 223, 224, 3000, 2, 70, 300, 90];
    for (revision, len) in (0..).zip(lengths) {
        let scope = if revision % 4 == 3 { "s".repeat(200) } else { "bank".to_owned() };
        let record = Owned::plain("account:7", &scope).record(&vec![7; len], &place(10 + revision, revision, previous));
        previous = decoded(&record).event_hash();
        records.push(record);
    }
    let (mut erased, mut dropped) = (Vec::new(), Vec::new());
    decoded(&records[4]).write_erased(&mut erased);
    decoded(&records[9]).write_dropped(&mut dropped);
    (records[4], records[9]) = (erased, dropped);
    assert_eq!(check_later(&records), [vec![Ok(()); 13], vec![Ok(()); 13]]);

    // One bit of each hash: what follows differs too.
    for changed in (0..records.len()).filter(|changed| *changed != 9) {
        let mut records = records.clone();
        *records[changed].last_mut().unwrap() ^= 1;
        let mut chain = Chain::new();
        let expected: Vec<_> = records
            .iter()
            .map(|record| {
                let event = decoded(record);
                let result = event.verify(&chain.previous());
                chain = Chain::after(event.revision(), event.event_hash());
                result
            })
            .collect();
        assert!(expected[changed].is_err());
        assert_eq!(check_later(&records), [expected.clone(), expected]);
    }
}

#[test]
fn an_event_with_another_revision_leaves_the_check_as_it_was() {
    let records = stream("account:7", 3);
    let (mut chain, mut check) = (Chain::new(), HashCheck::new());
    let error = chain.link_later(&decoded(&records[1]), &mut check);
    assert_eq!(error, Err(ChainError::Revision { expected: 0, revision: 1 }));
    assert_eq!((chain, check.check()), (Chain::new(), Ok(())));
}
