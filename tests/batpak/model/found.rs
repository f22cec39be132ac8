//! Projections that keep what they are given.

use crate::fixtures::{Anything, OTHER};
use batpak::store::{EventSourced, Projection, RawMsgpackInput, ValueInput};
use batpak::{Event, EventKind};
use serde_json::Value;

#[derive(Debug, Default)]
pub(super) struct Typed(pub(super) Vec<Value>);

impl Projection for Typed {
    type Event = Anything;

    fn apply(&mut self, event: &Event<Anything>) {
        self.0.push(event.payload().value().clone());
    }
}

#[derive(Debug)]
pub(super) struct Shown(pub(super) Vec<Value>);

impl EventSourced for Shown {
    type Input = ValueInput;

    fn from_events(events: &[Event<Value>]) -> Option<Self> {
        Some(Self(events.iter().map(|event| event.payload().clone()).collect()))
    }

    fn apply_event(&mut self, event: &Event<Value>) {
        self.0.push(event.payload().clone());
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[OTHER]
    }
}

#[derive(Debug)]
pub(super) struct Raw(pub(super) usize);

impl EventSourced for Raw {
    type Input = RawMsgpackInput;

    fn from_events(events: &[Event<&[u8]>]) -> Option<Self> {
        Some(Self(events.len()))
    }

    fn apply_event(&mut self, _event: &Event<&[u8]>) {
        self.0 += 1;
    }

    fn relevant_event_kinds() -> &'static [EventKind] {
        &[]
    }
}
