//! `sonograph synth`: synthetic businesses to try everything on.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use polars::prelude::df;

use super::load::{Bytes, PROGRAM};
use super::{Failure, Format, Outcome, Session, connect, print_frame};
use crate::context::Context;
use crate::mirror;
use crate::snapshot::{self, ManifestInput, Origin, SnapshotError, Writing};
use crate::sources;
use crate::sources::synthetic::{
    BareGraph, City, FEWEST_PEOPLE, Kind, LoadOptions, MOST_PEOPLE, generate, load,
};

const TRUTH: &str = "truth.json";

const CITY_HELP: &str = "\
What was planted (influencers, how well each promoter converts, cascades, duplicates, shared devices) is written to \
truth.json, so that answers can be held against it. The same people and seed give the same bytes.

Example:
  sonograph synth city --people 2000 --seed 7 --to snapshot --out city && sonograph study influence --snapshot city";

const GRAPH_HELP: &str = "\
Nodes have the label Node and their number as uid, edges the relation EDGE and no properties; edges of a pair may be many, \
and lead back to where they came from. The same kind, scale, degree and seed give the same bytes, on any number of \
threads. Edges are written as they are made: memory grows with nodes alone, by 4 bytes each.

Example:
  sonograph synth graph --kind kronecker --scale 16 --degree 16 --seed 7 --out bench && sonograph study influence \
--snapshot bench";

#[derive(Debug, Subcommand)]
pub(super) enum SynthCommand {
    /// Make a city of venues, artists, promoters and fans: twelve weeks of history, two of programme ahead
    #[command(after_help = CITY_HELP)]
    City(CityArgs),
    /// Make a bare graph to measure on, of any size
    #[command(after_help = GRAPH_HELP)]
    Graph(GraphArgs),
}

/// Where the city goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Into the four source layouts of the configured PostgreSQL database
    Sources,
    /// Straight into a snapshot, without any server
    Snapshot,
}

#[derive(Debug, Args)]
pub(super) struct CityArgs {
    /// Registered people; visitors who never register come on top
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = people)]
    people: usize,
    /// Seed of the city [default: the configured one]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Where the city goes
    #[arg(long, value_enum)]
    to: Target,
    /// Folder of the snapshot, or for truth.json alone [default: <snapshots_dir>/city-N-S, or ./out]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Replace an earlier synthetic city (in the database: only schemas that one made) or an earlier snapshot
    #[arg(long)]
    replace: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// How the counts of rows come out [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// What the graph looks like
    #[arg(long, value_enum)]
    kind: Kind,
    /// Number of nodes as a power of 2: 20 is about a million, 30 the most
    #[arg(long, value_name = "S")]
    scale: u32,
    /// Edges per node on average, at most 4096
    #[arg(long, value_name = "D", default_value_t = 16)]
    degree: u32,
    /// Seed of the graph [default: the configured one]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Let every edge stand for both directions
    #[arg(long)]
    undirected: bool,
    /// Folder of the snapshot [default: <snapshots_dir>/KIND-SCALE-DEGREE-SEED]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Replace an earlier snapshot
    #[arg(long)]
    replace: bool,
    /// Say what would be written and what that takes, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Refuse before making anything what would take more memory than this, such as 2GiB
    #[arg(long, value_name = "SIZE", help_heading = "Memory")]
    memory_limit: Option<Bytes>,
    /// How the counts of rows come out [default: table on a terminal, json elsewhere]
    #[arg(long, value_enum, help_heading = "Output")]
    format: Option<Format>,
}

fn people(text: &str) -> Result<usize, String> {
    let people: usize = text.parse().map_err(|_| "it is not a whole number".to_owned())?;
    if (FEWEST_PEOPLE..=MOST_PEOPLE).contains(&people) {
        Ok(people)
    } else {
        Err(format!("a city has between {FEWEST_PEOPLE} and {MOST_PEOPLE} people"))
    }
}

pub(super) fn run(command: &SynthCommand, session: &Session) -> Result<Outcome, Failure> {
    match command {
        SynthCommand::City(args) => {
            let cx = session.cx.clone().with_seed(args.seed.unwrap_or(session.config.seed));
            let counts = match args.to {
                Target::Sources => to_sources(args, session, &cx)?,
                Target::Snapshot => to_snapshot(args, session, &cx)?,
            };
            print_counts(counts, args.format, session)
        }
        SynthCommand::Graph(args) => print_counts(graph(args, session)?, args.format, session),
    }
}

fn print_counts(
    counts: Vec<(String, u64)>,
    format: Option<Format>,
    session: &Session,
) -> Result<Outcome, Failure> {
    let (tables, rows): (Vec<String>, Vec<i64>) =
        counts.into_iter().map(|(table, rows)| (table, rows as i64)).unzip();
    let frame = df!("table" => tables, "rows" => rows)
        .map_err(|error| Failure::environment("cannot tabulate the counts of rows", error))?;
    print_frame(&frame, Format::or_usual(format), session.printer)?;
    Ok(Outcome::Done)
}

fn replaceable(dir: &Path, replace: bool) -> Result<(), Failure> {
    snapshot::check_target(dir, replace).map_err(|error| match error {
        SnapshotError::Exists(_) => Failure::from(error).with_hint("`--replace` replaces it"),
        _ => error.into(),
    })
}

fn graph(args: &GraphArgs, session: &Session) -> Result<Vec<(String, u64)>, Failure> {
    const LABEL: &str = "Node";
    const RELATION: &str = "EDGE";
    let (kind, seed) = (args.kind.name(), args.seed.unwrap_or(session.config.seed));
    let (nodes, edges) = BareGraph::size(args.scale, args.degree)?;
    let name = format!("{kind}-{}-{}-{seed}", args.scale, args.degree);
    let dir = args.out.clone().unwrap_or_else(|| session.config.snapshots_dir.join(name));
    replaceable(&dir, args.replace)?;
    let memory = Bytes(PROGRAM + BareGraph::memory(nodes, session.cx.threads));
    session
        .printer
        .note(format_args!("{nodes} nodes and {edges} edges; this takes at most about {memory} of memory"));
    if let Some(limit) = args.memory_limit.filter(|limit| memory.0 > limit.0) {
        let what = format!("this would take about {memory} of memory, more than the limit of {limit}");
        return Err(Failure::input(what).with_hint("fewer --threads or a smaller --scale take less"));
    }
    let counts = vec![(LABEL.to_owned(), nodes), (RELATION.to_owned(), edges)];
    if args.dry_run {
        session.printer.note("nothing was written: this was a dry run");
        return Ok(counts);
    }
    let (scale, degree) = (u64::from(args.scale), u64::from(args.degree));
    let origin = Origin::new("synthetic", "1").with("kind", kind).with("scale", scale);
    let mut input = ManifestInput::of(vec![origin.with("degree", degree).with("seed", seed)]);
    input.replace = args.replace;
    // Before the long work, so that a folder that cannot be written is told at once.
    let mut writing = Writing::begin(&dir, &input)?;
    let graph = BareGraph::draw(args.kind, args.scale, args.degree, seed, &session.cx)?;
    writing.nodes(LABEL, graph.nodes(&session.cx))?;
    writing.edges(RELATION, graph.edges(&session.cx))?;
    writing.finish(args.undirected)?;
    session.printer.note(format_args!("wrote the snapshot {}", dir.display()));
    Ok(counts)
}

fn to_sources(args: &CityArgs, session: &Session, cx: &Context) -> Result<Vec<(String, u64)>, Failure> {
    let url = session.config.postgres_url()?;
    let city = generate(args.people, cx.seed, cx)?;
    let options = LoadOptions { replace: args.replace, dry_run: args.dry_run };
    let loaded = session.block_on(load(&city, url.expose(), options, cx))??;
    if args.dry_run {
        session.printer.note("nothing was written: this was a dry run");
    } else {
        let dir = args.out.clone().unwrap_or_else(|| "out".into());
        fs_err::create_dir_all(&dir)?;
        tell_truth(&city, &dir, session)?;
    }
    Ok(loaded.into_iter().map(|table| (table.table, table.rows)).collect())
}

fn to_snapshot(args: &CityArgs, session: &Session, cx: &Context) -> Result<Vec<(String, u64)>, Failure> {
    let name = format!("city-{}-{}", args.people, cx.seed);
    let dir = args.out.clone().unwrap_or_else(|| session.config.snapshots_dir.join(name));
    replaceable(&dir, args.replace)?;
    let mut input = ManifestInput::of(vec![
        Origin::new("synthetic", "1").with("people", args.people as u64).with("seed", cx.seed),
    ]);
    input.replace = args.replace;
    input.options.extend(connect::identity_rules(&session.config));
    let city = generate(args.people, cx.seed, cx)?;
    let facts = city.facts(&connect::source_options(&session.config))?;
    let resolved = mirror::resolve(&facts, &connect::resolve_options(&session.config)?)?;
    let mut tables = resolved.to_tables()?;
    drop(resolved);
    tables.companions.extend(sources::companions(&facts)?);
    drop(facts);
    let frames = tables.nodes.iter().chain(&tables.edges).chain(&tables.companions);
    let counts = frames.map(|(name, frame)| (name.clone(), frame.height() as u64)).collect();
    if args.dry_run {
        session.printer.note("nothing was written: this was a dry run");
    } else {
        snapshot::write(&dir, &tables, &input, cx)?;
        session.printer.note(format_args!("wrote the snapshot {}", dir.display()));
        tell_truth(&city, &dir, session)?;
    }
    Ok(counts)
}

fn tell_truth(city: &City, dir: &Path, session: &Session) -> Result<(), Failure> {
    let path = dir.join(TRUTH);
    fs_err::write(&path, city.truth.to_json())?;
    session.printer.note(format_args!("wrote what was planted to {}", path.display()));
    Ok(())
}
