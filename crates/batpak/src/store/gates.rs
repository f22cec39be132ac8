//! Commits through gates, and past them.

use crate::store::records::{BYPASSED, BypassRecord, DenialRecord};
use crate::store::write_context::{WriteContext, WritePipeline};
use crate::store::{AppendReceipt, StoreError, Transaction};
use batpak_core::Coordinate;
use batpak_guard::{Denial, EmptyReason, Proposal, Receipt};
use std::error::Error;
use std::fmt;

/// A commit whose gates have passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gated {
    /// A receipt for each event, in order.
    pub receipts: Vec<AppendReceipt>,
    /// The names of the gates that passed, in the order in which they were asked. None if nothing was appended because
    /// the commit repeats an earlier one: they were not asked again.
    pub gates_passed: Vec<&'static str>,
}

/// A commit that went past its gates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bypassed {
    /// A receipt for each event, in order.
    pub receipts: Vec<AppendReceipt>,
    /// That of the event that says so, a [`BypassRecord`]. None if there was no event to append.
    pub record: Option<AppendReceipt>,
    /// The names of the gates that were not asked, in order.
    pub gates_skipped: Vec<&'static str>,
}

/// Why nothing was committed through gates.
#[derive(Debug)]
#[non_exhaustive]
pub enum GateError {
    /// A gate has denied.
    Denied {
        /// Which one, and why.
        denial: Box<Denial>,
        /// The receipt of the event that records it, a [`DenialRecord`], if that was asked for.
        record: Option<AppendReceipt>,
    },
    /// A gate has denied, and the denial could not be recorded.
    Unrecorded {
        /// Which one, and why.
        denial: Box<Denial>,
        /// Why it could not be recorded.
        source: Box<StoreError>,
    },
    /// The store refused or failed, before the gates were asked or after they had passed.
    Store(StoreError),
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { denial, .. } => write!(f, "a gate has denied: {denial}"),
            Self::Unrecorded { denial, .. } => write!(f, "a gate has denied, which could not be recorded: {denial}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Error for GateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // What is in the box, not the box: so it is found by its type, although the message has it too.
            Self::Denied { denial, .. } => Some(&**denial),
            Self::Unrecorded { source, .. } => Some(&**source),
            Self::Store(error) => error.source(),
        }
    }
}

impl From<StoreError> for GateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl GateError {
    /// The denial, recorded or not.
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Denied { denial, .. } | Self::Unrecorded { denial, .. } => Some(denial),
            Self::Store(_) => None,
        }
    }

    /// Whether what was read by the transaction or by its gates has changed meanwhile: begin anew.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Why nothing was committed past the gates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BypassError {
    /// No reason was given.
    #[error(transparent)]
    Reason(#[from] EmptyReason),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Transaction {
    /// Sets where it is recorded what the gates come to. A denial is recorded only if this was said; a bypass always is,
    /// otherwise at the entity [`BYPASSED`], in the scope of the first event.
    pub fn record_at(&mut self, coordinate: &Coordinate) {
        self.records_at = Some(coordinate.clone());
    }

    /// Asks the gates, and commits what was staged if all of them pass and everything holds that was read, by the
    /// transaction and by the gates.
    ///
    /// The gates are asked in order, up to the first denial, and outside of any lock. Idempotency keys go before them: if
    /// the commit repeats an earlier one, the receipts of that are returned and no gate is asked.
    ///
    /// A denial is recorded if [`record_at`](Self::record_at) was called: as an event of its own, whatever has come
    /// since the gates have read.
    ///
    /// # Errors
    /// `Denied` and `Unrecorded` if a gate denies or panics; `Store` with what [`commit`](Self::commit) returns.
    ///
    /// # Examples
    /// See [`WriteContext`].
    pub fn commit_through(mut self, gates: &WritePipeline) -> Result<Gated, GateError> {
        let gates_passed = self.ask(gates)?;
        Ok(Gated { receipts: self.commit()?, gates_passed })
    }

    /// Asks the gates about what is staged, as [`commit_through`](Self::commit_through) does, without the commit: for the
    /// function that [`Store::transact`](crate::store::Store::transact) runs again if it is overtaken. What is staged
    /// afterwards they have not seen. Returns the names of the gates that passed.
    ///
    /// # Errors
    /// As [`commit_through`](Self::commit_through).
    ///
    /// # Examples
    /// ```
    /// use batpak::guard::{Denial, gate_fn};
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let mut gates = WriteGates::new();
    /// gates.push(gate_fn("once", |write: &WriteContext<'_>| match write.len_of("car:1")? {
    ///     0 => Ok(()),
    ///     _ => Err(Denial::new("once", "the car is sold")),
    /// }));
    /// let gates = WritePipeline::new(gates);
    ///
    /// let car = Coordinate::new("car:1", "cars")?;
    /// let sell = |to: &str| {
    ///     store.transact(|sale| {
    ///         sale.append(&car, EventKind::custom(1, 1), &to)?;
    ///         sale.ask(&gates)
    ///     })
    /// };
    /// assert_eq!(sell("ann")?.value, ["once"]);
    /// assert!(sell("bob").is_err());
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ask(&mut self, gates: &WritePipeline) -> Result<Vec<&'static str>, GateError> {
        if self.is_repetition()? {
            return Ok(Vec::new());
        }
        match self.evaluate(gates) {
            Ok(receipt) => Ok(receipt.into_parts().1),
            Err(denial) => Err(self.denied(Box::new(denial))),
        }
    }

    /// Commits what was staged without asking the gates. The same commit has an event behind the others that says so, a
    /// [`BypassRecord`]; of no events there is none. What was read has to hold as with every commit.
    ///
    /// # Errors
    /// `Reason` if the reason is empty or white space only: nothing is done then; `Store` with what
    /// [`commit`](Self::commit) returns.
    ///
    /// # Examples
    /// ```
    /// use batpak::guard::{Denial, gate_fn};
    /// use batpak::prelude::*;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let store = Store::open(dir.path())?;
    /// let mut gates = WriteGates::new();
    /// gates.push(gate_fn("closed", |_: &WriteContext<'_>| Err(Denial::new("", "no sales today"))));
    /// let gates = WritePipeline::new(gates);
    ///
    /// let mut sale = store.transaction();
    /// sale.append(&Coordinate::new("order:7", "shop")?, EventKind::custom(1, 1), &"a chair")?;
    /// let bypassed = sale.bypass(&gates, "the owner is here")?;
    /// assert_eq!(bypassed.gates_skipped, ["closed"]);
    /// let record = store.get(bypassed.record.expect("there was an event").event_id)?;
    /// assert_eq!(record.event.kind(), BypassRecord::KIND);
    /// assert_eq!(record.event.payload()["reason"], "the owner is here");
    /// assert_eq!(record.event.causation_id(), Some(bypassed.receipts[0].event_id));
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bypass(self, gates: &WritePipeline, reason: impl Into<String>) -> Result<Bypassed, BypassError> {
        let bypass = gates.bypass(Proposal::new(self), reason)?;
        let gates_skipped = bypass.gates_skipped().to_vec();
        let (mut transaction, reason) = bypass.into_parts();
        let events = transaction.items.len();
        if let Some(at) = transaction.bypassed_at() {
            let skipped = gates_skipped.iter().map(|name| (*name).to_owned()).collect();
            let record = BypassRecord { reason, gates_skipped: skipped, event_count: events as u64 };
            transaction.push(record.item(at)?);
        }
        let mut receipts = transaction.commit()?;
        let record = (receipts.len() > events).then(|| receipts.pop()).flatten();
        Ok(Bypassed { receipts, record, gates_skipped })
    }

    /// Whether it repeats an earlier commit.
    fn is_repetition(&self) -> Result<bool, StoreError> {
        if self.items.iter().all(|item| item.idempotency_key.is_none()) {
            return Ok(false);
        }
        let mut job = self.propose()?;
        job.only_repeats = true;
        self.store.commit(self.store.shared().writing()?, &mut job)?;
        let is_repetition = !job.receipts.is_empty();
        job.end();
        Ok(is_repetition)
    }

    /// Asks the gates. If they pass, what they have read has to hold at the commit.
    fn evaluate(&mut self, gates: &WritePipeline) -> Result<Receipt<()>, Denial> {
        let context = WriteContext::new(self);
        let receipt = gates.evaluate(&context, Proposal::new(()))?;
        for condition in context.into_conditions() {
            self.require(condition);
        }
        Ok(receipt)
    }

    fn denied(&self, denial: Box<Denial>) -> GateError {
        match self.record(&denial) {
            Ok(record) => GateError::Denied { denial, record },
            Err(source) => GateError::Unrecorded { denial, source: Box::new(source) },
        }
    }

    /// Appends the record of a denial, if that was asked for.
    fn record(&self, denial: &Denial) -> Result<Option<AppendReceipt>, StoreError> {
        let Some(at) = &self.records_at else { return Ok(None) };
        let item = DenialRecord::new(denial, &self.items).item(at.clone(), self.items.first())?;
        let mut recording = self.store.transaction();
        recording.durability = self.durability;
        recording.push(item);
        Ok(recording.commit()?.pop())
    }

    /// Where a bypass is recorded; `None` if there is nothing to record.
    #[expect(clippy::expect_used, reason = "the entity is a valid name, and the scope was checked before")]
    fn bypassed_at(&self) -> Option<Coordinate> {
        let first = self.items.first()?;
        let at = self.records_at.clone();
        at.or_else(|| Some(Coordinate::new(BYPASSED, first.coordinate.scope()).expect("valid names")))
    }
}
