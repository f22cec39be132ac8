//! A store that is open for reading only follows the one that writes it.

use crate::store::open::{Restored, restore};
use crate::store::read::decode_at;
use crate::store::rebuild::offset_of;
use crate::store::shared::Shared;
use crate::store::{Store, StoreConfig, StoreError};
use batpak_index::IndexWriter;
use batpak_segment::{LogReader, Repair, WatermarkReader};
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked for more while somebody waits.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What a store that follows another one has of its own.
#[derive(Debug)]
pub(crate) struct Following {
    index: IndexWriter,
    watermark: Option<WatermarkReader>,
    /// Number of segments when the index was restored.
    segments: usize,
}

impl Following {
    pub(crate) fn new(index: IndexWriter, watermark: Option<WatermarkReader>, log: &LogReader) -> Self {
        Self { index, watermark, segments: log.segment_count() }
    }
}

/// The watermark of the store in a directory, if it has one.
pub(crate) fn watermark_of(config: &StoreConfig) -> Result<Option<WatermarkReader>, StoreError> {
    WatermarkReader::open(&config.environment, &config.data_dir).map_err(unread(config))
}

/// Up to where readers may look, as far as anybody has said.
pub(crate) fn shown_by(watermark: Option<&WatermarkReader>, config: &StoreConfig) -> Result<u64, StoreError> {
    let said = watermark.map_or(Ok(None), WatermarkReader::sequence).map_err(unread(config))?;
    Ok(said.unwrap_or(u64::MAX))
}

fn unread(config: &StoreConfig) -> impl Fn(std::io::Error) -> StoreError {
    let path = config.data_dir.clone();
    move |source| StoreError::Io { operation: "read the watermark in", path: path.clone(), source }
}

impl Store {
    /// Sees what has become visible since: of a store that was opened [for reading only](Self::open_read_only), which
    /// sees nothing new by itself. True if there is more than before. One that writes sees everything at once.
    ///
    /// # Errors
    /// `Corrupt` if what was seen is not there any more, or what follows is not what was written: what was seen stays
    /// visible; `Record`; `Io`; `Closed`.
    ///
    /// # Consistency
    /// What is seen is a prefix of the store, and nothing that its writer does not show to its own readers yet.
    ///
    /// # Examples
    /// ```
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let writer = Store::open(dir.path())?;
    /// // Another process would do the same.
    /// let reader = Store::open_read_only(dir.path())?;
    /// writer.append(&Coordinate::new("seat:4", "hall")?, EventKind::custom(1, 1), &7)?;
    /// assert!(reader.stream("seat:4").is_empty());
    /// assert!(reader.refresh()?);
    /// assert_eq!(reader.stream("seat:4").len(), 1);
    /// # writer.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh(&self) -> Result<bool, StoreError> {
        let shared = self.shared();
        shared.check_open()?;
        let before = shared.visible();
        shared.follow()?;
        Ok(shared.visible() > before)
    }

    /// Waits until the event `sequence` is visible, but no longer than `timeout`; false if it is not by then. A store
    /// that is open for reading only [refreshes](Self::refresh) itself meanwhile, every millisecond.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub fn wait_visible(&self, sequence: u64, timeout: Duration) -> Result<bool, StoreError> {
        // A thread sleeps by the time of the machine, whatever clock the store has.
        let start = Instant::now();
        loop {
            self.refresh()?;
            if sequence < self.shared().visible() {
                return Ok(true);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            thread::sleep(LOOK_AGAIN.min(left));
        }
    }
}

impl Shared {
    fn follow(&self) -> Result<(), StoreError> {
        let Some(following) = &self.following else { return Ok(()) };
        let mut following = following.lock().unwrap_or_else(PoisonError::into_inner);
        if following.watermark.is_none() {
            following.watermark = watermark_of(&self.config)?;
        }
        // Before the log is looked at: what may be seen is there then.
        let shown = shown_by(following.watermark.as_ref(), &self.config)?;
        let followed = self.reader.refresh();
        self.add_records(&mut following)?;
        let end = following.index.end();
        if shown.min(end) > self.visible() {
            self.set_visible(shown.min(end));
        }
        followed?;
        self.take_parts(&mut following)
    }

    /// Adds what the log has beyond the index.
    fn add_records(&self, following: &mut Following) -> Result<(), StoreError> {
        let mut records = self.reader.records(following.index.end());
        while let Some((position, bytes)) = records.next_record()? {
            let event = decode_at(position, bytes)?;
            following.index.add_record(&event, offset_of(position)?);
        }
        Ok(())
    }

    /// Once segments have ended, what the writer has frozen of them takes the place of rows in memory.
    fn take_parts(&self, following: &mut Following) -> Result<(), StoreError> {
        let segments = self.reader.segment_count();
        let files = self.part_files();
        if segments == following.segments || !files.are_wanted() {
            return Ok(());
        }
        let listed = files.list().unwrap_or_default();
        let frozen = self.index.tiers().frozen_end();
        if !listed.iter().any(|events| events.end > frozen) {
            return Ok(());
        }
        let Restored { parts, .. } = restore(&self.config, &self.reader, &Repair::default())?;
        following.index = self.index.reset(parts);
        following.segments = segments;
        Ok(())
    }
}
