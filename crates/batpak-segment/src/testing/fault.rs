//! What can go wrong, and when.

use std::io;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named like the call that it stands for")]
pub enum Operation {
    CreateDirectory,
    List,
    Open,
    Create,
    Rename,
    Remove,
    SyncDirectory,
    Lock,
    Read,
    Write,
    Length,
    SetLength,
    Allocate,
    Map,
    Sync,
}

impl Operation {
    pub(crate) fn changes(self) -> bool {
        !matches!(self, Self::List | Self::Open | Self::Lock | Self::Read | Self::Length | Self::Map)
    }

    pub(crate) fn moves_bytes(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    /// Whether it leaves something when the power fails during it.
    pub(crate) fn has_effect(self) -> bool {
        !matches!(self, Self::Sync | Self::SyncDirectory)
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power fails: this call may or may not have an effect, all later ones fail.
    Crash,
    /// The same, and the thread that makes the call unwinds with [`Death`], without a message: whoever uses the disk is
    /// dead, and is told nothing more.
    Death,
    /// This call fails.
    Once(io::ErrorKind),
    /// This call and all later ones that change something fail.
    ForGood(io::ErrorKind),
    /// This call and all later ones fail, those that read too.
    Gone,
    /// A read or write does half of what it was asked for. A reservation does half and fails; nothing is mapped.
    Short,
    /// A write does half, and all that change something fail afterwards.
    ShortThenFull,
    /// Each read and write from now on does half of what it was asked for.
    ShortForGood,
    /// Each read and write from now on is interrupted the first time.
    InterruptedForGood,
    /// The implementation panics.
    Panic,
}

/// What a thread unwinds with at [`Fault::Death`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death;

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the call of this number; the first is 1.
    Call(u64),
    /// At the next call that does this.
    Next(Operation),
}
