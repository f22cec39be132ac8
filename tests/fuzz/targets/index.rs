//! A file of the index, of any bytes: it is refused, or gives the right answers, or says that it is damaged.
//!
//! A file that is mapped, and one that is read into memory as a checkpoint, have one format, and a part takes either as
//! bytes: so both are this target.

use super::asked::Asked;
use super::edits::Edit;
use super::facts::{ENTITIES, Facts, Spec};
use arbitrary::Arbitrary;
use batpak_core::{EventHash, EventRef};
use batpak_index::{About, Builder, Damaged, Direction, Index, Part, merge};
use std::sync::Arc;

const STORE: [u8; 16] = [7; 16];
const EVENTS_MAX: usize = 400;

/// A file as it is written, and changes to it.
#[derive(Debug, Arbitrary)]
struct Written {
    events: Vec<Spec>,
    /// How often all of them are there, one behind the other.
    times: u8,
    asked: Vec<Asked>,
    edits: Vec<Edit>,
    /// Whether the crcs are made right after the changes: then the answers may be wrong.
    forged: bool,
}

/// The first byte says what the others are: the file, or what to write.
pub(super) fn run(data: &[u8]) {
    match data.split_first() {
        Some((0, bytes)) => drop(Answers::of(bytes.to_vec(), &[], 0)),
        Some((_, rest)) => super::input::<Written>(rest).iter().for_each(Written::check),
        None => {}
    }
}

impl Written {
    fn facts(&self) -> Vec<Facts> {
        let mut facts = Vec::new();
        for spec in (0..=self.times).flat_map(|_| &self.events).take(EVENTS_MAX) {
            facts.push(Facts::next(spec, &facts));
        }
        facts
    }

    fn check(&self) {
        let facts = self.facts();
        let asked = &self.asked[..self.asked.len().min(8)];
        let whole = file_of(&facts);
        let answers = Answers::of(whole.clone(), asked, facts.len()).expect("a part").expect("sound");
        answers.check(&facts, asked);
        let mut bytes = whole;
        self.edits.iter().for_each(|edit| edit.apply(&mut bytes));
        if self.forged {
            seal(&mut bytes);
            // Nothing is said of what it answers.
            drop(Answers::of(bytes.clone(), asked, facts.len()));
            check_merge(bytes, &facts);
        } else if let Some(Ok(found)) = Answers::of(bytes, asked, facts.len()) {
            found.check(&facts, asked);
        }
    }
}

fn about(end: usize) -> About {
    About {
        store_id: STORE,
        stamp: 3,
        last_hash: EventHash::from_bytes([u8::try_from(end % 256).expect("a byte"); 32]),
    }
}

fn offset(sequence: u64) -> u32 {
    u32::try_from(1000 + sequence * 100).expect("small")
}

fn file_of(facts: &[Facts]) -> Vec<u8> {
    let mut builder = Builder::new(STORE, 0);
    for fact in facts {
        let record = fact.record(b"");
        builder.push(&EventRef::decode(&record).expect("an event"), offset(fact.sequence));
    }
    let mut bytes = Vec::new();
    builder.write(&about(facts.len()), &mut bytes).expect("written");
    bytes
}

/// Merging it with what follows ends, whatever it holds.
fn check_merge(bytes: Vec<u8>, facts: &[Facts]) {
    let Ok(part) = Part::open(Box::new(bytes), STORE) else { return };
    let mut next = Builder::new(STORE, part.events().end);
    for fact in facts.iter().take(9) {
        let record = fact.record(b"");
        next.push(&EventRef::decode(&record).expect("an event"), offset(fact.sequence));
    }
    let mut bytes = Vec::new();
    next.write(&about(0), &mut bytes).expect("written");
    let next = Part::open(Box::new(bytes), STORE).expect("a part");
    drop(merge(&[&part, &next], &about(0), &mut Vec::new(), &|| true));
}

/// What is found: the rows of each region forward and backward, the newest of each entity, those with each key.
#[derive(Debug)]
struct Answers {
    rows: u32,
    found: Vec<(Vec<u64>, Vec<u64>)>,
    newest: Vec<Option<u64>>,
    with_key: Vec<Vec<u64>>,
}

impl Answers {
    /// `None` if the file is refused.
    fn of(bytes: Vec<u8>, asked: &[Asked], events: usize) -> Option<Result<Self, Damaged>> {
        let part = Part::open(Box::new(bytes), STORE).ok()?;
        // A reader asks for no more than it knows to be there.
        let end = part.events().end.min(events as u64 + 10);
        let rows = part.rows();
        let _ = (part.check(), part.stamp(), part.last_hash(), part.new_entities());
        let (index, _) = Index::new(STORE, vec![Arc::new(part)]);
        Some(Self::from(&index, asked, end, rows))
    }

    fn from(index: &Arc<Index>, asked: &[Asked], end: u64, rows: u32) -> Result<Self, Damaged> {
        let find = |asked: &Asked| {
            Ok((rows_of(index, asked, end, Direction::Forward)?, { rows_of(index, asked, end, Direction::Backward)? }))
        };
        let found = asked.iter().map(find).collect::<Result<_, Damaged>>()?;
        let tiers = index.snapshot();
        let newest = ENTITIES.iter().map(|entity| Ok(tiers.newest_frozen(entity)?.map(|row| row.sequence())));
        let newest = newest.collect::<Result<_, Damaged>>()?;
        let keys = (0xC0..=0xFF_u128)
            .map(|key| Ok(tiers.frozen_with_key(key << 64)?.iter().map(batpak_index::Row::sequence).collect()));
        let with_key = keys.collect::<Result<_, Damaged>>()?;
        for sequence in (0..end.min(1000)).step_by(7) {
            let _ = (tiers.row(sequence)?, tiers.coordinate(sequence)?);
        }
        Ok(Self { rows, found, newest, with_key })
    }

    fn check(&self, facts: &[Facts], asked: &[Asked]) {
        assert_eq!(self.rows as usize, facts.len());
        for ((forward, backward), asked) in self.found.iter().zip(asked) {
            let expected = asked.expected(facts);
            let region = asked.region();
            let ask = region.clauses().iter().any(batpak_core::Clause::needs_record);
            let belongs = |sequence: &u64| {
                let fact = &facts[usize::try_from(*sequence).expect("an index")];
                !ask || asked.accepts(fact)
            };
            assert!(forward.iter().copied().filter(belongs).eq(expected.iter().copied()), "{region:?}");
            assert!(backward.iter().copied().filter(belongs).eq(expected.iter().rev().copied()), "{region:?} back");
        }
        let newest = |entity: &&str| facts.iter().rev().find(|fact| fact.coordinate.entity() == *entity);
        assert!(self.newest.iter().copied().eq(ENTITIES.iter().map(|it| newest(it).map(|fact| fact.sequence))));
        for (key, found) in (0xC0..).zip(&self.with_key) {
            let mut with_key = facts.iter().filter(|fact| fact.key == Some(key << 64));
            assert!(with_key.all(|fact| found.contains(&fact.sequence)));
        }
    }
}

fn rows_of(index: &Arc<Index>, asked: &Asked, end: u64, direction: Direction) -> Result<Vec<u64>, Damaged> {
    let mut matches = index.snapshot().matches(&asked.region(), 0..end, direction);
    let mut found = Vec::new();
    while let Some(row) = matches.next_row()? {
        matches.coordinate(&row)?;
        found.push(row.sequence());
        assert!(found.len() as u64 <= end, "a row comes once");
    }
    Ok(found)
}

const BLOCK: usize = 4096;
const HEADER_LEN: usize = 280;
const HEADER_CRC_AT: usize = 12;
const TABLE_CRC_AT: usize = HEADER_LEN - 8;

/// Makes all crcs right: those of the blocks, of the blocks of those, and of the header.
fn seal(bytes: &mut [u8]) {
    let Some((table, roots)) = sections(bytes.len()) else { return };
    for block in 0..table / BLOCK {
        put_crc(bytes, block * BLOCK..(block + 1) * BLOCK, table + block * 4);
    }
    for block in 0..(roots - table) / BLOCK {
        put_crc(bytes, table + block * BLOCK..table + (block + 1) * BLOCK, roots + block * 4);
    }
    put_crc(bytes, roots..bytes.len(), TABLE_CRC_AT);
    bytes[HEADER_CRC_AT..HEADER_CRC_AT + 4].fill(0);
    put_crc(bytes, 0..HEADER_LEN, HEADER_CRC_AT);
}

/// Where the crcs of the blocks begin, and those of the blocks of crcs, in a file of this length.
fn sections(len: usize) -> Option<(usize, usize)> {
    (1..=len / BLOCK).map(|blocks| blocks * BLOCK).find_map(|table| {
        let roots = table + (table / BLOCK * 4).next_multiple_of(BLOCK);
        (roots + (roots - table) / BLOCK * 4 == len).then_some((table, roots))
    })
}

#[expect(clippy::little_endian_bytes, reason = "it writes what the format says")]
fn put_crc(bytes: &mut [u8], of: std::ops::Range<usize>, at: usize) {
    let crc = crc32c::crc32c(&bytes[of]);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}
