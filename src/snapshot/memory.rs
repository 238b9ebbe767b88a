//! The memory of agents in a snapshot: a graph of its own under `memory/<graph>/`, and what it may mention.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::{Column, DataFrame, StringChunked};
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use super::manifest::{Manifest, TableFile};
use super::read::loaded;
use super::tables::{Tables, UID};
use super::verify::Problem;

/// Folder of all memory graphs in a snapshot.
pub(super) const FOLDER: &str = "memory";
/// Stem of the table of mentions in the folder of its graph.
pub(super) const MENTIONS: &str = "mentions";

/// The memory of agents: a graph with dense ids of its own.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The graph, without companions.
    pub tables: Tables,
    /// Candidates of what its nodes mention: `memory_node`, `business_node`, `memory_uid`, `business_uid`, `label`, `rule`,
    /// `confidence`.
    pub mentions: DataFrame,
}

/// The files of one memory graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFiles {
    /// Nodes over all labels.
    pub node_count: u64,
    /// Edges over all relations.
    pub edge_count: u64,
    /// Label → its file.
    pub nodes: BTreeMap<String, TableFile>,
    /// Relation → its file.
    pub edges: BTreeMap<String, TableFile>,
    /// The candidates of what its nodes mention.
    pub mentions: TableFile,
}

impl MemoryFiles {
    /// All files, in the order nodes, edges, mentions.
    pub fn files(&self) -> impl Iterator<Item = &TableFile> {
        self.nodes.values().chain(self.edges.values()).chain([&self.mentions])
    }

    /// The graph these files hold, each read by `load`.
    pub(super) fn assembled(
        &self,
        load: &mut dyn FnMut(&TableFile) -> Result<DataFrame, SnapshotError>,
    ) -> Result<Memory, SnapshotError> {
        let mut all = |files: &BTreeMap<String, TableFile>| {
            let frames = files.iter().map(|(name, file)| Ok((name.clone(), load(file)?)));
            frames.collect::<Result<BTreeMap<_, _>, SnapshotError>>()
        };
        let tables = Tables { nodes: all(&self.nodes)?, edges: all(&self.edges)?, ..Tables::default() };
        Ok(Memory { tables, mentions: load(&self.mentions)? })
    }
}

/// Reads the memory graph `graph` of a snapshot; `None` where the snapshot holds none of that key.
///
/// # Errors
///
/// As [`super::read()`].
pub fn read_memory(dir: &Path, graph: &str) -> Result<Option<Memory>, SnapshotError> {
    let manifest = Manifest::read(dir)?;
    manifest.memory.get(graph).map(|files| files.assembled(&mut |file| loaded(dir, file))).transpose()
}

/// What is wrong with a memory graph's mentions: an end that is no node, or another node than its uid says.
pub(super) fn wrong_mention(business: &Tables, memory: &Memory) -> Option<String> {
    let frame = &memory.mentions;
    for (node, uid, tables) in
        [("memory_node", "memory_uid", &memory.tables), ("business_node", "business_uid", business)]
    {
        let columns =
            frame.column(node).and_then(Column::i64).and_then(|ids| Ok((ids, frame.column(uid)?.str()?)));
        let Ok((ids, uids)) = columns else {
            return Some(format!("has no columns `{node}` and `{uid}`"));
        };
        let known: Vec<Option<&str>> = tables
            .nodes
            .values()
            .filter_map(|frame| frame.column(UID).and_then(|c| c.str()).ok())
            .flat_map(StringChunked::iter)
            .collect();
        for (row, (id, uid)) in ids.iter().zip(uids.iter()).enumerate() {
            let there = id.and_then(|id| known.get(usize::try_from(id).ok()?).copied().flatten());
            if there.is_none() || there != uid {
                return Some(format!("row {row} has a `{node}` that is not `{}`", uid.unwrap_or("nothing")));
            }
        }
    }
    None
}

/// The problem of a memory graph's mentions, where there is one.
pub(super) fn problem(business: &Tables, memory: &Memory, files: &MemoryFiles) -> Option<Problem> {
    wrong_mention(business, memory).map(|what| Problem { place: files.mentions.file.clone(), what })
}
