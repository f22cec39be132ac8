//! What brought an event about, what it brought about, and all events of an undertaking.

use crate::store::read::Scan;
use crate::store::{EventRow, EventRows, Store, StoreError};
use batpak_core::{Content, EventId, EventRef, Region};
use batpak_index::Direction;
use std::iter::FusedIterator;
use std::ops::Range;

/// The most causes that a walk goes through if nothing else is said.
const HOPS_MAX: usize = 10_000;

/// The causes of an event, the nearest first, read as they are asked for. See [`Store::causes`].
#[derive(Debug)]
pub struct Causes {
    store: Store,
    id: EventId,
    /// What was looked at last.
    last: Option<Last>,
    left: usize,
    end: Option<CausesEnd>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u64,
    cause: Result<EventId, CausesEnd>,
}

/// Why there is no further cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CausesEnd {
    /// The last event names no cause.
    Root,
    /// The event that is named as the cause is not in this store, or not visible; or it is the event whose causes were
    /// asked for.
    Missing {
        /// What is named.
        id: EventId,
    },
    /// The event that is named as the cause does not stand before its effect, so it cannot have brought it about. So a
    /// walk never goes in a circle.
    NotBefore {
        /// What is named.
        id: EventId,
    },
    /// Of the last event only a stub is left, which does not tell its cause.
    Dropped,
    /// So many causes were asked for.
    Limit {
        /// The next cause.
        next: EventId,
    },
    /// An event could not be read; the iterator has returned why.
    Failed,
}

impl Store {
    /// The causes of an event up to the first one, the nearest first. The event itself is not among them.
    ///
    /// A hop looks up one event by its id, and takes as long in a large store as in a small one. There are 10,000 of them
    /// at most, or what [`with_limit`](Causes::with_limit) says. Why there is no further one is told by
    /// [`end`](Causes::end).
    ///
    /// # Errors
    /// Each cause comes as a `Result`, with the errors of [`get`](Self::get); an error is the end. Payloads are not read:
    /// a cause whose payload was erased is a cause.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use batpak::store::CausesEnd;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let order = Coordinate::new("order:7", "shop")?;
    /// let placed = store.append(&order, EventKind::custom(1, 1), &"a chair")?;
    /// let caused = AppendOptions::default().with_causation_id(placed.event_id);
    /// let paid = store.append_with_options(&order, EventKind::custom(1, 2), &12_900, caused)?;
    ///
    /// let mut causes = store.causes(paid.event_id);
    /// assert_eq!(causes.next().expect("it has a cause")?.event_id, placed.event_id);
    /// assert!(causes.next().is_none());
    /// assert_eq!(causes.end(), Some(CausesEnd::Root));
    ///
    /// let effects: Result<Vec<_>, _> = store.effects(placed.event_id).collect();
    /// assert_eq!(effects?[0].event_id, paid.event_id);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn causes(&self, id: EventId) -> Causes {
        Causes { store: self.clone(), id, last: None, left: HOPS_MAX, end: None }
    }

    /// The events that name this one as their cause, in order, read as they are asked for. It may also be an event of
    /// another store.
    ///
    /// # Errors
    /// Each row comes as a `Result`, with the errors of [`get`](Self::get).
    pub fn effects(&self, id: EventId) -> EventRows {
        self.events(&Region::causation(id)).rows()
    }

    /// The events of an undertaking as a tree: those with this correlation id and, if it is the id of an event, that
    /// event. At most `events_max` of them, the first ones, are kept in memory, at about 200 bytes for each.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let (order, kind) = (Coordinate::new("order:7", "shop")?, EventKind::custom(1, 1));
    /// let placed = store.append(&order, kind, &"placed")?.event_id;
    /// let caused = AppendOptions::default().with_correlation_id(placed).with_causation_id(placed);
    /// let paid = store.append_with_options(&order, kind, &"paid", caused)?.event_id;
    /// store.append_with_options(&order, kind, &"packed", caused)?;
    /// store.append_with_options(&order, kind, &"receipt sent", caused.with_causation_id(paid))?;
    ///
    /// let tree = store.correlation(placed, 1000)?;
    /// let lines: Vec<_> = tree.walk().map(|(depth, node)| (depth, node.row().sequence)).collect();
    /// assert_eq!(lines, [(0, 0), (1, 1), (2, 3), (1, 2)]);
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn correlation(&self, id: EventId, events_max: usize) -> Result<CorrelationTree, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        let visible = shared.visible();
        let mut scan = Scan::new(shared, &Region::correlation(id), 0..visible, Direction::Forward);
        let mut events = Vec::new();
        let mut is_whole = true;
        while let Some(row) = scan.next_to_read(shared)? {
            is_whole = events.len() < events_max;
            if !is_whole {
                break;
            }
            let coordinate = scan.coordinate(shared, &row)?;
            let cause = scan.with_row(shared, &row, |event| Ok(event.causation_id()))?;
            events.push((EventRow::new(&row, coordinate), cause));
        }
        if let Some((first, event)) = self.linked(id)?
            && first.sequence < visible
        {
            let at = events.partition_point(|(row, _)| row.sequence < first.sequence);
            // It may have the correlation id, too.
            if events.get(at).is_none_or(|(row, _)| row.event_id != id) {
                events.insert(at, (first, event.cause.ok()));
                is_whole &= events.len() <= events_max;
                events.truncate(events_max);
            }
        }
        Ok(CorrelationTree::new(events, is_whole))
    }

    /// The row of an event and its cause; `None` if it is not there, or not visible.
    fn linked(&self, id: EventId) -> Result<Option<(EventRow, Last)>, StoreError> {
        let row = match self.row_of_id(id) {
            Err(StoreError::NotFound { .. } | StoreError::UnknownId { .. }) => return Ok(None),
            row => row?,
        };
        self.shared().with_row(&row, |event| {
            let last = Last { sequence: row.sequence(), cause: cause_of(event) };
            Ok(Some((EventRow::new(&row, event.coordinate()), last)))
        })
    }
}

fn cause_of(event: &EventRef<'_>) -> Result<EventId, CausesEnd> {
    match event.content() {
        Content::Dropped { .. } => Err(CausesEnd::Dropped),
        Content::Payload { .. } | Content::Erased { .. } => event.causation_id().ok_or(CausesEnd::Root),
    }
}

/// Why a walk does not go on.
enum Stop {
    End(CausesEnd),
    Error(StoreError),
}

impl From<CausesEnd> for Stop {
    fn from(end: CausesEnd) -> Self {
        Self::End(end)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Error(error)
    }
}

impl Causes {
    /// Sets how many causes there are at most.
    #[must_use]
    pub fn with_limit(mut self, hops: usize) -> Self {
        self.left = hops;
        self
    }

    /// Why there is no further cause; `None` as long as that is not known.
    pub fn end(&self) -> Option<CausesEnd> {
        self.end
    }

    fn hop(&mut self) -> Result<EventRow, Stop> {
        let last = match self.last {
            Some(last) => last,
            None => self.look(self.id)?.1,
        };
        let id = last.cause?;
        self.left = self.left.checked_sub(1).ok_or(CausesEnd::Limit { next: id })?;
        let (row, cause) = self.look(id)?;
        if row.sequence >= last.sequence {
            return Err(CausesEnd::NotBefore { id }.into());
        }
        self.last = Some(cause);
        Ok(row)
    }

    fn look(&self, id: EventId) -> Result<(EventRow, Last), Stop> {
        Ok(self.store.linked(id)?.ok_or(CausesEnd::Missing { id })?)
    }
}

impl Iterator for Causes {
    type Item = Result<EventRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.end.is_some() {
            return None;
        }
        match self.hop() {
            Ok(row) => Some(Ok(row)),
            Err(Stop::End(end)) => {
                self.end = Some(end);
                None
            }
            Err(Stop::Error(error)) => {
                self.end = Some(CausesEnd::Failed);
                Some(Err(error))
            }
        }
    }
}

impl FusedIterator for Causes {}

/// The events of an undertaking, and which of them brought about which. See [`Store::correlation`].
///
/// An event whose cause is not among them, or does not stand before it, is a root.
#[derive(Clone, Debug)]
pub struct CorrelationTree {
    /// In the order of their sequence.
    nodes: Vec<Node>,
    roots: Vec<usize>,
    /// Those that have a cause among them, by their cause.
    effects: Vec<usize>,
    is_whole: bool,
}

#[derive(Clone, Debug)]
struct Node {
    row: EventRow,
    causation_id: Option<EventId>,
    cause: Option<usize>,
    /// Where its effects stand.
    effects: Range<usize>,
}

/// An event in a [`CorrelationTree`].
#[derive(Clone, Copy, Debug)]
pub struct CorrelationNode<'t> {
    tree: &'t CorrelationTree,
    at: usize,
}

impl CorrelationTree {
    fn new(events: Vec<(EventRow, Option<EventId>)>, is_whole: bool) -> Self {
        let causes: Vec<Option<usize>> = events.iter().map(|(row, cause)| find(&events, row, (*cause)?)).collect();
        let (mut effects, roots): (Vec<_>, Vec<_>) = (0..events.len()).partition(|at| causes[*at].is_some());
        effects.sort_by_key(|at| causes[*at]);
        let mut end = 0;
        let nodes = events.into_iter().enumerate().map(|(at, (row, causation_id))| {
            let start = end;
            end += effects[start..].iter().take_while(|effect| causes[**effect] == Some(at)).count();
            Node { row, causation_id, cause: causes[at], effects: start..end }
        });
        Self { nodes: nodes.collect(), roots, effects, is_whole }
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether these are all events of the undertaking. Otherwise there are more than were asked for, behind these.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// All events, in the order of their sequence.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = CorrelationNode<'_>> {
        (0..self.len()).map(|at| self.node(at))
    }

    /// Those whose cause is not among them, in the order of their sequence.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = CorrelationNode<'_>> {
        self.roots.iter().map(|at| self.node(*at))
    }

    /// The event with this id.
    pub fn get(&self, id: EventId) -> Option<CorrelationNode<'_>> {
        let at = self.nodes.binary_search_by_key(&id.sequence(), |node| node.row.sequence).ok()?;
        (self.nodes[at].row.event_id == id).then(|| self.node(at))
    }

    /// All events, each before its effects, with the number of its causes among them.
    pub fn walk(&self) -> impl Iterator<Item = (usize, CorrelationNode<'_>)> {
        let mut waiting: Vec<(usize, usize)> = self.roots.iter().rev().map(|at| (0, *at)).collect();
        std::iter::from_fn(move || {
            let (depth, at) = waiting.pop()?;
            let effects = &self.effects[self.nodes[at].effects.clone()];
            waiting.extend(effects.iter().rev().map(|effect| (depth + 1, *effect)));
            Some((depth, self.node(at)))
        })
    }

    fn node(&self, at: usize) -> CorrelationNode<'_> {
        CorrelationNode { tree: self, at }
    }
}

/// Where the cause of an event stands, if it is before it.
fn find(events: &[(EventRow, Option<EventId>)], effect: &EventRow, cause: EventId) -> Option<usize> {
    let at = events.binary_search_by_key(&cause.sequence(), |(row, _)| row.sequence).ok()?;
    (events[at].0.event_id == cause && cause.sequence() < effect.sequence).then_some(at)
}

impl<'t> CorrelationNode<'t> {
    /// The event.
    pub fn row(self) -> &'t EventRow {
        &self.get().row
    }

    /// What the event names as its cause, in the tree or not.
    pub fn causation_id(self) -> Option<EventId> {
        self.get().causation_id
    }

    /// Its cause, if it is in the tree.
    pub fn cause(self) -> Option<Self> {
        self.get().cause.map(|at| self.tree.node(at))
    }

    /// What it brought about directly, in the order of their sequence.
    pub fn effects(self) -> impl ExactSizeIterator<Item = Self> {
        self.tree.effects[self.get().effects.clone()].iter().map(move |at| self.tree.node(*at))
    }

    fn get(self) -> &'t Node {
        &self.tree.nodes[self.at]
    }
}
