//! What the comparison comes to, for a terminal, a ticket and a program.

use std::fmt::Write as _;

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Somebody should look at it; the verdict does not hang on it.
    Warn,
    /// The move is not done.
    Fail,
}

impl Status {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One line of the examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub check: String,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Every single thing that is meant, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl Check {
    /// A check without a hint.
    pub fn new(check: impl Into<String>, status: Status, found: impl Into<String>) -> Self {
        Self { check: check.into(), status, found: found.into(), hint: None, details: Vec::new() }
    }

    /// The same with what to do about it, unless all is well.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if self.status != Status::Ok {
            self.hint = Some(hint.into());
        }
        self
    }

    /// The same with everything that is meant.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

/// The whole examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `pass` or `no`.
    pub verdict: &'static str,
    /// Where the data comes from, and the version there.
    pub from: String,
    /// Where it went, and the version there.
    pub to: String,
    /// Every check, whatever it found.
    pub checks: Vec<Check>,
}

/// Names that a line of a table shows.
const SHOWN: usize = 3;

/// Names that a list on a page shows.
const LISTED: usize = 20;

impl Verdict {
    /// From checks to a verdict: one failure is enough for a no.
    pub fn of(from: String, to: String, checks: Vec<Check>) -> Self {
        let passed = checks.iter().all(|check| check.status != Status::Fail);
        Self { verdict: if passed { "pass" } else { "no" }, from, to, checks }
    }

    /// Whether the move is done.
    pub fn passed(&self) -> bool {
        self.verdict == "pass"
    }

    /// How many checks ended so.
    pub fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// One sentence.
    pub fn summary(&self) -> String {
        format!(
            "verdict: {}; {} checks, {} failed, {} to look at",
            self.verdict,
            self.checks.len(),
            self.count(Status::Fail),
            self.count(Status::Warn)
        )
    }

    /// A page to attach to a ticket.
    pub fn markdown(&self) -> String {
        let mut page = format!(
            "# Migration check: {}\n\n| | |\n|---|---|\n| from | {} |\n| to | {} |\n\n{}.\n\n| status | check | found | hint |\n|---|---|---|---|\n",
            if self.passed() { "pass" } else { "NO" },
            cell(&self.from),
            cell(&self.to),
            self.summary()
        );
        for check in &self.checks {
            let hint = check.hint.as_deref().unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} |",
                check.status.word(),
                cell(&check.check),
                cell(&check.found),
                cell(hint)
            );
        }
        for check in self.checks.iter().filter(|check| !check.details.is_empty()) {
            let _ = write!(page, "\n## {}: {}\n\n", check.check, check.status.word());
            for detail in check.details.iter().take(LISTED) {
                let _ = writeln!(page, "- {}", cell(detail));
            }
            if check.details.len() > LISTED {
                let _ = writeln!(page, "- and {} more, in verdict.json", check.details.len() - LISTED);
            }
        }
        page
    }
}

/// Text that cannot leave its cell or become markup.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '<' | '[' | '\\' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// The first few names, and how many more there are.
pub(super) fn named(names: &[String]) -> String {
    let first = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
