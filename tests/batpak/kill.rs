//! A process that is killed at any moment while it appends: every event that it had acknowledged is there.

use crate::random::Random;
use crate::support::PATIENCE;
use batpak::prelude::*;
use batpak::store::WritePath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CHILD: &str = "kill::the_process_that_is_killed";
const DIRECTORY: &str = "BATPAK_KILL_DIR";
const SEED: &str = "BATPAK_KILL_SEED";
const ROUNDS: &str = "BATPAK_KILL_ROUNDS";
/// So that other output of the test harness is not taken for a receipt.
const MARK: &str = "receipt";
const KIND: EventKind = EventKind::custom(2, 1);
const THREADS: u32 = 4;
/// Rounds in one directory: each goes on where the one before was killed.
const ROUNDS_PER_DIRECTORY: u32 = 5;

/// A payload says to which commit it belongs, and its filler follows from that.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Payload {
    commit: u64,
    item: u32,
    items: u32,
    filler: String,
}

impl Payload {
    fn new(commit: u64, item: u32, items: u32) -> Self {
        let mut random = Random::new(commit ^ u64::from(item) << 32);
        let len = usize::try_from(random.below(300)).expect("small");
        let filler = (0..len).map(|_| char::from(b'a' + u8::try_from(random.below(26)).expect("small"))).collect();
        Self { commit, item, items, filler }
    }
}

/// How one process behaves, which follows from its seed.
#[derive(Clone, Copy, Debug)]
struct Habits {
    path: WritePath,
    segment_max_bytes: u64,
    every_n_events: u64,
    /// Whether it reports every receipt, which slows it down, or one of fifty. A receipt speaks for all events before.
    reports_all: bool,
}

impl Habits {
    fn new(seed: u64) -> Self {
        Self {
            path: if seed.is_multiple_of(3) { WritePath::Direct } else { WritePath::Tail },
            segment_max_bytes: [8 << 10, 8 << 10, 64 << 10, 4 << 20][usize::try_from(seed >> 8 & 3).expect("small")],
            every_n_events: if seed >> 10 & 1 == 0 { 40 } else { 1000 },
            reports_all: seed >> 11 & 1 == 0,
        }
    }

    fn config(self, dir: impl AsRef<Path>) -> StoreConfig {
        let config = StoreConfig::new(dir).with_segment_max_bytes(self.segment_max_bytes).with_write_path(self.path);
        config.with_sync_every_n_events(self.every_n_events)
    }
}

/// Not a test of its own: what [`a_killed_process_loses_nothing_that_it_acknowledged`] starts.
#[test]
fn the_process_that_is_killed() {
    let (Ok(dir), Ok(seed)) = (std::env::var(DIRECTORY), std::env::var(SEED)) else { return };
    let seed: u64 = seed.parse().expect("a number");
    let habits = Habits::new(seed);
    let store = Store::open(habits.config(dir)).expect("opens");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || append_for_ever(store, habits, Random::new(seed ^ u64::from(thread) << 56)));
        }
    });
}

fn append_for_ever(store: &Store, habits: Habits, mut random: Random) -> ! {
    loop {
        let commit = random.next();
        let receipts = append_commit(store, commit, &mut random);
        if !habits.reports_all && random.below(50) > 0 {
            continue;
        }
        let items = receipts.len();
        let lines = receipts.iter().zip(0..).map(|(receipt, item): (_, u32)| {
            format!("{MARK} {} {} {commit} {item} {items}\n", receipt.sequence, receipt.event_id)
        });
        let lines: String = lines.collect();
        let mut out = std::io::stdout().lock();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush()).expect("the parent listens until it kills");
    }
}

/// One event or a batch, appended or submitted, at either level.
fn append_commit(store: &Store, commit: u64, random: &mut Random) -> Vec<AppendReceipt> {
    let entity = |item: u32| format!("entity:{}", (commit >> 3).wrapping_add(u64::from(item)) % 5);
    let coordinate = |item| Coordinate::new(entity(item), "kill").expect("valid");
    let durability = if commit.is_multiple_of(31) { Durability::Synced } else { Durability::Written };
    let options = AppendOptions::default().with_durability(durability);
    let submits = commit.is_multiple_of(5);
    if commit.is_multiple_of(3) {
        let items = u32::try_from(2 + random.below(8)).expect("small");
        let batch = (0..items).map(|item| {
            let payload = Payload::new(commit, item, items);
            BatchAppendItem::new(coordinate(item), KIND, &payload, options, CausationRef::None).expect("encodes")
        });
        if submits {
            return store.submit_batch(batch).expect("submits").wait().expect("appended");
        }
        return store.append_batch(batch).expect("appends");
    }
    let payload = Payload::new(commit, 0, 1);
    vec![if submits {
        store.submit(&coordinate(0), KIND, &payload, options).expect("submits").wait().expect("appended")
    } else {
        store.append_with_options(&coordinate(0), KIND, &payload, options).expect("appends")
    }]
}

/// An event that was acknowledged.
#[derive(Debug)]
struct Acknowledged {
    id: EventId,
    commit: u64,
    item: u32,
    items: u32,
}

fn parse(line: &str) -> Option<(u64, Acknowledged)> {
    // A line that was cut by the kill has no end, and is no report.
    let fields = line.strip_suffix('\n')?.strip_prefix(MARK)?;
    let mut fields = fields.split_whitespace();
    let mut field = || fields.next().expect("all fields");
    let sequence = field().parse().expect("a number");
    let id = field().parse().expect("an id");
    let commit = field().parse().expect("a number");
    let (item, items) = (field().parse().expect("a number"), field().parse().expect("a number"));
    Some((sequence, Acknowledged { id, commit, item, items }))
}

fn start(dir: &Path, seed: u64) -> (Child, Receiver<(u64, Acknowledged)>) {
    let program = std::env::current_exe().expect("known");
    let mut child = Command::new(program)
        .args([CHILD, "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, dir)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let (sender, reports) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        while out.read_line(&mut line).is_ok_and(|n| n > 0) {
            if let Some(report) = parse(&line)
                && sender.send(report).is_err()
            {
                return;
            }
            line.clear();
        }
    });
    (child, reports)
}

/// Lets the child go on until it has reported so many events, and then for some microseconds; then kills it.
fn run_and_kill(dir: &Path, random: &mut Random) -> Vec<(u64, Acknowledged)> {
    let (mut child, reports) = start(dir, random.next());
    let wanted = random.below(4) * random.below(150);
    let mut received = Vec::new();
    while (received.len() as u64) < wanted {
        match reports.recv_timeout(PATIENCE) {
            Ok(report) => received.push(report),
            Err(error) => panic!("the child has stopped: {error}, {:?}", child.try_wait()),
        }
    }
    let more = Duration::from_micros(random.below(if wanted == 0 { 30_000 } else { 2000 }));
    while let Ok(report) = reports.recv_timeout(more) {
        received.push(report);
        if random.below(4) == 0 {
            break;
        }
    }
    child.kill().expect("kills");
    let status = child.wait().expect("ends");
    assert!(!status.success(), "it was killed, it did not end by itself: {status}");
    loop {
        match reports.recv_timeout(PATIENCE) {
            Ok(report) => received.push(report),
            Err(RecvTimeoutError::Disconnected) => return received,
            Err(RecvTimeoutError::Timeout) => panic!("the pipe did not end"),
        }
    }
}

/// Everything that was acknowledged is there, in order, once, and batches are whole. Returns the number of events.
fn check(dir: &Path, acknowledged: &BTreeMap<u64, Acknowledged>) -> u64 {
    let store = Store::open(dir).expect("opens");
    let verified = store.verify_chain().expect("verifies");
    let mut events = 0;
    let mut commits: BTreeMap<u64, Vec<(u64, u32, u32)>> = BTreeMap::new();
    for event in store.events(&Region::all()).typed::<Payload>() {
        let event = event.expect("reads").event;
        assert_eq!(event.sequence(), events, "no gap");
        let payload = event.payload();
        assert_eq!(*payload, Payload::new(payload.commit, payload.item, payload.items));
        commits.entry(payload.commit).or_default().push((events, payload.item, payload.items));
        if let Some(reported) = acknowledged.get(&events) {
            assert_eq!(event.event_id(), reported.id, "event {events}");
            let place = (payload.commit, payload.item, payload.items);
            assert_eq!(place, (reported.commit, reported.item, reported.items), "event {events}");
        }
        events += 1;
    }
    assert_eq!(verified.events, events);
    let last = acknowledged.last_key_value().map_or(0, |(sequence, _)| *sequence + 1);
    assert!(events >= last, "{last} events were acknowledged, {events} are there");
    for (commit, items) in commits {
        let (first, _, count) = items[0];
        let whole: Vec<_> = (0..count).map(|item| (first + u64::from(item), item, count)).collect();
        assert_eq!(items, whole, "commit {commit} is whole");
    }
    let payload = Payload::new(events, 0, 1);
    let receipt = store.append(&Coordinate::new("after", "kill").expect("valid"), KIND, &payload).expect("appends");
    assert_eq!(receipt.sequence, events);
    assert_eq!(store.verify_chain().expect("verifies").events, events + 1);
    store.close().expect("closes");
    events + 1
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let rounds = std::env::var(ROUNDS).map_or(50, |rounds| rounds.parse().expect("a number"));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = std::env::var(SEED).map_or(u64::from(since.subsec_nanos()), |seed| seed.parse().expect("a number"));
    // Shown if the test fails, and with `--nocapture`.
    writeln!(std::io::stderr(), "{SEED}={seed} {ROUNDS}={rounds}").expect("is written");
    let mut random = Random::new(seed);
    let (mut round, mut reported) = (0, 0);
    while round < rounds {
        let dir = tempfile::tempdir().expect("makes a directory");
        let mut acknowledged = BTreeMap::new();
        for _ in 0..ROUNDS_PER_DIRECTORY.min(rounds - round) {
            for (sequence, report) in run_and_kill(dir.path(), &mut random) {
                assert!(acknowledged.insert(sequence, report).is_none(), "seed {seed}: {sequence} was given twice");
                reported += 1;
            }
            // Now and then the next process finds what the killed one left.
            if random.below(3) > 0 {
                check(dir.path(), &acknowledged);
            }
            round += 1;
        }
        check(dir.path(), &acknowledged);
    }
    assert!(reported > u64::from(rounds), "seed {seed}: only {reported} events were acknowledged");
}
