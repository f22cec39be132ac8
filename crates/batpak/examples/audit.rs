//! An agent whose tool calls pass gates: what it may not do is refused, and all of it can be looked up.
//!
//! `cargo run --release -p batpak --example audit`. The page `docs/guide/audit.md` writes it step by step.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use batpak::prelude::*;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::thread;

const BUDGET_CENTS: u64 = 1000;
const TOOLS: [&str; 3] = ["search", "translate", "buy"];

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 4)]
enum AgentEvent {
    #[batpak(type_id = 1, name = "task.given")]
    TaskGiven { by: String, text: String },
    /// Appended before the tool is called.
    #[batpak(type_id = 2, name = "tool.called")]
    ToolCalled { tool: String, cents: u64 },
    #[batpak(type_id = 3, name = "tool.returned")]
    ToolReturned { result: String },
    #[batpak(type_id = 4, name = "task.answered")]
    Answered { text: String },
}

/// What an agent has spent, in cents.
#[derive(Clone, Debug, Default)]
struct Spent(u64);

impl Projection for Spent {
    type Event = AgentEvent;

    fn apply(&mut self, event: &Event<AgentEvent>) {
        if let AgentEvent::ToolCalled { cents, .. } = event.payload() {
            self.0 = self.0.saturating_add(*cents);
        }
    }
}

/// Only the tools that are listed.
fn known_tool(write: &WriteContext<'_>) -> Result<(), Denial> {
    for event in write.staged() {
        if let Some(AgentEvent::ToolCalled { tool, .. }) = event.typed()?
            && !TOOLS.contains(&tool.as_str())
        {
            return Err(Denial::new("known_tool", format!("{tool} is not allowed")).with_context("tool", tool));
        }
    }
    Ok(())
}

/// No more than the budget, together with what was spent before.
fn budget(write: &WriteContext<'_>) -> Result<(), Denial> {
    let mut wanted = 0;
    for event in write.staged() {
        if let Some(AgentEvent::ToolCalled { cents, .. }) = event.typed()? {
            wanted = cents.saturating_add(wanted);
            let Spent(spent) = write.project(event.coordinate().entity())?.unwrap_or_default();
            if spent.saturating_add(wanted) > BUDGET_CENTS {
                let message = format!("{spent} of {BUDGET_CENTS} cents are spent, {wanted} more are too many");
                return Err(Denial::new("budget", message).with_context("spent", spent.to_string()));
            }
        }
    }
    Ok(())
}

fn gates() -> WritePipeline {
    let mut gates = WriteGates::new();
    gates.push(gate_fn("known_tool", |write: &WriteContext<'_>| known_tool(write)).with_code("UNKNOWN_TOOL"));
    gates.push(gate_fn("budget", |write: &WriteContext<'_>| budget(write)).with_code("BUDGET"));
    WritePipeline::new(gates)
}

struct Agent {
    store: Store,
    at: Coordinate,
    /// Where denials and bypasses are recorded.
    records: Coordinate,
    gates: WritePipeline,
    task: EventId,
}

impl Agent {
    /// A transaction with the call of a tool, which `cause` brought about.
    fn proposed(&self, cause: EventId, tool: &str, cents: u64) -> Result<Transaction, StoreError> {
        let call = AgentEvent::ToolCalled { tool: tool.to_owned(), cents };
        let options = AppendOptions::default().with_correlation_id(self.task);
        let mut proposed = self.store.transaction();
        proposed.record_at(&self.records);
        proposed.push(BatchAppendItem::typed(self.at.clone(), &call, options, CausationRef::Event(cause))?);
        Ok(proposed)
    }

    /// Calls a tool, if the gates allow it. Returns the event with its result.
    fn call(&self, cause: EventId, tool: &str, cents: u64) -> Result<EventId, GateError> {
        loop {
            match self.proposed(cause, tool, cents)?.commit_through(&self.gates) {
                Ok(gated) => return self.run(gated.receipts[0].event_id, tool),
                // The gates have read what another call has changed meanwhile: they are asked again.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Does what was allowed and recorded.
    fn run(&self, call: EventId, tool: &str) -> Result<EventId, GateError> {
        self.append(call, &AgentEvent::ToolReturned { result: format!("the result of {tool}") })
            .map_err(GateError::Store)
    }

    fn append(&self, cause: EventId, event: &AgentEvent) -> Result<EventId, StoreError> {
        let options = AppendOptions::default().with_causation_id(cause).with_correlation_id(self.task);
        Ok(self.store.append_typed_with(&self.at, event, options)?.event_id)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?; // a path of yours
    let store = Store::open(StoreConfig::synced(dir.path()).with_events::<AgentEvent>())?;
    let (at, records) = (Coordinate::new("agent:7", "office")?, Coordinate::new("agent:7/gates", "office")?);
    let given = AgentEvent::TaskGiven { by: "Ada".to_owned(), text: "Find a chair and buy it".to_owned() };
    let task = store.append_typed(&at, &given)?.event_id;
    let agent = Agent { store, at, records, gates: gates(), task };

    // Eight searches at once for 150 cents each. The budget allows six of them, whichever they are.
    let searches: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| agent.call(task, "search", 150))).collect();
        calls.into_iter().map(|call| call.join().map_err(|_| "a call panicked")).collect::<Result<_, _>>()
    })?;
    let found = searches.iter().filter_map(|search| search.as_ref().ok()).max().ok_or("a search was allowed")?;
    assert_eq!(searches.iter().filter(|search| search.is_ok()).count(), 6);

    let refused = agent.call(*found, "shell", 0);
    assert!(refused.is_err_and(|error| error.denial().is_some_and(|denial| denial.code == "UNKNOWN_TOOL")));
    let refused = agent.call(*found, "buy", 12_900);
    assert!(refused.is_err_and(|error| error.denial().is_some_and(|denial| denial.code == "BUDGET")));

    // A person allows it nevertheless, and says why.
    let bypassed = agent.proposed(*found, "buy", 12_900)?.bypass(&agent.gates, "Ada has approved the purchase")?;
    assert!(bypassed.record.is_some());
    let blank = agent.proposed(*found, "buy", 1)?.bypass(&agent.gates, " ");
    assert!(matches!(blank, Err(BypassError::Reason(_))));
    let bought = agent.run(bypassed.receipts[0].event_id, "buy")?;
    let answer = agent.append(bought, &AgentEvent::Answered { text: "A chair was bought".to_owned() })?;

    check(&agent, answer)?;
    Ok(agent.store.close()?)
}

/// What an auditor asks: why was it answered, what was denied, who went past the gates, and is this all?
fn check(agent: &Agent, answer: EventId) -> Result<(), Box<dyn Error>> {
    let store = &agent.store;
    println!("why it was answered, the nearest cause first:");
    let mut causes = store.causes(answer);
    let mut first = answer;
    for row in causes.by_ref() {
        let row = row?;
        println!("  {:>2} {}", row.sequence, store.get(row.event_id)?.event.payload());
        first = row.event_id;
    }
    assert_eq!((first, causes.end()), (agent.task, Some(CausesEnd::Root)));

    let records = Region::entity(agent.records.entity());
    let mut codes = Vec::new();
    for denial in store.events(&records.clone().with_kind(DenialRecord::KIND)).decoded::<DenialRecord>() {
        let DenialRecord { gate, code, message, .. } = denial?.event.into_payload();
        println!("denied by {gate}: {message}");
        codes.push(code);
    }
    assert_eq!(codes, ["BUDGET", "BUDGET", "UNKNOWN_TOOL", "BUDGET"]);
    let mut bypasses = store.events(&records.with_kind(BypassRecord::KIND)).decoded::<BypassRecord>();
    let bypass = bypasses.next().ok_or("it was recorded")??.event.into_payload();
    println!("past {}: {}", bypass.gates_skipped.join(" and "), bypass.reason);
    assert!(bypasses.next().is_none());

    let tree = store.correlation(agent.task, 1000)?;
    println!("all {} events of the task, each under its cause:", tree.len());
    for (depth, node) in tree.walk() {
        let name = AgentEvent::info_of(node.row().kind).map_or("recorded by the gates", |info| info.name);
        println!("  {:>2} {}{name}", node.row().sequence, "  ".repeat(depth));
    }
    assert!(tree.is_whole() && tree.roots().count() == 1);
    let head = store.head()?;
    assert_eq!((store.verify_chain()?.events, head.size), (tree.len() as u64, tree.len() as u64));
    println!("keep elsewhere, to find what is changed or taken away later: {} events, {}", head.size, head.root);
    Ok(())
}
