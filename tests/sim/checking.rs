//! A store that was opened, compared with the list of events.

use crate::config::PATHS;
use crate::draft::{ENTITIES, KINDS, SCOPES, SEATS, TAGS};
use crate::model::{Known, Model};
use crate::random::Random;
use batpak::Region;
use batpak::store::{EventRow, SalvageReport, Store, StoreConfig, StoreError, VerifyReport};

type Result<T> = std::result::Result<T, StoreError>;

/// What is found must be what was told: all that was promised, nothing that was refused, each commit as a whole.
pub(crate) fn compare(store: &Store, model: &mut Model, at_least: usize) -> Result<usize> {
    let rows = store.query(&Region::all())?;
    let found = rows.len();
    assert!(found >= at_least, "{at_least} events were promised, {found} are there");
    assert!(found <= model.events.len(), "{found} events are there, {} were appended", model.events.len());
    assert!(found == 0 || model.ends.contains(&found), "{found} events are half of a commit: {:?}", model.ends);
    for (sequence, row) in rows.iter().enumerate() {
        check_event(store, row, sequence, &mut model.events[sequence])?;
    }
    check_regions(store, &model.events[..found])?;
    check_chain(store, model, found)?;
    Ok(found)
}

fn check_event(store: &Store, row: &EventRow, sequence: usize, known: &mut Known) -> Result<()> {
    let draft = &known.draft;
    let stored = store.read(sequence as u64)?;
    let event = &stored.event;
    assert_eq!(event.payload(), &draft.payload(), "event {sequence}");
    let told = (event.event_id(), event.event_hash());
    assert_eq!(*known.told.get_or_insert(told), told, "event {sequence}");
    assert_eq!((event.sequence(), event.idempotency_key()), (sequence as u64, draft.key));
    assert!(event.tags().eq(draft.tags.iter().copied()), "event {sequence}");
    assert_eq!((row.sequence, row.event_id, row.kind), (sequence as u64, told.0, draft.kind));
    assert_eq!((&row.coordinate, &stored.coordinate), (&draft.coordinate(), &draft.coordinate()));
    assert_eq!(store.get(told.0)?.event.sequence(), sequence as u64);
    Ok(())
}

/// Every list of the index names the events that it should.
fn check_regions(store: &Store, events: &[Known]) -> Result<()> {
    for entity in ENTITIES.into_iter().chain(SEATS) {
        let rows = store.try_stream(entity)?;
        check_rows(&rows, events, |event| event.draft.entity == entity);
        assert!(rows.iter().map(|row| row.revision).eq(0..rows.len() as u64), "revisions of {entity}");
        assert!(rows.len() < 2 || !SEATS.contains(&entity), "{entity} is sold twice");
    }
    for scope in SCOPES {
        check_rows(&store.query(&Region::scope(scope))?, events, |event| event.draft.scope == scope);
    }
    for tag in TAGS {
        check_rows(&store.query(&Region::tag(tag))?, events, |event| event.draft.tags.contains(&tag));
    }
    for kind in KINDS {
        check_rows(&store.query(&Region::kind(kind))?, events, |event| event.draft.kind == kind);
    }
    Ok(())
}

#[track_caller]
fn check_rows<'a>(rows: impl IntoIterator<Item = &'a EventRow>, events: &[Known], belongs: impl Fn(&Known) -> bool) {
    let expected = events.iter().zip(0_u64..).filter(|(event, _)| belongs(event)).map(|(_, sequence)| sequence);
    let found: Vec<u64> = rows.into_iter().map(|row| row.sequence).collect();
    assert!(found.iter().copied().eq(expected), "{found:?}");
}

fn check_chain(store: &Store, model: &Model, found: usize) -> Result<()> {
    let report = store.verify_chain()?;
    let tree = model.tree(found);
    assert_eq!((report.events, report.head.size, report.head.root), (found as u64, tree.size(), tree.root()));
    let stats = store.stats()?;
    assert_eq!(stats.events, found as u64);
    // One of which nobody knows whether it is there may count already.
    let entities = entities_of(&model.events[..found])..=entities_of(&model.events);
    assert!(entities.contains(&stats.entities), "{} of {entities:?} entities", stats.entities);
    let durable = usize::try_from(store.diagnostics().durable).expect("a number of events").min(found);
    let (head, tree) = (store.head()?, model.tree(durable));
    assert_eq!((head.size, head.root), (tree.size(), tree.root()));
    Ok(())
}

fn entities_of(events: &[Known]) -> u64 {
    let is_there = |entity: &&&str| events.iter().any(|event| event.draft.entity == **entity);
    ENTITIES.iter().chain(&SEATS).filter(is_there).count() as u64
}

/// Keys of what is there are known, and how long streams are.
pub(crate) fn check_conditions(store: &Store, model: &Model, random: &mut Random) -> Result<()> {
    let events = &model.events[..model.acknowledged];
    let keyed: Vec<&Known> = events.iter().filter(|event| event.draft.key.is_some()).collect();
    for _ in 0..keyed.len().min(3) {
        let Known { draft, told, .. } = *random.pick(&keyed);
        // A key goes before every condition.
        let options = draft.options().expect_len(1_000_000);
        let receipt = store.append_with_options(&draft.coordinate(), draft.kind, &draft.payload(), options)?;
        assert!(receipt.replayed() && !receipt.payload_differs(), "{receipt:?}");
        assert_eq!(Some((receipt.event_id, receipt.event_hash)), *told);
    }
    let Some(Known { draft, .. }) = events.first() else { return Ok(()) };
    let options = draft.options().expect_len(1_000_000);
    let options = batpak::store::AppendOptions { idempotency_key: None, ..options };
    match store.append_with_options(&draft.coordinate(), draft.kind, &draft.payload(), options) {
        Err(StoreError::Conflict { actual, .. }) => assert_eq!(actual, model.len_of(draft.entity)),
        Err(error) => return Err(error),
        Ok(receipt) => panic!("a condition that does not hold: {receipt:?}"),
    }
    Ok(())
}

/// A reader finds the same, whatever way it takes to the index.
pub(crate) fn compare_paths(config: &StoreConfig, model: &mut Model, found: usize) -> Result<()> {
    for (mapped, owned) in PATHS {
        let config = config.clone().with_enable_mmap_index(mapped).with_enable_checkpoint(owned);
        let reader = Store::open_read_only(config)?;
        assert_eq!(compare(&reader, model, found)?, found, "a reader sees the same");
    }
    Ok(())
}

/// What was verified is what is known of so many events, which end where a commit ends.
pub(crate) fn check_verified(report: &VerifyReport, model: &Model) -> usize {
    assert!(report.complete && report.events_lost == 0 && report.events_unlinked == 0, "{report:?}");
    let found = usize::try_from(report.events).expect("a number of events");
    let head = report.head.expect("each event was read");
    assert!(found == 0 || model.ends.contains(&found), "{found} events are half of a commit: {:?}", model.ends);
    assert_eq!(head.size, report.events);
    if model.events[..found].iter().all(|event| event.told.is_some()) {
        assert_eq!(head.root, model.tree(found).root(), "the head of {found} events");
    }
    assert_eq!(report.entities, entities_of(&model.events[..found]));
    found
}

/// All events were saved, and are what they were.
pub(crate) fn check_saved(store: &Store, report: &SalvageReport, model: &mut Model) -> Result<usize> {
    assert!(report.lost.is_empty() && report.rehashed.is_empty(), "nothing was damaged: {report:?}");
    let saved = usize::try_from(report.events).expect("a number of events");
    let found = compare(store, model, saved)?;
    assert_eq!(found, saved, "what was saved is there");
    Ok(found)
}
