//! What stands first and last in a segment's file: enough to know what a complete segment holds, and where a log that
//! was closed goes on.

use crate::file_system::{File, read_full};
use crate::frame::FrameRef;
use crate::header::{Id, Link, Seal};
use crate::layout::{LINK_END, MARK_FRAME_LEN, SEAL_FRAME_LEN};
use crate::scan::{Chain, Last};
use std::io;

/// What the ends of a file said when it was listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// The link in the first frame.
    pub(crate) link: Option<Link>,
    /// The seal in a last frame that stands at the very end, and the crc of that frame.
    pub(crate) seal: Option<(Seal, u32)>,
    /// Length of the file.
    pub(crate) len: u64,
}

/// The link in the first frame of a segment.
pub(crate) fn first_link(frame: &[u8], id: &Id, header_crc: u32) -> Option<Link> {
    let mut chain = Chain::new(header_crc);
    chain.take(frame, id).ok()?;
    chain.link
}

/// The seal that ends a file of `len` bytes.
pub(crate) fn last_seal(file: &dyn File, len: u64, id: &Id) -> io::Result<Option<(Seal, u32)>> {
    let mut bytes = [0; SEAL_FRAME_LEN];
    Ok(last_frame(file, len, id, &mut bytes)?.and_then(|chain| chain.seal()))
}

/// The mark of a close that ends a file, in `bytes`, and what the frames of the file add up to if those before it are
/// as they were written. The mark says that they were durable.
pub(crate) fn last_mark(file: &dyn File, id: &Id, bytes: &mut [u8; MARK_FRAME_LEN]) -> io::Result<Option<Chain>> {
    Ok(last_frame(file, file.len()?, id, bytes)?.filter(|chain| chain.last == Last::Close))
}

/// The chain that ends with the frame which fills `bytes` at the end of a file.
fn last_frame(file: &dyn File, len: u64, id: &Id, bytes: &mut [u8]) -> io::Result<Option<Chain>> {
    let at = len.checked_sub(bytes.len() as u64).filter(|at| *at >= LINK_END);
    let Some(at) = at else { return Ok(None) };
    let n = read_full(file, bytes, at)?;
    Ok(chain_to(&bytes[..n], id, at).filter(|chain| chain.at - at == bytes.len() as u64))
}

/// The chain that a frame at offset `at` ends, as far as that frame tells.
fn chain_to(bytes: &[u8], id: &Id, at: u64) -> Option<Chain> {
    let frame = FrameRef::parse(bytes, id, at).ok()?;
    let mut chain = Chain::new(frame.header.previous);
    (chain.at, chain.last) = (at, Last::Commit);
    chain.take(bytes, id).ok()?;
    Some(chain)
}
