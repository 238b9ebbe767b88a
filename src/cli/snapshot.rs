//! `sonograph snapshot`: freeze, bring in, look at, prove and hand on.

pub(super) mod consistency;
mod diff;
pub(super) mod export;
mod graphml;
mod incremental;
mod memory;
mod prune;
pub(super) mod raw;
pub(super) mod take;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use polars::prelude::{Column, DataFrame};

use super::{Failure, Format, Outcome, Session, print_frame};
use crate::snapshot::{self, Manifest, ManifestInput, Origin, TableFile};
use crate::sources::files::{self, ImportOptions};

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Freeze the business graph and its companions into a snapshot folder
    Take(take::TakeArgs),
    /// Make a snapshot of somebody else's graph: edge lists as text, CSV or Parquet
    Import(ImportArgs),
    /// List the snapshots there are, oldest first
    #[command(after_help = "Example:\n  sonograph snapshot list --format csv")]
    List(ListArgs),
    /// Say what a snapshot holds and where it came from
    #[command(after_help = "Example:\n  sonograph snapshot show latest --format json")]
    Show(ShowArgs),
    /// Check every byte and row of a snapshot; exits 1 where it is not whole
    Verify(verify::VerifyArgs),
    /// Say what became of the graph from one snapshot to another
    Diff(diff::DiffArgs),
    /// Remove old snapshots, but for the last of each of the last weeks
    Prune(prune::PruneArgs),
    /// Write a snapshot's nodes and edges for other tools, edges by uid
    Export(export::ExportArgs),
}

/// Which snapshot.
#[derive(Debug, Args)]
struct Which {
    /// Snapshot folder, name of one in the folder of snapshots, or `latest`
    #[arg(value_name = "SNAPSHOT", default_value = "latest", conflicts_with = "snapshot")]
    named: String,
    /// The same as a flag
    #[arg(long, value_name = "DIR", help_heading = "Snapshot")]
    snapshot: Option<String>,
}

impl Which {
    fn locate(&self, session: &Session) -> Result<PathBuf, Failure> {
        let asked = self.snapshot.as_deref().unwrap_or(&self.named);
        Ok(snapshot::locate(asked, &session.config.snapshots_dir)?)
    }
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = "A file `.csv` has a header, `src,dst[,type][,weight][,timestamp]` and any further columns, which become \
    typed properties; `.parquet` likewise. Any other file holds `src dst [weight [timestamp]]` to a line, with comments after \
    # or %. A stream (`-`, `/dev/stdin`, a pipe) is told by its first line: Parquet, a header that names src and dst (nodes: \
    id), else text. Text may be gzipped. Ids are kept as they are written: 007 is not 7. Times are seconds since 1970 or RFC 3339.\n\n\
    Examples:\n  \
    sonograph snapshot import --edges facebook_combined.txt.gz --undirected --relation FRIENDS --out snapshots/facebook\n  \
    sonograph snapshot import --edges davis.csv --src person --dst event --out snapshots/davis"
)]
pub(super) struct ImportArgs {
    /// File of edges, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    edges: PathBuf,
    /// File of nodes: `.csv` or `.parquet` with `id[,label][,name]` and properties, or one id to a line
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
    /// Folder to write
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: PathBuf,
    /// Every edge stands for both directions
    #[arg(long)]
    undirected: bool,
    /// Label of nodes without a column `label`
    #[arg(long, value_name = "L", default_value = "Node")]
    label: String,
    /// Relation of edges without a column `type`
    #[arg(long, value_name = "R", default_value = "EDGE")]
    relation: String,
    /// Column of the source [default: src, else the first column]
    #[arg(long, value_name = "COL", requires = "dst")]
    src: Option<String>,
    /// Column of the target [default: dst, else the second column]
    #[arg(long, value_name = "COL", requires = "src")]
    dst: Option<String>,
    /// Add nodes that edges name and the file of nodes does not list
    #[arg(long, requires = "nodes")]
    add_missing: bool,
    /// Keep the first of parallel edges only; undirected, `a b` and `b a` are parallel
    #[arg(long)]
    dedup: bool,
    /// How the lines of a text file are laid out
    #[arg(long, value_enum, default_value_t = Layout::Edges)]
    layout: Layout,
    /// Lines of the file of edges to pass over
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_lines: usize,
    /// Replace the snapshot that is in the folder
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Layout {
    /// `src dst [weight [timestamp]]`
    Edges,
    /// `v n1 n2 …`
    Adjacency,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// How the rows come out [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    which: Which,
    /// How it comes out; `json` is the whole manifest [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

pub(super) fn run(command: SnapshotCommand, session: &Session) -> Result<Outcome, Failure> {
    match command {
        SnapshotCommand::Take(args) => take::run(&args, session),
        SnapshotCommand::Import(args) => import(args, session),
        SnapshotCommand::List(args) => list(&args, session),
        SnapshotCommand::Show(args) => show(&args, session),
        SnapshotCommand::Verify(args) => verify::run(&args, session),
        SnapshotCommand::Diff(args) => diff::run(&args, session),
        SnapshotCommand::Prune(args) => prune::run(&args, session),
        SnapshotCommand::Export(args) => export::run(&args, session),
    }
}

fn import(args: ImportArgs, session: &Session) -> Result<Outcome, Failure> {
    snapshot::check_target(&args.out, args.force)?;
    let options = ImportOptions {
        edges: args.edges,
        nodes: args.nodes,
        undirected: args.undirected,
        label: args.label,
        relation: args.relation,
        ends: args.src.zip(args.dst),
        add_missing: args.add_missing,
        dedup: args.dedup,
        layout: match args.layout {
            Layout::Edges => files::Layout::Edges,
            Layout::Adjacency => files::Layout::Adjacency,
        },
        skip_lines: args.skip_lines,
    };
    let started = jiff::Timestamp::now();
    let imported = files::import(&options, &session.cx)?;
    for note in &imported.notes {
        session.printer.note(note);
    }
    let origin = |file: &files::FileRead| {
        Origin::new("file", file.sha256.clone()).with("name", file.name.clone()).with("bytes", file.bytes)
    };
    let mut input = ManifestInput {
        started,
        replace: args.force,
        ..ManifestInput::of(imported.files.iter().map(origin).collect())
    };
    for (flag, is_set) in
        [("undirected", options.undirected), ("dedup", options.dedup), ("add_missing", options.add_missing)]
    {
        input.options.insert(flag.into(), is_set.into());
    }
    let manifest = snapshot::write(&args.out, &imported.tables, &input, &session.cx)?;
    told(&args.out, &manifest, session)?;
    Ok(Outcome::Done)
}

/// The folder on stdout, for whoever comes next in the pipe; what is in it for people.
fn told(dir: &Path, manifest: &Manifest, session: &Session) -> Result<(), Failure> {
    session
        .printer
        .note(format_args!("froze {} nodes and {} edges", manifest.node_count, manifest.edge_count));
    session.printer.data(dir.display())?;
    Ok(())
}

fn list(args: &ListArgs, session: &Session) -> Result<Outcome, Failure> {
    let listed = snapshot::list(&session.config.snapshots_dir)?;
    let mut whole = Vec::new();
    for one in &listed {
        match &one.manifest {
            Ok(manifest) => whole.push((one, manifest)),
            Err(error) => session.printer.warn(format_args!("{}: {error}", one.dir.display())),
        }
    }
    let texts = |name: &str, cell: &dyn Fn(&snapshot::Listed, &Manifest) -> Option<String>| {
        Column::new(name.into(), whole.iter().map(|(one, manifest)| cell(one, manifest)).collect::<Vec<_>>())
    };
    let numbers = |name: &str, cell: &dyn Fn(&Manifest) -> u64| {
        Column::new(name.into(), whole.iter().map(|(_, manifest)| cell(manifest) as i64).collect::<Vec<_>>())
    };
    let columns = vec![
        texts("name", &|one, _| Some(one.name.clone())),
        numbers("nodes", &|m| m.node_count),
        numbers("edges", &|m| m.edge_count),
        numbers("bytes", &|m| m.files().map(|f| f.bytes).sum()),
        texts("as_of", &|_, m| m.as_of.map(|at| at.to_string())),
        texts("finished", &|one, _| {
            one.run.as_ref().map(|run| run.finished.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        }),
        texts("sources", &|_, m| Some(systems(m))),
    ];
    rows(columns, whole.len(), Format::or_usual(args.format), session)?;
    if listed.is_empty() {
        session.printer.note(format_args!("no snapshot in {}", session.config.snapshots_dir.display()));
    }
    Ok(Outcome::Done)
}

fn systems(manifest: &Manifest) -> String {
    let mut systems: Vec<&str> = manifest.sources.iter().map(|s| s.system.as_str()).collect();
    systems.dedup();
    systems.join(", ")
}

fn show(args: &ShowArgs, session: &Session) -> Result<Outcome, Failure> {
    let dir = args.which.locate(session)?;
    let manifest = Manifest::read(&dir)?;
    let format = Format::or_usual(args.format);
    if format == Format::Json {
        let text = serde_json::to_string(&manifest).expect("a manifest that was read is JSON");
        session.printer.data(text)?;
        return Ok(Outcome::Done);
    }
    if format == Format::Table {
        about(&dir, &manifest, session)?;
    }
    let mut all: Vec<(&str, String, &TableFile)> = [
        ("node", &manifest.nodes),
        ("edge", &manifest.edges),
        ("table", &manifest.tables),
        ("raw table", &manifest.raw),
    ]
    .into_iter()
    .flat_map(|(kind, files)| files.iter().map(move |(name, file)| (kind, name.clone(), file)))
    .collect();
    for (graph, files) in &manifest.memory {
        for (kind, tables) in [("memory node", &files.nodes), ("memory edge", &files.edges)] {
            all.extend(tables.iter().map(|(name, file)| (kind, format!("{graph}/{name}"), file)));
        }
        all.push(("memory table", format!("{graph}/mentions"), &files.mentions));
    }
    let columns_of = |file: &TableFile| {
        file.columns.iter().map(|c| format!("{} {}", c.name, c.dtype)).collect::<Vec<_>>().join(", ")
    };
    let columns = vec![
        Column::new("kind".into(), all.iter().map(|a| a.0).collect::<Vec<_>>()),
        Column::new("name".into(), all.iter().map(|a| a.1.as_str()).collect::<Vec<_>>()),
        Column::new("rows".into(), all.iter().map(|a| a.2.rows as i64).collect::<Vec<_>>()),
        Column::new("bytes".into(), all.iter().map(|a| a.2.bytes as i64).collect::<Vec<_>>()),
        Column::new("columns".into(), all.iter().map(|a| columns_of(a.2)).collect::<Vec<_>>()),
    ];
    rows(columns, all.len(), format, session)?;
    Ok(Outcome::Done)
}

fn about(dir: &Path, manifest: &Manifest, session: &Session) -> Result<(), Failure> {
    let printer = &session.printer;
    printer.data(format_args!("snapshot    {}", dir.display()))?;
    let kind = if manifest.undirected { "undirected" } else { "directed" };
    printer.data(format_args!(
        "graph       {} nodes, {} edges, {kind}",
        manifest.node_count, manifest.edge_count
    ))?;
    for (graph, files) in &manifest.memory {
        printer.data(format_args!(
            "memory      {graph}: {} nodes, {} edges, {} candidates of a mention",
            files.node_count, files.edge_count, files.mentions.rows
        ))?;
    }
    if let Some(as_of) = manifest.as_of {
        printer.data(format_args!("as of       {as_of}"))?;
    }
    if let Some(run) = snapshot::Run::read(dir) {
        printer
            .data(format_args!("frozen      {:.0} in {:.1} s on {}", run.finished, run.seconds, run.host))?;
    }
    for source in &manifest.sources {
        let detail = serde_json::to_string(&source.detail).expect("a detail that was read is JSON");
        let detail = if source.detail.is_empty() { String::new() } else { detail };
        printer.data(format_args!("source      {} {} {detail}", source.system, source.version))?;
    }
    printer.data("")?;
    Ok(())
}

fn rows(columns: Vec<Column>, height: usize, format: Format, session: &Session) -> Result<(), Failure> {
    let frame =
        DataFrame::new(height, columns).expect("columns of one height with distinct names make a frame");
    print_frame(&frame, format, session.printer)
}
