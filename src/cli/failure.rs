//! How a command ends.

use crate::context::{Diagnose, Fault};

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
        Self { error: anyhow::Error::new(error), fault: Fault::Environment, hint: None }
    }
}
