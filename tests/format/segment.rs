//! One segment: its header, its frames as far as they continue each other, and what lies behind them.

use crate::bytes::{Result, check, index};
use crate::frame::{self, Frame, Link, Seal};
use crate::header::{self, HEADER_LEN, Header};

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    pub(crate) header_crc: u32,
    pub(crate) frames: Vec<Frame>,
    /// Where the frames that continue each other end.
    pub(crate) end: u64,
    /// The highest durable mark of a valid frame.
    pub(crate) mark: u64,
    /// Offset of the last byte behind `end` that is not zero, and 1.
    pub(crate) torn_to: Option<u64>,
}

impl Segment {
    /// Reads a segment that begins with this sequence.
    pub(crate) fn read(file: &[u8], first_sequence: u64) -> Result<Self> {
        let header = Header::read(file)?;
        let mut segment = Self {
            header,
            header_crc: header::crc_of(file),
            frames: Vec::new(),
            end: HEADER_LEN as u64,
            mark: 0,
            torn_to: None,
        };
        while let Some(next) =
            segment.valid_at(file, segment.end).filter(|next| segment.continues(next, first_sequence))
        {
            segment.push(next)?;
        }
        let beyond = (segment.end..file.len() as u64).step_by(8).filter_map(|offset| segment.valid_at(file, offset));
        segment.mark = beyond.map(|frame| frame.mark).fold(segment.mark, u64::max);
        let torn = file[index(segment.end)..].iter().rposition(|byte| *byte != 0);
        segment.torn_to = torn.map(|at| segment.end + at as u64 + 1);
        check(segment.mark <= segment.end, || format!("damage at {}", segment.end))?;
        Ok(segment)
    }

    fn valid_at(&self, file: &[u8], offset: u64) -> Option<Frame> {
        frame::read(file.get(index(offset)..)?, offset, &self.header.segment_id).ok()
    }

    pub(crate) fn continues(&self, next: &Frame, first_sequence: u64) -> bool {
        let (crc, sequence) =
            self.frames.last().map_or((self.header_crc, first_sequence), |last| (last.crc, last.next_sequence()));
        next.offset == self.end && next.previous == crc && next.first_sequence == sequence
    }

    /// Takes a frame that continues what is there.
    pub(crate) fn push(&mut self, next: Frame) -> Result<()> {
        next.typed.iter().try_for_each(frame::FrameRecord::check_known)?;
        let first = self.frames.is_empty();
        check(next.link()?.is_some() == first, || "the link is not the first frame".to_owned())?;
        check(self.seal()?.is_none(), || "a frame behind the seal".to_owned())?;
        self.mark = self.mark.max(next.mark);
        self.end = next.end();
        self.frames.push(next);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn link(&self) -> Result<Option<Link>> {
        self.frames.first().map_or(Ok(None), Frame::link)
    }

    pub(crate) fn seal(&self) -> Result<Option<Seal>> {
        self.frames.last().map_or(Ok(None), Frame::seal)
    }

    pub(crate) fn record_count(&self) -> u64 {
        self.frames.iter().map(|frame| frame.records.len() as u64).sum()
    }

    pub(crate) fn end_sequence(&self) -> Option<u64> {
        self.frames.last().map(Frame::next_sequence)
    }
}
