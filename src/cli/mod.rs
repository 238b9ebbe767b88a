//! Command line → settings; one file per verb, no domain logic.

mod config;
mod connect;
mod demo;
mod doctor;
mod estimate;
mod failure;
mod findings;
mod load;
mod mirror;
mod output;
mod report;
mod services;
mod snapshot;
mod study;
mod synth;
mod target;
mod writeback;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use failure::{Failure, Outcome};
pub use output::{Format, print_frame};

use crate::config::Config;
use crate::context::{Cancel, Context};
use crate::terminal::{self, Printer, ProgressMode};

/// Graph analytics and benchmark workbench for an event platform.
///
/// Mirrors Postgres sources into a FalkorDB business graph, freezes graph and tables into a snapshot, studies it,
/// writes the weekly report and puts scores back on the nodes.
#[derive(Debug, Parser)]
#[command(name = "sonograph", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "New here? `sonograph demo` runs the whole loop on private servers it starts and stops."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// More would be a slip of the hand that takes the machine down.
const MOST_THREADS: usize = 1_024;

/// Flags every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Configuration file [default: ./sonograph.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Threads a kernel may use [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more (-v: what is done, -vv: in detail)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How diagnostic messages are written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// How progress is shown
    #[arg(long, global = true, value_enum, default_value_t = ProgressChoice::Auto)]
    progress: ProgressChoice,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProgressChoice {
    /// Bars on a terminal, nothing elsewhere
    Auto,
    /// Lines of text
    Plain,
    /// Nothing
    None,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole loop on a synthetic city, on private servers it starts and stops
    Demo(demo::DemoArgs),
    /// Make, show and describe the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Start, stop and look at a private FalkorDB and PostgreSQL
    #[command(subcommand)]
    Services(services::ServicesCommand),
    /// Freeze the graph, bring in other graphs, and look at, prove and hand on what was frozen
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Ask a snapshot: who matters, what converts, what spreads
    Study(Box<study::StudyArgs>),
    /// Say what loading a snapshot and asking it would take in memory, before either
    Estimate(Box<estimate::EstimateArgs>),
    /// Make what people read on Monday
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Make a synthetic business to try everything on
    #[command(subcommand)]
    Synth(synth::SynthCommand),
    /// Write scores to the nodes of the graph, and take them back
    #[command(subcommand)]
    Writeback(writeback::WritebackCommand),
    /// Check that everything is there that the other commands need
    Doctor(doctor::DoctorArgs),
    /// Bring what the Postgres sources say into the FalkorDB business graph
    #[command(subcommand)]
    Mirror(mirror::MirrorCommand),
}

/// What every verb is handed beside its own arguments.
#[derive(Debug)]
pub struct Session {
    /// The resolved configuration.
    pub config: Config,
    /// Where output goes.
    pub printer: Printer,
    /// Progress, cancellation, seed and threads.
    pub cx: Context,
}

impl Session {
    /// Runs async work to its end on this thread's runtime.
    pub fn block_on<F: Future>(&self, work: F) -> Result<F::Output, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::environment("cannot start the asynchronous runtime", error))?;
        Ok(runtime.block_on(work))
    }
}

/// The command line, with what cannot be said where its parts are declared.
fn command_line() -> clap::Command {
    // The studies' own examples are of asking them.
    let example = |study: clap::Command| {
        let example = format!("Example:\n  sonograph estimate {}", study.get_name());
        study.after_help(example)
    };
    Cli::command().mut_subcommand("estimate", |estimate| estimate.mut_subcommands(example))
}

/// Parses the command line, runs the command and answers with the exit code.
pub fn main() -> ExitCode {
    let cli = match command_line().try_get_matches().and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, everything else to stderr with 2.
            let printer = Printer::default();
            return match printer.usage(|| error.print()) {
                Ok(()) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
                Err(unwritten) => fail(printer, &unwritten.into()),
            };
        }
    };
    let printer = Printer::new(cli.global.quiet);
    match session(&cli.global, printer).and_then(|session| run(cli.command, &session)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::AnswerIsNo) => ExitCode::from(1),
        Err(failure) => fail(printer, &failure),
    }
}

fn fail(printer: Printer, failure: &Failure) -> ExitCode {
    printer.error(failure.error.as_ref(), failure.hint.as_deref());
    terminal::exit_code(failure.fault)
}

fn session(global: &Global, printer: Printer) -> Result<Session, Failure> {
    start_log(global);
    let mut config = Config::load(global.config.clone())?;
    for variable in config.unread_variables(std::env::vars_os().map(|(name, _)| name)) {
        printer.warn(format_args!(
            "the environment variable `{}` is none that sonograph reads; did you mean `{}`?",
            variable.name, variable.nearest
        ));
    }
    if let Some(threads) = global.threads {
        config.threads = threads;
    }
    if config.threads > MOST_THREADS {
        return Err(Failure::input(format!("cannot use {} threads", config.threads))
            .with_hint(format!("at most {MOST_THREADS} are possible; 0 takes all cores")));
    }
    let threads = config.resolved_threads();
    // Fails only when a pool exists already, which then serves.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    let mode = match global.progress {
        _ if global.quiet => ProgressMode::Quiet,
        ProgressChoice::Auto => ProgressMode::Auto,
        ProgressChoice::Plain => ProgressMode::Plain,
        ProgressChoice::None => ProgressMode::None,
    };
    let cancel = Cancel::default();
    on_interrupt(&cancel, printer)?;
    let cx = Context::new(terminal::progress(mode), cancel, config.seed, threads);
    Ok(Session { config, printer, cx })
}

/// The first Ctrl-C (or SIGTERM) asks, the second ends the process with 130.
fn on_interrupt(cancel: &Cancel, printer: Printer) -> Result<(), Failure> {
    let cancel = cancel.clone();
    ctrlc::set_handler(move || {
        if cancel.is_requested() {
            #[expect(clippy::exit, reason = "the second Ctrl-C means now")]
            std::process::exit(130);
        }
        cancel.request();
        printer.note("stopping after the current step; press Ctrl-C again to stop at once");
    })
    .map_err(|error| Failure::environment("cannot listen for Ctrl-C", error))
}

fn start_log(global: &Global) {
    use tracing_subscriber::EnvFilter;
    let default = match global.verbose {
        0 => "sonograph=warn",
        1 => "sonograph=info",
        _ => "sonograph=debug",
    };
    let filter = EnvFilter::try_from_env("SONOGRAPH_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when a subscriber is set already.
    let _ = match global.log_format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

fn run(command: Command, session: &Session) -> Result<Outcome, Failure> {
    match command {
        Command::Config(command) => config::run(&command, session),
        Command::Services(command) => services::run(&command, session),
        Command::Demo(args) => demo::run(&args, session),
        Command::Snapshot(command) => snapshot::run(command, session),
        Command::Study(args) => study::run(*args, session),
        Command::Estimate(args) => estimate::run(*args, session),
        Command::Report(command) => report::run(&command, session),
        Command::Synth(command) => synth::run(&command, session),
        Command::Writeback(command) => writeback::run(&command, session),
        Command::Doctor(args) => doctor::run(&args, session),
        Command::Mirror(command) => mirror::run(&command, session),
    }
}

/// Warns of what a ledger passes over.
fn tell_damaged<E: std::error::Error>(damaged: &[E], printer: Printer) {
    for error in damaged {
        let why = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
        printer.warn(format_args!("passed over a damaged run: {error}{why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }

    /// Every command that does something, with the words that call it.
    fn verbs(command: &clap::Command, words: &str, all: &mut Vec<(String, clap::Command)>) {
        let deeper: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
        if deeper.is_empty() {
            all.push((words.to_owned(), command.clone()));
        }
        for command in deeper {
            verbs(command, &format!("{words} {}", command.get_name()), all);
        }
    }

    #[test]
    fn the_help_of_every_verb_ends_with_examples_of_it_that_can_be_typed() {
        let mut all = Vec::new();
        verbs(&command_line(), "sonograph", &mut all);
        assert!(all.len() > 20, "{all:?}");
        for (words, command) in all {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = help.lines().filter(|line| line.starts_with("  ")).map(str::trim);
            let examples: Vec<&str> = examples.filter(|line| line.contains(&words)).collect();
            assert!(!examples.is_empty(), "`{words} --help` has no example");
            for example in examples {
                let typed = &example[example.find("sonograph ").expect("it names the program")..];
                let typed = typed.split(['>', '|', '"', ')', '&', ';']).next().unwrap_or_default();
                let typed = typed.split_whitespace();
                if let Err(error) = command_line().try_get_matches_from(typed) {
                    panic!("`{example}` cannot be typed: {error}");
                }
            }
        }
    }

    #[test]
    fn the_help_of_every_verb_sets_its_own_flags_apart_from_those_of_all() {
        let mut all = Vec::new();
        let mut whole = command_line();
        whole.build();
        verbs(&whole, "sonograph", &mut all);
        for (words, command) in all {
            for (flag, heading) in [
                ("config", "Global options"),
                ("threads", "Global options"),
                ("snapshot", "Snapshot"),
                ("out", "Output"),
                ("format", "Output"),
                ("top", "Output"),
            ] {
                let found = command.get_arguments().find(|a| a.get_long() == Some(flag));
                let shown = found.map(|a| a.get_help_heading().unwrap_or("Options"));
                assert!(
                    shown.is_none_or(|shown| shown == heading),
                    "`{words} --{flag}` is among the {shown:?}"
                );
            }
        }
    }
}
