//! What was found, by what, and after how long.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::seconds;

/// One fault.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) fault: String,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// By the first tool that noticed, building included.
    Found {
        tool: &'static str,
        what: String,
        after: Duration,
    },
    NotFound {
        after: Duration,
    },
    DoesNotApply,
    DoesNotBuild,
}

impl Verdict {
    pub(crate) fn is_found(&self) -> bool {
        matches!(self, Self::Found { .. })
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fault = &self.fault;
        match &self.verdict {
            Verdict::Found { tool, what, after } => write!(f, "{fault:<36} {} {tool:<10} {what}", seconds(*after)),
            Verdict::NotFound { after } => write!(f, "{fault:<36} {} NOT FOUND", seconds(*after)),
            Verdict::DoesNotApply => write!(f, "{fault:<36} {:>8} DOES NOT APPLY", ""),
            Verdict::DoesNotBuild => write!(f, "{fault:<36} {:>8} DOES NOT BUILD", ""),
        }
    }
}

/// All of them, and how many were found.
pub(crate) fn of(rows: &[Row]) -> String {
    let found = rows.iter().filter(|row| row.verdict.is_found()).count();
    let head = format!("{:<36} {:>8} {:<10} {}", "fault", "after", "found by", "which test");
    let lines = rows.iter().map(Row::to_string);
    let sum = format!("{found} of {} faults were found", rows.len());
    [head].into_iter().chain(lines).chain([sum]).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Row, Verdict, of};
    use std::time::Duration;

    #[test]
    fn what_was_not_found_is_told_as_well() {
        let after = Duration::from_millis(2500);
        let found = Verdict::Found { tool: "segment", what: "sync::fails".to_owned(), after };
        let verdicts = [found, Verdict::NotFound { after }, Verdict::DoesNotApply, Verdict::DoesNotBuild];
        let rows = verdicts.map(|verdict| Row { fault: "fault".to_owned(), verdict });
        let table = of(&rows);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].ends_with("2.5 s segment    sync::fails"), "{table}");
        assert!(lines[2].ends_with("2.5 s NOT FOUND"), "{table}");
        assert!(lines[3].ends_with("DOES NOT APPLY") && lines[4].ends_with("DOES NOT BUILD"), "{table}");
        assert_eq!(lines[5], "1 of 4 faults were found");
    }
}
