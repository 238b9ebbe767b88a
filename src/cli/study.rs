//! `sonograph study`: ask a snapshot.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use polars::prelude::{Column, DataFrame, SortMultipleOptions, df};

use super::load::Loading;
use super::output::{grid, rounded};
use super::{Failure, Format, Outcome, Session, findings, print_frame, target};
use crate::graph::BusinessGraph;
use crate::snapshot;
use crate::snapshot::tables::{NAME, UID};
use crate::studies::findings::Scores;
use crate::studies::{Findings, Question};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = false, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:\n  \
    sonograph study --list\n  \
    sonograph study influence --relations FOLLOWS,ATTENDED --top 20\n  \
    sonograph study discovery --near 39.96,-83.0 --radius 3000 --at 2026-03-06T20:00:00Z\n  \
    sonograph study discovery --explain\n  \
    sonograph study paths --from directus:directus.artists:… --to anon:…\n  \
    sonograph study all --snapshot snapshots/monday --out out")]
pub(super) struct StudyArgs {
    /// Name every study, its question, tables and scores
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    common: Box<Common>,
    #[command(subcommand)]
    question: Option<Asked>,
}

#[derive(Debug, Args)]
struct Common {
    /// Snapshot folder, or `latest` in the folder of snapshots
    #[arg(long, global = true, value_name = "DIR", default_value = "latest", help_heading = "Snapshot")]
    snapshot: String,
    /// Folder for the answers, one folder per family: new, empty, or with earlier answers, which are replaced
    #[arg(long, global = true, value_name = "DIR", default_value = "out", help_heading = "Output")]
    out: PathBuf,
    /// Format of the files; `table` writes text and shows it [default: parquet, and tables shown on a terminal].
    /// What is there of an earlier answer in another format is written again, too
    #[arg(long, global = true, value_enum, help_heading = "Output")]
    format: Option<Format>,
    /// Rows of each table to show on the terminal
    #[arg(long, global = true, value_name = "N", default_value_t = 10, help_heading = "Output")]
    top: usize,
    /// Seed of everything random [default: as configured, 1]
    #[arg(long, global = true, value_name = "S")]
    seed: Option<u64>,
    #[command(flatten)]
    loading: Loading,
    /// Define every column the study declares, with unit and meaning, instead of asking it
    #[arg(long, global = true)]
    explain: bool,
}

#[derive(Debug, Subcommand)]
enum Asked {
    #[command(flatten)]
    One(Box<Question>),
    /// Every study, with the parameters of the configuration
    #[command(after_help = "Example:\n  sonograph study all --snapshot snapshots/monday --out out")]
    All,
}

pub(super) fn run(args: StudyArgs, session: &Session) -> Result<Outcome, Failure> {
    let StudyArgs { list, common, question } = args;
    let asked = match question {
        _ if list => return list_studies(Format::or_usual(common.format), session),
        None => {
            return Err(
                Failure::input("no study is named").with_hint("`sonograph study --list` names them all")
            );
        }
        Some(Asked::One(question)) => vec![*question],
        Some(Asked::All) => configured(session)?,
    };
    if common.explain {
        return explain(&asked, Format::or_usual(common.format), session);
    }
    let families: Vec<&str> = asked.iter().map(|question| question.family().name).collect();
    target::check(&common.out, &families)?;
    let folder = snapshot::locate(&common.snapshot, &session.config.snapshots_dir)?;
    let graph = common.loading.graph(&folder, &asked, session)?;
    let cx = session.cx.clone().with_seed(common.seed.unwrap_or(session.cx.seed));
    let held = target::hold(&common.out)?;
    for question in asked {
        let began = Instant::now();
        let found = question.run(&graph, &cx)?;
        findings::save(&found, common.format.unwrap_or(Format::Parquet), &held, began.elapsed(), session)?;
        let folder = common.out.join(found.family);
        session.printer.note(format_args!("{}: wrote {}", found.family, folder.display()));
        let shown = common.format.map_or_else(|| io::stdout().is_terminal(), |f| f == Format::Table);
        if shown {
            show(&found, &graph, common.top, session)?;
        } else {
            // For whoever comes next in the pipe.
            session.printer.data(folder.display())?;
        }
    }
    Ok(Outcome::Done)
}

/// Every study with the configuration's parameters.
pub(super) fn configured(session: &Session) -> Result<Vec<Question>, Failure> {
    if let Some(unknown) = session.config.studies.keys().find(|f| Question::defaults(f).is_none()) {
        Question::configured(unknown, &serde_json::Map::new())?;
    }
    Question::all()
        .into_iter()
        .map(|question| {
            let family = question.family().name;
            let given = session.config.studies.get(family).map(serde_json::to_value).transpose();
            let given =
                given.map_err(|e| Failure::environment("cannot read the studies' configuration", e))?;
            let given = given.as_ref().and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
            Ok(Question::configured(family, &given)?)
        })
        .collect()
}

fn list_studies(format: Format, session: &Session) -> Result<Outcome, Failure> {
    let all: Vec<_> = Question::all().iter().map(Question::family).collect();
    let outputs = all.iter().map(|family| {
        let out = family.tables.iter().map(|t| t.0).chain(family.scores.iter().map(|s| s.name));
        out.collect::<Vec<_>>().join(", ")
    });
    let frame = df!(
        "study" => all.iter().map(|f| f.name).collect::<Vec<_>>(),
        "question" => all.iter().map(|f| f.question).collect::<Vec<_>>(),
        "tables_and_scores" => outputs.collect::<Vec<_>>(),
    );
    let frame = frame.map_err(|error| Failure::environment("cannot tabulate the studies", error))?;
    print_frame(&frame, format, session.printer)?;
    Ok(Outcome::Done)
}

/// Every declared column of the tables and scores of these studies; of a table without declared columns what a row is.
fn explain(asked: &[Question], format: Format, session: &Session) -> Result<Outcome, Failure> {
    let mut rows: Vec<[&str; 5]> = Vec::new();
    for question in asked {
        let (family, declared) = (question.family(), question.declared());
        for &(table, row) in family.tables {
            let columns = declared.iter().find(|d| d.name == table).map_or(&[][..], |d| d.columns);
            rows.push([family.name, table, "", "", row]);
            rows.extend(columns.iter().map(|c| [family.name, table, c.name, c.unit, c.meaning]));
        }
        rows.extend(family.scores.iter().map(|c| [family.name, "scores", c.name, c.unit, c.meaning]));
    }
    let names = ["study", "table", "column", "unit", "meaning"].into_iter().enumerate();
    let columns =
        names.map(|(i, name)| Column::new(name.into(), rows.iter().map(|row| row[i]).collect::<Vec<_>>()));
    let frame = DataFrame::new(rows.len(), columns.collect())
        .map_err(|e| Failure::environment("cannot lay out the columns", e))?;
    print_frame(&frame, format, session.printer)?;
    Ok(Outcome::Done)
}

fn show(found: &Findings, graph: &BusinessGraph, top: usize, session: &Session) -> Result<(), Failure> {
    let scores = found.scores.as_ref().map(|s| ("scores", highest_first(s, found.family, graph)));
    for (name, frame) in scores.into_iter().chain(found.tables.iter().map(|t| (t.name, t.frame.clone()))) {
        let rows = frame.height();
        session.printer.data(format_args!("\n{}/{name}: {} of {rows} rows", found.family, rows.min(top)))?;
        session.printer.data(grid(&frame, top))?;
    }
    for fact in &found.facts {
        let unit = if fact.unit == "1" { "" } else { fact.unit };
        session.printer.data(format_args!("{}: {} {unit}", fact.label, rounded(fact.value)))?;
    }
    for caveat in &found.caveats {
        session.printer.note(format_args!("note: {caveat}"));
    }
    Ok(())
}

/// Scores for a terminal: by the first score, highest first, with the nodes' names, under names without the family's.
fn highest_first(scores: &Scores, family: &str, graph: &BusinessGraph) -> DataFrame {
    let mut frame = scores.frame.clone();
    if let Some(first) = scores.columns.first() {
        let order = SortMultipleOptions::default()
            .with_order_descending(true)
            .with_nulls_last(true)
            .with_maintain_order(true);
        frame = frame.sort([first.name], order).unwrap_or(frame);
    }
    let uids = frame.column(UID).and_then(|c| c.str().cloned());
    if let Ok(uids) = uids {
        let names = uids.iter().map(|uid| uid.and_then(|u| graph.node(u)).map(|node| graph.name(node)));
        let names = Column::new(NAME.into(), names.collect::<Vec<_>>());
        // Only fails for another height than the frame's.
        let _ = frame.insert_column(0, names);
    }
    for column in &scores.columns {
        if let Some(short) = column.name.strip_prefix(family).and_then(|n| n.strip_prefix('_')) {
            // Only fails where the column is missing, and then there is nothing to rename.
            let _ = frame.rename(column.name, short.into());
        }
    }
    frame
}
