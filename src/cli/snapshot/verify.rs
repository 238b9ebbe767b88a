//! `sonograph snapshot verify`: whether a snapshot is whole, and whether it still is what its sources hold.

use std::path::Path;

use clap::{Args, ValueEnum};
use polars::prelude::Column;
use serde_json::{Map, Value};

use super::take::COUNTS;
use super::{Which, rows};
use crate::cli::{Failure, Format, Outcome, Session, connect};
use crate::snapshot::{self, Manifest, Origin, Problem};
use crate::sources::falkordb::Counts;
use crate::sources::{self, SourceOptions};

#[derive(Debug, Args)]
#[command(
    after_help = "With --against, the counts of the manifest are held against the sources as they are now, too: nodes by label and \
    edges by relation of the graph, rows of every table that was read of PostgreSQL, which is read again for that. What \
    differs came or went since, or is missing in the snapshot.\n\n\
    Examples:\n  sonograph snapshot verify snapshots/monday\n  sonograph snapshot verify latest --against sources"
)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    which: Which,
    /// Also hold its counts against what it was taken from
    #[arg(long, value_enum, value_name = "SOURCE")]
    against: Option<Against>,
    /// How the problems come out [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Against {
    /// All of these that it was taken from
    Sources,
    /// The graph
    Falkordb,
    /// The tables
    Postgres,
}

impl Against {
    fn includes(self, system: &str) -> bool {
        match self {
            Self::Sources => system == "falkordb" || system == "postgres",
            Self::Falkordb => system == "falkordb",
            Self::Postgres => system == "postgres",
        }
    }
}

pub(super) fn run(args: &VerifyArgs, session: &Session) -> Result<Outcome, Failure> {
    let dir = args.which.locate(session)?;
    let found = snapshot::verify(&dir, &session.cx)?;
    let mut problems = found.problems;
    let mut asked = Vec::new();
    if let (Some(against), Some(manifest)) = (args.against, &found.manifest) {
        for origin in manifest.sources.iter().filter(|origin| against.includes(&origin.system)) {
            problems.extend(differences(origin, manifest, session)?);
            asked.push(origin.system.as_str());
        }
        if asked.is_empty() {
            return Err(nobody_to_ask(&dir, manifest));
        }
    }
    let format = Format::or_usual(args.format);
    if format != Format::Table {
        let columns = vec![
            Column::new("file".into(), problems.iter().map(|p| p.place.as_str()).collect::<Vec<_>>()),
            Column::new("problem".into(), problems.iter().map(|p| p.what.as_str()).collect::<Vec<_>>()),
        ];
        rows(columns, problems.len(), format, session)?;
    }
    let held =
        if asked.is_empty() { String::new() } else { format!(", the same counts as {}", asked.join(", ")) };
    if problems.is_empty() {
        session.printer.note(format_args!("{} is whole: {} files{held}", dir.display(), found.files));
        return Ok(Outcome::Done);
    }
    if format == Format::Table {
        for problem in &problems {
            session.printer.data(problem)?;
        }
    }
    let no = if asked.is_empty() { "whole" } else { "whole, or not what its sources hold now" };
    session.printer.note(format_args!("{} is not {no}: {} problem(s)", dir.display(), problems.len()));
    Ok(Outcome::AnswerIsNo)
}

fn nobody_to_ask(dir: &Path, manifest: &Manifest) -> Failure {
    let systems: Vec<&str> = manifest.sources.iter().map(|origin| origin.system.as_str()).collect();
    Failure::input(format!(
        "cannot hold `{}` against a source: it comes of {}",
        dir.display(),
        systems.join(", ")
    ))
    .with_hint("only what `sonograph snapshot take` made has sources that can be asked")
}

/// How a source differs from what the manifest says of it.
fn differences(origin: &Origin, manifest: &Manifest, session: &Session) -> Result<Vec<Problem>, Failure> {
    let (place, differences) = if origin.system == "falkordb" {
        let key = origin.detail.get("graph").and_then(Value::as_str);
        let graph = key.unwrap_or(&session.config.falkordb.graph);
        let now = session.block_on(async {
            let mut client = connect::falkordb(session).await?;
            Ok::<_, Failure>(Counts::read(&mut client, graph).await?)
        })??;
        (format!("falkordb:{graph}"), frozen(origin, manifest, &now).since(&now))
    } else {
        let empty = Map::new();
        let rows = origin.detail.get("rows").and_then(Value::as_object).unwrap_or(&empty);
        ("postgres".to_owned(), of_tables(rows, origin.detail.contains_key("bad_rows"), session)?)
    };
    Ok(differences.into_iter().map(|what| Problem { place: place.clone(), what }).collect())
}

/// What the graph held when it was frozen; of a manifest that does not say so of labels, these are as they are `now`.
fn frozen(origin: &Origin, manifest: &Manifest, now: &Counts) -> Counts {
    let counted = origin.detail.get(COUNTS).and_then(|counts| counts.get("after")).cloned();
    counted.and_then(|counts| serde_json::from_value(counts).ok()).unwrap_or_else(|| Counts {
        nodes: manifest.node_count,
        labels: now.labels.clone(),
        relations: manifest.edges.iter().map(|(relation, file)| (relation.clone(), file.rows)).collect(),
    })
}

fn of_tables(frozen: &Map<String, Value>, bad_rows: bool, session: &Session) -> Result<Vec<String>, Failure> {
    let databases = connect::databases(session)?;
    let options = SourceOptions { skip_bad_rows: bad_rows, ..connect::source_options(&session.config) };
    let facts = session.block_on(sources::read_facts(&databases, &options, &session.cx))??;
    let now: Map<String, Value> =
        facts.read.iter().map(|t| (format!("{}:{}", t.system, t.table), t.rows.into())).collect();
    let of = |rows: &Map<String, Value>, table: &str| rows.get(table).and_then(Value::as_u64);
    let mut tables: Vec<&String> = frozen.keys().chain(now.keys()).collect();
    tables.sort_unstable();
    tables.dedup();
    let told = |table: &String| match (of(frozen, table), of(&now, table)) {
        (before, after) if before == after => None,
        (Some(before), Some(after)) => {
            Some(format!("{table}: {before} rows when it was frozen, {after} now"))
        }
        (Some(before), None) => Some(format!("{table}: {before} rows when it was frozen, no such table now")),
        (None, after) => {
            Some(format!("{table}: not there when it was frozen, {} rows now", after.unwrap_or(0)))
        }
    };
    Ok(tables.into_iter().filter_map(told).collect())
}
