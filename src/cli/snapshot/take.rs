//! `sonograph snapshot take`: graph from `FalkorDB`, companions from `PostgreSQL`, into one folder.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::json;

use super::consistency::{Consistency, Frozen};
use super::incremental::{FALKORDB, Incremental, LATEST, WRITTEN};
use super::memory::Memories;
use super::raw::{Asked, RawTables};
use super::told;
use crate::cli::{Failure, Outcome, Session, connect};
use crate::context::{Context, Fault};
use crate::snapshot::tables::Tables;
use crate::snapshot::{self, Manifest, ManifestInput, Origin, Writing};
use crate::sources::falkordb::marker::{self, Marker, Progress};
use crate::sources::falkordb::{Client, FalkorError, Version};
use crate::sources::{self, Databases, SourceOptions};

/// Where the manifest says how much the graph held, before it was read and after.
pub(super) const COUNTS: &str = "counts";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    after_help = "The graph is read by short pages with queries that cannot write, PostgreSQL in one read-only \
    transaction. What others write meanwhile is noticed where it changes a count, said, and noted in the manifest: such a \
    snapshot is no single state of the graph.\n\n\
    `--consistency copy` is one: it has the server copy the graph, reads the copy and removes it. That takes 3.5 times the \
    graph's memory, which has to be free, and stops the server for a while, about 3 s for 10 million edges; what it would cost \
    is told first, and where that can be felt nothing is done without `--yes`. `--consistency replica` reads as paged, \
    from a server that has to be a replica that follows its primary; how far it is behind is noted in run.json.\n\n\
    `--incremental` reads nothing of a graph that certainly is as it was: it copies labels, relations and internal ids from the \
    newest snapshot of the same graph, or the one `--against` names, and reads the sources in PostgreSQL and agent memory. Nothing in \
    FalkorDB tells of one label or relation that nobody set a property in it, only the server's count of writes does, for all that \
    it holds. So one write to any of its keys, also that of a `mirror apply` which finds nothing to do or of another program, a \
    restart, or a save without an append-only file in between has the whole graph read; so do replicas and snapshots of a copy, and a \
    user without `+info`. Which it was, and why, is said, and noted by table in run.json.\n\n\
    A graph whose last mirror run did not come to its end is refused; where this user may not read the mark that tells \
    (`~<graph>:sonograph +hgetall`), or a graph that the mirror wrote has none, that is said, and noted as \
    `mirror_run: unknown`.\n\n\
    A graph of agent memory goes to memory/<GRAPH>/ with dense ids of its own. Its vectors are not fetched. Business nodes its \
    entities may mean, by equal name and fitting type, are listed in mentions.parquet with a confidence below 1; nothing is \
    merged and neither graph is written. It is read through SONOGRAPH_MEMORY_URL where that is set; a user with \
    `~cognee* -@all +graph.ro_query +graph.list` is enough.\n\n\
    A table, view or partitioned table of PostgreSQL goes to tables/<SCHEMA.TABLE>.parquet as it is, by binary COPY over two \
    connections that see one moment, which is not that of the graph. Text, numbers, times, lists and JSON keep their types; \
    wall clocks without a zone, bytes and other types are the text that PostgreSQL writes. No study reads it.\n\n\
    Examples:\n  sonograph snapshot take --out snapshots/monday\n  sonograph snapshot take --consistency copy --yes\n  \
    sonograph snapshot take --memory cognee_graph\n  \
    sonograph snapshot take --table unified.entities:id,kind,name --table directus:public.events\n  sonograph snapshot take --incremental"
)]
pub(in crate::cli) struct TakeArgs {
    /// Folder to write [default: the folder of snapshots, named by the time in UTC]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Also read this Cognee graph, the memory of agents; may be repeated [default: `falkordb.memory_graphs`]
    #[arg(long, value_name = "GRAPH")]
    memory: Vec<String>,
    /// Also take this table as it is, all columns or those named, of JSON by COLUMN/KEY; may be repeated
    #[arg(long, value_name = "[SOURCE:]SCHEMA.TABLE[:COLUMN,…]")]
    table: Vec<Asked>,
    /// What the graph is read from
    #[arg(long, value_enum, default_value_t = Consistency::Paged)]
    consistency: Consistency,
    /// Take the graph over from an earlier snapshot if the server was not written to since
    #[arg(long)]
    incremental: bool,
    /// That snapshot: folder, name of one in the folder of snapshots, or `latest` of the same graph
    #[arg(long, value_name = "DIR", default_value = LATEST, requires = "incremental")]
    against: String,
    /// Have the graph copied though the server will stand still for a while
    #[arg(long)]
    yes: bool,
    /// Replace the snapshot that is in the folder
    #[arg(long)]
    force: bool,
    /// Leave out source rows that cannot be taken, count and list them, and go on
    #[arg(long)]
    skip_bad_rows: bool,
}

pub(super) fn run(args: &TakeArgs, session: &Session) -> Result<Outcome, Failure> {
    let started = Timestamp::now();
    let Some(out) = &args.out else {
        let claimed = Claimed::by_time(&session.config.snapshots_dir, started)?;
        return take(&claimed.dir, false, args, started, session);
    };
    take(out, args.force, args, started, session)
}

/// A folder of our own, empty until a snapshot is put in its place; gone again where none is.
struct Claimed {
    dir: PathBuf,
    /// Held as long as somebody works, so that what a killed run left can be told from it.
    _lock: File,
}

impl Claimed {
    /// Named by a time to the second, and by a number where several begin in one second.
    fn by_time(dir: &Path, at: Timestamp) -> Result<Self, Failure> {
        fs_err::create_dir_all(dir)?;
        sweep(dir);
        let name = at.strftime(NAMED).to_string();
        let others = (2u32..).map(|number| format!("{name}-{number}"));
        for name in std::iter::once(name.clone()).chain(others) {
            let dir = dir.join(name);
            match fs_err::create_dir(&dir) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            // Whoever begins beside us may take it for a left-over until it is locked.
            let Ok(lock) = File::open(&dir) else { continue };
            let taken = matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
            if !taken && dir.is_dir() {
                return Ok(Self { dir, _lock: lock });
            }
        }
        unreachable!("there are more numbers than snapshots in a second")
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        // A folder with a snapshot in it is not empty, and stays.
        let _ = std::fs::remove_dir(&self.dir);
    }
}

/// How a snapshot is named that nobody names.
const NAMED: &str = "%Y%m%dT%H%M%SZ";

/// Removes the empty folders that are named by a time, to be written or `.partial`, and that nobody works in: their runs were
/// killed.
fn sweep(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let time = name.split(['-', '.']).next().unwrap_or_default();
        if DateTime::strptime(NAMED, time).is_ok()
            && let Ok(lock) = File::open(&path)
            && lock.try_lock().is_ok()
        {
            // One with anything in it stays.
            let _ = std::fs::remove_dir(&path);
        }
    }
}

fn take(
    out: &Path,
    replace: bool,
    args: &TakeArgs,
    started: Timestamp,
    session: &Session,
) -> Result<Outcome, Failure> {
    snapshot::check_target(out, replace)?;
    let input = ManifestInput { started, replace, ..ManifestInput::of(Vec::new()) };
    let databases = match connect::databases(session) {
        Ok(databases) => Some(databases),
        Err(missing) => {
            session.printer.warn(format_args!(
                "{:#}: the snapshot holds no touchpoints and no claim events",
                missing.error
            ));
            None
        }
    };
    let raw = RawTables::of(&args.table, args.skip_bad_rows, session)?;
    let manifest = session.block_on(async {
        let mut client = connect::falkordb(session).await?;
        let memory = Memories::of(&args.memory, session).await?;
        let from = Systems {
            client: &mut client,
            graph: &session.config.falkordb.graph,
            databases: databases.as_ref(),
            options: &SourceOptions {
                skip_bad_rows: args.skip_bad_rows,
                ..connect::source_options(&session.config)
            },
            memory,
            raw,
            consistency: args.consistency,
            agreed: args.yes,
            against: args.incremental.then_some(args.against.as_str()),
        };
        freeze(from, out, input, session, &session.cx).await
    })??;
    told(out, &manifest, session)?;
    Ok(Outcome::Done)
}

/// Where a snapshot is taken from.
pub(in crate::cli) struct Systems<'a> {
    /// The graph's server.
    pub client: &'a mut Client,
    /// Key of the graph.
    pub graph: &'a str,
    /// Databases of the companions; `None`: without companions.
    pub databases: Option<&'a Databases>,
    /// How the sources are read.
    pub options: &'a SourceOptions,
    /// The memory of agents, where it is read, too.
    pub memory: Option<Memories>,
    /// Tables that are taken as they are.
    pub raw: RawTables,
    /// What the graph is read from.
    pub consistency: Consistency,
    /// Whether somebody agreed to a server that stands still.
    pub agreed: bool,
    /// The snapshot that the graph is taken over from, if that is still what the server holds; `None`: it is read.
    pub against: Option<&'a str>,
}

/// Freezes graph and companions into `out`; what `input` says is kept, its sources and positions are filled in.
///
/// A graph whose last mirror run did not come to its end is refused: it is a mixture of two states.
pub(in crate::cli) async fn freeze(
    from: Systems<'_>,
    out: &Path,
    mut input: ManifestInput,
    session: &Session,
    cx: &Context,
) -> Result<Manifest, Failure> {
    snapshot::check_target(out, input.replace)?;
    let Systems { client, graph, databases, options, memory, raw, consistency, agreed, against } = from;
    Box::pin(raw.check(cx)).await?;
    let before = settled(client, graph).await?;
    let (incremental, taken_over) = match against {
        Some(against) => {
            let found = Incremental::of(client, graph, (against, consistency), session, cx).await?;
            (Some(found.0), found.1)
        }
        None => (None, None),
    };
    let Frozen { scanned, mark: after, lag, writes, written } = match taken_over {
        Some(frozen) => frozen,
        None => consistency.read(client, graph, agreed, session.printer, cx).await?,
    };
    let scores = unfinished_scores(client, graph).await?;
    if let Some(run) = &scores {
        session.printer.warn(format_args!(
            "the write-back run {run} into `{graph}` did not come to its end: some nodes hold its scores and others older ones; \
             `sonograph writeback apply` completes it"
        ));
    }
    let earlier = incremental.as_ref().and_then(Incremental::earlier);
    let mut drift = scanned.drift;
    if before != after {
        drift.push("a mirror run came to its end while the graph was being read".to_owned());
    }
    let was_mirrored =
        was_mirrored(&scanned.tables) || incremental.as_ref().is_some_and(Incremental::was_mirrored);
    let unknown = before.unknown(graph, was_mirrored);
    if let Some(why) = &unknown {
        session.printer.warn(format_args!(
            "cannot tell whether the last mirror run into `{graph}` came to its end: {why}"
        ));
    }
    for left_out in &scanned.left_out {
        session.printer.note(left_out);
    }
    for change in &drift {
        session.printer.warn(format_args!("{change}: the snapshot is no single state of the graph"));
    }
    let version = scanned.version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
    let engine = scanned.version.map_or("unknown", Version::engine);
    let [counted_before, counted_after] = &scanned.counted;
    let mut origin = Origin::new(FALKORDB, version)
        .with("engine", engine)
        .with("graph", graph)
        .with(COUNTS, json!({"before": counted_before, "after": counted_after}));
    if unknown.is_some() {
        origin = origin.with("mirror_run", "unknown");
    }
    if let Some(run) = scores {
        origin = origin.with("unfinished_scores", run);
    }
    if !drift.is_empty() {
        origin = origin.with("drift", drift);
    }
    if !scanned.left_out.is_empty() {
        origin = origin.with("left_out", scanned.left_out);
    }
    input.sources.push(origin);
    input.options.insert("consistency".into(), consistency.name().into());
    input.options.extend(connect::identity_rules(&session.config));
    let mut position = json!({
        "generation": after.generation(),
        "pages": scanned.pages,
        "longest_page_ms": scanned.longest_page_ms,
        "writes_meanwhile": writes,
    });
    if let Some([before, after]) = lag {
        position["replica"] = json!({"before": before, "after": after});
    }
    if let Some(written) = written {
        position[WRITTEN] = json!(written);
    }
    input.positions.insert(FALKORDB.into(), position);
    let mut tables = scanned.tables;
    if let Some(databases) = databases {
        let facts = sources::read_facts(databases, options, cx).await?;
        let versions: Vec<String> = facts.servers.iter().map(u32::to_string).collect();
        let read: serde_json::Map<_, _> =
            facts.read.iter().map(|t| (format!("{}:{}", t.system, t.table), t.rows.into())).collect();
        connect::tell_bad_rows(&facts, session.printer);
        let mut origin = Origin::new("postgres", versions.join(", ")).with("rows", read);
        if !facts.bad_rows.is_empty() {
            origin = origin.with("bad_rows", json!(facts.bad_rows));
        }
        input.sources.push(origin);
        tables.companions.extend(sources::companions(&facts)?);
    }
    let mut remembered = BTreeMap::new();
    if let Some(memory) = memory {
        if let Some(earlier) = &earlier {
            tables.nodes = earlier.nodes()?;
        }
        let (graphs, positions) = memory.read(&tables, &mut input.sources, session, cx).await?;
        remembered = graphs;
        input.positions.insert("memory".into(), positions);
    }
    if let Some(incremental) = &incremental {
        let told = incremental.told(&tables, remembered.keys(), session.printer);
        input.positions.insert("incremental".into(), told);
    }
    let writing = Writing::of(out, earlier, &tables, &remembered, &input, cx)?;
    let undirected = tables.undirected;
    drop((tables, remembered));
    Ok(Box::pin(raw.write(writing, session, cx)).await?.finish(undirected)?)
}

/// What is known of the last mirror run into a graph; it is not running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It came to its end, or there was none.
    Settled(Option<Marker>),
    /// This user may not read the mark.
    Withheld,
}

impl Mark {
    fn generation(self) -> Option<i64> {
        match self {
            Self::Settled(mark) => mark.map(|mark| mark.generation),
            Self::Withheld => None,
        }
    }

    /// Why nobody can tell how the last mirror run into a graph ended, where that is so.
    fn unknown(self, graph: &str, was_mirrored: bool) -> Option<String> {
        match self {
            Self::Withheld => Some(format!(
                "this user may not read the mark of it, for which `~{} +hgetall` is enough",
                marker::key(graph)
            )),
            Self::Settled(None) if was_mirrored => Some(
                "its nodes carry the `gen` of such a run, but it has no mark, which `sonograph mirror apply` leaves"
                    .to_owned(),
            ),
            Self::Settled(_) => None,
        }
    }
}

/// Whether a mirror run wrote any of the nodes: it stamps them.
fn was_mirrored(tables: &Tables) -> bool {
    let stamps = tables.nodes.values().filter_map(|nodes| nodes.column("gen").ok()?.i64().ok());
    stamps.into_iter().any(|stamps| stamps.null_count() < stamps.len())
}

/// The write-back run that is not over; none where this user may not know.
async fn unfinished_scores(client: &mut Client, graph: &str) -> Result<Option<String>, Failure> {
    match marker::unfinished_scores(client, graph).await {
        Err(FalkorError::Forbidden { .. }) => Ok(None),
        read => Ok(read?),
    }
}

/// The mark of the last mirror run, unless that run is not over.
pub(super) async fn settled(client: &mut Client, graph: &str) -> Result<Mark, Failure> {
    let mark = match marker::read(client, graph).await {
        // Who may read nothing but the graph may still freeze it.
        Err(FalkorError::Forbidden { .. }) => return Ok(Mark::Withheld),
        read => read?,
    };
    if mark.is_some_and(|mark| mark.progress == Progress::Running) {
        return Err(Failure {
            error: anyhow::anyhow!(
                "cannot freeze the graph `{graph}`: the last mirror run into it did not come to its end"
            ),
            fault: Fault::Environment,
            hint: Some("`sonograph mirror apply` completes it".to_owned()),
        });
    }
    Ok(Mark::Settled(mark))
}
