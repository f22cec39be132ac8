//! What goes wrong, and at which call.

use crate::random::Random;
use crate::trace::trace;
use batpak::testing::{Fault, FaultyFileSystem, Operation, When};
use std::io::ErrorKind;

/// How likely it is that something goes wrong in a session, in percent, and within how many calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) percent: u64,
    pub(crate) crash_percent: u64,
    pub(crate) within: u64,
}

pub(crate) fn plan(files: &FaultyFileSystem, plan: Plan, random: &mut Random) {
    if !random.chance(plan.percent) {
        return;
    }
    let call = When::Call(files.calls() + 1 + random.below(plan.within));
    if random.chance(plan.crash_percent) {
        trace(|| format!("a crash at {call:?}"));
        return files.plan(call, Fault::Crash);
    }
    trace(|| format!("something goes wrong at {call:?}"));
    if random.chance(10) {
        return files.set_room(random.index(4));
    }
    // A sync that fails, once: the next one says that all is well, and the bytes are gone.
    let when = if random.chance(15) { When::Next(Operation::Sync) } else { call };
    let fault = if when == call { error(random) } else { Fault::Once(ErrorKind::Other) };
    files.plan(when, fault);
    if random.chance(20) {
        let later = When::Call(files.calls() + 1 + random.below(2 * plan.within));
        files.plan(later, if random.chance(50) { Fault::Crash } else { error(random) });
    }
}

fn error(random: &mut Random) -> Fault {
    match random.below(11) {
        0 | 1 => Fault::Once(ErrorKind::Other),
        2 => Fault::Once(ErrorKind::StorageFull),
        3 => Fault::Once(ErrorKind::Interrupted),
        4 => Fault::ForGood(ErrorKind::StorageFull),
        5 => Fault::ForGood(ErrorKind::Other),
        6 => Fault::Gone,
        7 => Fault::Short,
        8 => Fault::ShortThenFull,
        9 => Fault::ShortForGood,
        _ => Fault::InterruptedForGood,
    }
}
