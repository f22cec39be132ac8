//! Why something may not happen.

use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

/// The code of a denial that was given no other.
pub const DENIED: &str = "DENIED";

/// The code of a denial that stands for a gate's panic: the gate is broken, and has decided nothing.
pub const GATE_DEFECT: &str = "GATE_DEFECT";

/// A gate's refusal. Displays as `[gate] message`.
///
/// # Examples
///
/// ```
/// use batpak_guard::{DENIED, Denial};
///
/// let denial = Denial::new("disk_space", "3 MiB free, 64 MiB needed")
///     .with_context("free_bytes", "3145728")
///     .with_context("needed_bytes", "67108864");
///
/// assert_eq!(denial.to_string(), "[disk_space] 3 MiB free, 64 MiB needed");
/// assert_eq!(denial.code, DENIED);
/// assert_eq!(denial.context[0].0, "free_bytes");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// The gate that denied, as it named itself in the denial. If it left that empty, a gate set puts in the name that
    /// the gate has there.
    pub gate: &'static str,
    /// What programs branch on: [`DENIED`] unless the gate gave its own.
    pub code: &'static str,
    /// What people read.
    pub message: String,
    /// Keys and values, in the order in which they were added. A key that was added twice stands here twice.
    pub context: Vec<(String, String)>,
}

impl Denial {
    /// Returns a denial by `gate`, with the code [`DENIED`] and an empty context.
    pub fn new(gate: &'static str, message: impl Into<String>) -> Self {
        Self { gate, code: DENIED, message: message.into(), context: Vec::new() }
    }

    /// Replaces the code.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::Denial;
    ///
    /// assert_eq!(Denial::new("quota", "9 of 8 used").with_code("QUOTA").code, "QUOTA");
    /// ```
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    pub(crate) fn named(self, gate: &'static str) -> Self {
        if self.gate.is_empty() { Self { gate, ..self } } else { self }
    }

    /// Adds a key and a value behind those that are there.
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::Denial;
    ///
    /// let denial = Denial::new("quota", "9 of 8 used").with_context("used", "9").with_context("limit", "8");
    /// let keys: Vec<_> = denial.context.iter().map(|(key, _)| key.as_str()).collect();
    /// assert_eq!(keys, ["used", "limit"]);
    /// ```
    #[must_use]
    pub fn with_context(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.push((key.into(), value.into()));
        self
    }

    /// Says whether the gate is broken rather than of another opinion: its code is [`GATE_DEFECT`].
    ///
    /// # Examples
    ///
    /// ```
    /// use batpak_guard::Denial;
    ///
    /// assert!(!Denial::new("quota", "9 of 8 used").is_defect());
    /// ```
    pub fn is_defect(&self) -> bool {
        self.code == GATE_DEFECT
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.gate, self.message)
    }
}

impl Error for Denial {}
