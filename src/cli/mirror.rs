//! `sonograph mirror`: Postgres sources → `FalkorDB` business graph.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use polars::prelude::{Column, DataFrame};
use serde::Serialize;

use super::{Failure, Format, Outcome, Session, connect, print_frame};
use crate::context::return_large_blocks;
use crate::mirror::{
    self, Applied, Counts, Extent, Footing, Ledger, MirrorError, Read, ResolveOptions, Run, Summary,
    SweepGuard,
};
use crate::sources::facts::{BadRow, Facts};
use crate::sources::falkordb::{Client, FalkorError, lock, marker};
use crate::sources::{Databases, SourceOptions};
use crate::terminal::Printer;

#[derive(Debug, Subcommand)]
pub(super) enum MirrorCommand {
    /// Show what would be created, changed and removed, and why; write nothing
    ///
    /// Reads every source whole (or what `--incremental` says), in one read-only transaction per database, resolves which
    /// rows are one person, venue or organisation, and compares the result with the graph. Only what the mirror itself writes is compared: scores and
    /// other people's properties are left alone.
    ///
    /// A table of which more than a quarter and at least ten rows vanished since the last run, or all of it, is taken for a
    /// failed read: what rests on it stays, and the plan says so; where it says who is who (`entity_sources`, `identifies`,
    /// `aliases`, `users`, the one table of events of `PostHog` and Snowplow), the run ends (exit 3). What is held back stays so
    /// until no more than that share of it would be deleted, or it is let go. A column, table or schema that the last run read
    /// and that is not found any more ends the run (exit 3), with the key of the configuration that can name it.
    #[command(after_help = "Examples:\n  sonograph mirror plan --format json\n  \
        sonograph mirror plan --incremental\n  \
        sonograph mirror plan --allow-shrink directus:directus.events,HOSTS")]
    Plan(Plan),
    /// Do what `mirror plan` shows
    ///
    /// Writes in short batches and may be repeated: a second run right after the first writes nothing, and one that was
    /// stopped half-way is completed by running it again. A node that no source claims any more gets `deleted_at`, an
    /// edge is removed; nothing is ever written to a source.
    #[command(after_help = "Examples:\n  sonograph mirror apply --dry-run\n  sonograph mirror apply\n  \
        sonograph mirror apply --incremental\n  sonograph mirror apply --plan 3f9a01c2")]
    Apply(Apply),
    /// List the runs of `mirror apply`, and how each ended
    #[command(after_help = "Example:\n  sonograph mirror history --format json")]
    History(History),
}

/// What may be swept.
#[derive(Debug, Args)]
struct Sweep {
    /// Tables (`system:schema.table`) and relations that may shrink as they like this time; columns
    /// (`system:schema.table.column`), tables and schemas (`system:schema`) that may be gone
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    allow_shrink: Vec<String>,
    /// Share of a table, from 0 to 1, that may vanish from one run to the next; below 0.25 every row counts, else ten lost
    /// rows at least [default: as configured, 0.25]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_shrink: Option<f64>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "it is no number from 0 to 1".to_owned())
}

/// First digits of a digest, enough to tell two plans apart.
fn digest(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err("it is no digest: `mirror plan` prints one, 8 to 64 hexadecimal digits".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct History {
    /// How the runs are printed; json is one object a run [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

/// How the sources are read.
#[derive(Debug, Args)]
pub(in crate::cli) struct Reading {
    /// Leave out source rows that cannot be taken, count and list them, and go on; then nothing is swept
    #[arg(long)]
    pub skip_bad_rows: bool,
}

/// What of the sources is read.
#[derive(Debug, Args)]
struct Since {
    /// Of the many touches (seen, saved, clicked, attended) and of their edges read only those of whoever may have moved since
    /// the last `mirror apply`: by rows that came, changed or went, as another person, or at an event that did; the plan is
    /// the same. Where that cannot be told, everything is read, and a note says why
    #[arg(long)]
    incremental: bool,
    /// How many minutes before the newest row of that run touches are read again [default: as configured, 5]
    #[arg(long, value_name = "MINUTES", requires = "incremental")]
    overlap: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    since: Since,
    #[command(flatten)]
    sweep: Sweep,
    /// How the plan is printed; json is one object with samples and reasons [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    since: Since,
    /// Show the plan and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write only if the plan is still the one of this digest
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    plan: Option<String>,
    #[command(flatten)]
    sweep: Sweep,
    /// How what was done is printed; json is one object with samples and reasons [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

/// Digits of a digest that people see.
const SHOWN_DIGITS: usize = 12;

/// What a run needs to know.
struct Settings {
    databases: Databases,
    sources: SourceOptions,
    resolving: ResolveOptions,
    guard: SweepGuard,
    /// What may have been written so long before the last run is read; `None`: everything is.
    overlap: Option<SignedDuration>,
    /// Digest of the only plan that may be written.
    only: Option<String>,
    graph: String,
    format: Format,
    write: bool,
}

impl Settings {
    fn resolve(
        format: Option<Format>,
        reading: &Reading,
        since: &Since,
        sweep: &Sweep,
        apply: Option<&Apply>,
        session: &Session,
    ) -> Result<Self, Failure> {
        let config = &session.config;
        Ok(Self {
            databases: connect::databases(session)?,
            sources: SourceOptions {
                skip_bad_rows: reading.skip_bad_rows,
                ..connect::source_options(config)
            },
            resolving: connect::resolve_options(config)?,
            guard: SweepGuard {
                max_shrink: sweep.max_shrink.unwrap_or(config.mirror.max_shrink),
                allowed: sweep.allow_shrink.iter().cloned().collect(),
                ..SweepGuard::default()
            },
            overlap: since.incremental.then(|| {
                let minutes = since.overlap.unwrap_or(config.mirror.overlap_minutes);
                SignedDuration::from_mins(i64::from(minutes))
            }),
            only: apply.and_then(|apply| apply.plan.clone()),
            graph: config.falkordb.graph.clone(),
            format: Format::or_usual(format),
            write: apply.is_some_and(|apply| !apply.dry_run),
        })
    }
}

pub(super) fn run(command: &MirrorCommand, session: &Session) -> Result<Outcome, Failure> {
    let settings = match command {
        MirrorCommand::Plan(plan) => {
            Settings::resolve(plan.format, &plan.reading, &plan.since, &plan.sweep, None, session)?
        }
        MirrorCommand::Apply(apply) => {
            Settings::resolve(apply.format, &apply.reading, &apply.since, &apply.sweep, Some(apply), session)?
        }
        MirrorCommand::History(history) => return show_runs(history, session),
    };
    return_large_blocks();
    let done = session.block_on(work(&settings, session))??;
    print(&done, settings.format, session.printer)?;
    tell(&done, session.printer);
    Ok(Outcome::Done)
}

fn show_runs(history: &History, session: &Session) -> Result<Outcome, Failure> {
    let (runs, damaged) = Ledger::new(&session.config.mirror_dir).runs()?;
    super::tell_damaged(&damaged, session.printer);
    if runs.is_empty() {
        session.printer.note(format_args!("no run in {}", session.config.mirror_dir.display()));
    }
    let format = Format::or_usual(history.format);
    if format == Format::Json {
        for run in &runs {
            let json = serde_json::to_string(run)
                .map_err(|error| Failure::environment("cannot write the runs as JSON", error))?;
            session.printer.data(json)?;
        }
        return Ok(Outcome::Done);
    }
    let text = |name: &str, of: fn(&Run) -> String| {
        Column::new(name.into(), runs.iter().map(of).collect::<Vec<_>>())
    };
    let number =
        |name: &str, of: fn(&Run) -> i64| Column::new(name.into(), runs.iter().map(of).collect::<Vec<_>>());
    let changes = |counts: fn(&Run) -> &BTreeMap<String, Counts>| {
        runs.iter().map(|run| counts(run).values().map(|c| c.total() as i64).sum()).collect::<Vec<i64>>()
    };
    let columns = vec![
        text("run", |r| r.run.clone()),
        text("state", |r| r.state.to_string()),
        text("graph", |r| r.graph.clone()),
        text("plan", |r| r.digest.chars().take(SHOWN_DIGITS).collect()),
        Column::new("nodes".into(), changes(|r| &r.nodes)),
        Column::new("edges".into(), changes(|r| &r.edges)),
        number("held_back", |r| r.held_back.values().sum::<u64>() as i64),
        number("rows_read", |r| r.read.values().sum::<u64>() as i64),
        Column::new("rows_written".into(), runs.iter().map(|r| r.rows.map(|n| n as i64)).collect::<Vec<_>>()),
        text("error", |r| r.error.clone().unwrap_or_default()),
    ];
    let frame = DataFrame::new(runs.len(), columns)
        .map_err(|error| Failure::environment("cannot put the runs into a table", error))?;
    print_frame(&frame, format, session.printer)?;
    Ok(Outcome::Done)
}

async fn work(settings: &Settings, session: &Session) -> Result<Done, Failure> {
    let cx = &session.cx;
    // The graph's server first: it answers at once whether it is there.
    let mut client = connect::falkordb(session).await?;
    if !settings.write {
        return read_and_plan(&mut client, settings, session).await;
    }
    // Before anything is read: what another run writes meanwhile would not be in the plan.
    let (graph, ttl) = (&settings.graph, lock::TTL);
    lock::holding(&mut client, graph, "mirror apply", ttl, cx, async |client| {
        read_and_plan(client, settings, session).await
    })
    .await
}

async fn read_and_plan(client: &mut Client, settings: &Settings, session: &Session) -> Result<Done, Failure> {
    let cx = &session.cx;
    let ledger = Ledger::new(&session.config.mirror_dir);
    let since = since(client, settings, &ledger).await?;
    let Settings { databases, sources, resolving, graph, .. } = settings;
    let read = mirror::read_since((&mut *client, graph), databases, sources, resolving, since, cx).await?;
    let Read { facts, footing, resolved, current, mut position, extent } = read;
    let before = footing_before(client, graph, session).await?;
    let mut guard = SweepGuard { skipped_rows: !facts.bad_rows.is_empty(), ..settings.guard.clone() };
    let lost = before.iter().flat_map(|before| footing.lost_since(before));
    let lost: Vec<_> = lost.map(|lost| lost.because_of(&facts.lacking).beside(&facts.schemas)).collect();
    let meant = lost.iter().filter(|lost| lost.is_meant(sources, &facts.schemas));
    guard.allowed.extend(meant.map(|lost| lost.name.clone()));
    guard.let_go(lost)?;
    guard.mind_rows(&footing, before.as_ref())?;
    let mut plan = mirror::plan(&resolved, &current)?;
    guard.check_names(&plan, &facts.read)?;
    guard.hold_back(&mut plan)?;
    let summary = plan.summary()?;
    if let Some(wanted) = settings.only.as_ref().filter(|wanted| !summary.digest.starts_with(*wanted)) {
        let now = summary.digest.chars().take(SHOWN_DIGITS).collect();
        return Err(MirrorError::OtherPlan { wanted: wanted.clone(), now }.into());
    }
    if !settings.write {
        return Ok(Done { summary, applied: None, facts, extent });
    }
    if let (Ok(position), Some(clock)) = (&mut position, resolved.clock) {
        position.watermark = position.watermark.min(clock.saturating_mul(1000));
    }
    let mut run = Run::begin(&settings.graph, client.address(), &summary, &facts.read);
    run.rules = connect::identity_rules(&session.config);
    run.position = position.ok();
    ledger.save(&run)?;
    let mut applied = Applied::default();
    let done = mirror::apply_noting(client, &settings.graph, &plan, &mut applied, &session.cx).await;
    run.end(done.as_ref().copied(), &applied);
    // What stopped the run is the error to tell.
    let saved = ledger.save(&run);
    done?;
    saved?;
    let footing = footing.missing_still(before.as_ref(), &summary.held_back);
    if before.as_ref() != Some(&footing) {
        footing.keep(client, graph).await?;
    }
    Ok(Done { summary, applied: Some(applied), facts, extent })
}

/// What the last run read; a user who may not ask for that is told so.
async fn footing_before(
    client: &mut Client,
    graph: &str,
    session: &Session,
) -> Result<Option<Footing>, Failure> {
    match Footing::kept(client, graph).await {
        Err(MirrorError::Unread(FalkorError::Forbidden { .. })) => {
            session.printer.note(format_args!(
                "cannot tell whether columns that the last run read are gone: `~{} +hgetall` lets this user ask",
                marker::key(graph)
            ));
            Ok(None)
        }
        kept => Ok(kept?),
    }
}

/// Where the last run read the touches, if this one is to go on from there.
async fn since(
    client: &mut Client,
    settings: &Settings,
    ledger: &Ledger,
) -> Result<Option<Result<mirror::Since, String>>, Failure> {
    let Some(overlap) = settings.overlap else { return Ok(None) };
    let mark = mirror::state(client, &settings.graph).await?;
    let position = ledger.position(&settings.graph, client.address(), mark)?;
    Ok(Some(position.map(|position| mirror::Since { position, overlap })))
}

/// What a run found and did.
struct Done {
    summary: Summary,
    applied: Option<Applied>,
    facts: Facts,
    extent: Option<Extent>,
}

/// The plan as a program reads it.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    /// Source rows that were skipped.
    #[serde(skip_serializing_if = "<[BadRow]>::is_empty")]
    bad_rows: &'a [BadRow],
    /// How much of the touches was read, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    incremental: Option<&'a Extent>,
}

fn print(done: &Done, format: Format, printer: Printer) -> Result<(), Failure> {
    let summary = &done.summary;
    if format == Format::Json {
        let told = Told { summary, bad_rows: &done.facts.bad_rows, incremental: done.extent.as_ref() };
        let json = serde_json::to_string(&told)
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
        printer.note(if summary.held_back.is_empty() {
            "the graph is what the sources claim: nothing to do"
        } else {
            "nothing to do beside what is held back"
        });
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
fn tell(Done { summary, applied, facts, extent }: &Done, printer: Printer) {
    for sample in summary.samples.iter().filter(|sample| sample.change != "create") {
        printer.note(format_args!("{} {} {}: {}", sample.change, sample.of, sample.what, sample.why));
    }
    for source in &facts.absent {
        printer.note(format_args!(
            "{source}: no such layout was found, so nothing of it was read (`sonograph doctor` lists what is)"
        ));
    }
    for lacking in &facts.lacking {
        printer.note(format_args!("{lacking}: {}", lacking.hint()));
    }
    if !facts.missing.is_empty() {
        printer.note(format_args!("not found: {}, which count as empty", facts.missing.join(", ")));
    }
    for read in &facts.read {
        for (reason, rows) in &read.left_out {
            printer.note(format_args!("left out of {}: {rows} ({reason})", read.table));
        }
    }
    connect::tell_bad_rows(facts, printer);
    for note in &summary.notes {
        let more = if note.count > note.samples.len() as u64 { ", …" } else { "" };
        printer.note(format_args!("{}: {} ({}{more})", note.what, note.count, note.samples.join(", ")));
    }
    for conflict in &summary.conflicts {
        let rows = conflict.rows.join(", ");
        printer.warn(format_args!("{} `{}`: {} ({rows})", conflict.label, conflict.id, conflict.what));
    }
    for held in &summary.held_back {
        let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let beside = if held.beside.is_empty() {
            String::new()
        } else {
            format!(" beside those of {}", list(&held.beside))
        };
        let let_go = if held.let_go.is_empty() {
            String::new()
        } else {
            let names = list(&held.let_go);
            format!(
                "; what {names} told stays with it, as long as both are not let go: --allow-shrink {names},{}",
                held.of
            )
        };
        printer.warn(format_args!(
            "{} lost {} of {}, which looks like a failed read: {} changes are held back{beside}; if it is meant, --allow-shrink {}{let_go}",
            held.of, held.gone, held.before, held.held_back, held.of
        ));
    }
    printer.note(format_args!("plan {}", summary.digest.chars().take(SHOWN_DIGITS).collect::<String>()));
    if let Some(extent) = extent {
        tell_extent(extent, printer);
    }
    if let Some(applied) = applied.as_ref().filter(|applied| applied.batches > 0) {
        printer.note(format_args!(
            "wrote {} rows in {} batches, the longest {:.0} ms, as generation {}",
            applied.rows, applied.batches, applied.longest_batch_ms, applied.generation
        ));
    }
}

/// Tells how much of the touches was read.
fn tell_extent(Extent { whole, read, skipped, unstamped }: &Extent, printer: Printer) {
    if let Some(reason) = whole {
        return printer.note(format_args!("read everything: {reason}"));
    }
    printer.note(format_args!("read {read} touches again, left {skipped} unread that are as they were"));
    if *unstamped > 0 {
        printer.note(format_args!("touches without a stamp that says when they were loaded: {unstamped}"));
    }
}
