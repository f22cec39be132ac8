//! A disk, the faults that are planned for it, and what was asked of it.

use crate::testing::disk::Disk;
use crate::testing::fault::{Fault, Operation, When};
use crate::testing::random::{Random, mixed};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) disk: Disk,
    pub(crate) locked: BTreeSet<PathBuf>,
    pub(crate) calls: Vec<Operation>,
    pub(crate) faults: Vec<(When, Fault)>,
    pub(crate) hits: u64,
    /// How many calls have failed, those left out that just have to be made again.
    pub(crate) errors: u64,
    pub(crate) bytes_read: u64,
    pub(crate) crashed: bool,
    /// What decides identifiers and salts.
    pub(crate) entropy: Random,
    /// Depends on every call, on what it was about and on its result.
    pub(crate) digest: u64,
    lasting: Lasting,
    /// How many machines were made of this one, so that no two of them draw the same identifiers.
    successors: u64,
}

/// What has gone wrong for good. A later fault takes the place of an earlier one, but of a disk that is gone.
#[derive(Debug, Default)]
enum Lasting {
    #[default]
    Nothing,
    Full(io::ErrorKind),
    Gone,
    Short,
    Interrupts {
        /// Whether the last call was interrupted.
        last: bool,
    },
}

/// What a call is to do.
pub(crate) enum Verdict {
    Do,
    Half,
    DoAndCrash,
    DoAndDie,
    DoAndPanic,
    Refuse(io::Error),
}

impl Machine {
    pub(crate) fn new(disk: Disk, seed: u64) -> Self {
        Self {
            disk,
            locked: BTreeSet::new(),
            calls: Vec::new(),
            faults: Vec::new(),
            hits: 0,
            errors: 0,
            bytes_read: 0,
            crashed: false,
            entropy: Random::new(seed),
            digest: seed,
            lasting: Lasting::default(),
            successors: 0,
        }
    }

    /// The machine after a power cut, or after the death of the process.
    pub(crate) fn successor(&mut self, power_cut: Option<u64>) -> Self {
        self.successors += 1;
        let disk = match power_cut {
            Some(seed) => self.disk.after_power_cut(&mut Random::new(seed)),
            None => self.disk.after_kill(),
        };
        let mut next = Self::new(disk, mixed(self.entropy.clone().next() ^ self.successors << 32));
        next.digest = self.digest;
        next.note(power_cut.unwrap_or_default());
        next
    }

    /// Adds something to the digest.
    pub(crate) fn note(&mut self, what: u64) {
        self.digest = mixed(self.digest.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ what);
    }

    pub(crate) fn note_bytes(&mut self, bytes: &[u8]) {
        self.note(u64::from(crc32c::crc32c(bytes)) << 32 | bytes.len() as u64);
    }

    pub(crate) fn note_path(&mut self, path: &Path) {
        self.note_bytes(path.as_os_str().as_encoded_bytes());
    }

    /// What the next call is to do.
    pub(crate) fn decide(&mut self, operation: Operation) -> Verdict {
        self.calls.push(operation);
        self.note(operation as u64);
        if self.crashed {
            return Verdict::Refuse(io::Error::other("the power has failed"));
        }
        match self.due(operation) {
            Some(fault) => self.suffer(fault, operation),
            None => self.lasting.verdict(operation),
        }
    }

    /// A file cannot become longer, because of a fault that was counted or because the disk is full.
    pub(crate) fn no_room(&mut self, is_counted: bool) {
        self.hits += u64::from(!is_counted);
        self.errors += 1;
    }

    /// The fault that is planned for this call.
    fn due(&mut self, operation: Operation) -> Option<Fault> {
        let number = self.calls.len() as u64;
        let is_due = |when: &When| *when == When::Call(number) || *when == When::Next(operation);
        let at = self.faults.iter().position(|(when, _)| is_due(when))?;
        self.hits += 1;
        Some(self.faults.remove(at).1)
    }

    fn suffer(&mut self, fault: Fault, operation: Operation) -> Verdict {
        match fault {
            Fault::Crash | Fault::Death => {
                self.crashed = true;
                self.disk.unmap();
                return if fault == Fault::Crash { Verdict::DoAndCrash } else { Verdict::DoAndDie };
            }
            Fault::Once(kind) => return Verdict::Refuse(kind.into()),
            Fault::Short => return Verdict::Half,
            Fault::Panic => return Verdict::DoAndPanic,
            Fault::ShortThenFull => {
                self.lasting.begin(Lasting::Full(io::ErrorKind::StorageFull));
                return Verdict::Half;
            }
            Fault::ForGood(kind) => self.lasting.begin(Lasting::Full(kind)),
            Fault::Gone => self.lasting.begin(Lasting::Gone),
            Fault::ShortForGood => self.lasting.begin(Lasting::Short),
            Fault::InterruptedForGood => self.lasting.begin(Lasting::Interrupts { last: false }),
        }
        self.lasting.verdict(operation)
    }
}

impl Lasting {
    fn begin(&mut self, lasting: Self) {
        if !matches!(self, Self::Gone) {
            *self = lasting;
        }
    }

    /// What becomes of a call for which nothing else is planned.
    fn verdict(&mut self, operation: Operation) -> Verdict {
        match self {
            Self::Gone => Verdict::Refuse(io::Error::other("the disk is gone")),
            Self::Full(kind) if operation.changes() => Verdict::Refuse((*kind).into()),
            Self::Short if operation.moves_bytes() => Verdict::Half,
            Self::Interrupts { last } if operation.moves_bytes() => {
                *last = !*last;
                if *last { Verdict::Refuse(io::ErrorKind::Interrupted.into()) } else { Verdict::Do }
            }
            _ => Verdict::Do,
        }
    }
}
