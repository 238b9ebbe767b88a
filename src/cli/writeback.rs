//! `sonograph writeback`: scores become node properties, and can be taken back.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use polars::prelude::{Column, DataFrame};
use serde::Serialize;
use serde_json::Value;

use super::{Failure, Format, Outcome, Session, connect, print_frame, tell_damaged};
use crate::context::{Fault, regular};
use crate::snapshot::tables::{Tables, UID, parquet};
use crate::snapshot::{self, sha256};
use crate::sources::falkordb::{Client, lock};
use crate::studies::Question;
use crate::studies::findings::Scores;
use crate::writeback::{
    Applied, Ledger, Line, Plan, Range, Run, UndoOptions, Undone, apply, plan, resume, undo,
};

#[derive(Debug, Subcommand)]
pub(super) enum WritebackCommand {
    /// Compare the scores with what the graph holds; writes nothing
    #[command(after_help = "Example:\n  sonograph writeback plan --snapshot latest --from out")]
    Plan(Planning),
    /// Write the scores, read them back, and keep what stood there before
    Apply(Applying),
    /// Put back what stood there before a run
    #[command(after_help = "Example:\n  sonograph writeback undo 20260302T060000417Z-9c3e --dry-run")]
    Undo(Undoing),
    /// List the runs, oldest first
    #[command(after_help = "Example:\n  sonograph writeback history")]
    History(Showing),
}

#[derive(Debug, Args)]
pub(super) struct Showing {
    /// How the answer comes out [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

#[derive(Debug, Args)]
pub(super) struct Planning {
    /// Snapshot the scores were computed on: a folder, or `latest` in the folder of snapshots
    #[arg(long, value_name = "DIR", default_value = "latest", help_heading = "Snapshot")]
    snapshot: String,
    /// Folder of the studies' answers; every family in it that has scores is taken
    #[arg(long, value_name = "DIR", default_value = "out", help_heading = "Snapshot")]
    from: PathBuf,
    #[command(flatten)]
    showing: Showing,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A node gets its scores by its internal id, guarded by its uid, together with `score_run` and \
    `score_at`. A run that broke off is completed by the same command, or by --resume without the scores.\n\n\
    Example:\n  sonograph writeback apply --snapshot latest --from out"
)]
pub(super) struct Applying {
    #[command(flatten)]
    planning: Planning,
    /// Complete this run that broke off
    #[arg(long, value_name = "RUN", conflicts_with_all = ["snapshot", "from", "dry_run"])]
    resume: Option<String>,
    /// Show the plan and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Undoing {
    /// The run, as `writeback history` names it
    run: String,
    /// Say what would be put back and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave nodes as they are that somebody else wrote since, and take back the rest
    #[arg(long)]
    skip_overwritten: bool,
    #[command(flatten)]
    showing: Showing,
}

pub(super) fn run(command: &WritebackCommand, session: &Session) -> Result<Outcome, Failure> {
    let ledger = Ledger::new(&session.config.writeback_dir);
    match command {
        WritebackCommand::Plan(planning) => {
            let plan = session.block_on(make_plan(planning, session))??;
            show_plan(&plan, &planning.showing, session)?;
        }
        WritebackCommand::Apply(applying) if applying.dry_run => {
            let plan = session.block_on(make_plan(&applying.planning, session))??;
            show_plan(&plan, &applying.planning.showing, session)?;
        }
        WritebackCommand::Apply(applying) => {
            let applied = session.block_on(write(applying, &ledger, session))??;
            show_one(&applied, &applying.planning.showing, session)?;
            tell(&applied, session);
        }
        WritebackCommand::Undo(undoing) => {
            let options =
                UndoOptions { dry_run: undoing.dry_run, skip_overwritten: undoing.skip_overwritten };
            let undone = session.block_on(async {
                let mut client = connect::falkordb(session).await?;
                Ok::<_, Failure>(undo(&mut client, &ledger, &undoing.run, options, &session.cx).await?)
            })??;
            show_one(&undone, &undoing.showing, session)?;
            tell_undone(&undone, undoing.dry_run, session);
        }
        WritebackCommand::History(showing) => {
            let (runs, damaged) = ledger.runs()?;
            tell_damaged(&damaged, session.printer);
            if runs.is_empty() {
                session.printer.note(format_args!("no run in {}", session.config.writeback_dir.display()));
            }
            show_runs(&runs, showing, session)?;
        }
    }
    Ok(Outcome::Done)
}

async fn make_plan(planning: &Planning, session: &Session) -> Result<Plan, Failure> {
    let given = Given::read(planning, session)?;
    given.plan(&mut connect::falkordb(session).await?, session).await
}

/// Scores and the snapshot they were computed on.
struct Given {
    scores: Vec<Scores>,
    tables: Tables,
}

impl Given {
    fn read(planning: &Planning, session: &Session) -> Result<Self, Failure> {
        let scores = read_scores(&planning.from)?;
        let folder = snapshot::locate(&planning.snapshot, &session.config.snapshots_dir)?;
        Ok(Self { scores, tables: snapshot::read(&folder)?.tables })
    }

    async fn plan(&self, client: &mut Client, session: &Session) -> Result<Plan, Failure> {
        Ok(plan(client, &session.config.falkordb.graph, &self.tables, &self.scores, &session.cx).await?)
    }
}

async fn write(applying: &Applying, ledger: &Ledger, session: &Session) -> Result<Applied, Failure> {
    let cx = &session.cx;
    // It could be a run on this graph that broke off; what that wrote is told apart by its `score_run` all the same.
    tell_damaged(&ledger.runs()?.1, session.printer);
    if let Some(run) = &applying.resume {
        let mut client = connect::falkordb(session).await?;
        return Ok(resume(&mut client, ledger, run, cx).await?);
    }
    let given = Given::read(&applying.planning, session)?;
    let mut client = connect::falkordb(session).await?;
    let graph = &session.config.falkordb.graph;
    // Before the plan: what another run writes meanwhile would not be in it.
    lock::holding(&mut client, graph, "writeback apply", lock::TTL, cx, async |client| {
        let plan = given.plan(client, session).await?;
        cx.check()?;
        Ok(apply(client, graph, &plan, ledger, cx).await?)
    })
    .await
}

/// The scores of every family below `out`, with the columns that its `findings.json` declares.
fn read_scores(out: &Path) -> Result<Vec<Scores>, Failure> {
    let hint = "`sonograph study all --out DIR` writes one";
    let entries = fs_err::read_dir(out).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::input(format!("there is no folder `{}` of studies' answers", out.display()))
                .with_hint(hint)
        }
        _ => Failure::from(error),
    })?;
    let mut folders: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<io::Result<_>>()?;
    folders.sort();
    let mut all = Vec::new();
    for folder in folders.iter().filter(|f| f.is_dir() && f.extension().is_none()) {
        if folder.join("findings.json").is_file() {
            all.extend(read_family(folder)?);
        } else if is_family(folder) {
            return Err(unfinished(folder));
        }
    }
    for partial in folders.iter().filter(|f| f.extension().is_some_and(|e| e == "partial")) {
        let whole = partial.with_extension("");
        if is_family(&whole) && !whole.exists() {
            return Err(unfinished(partial));
        }
    }
    if all.is_empty() {
        return Err(Failure::input(format!("no family in `{}` has scores", out.display())).with_hint(hint));
    }
    Ok(all)
}

/// Whether a folder bears the name of a family of studies.
fn is_family(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    Question::all().into_iter().any(|question| name == question.family().name)
}

fn unfinished(folder: &Path) -> Failure {
    Failure::input(format!("the study in `{}` is unfinished: it has no findings.json", folder.display()))
        .with_hint("run the study again, or remove the folder to leave its scores out")
}

fn read_family(folder: &Path) -> Result<Option<Scores>, Failure> {
    let path = folder.join("findings.json");
    let broken = |why: &str| Failure::input(format!("cannot read `{}`: {why}", path.display()));
    regular(&path)?;
    let found: Value = serde_json::from_slice(&fs_err::read(&path)?).map_err(|e| broken(&e.to_string()))?;
    let Some(declared) = found["scores"].as_array() else { return Ok(None) };
    let names: Vec<&str> = declared.iter().filter_map(|column| column["name"].as_str()).collect();
    let known = Question::all().into_iter().flat_map(|question| question.family().scores.iter().copied());
    let columns: Vec<_> = known.filter(|column| names.contains(&column.name)).collect();
    if columns.len() != names.len() {
        return Err(broken("it declares scores that no study of this version has"));
    }
    let file = folder.join("scores.parquet");
    if !file.is_file() {
        return Err(Failure::input(format!("there is no `{}`", file.display()))
            .with_hint("run the study with --format parquet"));
    }
    let unreadable = |error| Failure {
        error: anyhow::Error::new(error).context(format!("cannot read `{}`", file.display())),
        fault: Fault::Input,
        hint: Some("run the study again with --format parquet".to_owned()),
    };
    regular(&file)?;
    let bytes = fs_err::read(&file)?;
    if found["sha256"]["scores.parquet"] != sha256(&bytes) {
        let why = "its SHA-256 is not the one in findings.json, so it is not what that study wrote";
        return Err(Failure::input(format!("cannot read `{}`: {why}", file.display()))
            .with_hint("run the study again: it writes both"));
    }
    let frame = parquet::decode(bytes).map_err(unreadable)?;
    let frame = frame.select([UID, "label"].into_iter().chain(names)).map_err(unreadable)?;
    Ok(Some(Scores { columns, frame }))
}

impl Showing {
    fn format(&self) -> Format {
        Format::or_usual(self.format)
    }
}

fn show_plan(plan: &Plan, showing: &Showing, session: &Session) -> Result<(), Failure> {
    match showing.format() {
        Format::Json => session.printer.data(json(plan)?)?,
        format => print_frame(&lines(&plan.lines)?, format, session.printer)?,
    }
    session.printer.note(format_args!(
        "{} nodes to write, {} hold their scores already, {} are gone since the snapshot, {} ids belong to other nodes by now",
        plan.set, plan.unchanged, plan.gone, plan.changed_identity
    ));
    for change in &plan.sample {
        let before = change.before.as_ref().map_or("nothing".to_owned(), Value::to_string);
        session.printer.note(format_args!(
            "  {} `{}` {}: {before} → {}",
            change.label,
            change.uid,
            change.property,
            json(&change.after)?
        ));
    }
    Ok(())
}

fn lines(lines: &[Line]) -> Result<DataFrame, Failure> {
    let text = |name: &str, of: fn(&Line) -> &str| {
        Column::new(name.into(), lines.iter().map(of).collect::<Vec<_>>())
    };
    let count = |name: &str, of: fn(&Line) -> u64| {
        Column::new(name.into(), lines.iter().map(|l| of(l) as i64).collect::<Vec<_>>())
    };
    let number = |name: &str, of: fn(&Line) -> Option<f64>| {
        Column::new(name.into(), lines.iter().map(of).collect::<Vec<_>>())
    };
    let columns = vec![
        text("label", |l| &l.label),
        text("property", |l| &l.property),
        count("set", |l| l.set),
        count("unchanged", |l| l.unchanged),
        count("gone", |l| l.gone),
        count("changed_identity", |l| l.changed_identity),
        number("min", |l| l.new.map(|r: Range| r.min)),
        number("mean", |l| l.new.map(|r| r.mean)),
        number("max", |l| l.new.map(|r| r.max)),
        number("old_min", |l| l.old.map(|r| r.min)),
        number("old_mean", |l| l.old.map(|r| r.mean)),
        number("old_max", |l| l.old.map(|r| r.max)),
    ];
    DataFrame::new(lines.len(), columns).map_err(|e| Failure::environment("cannot show the plan", e))
}

fn show_runs(runs: &[Run], showing: &Showing, session: &Session) -> Result<(), Failure> {
    if showing.format() == Format::Json {
        for run in runs {
            session.printer.data(json(run)?)?;
        }
        return Ok(());
    }
    let text = |name: &str, of: fn(&Run) -> String| {
        Column::new(name.into(), runs.iter().map(of).collect::<Vec<_>>())
    };
    let columns = vec![
        text("run", |r| r.run.clone()),
        text("state", |r| r.state.to_string()),
        text("graph", |r| r.graph.clone()),
        text("nodes", |r| r.nodes.to_string()),
        text("written", |r| r.written.to_string()),
        text("properties", |r| r.properties.join(" ")),
    ];
    let frame =
        DataFrame::new(runs.len(), columns).map_err(|e| Failure::environment("cannot show the runs", e))?;
    print_frame(&frame, showing.format(), session.printer)
}

/// One object: as JSON, or as a table of one row.
fn show_one(value: &impl Serialize, showing: &Showing, session: &Session) -> Result<(), Failure> {
    if showing.format() == Format::Json {
        return Ok(session.printer.data(json(value)?)?);
    }
    let object =
        serde_json::to_value(value).map_err(|e| Failure::environment("cannot show the answer", e))?;
    let cells = object.as_object().into_iter().flatten().filter(|(_, value)| !value.is_array());
    let columns = cells.map(|(name, value)| match value {
        Value::Number(n) if n.is_u64() => Column::new(name.as_str().into(), [n.as_u64().map(|n| n as i64)]),
        Value::Number(n) => Column::new(name.as_str().into(), [n.as_f64()]),
        Value::Bool(b) => Column::new(name.as_str().into(), [*b]),
        other => Column::new(name.as_str().into(), [other.as_str()]),
    });
    let frame = DataFrame::new(1, columns.collect())
        .map_err(|e| Failure::environment("cannot show the answer", e))?;
    print_frame(&frame, showing.format(), session.printer)
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|e| Failure::environment("cannot write JSON", e))
}

fn tell(applied: &Applied, session: &Session) {
    let Some(run) = &applied.run else {
        session.printer.note("every score stands already; nothing was written");
        return;
    };
    session.printer.note(format_args!(
        "{} nodes hold their scores, read back; {} were gone, {} ids belonged to other nodes; longest write {:.1} ms",
        applied.written, applied.gone, applied.changed_identity, applied.longest_write_ms
    ));
    if !applied.on_disk {
        session.printer.note(
            "the server did not say that they are on its disk (does it keep an append-only file?): a crash of it may take them \
             back, and `sonograph writeback apply` writes them again",
        );
    }
    session.printer.note(format_args!("take it back with `sonograph writeback undo {run}`"));
}

/// Nodes that a note names.
const NAMED: usize = 10;

fn tell_undone(undone: &Undone, dry_run: bool, session: &Session) {
    session.printer.note(format_args!(
        "{} nodes {}; {} were not written, {} are gone, {} ids belong to other nodes by now",
        undone.restored,
        if dry_run { "would be restored" } else { "hold again what they held before" },
        undone.untouched,
        undone.gone,
        undone.changed_identity
    ));
    if undone.overwritten > 0 {
        session.printer.warn(format_args!(
            "{} nodes were written since and {} left as they are{}:",
            undone.overwritten,
            if dry_run { "would be" } else { "were" },
            if undone.left_alone.len() > NAMED { "; --format json lists all, the first are" } else { "" },
        ));
        for left in undone.left_alone.iter().take(NAMED) {
            session.printer.note(format_args!("  `{}`, by {}", left.uid, left.by));
        }
    }
}
