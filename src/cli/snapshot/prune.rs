//! `sonograph snapshot prune`: retention.

use clap::Args;
use polars::prelude::Column;

use super::rows;
use crate::cli::{Failure, Format, Outcome, Session};
use crate::snapshot;

#[derive(Debug, Args)]
#[command(
    after_help = "Of each of the last N weeks (Monday to Sunday, UTC) that have any, the snapshot that was finished last \
    stays. Without --yes this only says which would go. What cannot be read, what has no run.json to tell its week, and \
    what holds files of others stays and is named.\n\n\
    Examples:\n  \
    sonograph snapshot prune --keep-weeks 12\n  \
    sonograph snapshot prune --keep-weeks 12 --yes"
)]
pub(in crate::cli) struct PruneArgs {
    /// How many weeks to keep a snapshot of
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_weeks: u32,
    /// Remove them, instead of only saying which
    #[arg(long)]
    yes: bool,
    /// How the rows come out [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

pub(super) fn run(args: &PruneArgs, session: &Session) -> Result<Outcome, Failure> {
    let dir = &session.config.snapshots_dir;
    let plan = snapshot::retention(snapshot::list(dir)?, args.keep_weeks as usize);
    for (name, why) in &plan.untouched {
        session.printer.warn(format_args!("{name} stays: {why}"));
    }
    let all: Vec<_> =
        plan.kept.iter().map(|one| (one, "keep")).chain(plan.old.iter().map(|one| (one, "remove"))).collect();
    let columns = vec![
        Column::new("name".into(), all.iter().map(|(one, _)| one.name.as_str()).collect::<Vec<_>>()),
        Column::new("week".into(), all.iter().map(|(one, _)| one.week.as_str()).collect::<Vec<_>>()),
        Column::new("bytes".into(), all.iter().map(|(one, _)| one.bytes as i64).collect::<Vec<_>>()),
        Column::new("action".into(), all.iter().map(|(_, action)| *action).collect::<Vec<_>>()),
    ];
    if args.yes {
        plan.old.iter().try_for_each(|one| snapshot::discard(&one.dir))?;
    }
    rows(columns, all.len(), Format::or_usual(args.format), session)?;
    if plan.old.is_empty() {
        session.printer.note(format_args!("nothing to remove in {}", dir.display()));
    } else if args.yes {
        session.printer.note(format_args!("removed {} snapshot(s)", plan.old.len()));
    } else {
        session
            .printer
            .note(format_args!("{} snapshot(s) would go: add --yes to remove them", plan.old.len()));
    }
    Ok(Outcome::Done)
}
