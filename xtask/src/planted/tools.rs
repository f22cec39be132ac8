//! What is to notice a fault, from the quickest to the slowest.

/// One test binary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) test: &'static str,
    /// Which of its tests are run: those with this in their names, or all.
    pub(crate) filter: Option<&'static str>,
    /// What is in the environment while it runs.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// The crates in which it can notice a fault.
    crates: &'static [&'static str],
}

pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "core",
        package: "batpak-core",
        test: "core",
        filter: None,
        environment: &[],
        crates: &["batpak-core"],
    },
    Tool {
        name: "segment",
        package: "batpak-segment",
        test: "segment",
        filter: None,
        environment: &[],
        crates: &["batpak-segment"],
    },
    Tool {
        name: "index",
        package: "batpak-index",
        test: "index",
        filter: None,
        environment: &[],
        crates: &["batpak-index"],
    },
    Tool {
        name: "simulator",
        package: "batpak",
        test: "sim",
        filter: Some("what_was"),
        environment: &[("BATPAK_SIM_RUNS", "1000")],
        crates: EVERY,
    },
    Tool { name: "store", package: "batpak", test: "batpak", filter: None, environment: &[], crates: EVERY },
    Tool { name: "format", package: "batpak", test: "format", filter: None, environment: &[], crates: EVERY },
    Tool {
        name: "more lives",
        package: "batpak",
        test: "sim",
        filter: Some("what_was"),
        environment: &[("BATPAK_SIM_SEED", "1001"), ("BATPAK_SIM_RUNS", "3000")],
        crates: EVERY,
    },
];

/// What a store is made of.
const EVERY: &[&str] = &["batpak-core", "batpak-segment", "batpak-index", "batpak"];

impl Tool {
    /// Whether it runs what is in a file.
    pub(crate) fn runs(&self, file: &str) -> bool {
        let package = file.strip_prefix("crates/").and_then(|rest| rest.split('/').next());
        package.is_some_and(|package| self.crates.contains(&package))
    }

    /// It as one would type it.
    pub(crate) fn line(&self) -> String {
        let settings = self.environment.iter().map(|(name, value)| format!("{name}={value} "));
        let filter = self.filter.map_or(String::new(), |filter| format!(" {filter}"));
        format!("{}cargo test -p {} --test {}{filter}", settings.collect::<String>(), self.package, self.test)
    }
}

#[cfg(test)]
mod tests {
    use super::TOOLS;
    use crate::planted::faults;

    #[test]
    fn every_fault_is_run_by_some_tool() {
        for fault in faults::all().expect("the patches can be read") {
            let runs = |file: &String| TOOLS.iter().any(|tool| tool.runs(file));
            assert!(fault.files.iter().all(runs), "{}", fault.name);
        }
    }
}
