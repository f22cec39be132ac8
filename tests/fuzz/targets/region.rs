//! Regions of any conditions: an event belongs to one exactly if it should.

use super::asked::Asked;
use super::facts::{Facts, Spec};
use arbitrary::Arbitrary;
use batpak_core::{EventRef, RowFacts};

#[derive(Debug, Arbitrary)]
struct Input {
    events: Vec<Spec>,
    asked: Asked,
}

pub(super) fn run(data: &[u8]) {
    let Some(Input { events, asked }) = super::input::<Input>(data) else { return };
    let region = asked.region();
    let mut known: Vec<Facts> = Vec::new();
    for spec in events.iter().take(64) {
        let facts = Facts::next(spec, &known);
        let record = facts.record(b"");
        let event = EventRef::decode(&record).expect("an event");
        assert_eq!(region.matches(&event), asked.accepts(&facts), "{region:?} of {facts:?}");
        check_clauses(&region, &event);
        known.push(facts);
    }
}

/// What a row tells never excludes an event that belongs.
fn check_clauses(region: &batpak_core::Region, event: &EventRef<'_>) {
    let row = RowFacts::from(event);
    for clause in region.clauses() {
        assert!(!clause.time().is_empty() && !clause.revisions().is_empty() && !clause.sequences().is_empty());
        assert!(clause.entity().is_none() || clause.entity_prefix().is_none());
        assert!(clause.kinds().is_none_or(|kinds| !kinds.is_empty() && kinds.is_sorted()));
        assert!(clause.needs_record() || clause.matches_record(event));
        assert!(!clause.matches_row(&row) || clause.matches_names(row.entity, row.scope));
    }
}
