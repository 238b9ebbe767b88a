//! `sonograph snapshot export`: a snapshot for tools that know nothing of dense ids.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use polars::prelude::{Column, DataFrame};

use super::Which;
use crate::cli::output::save_frame;
use crate::cli::{Failure, Format, Outcome, Session};
use crate::context::Unfinished;
use crate::graph::{BusinessGraph, EdgeTable, NodeId};
use crate::snapshot::tables::{DST, NODE, SRC};
use crate::snapshot::{self, Manifest, TableFile};

#[derive(Debug, Args)]
#[command(
    after_help = "Writes nodes/<Label>, edges/<RELATION> with src and dst as uids, and tables/<companion>; the \
    same of every agent memory below memory/<GRAPH>.\n\n\
    Example:\n  sonograph snapshot export --snapshot latest --out export --format csv"
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
    let frozen = snapshot::read(&args.which.locate(session)?)?;
    let companions = frozen.tables.companions.clone();
    let graph = BusinessGraph::whole(frozen.tables)?;
    let format = match args.format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Parquet => Format::Parquet,
    };

    let mut name = args.out.clone().into_os_string();
    name.push(".partial");
    let partial = PathBuf::from(name);
    // The left-over of an export that was stopped.
    if partial.exists() {
        fs_err::remove_dir_all(&partial)?;
    }
    let _unfinished = Unfinished(&partial);
    save_all(&partial, &graph, &frozen.manifest, &companions, format, session)?;
    save_memory(&partial, &frozen.dir, &frozen.manifest, format)?;
    if args.out.exists() {
        fs_err::remove_dir(&args.out)?;
    }
    fs_err::rename(&partial, &args.out)?;
    session.printer.data(args.out.display())?;
    Ok(Outcome::Done)
}

fn save_all(
    dir: &Path,
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
    fs_err::create_dir_all(dir)?;
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
    for (at, (name, ends)) in [(SRC, &table.src), (DST, &table.dst)].into_iter().enumerate() {
        let uids: Vec<&str> = ends.iter().map(|&end| graph.uid(NodeId(end))).collect();
        frame.insert_column(at, Column::new(name.into(), uids)).expect("one uid per edge");
    }
    frame
}
