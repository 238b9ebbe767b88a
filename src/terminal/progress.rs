//! Progress on stderr: bars on a terminal, plain lines elsewhere on request.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Printer;
use crate::context::{Bar, Progress, Silent};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgressMode {
    /// Bars when stderr is a terminal, otherwise only why nothing moves.
    #[default]
    Auto,
    /// A line per step and every few seconds.
    Plain,
    /// No progress; only why nothing moves.
    None,
    /// Nothing.
    Quiet,
}

/// The display for a mode.
pub fn progress(mode: ProgressMode) -> Arc<dyn Progress> {
    match mode {
        ProgressMode::Auto if io::stderr().is_terminal() => Arc::new(Bars),
        ProgressMode::Plain => Arc::new(Lines),
        ProgressMode::Auto | ProgressMode::None => Arc::new(Notes),
        ProgressMode::Quiet => Arc::new(Silent),
    }
}

/// Shows no progress.
#[derive(Debug)]
struct Notes;

impl Progress for Notes {
    fn begin(&self, title: &str, total: Option<u64>) -> Box<dyn Bar> {
        Silent.begin(title, total)
    }

    fn tell(&self, line: &str) {
        Printer::default().note(line);
    }
}

#[derive(Debug)]
struct Bars;

impl Progress for Bars {
    fn begin(&self, title: &str, total: Option<u64>) -> Box<dyn Bar> {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10));
        let style = if total.is_some() {
            "{msg:<34} {bar:24} {percent:>3}% {human_pos}/{human_len} {per_sec} eta {eta}"
        } else {
            "{msg:<34} {spinner} {human_pos} {per_sec} {elapsed}"
        };
        bar.set_style(ProgressStyle::with_template(style).expect("the templates above are valid"));
        bar.set_message(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        Box::new(TerminalBar(bar))
    }

    fn tell(&self, line: &str) {
        Printer::default().note(line);
    }
}

struct TerminalBar(ProgressBar);

impl Bar for TerminalBar {
    fn set(&self, done: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.0.set_length(total);
        }
        self.0.set_position(done);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

#[derive(Debug)]
struct Lines;

const EVERY: Duration = Duration::from_secs(2);

impl Progress for Lines {
    fn begin(&self, title: &str, total: Option<u64>) -> Box<dyn Bar> {
        let of = total.map(|t| format!(" ({t})")).unwrap_or_default();
        let _ = writeln!(anstream::stderr().lock(), "{title}{of}");
        Box::new(PlainBar { title: title.to_owned(), last: Mutex::new(Instant::now()) })
    }

    fn tell(&self, line: &str) {
        Printer::default().note(line);
    }
}

struct PlainBar {
    title: String,
    last: Mutex<Instant>,
}

impl Bar for PlainBar {
    fn set(&self, done: u64, total: Option<u64>) {
        let Ok(mut last) = self.last.lock() else { return };
        if last.elapsed() < EVERY {
            return;
        }
        *last = Instant::now();
        let of = total.map(|t| format!(" of {t}")).unwrap_or_default();
        let _ = writeln!(anstream::stderr().lock(), "{}: {done}{of}", self.title);
    }

    fn end(&self) {}
}
