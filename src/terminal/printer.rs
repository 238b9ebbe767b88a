//! Prints to the two streams.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};

use owo_colors::OwoColorize;

/// Prints data to stdout and everything else to stderr.
///
/// A reader that closed the pipe (`| head`) is no error: the output just ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Printer {
    quiet: bool,
}

impl Printer {
    /// A printer; `quiet` keeps notes back, never data or errors.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Writes a line of data to stdout.
    pub fn data(self, line: impl Display) -> io::Result<()> {
        ignore_closed_pipe(writeln!(io::stdout().lock(), "{line}"))
    }

    /// Writes bytes of data to stdout.
    pub fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        ignore_closed_pipe(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Tells the human something, on stderr.
    pub fn note(self, line: impl Display) {
        if !self.quiet {
            say(line);
        }
    }

    /// Warns the human, on stderr.
    pub fn warn(self, line: impl Display) {
        say(format_args!("{} {line}", "warning:".yellow().bold()));
    }

    /// Renders an error with its causes and a hint, on stderr.
    pub fn error(self, error: &(dyn Error + 'static), hint: Option<&str>) {
        let mut said = error.to_string();
        say(format_args!("{} {said}", "error:".red().bold()));
        let mut cause = error.source();
        while let Some(next) = cause {
            let text = next.to_string();
            if !said.contains(&text) {
                say(format_args!("  {} {text}", "caused by:".bold()));
                said = text;
            }
            cause = next.source();
        }
        if let Some(hint) = hint {
            say(format_args!("   {} {hint}", "hint:".cyan().bold()));
        }
    }
}

fn say(line: impl Display) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

fn ignore_closed_pipe(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
