//! Prints to the two streams.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use owo_colors::OwoColorize;

use crate::context::visible;

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
        let mut out = io::stdout().lock();
        // A program is handed the data as it is; a terminal would obey it.
        told(if out.is_terminal() {
            writeln!(out, "{}", lines(&line.to_string()))
        } else {
            writeln!(out, "{line}")
        })
    }

    /// Writes bytes of data to stdout.
    pub fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        told(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Prints what was asked for instead of a command: help or version to stdout, a wrong command line to stderr.
    pub fn usage(self, print: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        told(print())
    }

    /// Tells the human something, on stderr.
    pub fn note(self, line: impl Display) {
        if !self.quiet {
            say(lines(&line.to_string()));
        }
    }

    /// Warns the human, on stderr.
    pub fn warn(self, line: impl Display) {
        say(format_args!("{} {}", "warning:".yellow().bold(), lines(&line.to_string())));
    }

    /// Renders an error with its causes and a hint, on stderr.
    pub fn error(self, error: &(dyn Error + 'static), hint: Option<&str>) {
        let mut said = error.to_string();
        say(format_args!("{} {}", "error:".red().bold(), lines(&said)));
        let mut cause = error.source();
        while let Some(next) = cause {
            let text = next.to_string();
            if !said.contains(&text) {
                say(format_args!("  {} {}", "caused by:".bold(), lines(&text)));
                said = text;
            }
            cause = next.source();
        }
        if let Some(hint) = hint {
            say(format_args!("   {} {}", "hint:".cyan().bold(), lines(hint)));
        }
    }
}

/// Text that may hold anybody's names, line by line as it may be seen.
fn lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

fn say(line: impl Display) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// What came of writing to stdout.
fn told(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        kind => Err(io::Error::new(kind, format!("cannot write to stdout: {error}"))),
    })
}
