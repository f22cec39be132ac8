//! Little-endian fields, taken from the front of what is left of a container.

/// What is wrong, in words.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// What is left of a container.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(len).ok_or(format!("{len} bytes of {}", self.len()))?;
        self.0 = left;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("as many as were taken"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// Bytes behind their length.
    pub(crate) fn counted16(&mut self) -> Result<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// Bytes behind their length.
    pub(crate) fn counted32(&mut self) -> Result<&'a [u8]> {
        let len = self.u32()?;
        self.take(index(u64::from(len)))
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<()> {
        check(self.0.is_empty(), || format!("{} bytes too many", self.len()))
    }
}

/// An error unless it holds.
pub(crate) fn check(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(what()) }
}

/// An offset or length of a file that is in memory.
pub(crate) fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// UTF-8 of `min` to `max` bytes without a control character.
pub(crate) fn text(bytes: &[u8], min: usize, max: usize) -> Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    check((min..=max).contains(&text.len()), || format!("{} bytes in a name", text.len()))?;
    check(!text.chars().any(char::is_control), || format!("a control character in {text:?}"))?;
    Ok(text.to_owned())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut digits = String::new();
    for byte in bytes {
        write!(digits, "{byte:02x}").expect("a string takes everything");
    }
    digits
}
