//! What every long-running piece of work is handed: progress, cancellation, seed and threads.
//!
//! [`Context`] is passed last. A loop calls [`Step::tick`] at chunk granularity (about 16 000 items); that one call
//! moves the bar and answers [`Cancelled`] once somebody has asked to stop.

mod heap;
mod paths;
mod shell;
mod visible;

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use heap::return_large_blocks;
pub use paths::{Unfinished, hint_for, leads_somewhere, regular};
pub use shell::shell_word;
pub use visible::visible;

/// How many items a loop should handle between two calls of [`Step::tick`].
pub const TICK_EVERY: u64 = 16_384;

/// Somebody asked to stop; the work ended early and left nothing half-written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// Whose move it is after a failure; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The work is done and the answer is no (exit 1).
    Negative,
    /// What the user gave: flags, files, configuration, names (exit 2).
    Input,
    /// What is around us: unreachable, refused, partial (exit 3).
    Environment,
    /// Somebody asked to stop (exit 130).
    Cancelled,
}

impl Fault {
    /// Whose move it is where a path cannot be used: the user's where it names the wrong thing, and nobody's here where
    /// the system refuses.
    pub fn of_path(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput => Self::Input,
            _ => Self::Environment,
        }
    }
}

/// An error that knows whose move it is and what to try next.
pub trait Diagnose: std::error::Error + Send + Sync + 'static {
    /// Whose move it is.
    fn fault(&self) -> Fault;

    /// What to try next, in one sentence or command.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl Diagnose for Cancelled {
    fn fault(&self) -> Fault {
        Fault::Cancelled
    }
}

/// A flag that asks work to stop; cheap to clone and to read.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everything that shares this flag to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where progress is shown; implemented by the terminal.
pub trait Progress: fmt::Debug + Send + Sync {
    /// Begins a step of `total` items (`None`: unknown) and returns its display.
    fn begin(&self, title: &str, total: Option<u64>) -> Box<dyn Bar>;

    /// Tells at once, in one line, what must be known though no progress is shown: why nothing moves.
    fn tell(&self, _line: &str) {}
}

/// One step's display.
pub trait Bar: Send + Sync {
    /// Shows that `done` items (of `total`, where known) are behind us.
    fn set(&self, done: u64, total: Option<u64>);
    /// Takes the display away.
    fn end(&self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

struct NoBar;

impl Bar for NoBar {
    fn set(&self, _: u64, _: Option<u64>) {}
    fn end(&self) {}
}

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) -> Box<dyn Bar> {
        Box::new(NoBar)
    }
}

/// What work is handed: where to show progress, whether to stop, the seed and the number of threads.
#[derive(Debug, Clone)]
pub struct Context {
    progress: Arc<dyn Progress>,
    /// Asks the work to stop.
    pub cancel: Cancel,
    /// Seed of everything random; streams are derived from it by index, never shared between threads.
    pub seed: u64,
    /// Threads a kernel may use (at least 1).
    pub threads: usize,
}

impl Context {
    /// A context that reports to `progress` and stops on `cancel`.
    pub fn new(progress: Arc<dyn Progress>, cancel: Cancel, seed: u64, threads: usize) -> Self {
        Self { progress, cancel, seed, threads: threads.max(1) }
    }

    /// A context for tests and benches: shows nothing, one thread, seed 1.
    pub fn silent() -> Self {
        Self::new(Arc::new(Silent), Cancel::default(), 1, 1)
    }

    /// The same context with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same context with another number of threads.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Begins a named step whose progress is shown until the returned value is dropped.
    pub fn step(&self, title: &str, total: Option<u64>) -> Step {
        Step { bar: self.progress.begin(title, total), cancel: self.cancel.clone() }
    }

    /// Tells at once, in one line, why nothing moves; also where no progress is shown.
    pub fn tell(&self, line: &str) {
        self.progress.tell(line);
    }

    /// Waits, on a thread of one's own, and answers [`Cancelled`] soon after somebody has asked to stop.
    pub fn wait(&self, how_long: Duration) -> Result<(), Cancelled> {
        const LOOK: Duration = Duration::from_millis(50);
        let until = Instant::now() + how_long;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// Answers [`Cancelled`] once somebody has asked to stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancel.is_requested() { Err(Cancelled) } else { Ok(()) }
    }
}

/// One running step; ends its display when dropped.
pub struct Step {
    bar: Box<dyn Bar>,
    cancel: Cancel,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").finish_non_exhaustive()
    }
}

impl Step {
    /// Shows `done` of `total` and answers [`Cancelled`] once somebody has asked to stop.
    pub fn tick(&self, done: u64, total: Option<u64>) -> Result<(), Cancelled> {
        self.bar.set(done, total);
        if self.cancel.is_requested() { Err(Cancelled) } else { Ok(()) }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_after_a_request_to_stop_answers_cancelled() {
        let cx = Context::silent();
        let step = cx.step("count", Some(2));
        assert_eq!(step.tick(1, Some(2)), Ok(()));
        cx.cancel.request();
        assert_eq!(step.tick(2, Some(2)), Err(Cancelled));
        assert_eq!(cx.check(), Err(Cancelled));
    }

    #[test]
    fn a_wait_lasts_and_ends_early_once_somebody_asks_to_stop() {
        let cx = Context::silent();
        let began = Instant::now();
        assert_eq!(cx.wait(Duration::from_millis(120)), Ok(()));
        assert!(began.elapsed() >= Duration::from_millis(120));
        let cancel = cx.cancel.clone();
        let asks = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            cancel.request();
        });
        assert_eq!(cx.wait(Duration::from_mins(10)), Err(Cancelled));
        asks.join().expect("it asked");
    }
}
