//! `sonograph estimate`: what loading a snapshot and asking it takes, before either.

use clap::{Args, Subcommand};
use polars::prelude::df;

use super::load::{Bytes, Need};
use super::{Failure, Format, Outcome, Session, print_frame, study};
use crate::snapshot;
use crate::studies::Question;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = false, subcommand_negates_reqs = true)]
#[command(
    after_help = "`loading` and `peak` are highest points, `graph` stays until the end, a study comes on top of it. Of a \
    community study the pairs of co-attended events, bridges and articulation points come on top: how many there are \
    depends on the data.\n\n\
    Examples:\n  \
    sonograph estimate\n  \
    sonograph estimate --snapshot snapshots/monday influence --relations FOLLOWS\n  \
    sonograph estimate --memory-limit 2GiB all"
)]
pub(super) struct EstimateArgs {
    /// Snapshot folder, or `latest` in the folder of snapshots
    #[arg(long, global = true, value_name = "DIR", default_value = "latest", help_heading = "Snapshot")]
    snapshot: String,
    /// Refuse with exit code 2 what would take more than this, such as 2GiB
    #[arg(long, global = true, value_name = "SIZE", help_heading = "Memory")]
    memory_limit: Option<Bytes>,
    /// Format of the answer [default: table on a terminal, else json]
    #[arg(long, global = true, value_enum, help_heading = "Output")]
    format: Option<Format>,
    #[command(subcommand)]
    study: Option<Asked>,
}

#[derive(Debug, Subcommand)]
enum Asked {
    #[command(flatten)]
    One(Box<Question>),
    /// Every study, with the parameters of the configuration
    #[command(after_help = "Example:\n  sonograph estimate all --format csv")]
    All,
}

pub(super) fn run(args: EstimateArgs, session: &Session) -> Result<Outcome, Failure> {
    let questions = match args.study {
        None => vec![],
        Some(Asked::One(question)) => vec![*question],
        Some(Asked::All) => study::configured(session)?,
    };
    let folder = snapshot::locate(&args.snapshot, &session.config.snapshots_dir)?;
    let sizes = snapshot::sizes(&folder)?;
    let need = Need::of(&sizes, &questions);
    need.within(args.memory_limit)?;
    let mut rows = vec![("loading".to_owned(), need.loading), ("graph".to_owned(), need.graph)];
    rows.extend(questions.iter().map(|q| (q.family().name.to_owned(), q.memory(&sizes))));
    rows.push(("peak".to_owned(), need.peak()));
    let frame = df!(
        "step" => rows.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>(),
        "bytes" => rows.iter().map(|(_, bytes)| *bytes as i64).collect::<Vec<_>>(),
        "about" => rows.iter().map(|(_, bytes)| Bytes(*bytes).to_string()).collect::<Vec<_>>(),
    );
    let frame = frame.map_err(|error| Failure::environment("cannot tabulate the estimate", error))?;
    print_frame(&frame, Format::or_usual(args.format), session.printer)?;
    Ok(Outcome::Done)
}
