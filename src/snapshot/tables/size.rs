//! What tables take in memory, told before any of them is read.

use std::collections::BTreeMap;

use super::{DST, SRC, UID};

/// The tables of a snapshot by what they take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes {
    /// By label.
    pub nodes: BTreeMap<String, TableSize>,
    /// By relation.
    pub edges: BTreeMap<String, TableSize>,
    /// By companion.
    pub companions: BTreeMap<String, TableSize>,
    /// Whether every edge stands for both directions.
    pub undirected: bool,
}

/// A table by what it takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSize {
    /// Rows.
    pub rows: u64,
    /// Bytes of its file.
    pub file: u64,
    /// Bytes by column in memory.
    pub columns: BTreeMap<String, u64>,
}

impl TableSize {
    /// Bytes of all columns in memory.
    pub fn bytes(&self) -> u64 {
        self.columns.values().sum()
    }

    /// Bytes of the columns that are no ends of edges.
    fn properties(&self) -> u64 {
        self.bytes() - [SRC, DST].iter().filter_map(|end| self.columns.get(*end)).sum::<u64>()
    }
}

impl Sizes {
    /// Number of nodes.
    pub fn node_count(&self) -> u64 {
        self.nodes.values().map(|table| table.rows).sum()
    }

    /// Edges of one relation; 0 where there is none.
    pub fn edges_of(&self, relation: &str) -> u64 {
        self.edges.get(relation).map_or(0, |table| table.rows)
    }

    /// Bytes of every node's uid.
    pub fn uids(&self) -> u64 {
        self.nodes.values().filter_map(|table| table.columns.get(UID)).sum()
    }

    /// Bytes that the loaded graph stays in: its tables, with the ends of edges as [`are_sources_counted`] has them.
    pub fn resident(&self) -> u64 {
        let beside = self.beside().map(TableSize::bytes).sum::<u64>();
        beside + self.edges.values().map(|table| self.ends(table) + table.properties()).sum::<u64>()
    }

    /// Bytes at the peak of loading: what stays, beside it the largest table of nodes or companions with what it is decoded
    /// to a second time, or a batch of edges with its ends and times and the properties of its relation once more.
    pub fn loading(&self) -> u64 {
        let whole = self.beside().map(|table| table.file + table.bytes() / 2).max().unwrap_or(0);
        let batch = |table: &TableSize| {
            let rows = table.rows.min(LARGEST_BATCH);
            // 16 of a time, 8 of two ends.
            rows * 24 + 2 * table.bytes() * rows / table.rows.max(1) + table.properties()
        };
        self.resident() + whole.max(self.edges.values().map(batch).max().unwrap_or(0))
    }

    fn beside(&self) -> impl Iterator<Item = &TableSize> {
        self.nodes.values().chain(self.companions.values())
    }

    fn ends(&self, table: &TableSize) -> u64 {
        let nodes = self.node_count();
        if are_sources_counted(nodes, table.rows) { 4 * (table.rows + nodes + 1) } else { 8 * table.rows }
    }
}

/// Rows of edges that are read at once, at most: a row group over what a batch has at least.
const LARGEST_BATCH: u64 = 3 << 19;

/// Whether of so many edges it is kept where those of each node begin, instead of the source of each.
pub fn are_sources_counted(nodes: u64, edges: u64) -> bool {
    edges >= 4 * (nodes + 1)
}
