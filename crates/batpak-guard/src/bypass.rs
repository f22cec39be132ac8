//! Going past the gates, on the record.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::Proposal;

/// Record of a proposal that went past the gates, with the reason and the gates that were not asked.
///
/// Only [`Pipeline::bypass`](crate::PipelineFor::bypass) makes one. It is not a [`Receipt`](crate::Receipt), cannot be
/// turned into one, and names no gate as passed. Like a receipt it is neither `Clone` nor `Default`.
#[derive(Debug)]
#[must_use = "nothing has happened yet, and the reason belongs in a log"]
pub struct BypassReceipt<T> {
    payload: T,
    reason: String,
    skipped: Arc<Vec<&'static str>>,
}

impl<T> BypassReceipt<T> {
    pub(crate) fn issue(
        proposal: Proposal<T>,
        reason: String,
        skipped: Arc<Vec<&'static str>>,
    ) -> Result<Self, EmptyReason> {
        if reason.trim().is_empty() {
            return Err(EmptyReason);
        }
        Ok(Self { payload: proposal.into_payload(), reason, skipped })
    }

    /// Shows the payload, which no gate has seen.
    pub fn payload(&self) -> &T {
        &self.payload
    }

    /// Says why the gates were not asked, in the words of whoever bypassed them. Never blank.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Names the gates that were not asked, in order.
    pub fn gates_skipped(&self) -> &[&'static str] {
        &self.skipped
    }

    /// Spends the receipt: returns the payload and the reason.
    pub fn into_parts(self) -> (T, String) {
        (self.payload, self.reason)
    }
}

/// A bypass was refused because its reason was empty, or white space only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptyReason;

impl fmt::Display for EmptyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bypass needs a reason, and this one is blank")
    }
}

impl Error for EmptyReason {}
