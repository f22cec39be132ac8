//! What a name may be.

/// The most bytes that an entity or a scope may have.
pub const NAME_MAX_BYTES: usize = 1024;

/// What is wrong with a name.
///
/// It reads as the end of a sentence that begins with the field: `entity` + `has 1025 bytes, at most 1024 are allowed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// There is nothing in it.
    #[error("is empty, 1 to {max_bytes} bytes are allowed")]
    Empty {
        /// The most bytes that the field may have.
        max_bytes: usize,
    },
    /// It has too many bytes.
    #[error("has {bytes} bytes, at most {max_bytes} are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The most bytes that the field may have.
        max_bytes: usize,
    },
    /// It has a control character (Unicode category Cc).
    #[error("has the control character U+{code_point:04X} at byte {at}")]
    Control {
        /// The byte at which the first one begins.
        at: usize,
        /// The first one.
        code_point: u32,
    },
}

/// Checks that `name` has 1 to `max_bytes` bytes and no control character ([`char::is_control`]).
///
/// # Errors
///
/// The first fault, of emptiness, length and characters in this order.
///
/// # Examples
///
/// ```
/// use batpak_core::{NAME_MAX_BYTES, NameFault, check_name};
///
/// assert_eq!(check_name("account:7", NAME_MAX_BYTES), Ok(()));
/// assert_eq!(check_name("a\tb", NAME_MAX_BYTES), Err(NameFault::Control { at: 1, code_point: 9 }));
/// ```
pub fn check_name(name: &str, max_bytes: usize) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty { max_bytes });
    }
    if name.len() > max_bytes {
        return Err(NameFault::TooLong { bytes: name.len(), max_bytes });
    }
    if is_printable_ascii(name) {
        return Ok(());
    }
    refuse_control(name)
}

// Nearly every name is: one pass that the compiler vectorises, instead of decoding characters.
pub(crate) fn is_printable_ascii(name: &str) -> bool {
    name.bytes().fold(true, |all, byte| all & (0x20..0x7F).contains(&byte))
}

fn refuse_control(name: &str) -> Result<(), NameFault> {
    match name.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, c)) => Err(NameFault::Control { at, code_point: c.into() }),
        None => Ok(()),
    }
}
