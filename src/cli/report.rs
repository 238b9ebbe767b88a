//! `sonograph report`: what people read on Monday.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Failure, Outcome, Session, study};
use crate::graph::BusinessGraph;
use crate::report::{self, ReportInput, ReportPaths, SnapshotFacts};
use crate::snapshot::{self, Manifest, Snapshot};
use crate::studies::Findings;

const TITLE: &str = "The week in the graph";

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Run every study on a snapshot and write the weekly report
    ///
    /// Writes index.html (self-contained: no script, no request), report.md, figures/*.svg and *.png, tables/*.parquet.
    #[command(
        after_help = "Examples:\n  sonograph report weekly\n  sonograph report weekly --snapshot snapshots/monday --out reports/monday"
    )]
    Weekly(Weekly),
}

#[derive(Debug, Args)]
pub(super) struct Weekly {
    /// Snapshot folder, or `latest` in the folder of snapshots
    #[arg(long, value_name = "DIR", default_value = "latest", help_heading = "Snapshot")]
    snapshot: String,
    /// Folder for the report; an earlier report there is replaced
    #[arg(long, value_name = "DIR", default_value = "out", help_heading = "Output")]
    out: PathBuf,
    /// Seed of everything random [default: as configured, 1]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

pub(super) fn run(command: &ReportCommand, session: &Session) -> Result<Outcome, Failure> {
    let ReportCommand::Weekly(args) = command;
    report::check_target(&args.out)?;
    let folder = snapshot::locate(&args.snapshot, &session.config.snapshots_dir)?;
    let frozen = snapshot::read(&folder)?;
    let graph = BusinessGraph::build(frozen.tables.clone())?;
    let cx = session.cx.clone().with_seed(args.seed.unwrap_or(session.cx.seed));
    let findings = study::configured(session)?
        .into_iter()
        .map(|question| question.run(&graph, &cx))
        .collect::<Result<Vec<Findings>, _>>()?;
    let paths = weekly(&frozen, &findings, &folder.display().to_string(), &args.out, session)?;
    session.printer.note(format_args!("wrote {} and {}", paths.html.display(), paths.markdown.display()));
    session.printer.data(paths.html.display())?;
    Ok(Outcome::Done)
}

/// Writes the weekly report of findings that are there already.
pub(super) fn weekly(
    frozen: &Snapshot,
    findings: &[Findings],
    reference: &str,
    out: &Path,
    session: &Session,
) -> Result<ReportPaths, Failure> {
    let input = ReportInput {
        title: TITLE,
        snapshot: snapshot_facts(reference, &frozen.manifest),
        tables: &frozen.tables,
        findings,
        out,
    };
    Ok(report::weekly(&input, &session.cx)?)
}

fn snapshot_facts(reference: &str, manifest: &Manifest) -> SnapshotFacts {
    SnapshotFacts {
        reference: reference.to_owned(),
        digest: manifest.digest(),
        as_of: manifest.as_of.map(jiff::Timestamp::as_microsecond),
        sources: manifest.sources.iter().map(|s| (s.system.clone(), s.version.clone())).collect(),
    }
}
