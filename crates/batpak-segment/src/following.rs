//! Following a log that somebody else writes: what was appended since it was looked at last.
//!
//! A frame that was appended is in the file of its segment, or in the tail, or in both. The writer takes a frame's place
//! in the tail only after it has written it to the file. So who finds a frame in neither, looking at the file, then at
//! the tail, then at the file again, knows that it had not been appended when the tail was looked at.

use crate::beside::Beside;
use crate::catalog::Segment;
use crate::directory::TAIL_NAME;
use crate::error::{Damage, LogError};
use crate::examine::{Active, Before, Found, examine_beside};
use crate::file_system::{Environment, File, OpenMode, read_full};
use crate::layout::crc_bytes;
use crate::links::{Complete, Expected};
use crate::scan::{Chain, Stop};
use crate::tail::FoundTail;
use crate::window::Window;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The segment in which a log goes on, as far as it was seen.
#[derive(Debug)]
pub(crate) struct Following {
    env: Environment,
    dir: PathBuf,
    segment: Segment,
    /// What the segment before says of it.
    expected: Expected,
    bytes: Arc<Beside>,
    /// What was seen in its file.
    in_file: Chain,
    /// That, and what was seen in the tail behind it.
    seen: Chain,
}

/// What a look at the tail gave.
struct TailLook {
    /// Where the frames had ended before it.
    before: u64,
    /// Whether the last of them is not there, so that it must be in the file.
    is_moved: bool,
}

impl Following {
    pub(crate) fn new(env: &Environment, dir: &Path, active: &Active) -> Self {
        let (in_file, seen) = (active.scan.chain, active.chain);
        let bytes = Arc::new(Beside::new(Arc::clone(&active.handle), in_file.at, active.tail.clone()));
        let segment = Segment::active(&active.file, active.link());
        Self { env: env.clone(), dir: dir.to_owned(), segment, expected: active.expected, bytes, in_file, seen }
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(crate) fn bytes(&self) -> &Arc<Beside> {
        &self.bytes
    }

    /// One past the last record that was seen.
    pub(crate) fn end_sequence(&self) -> u64 {
        self.seen.sequence.unwrap_or(self.segment.first_sequence())
    }

    /// Sees what was appended to the segment. `Damaged` if what was seen of it is not there any more.
    pub(crate) fn advance(&mut self) -> Result<(), LogError> {
        let path = &self.segment.path;
        let file = self.env.file_system.open(path, OpenMode::Read).map_err(LogError::io("open", path))?;
        if !stands(&*file, &self.in_file).map_err(LogError::io("read", path))? {
            return Err(self.changed(&self.in_file));
        }
        self.bytes.read_through(&file);
        self.look_at_file(&*file)?;
        while self.seen.seal().is_none() {
            let look = self.look_at_tail()?;
            let seen = self.seen.at;
            self.look_at_file(&*file)?;
            if look.is_moved && self.in_file.at < look.before {
                return Err(self.changed(&self.seen));
            }
            // Only a writer that has overtaken the look at the tail has written more to the file.
            if self.seen.at == seen {
                break;
            }
        }
        Ok(())
    }

    /// If the segment is complete, goes on in those behind it: returns those that are complete, this one being the
    /// first of them.
    pub(crate) fn go_on(&mut self) -> Result<Option<Vec<Segment>>, LogError> {
        let Some((seal, seal_crc)) = self.seen.seal() else { return Ok(None) };
        let link = self.seen.link.unwrap_or(self.segment.link);
        let complete = Complete { link, seal, seal_crc, len: self.seen.at };
        let expected = self.expected.followed_by(&self.segment.header, &complete)?;
        let before = Before { header: Some(self.segment.header), expected };
        let Found { sealed, active, .. } = examine_beside(&self.env, &self.dir, &before)?;
        let first = Segment { link, sealed_len: Some(complete.len), ..self.segment.clone() };
        *self = Self::new(&self.env, &self.dir, &active);
        Ok(Some([first].into_iter().chain(sealed).collect()))
    }

    fn look_at_file(&mut self, file: &dyn File) -> Result<(), LogError> {
        let (segment, expected) = (&self.segment, &self.expected);
        let (mut in_file, mut seen) = (self.in_file, self.seen);
        follow(file, segment, self.in_file, |next, _| {
            if in_file.at >= seen.at {
                expected.check(&segment.header, next.link.as_ref())?;
                seen = *next;
            } else if next.at > seen.at || next.at == seen.at && next.previous != seen.previous {
                return Err(changed(segment, &seen));
            }
            in_file = *next;
            Ok(next.seal().is_none())
        })?;
        (self.in_file, self.seen) = (in_file, seen);
        self.bytes.moved_to(self.in_file.at);
        Ok(())
    }

    fn look_at_tail(&mut self) -> Result<TailLook, LogError> {
        let path = self.dir.join(TAIL_NAME);
        let io = |e| LogError::io("read", &path)(e);
        let mut look = TailLook { before: self.seen.at, is_moved: true };
        let tail = FoundTail::open(&*self.env.file_system, &path, self.seen.at).map_err(io)?;
        let Some(tail) = tail else { return Ok(look) };
        look.is_moved = !stands(&tail, &self.seen).map_err(io)?;
        let (chain, frames) = take_tail(&tail, &path, &self.segment, self.seen)?;
        self.expected.check(&self.segment.header, chain.link.as_ref())?;
        self.bytes.append(&frames);
        self.seen = chain;
        Ok(look)
    }

    fn changed(&self, seen: &Chain) -> LogError {
        changed(&self.segment, seen)
    }
}

/// What was seen at the end of a chain is not there any more.
fn changed(segment: &Segment, seen: &Chain) -> LogError {
    LogError::Damaged { segment: segment.header.number, offset: seen.previous_at, damage: Damage::Changed }
}

/// Whether the last frame of a chain, or the header of its segment, is where it was. Its crc names all frames before it.
fn stands(file: &dyn File, chain: &Chain) -> io::Result<bool> {
    let mut crc = [0; 4];
    let n = read_full(file, &mut crc, chain.previous_at)?;
    Ok(n == crc.len() && crc == crc_bytes(chain.previous) && file.len()? >= chain.at)
}

/// Takes the frames of a tail that continue a chain, up to a seal: a seal that never reached its segment is not missed,
/// because the next one holds nothing. Returns the chain to which they lead, and the frames.
pub(crate) fn take_tail(
    tail: &FoundTail,
    path: &Path,
    segment: &Segment,
    chain: Chain,
) -> Result<(Chain, Vec<u8>), LogError> {
    let (mut last, mut frames) = (chain, Vec::new());
    let read_from = Segment { path: path.to_owned(), ..segment.clone() };
    follow(tail, &read_from, chain, |next, frame| {
        let goes_on = next.seal().is_none();
        if goes_on {
            last = *next;
            frames.extend_from_slice(frame);
        }
        Ok(goes_on)
    })?;
    Ok((last, frames))
}

/// Goes through the frames of a file that continue a chain, as long as there are whole ones and `take` asks for more.
fn follow(
    file: &dyn File,
    segment: &Segment,
    mut chain: Chain,
    mut take: impl FnMut(&Chain, &[u8]) -> Result<bool, LogError>,
) -> Result<(), LogError> {
    let mut window = Window::default();
    loop {
        let at = chain.at;
        let bytes = match window.frame_at(file, segment, at) {
            Ok(bytes) => bytes,
            Err(LogError::Damaged { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        match chain.take(bytes, &segment.header.segment_id) {
            Ok(frame) if take(&chain, frame.bytes())? => {}
            Ok(_) | Err(Stop::Bad(_)) => return Ok(()),
            Err(stop) => return Err(stop.into_error(&segment.path, segment.header.number, at)),
        }
    }
}
