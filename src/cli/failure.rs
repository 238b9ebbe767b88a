//! How a command ends.

use crate::context::{Diagnose, Fault, hint_for};

/// A command that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Done, and what was asked for is not so (exit 1).
    AnswerIsNo,
}

/// A command that did not run to its end.
#[derive(Debug)]
pub struct Failure {
    /// What was attempted on what, with its causes.
    pub error: anyhow::Error,
    /// Whose move it is.
    pub fault: Fault,
    /// What to try next.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure of what is around us.
    pub fn environment(what: &str, source: impl Into<anyhow::Error>) -> Self {
        Self { error: source.into().context(what.to_owned()), fault: Fault::Environment, hint: None }
    }

    /// A failure of what the user gave.
    pub fn input(what: impl Into<String>) -> Self {
        Self { error: anyhow::Error::msg(what.into()), fault: Fault::Input, hint: None }
    }

    /// The same failure with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, saying what was attempted.
    #[must_use]
    pub fn during(mut self, what: impl Into<String>) -> Self {
        self.error = self.error.context(what.into());
        self
    }
}

impl<E: Diagnose> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { fault: error.fault(), hint: error.hint(), error: anyhow::Error::new(error) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self { fault: Fault::of_path(&error), hint: hint_for(&error), error: anyhow::Error::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::SourceError;
    use crate::sources::falkordb::{FalkorError, Version};

    /// What the terminal would show, hint and exit code included.
    fn told(failure: &Failure) -> String {
        let causes: Vec<String> = failure.error.chain().map(ToString::to_string).collect();
        format!("{:?}: {} (hint: {:?})", failure.fault, causes.join(" <- "), failure.hint)
    }

    #[test]
    fn a_server_that_is_too_old_is_named_with_its_version_and_the_oldest_that_serves() {
        let found = Version { major: 4, minor: 18, patch: 3 };
        let old = FalkorError::TooOld { address: "graph.internal:6379".into(), found };
        insta::assert_snapshot!(told(&old.into()));
        let old = SourceError::TooOld { place: "db.internal:5432/sonik".into(), version: 11, oldest: 12 };
        insta::assert_snapshot!(told(&old.into()));
    }
}
