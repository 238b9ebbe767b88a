//! Tables → a snapshot folder, whole or not at all; at once, or a batch of rows at a time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use polars::prelude::DataFrame;

use super::earlier::Earlier;
use super::manifest::{MANIFEST, Manifest, ManifestInput, RUN, Run, SCHEMA_VERSION, Stems, TableFile};
use super::memory::{FOLDER, MENTIONS, Memory, MemoryFiles, wrong_mention};
use super::order::{EdgeOrder, NodeOrder};
use super::partial::{Partial, check_target};
use super::table_file::{copy_table, write_table};
use super::tables::{Clock, Tables};
use super::{SnapshotError, verify};
use crate::context::{Context, Step};

/// Writes `tables` as the snapshot folder `dir` and answers with its manifest.
///
/// The same tables give the same bytes in every file but `run.json`. Left-overs of processes that were killed while
/// writing beside `dir` are cleaned away.
///
/// # Errors
///
/// When `dir` holds something that is not a snapshot, or a snapshot that may not be replaced; when the tables are no
/// graph in canonical order or hold a type that must not be at rest; when the disk refuses.
pub fn write(
    dir: &Path,
    tables: &Tables,
    input: &ManifestInput,
    cx: &Context,
) -> Result<Manifest, SnapshotError> {
    Writing::of(dir, None, tables, &BTreeMap::new(), input, cx)?.finish(tables.undirected)
}

/// How far a writing of whole tables is.
struct Written {
    step: Step,
    tables: u64,
}

impl Written {
    fn tick(&mut self) -> Result<(), SnapshotError> {
        self.tables += 1;
        Ok(self.step.tick(self.tables, None)?)
    }
}

fn whole(frame: &DataFrame) -> [Result<DataFrame, Infallible>; 1] {
    [Ok(frame.clone())]
}

/// A snapshot that is written table by table, each a batch of rows at a time: only a batch is held. Dropped before it is
/// finished, it leaves nothing.
///
/// Labels come in the order of their names and before the relations, in which dense ids of all nodes may be ends. Nodes and
/// edges come in canonical order ([`Tables`]), which is looked at as they pass; that no two labels share a uid is not.
///
/// ```
/// use std::convert::Infallible;
///
/// use polars::prelude::df;
/// use sonograph::snapshot::{ManifestInput, Writing};
///
/// let dir = tempfile::tempdir()?;
/// let person = |id: i64, uid: &str| df!("node" => [id], "uid" => [uid], "name" => [uid]);
/// let mut writing = Writing::begin(&dir.path().join("two"), &ManifestInput::of(vec![]))?;
/// writing.nodes("Person", [person(0, "ana")?, person(1, "ben")?].map(Ok::<_, Infallible>))?;
/// writing.edges("FOLLOWS", [Ok::<_, Infallible>(df!("src" => [0i64], "dst" => [1i64])?)])?;
/// assert_eq!(writing.finish(false)?.node_count, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writing {
    dir: PathBuf,
    partial: Partial,
    input: ManifestInput,
    part: Part,
    companions: (Stems, BTreeMap<String, TableFile>),
    raw: BTreeMap<String, TableFile>,
    memory: BTreeMap<String, MemoryFiles>,
}

impl Writing {
    /// Begins the snapshot `dir`.
    ///
    /// # Errors
    ///
    /// When `dir` holds something that is not a snapshot, or a snapshot that may not be replaced; when the disk refuses.
    pub fn begin(dir: &Path, input: &ManifestInput) -> Result<Self, SnapshotError> {
        check_target(dir, input.replace)?;
        // Through a link the folder is replaced, not the link.
        let dir = fs_err::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        let partial = Partial::begin(&dir)?;
        let part = Part::begin(&partial.path, String::new())?;
        fs_err::create_dir(partial.path.join("tables")).map_err(SnapshotError::writing)?;
        let (companions, raw, memory) = Default::default();
        Ok(Self { dir, partial, input: input.clone(), part, companions, raw, memory })
    }

    /// Begins the snapshot `dir` and writes `tables` and the memory graphs `memory` by key. Where there is an earlier snapshot,
    /// nodes and edges are copied from it instead, so that each of the two is whole without the other, and of `tables` the
    /// companions are written, of which none must be among those taken over.
    ///
    /// # Errors
    ///
    /// As [`write`]; also when a mention's end is no node, or a file that is taken over is not the one that was written.
    pub fn of(
        dir: &Path,
        earlier: Option<Earlier<'_>>,
        tables: &Tables,
        memory: &BTreeMap<String, Memory>,
        input: &ManifestInput,
        cx: &Context,
    ) -> Result<Self, SnapshotError> {
        check_target(dir, input.replace)?;
        let mentions = |memory: &Memory| {
            wrong_mention(tables, memory).map(|what| verify::Problem { place: MENTIONS.into(), what })
        };
        let of_memory = |memory: &Memory| verify::shared_uid(&memory.tables).or_else(|| mentions(memory));
        if let Some(problem) = verify::shared_uid(tables).or_else(|| memory.values().find_map(of_memory)) {
            return Err(SnapshotError::NotWhole(problem));
        }
        let count =
            |tables: &Tables| (tables.nodes.len() + tables.edges.len() + tables.companions.len()) as u64;
        let taken_over = earlier.map_or(0, |earlier| earlier.files().count() as u64);
        let total =
            taken_over + count(tables) + memory.values().map(|memory| count(&memory.tables)).sum::<u64>();
        let mut written = Written { step: cx.step("write snapshot", Some(total)), tables: 0 };
        let mut writing = Self::begin(dir, input)?;
        let mut stems = Stems::default();
        for (graph, memory) in memory {
            let mut part = Part::begin(&writing.partial.path, format!("{FOLDER}/{}/", stems.next(graph)))?;
            part.all(&memory.tables, &mut written)?;
            let mentions = part.table(MENTIONS, MENTIONS, whole(&memory.mentions))?;
            let Part { nodes, edges, order, edge_count, .. } = part;
            let node_count = order.count as u64;
            let files = MemoryFiles { node_count, edge_count, nodes, edges, mentions };
            writing.memory.insert(graph.clone(), files);
        }
        match earlier {
            Some(earlier) => writing.take_over(earlier, &mut written)?,
            None => writing.part.all(tables, &mut written)?,
        }
        for (name, frame) in &tables.companions {
            writing.companion(name, whole(frame))?;
            written.tick()?;
        }
        Ok(writing)
    }

    /// Writes the nodes of the next label, in at least one batch.
    ///
    /// # Errors
    ///
    /// What a batch fails with; when rows are not in canonical order or hold a type that must not be at rest; when the disk
    /// refuses.
    pub fn nodes<E: Into<SnapshotError>>(
        &mut self,
        label: &str,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<(), SnapshotError> {
        self.part.nodes(label, batches)
    }

    /// Writes the edges of the next relation, in at least one batch.
    ///
    /// # Errors
    ///
    /// As [`Writing::nodes`].
    pub fn edges<E: Into<SnapshotError>>(
        &mut self,
        relation: &str,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<(), SnapshotError> {
        self.part.edges(relation, batches)
    }

    /// Writes a table that is neither, in at least one batch.
    ///
    /// # Errors
    ///
    /// As [`Writing::nodes`], in whatever order its rows are.
    pub fn companion<E: Into<SnapshotError>>(
        &mut self,
        name: &str,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<(), SnapshotError> {
        let file = self.table(name, batches)?;
        self.companions.1.insert(name.to_owned(), file);
        Ok(())
    }

    /// Copies what an earlier snapshot of the same graph holds.
    fn take_over(&mut self, earlier: Earlier<'_>, written: &mut Written) -> Result<(), SnapshotError> {
        for file in earlier.files() {
            copy_table(earlier.dir, file, &self.partial.path)?;
            written.tick()?;
        }
        let Manifest { nodes, edges, tables, node_count, edge_count, as_of, .. } = earlier.manifest.clone();
        self.part.order.count = node_count as usize;
        self.part.edge_count = edge_count;
        self.part.clock = Clock::standing(as_of.map(Timestamp::as_microsecond));
        (self.part.nodes, self.part.edges) = (nodes, edges);
        let companions = tables.into_iter().filter(|(name, _)| earlier.companions.contains(&name.as_str()));
        self.companions.1.extend(companions);
        Ok(())
    }

    /// Writes a table of a database as it is, in at least one batch.
    ///
    /// # Errors
    ///
    /// As [`Writing::companion`].
    pub fn raw<E: Into<SnapshotError>>(
        &mut self,
        name: &str,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<(), SnapshotError> {
        let file = self.table(name, batches)?;
        self.raw.insert(name.to_owned(), file);
        Ok(())
    }

    fn table<E: Into<SnapshotError>>(
        &mut self,
        name: &str,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<TableFile, SnapshotError> {
        let place = format!("tables/{}", self.companions.0.next(name));
        self.part.table(name, &place, batches)
    }

    /// Puts the snapshot in its place.
    ///
    /// # Errors
    ///
    /// When the disk refuses, or somebody put a snapshot there meanwhile.
    pub fn finish(self, undirected: bool) -> Result<Manifest, SnapshotError> {
        let Self { dir, partial, input, part, companions: (_, tables), raw, memory } = self;
        let manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            sources: input.sources,
            options: input.options,
            undirected,
            as_of: part.clock.at().and_then(|at| Timestamp::from_microsecond(at).ok()),
            node_count: part.order.count as u64,
            edge_count: part.edge_count,
            nodes: part.nodes,
            edges: part.edges,
            tables,
            raw,
            memory,
        };
        write_json(&partial.path.join(MANIFEST), &manifest)?;
        let finished = Timestamp::now();
        let run = Run {
            run_id: format!("{}-{:08x}", finished.strftime("%Y%m%dT%H%M%SZ"), rand::random::<u32>()),
            started: input.started,
            finished,
            seconds: (finished - input.started).total(jiff::Unit::Second).unwrap_or(0.0),
            host: fs_err::read_to_string("/proc/sys/kernel/hostname")
                .map_or_else(|_| "unknown".into(), |h| h.trim().into()),
            positions: input.positions,
        };
        write_json(&partial.path.join(RUN), &run)?;
        partial.finish(&dir, input.replace)?;
        Ok(manifest)
    }
}

/// The nodes and edges of one graph, at their place in the folder: the snapshot's own or those of a memory.
#[derive(Debug)]
struct Part {
    root: PathBuf,
    /// Before every file: nothing, or a folder with its `/`.
    place: String,
    order: NodeOrder,
    clock: Clock,
    edge_count: u64,
    stems: [Stems; 2],
    nodes: BTreeMap<String, TableFile>,
    edges: BTreeMap<String, TableFile>,
}

impl Part {
    fn begin(root: &Path, place: String) -> Result<Self, SnapshotError> {
        for folder in ["nodes", "edges"] {
            fs_err::create_dir_all(root.join(format!("{place}{folder}"))).map_err(SnapshotError::writing)?;
        }
        Ok(Self {
            root: root.to_owned(),
            place,
            order: NodeOrder::default(),
            clock: Clock::default(),
            edge_count: 0,
            stems: Default::default(),
            nodes: BTreeMap::new(),
            edges: BTreeMap::new(),
        })
    }

    fn table<E: Into<SnapshotError>>(
        &self,
        table: &str,
        stem: &str,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<TableFile, SnapshotError> {
        let batches = batches.into_iter().map(|batch| batch.map_err(Into::into));
        write_table(&self.root, table, format!("{}{stem}.parquet", self.place), batches)
    }

    fn nodes<E: Into<SnapshotError>>(
        &mut self,
        label: &str,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<(), SnapshotError> {
        let is_next = self.nodes.keys().next_back().is_none_or(|before| **before < *label);
        if !is_next || !self.edges.is_empty() {
            return Err(not_whole(label, "comes after a later label or after edges".into()));
        }
        let mut order = std::mem::take(&mut self.order);
        order.label();
        let looked_at = batches.into_iter().map(|batch| {
            let batch = batch.map_err(Into::into)?;
            match order.problems(&batch).pop() {
                Some(what) => Err(not_whole(label, what)),
                None => Ok(batch),
            }
        });
        let stem = format!("nodes/{}", self.stems[0].next(label));
        let file = self.table(label, &stem, looked_at)?;
        self.order = order;
        self.nodes.insert(label.to_owned(), file);
        Ok(())
    }

    fn edges<E: Into<SnapshotError>>(
        &mut self,
        relation: &str,
        batches: impl IntoIterator<Item = Result<DataFrame, E>>,
    ) -> Result<(), SnapshotError> {
        if self.edges.keys().next_back().is_some_and(|before| **before >= *relation) {
            return Err(not_whole(relation, "comes after a later relation".into()));
        }
        let (mut order, mut clock) = (EdgeOrder::between(self.order.count), self.clock);
        let looked_at = batches.into_iter().map(|batch| {
            let batch = batch.map_err(Into::into)?;
            order.check(&batch).map_err(|what| not_whole(relation, what))?;
            clock.see(relation, &batch);
            Ok::<_, SnapshotError>(batch)
        });
        let stem = format!("edges/{}", self.stems[1].next(relation));
        let file = self.table(relation, &stem, looked_at)?;
        self.clock = clock;
        self.edge_count += file.rows;
        self.edges.insert(relation.to_owned(), file);
        Ok(())
    }

    /// The nodes and edges of tables that are there as a whole.
    fn all(&mut self, tables: &Tables, written: &mut Written) -> Result<(), SnapshotError> {
        for (label, frame) in &tables.nodes {
            self.nodes(label, whole(frame))?;
            written.tick()?;
        }
        for (relation, frame) in &tables.edges {
            self.edges(relation, whole(frame))?;
            written.tick()?;
        }
        Ok(())
    }
}

fn not_whole(place: &str, what: String) -> SnapshotError {
    SnapshotError::NotWhole(verify::Problem { place: place.to_owned(), what })
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), SnapshotError> {
    let mut text = serde_json::to_string_pretty(value).expect("names and numbers are always JSON");
    text.push('\n');
    let mut file = fs_err::File::create(path).map_err(SnapshotError::writing)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(SnapshotError::writing)
}
