//! Verifying a store: everything in its files against everything else that it says.

use crate::store::kinds_check::KindsCheck;
use crate::store::lost::is_lost;
use crate::store::part_check::PartChecks;
use crate::store::part_file::listed;
use crate::store::read::decode_at;
use crate::store::status::LEAVES;
use crate::store::{Head, Store, StoreConfig, StoreError, TornEnd};
use batpak_core::{Chain, ChainError, EventHash, EventRef, Frontier, HashCheck, TreeHash};
use batpak_segment::{Inspected, Inspection, LogHead, Position, Step};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::ops::ControlFlow::{self, Break, Continue};
use std::ops::Range;
use std::path::PathBuf;

/// What a [`Finding`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// Segments: the bytes of one, or what follows what.
    Segment,
    /// Events: they cannot be read, or are not what they have to be.
    Event,
    /// A head that a segment names, which is not that of the events before it.
    Head,
    /// A file of the index, or that of kinds. Nothing is lost by it: it is made again from the segments when it is used.
    Index,
}

/// One thing that is wrong with a store.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// Number of the segment, if it is about one.
    pub segment: Option<u64>,
    /// Offset in the file, in bytes, if it is about one place.
    pub offset: Option<u64>,
    /// The sequences of the events that it is about; of an index file those that it is named by. Empty if they are not
    /// known.
    pub events: Range<u64>,
    /// The file, if it is one of the index or that of kinds.
    pub file: Option<PathBuf>,
    /// What is wrong, in one line, with its causes.
    pub error: StoreError,
}

impl Finding {
    pub(crate) fn of(subject: Subject, error: StoreError) -> Self {
        let (segment, offset) = match &error {
            StoreError::Corrupt { segment, offset, .. } => (*segment, *offset),
            _ => (None, None),
        };
        Self { subject, segment, offset, events: 0..0, file: None, error }
    }
}

/// What was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Number of events that were read.
    pub events: u64,
    /// How many of them only stand in the place of an event that a [salvage](crate::store::salvage) could not save.
    pub stubs: u64,
    /// Number of entities that they belong to.
    pub entities: u64,
    /// Number of commits that were read; what a segment begins and ends with counts too.
    pub commits: u64,
    /// Number of segments that were read.
    pub segments: u64,
    /// Bytes in their files.
    pub bytes: u64,
    /// Number of index files that were compared with the events.
    pub index_files: u64,
    /// Number of findings.
    pub findings: u64,
    /// Number of events that could not be read, as far as events behind them tell; those of which only the checksum is
    /// damaged too.
    pub events_lost: u64,
    /// Events that follow one that could not be read in their entity: their hash cannot be computed without it.
    pub events_unlinked: u64,
    /// The head over all events; none if one could not be read.
    pub head: Option<Head>,
    /// Whether the last writer closed the store. Of a store that is open for writing, and after a crash, it is false:
    /// what a power cut took then, only a head that was kept elsewhere can tell.
    pub closed_cleanly: bool,
    /// What the next writer will cut from the end: it was never known to survive a power cut.
    pub torn: Option<TornEnd>,
    /// Whether all of it was gone through; false if that was broken off.
    pub complete: bool,
}

impl VerifyReport {
    /// Whether all of the store was gone through and nothing is wrong with it.
    pub fn is_intact(&self) -> bool {
        self.complete && self.findings == 0
    }
}

/// The events of a store that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainReport {
    /// Number of events: all that were visible.
    pub events: u64,
    /// Number of entities.
    pub entities: u64,
    /// The head over these events, to compare with one that was kept elsewhere.
    pub head: Head,
}

/// Reads all of the store in a directory, also one that does not open, and tells `each` what is wrong with it, as it is
/// found, until all is read or `each` breaks off. Nothing is changed and no lock is taken. Of the options only the
/// directory, the environment and those of the index count.
///
/// It also works beside the process that writes the store, and then verifies all that was visible before and some of what
/// is appended meanwhile, at most to the end of the segment that is written to.
///
/// Verified are: headers, frames, records and their checksums; that sequences have no gap; that segments name each other
/// and none is missing; the hashes of every event and that it follows the one before in its entity; the heads that
/// segments name; that index files are whole and have for each event the row that belongs to it; and that the file of
/// kinds says what the segments say. What a power cut
/// took, or somebody who can write the directory and make all of it anew, shows only in the [head](VerifyReport::head),
/// compared with one that was kept elsewhere.
///
/// An event with a wrong checksum counts as lost here, whatever is wrong: if it is only the checksum,
/// [`salvage`](crate::store::salvage()) saves the event, because its hash follows.
///
/// Segments are read with one buffer of 256 KiB, more for larger commits; memory grows with the number of entities.
///
/// # Errors
/// `NoStore` if there is nothing that is named like a segment; `Io` if the directory cannot be listed; `InvalidOption`.
/// What cannot be read of a file is a finding.
///
/// # Examples
/// ```
/// use batpak::prelude::*;
/// use batpak::store::{Subject, verify};
/// use std::ops::ControlFlow::Continue;
///
/// let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// let seat = Coordinate::new("seat:4", "hall")?;
/// for n in 0..3 {
///     store.append(&seat, EventKind::custom(1, 1), &n)?;
/// }
/// store.close()?;
/// let report = verify(dir.path(), |_| Continue(()))?;
/// assert!(report.is_intact() && report.closed_cleanly);
///
/// // One bit of the first event.
/// let segment = dir.path().join("0000000000.0000.fbat");
/// let mut bytes = std::fs::read(&segment)?;
/// bytes[420] ^= 1;
/// std::fs::write(&segment, bytes)?;
///
/// let mut lost = Vec::new();
/// let report = verify(dir.path(), |finding| {
///     if finding.subject == Subject::Event {
///         lost.push((finding.events, finding.segment, finding.offset));
///     }
///     Continue(())
/// })?;
/// assert_eq!(lost, [(0..1, Some(0), Some(360))]);
/// assert_eq!((report.events, report.events_lost, report.head), (2, 1, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(
    config: impl Into<StoreConfig>,
    each: impl FnMut(Finding) -> ControlFlow<()>,
) -> Result<VerifyReport, StoreError> {
    let config: StoreConfig = config.into();
    config.check()?;
    run(&config, u64::MAX, true, each)
}

impl Store {
    /// Reads every visible event from the files again, and all else as [`verify`](verify()) does, and tells `each` what is
    /// wrong, as it is found, until all is read or `each` breaks off. Damage that is met ends writing.
    ///
    /// # Errors
    /// `Io` if the directory cannot be listed; `NoStore` if all segments are gone; `Closed`.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    /// use std::ops::ControlFlow::Continue;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// store.append(&Coordinate::new("seat:4", "hall")?, EventKind::custom(1, 1), &7)?;
    /// let report = store.verify(|finding| {
    ///     eprintln!("{}", finding.error);
    ///     Continue(())
    /// })?;
    /// assert!(report.is_intact());
    /// assert_eq!((report.events, report.head.map(|head| head.size)), (1, Some(1)));
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify(&self, each: impl FnMut(Finding) -> ControlFlow<()>) -> Result<VerifyReport, StoreError> {
        self.verify_visible(true, each)
    }

    /// Verifies every visible event, as [`verify`](Self::verify) does, and fails at the first thing that is wrong. Files of
    /// the index are not looked at.
    ///
    /// A missing end of the store, or a missing entity, shows only in the [head](ChainReport::head).
    ///
    /// # Errors
    /// `Chain` at the first event that does not follow; `Corrupt` if one stands in another's place or bytes are not what
    /// was written; `Record`; `Io`; `Closed`.
    pub fn verify_chain(&self) -> Result<ChainReport, StoreError> {
        let mut first = None;
        let report = self.verify_visible(false, |finding| {
            first = Some(finding.error);
            Break(())
        })?;
        match (first, report.head) {
            (Some(error), _) => Err(error),
            (None, Some(head)) => Ok(ChainReport { events: report.events, entities: report.entities, head }),
            (None, None) => Err(StoreError::NotFound { sequence: report.events }),
        }
    }

    fn verify_visible(
        &self,
        with_index: bool,
        mut each: impl FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<VerifyReport, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        run(&shared.config, shared.visible(), with_index, |mut finding| {
            if finding.subject == Subject::Segment {
                finding.error = shared.known(finding.error);
            }
            each(finding)
        })
    }
}

/// Verifies the events before `limit`.
fn run(
    config: &StoreConfig,
    limit: u64,
    with_index: bool,
    each: impl FnMut(Finding) -> ControlFlow<()>,
) -> Result<VerifyReport, StoreError> {
    // Before the segments: what an index file is about was in a segment before.
    let files = if with_index { listed(config).map_err(|error| unlisted(config, error))? } else { Vec::new() };
    let list = || Inspection::open(&config.environment, &config.data_dir);
    let store_id = list()?.store_id();
    let parts = PartChecks::new(config, store_id, files, limit);
    let kinds = KindsCheck::new(config, store_id, with_index && limit == u64::MAX);
    let inspection = list()?;
    let heads = inspection.heads().into_iter().filter(|(_, head)| head.size <= limit).collect();
    let mut verifier = Verifier::new(limit, heads, parts, kinds, each);
    let inspected = inspection.run(|step| verifier.step(step));
    Ok(verifier.finish(inspected))
}

fn unlisted(config: &StoreConfig, source: io::Error) -> StoreError {
    if source.kind() == io::ErrorKind::NotFound {
        return StoreError::NoStore { path: config.data_dir.clone() };
    }
    StoreError::Io { operation: "list", path: config.data_dir.clone(), source }
}

/// The end of every entity's stream: what its next event has to link to.
type Chains = HashMap<Box<str>, Chain, foldhash::fast::RandomState>;

struct Verifier<'c, F> {
    /// Events from here on are not looked at.
    limit: u64,
    /// The sequence of the next event.
    next: u64,
    chains: Chains,
    /// Those of which hashes are checked together.
    checks: [HashCheck; 2],
    /// The event whose hash waits for that of the next one: where it is, and its entity beside it.
    waiting: Option<Position>,
    waiting_entity: String,
    /// None once an event is missing.
    tree: Option<Frontier>,
    /// What is not in the tree yet.
    leaves: Vec<EventHash>,
    /// Those that were not reached yet.
    heads: VecDeque<(u64, LogHead)>,
    parts: PartChecks<'c>,
    kinds: KindsCheck<'c>,
    segment: Option<u64>,
    /// Where something was wrong last: segment and offset.
    defect: Option<(Option<u64>, Option<u64>)>,
    /// Whether events were read since.
    is_behind: bool,
    /// The segment of which it was told that events in it stand behind later ones.
    repeats: Option<u64>,
    report: VerifyReport,
    each: F,
}

impl<'c, F: FnMut(Finding) -> ControlFlow<()>> Verifier<'c, F> {
    fn new(limit: u64, heads: VecDeque<(u64, LogHead)>, parts: PartChecks<'c>, kinds: KindsCheck<'c>, each: F) -> Self {
        Self {
            limit,
            next: 0,
            chains: Chains::default(),
            checks: [HashCheck::new(), HashCheck::new()],
            waiting: None,
            waiting_entity: String::new(),
            tree: Some(Frontier::new()),
            leaves: Vec::with_capacity(LEAVES),
            heads,
            parts,
            kinds,
            segment: None,
            defect: None,
            is_behind: false,
            repeats: None,
            report: VerifyReport::default(),
            each,
        }
    }

    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        match step {
            Step::Record(position, _) if position.sequence >= self.limit => Continue(()),
            Step::Record(position, bytes) => self.record(position, bytes),
            Step::FrameRecord(position, record_type, body) => match self.kinds.take(position, record_type, body) {
                Ok(()) => Continue(()),
                Err(error) => self.find(Finding { segment: self.segment, ..Finding::of(Subject::Segment, error) }),
            },
            Step::Segment(number) => {
                self.check_waiting()?;
                self.segment = Some(number);
                Continue(())
            }
            Step::Defect(error) => {
                let finding = Finding::of(Subject::Segment, error.into());
                if self.defect.is_none() || self.is_behind {
                    self.defect = Some((finding.segment, finding.offset));
                    self.is_behind = false;
                }
                self.find(finding)
            }
            Step::Broken(..) => Continue(()),
        }
    }

    /// Tells of a finding, behind what there is to tell of the events before.
    fn find(&mut self, finding: Finding) -> ControlFlow<()> {
        self.check_waiting()?;
        self.tell(finding)
    }

    fn tell(&mut self, finding: Finding) -> ControlFlow<()> {
        self.report.findings += 1;
        (self.each)(finding)
    }

    #[inline]
    fn record(&mut self, position: Position, bytes: &[u8]) -> ControlFlow<()> {
        if position.sequence < self.next {
            return self.repeated(position);
        }
        if position.sequence > self.next {
            self.missing(position.sequence)?;
        }
        self.is_behind = true;
        self.next = position.sequence + 1;
        match decode_at(position, bytes) {
            Ok(event) => self.event(position, &event),
            Err(error) => {
                self.check_waiting()?;
                self.tree = None;
                self.report.events_lost += 1;
                self.about_event(position, error)
            }
        }
    }

    /// An event stands behind one that comes after it. It is told once for each segment.
    fn repeated(&mut self, position: Position) -> ControlFlow<()> {
        if std::mem::replace(&mut self.repeats, self.segment) == self.segment {
            return Continue(());
        }
        self.check_waiting()?;
        let reason = format!("event {} stands behind event {}", position.sequence, self.next - 1);
        let (segment, offset) = (self.segment, Some(position.offset));
        self.about_event(position, StoreError::Corrupt { segment, offset, reason })
    }

    /// The events up to `end` were not there.
    fn missing(&mut self, end: u64) -> ControlFlow<()> {
        self.check_waiting()?;
        let events = self.next..end;
        self.tree = None;
        self.report.events_lost += events.end - events.start;
        let (segment, offset) = self.defect.unwrap_or((self.segment, None));
        let reason = format!("events {} to {} cannot be read", events.start, events.end - 1);
        let error = StoreError::Corrupt { segment, offset, reason };
        self.find(Finding { events, ..Finding::of(Subject::Event, error) })
    }

    fn about_event(&mut self, position: Position, error: StoreError) -> ControlFlow<()> {
        let (segment, offset) = (self.segment, Some(position.offset));
        let events = position.sequence..position.sequence + 1;
        self.tell(Finding { subject: Subject::Event, segment, offset, events, file: None, error })
    }

    #[inline]
    fn event(&mut self, position: Position, event: &EventRef<'_>) -> ControlFlow<()> {
        self.report.events += 1;
        self.report.stubs += u64::from(is_lost(event));
        self.link(position, event)?;
        if let Some(tree) = &self.tree {
            self.leaves.push(event.event_hash());
            let size = tree.size() + self.leaves.len() as u64;
            if self.heads.front().is_some_and(|(_, head)| head.size <= size) {
                self.compare_head()?;
            } else if self.leaves.len() == LEAVES {
                self.grow_tree();
            }
        }
        self.kinds.compare(position, event);
        match self.parts.compare(position, event) {
            Some(finding) => self.find(finding),
            None => Continue(()),
        }
    }

    /// Verifies that an event follows the one before in its entity. What follows one that is not there is taken as it
    /// is. Its hash may be checked only with that of the next event.
    #[inline]
    fn link(&mut self, position: Position, event: &EventRef<'_>) -> ControlFlow<()> {
        let chain = match self.chains.get_mut(event.entity()) {
            Some(chain) => chain,
            None => self.chains.entry(event.entity().into()).or_default(),
        };
        let check = &mut self.checks[usize::from(self.waiting.is_some())];
        if let Err(source) = chain.link_later(event, check) {
            let gap = event.revision().saturating_sub(chain.next_revision());
            *chain = Chain::after(event.revision(), event.event_hash());
            self.check_waiting()?;
            if (1..=self.report.events_lost).contains(&gap) {
                self.report.events_unlinked += 1;
                return Continue(());
            }
            return self.unchained(position, event.entity(), source);
        }
        let Some(before) = self.waiting.take() else {
            self.waiting = Some(position);
            self.waiting_entity.clear();
            self.waiting_entity.push_str(event.entity());
            return Continue(());
        };
        let [first, second] = HashCheck::check_both(&mut self.checks);
        if let Err(source) = first {
            self.unchained(before, &self.waiting_entity.clone(), source)?;
        }
        match second {
            Ok(()) => Continue(()),
            Err(source) => self.unchained(position, event.entity(), source),
        }
    }

    /// Checks the hash of the event that waits for another one.
    #[inline]
    fn check_waiting(&mut self) -> ControlFlow<()> {
        let Some(position) = self.waiting.take() else { return Continue(()) };
        match self.checks[0].check() {
            Ok(()) => Continue(()),
            Err(source) => self.unchained(position, &self.waiting_entity.clone(), source),
        }
    }

    /// An event does not follow the one before in its entity.
    #[cold]
    fn unchained(&mut self, position: Position, entity: &str, source: ChainError) -> ControlFlow<()> {
        let error =
            StoreError::Chain { sequence: position.sequence, entity: entity.to_owned(), source: Box::new(source) };
        self.about_event(position, error)
    }

    fn grow_tree(&mut self) {
        if let Some(tree) = &mut self.tree {
            tree.push_all(&self.leaves);
        }
        self.leaves.clear();
    }

    /// Compares the heads of as many events as there are now.
    fn compare_head(&mut self) -> ControlFlow<()> {
        self.grow_tree();
        let Some(found) = self.tree.as_ref().map(Head::of) else { return Continue(()) };
        while let Some((number, head)) = self.heads.pop_front_if(|(_, head)| head.size <= found.size) {
            let is_same = head.size < found.size || head.root == *found.root.as_bytes();
            if !is_same {
                let named = TreeHash::from_bytes(head.root);
                let reason = format!(
                    "segment {number} names the head {named} of {} events, theirs is {}",
                    head.size, found.root
                );
                self.find(head_finding(number, reason))?;
            }
        }
        Continue(())
    }

    fn finish(mut self, inspected: Option<Inspected>) -> VerifyReport {
        let is_whole = inspected.is_some_and(|inspected| self.end(inspected).is_continue());
        self.report.complete = is_whole;
        self.report.entities = self.chains.len() as u64;
        self.report.index_files = self.parts.compared();
        self.report.head = self.tree.as_ref().filter(|_| is_whole).map(Head::of);
        self.report
    }

    /// What can be said once everything was read.
    fn end(&mut self, inspected: Inspected) -> ControlFlow<()> {
        self.check_waiting()?;
        self.grow_tree();
        let Inspected { segments, frames, bytes, repair, .. } = inspected;
        self.report.commits = frames;
        self.report.bytes = bytes;
        self.report.segments = repair.segments;
        self.report.closed_cleanly = repair.closed_cleanly;
        self.report.torn = repair.torn.map(TornEnd::from);
        if self.limit != u64::MAX && self.next < self.limit {
            self.missing(self.limit)?;
        }
        if let Some((number, head)) = self.heads.pop_front().filter(|_| self.tree.is_some()) {
            let reason = format!("segment {number} names the head of {} events, there are {}", head.size, self.next);
            self.find(head_finding(number, reason))?;
        }
        for finding in self.parts.finish(&segments, self.next) {
            self.find(finding)?;
        }
        // What describes a kind may have been lost with an event, or stood in what is damaged.
        let is_whole = self.defect.is_none() && self.tree.is_some();
        match self.kinds.finish(self.next).filter(|_| is_whole) {
            Some(finding) => self.find(finding),
            None => Continue(()),
        }
    }
}

fn head_finding(number: u64, reason: String) -> Finding {
    Finding::of(Subject::Head, StoreError::Corrupt { segment: Some(number), offset: None, reason })
}
