//! Options of the stores of a life.

use crate::random::Random;
use batpak::store::{StoreConfig, SyncConfig, WritePath};
use std::time::Duration;

/// Which files of the index a store uses: mapped, read, none.
pub(crate) const PATHS: [(bool, bool); 3] = [(true, true), (false, true), (false, false)];

/// How large things are: so small that there are many segments and parts, now and then larger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    segment_max_bytes: u64,
    pub(crate) text_max: usize,
}

impl Size {
    pub(crate) fn random(random: &mut Random) -> Self {
        if random.chance(3) {
            return Self { segment_max_bytes: 100_000, text_max: 20_000 };
        }
        Self { segment_max_bytes: *random.pick(&[512, 1000, 1500, 4096]), text_max: *random.pick(&[1, 60, 700, 2000]) }
    }
}

pub(crate) fn policy(random: &mut Random) -> SyncConfig {
    SyncConfig {
        every_n_events: *random.pick(&[1, 3, 8, 1000]),
        max_bytes: *random.pick(&[4096, 8 << 20]),
        interval: Duration::from_millis(*random.pick(&[100, 100_000])),
    }
}

/// Options that are others each time that a store is opened.
pub(crate) fn config(base: StoreConfig, size: Size, policy: SyncConfig, random: &mut Random) -> StoreConfig {
    let (mapped, owned) = if random.chance(30) { (true, false) } else { *random.pick(&PATHS) };
    let mut config = base
        .with_segment_max_bytes(size.segment_max_bytes)
        .with_fd_budget(1 + random.index(3))
        .with_write_path(*random.pick(&[WritePath::Direct, WritePath::Tail]))
        .with_enable_mmap_index(mapped)
        .with_enable_checkpoint(owned)
        .without_threads();
    config.sync = policy;
    config
}
