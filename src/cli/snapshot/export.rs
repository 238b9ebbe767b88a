//! `sonograph snapshot export`: a snapshot for tools that know nothing of dense ids.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use polars::prelude::{Column, DataFrame};

use super::Which;
use super::graphml::{self, Stopped};
use crate::cli::output::save_frame;
use crate::cli::{Failure, Format, Outcome, Session};
use crate::context::Unfinished;
use crate::graph::{BusinessGraph, EdgeTable, NodeId};
use crate::snapshot::tables::{DST, NODE, SRC};
use crate::snapshot::{self, Manifest, Reader, Snapshot, TableFile};

#[derive(Debug, Args)]
#[command(
    after_help = "Writes nodes/<Label>, edges/<RELATION> with src and dst as uids, and tables/<companion>; the \
    same of every agent memory below memory/<GRAPH>. As graphml it is one file of nodes and edges, graph.graphml, without \
    tables; there nodes have the ids n0, n1, … and carry their uid, instants and dates are RFC 3339 and lists JSON.\n\n\
    Examples:\n  sonograph snapshot export --snapshot latest --out export --format csv\n  \
    sonograph snapshot export monday --out gephi --format graphml"
)]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    which: Which,
    /// Folder to write
    #[arg(long, value_name = "DIR", default_value = "out", help_heading = "Output")]
    out: PathBuf,
    /// Format of the files
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv, help_heading = "Output")]
    format: ExportFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExportFormat {
    /// RFC 4180 with LF and a header; null is empty, times are RFC 3339 UTC
    Csv,
    /// Apache Parquet
    Parquet,
    /// GraphML 1.0: one file of nodes and edges, properties typed
    Graphml,
}

pub(super) fn run(args: &ExportArgs, session: &Session) -> Result<Outcome, Failure> {
    let empty = match fs_err::read_dir(&args.out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error.into()),
    };
    if !empty {
        return Err(Failure::input(format!("the folder `{}` is not empty", args.out.display()))
            .with_hint("give `--out` a folder that does not exist yet"));
    }
    let Snapshot { dir, manifest, tables } = snapshot::read(&args.which.locate(session)?)?;
    let companions = tables.companions.clone();
    let graph = BusinessGraph::whole(tables)?;

    let mut name = args.out.clone().into_os_string();
    name.push(".partial");
    let partial = PathBuf::from(name);
    // The left-over of an export that was stopped.
    if partial.exists() {
        fs_err::remove_dir_all(&partial)?;
    }
    let _unfinished = Unfinished(&partial);
    fs_err::create_dir_all(&partial)?;
    let format = match args.format {
        ExportFormat::Csv => Some(Format::Csv),
        ExportFormat::Parquet => Some(Format::Parquet),
        ExportFormat::Graphml => None,
    };
    if let Some(format) = format {
        save_all(&partial, &dir, &graph, &manifest, &companions, format, session)?;
        save_memory(&partial, &dir, &manifest, format)?;
    } else {
        save_graphml(&partial, &graph, &dir, &manifest, session)?;
    }
    if args.out.exists() {
        fs_err::remove_dir(&args.out)?;
    }
    fs_err::rename(&partial, &args.out)?;
    session.printer.data(args.out.display())?;
    Ok(Outcome::Done)
}

fn save_all(
    dir: &Path,
    from: &Path,
    graph: &BusinessGraph,
    manifest: &Manifest,
    companions: &BTreeMap<String, DataFrame>,
    format: Format,
    session: &Session,
) -> Result<(), Failure> {
    let step = session.cx.step("export", Some(manifest.files().count() as u64));
    let mut done = 0;
    let mut save = |file: &TableFile, frame: &DataFrame| -> Result<(), Failure> {
        save_table(dir, file, frame, format)?;
        done += 1;
        Ok(step.tick(done, None)?)
    };
    for (label, file) in &manifest.nodes {
        let frame = graph.node_frame(label).expect("a label of the manifest is in the graph");
        save(file, &frame.drop(NODE).expect("a node table has its dense ids"))?;
    }
    for (relation, file) in &manifest.edges {
        let table = graph.edges(relation).expect("a relation of the manifest is in the graph");
        save(file, &by_uid(graph, table))?;
    }
    for (name, file) in &manifest.tables {
        save(file, &companions[name])?;
    }
    let snapshot = Reader::open(from)?;
    for file in manifest.raw.values() {
        save(file, &snapshot.whole(file)?)?;
    }
    Ok(())
}

/// The graph and every memory graph as GraphML, which has no place for what is no graph.
fn save_graphml(
    dir: &Path,
    graph: &BusinessGraph,
    snapshot: &Path,
    manifest: &Manifest,
    session: &Session,
) -> Result<(), Failure> {
    let Manifest { nodes, edges, tables, memory, undirected, .. } = manifest;
    save_graph(dir, graph, (nodes, edges), *undirected, session)?;
    for (key, files) in memory {
        let Some(read) = snapshot::read_memory(snapshot, key)? else { continue };
        // Beside the tables of the same graph, whose names are safe.
        let folder = Path::new(&files.mentions.file).parent().unwrap_or(Path::new(""));
        let undirected = read.tables.undirected;
        let of = BusinessGraph::whole(read.tables)?;
        save_graph(&dir.join(folder), &of, (&files.nodes, &files.edges), undirected, session)?;
    }
    let tables = tables.len() + memory.len();
    if tables > 0 {
        session.printer.note(format_args!(
            "left out {tables} table(s), which GraphML has no place for: `--format csv` and `parquet` hold them"
        ));
    }
    Ok(())
}

type Files = BTreeMap<String, TableFile>;

fn save_graph(
    dir: &Path,
    graph: &BusinessGraph,
    (nodes, edges): (&Files, &Files),
    undirected: bool,
    session: &Session,
) -> Result<(), Failure> {
    fs_err::create_dir_all(dir)?;
    let rows = nodes.values().chain(edges.values()).map(|file| file.rows).sum();
    let step = session.cx.step("export", Some(rows));
    let mut out = BufWriter::new(fs_err::File::create(dir.join("graph.graphml"))?);
    let (labels, relations): (Vec<_>, Vec<_>) = (nodes.keys().collect(), edges.keys().collect());
    let unsaid =
        graphml::write(graph, &labels, &relations, undirected, &step, &mut out).map_err(|stopped| {
            match stopped {
                Stopped::Io(error) => Failure::from(error),
                Stopped::Cancelled(cancelled) => cancelled.into(),
            }
        })?;
    if unsaid.characters > 0 {
        session.printer.warn(format_args!(
            "replaced {} character(s) by U+FFFD, which XML has no sign for",
            unsaid.characters
        ));
    }
    Ok(())
}

/// The memory graphs, in folders of their own; mentions go by uids, too.
fn save_memory(dir: &Path, snapshot: &Path, manifest: &Manifest, format: Format) -> Result<(), Failure> {
    for (key, files) in &manifest.memory {
        let Some(memory) = snapshot::read_memory(snapshot, key)? else { continue };
        let graph = BusinessGraph::whole(memory.tables)?;
        for (label, file) in &files.nodes {
            let frame = graph.node_frame(label).expect("a label of the manifest is in the graph");
            save_table(dir, file, &frame.drop(NODE).expect("a node table has its dense ids"), format)?;
        }
        for (relation, file) in &files.edges {
            let table = graph.edges(relation).expect("a relation of the manifest is in the graph");
            save_table(dir, file, &by_uid(&graph, table), format)?;
        }
        let mentions = memory.mentions.drop_many(["memory_node", "business_node"]);
        save_table(dir, &files.mentions, &mentions, format)?;
    }
    Ok(())
}

fn save_table(dir: &Path, file: &TableFile, frame: &DataFrame, format: Format) -> Result<(), Failure> {
    // The manifest's names are safe file names already.
    let path = dir.join(&file.file);
    let folder = path.parent().unwrap_or(dir);
    fs_err::create_dir_all(folder)?;
    save_frame(frame, format, folder, &path.file_stem().unwrap_or_default().to_string_lossy())?;
    Ok(())
}

fn by_uid(graph: &BusinessGraph, table: &EdgeTable) -> DataFrame {
    let mut frame = table.frame.clone();
    let uid = |end: u32| graph.uid(NodeId(end));
    let src: Vec<&str> = table.src.iter().map(uid).collect();
    let dst: Vec<&str> = table.dst.iter().map(|&end| uid(end)).collect();
    for (at, name, uids) in [(0, SRC, src), (1, DST, dst)] {
        frame.insert_column(at, Column::new(name.into(), uids)).expect("one uid per edge");
    }
    frame
}
