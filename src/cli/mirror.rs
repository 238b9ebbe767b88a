//! `sonograph mirror`: Postgres sources → `FalkorDB` business graph.

use clap::{Args, Subcommand};
use polars::prelude::{Column, DataFrame};

use super::{Failure, Format, Outcome, Session, connect, print_frame};
use crate::context::Context;
use crate::mirror::{self, Applied, Counts, ResolveOptions, Summary};
use crate::sources::facts::Facts;
use crate::sources::falkordb::{Client, lock};
use crate::sources::{Databases, SourceOptions, read_facts};
use crate::terminal::Printer;

#[derive(Debug, Subcommand)]
pub(super) enum MirrorCommand {
    /// Show what would be created, changed and removed, and why; write nothing
    ///
    /// Reads every source whole, in one read-only transaction per database, resolves which rows are one person, venue or
    /// organisation, and compares the result with the graph. Only what the mirror itself writes is compared: scores and
    /// other people's properties are left alone.
    #[command(after_help = "Example:\n  sonograph mirror plan --format json")]
    Plan(Plan),
    /// Do what `mirror plan` shows
    ///
    /// Writes in short batches and may be repeated: a second run right after the first writes nothing, and one that was
    /// stopped half-way is completed by running it again. A node that no source claims any more gets `deleted_at`, an
    /// edge is removed; nothing is ever written to a source.
    #[command(after_help = "Examples:\n  sonograph mirror apply --dry-run\n  sonograph mirror apply")]
    Apply(Apply),
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// How the plan is printed; json is one object with samples and reasons [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Show the plan and write nothing
    #[arg(long)]
    dry_run: bool,
    /// How what was done is printed; json is one object with samples and reasons [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

/// What a run needs to know.
struct Settings {
    databases: Databases,
    sources: SourceOptions,
    resolving: ResolveOptions,
    graph: String,
    format: Format,
    write: bool,
}

impl Settings {
    fn resolve(command: &MirrorCommand, session: &Session) -> Result<Self, Failure> {
        let (format, write) = match command {
            MirrorCommand::Plan(plan) => (plan.format, false),
            MirrorCommand::Apply(apply) => (apply.format, !apply.dry_run),
        };
        let config = &session.config;
        Ok(Self {
            databases: connect::databases(session)?,
            sources: connect::source_options(config),
            resolving: connect::resolve_options(config),
            graph: config.falkordb.graph.clone(),
            format: Format::or_usual(format),
            write,
        })
    }
}

pub(super) fn run(command: &MirrorCommand, session: &Session) -> Result<Outcome, Failure> {
    let settings = Settings::resolve(command, session)?;
    let (summary, applied, facts) = session.block_on(work(&settings, session))??;
    print(&summary, settings.format, session.printer)?;
    tell(&summary, applied.as_ref(), &facts, session.printer);
    Ok(Outcome::Done)
}

async fn work(settings: &Settings, session: &Session) -> Result<(Summary, Option<Applied>, Facts), Failure> {
    let cx = &session.cx;
    // The graph's server first: it answers at once whether it is there.
    let mut client = connect::falkordb(session).await?;
    if !settings.write {
        return read_and_plan(&mut client, settings, cx).await;
    }
    // Before anything is read: what another run writes meanwhile would not be in the plan.
    let (graph, ttl) = (&settings.graph, lock::TTL);
    lock::holding(&mut client, graph, "mirror apply", ttl, cx, async |client| {
        read_and_plan(client, settings, cx).await
    })
    .await
}

async fn read_and_plan(
    client: &mut Client,
    settings: &Settings,
    cx: &Context,
) -> Result<(Summary, Option<Applied>, Facts), Failure> {
    let facts = read_facts(&settings.databases, &settings.sources, cx).await?;
    let current = mirror::read_graph(client, &settings.graph, cx).await?;
    let options = ResolveOptions { kept: mirror::kept_uids(&current), ..settings.resolving.clone() };
    let resolved = mirror::resolve(&facts, &options)?;
    let plan = mirror::plan(&resolved, &current);
    let applied =
        if settings.write { Some(mirror::apply(client, &settings.graph, &plan, cx).await?) } else { None };
    Ok((plan.summary(), applied, facts))
}

fn print(summary: &Summary, format: Format, printer: Printer) -> Result<(), Failure> {
    if format == Format::Json {
        let json = serde_json::to_string(summary)
            .map_err(|error| Failure::environment("cannot write the plan as JSON", error))?;
        printer.data(json)?;
        return Ok(());
    }
    // People see what changes, programs see everything.
    let shown = |counts: &Counts| format != Format::Table || counts.total() > 0;
    let nodes = summary.nodes.iter().map(|(name, counts)| ("node", *name, counts));
    let edges = summary.edges.iter().map(|(name, counts)| ("edge", *name, counts));
    let rows: Vec<_> = nodes.chain(edges).filter(|(.., counts)| shown(counts)).collect();
    if rows.is_empty() {
        printer.note("the graph is what the sources claim: nothing to do");
        return Ok(());
    }
    let number = |name: &str, pick: fn(&Counts) -> u64| {
        Column::new(name.into(), rows.iter().map(|(.., counts)| pick(counts) as i64).collect::<Vec<_>>())
    };
    let text = |name: &str, pick: fn(&(&'static str, &'static str, &Counts)) -> &'static str| {
        Column::new(name.into(), rows.iter().map(pick).collect::<Vec<_>>())
    };
    let columns = vec![
        text("kind", |row| row.0),
        text("name", |row| row.1),
        number("create", |c| c.create),
        number("update", |c| c.update),
        number("delete", |c| c.delete),
    ];
    let frame = DataFrame::new(rows.len(), columns)
        .map_err(|error| Failure::environment("cannot put the plan into a table", error))?;
    print_frame(&frame, format, printer)
}

/// Tells on stderr what the numbers do not.
fn tell(summary: &Summary, applied: Option<&Applied>, facts: &Facts, printer: Printer) {
    for sample in summary.samples.iter().filter(|sample| sample.change != "create") {
        printer.note(format_args!("{} {} {}: {}", sample.change, sample.of, sample.what, sample.why));
    }
    for read in &facts.read {
        for (reason, rows) in &read.left_out {
            printer.note(format_args!("left out of {}: {rows} ({reason})", read.table));
        }
    }
    for note in &summary.notes {
        let more = if note.count > note.samples.len() as u64 { ", …" } else { "" };
        printer.note(format_args!("{}: {} ({}{more})", note.what, note.count, note.samples.join(", ")));
    }
    for conflict in &summary.conflicts {
        let rows = conflict.rows.join(", ");
        printer.warn(format_args!("{} `{}`: {} ({rows})", conflict.label, conflict.id, conflict.what));
    }
    if let Some(applied) = applied.filter(|applied| applied.batches > 0) {
        printer.note(format_args!(
            "wrote {} rows in {} batches, the longest {:.0} ms, as generation {}",
            applied.rows, applied.batches, applied.longest_batch_ms, applied.generation
        ));
    }
}
